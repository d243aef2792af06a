// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Typed} from "../../src/libraries/Typed.sol";
import {Bid, FundBy, Funding, Offer, Order, Terms} from "../../src/types/Types.sol";

import {Market} from "./Market.sol";
import {AuthDollar, WalletMock} from "./Mocks.sol";
import {vm} from "./Vm.sol";

/// @notice What the tests of signed acts, offers, dutch orders and disputes are made of.
abstract contract Trades is Market {
    uint256 internal constant FUNDER_KEY = 0xf04d;
    address internal funder = vm.addr(FUNDER_KEY);
    address internal court = address(0xc047);
    bytes32[] internal noProof;

    function _nameCourt() internal {
        params.setSlasher(0, court);
    }

    // ---------------------------------------------------------------- dutch orders

    function _dutch() internal returns (Order memory order) {
        order = _order();
        order.form = 1;
        order.startRate = 1_800_000;
        order.maxRate = 3_600_000;
        order.climb = 100;
    }

    function _fill(Order memory order, uint64[] memory lanes) internal {
        vm.prank(bidder);
        book.fill(order, pid, lanes, 2 * DOLLAR, 50 * DOLLAR, noProof);
    }

    // ---------------------------------------------------------------- offers

    function _classOf(Order memory order) internal pure returns (bytes32) {
        return keccak256(abi.encode(order.needsHash, order.slaPolicy, order.flags));
    }

    function _offer(Order memory order) internal view returns (Offer memory offer) {
        offer.classHash = _classOf(order);
        offer.providerId = pid;
        offer.firstLane = 16;
        offer.count = 4;
        offer.ratePerHour = 3_600_000;
        offer.bond = 2 * DOLLAR;
        offer.liability = 50 * DOLLAR;
        offer.minDuration = 600;
        offer.maxDuration = 7200;
        offer.notice = 600;
        offer.deadline = uint40(_now()) + 1 days;
        offer.salt = "offer";
    }

    function _part(uint8 k) internal pure returns (uint8[] memory parts) {
        parts = new uint8[](1);
        parts[0] = k;
    }

    function _take(Order memory order, Offer memory offer, uint8[] memory parts) internal {
        bytes memory signature = _sign(BID_KEY, book.hashOffer(offer));
        vm.prank(order.tenant);
        book.take(order, offer, parts, signature, noProof);
    }

    // ---------------------------------------------------------------- roots

    function _leaf(uint256 word) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(word))));
    }

    /// @dev A tree of two leaves, and the proof of the first.
    function _tree(uint256 a, uint256 b) internal pure returns (bytes32 root, bytes32[] memory proof) {
        (bytes32 x, bytes32 y) = (_leaf(a), _leaf(b));
        root = x < y ? keccak256(abi.encode(x, y)) : keccak256(abi.encode(y, x));
        proof = new bytes32[](1);
        proof[0] = y;
    }

    // ---------------------------------------------------------------- money of others

    function _caller(address who) internal pure returns (Funding memory funding) {
        funding.funder = who;
    }

    function _fundBy(uint256 key, Order memory order, uint40 deadline) internal view returns (Funding memory) {
        bytes32 structHash =
            keccak256(abi.encode(Typed.FUND_TYPEHASH, book.hashOrder(order), vm.addr(key), order.deposit, deadline));
        return Funding({by: FundBy.Fund, funder: vm.addr(key), deadline: deadline, signature: _sign(key, structHash)});
    }

    function _permitBy(uint256 key, uint256 amount, uint40 deadline) internal view returns (Funding memory) {
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
                vm.addr(key),
                address(book),
                amount,
                dollar.nonces(vm.addr(key)),
                uint256(deadline)
            )
        );
        return Funding({
            by: FundBy.Permit,
            funder: vm.addr(key),
            deadline: deadline,
            signature: _signIn(dollar.DOMAIN_SEPARATOR(), key, structHash)
        });
    }

    function _authorizationBy(AuthDollar token, uint256 key, Order memory order, uint40 deadline)
        internal
        view
        returns (Funding memory)
    {
        bytes32 structHash = keccak256(
            abi.encode(
                token.RECEIVE_TYPEHASH(),
                vm.addr(key),
                address(book),
                uint256(order.deposit),
                uint256(0),
                uint256(deadline),
                book.hashOrder(order)
            )
        );
        return Funding({
            by: FundBy.Authorization,
            funder: vm.addr(key),
            deadline: deadline,
            signature: _signIn(token.DOMAIN_SEPARATOR(), key, structHash)
        });
    }

    function _signIn(bytes32 domain, uint256 key, bytes32 structHash) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, keccak256(abi.encodePacked(hex"1901", domain, structHash)));
        return abi.encodePacked(r, s, v);
    }

    // ---------------------------------------------------------------- signed acts

    function _voucher(uint256 key, Terms memory terms, uint32 cum) internal view returns (bytes memory) {
        return _sign(key, keccak256(abi.encode(Typed.VOUCHER_TYPEHASH, terms.id, book.hashTerms(terms), cum)));
    }

    function _signStop(uint256 key, Terms memory terms, uint16 reason, uint40 deadline)
        internal
        view
        returns (bytes memory)
    {
        return _sign(key, keccak256(abi.encode(Typed.STOP_TYPEHASH, terms.id, book.hashTerms(terms), reason, deadline)));
    }

    function _signAccept(uint256 key, Order memory order, Bid memory bid, uint40 deadline)
        internal
        view
        returns (bytes memory)
    {
        return _sign(
            key, keccak256(abi.encode(Typed.ACCEPT_TYPEHASH, book.hashOrder(order), book.hashBid(bid), deadline))
        );
    }

    function _signAmend(uint256 key, Terms memory from, Terms memory to, uint32 cumAt, uint40 deadline)
        internal
        view
        returns (bytes memory)
    {
        return _sign(
            key,
            keccak256(
                abi.encode(Typed.AMEND_TYPEHASH, from.id, book.hashTerms(from), book.hashTerms(to), cumAt, deadline)
            )
        );
    }

    /// @dev Amended by the tenant's transaction and the provider's signature.
    function _amend(Terms memory from, Terms memory to, uint32 cumAt) internal {
        uint40 deadline = uint40(_now());
        bytes memory signature = _signAmend(DUTY_KEY, from, to, cumAt, deadline);
        vm.prank(tenant);
        book.amend(from, to, cumAt, deadline, signature, "");
    }

    /// @dev A signature in the name of a contract wallet.
    function _by(WalletMock wallet, bytes memory signature) internal pure returns (bytes memory) {
        return bytes.concat(bytes20(address(wallet)), signature);
    }
}
