// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {KeyGrant, Provider} from "../../src/types/Types.sol";

import {Market} from "../support/Market.sol";
import {vm} from "../support/Vm.sol";

contract ProvidersTest is Market {
    address private constant KEY = address(0x4e7);

    function test_RegistrationGivesTheNextNumberAndKeysThatActAtOnce() public {
        eq(pid, 1, "the first");
        Provider memory record = book.providerOf(pid);
        eq(record.owner, owner, "owner");
        eq(record.payout, payout, "payout");
        eq(record.gatewayAt, START, "gateway");
        (uint8 roles, uint40 from, uint32 epoch) = book.keyOf(pid, operator);
        eq(roles, 6, "roles");
        eq(from, START, "from");
        eq(epoch, 0, "epoch");
        vm.prank(stranger);
        eq(book.register(payout, new KeyGrant[](0), "", 0), 2, "the second");
        eq(book.providerCount(), 2, "count");
        eq(book.providerOf(2).gatewayAt, 0, "no gateway");
    }

    function test_ARegistrationWithoutPayoutOrWithABadKeyIsRefused() public {
        KeyGrant[] memory keys = new KeyGrant[](1);
        keys[0] = KeyGrant({key: KEY, roles: 8});
        vm.expectRevert(abi.encodeWithSignature("Key_Invalid(address,uint8)", KEY, 8));
        book.register(payout, keys, "", 0);
        keys[0].roles = 0;
        vm.expectRevert(abi.encodeWithSignature("Key_Invalid(address,uint8)", KEY, 0));
        book.register(payout, keys, "", 0);
        keys[0] = KeyGrant({key: address(0), roles: 1});
        vm.expectRevert(abi.encodeWithSignature("Key_Invalid(address,uint8)", address(0), 1));
        book.register(payout, keys, "", 0);
        vm.expectRevert(abi.encodeWithSignature("Provider_ZeroAddress()"));
        book.register(address(0), new KeyGrant[](0), "", 0);
        vm.expectRevert(abi.encodeWithSignature("Provider_ZeroAddress()"));
        book.register(address(book), new KeyGrant[](0), "", 0);
        vm.expectRevert(abi.encodeWithSignature("Provider_UrlLength(uint256,uint256)", 257, 256));
        book.register(payout, new KeyGrant[](0), string(new bytes(257)), 0);
    }

    function test_AnAddedKeyActsAfterADay() public {
        vm.prank(owner);
        book.addKey(pid, KEY, 1);
        vm.prank(KEY);
        vm.expectRevert(abi.encodeWithSignature("Key_Denied(uint32,address,uint8)", pid, KEY, 1));
        book.publishFacts(pid, "facts");
        _skip(1 days);
        vm.prank(KEY);
        book.publishFacts(pid, "facts");
        eq(book.providerOf(pid).factsAt, _now(), "published");
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSignature("Key_Exists(uint32,address)", pid, KEY));
        book.addKey(pid, KEY, 2);
    }

    function test_ARemovedKeyIsOutAtOnceAndItsEpochOutlivesIt() public {
        vm.prank(owner);
        book.removeKey(pid, bidder);
        vm.prank(bidder);
        vm.expectRevert(abi.encodeWithSignature("Key_Denied(uint32,address,uint8)", pid, bidder, 1));
        book.publishOffers(pid, "offers");
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSignature("Key_Unknown(uint32,address)", pid, bidder));
        book.removeKey(pid, bidder);
        vm.prank(owner);
        book.addKey(pid, bidder, 1);
        (,, uint32 epoch) = book.keyOf(pid, bidder);
        eq(epoch, 1, "old bids stay void");
    }

    function test_AKeyMayRemoveItselfAndCancelItsBids() public {
        vm.prank(bidder);
        book.cancelAllBids(pid, bidder);
        (,, uint32 epoch) = book.keyOf(pid, bidder);
        eq(epoch, 1, "raised");
        vm.prank(bidder);
        book.removeKey(pid, bidder);
        vm.prank(bidder);
        vm.expectRevert(abi.encodeWithSignature("Key_Unknown(uint32,address)", pid, bidder));
        book.cancelAllBids(pid, bidder);
    }

    function test_APayoutChangesAfterTwoDays() public {
        vm.prank(owner);
        book.setPayout(pid, address(0xbee));
        eq(book.payoutOf(pid), payout, "not yet");
        _skip(2 days - 1);
        eq(book.payoutOf(pid), payout, "a second before");
        _skip(1);
        eq(book.payoutOf(pid), address(0xbee), "now");
        vm.prank(owner);
        book.setPayout(pid, address(0xcab));
        eq(book.payoutOf(pid), address(0xbee), "the change before is not lost");
        _skip(2 days);
        eq(book.payoutOf(pid), address(0xcab), "and then the next");
    }

    function test_OnlyTheOwnerDoesWhatTheOwnerDoes() public {
        bytes memory denied = abi.encodeWithSignature("Provider_NotOwner(uint32,address)", pid, stranger);
        vm.startPrank(stranger);
        vm.expectRevert(denied);
        book.addKey(pid, KEY, 1);
        vm.expectRevert(denied);
        book.removeKey(pid, bidder);
        vm.expectRevert(denied);
        book.cancelAllBids(pid, bidder);
        vm.expectRevert(denied);
        book.setPayout(pid, stranger);
        vm.expectRevert(denied);
        book.setGateway(pid, "https://evil.example", 0, 0);
        vm.stopPrank();
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSignature("Provider_ZeroAddress()"));
        book.setPayout(pid, address(0));
        vm.prank(owner);
        book.setGateway(pid, "https://new.example", bytes32(uint256(1)), bytes32(uint256(2)));
        vm.prank(owner);
        book.publishOffers(pid, "offers");
        eq(book.providerOf(pid).offersAt, _now(), "published");
    }
}
