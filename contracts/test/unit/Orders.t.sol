// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Bid, Order, OrderState, Terms} from "../../src/types/Types.sol";

import {Market} from "../support/Market.sol";
import {vm} from "../support/Vm.sol";

contract OrdersTest is Market {
    uint256 private constant N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;

    // ---------------------------------------------------------------- post

    function _refused(Order memory order, bytes memory reason) private {
        vm.prank(order.tenant == address(0) ? agent : order.tenant);
        vm.expectRevert(reason);
        book.postOrder(order, NEEDS, "");
    }

    function test_AnOrderMovesItsDepositAndCanBeReadBack() public {
        Order memory order = _order();
        bytes32 hash = _post(order);
        (OrderState state, uint64 amount, uint8 token, uint32 expiry, uint32 postedAt) = book.orderOf(hash);
        eq(uint256(state), uint256(OrderState.Open), "open");
        eq(amount, 20 * DOLLAR, "amount");
        eq(token, 0, "token");
        eq(expiry, order.expiry, "expiry");
        eq(postedAt, _now(), "postedAt");
        eq(dollar.balanceOf(address(book)), 20 * DOLLAR, "in the book");
        eq(book.tokenOf(0).asset, address(dollar), "adopted");
    }

    function test_AnAgentMayPostFromItsOwnMoneyAndAStrangerMayNot() public {
        Order memory order = _order();
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSignature("Order_NotTenant(address)", stranger));
        book.postOrder(order, NEEDS, "");
        _fund(agent);
        uint256 before = dollar.balanceOf(agent);
        vm.prank(agent);
        book.postOrder(order, NEEDS, "");
        eq(before - dollar.balanceOf(agent), 20 * DOLLAR, "the agent paid");
    }

    function test_EveryFieldOutOfItsBoundsIsRefusedByName() public {
        Order memory order = _order();
        order.form = 2;
        _refused(order, abi.encodeWithSignature("Order_Form(uint8)", 2));
        order = _order();
        order.form = 1;
        order.climb = 1 days + 1;
        _refused(order, abi.encodeWithSignature("Order_Form(uint8)", 1));
        order = _order();
        order.form = 1;
        order.startRate = order.maxRate + 1;
        _refused(order, abi.encodeWithSignature("Order_Climb(uint48,uint48)", order.startRate, order.maxRate));
        order.startRate = order.maxRate = 0;
        _refused(order, abi.encodeWithSignature("Order_Climb(uint48,uint48)", 0, 0));
        order = _order();
        order.startRate = 1;
        _refused(order, abi.encodeWithSignature("Order_Form(uint8)", 0));
        order = _order();
        order.climb = 1;
        _refused(order, abi.encodeWithSignature("Order_Form(uint8)", 0));
        order = _order();
        order.flags = 4;
        _refused(order, abi.encodeWithSignature("Order_Flags(uint8)", 4));
        order = _order();
        order.tenant = address(0);
        _refused(order, abi.encodeWithSignature("Order_ZeroAddress()"));
        order = _order();
        order.refundTo = address(0);
        _refused(order, abi.encodeWithSignature("Order_ZeroAddress()"));
        order = _order();
        order.refundTo = address(book);
        _refused(order, abi.encodeWithSignature("Order_ZeroAddress()"));
        order = _order();
        order.lots = 0;
        _refused(order, abi.encodeWithSignature("Order_Deposit(uint64,uint16)", order.deposit, 0));
        order = _order();
        order.lots = 257;
        _refused(order, abi.encodeWithSignature("Order_Deposit(uint64,uint16)", order.deposit, 257));
        order = _order();
        order.lots = 3;
        _refused(order, abi.encodeWithSignature("Order_Deposit(uint64,uint16)", order.deposit, 3));
        order = _order();
        order.deposit = 0;
        _refused(order, abi.encodeWithSignature("Order_Deposit(uint64,uint16)", 0, 1));
        order = _order();
        order.maxDuration = (1 << 30) + 1;
        _refused(order, abi.encodeWithSignature("Order_Duration(uint32,uint32)", (1 << 30) + 1, 1 << 30));
        order = _order();
        order.minDuration = 0;
        _refused(order, abi.encodeWithSignature("Order_Duration(uint32,uint32)", 0, 7200));
        order = _order();
        order.minDuration = 7201;
        _refused(order, abi.encodeWithSignature("Order_Duration(uint32,uint32)", 7201, 7200));
        order = _order();
        order.startWindow = 0;
        _refused(order, abi.encodeWithSignature("Order_Duration(uint32,uint32)", 0, 1 << 30));
        order = _order();
        order.notice = (1 << 30) + 1;
        _refused(order, abi.encodeWithSignature("Order_Duration(uint32,uint32)", (1 << 30) + 1, 1 << 30));
        order = _order();
        order.grace = (1 << 30) + 1;
        _refused(order, abi.encodeWithSignature("Order_Duration(uint32,uint32)", (1 << 30) + 1, 1 << 30));
        order = _order();
        order.minCommit = 7201;
        _refused(order, abi.encodeWithSignature("Order_Commitment(uint32,uint16)", 7201, 1000));
        order = _order();
        order.earlyFeeBps = 10_001;
        _refused(order, abi.encodeWithSignature("Order_Commitment(uint32,uint16)", 3600, 10_001));
        order = _order();
        order.expiry = uint32(_now());
        _refused(
            order, abi.encodeWithSignature("Order_Expiry(uint32,uint256,uint256)", _now(), _now(), _now() + 1 days)
        );
        order.expiry = uint32(_now()) + 1 days + 1;
        _refused(
            order,
            abi.encodeWithSignature("Order_Expiry(uint32,uint256,uint256)", order.expiry, _now(), _now() + 1 days)
        );
        order = _order();
        order.token = 1;
        _refused(order, abi.encodeWithSignature("Order_TokenClosed(uint8)", 1));
    }

    function test_DocumentsMustBeTheHashedOnes() public {
        Order memory order = _order();
        vm.startPrank(tenant);
        vm.expectRevert(
            abi.encodeWithSignature("Order_NeedsHash(bytes32,bytes32)", order.needsHash, keccak256("other"))
        );
        book.postOrder(order, "other", "");
        vm.expectRevert(
            abi.encodeWithSignature("Order_EndpointHash(bytes32,bytes32)", bytes32(0), keccak256("https://a.example"))
        );
        book.postOrder(order, NEEDS, "https://a.example");
        order.needsHash = keccak256(new bytes(4097));
        vm.expectRevert(abi.encodeWithSignature("Order_TooLong(uint256,uint256)", 4097, 4096));
        book.postOrder(order, new bytes(4097), "");
        order.needsHash = keccak256(NEEDS);
        vm.expectRevert(abi.encodeWithSignature("Order_TooLong(uint256,uint256)", 257, 256));
        book.postOrder(order, NEEDS, string(new bytes(257)));
        order.endpointHash = keccak256("https://a.example");
        book.postOrder(order, NEEDS, "https://a.example");
        vm.stopPrank();
    }

    function test_DirtyBitsBeyondAFieldsTypeAreRefused() public {
        Order memory order = _order();
        // The lowest bit that does not belong to the member's type, member after member.
        uint8[21] memory widths = [160, 160, 160, 8, 8, 8, 16, 48, 48, 32, 64, 32, 32, 32, 16, 32, 32, 32, 64, 64, 32];
        for (uint256 member = 0; member < 21; ++member) {
            bytes memory call = abi.encodeCall(book.postOrder, (order, NEEDS, ""));
            uint256 bit = widths[member];
            call[4 + member * 32 + 31 - bit / 8] |= bytes1(uint8(1 << (bit % 8)));
            vm.prank(tenant);
            (bool ok, bytes memory reason) = address(book).call(call);
            yes(!ok && bytes4(reason) == bytes4(keccak256("Order_Malformed()")), vm.toString(member));
        }
        _post(order);
    }

    function test_AClosedTokenTakesNoNewOrdersAndAPauseStopsPostingAndOpening() public {
        Order memory order = _order();
        params.setTokenOpen(0, false);
        _refused(order, abi.encodeWithSignature("Order_TokenClosed(uint8)", 0));
        params.setTokenOpen(0, true);
        _post(order);
        vm.prank(guardian);
        params.pause();
        _refused(_order(), abi.encodeWithSignature("Order_TokenClosed(uint8)", 0));
        uint64[] memory lanes = _pair(0, 1);
        Bid memory bid = _bid(order, lanes);
        bytes memory signature = _sign(BID_KEY, book.hashBid(bid));
        vm.prank(tenant);
        vm.expectRevert(abi.encodeWithSignature("Opening_Paused()"));
        book.accept(order, bid, lanes, signature);
        vm.prank(tenant);
        book.cancelOrder(order);
        eq(dollar.balanceOf(refundTo), 20 * DOLLAR, "a pause never holds money");
    }

    // ---------------------------------------------------------------- bid

    function _packedBid(uint256 key, Bid memory bid, uint64[] memory lanes) private view returns (bytes memory) {
        return _pack(bid, lanes, _sign(key, book.hashBid(bid)));
    }

    function test_ABidOfAKeyAndABidRelayedByAStrangerArePosted() public {
        Order memory order = _order();
        _post(order);
        uint64[] memory lanes = _pair(7, 1);
        bytes memory packed = _packedBid(BID_KEY, _bid(order, lanes), lanes);
        vm.recordLogs();
        vm.prank(bidder);
        book.publishBid(packed);
        vm.prank(stranger);
        book.publishBid(packed);
        eq(vm.getRecordedLogs().length, 2, "both");
    }

    function test_ABidThatNobodyAnswersForIsRefused() public {
        Order memory order = _order();
        bytes32 hash = _post(order);
        uint64[] memory lanes = _pair(7, 1);
        Bid memory bid = _bid(order, lanes);
        bytes memory foreign = _packedBid(STRANGER_KEY, bid, lanes);
        bytes memory packed = _packedBid(BID_KEY, bid, lanes);
        vm.startPrank(stranger);
        vm.expectRevert(abi.encodeWithSignature("Bid_Signer(uint32,address)", pid, stranger));
        book.publishBid(foreign);
        vm.expectRevert(abi.encodeWithSignature("Bid_Malformed(uint256)", 132));
        book.publishBid(new bytes(132));
        vm.expectRevert(abi.encodeWithSignature("Bid_Malformed(uint256)", 141));
        book.publishBid(new bytes(141));
        vm.expectRevert(abi.encodeWithSignature("Bid_Malformed(uint256)", 144));
        book.publishBid(new bytes(144));
        // 256 lots, whose order nobody posted, and one more.
        vm.expectRevert(abi.encodeWithSignature("Order_NotOpen(bytes32,uint8)", bytes32(0), 0));
        book.publishBid(new bytes(132 + 256 * 8));
        vm.expectRevert(abi.encodeWithSignature("Bid_Malformed(uint256)", 132 + 257 * 8));
        book.publishBid(new bytes(132 + 257 * 8));
        vm.expectRevert(abi.encodeWithSignature("Bid_Malformed(uint256)", 0));
        book.publishBid("");
        vm.stopPrank();
        vm.prank(bidder);
        book.cancelAllBids(pid, bidder);
        vm.prank(bidder);
        vm.expectRevert(abi.encodeWithSignature("Bid_Epoch(uint32,uint32)", 0, 1));
        book.publishBid(packed);
        _skip(601);
        vm.prank(bidder);
        vm.expectRevert(abi.encodeWithSignature("Order_NotOpen(bytes32,uint8)", hash, 1));
        book.publishBid(packed);
    }

    // ---------------------------------------------------------------- accept

    function _acceptRefused(Order memory order, Bid memory bid, uint64[] memory lanes, bytes memory reason) private {
        bytes memory signature = _sign(BID_KEY, book.hashBid(bid));
        vm.prank(order.tenant);
        vm.expectRevert(reason);
        book.accept(order, bid, lanes, signature);
    }

    function test_AnAcceptOutsideOfWhatBothSignedIsRefusedByName() public {
        Order memory order = _order();
        bytes32 hash = _post(order);
        uint64[] memory lanes = _pair(0, 1);
        Bid memory bid = _bid(order, lanes);

        bid.orderHash = "other";
        _acceptRefused(
            order, bid, lanes, abi.encodeWithSignature("Accept_OrderMismatch(bytes32,bytes32)", hash, bytes32("other"))
        );
        bid = _bid(order, lanes);
        bid.ratePerHour = order.maxRate + 1;
        _acceptRefused(
            order, bid, lanes, abi.encodeWithSignature("Accept_Rate(uint48,uint48)", bid.ratePerHour, order.maxRate)
        );
        bid.ratePerHour = 0;
        _acceptRefused(order, bid, lanes, abi.encodeWithSignature("Accept_Rate(uint48,uint48)", 0, order.maxRate));
        bid = _bid(order, lanes);
        bid.bond = order.minBond - 1;
        _acceptRefused(
            order, bid, lanes, abi.encodeWithSignature("Accept_Bond(uint64,uint64)", bid.bond, order.minBond)
        );
        bid = _bid(order, lanes);
        _acceptRefused(order, bid, new uint64[](2), abi.encodeWithSignature("Accept_Lots(uint256,uint16)", 2, 1));
        _acceptRefused(
            order,
            bid,
            _pair(1, 1),
            abi.encodeWithSignature(
                "Accept_Lanes(bytes32,bytes32)", keccak256(_packed(_pair(1, 1))), keccak256(_packed(lanes))
            )
        );
        bid.bidEpoch = 1;
        _acceptRefused(order, bid, lanes, abi.encodeWithSignature("Bid_Epoch(uint32,uint32)", 1, 0));
        lanes = _pair(0, 2);
        _acceptRefused(
            order, _bid(order, lanes), lanes, abi.encodeWithSignature("Lane_Gen(uint32,uint32,uint32)", 0, 2, 1)
        );
        lanes = _pair(0, 1);
        bid = _bid(order, lanes);
        bid.bond = 1001 * DOLLAR;
        _acceptRefused(
            order,
            bid,
            lanes,
            abi.encodeWithSignature(
                "StakeVault_NotFree(uint32,uint8,uint64,uint64)", pid, 0, 1001 * DOLLAR, 1000 * DOLLAR
            )
        );
        bid = _bid(order, lanes);
        _skip(301);
        _acceptRefused(order, bid, lanes, abi.encodeWithSignature("Accept_Deadline(uint40)", bid.deadline));
        bid = _bid(order, lanes);
        bytes memory signature = _sign(BID_KEY, book.hashBid(bid));
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSignature("Order_NotTenant(address)", stranger));
        book.accept(order, bid, lanes, signature);
        _skip(300);
        _acceptRefused(order, bid, lanes, abi.encodeWithSignature("Order_NotOpen(bytes32,uint8)", hash, 1));
    }

    function test_AnOrderThatAsksForPaidHistoryOrALongerTimeThanItsDepositIsRefused() public {
        Order memory order = _order();
        order.minSignedPaid = 1;
        _post(order);
        uint64[] memory lanes = _pair(0, 1);
        _acceptRefused(
            order, _bid(order, lanes), lanes, abi.encodeWithSignature("Accept_SignedPaid(uint80,uint64)", 0, 1)
        );
        order = _order();
        order.deposit = 1_079_999;
        _post(order);
        // 300 s of grace, 10 % of 1,800 s, 600 s.
        _acceptRefused(
            order,
            _bid(order, lanes),
            lanes,
            abi.encodeWithSignature("Accept_DepositTooSmall(uint64,uint256)", 1_079_999, 1_080_000)
        );
    }

    function test_ASignatureOfTheWrongKeyRoleOrShapeIsRefused() public {
        Order memory order = _order();
        _post(order);
        uint64[] memory lanes = _pair(0, 1);
        Bid memory bid = _bid(order, lanes);
        bytes memory good = _sign(BID_KEY, book.hashBid(bid));
        bytes memory duty = _sign(DUTY_KEY, book.hashBid(bid));
        vm.startPrank(tenant);
        vm.expectRevert(abi.encodeWithSignature("Bid_Signer(uint32,address)", pid, operator));
        book.accept(order, bid, lanes, duty);
        // 64 bytes, high s, none: nobody.
        bytes memory nobody = abi.encodeWithSignature("Bid_Signer(uint32,address)", pid, address(0));
        bytes memory short = new bytes(64);
        vm.expectRevert(nobody);
        book.accept(order, bid, lanes, short);
        vm.expectRevert(nobody);
        book.accept(order, bid, lanes, "");
        bytes memory high = _flipped(good);
        vm.expectRevert(nobody);
        book.accept(order, bid, lanes, high);
        book.accept(order, bid, lanes, good);
        vm.stopPrank();
    }

    function _flipped(bytes memory signature) private pure returns (bytes memory) {
        (bytes32 r, uint256 s, uint8 v) = (0, 0, uint8(signature[64]));
        assembly ("memory-safe") {
            r := mload(add(signature, 0x20))
            s := mload(add(signature, 0x40))
        }
        return abi.encodePacked(r, N - s, v == 27 ? uint8(28) : uint8(27));
    }

    function test_AnOrderIsAcceptedOnce() public {
        Order memory order = _order();
        bytes32 hash = _post(order);
        uint64[] memory lanes = _pair(0, 1);
        _accept(order, _bid(order, lanes), lanes);
        lanes = _pair(1, 1);
        _acceptRefused(
            order, _bid(order, lanes), lanes, abi.encodeWithSignature("Order_NotOpen(bytes32,uint8)", hash, 2)
        );
        vm.prank(tenant);
        vm.expectRevert(abi.encodeWithSignature("Order_NotOpen(bytes32,uint8)", hash, 2));
        book.cancelOrder(order);
    }

    function test_TwoLotsOnOneLaneAreRefused() public {
        Order memory order = _order();
        order.lots = 2;
        order.deposit = 40 * DOLLAR;
        _post(order);
        uint64[] memory lanes = new uint64[](2);
        lanes[0] = (uint64(3) << 32) | 1;
        lanes[1] = (uint64(3) << 32) | 2;
        _acceptRefused(
            order,
            _bid(order, lanes),
            lanes,
            abi.encodeWithSignature("Lane_Busy(uint32,uint32,uint256)", pid, 3, type(uint256).max)
        );
    }

    function test_ABidWithoutABondNeedsNoStake() public {
        Order memory order = _order();
        order.minBond = 0;
        _post(order);
        uint64[] memory lanes = _pair(0, 1);
        Bid memory bid = _bid(order, lanes);
        bid.bond = 0;
        _accept(order, bid, lanes);
        Terms memory terms = _terms(order, bid, 0, 1);
        _skip(100);
        vm.prank(operator);
        book.decline(terms, 2001);
        eq(dollar.balanceOf(refundTo), 20 * DOLLAR, "no bond, no burn");
    }
}
