// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Bid, Offer, Order, OrderState, Terms} from "../../src/types/Types.sol";

import {Trades} from "../support/Trades.sol";
import {vm} from "../support/Vm.sol";

/// @notice I15: which act is possible in which state, all of them, present and absent.
contract StateEdgesTest is Trades {
    string[19] private ACTS = [
        "accept",
        "acceptSigned",
        "fill",
        "take",
        "start",
        "decline",
        "expire",
        "topUp",
        "stop by tenant",
        "stopSigned",
        "stop by provider",
        "notice",
        "evict",
        "waive",
        "redeem",
        "amend",
        "finalize",
        "closeBoth",
        "freeze"
    ];

    Terms private terms;
    Order private nextOrder;
    Order private nextDutch;
    uint32 private nextGen;

    function setUp() public override {
        super.setUp();
        _nameCourt();
    }

    /// @dev `possible` has an x where the act must succeed.
    function _table(string memory state, string memory possible) private {
        eq(bytes(possible).length, ACTS.length, "a letter an act");
        for (uint256 i = 0; i < ACTS.length; ++i) {
            uint256 id = vm.snapshotState();
            (address who, bytes memory call) = i < 4 ? _opening(i) : _act(i);
            vm.prank(who);
            (bool ok,) = address(book).call(call);
            yes(ok == (bytes(possible)[i] == "x"), string.concat(state, ": ", ACTS[i]));
            vm.revertToState(id);
        }
    }

    function _opening(uint256 i) private view returns (address, bytes memory) {
        uint64[] memory lanes = _pair(0, nextGen);
        Bid memory bid = _bid(nextOrder, lanes);
        bytes memory signature = _sign(BID_KEY, book.hashBid(bid));
        if (i == 0) return (tenant, abi.encodeCall(book.accept, (nextOrder, bid, lanes, signature)));
        if (i == 1) {
            uint40 until = uint40(_now());
            bytes memory consent = _signAccept(TENANT_KEY, nextOrder, bid, until);
            return (stranger, abi.encodeCall(book.acceptSigned, (nextOrder, bid, lanes, signature, until, consent)));
        }
        if (i == 2) {
            return (bidder, abi.encodeCall(book.fill, (nextDutch, pid, lanes, 2 * DOLLAR, 0, noProof)));
        }
        Offer memory offer = _offer(nextOrder);
        offer.firstLane = 0;
        signature = _sign(BID_KEY, book.hashOffer(offer));
        return (tenant, abi.encodeCall(book.take, (nextOrder, offer, _part(0), signature, noProof)));
    }

    function _act(uint256 i) private view returns (address, bytes memory) {
        uint32 settled = _lease(0).settled;
        uint40 deadline = uint40(_now());
        if (i == 4) return (operator, abi.encodeCall(book.start, (terms, _laneValue(0), bytes32(0))));
        if (i == 5) return (operator, abi.encodeCall(book.decline, (terms, 2001)));
        if (i == 6) return (stranger, abi.encodeCall(book.expire, (terms)));
        if (i == 7) return (tenant, abi.encodeCall(book.topUp, (terms, DOLLAR)));
        if (i == 8) return (tenant, abi.encodeCall(book.stop, (terms, 1001)));
        if (i == 9) {
            bytes memory signature = _signStop(TENANT_KEY, terms, 1001, deadline);
            return (stranger, abi.encodeCall(book.stopSigned, (terms, 1001, deadline, signature)));
        }
        if (i == 10) return (operator, abi.encodeCall(book.stop, (terms, 2002)));
        if (i == 11) return (operator, abi.encodeCall(book.notice, (terms, 2001)));
        if (i == 12) return (operator, abi.encodeCall(book.evict, (terms)));
        if (i == 13) return (operator, abi.encodeCall(book.waive, (terms, settled)));
        if (i == 14) return (tenant, abi.encodeCall(book.redeem, (terms, settled + 5, "")));
        if (i == 15) {
            Terms memory next = terms;
            next.maxDuration += 1;
            bytes memory signature = _signAmend(DUTY_KEY, terms, next, settled, deadline);
            return (tenant, abi.encodeCall(book.amend, (terms, next, settled, deadline, signature, "")));
        }
        if (i == 16) return (stranger, abi.encodeCall(book.finalize, (terms)));
        if (i == 17) {
            bytes memory signature = _signClose(DUTY_KEY, terms, settled, deadline);
            return (tenant, abi.encodeCall(book.closeBoth, (terms, settled, deadline, signature, "")));
        }
        return (court, abi.encodeCall(book.freeze, (terms, 1)));
    }

    function _next(uint32 gen) private {
        nextOrder = _order();
        nextOrder.expiry = uint32(_now()) + 1 days;
        _post(nextOrder);
        nextDutch = _dutch();
        nextDutch.expiry = uint32(_now()) + 1 days;
        _post(nextDutch);
        nextGen = gen;
    }

    /// @dev Something is paid and vests, and something more is counted.
    function _used() private {
        _report(0, 50);
        _settle(0);
        _report(0, 60);
    }

    // Openings: accept acceptSigned fill take. Then start decline expire topUp stop(tenant) stopSigned stop(provider) notice evict
    // waive redeem amend finalize closeBoth freeze.
    string private constant FREE = "xxxx...............";
    string private constant OVER = "...................";

    function test_NoLease() public {
        _next(1);
        Order memory order = _order();
        terms = _terms(order, _bid(order, _pair(0, 1)), 0, 1);
        _table("none", FREE);
    }

    function test_Pending() public {
        terms = _open(_order(), 0, 1);
        _next(2);
        _table("pending", "....xx...........x.");
    }

    function test_PendingAtItsLastSecond() public {
        terms = _open(_order(), 0, 1);
        _next(2);
        _skip(900);
        _table("last second", "....xx...........x.");
    }

    function test_PendingTooLate() public {
        terms = _open(_order(), 0, 1);
        _next(2);
        _skip(901);
        _table("too late", "......x..........x.");
    }

    function test_Live() public {
        terms = _live(0, 1);
        _next(2);
        _skip(100);
        _used();
        _table("live", ".......xxxxx.xxx.xx");
    }

    function test_LiveAndDry() public {
        Order memory order = _order();
        order.minCommit = 0;
        order.deposit = 900_000;
        terms = _live(order, 0, 1);
        _next(2);
        _skip(1000);
        _report(0, 1000);
        _table("dry, not settled", ".......xxxxxxxxx.x.");
        _settle(0);
        _table("dry", ".......xxxxxxx.x.xx");
    }

    function test_LiveUnderNotice() public {
        terms = _live(0, 1);
        _next(2);
        _skip(100);
        _used();
        vm.prank(operator);
        book.notice(terms, 2001);
        _skip(1);
        _table("under notice", ".......xxxx..xxx.xx");
    }

    function test_Stopped() public {
        terms = _live(0, 1);
        _next(2);
        _skip(100);
        _used();
        vm.prank(tenant);
        book.stop(terms, 1001);
        _table("stopped", ".............xx..xx");
        _skip(F - 1);
        _table("a second before F is over", ".............xx..xx");
        _skip(1);
        _table("after F", ".............xx.xxx");
    }

    function test_EndReached() public {
        terms = _live(0, 1);
        _next(2);
        _skip(7200);
        _used();
        _table("end reached", ".............xx..xx");
    }

    function test_Finalized() public {
        terms = _live(0, 1);
        _next(2);
        _skip(7200 + F);
        _used();
        book.finalize(terms);
        _table("finalized", "..................x");
        _skip(W - 1);
        _table("a second before the lane has rested", "..................x");
        _skip(1);
        _table("rested", FREE);
    }

    function test_ClosedByBoth() public {
        terms = _live(0, 1);
        _next(2);
        _skip(100);
        _used();
        uint40 deadline = uint40(_now());
        bytes memory signature = _signClose(DUTY_KEY, terms, 100, deadline);
        vm.prank(tenant);
        book.closeBoth(terms, 100, deadline, signature, "");
        _table("closed by both", FREE);
    }

    function test_Declined() public {
        terms = _open(_order(), 0, 1);
        _next(2);
        vm.prank(operator);
        book.decline(terms, 2001);
        _table("declined", FREE);
    }

    function test_Expired() public {
        terms = _open(_order(), 0, 1);
        _next(2);
        _skip(901);
        book.expire(terms);
        _table("expired", FREE);
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
        _table("the lease before", OVER);
    }

    function test_AmendedTermsAreTheOnlyOnes() public {
        terms = _live(0, 1);
        _next(2);
        _skip(100);
        _used();
        Terms memory before = terms;
        Terms memory next = abi.decode(abi.encode(terms), (Terms));
        next.maxDuration = 7300;
        _amend(before, next, 60);
        _table("the terms before", OVER);
        terms = next;
        _skip(10);
        // Nothing of the new count is paid yet, so there is nothing to freeze, nothing to waive.
        _table("the terms in force", ".......xxxxx..xx.x.");
    }

    // ---------------------------------------------------------------- orders

    /// @dev cancel by the tenant, cancel by a stranger, accept, post again.
    function _orderTable(Order memory order, string memory possible, string memory state) private {
        uint64[] memory lanes = _pair(0, 1);
        Bid memory bid = _bid(order, lanes);
        bytes memory signature = _sign(BID_KEY, book.hashBid(bid));
        for (uint256 i = 0; i < 4; ++i) {
            uint256 id = vm.snapshotState();
            bytes memory call;
            if (i < 2) call = abi.encodeCall(book.cancelOrder, (order));
            else if (i == 2) call = abi.encodeCall(book.accept, (order, bid, lanes, signature));
            else call = abi.encodeCall(book.postOrder, (order, NEEDS, ""));
            vm.prank(i == 1 ? stranger : tenant);
            (bool ok,) = address(book).call(call);
            yes(ok == (bytes(possible)[i] == "x"), string.concat(state, " ", vm.toString(i)));
            vm.revertToState(id);
        }
    }

    function test_AnOrderIsPostedOnceAndEndsOnce() public {
        Order memory order = _order();
        _orderTable(order, "...x", "none");
        _post(order);
        _orderTable(order, "x.x.", "open");
        uint256 id = vm.snapshotState();
        vm.prank(tenant);
        book.cancelOrder(order);
        _orderTable(order, "....", "cancelled");
        vm.revertToState(id);
        uint64[] memory lanes = _pair(0, 1);
        _accept(order, _bid(order, lanes), lanes);
        _orderTable(order, "....", "accepted");
        vm.revertToState(id);
        _skip(600);
        _orderTable(order, "x.x.", "its last second");
        _skip(1);
        _orderTable(order, "xx..", "expired");
        (OrderState state,,,,) = book.orderOf(book.hashOrder(order));
        eq(uint256(state), uint256(OrderState.Open), "expiry needs no transaction");
    }
}
