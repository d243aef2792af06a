// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Typed} from "../../src/libraries/Typed.sol";
import {Bid, FundBy, Funding, LeaseState, Offer, Order, OrderState, Terms} from "../../src/types/Types.sol";

import {AuthDollar, WalletMock} from "../support/Mocks.sol";
import {Trades} from "../support/Trades.sol";
import {vm} from "../support/Vm.sol";

/// @notice The ways in which a lease opens beside an accept by the tenant's own transaction, and the ways in which an order is paid.
contract TradesTest is Trades {
    function _state(Order memory order) private view returns (OrderState state) {
        (state,,,,) = book.orderOf(book.hashOrder(order));
    }

    // ---------------------------------------------------------------- fill

    function test_ADutchOrderIsFilledAtTheRateOfThatMoment() public {
        Order memory order = _dutch();
        _post(order);
        _skip(25);
        _fill(order, _pair(3, 1));
        eq(_lease(3).ratePerHour, 2_250_000, "a quarter of the way");
        eq(uint256(_lease(3).state), uint256(LeaseState.Pending), "pending");
        eq(vault.stakeOf(pid, 0).locked, 2 * DOLLAR, "bond");
        eq(uint256(_state(order)), uint256(OrderState.Accepted), "spent");
        // The terms are those of a bid at that rate.
        Bid memory bid = _bid(order, _pair(3, 1));
        bid.ratePerHour = 2_250_000;
        Terms memory terms = _terms(order, bid, 3, 1);
        vm.prank(operator);
        book.start(terms, 0, 0);
        // From the end of the climb on the rate stays.
        order = _dutch();
        _post(order);
        _skip(100);
        _fill(order, _pair(4, 1));
        eq(_lease(4).ratePerHour, 3_600_000, "the highest");
        order = _dutch();
        order.climb = 0;
        _post(order);
        _fill(order, _pair(5, 1));
        eq(_lease(5).ratePerHour, 3_600_000, "a fixed price");
        order = _dutch();
        _post(order);
        _fill(order, _pair(6, 1));
        eq(_lease(6).ratePerHour, 1_800_000, "the lowest");
    }

    function _fillRefused(Order memory order, address who, uint64 bond, bytes memory reason) private {
        vm.prank(who);
        vm.expectRevert(reason);
        book.fill(order, pid, _pair(0, 1), bond, 0, noProof);
    }

    function test_AFillOutsideOfWhatTheOrderAllowsIsRefusedByName() public {
        Order memory order = _dutch();
        bytes32 hash = book.hashOrder(order);
        _fillRefused(order, bidder, DOLLAR, abi.encodeWithSignature("Order_NotOpen(bytes32,uint8)", hash, 0));
        _post(order);
        _fillRefused(
            order, operator, DOLLAR, abi.encodeWithSignature("Key_Denied(uint32,address,uint8)", pid, operator, 1)
        );
        _fillRefused(
            order, bidder, DOLLAR - 1, abi.encodeWithSignature("Accept_Bond(uint64,uint64)", DOLLAR - 1, DOLLAR)
        );
        vm.prank(bidder);
        vm.expectRevert(abi.encodeWithSignature("Accept_Lots(uint256,uint16)", 0, 1));
        book.fill(order, pid, new uint64[](0), DOLLAR, 0, noProof);
        Order memory auction = _order();
        _post(auction);
        _fillRefused(auction, bidder, DOLLAR, abi.encodeWithSignature("Order_Form(uint8)", 0));
        Order memory free = _dutch();
        free.startRate = 0;
        _post(free);
        _fillRefused(free, bidder, DOLLAR, abi.encodeWithSignature("Accept_Rate(uint48,uint48)", 0, 3_600_000));
        Order memory proven = _dutch();
        proven.minSignedPaid = 1;
        _post(proven);
        _fillRefused(proven, bidder, DOLLAR, abi.encodeWithSignature("Accept_SignedPaid(uint80,uint64)", 0, 1));
        vm.prank(guardian);
        params.pause();
        _fillRefused(order, bidder, DOLLAR, abi.encodeWithSignature("Opening_Paused()"));
        vm.prank(guardian);
        params.unpause();
        _skip(601);
        _fillRefused(order, bidder, DOLLAR, abi.encodeWithSignature("Order_NotOpen(bytes32,uint8)", hash, 1));
    }

    function test_OnlyProvidersOfTheOrdersRootMayFill() public {
        Order memory order = _dutch();
        bytes32[] memory proof;
        (order.eligible, proof) = _tree(pid, 77);
        _post(order);
        _fillRefused(order, bidder, DOLLAR, abi.encodeWithSignature("Fill_NotEligible(uint32)", pid));
        vm.prank(bidder);
        book.fill(order, pid, _pair(0, 1), DOLLAR, 0, proof);
        order = _dutch();
        (order.eligible, proof) = _tree(77, 78);
        _post(order);
        vm.prank(bidder);
        vm.expectRevert(abi.encodeWithSignature("Fill_NotEligible(uint32)", pid));
        book.fill(order, pid, _pair(1, 1), DOLLAR, 0, proof);
    }

    function test_AFillOfThreeLotsOpensThreeLeasesOrNone() public {
        Order memory order = _dutch();
        order.lots = 3;
        order.deposit = 60 * DOLLAR;
        _post(order);
        uint64[] memory lanes = new uint64[](3);
        (lanes[0], lanes[1], lanes[2]) = ((1 << 32) | 1, (2 << 32) | 1, (2 << 32) | 1);
        vm.prank(bidder);
        vm.expectRevert(abi.encodeWithSignature("Lane_Busy(uint32,uint32,uint256)", pid, 2, type(uint256).max));
        book.fill(order, pid, lanes, DOLLAR, 0, noProof);
        eq(uint256(_lease(1).state), uint256(LeaseState.None), "none");
        lanes[2] = (3 << 32) | 1;
        _fill(order, lanes);
        eq(vault.stakeOf(pid, 0).locked, 6 * DOLLAR, "three bonds");
        for (uint32 lane = 1; lane < 4; ++lane) {
            eq(uint256(_lease(lane).state), uint256(LeaseState.Pending), "pending");
        }
    }

    function test_ATenantMayAcceptABidForADutchOrderToo() public {
        Order memory order = _dutch();
        _post(order);
        uint64[] memory lanes = _pair(0, 1);
        _accept(order, _bid(order, lanes), lanes);
        eq(uint256(_lease(0).state), uint256(LeaseState.Pending), "pending");
    }

    // ---------------------------------------------------------------- take

    function test_EachPartOfAnOfferIsTakenOnce() public {
        Order memory order = _order();
        Offer memory offer = _offer(order);
        bytes32 hash = book.hashOffer(offer);
        _post(order);
        _take(order, offer, _part(2));
        eq(_lease(18).id, (uint96(pid) << 64) | (uint96(18) << 32) | 1, "lane and gen");
        eq(_lease(18).ratePerHour, 3_600_000, "rate");
        eq(book.offerTaken(hash), 4, "bit two");
        eq(vault.stakeOf(pid, 0).locked, 2 * DOLLAR, "bond");
        order = _order();
        _post(order);
        bytes memory signature = _sign(BID_KEY, hash);
        vm.prank(tenant);
        vm.expectRevert(abi.encodeWithSignature("Take_Part(bytes32,uint256,uint16)", hash, 2, 4));
        book.take(order, offer, _part(2), signature, noProof);
        vm.prank(tenant);
        vm.expectRevert(abi.encodeWithSignature("Take_Part(bytes32,uint256,uint16)", hash, 4, 4));
        book.take(order, offer, _part(4), signature, noProof);
        vm.prank(agent);
        book.take(order, offer, _part(0), signature, noProof);
        eq(book.offerTaken(hash), 5, "bits two and zero");
    }

    function test_AnOfferIsTakenInSeveralLotsOrNotAtAll() public {
        Order memory order = _order();
        order.lots = 2;
        order.deposit = 40 * DOLLAR;
        Offer memory offer = _offer(order);
        _post(order);
        uint8[] memory parts = new uint8[](2);
        (parts[0], parts[1]) = (1, 1);
        bytes memory signature = _sign(BID_KEY, book.hashOffer(offer));
        vm.startPrank(tenant);
        vm.expectRevert(abi.encodeWithSignature("Take_Part(bytes32,uint256,uint16)", book.hashOffer(offer), 1, 4));
        book.take(order, offer, parts, signature, noProof);
        vm.expectRevert(abi.encodeWithSignature("Accept_Lots(uint256,uint16)", 1, 2));
        book.take(order, offer, _part(1), signature, noProof);
        parts[1] = 3;
        book.take(order, offer, parts, signature, noProof);
        vm.stopPrank();
        eq(book.offerTaken(book.hashOffer(offer)), 10, "bits one and three");
        eq(uint256(_lease(17).state), uint256(LeaseState.Pending), "one");
        eq(uint256(_lease(19).state), uint256(LeaseState.Pending), "three");
        eq(vault.stakeOf(pid, 0).locked, 4 * DOLLAR, "two bonds");
    }

    function test_APartWhoseLaneWasUsedBeforeOpensTheNextGeneration() public {
        Terms memory before = _live(16, 1);
        uint40 deadline = uint40(_now());
        bytes memory signature = _signClose(DUTY_KEY, before, 0, deadline);
        vm.prank(tenant);
        book.closeBoth(before, 0, deadline, signature, "");
        Order memory order = _order();
        _post(order);
        _take(order, _offer(order), _part(0));
        eq(uint32(_lease(16).id), 2, "the second");
    }

    function _takeRefused(Order memory order, Offer memory offer, bytes memory reason) private {
        bytes memory signature = _sign(BID_KEY, book.hashOffer(offer));
        vm.prank(tenant);
        vm.expectRevert(reason);
        book.take(order, offer, _part(0), signature, noProof);
    }

    function test_AnOfferIsTakenOnlyAsItSays() public {
        Order memory order = _order();
        _post(order);
        Offer memory offer = _offer(order);
        bytes memory signature = _sign(BID_KEY, book.hashOffer(offer));
        vm.expectRevert(abi.encodeWithSignature("Order_NotTenant(address)", address(this)));
        book.take(order, offer, _part(0), signature, noProof);
        signature = _sign(DUTY_KEY, book.hashOffer(offer));
        vm.prank(tenant);
        vm.expectRevert(abi.encodeWithSignature("Bid_Signer(uint32,address)", pid, operator));
        book.take(order, offer, _part(0), signature, noProof);
        offer.classHash = "other";
        _takeRefused(
            order, offer, abi.encodeWithSignature("Take_Class(bytes32,bytes32)", _classOf(order), bytes32("other"))
        );
        offer = _offer(order);
        offer.token = 1;
        _takeRefused(order, offer, abi.encodeWithSignature("Take_Token(uint8,uint8)", 0, 1));
        offer = _offer(order);
        offer.minDuration = 601;
        _takeRefused(order, offer, abi.encodeWithSignature("Take_Duration(uint32,uint32)", 600, 601));
        offer = _offer(order);
        offer.maxDuration = 7199;
        _takeRefused(order, offer, abi.encodeWithSignature("Take_Duration(uint32,uint32)", 7200, 7199));
        offer = _offer(order);
        offer.notice = 599;
        _takeRefused(order, offer, abi.encodeWithSignature("Take_Notice(uint32,uint32)", 600, 599));
        offer = _offer(order);
        offer.ratePerHour = 5_000_001;
        _takeRefused(order, offer, abi.encodeWithSignature("Accept_Rate(uint48,uint48)", 5_000_001, 5_000_000));
        offer = _offer(order);
        offer.bond = 1;
        _takeRefused(order, offer, abi.encodeWithSignature("Accept_Bond(uint64,uint64)", 1, DOLLAR));
        offer = _offer(order);
        offer.deadline = uint40(_now()) - 1;
        _takeRefused(order, offer, abi.encodeWithSignature("Accept_Deadline(uint40)", offer.deadline));
        offer = _offer(order);
        offer.bidEpoch = 1;
        _takeRefused(order, offer, abi.encodeWithSignature("Bid_Epoch(uint32,uint32)", 1, 0));
        offer = _offer(order);
        vm.prank(owner);
        book.cancelAllBids(pid, bidder);
        _takeRefused(order, offer, abi.encodeWithSignature("Bid_Epoch(uint32,uint32)", 0, 1));
    }

    function test_AnOfferForSomeTenantsIsTakenByThemAlone() public {
        Order memory order = _order();
        _post(order);
        Offer memory offer = _offer(order);
        bytes32[] memory proof;
        (offer.tenants, proof) = _tree(uint160(tenant), 77);
        _takeRefused(order, offer, abi.encodeWithSignature("Take_NotAdmitted(address)", tenant));
        bytes memory signature = _sign(BID_KEY, book.hashOffer(offer));
        vm.prank(tenant);
        book.take(order, offer, _part(0), signature, proof);
    }

    // ---------------------------------------------------------------- accept by signature

    function test_AnyoneSendsAnAcceptThatTheTenantSigned() public {
        Order memory order = _order();
        _post(order);
        uint64[] memory lanes = _pair(0, 1);
        Bid memory bid = _bid(order, lanes);
        bytes memory signature = _sign(BID_KEY, book.hashBid(bid));
        uint40 deadline = uint40(_now()) + 1;
        bytes memory consent = _signAccept(STRANGER_KEY, order, bid, deadline);
        vm.expectRevert(abi.encodeWithSignature("Order_NotTenant(address)", stranger));
        book.acceptSigned(order, bid, lanes, signature, deadline, consent);
        vm.expectRevert(abi.encodeWithSignature("Order_NotTenant(address)", address(0)));
        book.acceptSigned(order, bid, lanes, signature, deadline, "");
        consent = _signAccept(AGENT_KEY, order, bid, deadline);
        _skip(2);
        vm.expectRevert(abi.encodeWithSignature("Accept_Deadline(uint40)", deadline));
        book.acceptSigned(order, bid, lanes, signature, deadline, consent);
        vm.warp(deadline);
        book.acceptSigned(order, bid, lanes, signature, deadline, consent);
        eq(uint256(_lease(0).state), uint256(LeaseState.Pending), "pending");
    }

    // ---------------------------------------------------------------- who pays

    function _postSigned(Order memory order, bytes memory signature, Funding memory funding, bytes memory reason)
        private
    {
        if (reason.length != 0) vm.expectRevert(reason);
        book.postOrderSigned(order, NEEDS, "", signature, funding);
    }

    function test_ASponsorPaysForAnOrderItSignedAndAStrangerSends() public {
        Order memory order = _order();
        order.refundTo = funder;
        _fund(funder);
        bytes memory signature = _sign(TENANT_KEY, book.hashOrder(order));
        uint40 deadline = uint40(_now()) + 1;
        Funding memory funding = _fundBy(FUNDER_KEY, order, deadline);
        uint256 before = dollar.balanceOf(funder);
        vm.prank(stranger);
        _postSigned(order, signature, funding, "");
        eq(before - dollar.balanceOf(funder), 20 * DOLLAR, "the funder paid");
        vm.prank(tenant);
        book.cancelOrder(order);
        eq(dollar.balanceOf(funder), before, "and got it back");
    }

    function test_AFundIsForOneOrderOneAmountAndOneTime() public {
        Order memory order = _order();
        _fund(funder);
        bytes memory signature = _sign(TENANT_KEY, book.hashOrder(order));
        uint40 deadline = uint40(_now()) + 1;
        Funding memory funding = _fundBy(FUNDER_KEY, order, deadline);
        Funding memory other = _fundBy(FUNDER_KEY, order, deadline);
        other.signature = _sign(STRANGER_KEY, Typed.hashFund(book.hashOrder(order), funder, order.deposit, deadline));
        _postSigned(order, signature, other, abi.encodeWithSignature("Fund_Signer(address,address)", funder, stranger));
        other.funder = address(0);
        other.signature = "";
        _postSigned(
            order, signature, other, abi.encodeWithSignature("Fund_Signer(address,address)", address(0), address(0))
        );
        Order memory next = _order();
        bytes memory nextSignature = _sign(TENANT_KEY, book.hashOrder(next));
        vm.expectRevert();
        book.postOrderSigned(next, NEEDS, "", nextSignature, funding);
        _skip(2);
        _postSigned(order, signature, funding, abi.encodeWithSignature("Fund_Deadline(uint40)", deadline));
        vm.warp(deadline);
        bytes memory bad = _sign(STRANGER_KEY, book.hashOrder(order));
        _postSigned(order, bad, funding, abi.encodeWithSignature("Order_NotTenant(address)", stranger));
        _postSigned(order, "", funding, abi.encodeWithSignature("Order_NotTenant(address)", address(this)));
        _postSigned(order, signature, funding, "");
        _postSigned(order, signature, funding, abi.encodeWithSignature("Order_Known(bytes32)", book.hashOrder(order)));
    }

    function test_ThePermitOfTheCallerIsUsedAndAUsedOneIsNoFailure() public {
        Order memory order = _order();
        vm.prank(tenant);
        dollar.approve(address(book), 0);
        uint40 deadline = uint40(_now());
        Funding memory funding = _permitBy(TENANT_KEY, order.deposit, deadline);
        vm.prank(tenant);
        book.postOrderSigned(order, NEEDS, "", "", funding);
        eq(dollar.allowance(tenant, address(book)), 0, "exactly the deposit");
        // Another sends the next permit first.
        order = _order();
        funding = _permitBy(TENANT_KEY, order.deposit, deadline);
        (bytes32 r, bytes32 s, uint8 v) = _split(funding.signature);
        dollar.permit(tenant, address(book), order.deposit, deadline, v, r, s);
        vm.prank(tenant);
        book.postOrderSigned(order, NEEDS, "", "", funding);
        // Without any allowance the transfer fails.
        order = _order();
        vm.prank(tenant);
        vm.expectRevert();
        book.postOrderSigned(order, NEEDS, "", "", funding);
        funding.signature = hex"00";
        vm.prank(tenant);
        vm.expectRevert(abi.encodeWithSignature("Fund_SignatureLength(uint256)", 1));
        book.postOrderSigned(order, NEEDS, "", "", funding);
    }

    function _split(bytes memory signature) private pure returns (bytes32 r, bytes32 s, uint8 v) {
        assembly ("memory-safe") {
            r := mload(add(signature, 0x20))
            s := mload(add(signature, 0x40))
            v := byte(0, mload(add(signature, 0x60)))
        }
    }

    function test_ARelayerMayPayFromItsOwnAllowanceForAnOrderTheTenantSigned() public {
        Order memory order = _order();
        bytes memory signature = _sign(AGENT_KEY, book.hashOrder(order));
        uint256 before = dollar.balanceOf(address(this));
        _postSigned(order, signature, _caller(address(this)), "");
        eq(before - dollar.balanceOf(address(this)), 20 * DOLLAR, "paid by the caller");
    }

    function _authDollar() private returns (AuthDollar token, Order memory order) {
        token = new AuthDollar();
        order = _order();
        order.token = params.listToken(address(token), true);
        token.mint(funder, 100 * DOLLAR);
    }

    function test_AnAuthorizationWhoseNonceIsTheOrderPaysForItWithoutAnAllowance() public {
        (AuthDollar token, Order memory order) = _authDollar();
        uint40 deadline = uint40(_now()) + 10;
        Funding memory funding = _authorizationBy(token, FUNDER_KEY, order, deadline);
        bytes memory signature = _sign(TENANT_KEY, book.hashOrder(order));
        Order memory other = _order();
        other.token = order.token;
        bytes memory otherSignature = _sign(TENANT_KEY, book.hashOrder(other));
        _postSigned(other, otherSignature, funding, abi.encodeWithSignature("Error(string)", "signature"));
        // Nobody but the book can send it.
        (bytes32 r, bytes32 s, uint8 v) = _split(funding.signature);
        bytes32 hash = book.hashOrder(order);
        vm.expectRevert("only the payee");
        token.receiveWithAuthorization(funder, address(book), order.deposit, 0, deadline, hash, v, r, s);
        _postSigned(order, signature, funding, "");
        eq(token.balanceOf(address(book)), 20 * DOLLAR, "paid");
        eq(token.balanceOf(funder), 80 * DOLLAR, "by the funder");
    }

    function test_AnAuthorizationThatMovesLessIsRefused() public {
        (AuthDollar token, Order memory order) = _authDollar();
        Funding memory funding = _authorizationBy(token, FUNDER_KEY, order, uint40(_now()) + 10);
        token.setShortBy(1);
        bytes memory signature = _sign(TENANT_KEY, book.hashOrder(order));
        _postSigned(
            order,
            signature,
            funding,
            abi.encodeWithSignature("Deposit_Mismatch(uint256,uint256)", 20 * DOLLAR - 1, 20 * DOLLAR)
        );
    }

    // ---------------------------------------------------------------- contract wallets

    function test_AContractWalletIsTenantFromPostToClose() public {
        WalletMock wallet = new WalletMock(vm.addr(0x3a11e7));
        _fund(address(wallet));
        Order memory order = _order();
        order.tenant = address(wallet);
        bytes memory signature = _by(wallet, _sign(0x3a11e7, book.hashOrder(order)));
        _postSigned(order, signature, _caller(address(this)), "");
        uint64[] memory lanes = _pair(0, 1);
        Bid memory bid = _bid(order, lanes);
        uint40 deadline = uint40(_now()) + 1000;
        bytes memory consent = _by(wallet, _signAccept(0x3a11e7, order, bid, deadline));
        signature = _sign(BID_KEY, book.hashBid(bid));
        book.acceptSigned(order, bid, lanes, signature, deadline, consent);
        Terms memory terms = _terms(order, bid, 0, 1);
        vm.prank(operator);
        book.start(terms, 0, 0);
        _skip(100);
        book.redeem(terms, 50, _by(wallet, _voucher(0x3a11e7, terms, 50)));
        signature = _signClose(DUTY_KEY, terms, 100, deadline);
        consent = _by(wallet, _signClose(0x3a11e7, terms, 100, deadline));
        book.closeBoth(terms, 100, deadline, signature, consent);
        eq(book.reputation(pid).signedPaid, 100_000, "paid and signed");
    }

    function test_AContractWalletSignsBidsOffersAndClosesForAProvider() public {
        WalletMock wallet = new WalletMock(vm.addr(0x3a11e7));
        vm.prank(owner);
        book.addKey(pid, address(wallet), 3);
        _skip(1 days);
        Order memory order = _order();
        _post(order);
        uint64[] memory lanes = _pair(0, 1);
        Bid memory bid = _bid(order, lanes);
        bytes memory signature = _by(wallet, _sign(0x3a11e7, book.hashBid(bid)));
        vm.prank(tenant);
        book.accept(order, bid, lanes, signature);
        Terms memory terms = _terms(order, bid, 0, 1);
        uint40 deadline = uint40(_now());
        signature = _by(wallet, _signClose(0x3a11e7, terms, 0, deadline));
        vm.prank(tenant);
        book.closeBoth(terms, 0, deadline, signature, "");
        order = _order();
        _post(order);
        Offer memory offer = _offer(order);
        signature = _by(wallet, _sign(0x3a11e7, book.hashOffer(offer)));
        vm.prank(tenant);
        book.take(order, offer, _part(0), signature, noProof);
    }

    function test_AWalletThatDoesNotSayYesInFullHasNotSigned() public {
        WalletMock wallet = new WalletMock(vm.addr(0x3a11e7));
        Order memory order = _order();
        order.tenant = address(wallet);
        bytes memory signature = _by(wallet, _sign(0x3a11e7, book.hashOrder(order)));
        bytes memory refused = abi.encodeWithSignature("Order_NotTenant(address)", address(0));
        for (uint256 mode = uint256(WalletMock.Mode.Reverts); mode <= uint256(WalletMock.Mode.DirtyAnswer); ++mode) {
            wallet.setMode(WalletMock.Mode(mode));
            _postSigned(order, signature, _caller(address(this)), refused);
        }
        wallet.setMode(WalletMock.Mode.Honest);
        _postSigned(order, _by(wallet, _sign(STRANGER_KEY, "x")), _caller(address(this)), refused);
        // An address without code says nothing, and too few bytes name nobody.
        order.tenant = address(0x1234);
        _postSigned(order, abi.encodePacked(address(0x1234), "signed"), _caller(address(this)), refused);
        _postSigned(order, hex"1234", _caller(address(this)), refused);
        // A wallet that says yes to all speaks for itself only.
        wallet.setMode(WalletMock.Mode.SaysYes);
        _postSigned(
            order,
            _by(wallet, ""),
            _caller(address(this)),
            abi.encodeWithSignature("Order_NotTenant(address)", address(wallet))
        );
        order.tenant = address(wallet);
        _postSigned(order, _by(wallet, ""), _caller(address(this)), "");
    }

    function test_AContractWalletFundsAnOrder() public {
        WalletMock wallet = new WalletMock(vm.addr(0x3a11e7));
        _fund(address(wallet));
        Order memory order = _order();
        Funding memory funding = _fundBy(0x3a11e7, order, uint40(_now()));
        // The struct names the wallet, so its key signs that.
        funding.funder = address(wallet);
        funding.signature = _by(
            wallet,
            _sign(
                0x3a11e7,
                keccak256(
                    abi.encode(
                        keccak256("Fund(bytes32 orderHash,address funder,uint64 amount,uint40 deadline)"),
                        book.hashOrder(order),
                        address(wallet),
                        order.deposit,
                        funding.deadline
                    )
                )
            )
        );
        eq(uint256(funding.by), uint256(FundBy.Fund), "by its signature");
        vm.prank(tenant);
        book.postOrderSigned(order, NEEDS, "", "", funding);
        eq(dollar.balanceOf(address(book)), 20 * DOLLAR, "paid");
    }
}
