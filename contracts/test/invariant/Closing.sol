// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Hot} from "../../src/types/LeaseWord.sol";
import {LeaseState, StopBy, Terms} from "../../src/types/Types.sol";

import {Rent} from "../../src/libraries/Rent.sol";
import {Typed} from "../../src/libraries/Typed.sol";
import {vm} from "../support/Vm.sol";

import {Running} from "./Running.sol";

/// @notice How leases close, and how money leaves the book.
abstract contract Closing is Running {
    function finalize(uint256 seed) public watched {
        seed = _mix(seed);
        for (uint256 i = 0; i < SLOTS; ++i) {
            uint256 slot = (seed + i) % SLOTS;
            if (_hot(slot).state() != LeaseState.Live || _now() < uint256(_hot(slot).stopAt()) + F) continue;
            _finalize(slot);
            _did("finalize");
            return;
        }
    }

    /// @dev I8, and that the tenant has back what the provider and the protocol did not get.
    function _finalize(uint256 slot) internal {
        Terms memory terms = held[slot];
        Hot was = _hot(slot);
        uint256 earned = _earnedIn(slot, terms.token);
        uint256 back = _hasBack(terms.refundTo, terms.token);
        vm.prank(stranger);
        book.finalize(terms);
        _may(slot, ENDS);
        _look();
        earned = _earnedIn(slot, terms.token) - earned;
        back = _hasBack(terms.refundTo, terms.token) - back;
        uint256 served = _hot(slot).settled();
        uint256 before = Rent.rentDown(was.settled(), terms.ratePerHour);
        uint256 rent = Rent.rentDown(served, terms.ratePerHour) - before;
        _holds(8, earned >= rent, "I8: less than the rent");
        uint256 fee = earned - rent;
        _holds(1, earned + back == was.balance() + _holdback(terms), "I1: a close made or lost money");
        _holds(8, fee == 0 || was.stopBy() == StopBy.TenantOrFunds, "I8: an early fee that the tenant did not cause");
        // In 1/10,000 of the commitment's half, and of what was served.
        _holds(
            8,
            fee * 36_000_000 <= uint256(terms.earlyFeeBps) * terms.ratePerHour * (terms.minCommit / 2),
            "I8: an early fee above half of the commitment"
        );
        _holds(
            8, fee * 36_000_000 <= uint256(terms.earlyFeeBps) * terms.ratePerHour * served, "I8: above what was served"
        );
        if (fee != 0) _did("early fee");
        if (served > was.settled() && _usage0(was, slot) > served) _did("left unpaid");
    }

    /// @dev Usage of a lease that has just closed, from the word it had.
    function _usage0(Hot was, uint256 slot) private view returns (uint256 usage) {
        usage = _counter(slot) > was.laneBase() ? _counter(slot) - was.laneBase() : 0;
        uint256 ran = was.stopAt() - was.startAt();
        if (usage > ran) usage = ran;
    }

    function _earnedIn(uint256 slot, uint8 token) private view returns (uint256) {
        (uint128 claimable, uint128 vesting) = book.earnings(_pidOf(slot), token);
        return uint256(claimable) + vesting + book.fees(token);
    }

    /// @dev What an account was given back, in micro-units, pushed or credited.
    function _hasBack(address who, uint8 token) internal view returns (uint256) {
        return _asset(token).balanceOf(who) / _scale(token) + book.credits(who, token);
    }

    /// @dev Sent by the tenant or by a stranger with both signatures.
    function closeBoth(uint256 seed) public watched {
        seed = _mix(seed);
        bool pending = _die(seed, 1, 5) == 0;
        uint256 slot = _at(seed % SLOTS, pending ? LeaseState.Pending : LeaseState.Live);
        if (slot == SLOTS || _die(seed, 2, 5) != 0) return;
        Terms memory terms = held[slot];
        uint32 settled = _hot(slot).settled();
        uint32 cum = pending ? 0 : uint32(settled + _die(seed, 3, _ran(slot) - settled + 1));
        uint40 deadline = uint40(_now());
        bytes32 structHash = Typed.hashClose(terms.id, Typed.hashTerms(terms), cum, deadline);
        bytes memory provider = _signed(dutyKeys[slot / LANES], structHash);
        bool sent = _die(seed, 4, 2) == 0;
        bytes memory consent = sent ? _signed(_tenantKey(terms, seed), structHash) : bytes("");
        vm.prank(sent ? stranger : terms.tenant);
        book.closeBoth(terms, cum, deadline, provider, consent);
        _may(slot, ENDS);
        _did(pending ? bytes32("close before the start") : bytes32("closeBoth"));
    }

    // ---------------------------------------------------------------- money that leaves

    function claim(uint256 seed) public watched {
        seed = _mix(seed);
        _claim(uint32(_die(seed, 0, 2) + 1), uint8(_die(seed, 1, 2)));
    }

    function _claim(uint32 providerId, uint8 token) internal {
        (uint128 claimable,) = book.earnings(providerId, token);
        if (claimable == 0) return;
        address to = book.payoutOf(providerId);
        uint256 before = _asset(token).balanceOf(to);
        vm.prank(stranger);
        book.claim(providerId, token);
        _holds(7, _asset(token).balanceOf(to) - before == claimable * _scale(token), "I7: claimed to somebody else");
        _did("claim");
    }

    function pushFees(uint256 seed) public watched {
        _pushFees(uint8(_mix(seed) % 2));
    }

    function _pushFees(uint8 token) internal {
        if (book.fees(token) == 0) return;
        book.pushFees(token);
        _did("pushFees");
    }

    function withdrawCredit(uint256 seed) public watched {
        seed = _mix(seed);
        _withdraw(_creditor(_die(seed, 0, 3)), uint8(_die(seed, 1, 2)));
    }

    /// @dev Whoever leases return money to.
    function _creditor(uint256 index) internal view returns (address) {
        return index < 2 ? refunds[index] : funder;
    }

    function _withdraw(address who, uint8 token) internal {
        if (book.credits(who, token) == 0) return;
        // Where the token still refuses the account, it has it sent elsewhere.
        bool elsewhere = token == 1 && coin.refused(who);
        vm.prank(who);
        book.withdrawCredit(token, elsewhere ? stranger : who);
        _did("withdrawCredit");
    }

    /// @dev The router's part of what the protocol earned.
    function distribute(uint256 seed) public watched {
        uint8 token = uint8(_mix(seed) % 2);
        address asset = address(_asset(token));
        uint256 kept = router.kept(asset);
        uint256 amount = _asset(token).balanceOf(address(router)) - kept;
        if (amount == 0) return;
        uint256 before = _asset(token).balanceOf(treasury);
        router.distribute(asset);
        uint256 given = _asset(token).balanceOf(treasury) - before;
        _holds(1, given + router.kept(asset) - kept == amount, "I1: the router made or lost money");
        _did("distribute");
    }
}
