// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {vm} from "../support/Vm.sol";

import {Disputing} from "./Disputing.sol";

/// @notice Time, policy, and what comes from outside: fees and lists that change, pauses, donations, a coin that refuses an account.
abstract contract Policy is Disputing {
    uint256 private _pauseFrom;

    function skip(uint256 seed) public watched {
        seed = _mix(seed);
        _skip(_die(seed, 0, 600));
        _did("skip");
    }

    /// @dev Mostly some epochs; seldom beyond unbonding, pauses, and the 21 days of a freeze.
    function skipFar(uint256 seed) public watched {
        seed = _mix(seed);
        uint256 die = _die(seed, 0, 30);
        if (die == 0) _skip(22 days);
        else if (die < 3) _skip(3 days);
        else if (die < 14) _skip(_die(seed, 1, 3 * uint256(W)));
        _did("skipFar");
    }

    function setFee(uint256 seed) public watched {
        seed = _mix(seed);
        uint8 steps = uint8(_die(seed, 0, 101));
        _decide(abi.encodeCall(params.setFee, (steps)));
        if (_die(seed, 1, 2) == 0) {
            _decide(abi.encodeCall(params.setReducedFee, (uint8(_die(seed, 2, 2)), uint8(_die(seed, 3, steps + 1)))));
        }
        _did("setFee");
    }

    /// @dev A closed token takes no new orders; mostly it is open.
    function setTokenOpen(uint256 seed) public watched {
        seed = _mix(seed);
        _decide(abi.encodeCall(params.setTokenOpen, (uint8(_die(seed, 0, 2)), _die(seed, 1, 5) != 0)));
        _did("setTokenOpen");
    }

    function setCourtFee(uint256 seed) public watched {
        seed = _mix(seed);
        _decide(abi.encodeCall(params.setCourtFee, (uint8(_die(seed, 0, 2)), uint64(_die(seed, 1, 2 * DOLLAR)))));
        _did("setCourtFee");
    }

    function pause(uint256 seed) public watched {
        if (_mix(seed) % 4 != 0 || _now() < _pauseFrom) return;
        _guard(abi.encodeCall(params.pause, ()));
        _pauseFrom = _now() + 60 days;
        _did("pause");
    }

    function unpause(uint256) public watched {
        if (params.pausedUntil() <= _now()) return;
        _guard(abi.encodeCall(params.unpause, ()));
        _did("unpause");
    }

    function donate(uint256 seed) public watched {
        seed = _mix(seed);
        uint8 token = uint8(_die(seed, 0, 2));
        address[3] memory holders = [address(book), address(vault), address(realCourt)];
        address to = holders[_die(seed, 1, 3)];
        uint256 amount = 1 + _die(seed, 2, 1e7);
        vm.prank(stranger);
        _asset(token).transfer(to, amount);
        donated[to][token] += amount;
        _did("donate");
    }

    /// @dev The coin refuses an account that money returns to, or takes that back.
    function refuse(uint256 seed) public watched {
        seed = _mix(seed);
        coin.refuse(_creditor(_die(seed, 0, 3)), _die(seed, 1, 2) == 0);
        _did("refuse");
    }

    function cancelAllBids(uint256 seed) public watched {
        uint256 side = _mix(seed) % 2;
        vm.prank(bidders[side]);
        book.cancelAllBids(uint32(side + 1), bidders[side]);
        _did("cancelAllBids");
    }

    function setPayout(uint256 seed) public watched {
        seed = _mix(seed);
        uint256 side = _die(seed, 0, 2);
        vm.prank(owners[side]);
        book.setPayout(uint32(side + 1), address(uint160(0xa000 + _die(seed, 1, 3))));
        _did("setPayout");
    }
}
