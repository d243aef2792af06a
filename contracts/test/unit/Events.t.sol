// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseBookBase} from "../../src/interfaces/ILeaseBook.sol";
import {Bid, CloseKind, KeyGrant, Offer, Order, StopBy, Terms} from "../../src/types/Types.sol";

import {Trades} from "../support/Trades.sol";
import {Vm, vm} from "../support/Vm.sol";

/// @notice What followers of the chain are told: each event of the book with all that is in it. A lease here pays 1,000 micro-units
/// a second, of which 2.5 % are the fee; 480,000 of its 20,000,000 are held back.
contract EventsTest is Trades {
    uint64 private constant HELD = 480_000;

    // ---------------------------------------------------------------- providers

    function test_ARegistrationTellsOwnerPayoutKeysAndGateway() public {
        uint32 next = book.providerCount() + 1;
        KeyGrant[] memory keys = new KeyGrant[](1);
        keys[0] = KeyGrant({key: agent, roles: 2});
        vm.expectEmit();
        emit ILeaseBookBase.ProviderRegistered(next, stranger, payout);
        vm.expectEmit();
        emit ILeaseBookBase.KeyAdded(next, agent, 2, uint40(_now()), 0);
        vm.expectEmit();
        emit ILeaseBookBase.GatewaySet(next, "https://a", "pin", 0);
        vm.prank(stranger);
        book.register(payout, keys, "https://a", "pin");
        eq(book.providerOf(next).gatewayAt, _now(), "where the address is looked for");
    }

    function test_ARegistrationWithoutGatewayTellsNone() public {
        vm.recordLogs();
        book.register(payout, new KeyGrant[](0), "", "pin");
        eq(vm.getRecordedLogs().length, 1, "registered, and no more");
    }

    function test_EveryChangeOfAProviderIsTold() public {
        vm.expectEmit();
        emit ILeaseBookBase.KeyAdded(pid, stranger, 1, uint40(_now()) + 1 days, 0);
        vm.prank(owner);
        book.addKey(pid, stranger, 1);
        vm.expectEmit();
        emit ILeaseBookBase.KeyRemoved(pid, bidder, 1);
        vm.prank(owner);
        book.removeKey(pid, bidder);
        vm.expectEmit();
        emit ILeaseBookBase.BidsCancelled(pid, operator, 1);
        vm.prank(operator);
        book.cancelAllBids(pid, operator);
        vm.expectEmit();
        emit ILeaseBookBase.PayoutSet(pid, stranger, uint40(_now()) + 2 days);
        vm.prank(owner);
        book.setPayout(pid, stranger);
        _skip(5);
        vm.expectEmit();
        emit ILeaseBookBase.GatewaySet(pid, "https://b", "pin", "next");
        vm.prank(owner);
        book.setGateway(pid, "https://b", "pin", "next");
        eq(book.providerOf(pid).gatewayAt, _now(), "gateway");
        _skip(5);
        vm.expectEmit();
        emit ILeaseBookBase.FactsPublished(pid, "facts");
        vm.prank(owner);
        book.publishFacts(pid, "facts");
        eq(book.providerOf(pid).factsAt, _now(), "facts");
        _skip(5);
        vm.expectEmit();
        emit ILeaseBookBase.OffersPublished(pid, "offers");
        vm.prank(owner);
        book.publishOffers(pid, "offers");
        eq(book.providerOf(pid).offersAt, _now(), "offers");
    }

    // ---------------------------------------------------------------- orders and bids

    function test_AnOrderIsToldWithItsDocumentsWhateverTheirLengths() public {
        Order memory first = _order();
        vm.expectEmit();
        emit ILeaseBookBase.TokenAdopted(0, address(dollar), 1, true);
        vm.prank(tenant);
        book.postOrder(first, NEEDS, "");
        _told(_order(), "", "");
        // Around a word: nothing, a byte, one less than a word, a word, one more.
        _told(_order(), "n", "");
        _told(_order(), new bytes(31), "e");
        _told(_order(), new bytes(32), string(new bytes(33)));
        _told(_order(), new bytes(33), string(new bytes(32)));
    }

    function _told(Order memory order, bytes memory needs, string memory endpoint) private {
        order.needsHash = keccak256(needs);
        if (bytes(endpoint).length != 0) order.endpointHash = keccak256(bytes(endpoint));
        bytes32 id = book.hashOrder(order);
        vm.expectEmit();
        emit ILeaseBookBase.OrderPosted(id, tenant, order, needs, endpoint);
        vm.prank(tenant);
        book.postOrder(order, needs, endpoint);
    }

    function test_ACancelledOrderIsToldWithWhatWasReturned() public {
        Order memory order = _order();
        bytes32 id = _post(order);
        vm.expectEmit();
        emit ILeaseBookBase.OrderCancelled(id, refundTo, 20_000_000, true);
        vm.prank(tenant);
        book.cancelOrder(order);
    }

    function test_ABidIsToldByteByByteWhateverItsLength() public {
        Order memory order = _order();
        bytes32 id = _post(order);
        for (uint256 lots = 1; lots < 5; ++lots) {
            uint64[] memory lanes = new uint64[](lots);
            for (uint256 i = 0; i < lots; ++i) {
                lanes[i] = (uint64(i) << 32) | 1;
            }
            Bid memory bid = _bid(order, lanes);
            bytes memory packed = _pack(bid, lanes, _sign(BID_KEY, book.hashBid(bid)));
            vm.expectEmit();
            emit ILeaseBookBase.BidPosted(id, pid, packed);
            vm.prank(bidder);
            book.publishBid(packed);
        }
    }

    function test_AnOpeningTellsTheTermsAndWhatIsHeldBack() public {
        Order memory order = _order();
        bytes32 id = _post(order);
        uint64[] memory lanes = _pair(3, 1);
        Bid memory bid = _bid(order, lanes);
        Terms memory terms = _terms(order, bid, 3, 1);
        bytes memory signature = _sign(BID_KEY, book.hashBid(bid));
        vm.expectEmit();
        emit ILeaseBookBase.LeaseOpened(terms.id, tenant, id, 20_000_000, HELD, uint32(_now()) + 900, terms);
        vm.prank(tenant);
        book.accept(order, bid, lanes, signature);
    }

    function test_TakenPartsAreToldAsTheWholeWord() public {
        Order memory order = _order();
        Offer memory offer = _offer(order);
        _post(order);
        bytes32 id = book.hashOffer(offer);
        _take(order, offer, _part(0));
        order = _order();
        _post(order);
        bytes memory signature = _sign(BID_KEY, id);
        vm.expectEmit();
        emit ILeaseBookBase.OfferTaken(id, pid, 5);
        vm.prank(tenant);
        book.take(order, offer, _part(2), signature, noProof);
    }

    // ---------------------------------------------------------------- leases

    function test_AStartAReportAndASettlementAreToldInFull() public {
        Terms memory terms = _open(_order(), 1, 1);
        vm.expectEmit();
        emit ILeaseBookBase.LeaseStarted(terms.id, uint32(_now()), uint32(_now()) + 7200, 5, "bindings");
        vm.prank(operator);
        book.start(terms, 5, "bindings");
        _skip(1000);
        uint256[] memory words = new uint256[](1);
        words[0] = 1005 << 32;
        vm.expectEmit();
        emit ILeaseBookBase.Usage(pid, 0, uint40(_now()), "root", words);
        vm.prank(operator);
        book.report(pid, 0, uint40(_now()), "root", words);
        uint32[] memory lanes = new uint32[](1);
        lanes[0] = 1;
        vm.expectEmit();
        emit ILeaseBookBase.Settled(pid, abi.encodePacked(uint32(1), uint32(1000), uint64(1_000_000)));
        vm.expectEmit();
        emit ILeaseBookBase.Earned(pid, 0, 1_000_000, 25_000, true);
        book.settle(pid, lanes);
    }

    function test_AVoucherIsToldAsSettledAndAsEarnedAtOnce() public {
        Terms memory terms = _live(1, 1);
        _skip(1000);
        bytes memory signature = _voucher(TENANT_KEY, terms, 600);
        vm.expectEmit();
        emit ILeaseBookBase.Settled(pid, abi.encodePacked(uint32(1), uint32(600), uint64(600_000)));
        vm.expectEmit();
        emit ILeaseBookBase.Earned(pid, 0, 600_000, 15_000, false);
        book.redeem(terms, 600, signature);
    }

    function test_AVoucherThatPaysNothingEarnsNothing() public {
        Order memory order = _order();
        _post(order);
        uint64[] memory lanes = _pair(0, 1);
        Bid memory bid = _bid(order, lanes);
        bid.ratePerHour = 1;
        _accept(order, bid, lanes);
        Terms memory terms = _terms(order, bid, 0, 1);
        vm.prank(operator);
        book.start(terms, 0, 0);
        _skip(1000);
        bytes memory signature = _voucher(TENANT_KEY, terms, 1000);
        vm.recordLogs();
        book.redeem(terms, 1000, signature);
        eq(vm.getRecordedLogs().length, 1, "settled, and no more");
    }

    function test_ATopUpIsToldWithThePayerAndTheNewBalance() public {
        Terms memory terms = _live(1, 1);
        vm.expectEmit();
        emit ILeaseBookBase.ToppedUp(terms.id, tenant, 1_000_000, 20_000_000 - HELD + 1_000_000);
        vm.prank(tenant);
        book.topUp(terms, 1_000_000);
    }

    function test_EachStopTellsWhoWhyAndWhen() public {
        Terms memory terms = _live(1, 1);
        _skip(100);
        vm.expectEmit();
        emit ILeaseBookBase.Stopped(terms.id, StopBy.TenantOrFunds, 1001, uint32(_now()));
        vm.prank(tenant);
        book.stop(terms, 1001);

        terms = _live(2, 1);
        uint40 deadline = uint40(_now());
        bytes memory signature = _signStop(TENANT_KEY, terms, 1002, deadline);
        vm.expectEmit();
        emit ILeaseBookBase.Stopped(terms.id, StopBy.TenantOrFunds, 1002, uint32(_now()));
        book.stopSigned(terms, 1002, deadline, signature);

        terms = _live(3, 1);
        vm.expectEmit();
        emit ILeaseBookBase.Stopped(terms.id, StopBy.ProviderNotice, 2003, uint32(_now()) + 600);
        vm.prank(operator);
        book.notice(terms, 2003);
    }

    function test_AnEvictionTellsTheTenantsFundsAsItsReason() public {
        Order memory order = _order();
        order.minCommit = 0;
        order.deposit = 900_000;
        Terms memory terms = _live(order, 1, 1);
        _skip(900);
        _report(1, 900);
        vm.expectEmit();
        emit ILeaseBookBase.Stopped(terms.id, StopBy.TenantOrFunds, 3001, uint32(_now()));
        vm.prank(operator);
        book.evict(terms);
    }

    function test_AStopByTheProviderTellsWhatItOwesAndToWhom() public {
        Terms memory terms = _live(1, 1);
        _skip(1000);
        _report(1, 1000);
        _settle(1);
        vm.expectEmit();
        emit ILeaseBookBase.Stopped(terms.id, StopBy.ProviderFault, 2002, uint32(_now()));
        vm.expectEmit();
        emit ILeaseBookBase.Compensated(terms.id, 600_000);
        vm.expectEmit();
        emit ILeaseBookBase.Credited(refundTo, 0, 600_000);
        vm.prank(operator);
        book.stop(terms, 2002);
        vm.expectEmit();
        emit ILeaseBookBase.CreditWithdrawn(refundTo, 0, address(0xabc), 600_000);
        vm.prank(refundTo);
        book.withdrawCredit(0, address(0xabc));
        eq(book.credits(refundTo, 0), 0, "nothing is left");
        vm.prank(refundTo);
        vm.expectRevert(abi.encodeWithSignature("Credit_Nothing(address,uint8)", refundTo, 0));
        book.withdrawCredit(0, address(0xabc));
    }

    function test_AWaiverTellsTheCountAndWhereItBeginsNow() public {
        Terms memory terms = _live(1, 1);
        _skip(1000);
        _report(1, 1000);
        vm.expectEmit();
        emit ILeaseBookBase.Waived(terms.id, 400, 600);
        vm.prank(operator);
        book.waive(terms, 400);
    }

    function test_AnAmendmentTellsWhatItPaidAndWhatHoldsNow() public {
        Terms memory terms = _live(1, 1);
        _skip(1000);
        Terms memory next = abi.decode(abi.encode(terms), (Terms));
        next.maxDuration = 8000;
        uint32 now_ = uint32(_now());
        bytes memory signature = _signAmend(DUTY_KEY, terms, next, 700, now_);
        vm.expectEmit();
        emit ILeaseBookBase.Amended(
            terms.id, 700, 700_000, now_, now_ + 8000, 700, 20_000_000 - 700_000 - HELD, HELD, next
        );
        vm.expectEmit();
        emit ILeaseBookBase.Earned(pid, 0, 700_000, 17_500, false);
        vm.prank(tenant);
        book.amend(terms, next, 700, now_, signature, "");
    }

    // ---------------------------------------------------------------- ends

    function test_ADeclinedAndAnExpiredLeaseTellWhatBurned() public {
        Terms memory terms = _open(_order(), 1, 1);
        _skip(60);
        vm.expectEmit();
        emit ILeaseBookBase.LeaseDeclined(terms.id, 2001, 60_000, 20_000_000 - 60_000, true);
        vm.prank(operator);
        book.decline(terms, 2001);
        terms = _open(_order(), 2, 1);
        _skip(901);
        vm.expectEmit();
        emit ILeaseBookBase.LeaseDeclined(terms.id, 4001, 900_000, 20_000_000 - 900_000, true);
        book.expire(terms);
    }

    function test_APendingLeaseWithoutABondAsksNothingOfTheVault() public {
        Order memory order = _order();
        order.minBond = 0;
        _post(order);
        uint64[] memory lanes = _pair(1, 1);
        Bid memory bid = _bid(order, lanes);
        bid.bond = 0;
        vm.recordLogs();
        _accept(order, bid, lanes);
        Terms memory terms = _terms(order, bid, 1, 1);
        vm.prank(operator);
        book.decline(terms, 2001);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            yes(logs[i].emitter != address(vault), "the vault was asked");
        }
    }

    function test_AFinalizedLeaseTellsEveryPartOfItsMoney() public {
        Terms memory terms = _live(1, 1);
        _skip(3000);
        _report(1, 2900);
        vm.prank(tenant);
        book.stop(terms, 1001);
        _skip(F);
        // 600 s of the commitment are missing: a tenth of their rent.
        vm.expectEmit();
        emit ILeaseBookBase.Earned(pid, 0, 2_960_000, 74_000, true);
        vm.expectEmit();
        emit ILeaseBookBase.Closed(
            terms.id, CloseKind.Finalized, 2900, 2_900_000, 60_000, 74_000, 20_000_000 - 2_960_000, true
        );
        book.finalize(terms);
    }

    function test_AnAgreedCloseTellsThatNothingVests() public {
        Terms memory terms = _live(1, 1);
        _skip(1000);
        uint40 deadline = uint40(_now());
        bytes memory signature = _signClose(DUTY_KEY, terms, 900, deadline);
        vm.expectEmit();
        emit ILeaseBookBase.Earned(pid, 0, 900_000, 22_500, false);
        vm.expectEmit();
        emit ILeaseBookBase.Closed(terms.id, CloseKind.Agreed, 900, 900_000, 0, 22_500, 20_000_000 - 900_000, true);
        vm.prank(tenant);
        book.closeBoth(terms, 900, deadline, signature, "");
        vm.expectEmit();
        emit ILeaseBookBase.Claimed(pid, 0, payout, 877_500);
        book.claim(pid, 0);
        vm.expectEmit();
        emit ILeaseBookBase.FeesPushed(0, treasury, 22_500);
        book.pushFees(0);
        eq(book.fees(0), 0, "nothing is left");
    }

    // ---------------------------------------------------------------- disputes

    function test_AFreezeAndItsEndAreToldWithBothShares() public {
        _nameCourt();
        Terms memory terms = _live(1, 1);
        _skip(2000);
        _report(1, 2000);
        _settle(1);
        vm.expectEmit();
        emit ILeaseBookBase.Frozen(terms.id, 500_000, uint32(_now()) + 21 days);
        vm.prank(court);
        book.freeze(terms, 500_000);
        vm.expectEmit();
        emit ILeaseBookBase.FreezeEnded(terms.id, 200_000, 300_000, true);
        vm.prank(court);
        book.award(terms.id, 200_000);
        vm.prank(court);
        book.freeze(terms, 500_000);
        // Nothing to return is nothing that failed.
        vm.expectEmit();
        emit ILeaseBookBase.FreezeEnded(terms.id, 0, 500_000, true);
        vm.prank(court);
        book.release(terms.id);
    }
}
