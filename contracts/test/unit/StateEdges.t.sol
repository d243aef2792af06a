// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Bid, Order, Terms} from "../../src/types/Types.sol";

import {Market} from "../support/Market.sol";
import {vm} from "../support/Vm.sol";

/// @notice I15: which act is possible in which state, all of them, present and absent.
contract StateEdgesTest is Market {
    string[12] private ACTS = [
        "accept",
        "start",
        "decline",
        "expire",
        "topUp",
        "stop by tenant",
        "stop by provider",
        "notice",
        "evict",
        "waive",
        "finalize",
        "closeBoth"
    ];

    Terms private terms;
    Order private nextOrder;
    uint32 private nextGen;

    /// @dev `possible` has an x where the act must succeed.
    function _table(string memory state, string memory possible) private {
        for (uint256 i = 0; i < ACTS.length; ++i) {
            uint256 id = vm.snapshotState();
            (address who, bytes memory call) = _act(i);
            vm.prank(who);
            (bool ok,) = address(book).call(call);
            yes(ok == (bytes(possible)[i] == "x"), string.concat(state, ": ", ACTS[i]));
            vm.revertToState(id);
        }
    }

    function _act(uint256 i) private view returns (address, bytes memory) {
        if (i == 0) {
            uint64[] memory lanes = _pair(0, nextGen);
            Bid memory bid = _bid(nextOrder, lanes);
            return (tenant, abi.encodeCall(book.accept, (nextOrder, bid, lanes, _sign(BID_KEY, book.hashBid(bid)))));
        }
        if (i == 1) return (operator, abi.encodeCall(book.start, (terms, _laneValue(0), bytes32(0))));
        if (i == 2) return (operator, abi.encodeCall(book.decline, (terms, 2001)));
        if (i == 3) return (stranger, abi.encodeCall(book.expire, (terms)));
        if (i == 4) return (tenant, abi.encodeCall(book.topUp, (terms, DOLLAR)));
        if (i == 5) return (tenant, abi.encodeCall(book.stop, (terms, 1001)));
        if (i == 6) return (operator, abi.encodeCall(book.stop, (terms, 2002)));
        if (i == 7) return (operator, abi.encodeCall(book.notice, (terms, 2001)));
        if (i == 8) return (operator, abi.encodeCall(book.evict, (terms)));
        if (i == 9) return (operator, abi.encodeCall(book.waive, (terms, 0)));
        if (i == 10) return (stranger, abi.encodeCall(book.finalize, (terms)));
        uint40 deadline = uint40(_now()) + 10;
        return
            (tenant, abi.encodeCall(book.closeBoth, (terms, 0, deadline, _signClose(DUTY_KEY, terms, 0, deadline), "")));
    }

    function _next(uint32 gen) private {
        nextOrder = _order();
        nextOrder.expiry = uint32(_now()) + 1 days;
        _post(nextOrder);
        nextGen = gen;
    }

    //                                 accept start decline expire topUp stopT stopP notice evict waive finalize closeBoth
    function test_NoLease() public {
        _next(1);
        Order memory order = _order();
        terms = _terms(order, _bid(order, _pair(0, 1)), 0, 1);
        _table("none", "x...........");
    }

    function test_Pending() public {
        terms = _open(_order(), 0, 1);
        _next(2);
        _table("pending", ".xx........x");
    }

    function test_PendingAtItsLastSecond() public {
        terms = _open(_order(), 0, 1);
        _next(2);
        _skip(900);
        _table("last second", ".xx........x");
    }

    function test_PendingTooLate() public {
        terms = _open(_order(), 0, 1);
        _next(2);
        _skip(901);
        _table("too late", "...x.......x");
    }

    function test_Live() public {
        terms = _live(0, 1);
        _next(2);
        _skip(100);
        _report(0, 50);
        _table("live", "....xxxx.x.x");
    }

    function test_LiveAndDry() public {
        Order memory order = _order();
        order.minCommit = 0;
        order.deposit = 900_000;
        terms = _live(order, 0, 1);
        _next(2);
        _skip(1000);
        _report(0, 1000);
        _table("dry", "....xxxxxx.x");
    }

    function test_Stopped() public {
        terms = _live(0, 1);
        _next(2);
        _skip(100);
        _report(0, 50);
        vm.prank(tenant);
        book.stop(terms, 1001);
        _table("stopped", ".........x.x");
        _skip(F - 1);
        _table("a second before F is over", ".........x.x");
        _skip(1);
        _table("after F", ".........xxx");
    }

    function test_EndReached() public {
        terms = _live(0, 1);
        _next(2);
        _skip(100);
        _report(0, 50);
        _skip(7100);
        _table("end reached", ".........x.x");
    }

    function test_Finalized() public {
        terms = _live(0, 1);
        _next(2);
        _skip(7200 + F);
        book.finalize(terms);
        _table("finalized", "............");
        _skip(W);
        _table("rested", "x...........");
    }

    function test_ClosedByBoth() public {
        terms = _live(0, 1);
        _next(2);
        _skip(100);
        uint40 deadline = uint40(_now());
        bytes memory signature = _signClose(DUTY_KEY, terms, 100, deadline);
        vm.prank(tenant);
        book.closeBoth(terms, 100, deadline, signature, "");
        _table("closed by both", "x...........");
    }

    function test_Declined() public {
        terms = _open(_order(), 0, 1);
        _next(2);
        vm.prank(operator);
        book.decline(terms, 2001);
        _table("declined", "x...........");
    }

    function test_ALowerGenIsClosedForEver() public {
        Terms memory old = _live(0, 1);
        uint40 deadline = uint40(_now());
        bytes memory signature = _signClose(DUTY_KEY, old, 0, deadline);
        vm.prank(tenant);
        book.closeBoth(old, 0, deadline, signature, "");
        _live(0, 2);
        terms = old;
        _next(3);
        _table("the lease before", "............");
    }
}
