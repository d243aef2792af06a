// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Bid, FundBy, Funding, LeaseState, Offer, Order, OrderState, Terms} from "../../src/types/Types.sol";

import {Rent} from "../../src/libraries/Rent.sol";
import {Bucket} from "../../src/libraries/Vesting.sol";

import {Trades} from "../support/Trades.sol";
import {vm} from "../support/Vm.sol";

/// @notice The last value that is allowed and the first that is not, and what is left when something ends, where no other test
/// stands on the edge.
contract BoundsTest is Trades {
    function test_EveryFlagIsAllowedAndBecomesATerm() public {
        Order memory order = _order();
        order.flags = 3;
        // Starting checks the hash of the terms, flags included.
        Terms memory terms = _live(order, 0, 1);
        Terms memory next = abi.decode(abi.encode(terms), (Terms));
        next.maxDuration = 7000;
        _amend(terms, next, 0);
        order = _order();
        order.flags = 4;
        vm.prank(tenant);
        vm.expectRevert(abi.encodeWithSignature("Order_Flags(uint8)", 4));
        book.postOrder(order, NEEDS, "");
    }

    function test_TheHighestFeeIsATenthAndIsKept() public {
        params.setFee(100);
        Order memory order = _order();
        Terms memory terms = _open(order, 0, 1);
        terms.feeSteps = 100;
        vm.prank(operator);
        book.start(terms, 0, 0);
        _skip(1000);
        book.redeem(terms, 1000, _voucher(TENANT_KEY, terms, 1000));
        eq(book.fees(0), 100_000, "a tenth of 1,000 seconds");
    }

    function test_AnOrderThatIsOverOpensNothingInAnyWay() public {
        Order memory order = _order();
        bytes32 id = _post(order);
        vm.prank(tenant);
        book.cancelOrder(order);
        bytes memory over = abi.encodeWithSignature("Order_NotOpen(bytes32,uint8)", id, uint8(OrderState.Cancelled));
        uint64[] memory lanes = _pair(0, 1);
        Bid memory bid = _bid(order, lanes);
        bytes memory signature = _sign(BID_KEY, book.hashBid(bid));
        vm.prank(tenant);
        vm.expectRevert(over);
        book.accept(order, bid, lanes, signature);
        uint40 deadline = uint40(_now());
        bytes memory consent = _signAccept(TENANT_KEY, order, bid, deadline);
        vm.expectRevert(over);
        book.acceptSigned(order, bid, lanes, signature, deadline, consent);
        Offer memory offer = _offer(order);
        signature = _sign(BID_KEY, book.hashOffer(offer));
        vm.prank(tenant);
        vm.expectRevert(over);
        book.take(order, offer, _part(0), signature, noProof);
    }

    function test_AnOrderHasAtMost256Lots() public {
        Order memory order = _order();
        order.lots = 256;
        order.deposit = 256 * 1_000_000;
        _post(order);
        order.lots = 257;
        order.deposit = 257 * 1_000_000;
        vm.prank(tenant);
        vm.expectRevert(abi.encodeWithSignature("Order_Deposit(uint64,uint16)", order.deposit, 257));
        book.postOrder(order, NEEDS, "");
    }

    function test_AnAmendmentMayUseTheLastSecondTheLaneCanCount() public {
        Terms memory terms = _open(_order(), 0, 1);
        vm.prank(operator);
        book.start(terms, (1 << 31) - 1 - 7200, 0);
        _skip(100);
        Terms memory next = abi.decode(abi.encode(terms), (Terms));
        next.maxDuration = 7100;
        _amend(terms, next, 100);
        eq(_lease(0).laneBase, (1 << 31) - 1 - 7100, "to the last second");
    }

    function test_AnAddedKeyDoesNotActASecondBeforeItsDayIsOver() public {
        vm.prank(owner);
        book.addKey(pid, stranger, 1);
        _skip(1 days - 1);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSignature("Key_Denied(uint32,address,uint8)", pid, stranger, 1));
        book.publishFacts(pid, "facts");
        _skip(1);
        vm.prank(stranger);
        book.publishFacts(pid, "facts");
    }

    function test_APermitAndAnAuthorizationAreOfTheDepositInTheTokensOwnUnits() public {
        FineToken fine = new FineToken();
        Order memory order = _order();
        order.token = params.listToken(address(fine), false);
        uint40 deadline = uint40(_now()) + 60;
        vm.prank(tenant);
        book.postOrderSigned(order, NEEDS, "", "", Funding(FundBy.Permit, tenant, deadline, new bytes(65)));
        eq(fine.balanceOf(address(book)), 20e18, "by permit");
        order.salt = "another";
        vm.prank(tenant);
        book.postOrderSigned(order, NEEDS, "", "", Funding(FundBy.Authorization, tenant, deadline, new bytes(65)));
        eq(fine.balanceOf(address(book)), 40e18, "by authorization");
    }

    function test_ARemovedKeyLeavesNothingButItsEpoch() public {
        vm.prank(owner);
        book.removeKey(pid, bidder);
        (uint8 roles, uint40 from, uint32 epoch) = book.keyOf(pid, bidder);
        eq(roles, 0, "no roles");
        eq(from, 0, "from never");
        eq(epoch, 1, "the epoch");
    }

    function test_AReportOfSeveralWordsRaisesEachInItsPlace() public {
        uint256[] memory words = new uint256[](3);
        for (uint256 i = 0; i < 3; ++i) {
            words[i] = (100 + i) << (32 * i);
        }
        vm.prank(operator);
        book.report(pid, 5, uint40(_now()), "root", words);
        for (uint32 i = 0; i < 3; ++i) {
            eq(book.laneWord(pid, 5 + i), words[i], "a word");
        }
        eq(book.laneWord(pid, 4), 0, "before them");
        uint256[] memory less = new uint256[](3);
        for (uint256 i = 0; i < 3; ++i) {
            less[i] = 99 << (32 * i);
        }
        vm.prank(operator);
        book.report(pid, 5, uint40(_now()), "root", less);
        for (uint32 i = 0; i < 3; ++i) {
            eq(book.laneWord(pid, 5 + i), words[i], "held against what is in the same place");
        }
    }

    function test_ABidOfALaterEpochIsPosted() public {
        vm.prank(owner);
        book.cancelAllBids(pid, bidder);
        Order memory order = _order();
        _post(order);
        uint64[] memory lanes = _pair(0, 1);
        Bid memory bid = _bid(order, lanes);
        bid.bidEpoch = 1;
        bytes memory packed = _pack(bid, lanes, _sign(BID_KEY, book.hashBid(bid)));
        vm.prank(bidder);
        book.publishBid(packed);
        // By somebody else, so that all of it is read.
        book.publishBid(packed);
    }

    /// @dev Live at so many micro-units an hour.
    function _liveAt(uint48 rate, uint8 token) private returns (Terms memory terms) {
        Order memory order = _order();
        order.token = token;
        order.minBond = 0;
        _post(order);
        uint64[] memory lanes = _pair(0, 1);
        Bid memory bid = _bid(order, lanes);
        bid.ratePerHour = rate;
        bid.bond = 0;
        _accept(order, bid, lanes);
        terms = _terms(order, bid, 0, 1);
        (terms.feeSteps,) = params.opening(token);
        vm.prank(operator);
        book.start(terms, 0, 0);
    }

    function test_TheFeeOfASettlementIsRoundedDown() public {
        params.setFee(1);
        _liveAt(999 * 3600, 0);
        _skip(1);
        _report(0, 1);
        _settle(0);
        eq(book.fees(0), 0, "a thousandth of 999");
        eq(book.reputation(pid).paid, 999, "paid");
    }

    function test_ASettlementThatPaysNothingBooksNothing() public {
        _liveAt(1, 0);
        _skip(100);
        _report(0, 100);
        vm.recordLogs();
        _settle(0);
        eq(vm.getRecordedLogs().length, 1, "settled, and no more");
        eq(_lease(0).settled, 100, "the seconds count");
    }

    function test_AClosedLeaseHoldsNothingAndSaysThatItIsClosed() public {
        Terms memory terms = _live(0, 1);
        uint40 deadline = uint40(_now());
        bytes memory signature = _signClose(DUTY_KEY, terms, 0, deadline);
        vm.prank(tenant);
        book.closeBoth(terms, 0, deadline, signature, "");
        eq(uint8(_lease(0).state), uint8(LeaseState.Closed), "agreed");
        eq(_lease(0).balance, 0, "agreed: nothing");
        terms = _live(1, 1);
        _skip(7200 + F);
        book.finalize(terms);
        eq(uint8(_lease(1).state), uint8(LeaseState.Closed), "finalized");
        eq(_lease(1).balance, 0, "finalized: nothing");
        terms = _open(_order(), 2, 1);
        vm.prank(operator);
        book.decline(terms, 2001);
        eq(uint8(_lease(2).state), uint8(LeaseState.Closed), "declined");
        eq(_lease(2).balance, 0, "declined: nothing");
    }

    function test_OnlyDollarsCountInTheRecordOfAProvider() public {
        FineToken fine = new FineToken();
        uint8 token = params.listToken(address(fine), false);
        fine.allow(20e18);
        Terms memory terms = _liveAt(3_600_000, token);
        _skip(1000);
        _report(0, 400);
        _settle(0);
        book.redeem(terms, 600, _voucher(TENANT_KEY, terms, 600));
        uint40 deadline = uint40(_now());
        bytes memory signature = _signClose(DUTY_KEY, terms, 900, deadline);
        vm.prank(tenant);
        book.closeBoth(terms, 900, deadline, signature, "");
        eq(book.reputation(pid).paid, 0, "no dollars");
        eq(book.reputation(pid).signedPaid, 0, "none signed");
    }

    function test_ATokenThatCallsBackFindsEveryActThatMovesMoneyClosed() public {
        FineToken fine = new FineToken();
        uint8 token = params.listToken(address(fine), false);
        fine.allow(20e18);
        Terms memory terms = _liveAt(3_600_000, token);
        _skip(1000);
        book.redeem(terms, 600, _voucher(TENANT_KEY, terms, 600));
        // There are fees, so this would go through.
        fine.callBack(address(book), abi.encodeCall(book.pushFees, (token)));

        fine.allow(1e18);
        book.topUp(terms, 1_000_000);
        yes(fine.refused() == 1, "topUp");
        book.claim(pid, token);
        yes(fine.refused() == 2, "claim");
        uint40 deadline = uint40(_now());
        bytes memory signature = _signClose(DUTY_KEY, terms, 600, deadline);
        vm.prank(tenant);
        book.closeBoth(terms, 600, deadline, signature, "");
        yes(fine.refused() == 3, "closeBoth");

        fine.allow(20e18);
        Order memory order = _order();
        order.token = token;
        _post(order);
        yes(fine.refused() == 4, "postOrder");
        vm.prank(tenant);
        book.cancelOrder(order);
        yes(fine.refused() == 5, "cancelOrder");
        book.pushFees(token);
        yes(fine.refused() == 6, "pushFees");
    }

    function test_APaymentOfAllThereIsEndsAtTheCountAndOneThatFallsShortBeforeIt() public pure {
        (uint256 upTo, uint256 paid) = Rent.pay(0, 3600, 1, 1);
        eq(upTo, 3600, "not beyond the count");
        eq(paid, 1, "all there is");
        (upTo, paid) = Rent.pay(0, 10, 3600, 0);
        eq(upTo, 0, "no second without money");
        eq(paid, 0, "nothing");
    }

    function test_ABucketHoldsUpToItsLastBit() public pure {
        Bucket full = Bucket.wrap(0).add((1 << 112) - 1);
        eq(full.cur(), (1 << 112) - 1, "full");
        eq(full.epoch(), 0, "and nothing beside it");
    }
}

/// @notice A token of eighteen decimals that moves exactly what it was last permitted, and looks at no signature.
contract FineToken {
    uint8 public constant decimals = 18;
    mapping(address => uint256) public balanceOf;
    uint256 private _permitted;
    address private _target;
    bytes private _call;
    /// how often it called back in vain
    uint256 public refused;

    function allow(uint256 value) external {
        _permitted = value;
    }

    function callBack(address target, bytes calldata call) external {
        _target = target;
        _call = call;
    }

    function _back() private {
        if (_target == address(0)) return;
        (bool ok,) = _target.call(_call);
        require(!ok, "got in");
        ++refused;
    }

    function permit(address, address, uint256 value, uint256, uint8, bytes32, bytes32) external {
        _permitted = value;
    }

    function receiveWithAuthorization(
        address,
        address to,
        uint256 value,
        uint256,
        uint256,
        bytes32,
        uint8,
        bytes32,
        bytes32
    ) external {
        balanceOf[to] += value;
    }

    function transferFrom(address, address to, uint256 amount) external returns (bool) {
        require(amount == _permitted, "not permitted");
        _back();
        balanceOf[to] += amount;
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        _back();
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
        return true;
    }
}
