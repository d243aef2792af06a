// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Typed} from "../../src/libraries/Typed.sol";
import {LeaseWord} from "../../src/types/LeaseWord.sol";
import {Bid, Offer, Order, Terms} from "../../src/types/Types.sol";

import {Market} from "../support/Market.sol";
import {vm} from "../support/Vm.sol";

/// @notice Type hashes and struct hashes equal to test/vectors, which tools/vectors.js computes from the type strings alone.
contract TypedTest is Market {
    function _read(string memory name) private view returns (string memory) {
        return vm.readFile(string.concat("test/vectors/", name, ".json"));
    }

    function test_EveryTypeHashIsTheVectors() public view {
        eq(Typed.ORDER_TYPEHASH, vm.parseJsonBytes32(_read("order"), ".typeHash"), "order");
        eq(Typed.BID_TYPEHASH, vm.parseJsonBytes32(_read("bid"), ".typeHash"), "bid");
        eq(Typed.OFFER_TYPEHASH, vm.parseJsonBytes32(_read("offer"), ".typeHash"), "offer");
        eq(Typed.FUND_TYPEHASH, vm.parseJsonBytes32(_read("fund"), ".typeHash"), "fund");
        eq(Typed.ACCEPT_TYPEHASH, vm.parseJsonBytes32(_read("accept"), ".typeHash"), "accept");
        eq(Typed.STOP_TYPEHASH, vm.parseJsonBytes32(_read("stop"), ".typeHash"), "stop");
        eq(Typed.VOUCHER_TYPEHASH, vm.parseJsonBytes32(_read("voucher"), ".typeHash"), "voucher");
        eq(Typed.CLOSE_TYPEHASH, vm.parseJsonBytes32(_read("close"), ".typeHash"), "close");
        eq(Typed.AMEND_TYPEHASH, vm.parseJsonBytes32(_read("amend"), ".typeHash"), "amend");
        eq(Typed.RECEIPT_TYPEHASH, vm.parseJsonBytes32(_read("receipt"), ".typeHash"), "receipt");
    }

    function test_TheDomainIsTheVectorsForTheirAddress() public view {
        string memory json = _read("order");
        bytes32 expected = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Leaseport"),
                keccak256("1"),
                uint256(31_337),
                vm.parseJsonAddress(json, ".domain.verifyingContract")
            )
        );
        eq(expected, vm.parseJsonBytes32(json, ".domainSeparator"), "formula");
        bytes32 own = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Leaseport"),
                keccak256("1"),
                uint256(31_337),
                address(book)
            )
        );
        eq(own, book.domainSeparator(), "the book's own");
    }

    function test_TheDomainFollowsTheChainIdAfterAFork() public {
        bytes32 before = book.domainSeparator();
        vm.chainId(31_338);
        yes(book.domainSeparator() != before, "another chain, another domain");
    }

    function _orderOf(string memory json, string memory path) private pure returns (Order memory order) {
        order.tenant = vm.parseJsonAddress(json, string.concat(path, "tenant"));
        order.agent = vm.parseJsonAddress(json, string.concat(path, "agent"));
        order.refundTo = vm.parseJsonAddress(json, string.concat(path, "refundTo"));
        order.form = uint8(_number(json, path, "form"));
        order.token = uint8(_number(json, path, "token"));
        order.flags = uint8(_number(json, path, "flags"));
        order.lots = uint16(_number(json, path, "lots"));
        order.startRate = uint48(_number(json, path, "startRate"));
        order.maxRate = uint48(_number(json, path, "maxRate"));
        order.climb = uint32(_number(json, path, "climb"));
        order.deposit = uint64(_number(json, path, "deposit"));
        order.minDuration = uint32(_number(json, path, "minDuration"));
        order.maxDuration = uint32(_number(json, path, "maxDuration"));
        order.minCommit = uint32(_number(json, path, "minCommit"));
        order.earlyFeeBps = uint16(_number(json, path, "earlyFeeBps"));
        order.notice = uint32(_number(json, path, "notice"));
        order.grace = uint32(_number(json, path, "grace"));
        order.startWindow = uint32(_number(json, path, "startWindow"));
        order.minBond = uint64(_number(json, path, "minBond"));
        order.minSignedPaid = uint64(_number(json, path, "minSignedPaid"));
        order.expiry = uint32(_number(json, path, "expiry"));
        order.slaPolicy = vm.parseJsonBytes32(json, string.concat(path, "slaPolicy"));
        order.needsHash = vm.parseJsonBytes32(json, string.concat(path, "needsHash"));
        order.manifestHash = vm.parseJsonBytes32(json, string.concat(path, "manifestHash"));
        order.eligible = vm.parseJsonBytes32(json, string.concat(path, "eligible"));
        order.endpointHash = vm.parseJsonBytes32(json, string.concat(path, "endpointHash"));
        order.salt = vm.parseJsonBytes32(json, string.concat(path, "salt"));
    }

    function _number(string memory json, string memory path, string memory name) private pure returns (uint256) {
        return vm.parseJsonUint(json, string.concat(path, name));
    }

    function _bidOf(string memory json, string memory path) private pure returns (Bid memory bid) {
        bid.orderHash = vm.parseJsonBytes32(json, string.concat(path, "orderHash"));
        bid.providerId = uint32(_number(json, path, "providerId"));
        bid.bidEpoch = uint32(_number(json, path, "bidEpoch"));
        bid.lanesHash = vm.parseJsonBytes32(json, string.concat(path, "lanesHash"));
        bid.ratePerHour = uint48(_number(json, path, "ratePerHour"));
        bid.bond = uint64(_number(json, path, "bond"));
        bid.liability = uint64(_number(json, path, "liability"));
        bid.deadline = uint40(_number(json, path, "deadline"));
    }

    function _termsOf(string memory json, string memory path) private pure returns (Terms memory terms) {
        terms.id = uint96(_number(json, path, "id"));
        terms.orderHash = vm.parseJsonBytes32(json, string.concat(path, "orderHash"));
        terms.tenant = vm.parseJsonAddress(json, string.concat(path, "tenant"));
        terms.agent = vm.parseJsonAddress(json, string.concat(path, "agent"));
        terms.refundTo = vm.parseJsonAddress(json, string.concat(path, "refundTo"));
        terms.token = uint8(_number(json, path, "token"));
        terms.flags = uint8(_number(json, path, "flags"));
        terms.feeSteps = uint8(_number(json, path, "feeSteps"));
        terms.ratePerHour = uint48(_number(json, path, "ratePerHour"));
        terms.bond = uint64(_number(json, path, "bond"));
        terms.liability = uint64(_number(json, path, "liability"));
        terms.maxDuration = uint32(_number(json, path, "maxDuration"));
        terms.minCommit = uint32(_number(json, path, "minCommit"));
        terms.earlyFeeBps = uint16(_number(json, path, "earlyFeeBps"));
        terms.notice = uint32(_number(json, path, "notice"));
        terms.grace = uint32(_number(json, path, "grace"));
        terms.slaPolicy = vm.parseJsonBytes32(json, string.concat(path, "slaPolicy"));
        terms.needsHash = vm.parseJsonBytes32(json, string.concat(path, "needsHash"));
        terms.manifestHash = vm.parseJsonBytes32(json, string.concat(path, "manifestHash"));
    }

    function test_StructHashesOfTheBookAreTheVectors() public view {
        string[3] memory cases = ["ordinary", "largest", "smallest"];
        for (uint256 i = 0; i < 3; ++i) {
            string memory path = string.concat(".cases.", cases[i], ".");
            string memory message = string.concat(path, "message.");
            string memory json = _read("order");
            eq(
                book.hashOrder(_orderOf(json, message)),
                vm.parseJsonBytes32(json, string.concat(path, "structHash")),
                "order"
            );
            json = _read("bid");
            eq(book.hashBid(_bidOf(json, message)), vm.parseJsonBytes32(json, string.concat(path, "structHash")), "bid");
            json = _read("terms");
            Terms memory terms = _termsOf(json, message);
            bytes32 hash = vm.parseJsonBytes32(json, string.concat(path, "termsHash"));
            eq(book.hashTerms(terms), hash, "terms");
            eq(Typed.hashTerms(terms), hash, "terms in memory");
            eq(keccak256(abi.encode(terms)), hash, "terms encoded");
            eq(
                LeaseWord.opened(hash, 1, 1).termsHash(),
                vm.parseJsonBytes32(json, string.concat(path, "stored")),
                "stored part"
            );
            json = _read("close");
            eq(
                Typed.hashClose(
                    uint96(_number(json, message, "id")),
                    vm.parseJsonBytes32(json, string.concat(message, "termsHash")),
                    uint32(_number(json, message, "cum")),
                    uint40(_number(json, message, "deadline"))
                ),
                vm.parseJsonBytes32(json, string.concat(path, "structHash")),
                "close"
            );
        }
    }

    function _offerOf(string memory json, string memory path) private pure returns (Offer memory offer) {
        offer.classHash = vm.parseJsonBytes32(json, string.concat(path, "classHash"));
        offer.providerId = uint32(_number(json, path, "providerId"));
        offer.bidEpoch = uint32(_number(json, path, "bidEpoch"));
        offer.firstLane = uint32(_number(json, path, "firstLane"));
        offer.count = uint16(_number(json, path, "count"));
        offer.token = uint8(_number(json, path, "token"));
        offer.ratePerHour = uint48(_number(json, path, "ratePerHour"));
        offer.bond = uint64(_number(json, path, "bond"));
        offer.liability = uint64(_number(json, path, "liability"));
        offer.minDuration = uint32(_number(json, path, "minDuration"));
        offer.maxDuration = uint32(_number(json, path, "maxDuration"));
        offer.notice = uint32(_number(json, path, "notice"));
        offer.tenants = vm.parseJsonBytes32(json, string.concat(path, "tenants"));
        offer.deadline = uint40(_number(json, path, "deadline"));
        offer.salt = vm.parseJsonBytes32(json, string.concat(path, "salt"));
    }

    function _hashIn(string memory json, string memory path, string memory name) private pure returns (bytes32) {
        return vm.parseJsonBytes32(json, string.concat(path, name));
    }

    function test_StructHashesOfWhatPartiesSignAreTheVectors() public view {
        string[3] memory cases = ["ordinary", "largest", "smallest"];
        for (uint256 i = 0; i < 3; ++i) {
            string memory path = string.concat(".cases.", cases[i], ".");
            string memory m = string.concat(path, "message.");
            string memory json = _read("offer");
            eq(book.hashOffer(_offerOf(json, m)), _hashIn(json, path, "structHash"), "offer");
            json = _read("accept");
            eq(
                Typed.hashAccept(
                    _hashIn(json, m, "orderHash"), _hashIn(json, m, "bidHash"), uint40(_number(json, m, "deadline"))
                ),
                _hashIn(json, path, "structHash"),
                "accept"
            );
            json = _read("fund");
            eq(
                Typed.hashFund(
                    _hashIn(json, m, "orderHash"),
                    vm.parseJsonAddress(json, string.concat(m, "funder")),
                    uint64(_number(json, m, "amount")),
                    uint40(_number(json, m, "deadline"))
                ),
                _hashIn(json, path, "structHash"),
                "fund"
            );
            json = _read("stop");
            eq(
                Typed.hashStop(
                    uint96(_number(json, m, "id")),
                    _hashIn(json, m, "termsHash"),
                    uint16(_number(json, m, "reason")),
                    uint40(_number(json, m, "deadline"))
                ),
                _hashIn(json, path, "structHash"),
                "stop"
            );
            json = _read("voucher");
            eq(
                Typed.hashVoucher(
                    uint96(_number(json, m, "id")), _hashIn(json, m, "termsHash"), uint32(_number(json, m, "cum"))
                ),
                _hashIn(json, path, "structHash"),
                "voucher"
            );
            json = _read("amend");
            eq(
                Typed.hashAmend(
                    uint96(_number(json, m, "id")),
                    _hashIn(json, m, "oldTerms"),
                    _hashIn(json, m, "newTerms"),
                    uint32(_number(json, m, "cumAt")),
                    uint40(_number(json, m, "deadline"))
                ),
                _hashIn(json, path, "structHash"),
                "amend"
            );
        }
    }

    function test_TheDomainsPartsAreTheDomain() public view {
        (bytes1 fields, string memory name, string memory version, uint256 chainId, address self,,) =
            book.eip712Domain();
        eq(bytes32(fields), bytes32(bytes1(0x0f)), "fields");
        bytes32 separator = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256(bytes(name)),
                keccak256(bytes(version)),
                chainId,
                self
            )
        );
        eq(separator, book.domainSeparator(), "separator");
    }

    function test_APackedBidIsTheVectors() public view {
        string memory json = _read("packed_bid");
        Bid memory bid = _bidOf(json, ".message.");
        uint64[] memory lanes = new uint64[](2);
        lanes[0] = (5 << 32) | 1;
        lanes[1] = (uint64(type(uint32).max) << 32) | 16_777_215;
        eq(keccak256(_packed(lanes)), vm.parseJsonBytes32(json, ".lanesHash"), "lanes");
        eq(this.hashLanes(lanes), bid.lanesHash, "lanes in the book");
        eq(book.hashBid(bid), vm.parseJsonBytes32(json, ".structHash"), "bid");
        eq(Typed.hashBidMembers(bid), vm.parseJsonBytes32(json, ".structHash"), "members");
        bytes memory packed = _pack(bid, lanes, vm.parseJsonBytes(json, ".signature"));
        eq(keccak256(packed), keccak256(vm.parseJsonBytes(json, ".packed")), "packed");
    }

    function hashLanes(uint64[] calldata lanes) external pure returns (bytes32) {
        return Typed.hashLanes(lanes);
    }
}
