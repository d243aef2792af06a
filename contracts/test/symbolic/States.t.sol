// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {LeaseBook} from "../../src/LeaseBook.sol";
import {Hot, Stat} from "../../src/types/LeaseWord.sol";
import {Bid, LeaseState, Offer, Order, Terms} from "../../src/types/Types.sol";

import {ILeaseBook} from "../../src/interfaces/ILeaseBook.sol";

import {vm} from "../support/Vm.sol";

/// @notice halmos' own cheat codes.
interface Svm {
    function enableSymbolicStorage(address account) external;
    function createBytes(uint256 size, string calldata name) external returns (bytes memory);
}

Svm constant svm = Svm(address(uint160(uint256(keccak256("svm cheat code")))));

/// @notice All that is outside of the book, as obliging as it can be: nothing here refuses, so nothing here hides an edge.
contract Outside {
    uint256 private _balance;

    // ---------------------------------------------------------------- the vault

    /// @dev Asked by the book when it is made.
    function leaseBook() external view returns (address) {
        return msg.sender;
    }

    function lock(uint32, uint8, uint64) external pure {}

    function release(uint32, uint8, uint64, uint64) external pure {}

    // ---------------------------------------------------------------- Params

    function opening(uint8) external pure returns (uint8 feeSteps, bool open) {
        return (10, true);
    }

    /// @dev The court is whoever this is.
    function court() external view returns (address) {
        return address(this);
    }

    // ---------------------------------------------------------------- the token

    function transfer(address, uint256) external pure returns (bool) {
        return true;
    }

    function transferFrom(address, address, uint256 amount) external returns (bool) {
        _balance += amount;
        return true;
    }

    function balanceOf(address) external view returns (uint256) {
        return _balance;
    }
}

/// @notice The state table of a lease (I15), proven by halmos of the deployed code of both halves: whatever the book's storage
/// holds, whoever calls, whenever, with whatever terms, an act that succeeds took one of the table's edges and moved `stopAt` only
/// as the table says (I4, I14). That each edge can be taken is what test/unit/StateEdges.t.sol shows.
contract StatesTest {
    uint32 private constant F = 400;
    uint32 private constant W = 1000;

    ILeaseBook private book;
    Outside private outside;

    /// @dev A lease's two words, before and after an act that succeeded.
    struct Edge {
        Hot from;
        Hot to;
        Stat opened;
        Stat stays;
    }

    function setUp() public {
        outside = new Outside();
        book = ILeaseBook(address(new LeaseBook(address(outside), address(outside), F, W)));
        svm.enableSymbolicStorage(address(book));
    }

    function _require(bool condition) private pure {
        // halmos leaves such paths; the cheat code for it needs no more words.
        if (!condition) assembly { stop() }
    }

    /// @dev The act, on a path where it succeeds.
    function _act(uint96 id, uint8 token, address caller, uint32 time, bytes memory call)
        private
        returns (Edge memory edge)
    {
        vm.warp(time);
        _require(book.tokenOf(token).asset == address(outside));
        (uint32 providerId, uint32 lane) = (uint32(id >> 64), uint32(id >> 32));
        (uint256 hot, uint256 stat) = book.leaseWords(providerId, lane);
        (edge.from, edge.opened) = (Hot.wrap(hot), Stat.wrap(stat));
        vm.prank(caller);
        (bool ok,) = address(book).call(call);
        _require(ok);
        (hot, stat) = book.leaseWords(providerId, lane);
        (edge.to, edge.stays) = (Hot.wrap(hot), Stat.wrap(stat));
        _reached();
    }

    /// @dev Behind an act that succeeded.
    function _reached() internal pure virtual {}

    function _on(Terms calldata terms, address caller, uint32 time, bytes memory call)
        private
        returns (Edge memory edge)
    {
        edge = _act(terms.id, terms.token, caller, time, call);
        // Whatever it was, it was these terms'.
        assert(edge.opened.holds(keccak256(abi.encode(terms))));
    }

    function _same(Edge memory edge) private pure {
        assert(Stat.unwrap(edge.opened) == Stat.unwrap(edge.stays));
    }

    /// @dev Live it was and Live it stays.
    function _lives(Edge memory edge) private pure {
        assert(edge.from.state() == LeaseState.Live && edge.to.state() == LeaseState.Live);
        assert(edge.from.startAt() == edge.to.startAt() || edge.to.settled() == 0);
    }

    // ---------------------------------------------------------------- pending

    function check_Start(Terms calldata terms, address caller, uint32 time, uint32 base) external {
        Edge memory edge = _on(terms, caller, time, abi.encodeCall(book.start, (terms, base, 0)));
        assert(edge.from.state() == LeaseState.Pending && edge.to.state() == LeaseState.Live);
        assert(time <= edge.from.stopAt());
        assert(edge.to.startAt() == time && edge.to.stopAt() == time + terms.maxDuration);
        _same(edge);
    }

    function check_Decline(Terms calldata terms, address caller, uint32 time) external {
        Edge memory edge = _on(terms, caller, time, abi.encodeCall(book.decline, (terms, 2001)));
        assert(edge.from.state() == LeaseState.Pending && edge.to.state() == LeaseState.Closed);
        assert(time <= edge.from.stopAt() && edge.to.stopAt() == 0 && edge.to.balance() == 0);
        _same(edge);
    }

    function check_Expire(Terms calldata terms, address caller, uint32 time) external {
        Edge memory edge = _on(terms, caller, time, abi.encodeCall(book.expire, (terms)));
        assert(edge.from.state() == LeaseState.Pending && edge.to.state() == LeaseState.Closed);
        assert(time > edge.from.stopAt() && edge.to.stopAt() == 0 && edge.to.balance() == 0);
        _same(edge);
    }

    // ---------------------------------------------------------------- live

    function check_TopUp(Terms calldata terms, address caller, uint32 time, uint64 amount) external {
        Edge memory edge = _on(terms, caller, time, abi.encodeCall(book.topUp, (terms, amount)));
        _lives(edge);
        assert(time < edge.from.stopAt() && edge.to.stopAt() == edge.from.stopAt());
        _same(edge);
    }

    function check_Stop(Terms calldata terms, address caller, uint32 time) external {
        Edge memory edge = _on(terms, caller, time, abi.encodeCall(book.stop, (terms, 1001)));
        _lives(edge);
        assert(time < edge.from.stopAt() && edge.to.stopAt() == time);
        _same(edge);
    }

    function check_StopSigned(Terms calldata terms, address caller, uint32 time, uint40 deadline) external {
        bytes memory signature = svm.createBytes(65, "signature");
        Edge memory edge = _on(terms, caller, time, abi.encodeCall(book.stopSigned, (terms, 1001, deadline, signature)));
        _lives(edge);
        assert(time <= deadline && time < edge.from.stopAt() && edge.to.stopAt() == time);
        _same(edge);
    }

    function check_Notice(Terms calldata terms, address caller, uint32 time) external {
        Edge memory edge = _on(terms, caller, time, abi.encodeCall(book.notice, (terms, 2001)));
        _lives(edge);
        assert(edge.to.stopAt() == time + terms.notice && edge.to.stopAt() < edge.from.stopAt());
        _same(edge);
    }

    function check_Evict(Terms calldata terms, address caller, uint32 time) external {
        Edge memory edge = _on(terms, caller, time, abi.encodeCall(book.evict, (terms)));
        _lives(edge);
        assert(time < edge.from.stopAt() && edge.to.stopAt() == time);
        _same(edge);
    }

    function check_Waive(Terms calldata terms, address caller, uint32 time, uint32 cum) external {
        Edge memory edge = _on(terms, caller, time, abi.encodeCall(book.waive, (terms, cum)));
        _lives(edge);
        assert(edge.to.stopAt() == edge.from.stopAt() && edge.to.settled() == edge.from.settled());
        _same(edge);
    }

    function check_Redeem(Terms calldata terms, address caller, uint32 time, uint32 cum) external {
        bytes memory signature = svm.createBytes(65, "signature");
        Edge memory edge = _on(terms, caller, time, abi.encodeCall(book.redeem, (terms, cum, signature)));
        _lives(edge);
        assert(edge.to.stopAt() == edge.from.stopAt());
        _same(edge);
    }

    function check_Amend(
        Terms calldata terms,
        Terms calldata next,
        address caller,
        uint32 time,
        uint32 cumAt,
        uint40 deadline
    ) external {
        bytes memory signature = svm.createBytes(65, "signature");
        Edge memory edge =
            _on(terms, caller, time, abi.encodeCall(book.amend, (terms, next, cumAt, deadline, signature, "")));
        _lives(edge);
        assert(time <= deadline && time < edge.from.stopAt());
        assert(edge.to.startAt() == time && edge.to.stopAt() == time + next.maxDuration);
        assert(edge.stays.gen() == edge.opened.gen() && edge.stays.openedAt() == edge.opened.openedAt());
    }

    function check_Settle(uint96 id, uint8 token, address caller, uint32 time) external {
        uint32[] memory lanes = new uint32[](1);
        lanes[0] = uint32(id >> 32);
        Edge memory edge = _act(id, token, caller, time, abi.encodeCall(book.settle, (uint32(id >> 64), lanes)));
        assert(edge.to.state() == edge.from.state() && edge.to.stopAt() == edge.from.stopAt());
        if (edge.from.state() != LeaseState.Live) assert(Hot.unwrap(edge.to) == Hot.unwrap(edge.from));
        _same(edge);
    }

    function check_Report(
        uint96 id,
        uint8 token,
        address caller,
        uint32 time,
        uint32 providerId,
        uint32 word,
        uint256 value
    ) external {
        uint256[] memory words = new uint256[](1);
        words[0] = value;
        Edge memory edge =
            _act(id, token, caller, time, abi.encodeCall(book.report, (providerId, word, time, 0, words)));
        assert(Hot.unwrap(edge.to) == Hot.unwrap(edge.from));
        _same(edge);
    }

    // ---------------------------------------------------------------- the end

    function check_Finalize(Terms calldata terms, address caller, uint32 time) external {
        Edge memory edge = _on(terms, caller, time, abi.encodeCall(book.finalize, (terms)));
        assert(edge.from.state() == LeaseState.Live && edge.to.state() == LeaseState.Closed);
        assert(time >= uint256(edge.from.stopAt()) + F && edge.to.stopAt() == time && edge.to.balance() == 0);
        _same(edge);
    }

    function check_CloseBoth(Terms calldata terms, address caller, uint32 time, uint32 cum, uint40 deadline) external {
        bytes memory signature = svm.createBytes(65, "signature");
        Edge memory edge =
            _on(terms, caller, time, abi.encodeCall(book.closeBoth, (terms, cum, deadline, signature, "")));
        assert(edge.from.state() == LeaseState.Pending || edge.from.state() == LeaseState.Live);
        assert(edge.to.state() == LeaseState.Closed && edge.to.stopAt() == 0 && edge.to.balance() == 0);
        assert(time <= deadline);
        _same(edge);
    }

    function check_Freeze(Terms calldata terms, uint32 time, uint64 amount) external {
        Edge memory edge = _on(terms, address(outside), time, abi.encodeCall(book.freeze, (terms, amount)));
        assert(edge.from.state() == LeaseState.Live || edge.from.state() == LeaseState.Closed);
        assert(Hot.unwrap(edge.to) == Hot.unwrap(edge.from));
        _same(edge);
    }

    // ---------------------------------------------------------------- the beginning

    function _opens(Edge memory edge, uint32 time, uint32 gen) private pure {
        assert(edge.from.state() == LeaseState.None || edge.from.state() == LeaseState.Closed);
        if (edge.from.state() == LeaseState.Closed) assert(time >= uint256(edge.from.stopAt()) + W);
        assert(edge.to.state() == LeaseState.Pending && edge.to.settled() == 0 && edge.to.startAt() == 0);
        assert(edge.stays.gen() == edge.opened.gen() + 1 && edge.stays.gen() == gen);
        assert(edge.stays.openedAt() == time);
    }

    function _one(uint96 id) private pure returns (uint64[] memory lanes) {
        lanes = new uint64[](1);
        lanes[0] = uint64(id);
    }

    function check_Accept(Order calldata order, Bid calldata bid, address caller, uint32 time, uint64 lane) external {
        uint96 id = (uint96(bid.providerId) << 64) | lane;
        bytes memory signature = svm.createBytes(65, "signature");
        Edge memory edge =
            _act(id, order.token, caller, time, abi.encodeCall(book.accept, (order, bid, _one(id), signature)));
        _opens(edge, time, uint32(lane));
        assert(caller == order.tenant || caller == order.agent);
        assert(edge.to.stopAt() == time + order.startWindow);
    }

    function check_AcceptSigned(Order calldata order, Bid calldata bid, address caller, uint32 time, uint64 lane)
        external
    {
        uint96 id = (uint96(bid.providerId) << 64) | lane;
        bytes memory signature = svm.createBytes(65, "signature");
        bytes memory consent = svm.createBytes(65, "consent");
        bytes memory call = abi.encodeCall(book.acceptSigned, (order, bid, _one(id), signature, uint40(time), consent));
        Edge memory edge = _act(id, order.token, caller, time, call);
        _opens(edge, time, uint32(lane));
        assert(edge.to.stopAt() == time + order.startWindow);
    }

    function check_Fill(
        Order calldata order,
        uint32 providerId,
        address caller,
        uint32 time,
        uint64 lane,
        uint64 bond,
        uint64 liability
    ) external {
        uint96 id = (uint96(providerId) << 64) | lane;
        bytes32[] memory proof = new bytes32[](0);
        bytes memory call = abi.encodeCall(book.fill, (order, providerId, _one(id), bond, liability, proof));
        Edge memory edge = _act(id, order.token, caller, time, call);
        _opens(edge, time, uint32(lane));
        assert(edge.to.stopAt() == time + order.startWindow);
    }

    function check_Take(Order calldata order, Offer calldata offer, address caller, uint32 time, uint8 part) external {
        uint8[] memory parts = new uint8[](1);
        parts[0] = part;
        bytes32[] memory proof = new bytes32[](0);
        bytes memory signature = svm.createBytes(65, "signature");
        // The contract refuses a sum beyond 32 bits; here it is another lane then.
        uint32 lane;
        unchecked {
            lane = offer.firstLane + part;
        }
        uint96 id = (uint96(offer.providerId) << 64) | (uint96(lane) << 32);
        bytes memory call = abi.encodeCall(book.take, (order, offer, parts, signature, proof));
        Edge memory edge = _act(id, order.token, caller, time, call);
        _opens(edge, time, edge.opened.gen() + 1);
        assert(caller == order.tenant || caller == order.agent);
        assert(edge.to.stopAt() == time + order.startWindow);
    }

    // ---------------------------------------------------------------- acts that are about no lease

    function check_WhatIsAboutMoneyOrKeysLeavesLeasesAlone(
        uint96 id,
        uint8 token,
        address caller,
        uint32 time,
        uint32 providerId,
        address account,
        uint8 which
    ) external {
        bytes memory call;
        if (which == 0) call = abi.encodeCall(book.claim, (providerId, token));
        else if (which == 1) call = abi.encodeCall(book.withdrawCredit, (token, account));
        else if (which == 2) call = abi.encodeCall(book.release, (id));
        else if (which == 3) call = abi.encodeCall(book.award, (id, 1));
        else if (which == 4) call = abi.encodeCall(book.addKey, (providerId, account, 1));
        else if (which == 5) call = abi.encodeCall(book.removeKey, (providerId, account));
        else if (which == 6) call = abi.encodeCall(book.cancelAllBids, (providerId, account));
        else if (which == 7) call = abi.encodeCall(book.setPayout, (providerId, account));
        else if (which == 8) call = abi.encodeCall(book.publishFacts, (providerId, bytes32(0)));
        else call = abi.encodeCall(book.publishOffers, (providerId, bytes32(0)));
        Edge memory edge = _act(id, token, caller, time, call);
        assert(Hot.unwrap(edge.to) == Hot.unwrap(edge.from));
        _same(edge);
    }
}

/// @notice The same with a claim behind each act that must be refuted: where halmos finds no counterexample, no act ever succeeded, and
/// the lemma above said nothing.
contract StatesReachedTest is StatesTest {
    function _reached() internal pure override {
        assert(false);
    }
}
