// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Typed} from "../../src/libraries/Typed.sol";
import {Bid, FundBy, Funding, LeaseState, Offer, Order, Terms} from "../../src/types/Types.sol";

import {AuthDollar, WalletMock} from "../support/Mocks.sol";
import {Trades} from "../support/Trades.sol";
import {vm} from "../support/Vm.sol";

/// @notice Takes money and returns less of it, or calls back while it moves.
contract ThreateningToken {
    mapping(address => uint256) public balanceOf;
    mapping(address => bool) public blocked;
    uint8 public constant decimals = 6;
    uint256 public shave;
    address private _target;
    bytes private _call;
    bool public gotIn;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function setShave(uint256 amount) external {
        shave = amount;
    }

    function setBlocked(address who, bool value) external {
        blocked[who] = value;
    }

    function setCall(address target, bytes calldata call) external {
        (_target, _call) = (target, call);
    }

    /// @dev A balance that changes by itself.
    function rebase(address who, uint256 amount) external {
        balanceOf[who] = amount;
    }

    function approve(address, uint256) external pure returns (bool) {
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        return transferFrom(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) public returns (bool) {
        require(!blocked[to], "blocked");
        require(amount != 0, "zero");
        balanceOf[from] -= amount;
        balanceOf[to] += amount - shave;
        if (_target != address(0)) {
            (bool ok,) = _target.call(_call);
            if (ok) gotIn = true;
        }
        return true;
    }
}

/// @notice One test for each row of the threat table in docs/contracts.md: what an attacker would do, and that it fails.
contract ThreatsTest is Trades {
    function _closeAgreed(Terms memory terms, uint32 cum) private {
        uint40 deadline = uint40(_now());
        bytes memory signature = _signClose(DUTY_KEY, terms, cum, deadline);
        vm.prank(tenant);
        book.closeBoth(terms, cum, deadline, signature, "");
    }

    function _threatening() private returns (ThreateningToken token, Order memory order) {
        token = new ThreateningToken();
        order = _order();
        order.token = params.listToken(address(token), true);
        order.minBond = 0;
        token.mint(tenant, 1000 * DOLLAR);
    }

    /// @dev Params in the hands of an attacker, with every power it has, moves no deposit, no running lease, no vested earning.
    function test_Threat_CapturedPolicyTakesNoDeposit() public {
        Order memory waiting = _order();
        _post(waiting);
        Terms memory terms = _live(0, 1);
        _skip(500);
        _report(0, 500);
        _settle(0);
        params.setSlasher(0, stranger);
        params.setFee(100);
        params.setFeeReceiver(stranger);
        params.setTokenOpen(0, false);
        vm.prank(guardian);
        params.pause();
        vm.startPrank(stranger);
        book.freeze(terms, type(uint64).max);
        // At most what this lease paid, only to its tenant's refundTo, never to a caller.
        vm.expectRevert();
        book.award(terms.id, 500_001);
        book.award(terms.id, 100_000);
        vm.stopPrank();
        eq(dollar.balanceOf(stranger), 0, "nothing for the attacker");
        eq(dollar.balanceOf(refundTo), 100_000, "to the tenant at most");
        _closeAgreed(terms, 500);
        vm.prank(tenant);
        book.cancelOrder(waiting);
        book.claim(pid, 0);
        eq(dollar.balanceOf(refundTo), 100_000 + 20_000_000 + 19_500_000, "both deposits returned");
        eq(dollar.balanceOf(payout), 387_500, "the provider's earnings at the fee of the opening");
    }

    function test_Threat_StrangersAllowanceIsNotSpent() public {
        _fund(funder);
        Order memory order = _order();
        // The tenant names a funder that signed nothing, or signed another order.
        Funding memory funding = _caller(funder);
        vm.startPrank(tenant);
        vm.expectRevert(abi.encodeWithSignature("Fund_NotCaller(address,address)", funder, tenant));
        book.postOrderSigned(order, NEEDS, "", "", funding);
        funding.by = FundBy.Permit;
        vm.expectRevert(abi.encodeWithSignature("Fund_NotCaller(address,address)", funder, tenant));
        book.postOrderSigned(order, NEEDS, "", "", funding);
        vm.stopPrank();
        Order memory other = _order();
        funding = _fundBy(FUNDER_KEY, other, uint40(_now()));
        vm.prank(tenant);
        vm.expectRevert();
        book.postOrderSigned(order, NEEDS, "", "", funding);
        eq(dollar.balanceOf(address(book)), 0, "nothing here");
    }

    function test_Threat_AuthorizationSentFirstLeavesNoOwnerlessMoney() public {
        AuthDollar token = new AuthDollar();
        token.mint(funder, 100 * DOLLAR);
        Order memory order = _order();
        order.token = params.listToken(address(token), true);
        Funding memory funding = _authorizationBy(token, FUNDER_KEY, order, uint40(_now()) + 1);
        bytes memory s = funding.signature;
        (bytes32 r, bytes32 ss) = abi.decode(s, (bytes32, bytes32));
        uint8 v = uint8(s[64]);
        bytes32 hash = book.hashOrder(order);
        vm.prank(stranger);
        vm.expectRevert("only the payee");
        token.receiveWithAuthorization(funder, address(book), order.deposit, 0, funding.deadline, hash, v, r, ss);
        vm.prank(tenant);
        book.postOrderSigned(order, NEEDS, "", "", funding);
        (, uint64 amount,,,) = book.orderOf(hash);
        eq(token.balanceOf(address(book)), amount, "all of it belongs to the order");
    }

    function test_Threat_TokenThatTakesAFeeIsRefused() public {
        (ThreateningToken token, Order memory order) = _threatening();
        token.setShave(1);
        vm.prank(tenant);
        vm.expectRevert(abi.encodeWithSignature("Deposit_Mismatch(uint256,uint256)", 20 * DOLLAR - 1, 20 * DOLLAR));
        book.postOrder(order, NEEDS, "");
    }

    function test_Threat_RebasingTokenHurtsItsOwnHoldersOnly() public {
        (ThreateningToken token, Order memory order) = _threatening();
        _post(order);
        Order memory sound = _order();
        _post(sound);
        token.rebase(address(book), 1);
        vm.prank(tenant);
        book.cancelOrder(order);
        eq(book.credits(refundTo, order.token), 20 * DOLLAR, "owed, in that token");
        vm.prank(tenant);
        book.cancelOrder(sound);
        eq(dollar.balanceOf(refundTo), 20 * DOLLAR, "the other token is whole");
    }

    function test_Threat_TokenThatCallsBackGetsIntoNoGuardedCall() public {
        _live(0, 1);
        _skip(500);
        _report(0, 500);
        _settle(0);
        _skip(2 * W);
        (ThreateningToken token, Order memory order) = _threatening();
        // The token is the order's agent, so that only the guard stands between it and the deposit.
        order.agent = address(token);
        _post(order);
        bytes[3] memory calls = [
            abi.encodeCall(book.cancelOrder, (order)),
            abi.encodeCall(book.pushFees, (0)),
            abi.encodeCall(book.claim, (pid, 0))
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            token.setCall(address(book), calls[i]);
            Order memory next = _order();
            next.token = order.token;
            _post(next);
            yes(!token.gotIn(), "closed while a deposit moves");
            uint256 id = vm.snapshotState();
            vm.prank(address(token));
            (bool ok,) = address(book).call(calls[i]);
            yes(ok, "and open to the same caller afterwards");
            vm.revertToState(id);
        }
    }

    function test_Threat_NobodyMovesAnothersClock() public {
        Terms memory terms = _live(0, 1);
        _skip(10);
        uint32 stopAt = _lease(0).stopAt;
        vm.startPrank(stranger);
        dollar.mint(stranger, 1000 * DOLLAR);
        dollar.approve(address(book), type(uint256).max);
        vm.expectRevert(abi.encodeWithSignature("TopUp_TooSmall(uint64,uint64)", 1, 60_000));
        book.topUp(terms, 1);
        book.topUp(terms, 60_000);
        vm.expectRevert(abi.encodeWithSignature("Lease_NotParty(uint96,address)", terms.id, stranger));
        book.stop(terms, 1001);
        vm.expectRevert();
        book.notice(terms, 2001);
        vm.expectRevert();
        book.evict(terms);
        vm.stopPrank();
        dollar.mint(address(book), 1);
        eq(_lease(0).stopAt, stopAt, "as it was");
    }

    function test_Threat_HostileReceiverHoldsNobodyUp() public {
        (ThreateningToken token, Order memory order) = _threatening();
        token.mint(address(this), 1000 * DOLLAR);
        vault.deposit(pid, order.token, 100 * DOLLAR);
        Terms memory terms = _live(order, 0, 1);
        _skip(100);
        token.setBlocked(refundTo, true);
        _closeAgreed(terms, 100);
        eq(book.credits(refundTo, order.token), 19_900_000, "credited");
        book.claim(pid, order.token);
        eq(token.balanceOf(payout), 97_500, "the provider is paid");
        vm.prank(refundTo);
        book.withdrawCredit(order.token, address(0x77));
        eq(token.balanceOf(address(0x77)), 19_900_000, "taken elsewhere");
    }

    function test_Threat_HostileWalletBurnsItsBoundOnly() public {
        WalletMock wallet = new WalletMock(tenant);
        wallet.setMode(WalletMock.Mode.BurnsGas);
        Order memory order = _order();
        order.tenant = address(wallet);
        bytes memory call =
            abi.encodeCall(book.postOrderSigned, (order, NEEDS, "", _by(wallet, "x"), _caller(address(this))));
        uint256 before = gasleft();
        (bool ok,) = address(book).call(call);
        uint256 spent = before - gasleft();
        yes(!ok, "refused");
        atMost(spent, 700_000, "bounded");
    }

    /// @dev A key that becomes a contract wallet (EIP-7702) still signs with its key.
    function test_Threat_CodeThatAppearsChangesNoSignature() public {
        vm.etch(tenant, hex"fe");
        vm.etch(bidder, hex"fe");
        Order memory order = _order();
        bytes memory signature = _sign(TENANT_KEY, book.hashOrder(order));
        book.postOrderSigned(order, NEEDS, "", signature, _caller(address(this)));
        uint64[] memory lanes = _pair(0, 1);
        Bid memory bid = _bid(order, lanes);
        signature = _sign(BID_KEY, book.hashBid(bid));
        bytes memory consent = _signAccept(TENANT_KEY, order, bid, uint40(_now()));
        book.acceptSigned(order, bid, lanes, signature, uint40(_now()), consent);
        eq(uint256(_lease(0).state), uint256(LeaseState.Pending), "opened");
    }

    function test_Threat_CancelledOrderIsNotReplayed() public {
        Order memory order = _order();
        _post(order);
        bytes memory signature = _sign(TENANT_KEY, book.hashOrder(order));
        vm.prank(tenant);
        book.cancelOrder(order);
        bytes memory known = abi.encodeWithSignature("Order_Known(bytes32)", book.hashOrder(order));
        vm.prank(tenant);
        vm.expectRevert(known);
        book.postOrder(order, NEEDS, "");
        vm.expectRevert(known);
        book.postOrderSigned(order, NEEDS, "", signature, _caller(address(this)));
    }

    function test_Threat_RevokedBidIsNotRevived() public {
        Order memory order = _order();
        _post(order);
        uint64[] memory lanes = _pair(0, 1);
        Bid memory bid = _bid(order, lanes);
        bytes memory signature = _sign(BID_KEY, book.hashBid(bid));
        vm.startPrank(owner);
        book.removeKey(pid, bidder);
        book.addKey(pid, bidder, 1);
        vm.stopPrank();
        _skip(1 days);
        // A day later the order is over; one that is open then has the same answer.
        order = _order();
        _post(order);
        bid = _bid(order, lanes);
        signature = _sign(BID_KEY, book.hashBid(bid));
        vm.prank(tenant);
        vm.expectRevert(abi.encodeWithSignature("Bid_Epoch(uint32,uint32)", 0, 1));
        book.accept(order, bid, lanes, signature);
    }

    function test_Threat_TwoLeasesOnOneLaneBillNoSecondTwice() public {
        Terms memory first = _live(0, 1);
        _skip(1000);
        _report(0, 1000);
        vm.prank(tenant);
        book.stop(first, 1001);
        _skip(F);
        book.finalize(first);
        Order memory order = _order();
        _post(order);
        uint64[] memory lanes = _pair(0, 2);
        Bid memory bid = _bid(order, lanes);
        bytes memory signature = _sign(BID_KEY, book.hashBid(bid));
        vm.prank(tenant);
        vm.expectRevert(abi.encodeWithSignature("Lane_Busy(uint32,uint32,uint256)", pid, 0, _now() + W));
        book.accept(order, bid, lanes, signature);
        _skip(W);
        Terms memory second = _live(0, 2);
        // What is still in flight for the first: a rise that the second did not run.
        _report(0, 1400);
        _settle(0);
        eq(_lease(0).settled, 0, "clipped to the time the second has run");
        eq(second.id, first.id + 1, "the next generation");
    }

    function test_Threat_SignedForOneLeaseFitsNoOtherUnderItsId() public {
        Terms memory terms = _live(0, 1);
        _skip(100);
        // After a reorg another tenant's lease has the same id.
        Terms memory other = abi.decode(abi.encode(terms), (Terms));
        other.orderHash = "another order";
        uint40 deadline = uint40(_now());
        bytes memory close = _signClose(DUTY_KEY, other, 100, deadline);
        vm.prank(tenant);
        vm.expectRevert();
        book.closeBoth(terms, 100, deadline, close, "");
        bytes memory voucher = _voucher(TENANT_KEY, other, 100);
        vm.expectRevert();
        book.redeem(terms, 100, voucher);
        bytes memory stop = _signStop(TENANT_KEY, other, 1001, deadline);
        vm.expectRevert();
        book.stopSigned(terms, 1001, deadline, stop);
        bytes memory mismatch =
            abi.encodeWithSignature("Lease_TermsMismatch(uint96,bytes32)", terms.id, book.hashTerms(other));
        vm.prank(operator);
        vm.expectRevert(mismatch);
        book.waive(other, 0);
    }

    function test_Threat_AmendmentIsNotReplayedAndOldTermsNeverReturn() public {
        Terms memory a = _live(0, 1);
        _skip(100);
        Terms memory b = abi.decode(abi.encode(a), (Terms));
        b.maxDuration = 8000;
        uint40 deadline = uint40(_now()) + 1000;
        bytes memory ours = _signAmend(DUTY_KEY, a, b, 50, deadline);
        bytes memory theirs = _signAmend(TENANT_KEY, a, b, 50, deadline);
        book.amend(a, b, 50, deadline, ours, theirs);
        vm.expectRevert(abi.encodeWithSignature("Lease_TermsMismatch(uint96,bytes32)", a.id, book.hashTerms(a)));
        book.amend(a, b, 50, deadline, ours, theirs);
        _skip(100);
        // Back to the first terms, everything signed under them would count again.
        ours = _signAmend(DUTY_KEY, b, a, 50, deadline);
        theirs = _signAmend(TENANT_KEY, b, a, 50, deadline);
        vm.expectRevert(abi.encodeWithSignature("Amend_Retired(bytes32)", book.hashTerms(a)));
        book.amend(b, a, 50, deadline, ours, theirs);
        ours = _signAmend(DUTY_KEY, b, b, 50, deadline);
        theirs = _signAmend(TENANT_KEY, b, b, 50, deadline);
        vm.expectRevert(abi.encodeWithSignature("Amend_Retired(bytes32)", book.hashTerms(b)));
        book.amend(b, b, 50, deadline, ours, theirs);
    }

    function test_Threat_StopJustBeforeAReportLosesTheProviderNothing() public {
        Terms memory terms = _live(0, 1);
        _skip(3000);
        vm.prank(tenant);
        book.stop(terms, 1001);
        _skip(F - 1);
        _report(0, 5000);
        _settle(0);
        eq(_lease(0).settled, 3000, "all that ran, and nothing of the window");
    }

    function test_Threat_LeakedReportKeyBillsWhatRanAtMost() public {
        Terms memory terms = _live(0, 1);
        _skip(600);
        uint256[] memory words = new uint256[](1);
        words[0] = 1 << 17;
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSignature("Report_JumpTooFar(uint32,uint32)", 0, 1 << 17));
        book.report(pid, 0, 0, 0, words);
        words[0] = (1 << 17) - 1;
        vm.prank(operator);
        book.report(pid, 0, 0, 0, words);
        vm.prank(operator);
        book.waive(terms, 300);
        _settle(0);
        eq(_lease(0).settled, 300, "what the provider stands for");
        (uint128 claimable,) = book.earnings(pid, 0);
        eq(claimable, 0, "and nothing of it leaves at once");
        vm.prank(owner);
        book.removeKey(pid, operator);
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSignature("Key_Denied(uint32,address,uint8)", pid, operator, 4));
        book.report(pid, 0, 0, 0, words);
    }

    function test_Threat_SilenceFarmsNoBond() public {
        Terms memory terms = _open(_order(), 0, 1);
        _skip(901);
        uint256 stake = vault.stakeOf(pid, 0).amount;
        book.expire(terms);
        uint256 lost = stake - vault.stakeOf(pid, 0).amount;
        eq(lost, 900_000, "the provider lost the rent of the wait");
        eq(dollar.balanceOf(refundTo), 20 * DOLLAR - lost, "and the tenant as much");
        eq(book.fees(0) + vault.burned(0), 2 * lost, "nobody gained");
    }

    function test_Threat_StolenHotKeyReachesNoMoney() public {
        _live(0, 1);
        _skip(500);
        _report(0, 500);
        _settle(0);
        _skip(2 * W);
        vm.startPrank(operator);
        vm.expectRevert(abi.encodeWithSignature("Provider_NotOwner(uint32,address)", pid, operator));
        book.setPayout(pid, operator);
        vm.expectRevert(abi.encodeWithSignature("Provider_NotOwner(uint32,address)", pid, operator));
        book.addKey(pid, stranger, 7);
        book.claim(pid, 0);
        vm.stopPrank();
        eq(dollar.balanceOf(payout), 487_500, "to the payout address only");
        vm.prank(owner);
        book.setPayout(pid, stranger);
        _skip(2 days - 1);
        eq(book.payoutOf(pid), payout, "two days to notice");
    }

    function test_Threat_EarlyFeeIsNeitherExtortedNorDodged() public {
        // Never served: no fee, however early the stop.
        Terms memory terms = _live(0, 1);
        _skip(1800);
        vm.prank(tenant);
        book.stop(terms, 1001);
        _skip(F);
        book.finalize(terms);
        eq(dollar.balanceOf(refundTo), 20 * DOLLAR, "all of it");
        // Served: out of the holdback, even when the balance is spent.
        Order memory order = _order();
        order.deposit = 2_080_000;
        terms = _live(order, 1, 1);
        _skip(1790);
        _report(1, 1790);
        _settle(1);
        vm.prank(tenant);
        book.stop(terms, 1001);
        _skip(F);
        uint256 before = dollar.balanceOf(refundTo);
        book.finalize(terms);
        // 1,600 seconds from the balance, 190 from the grace; 10 % of 1,790 served seconds; the rest returns.
        eq(dollar.balanceOf(refundTo) - before, 2_080_000 - 1_790_000 - 179_000, "the rest");
    }

    function test_Threat_DryLeaseWritesNothingOffAndGraceIsPaid() public {
        Order memory order = _order();
        order.minCommit = 0;
        order.deposit = 900_000;
        Terms memory terms = _live(order, 0, 1);
        _skip(900);
        _report(0, 900);
        _settle(0);
        eq(_lease(0).settled, 600, "the last second it covers");
        vm.prank(operator);
        book.evict(terms);
        _skip(F);
        book.finalize(terms);
        (uint128 claimable, uint128 vesting) = book.earnings(pid, 0);
        eq(claimable + vesting, 877_500, "900 seconds, the grace too");
    }

    function test_Threat_CourtIsBoundedAndEndsByItself() public {
        _nameCourt();
        Terms memory terms = _live(0, 1);
        _skip(500);
        _report(0, 500);
        _settle(0);
        _live(1, 1);
        _skip(500);
        _report(1, 500);
        _settle(1);
        vm.prank(court);
        eq(book.freeze(terms, type(uint64).max), 500_000, "what this lease paid, not the other's");
        _skip(21 days + 1);
        book.release(terms.id);
        book.claim(pid, 0);
        eq(dollar.balanceOf(payout), 975_000, "everything");
    }

    function test_Threat_StakeDoesNotLeaveBeforeADispute() public {
        Terms memory terms = _live(0, 1);
        vm.prank(owner);
        vault.requestUnbond(pid, 0, 100 * DOLLAR);
        uint256 from = vault.stakeOf(pid, 0).unbondAt;
        yes(from >= _now() + F + 2 * W + 48 hours, "longer than every window");
        _skip(7200 + F);
        book.finalize(terms);
        vm.expectRevert();
        vault.completeUnbond(pid, 0);
    }

    function test_Threat_ABadLaneStopsNoBatch() public {
        _live(0, 1);
        _open(_order(), 1, 1);
        _live(3, 1);
        _skip(100);
        _report(0, 100);
        _report(3, 100);
        uint32[] memory lanes = new uint32[](5);
        (lanes[0], lanes[1], lanes[2], lanes[3], lanes[4]) = (1, 0, 77, type(uint32).max, 3);
        book.settle(pid, lanes);
        eq(_lease(0).settled, 100, "before the others");
        eq(_lease(3).settled, 100, "behind the others");
    }

    function test_Threat_PrivateManifestGoesToChosenProvidersOnly() public {
        bytes32[] memory proof;
        Order memory order = _dutch();
        (order.eligible, proof) = _tree(uint256(pid) + 1, 99);
        _post(order);
        vm.startPrank(bidder);
        vm.expectRevert(abi.encodeWithSignature("Fill_NotEligible(uint32)", pid));
        book.fill(order, pid, _pair(0, 1), DOLLAR, 0, proof);
        vm.stopPrank();
        order = _dutch();
        order.minBond = 5 * DOLLAR;
        _post(order);
        vm.prank(bidder);
        vm.expectRevert(abi.encodeWithSignature("Accept_Bond(uint64,uint64)", DOLLAR, 5 * DOLLAR));
        book.fill(order, pid, _pair(0, 1), DOLLAR, 0, noProof);
        order = _dutch();
        order.minSignedPaid = DOLLAR;
        _post(order);
        vm.prank(bidder);
        vm.expectRevert(abi.encodeWithSignature("Accept_SignedPaid(uint80,uint64)", 0, DOLLAR));
        book.fill(order, pid, _pair(0, 1), DOLLAR, 0, noProof);
    }

    /// @dev No act's signature is another's; no chain's and no contract's is another's.
    function test_Threat_SignaturesAreNotConfused() public {
        bytes32[9] memory types = [
            Typed.ORDER_TYPEHASH,
            Typed.BID_TYPEHASH,
            Typed.OFFER_TYPEHASH,
            Typed.FUND_TYPEHASH,
            Typed.ACCEPT_TYPEHASH,
            Typed.STOP_TYPEHASH,
            Typed.VOUCHER_TYPEHASH,
            Typed.CLOSE_TYPEHASH,
            Typed.AMEND_TYPEHASH
        ];
        for (uint256 i = 0; i < types.length; ++i) {
            for (uint256 j = 0; j < i; ++j) {
                yes(types[i] != types[j], "distinct");
            }
        }
        Terms memory terms = _live(0, 1);
        _skip(10);
        bytes memory voucher = _voucher(TENANT_KEY, terms, 10);
        vm.chainId(31_338);
        vm.expectRevert();
        book.redeem(terms, 10, voucher);
        vm.chainId(31_337);
        book.redeem(terms, 10, voucher);
    }

    /// @dev An offer's part that was taken stays taken when its lease has ended.
    function test_Threat_OfferPartIsNotTakenTwice() public {
        Order memory order = _order();
        Offer memory offer = _offer(order);
        _post(order);
        _take(order, offer, _part(0));
        Bid memory bid = _bid(order, _pair(16, 1));
        _closeAgreed(_terms(order, bid, 16, 1), 0);
        order = _order();
        _post(order);
        bytes memory signature = _sign(BID_KEY, book.hashOffer(offer));
        bytes memory taken = abi.encodeWithSignature("Take_Part(bytes32,uint256,uint16)", book.hashOffer(offer), 0, 4);
        vm.prank(tenant);
        vm.expectRevert(taken);
        book.take(order, offer, _part(0), signature, noProof);
    }
}
