// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {LeaseBook} from "../../src/LeaseBook.sol";
import {Hot, Stat} from "../../src/types/LeaseWord.sol";
import {KeyGrant, LeaseState, Order, Terms, TokenInfo} from "../../src/types/Types.sol";

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

    function feeReceiver() external view returns (address) {
        return address(this);
    }

    function opening(uint8) external pure returns (uint8 feeSteps, bool open) {
        return (10, true);
    }

    function takesOrders(uint8) external pure returns (bool) {
        return true;
    }

    function tokenInfo(uint8) external view returns (TokenInfo memory) {
        return TokenInfo(address(this), 1, true);
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

/// @notice Rows of the state table of a lease (I15), proven by halmos of the deployed code of both halves: whatever the book's
/// storage holds, whoever calls, whenever, with whatever terms, an act that succeeds took one of the table's edges and moved
/// `stopAt` only as the table says (I4, I14). Outside of the book nothing refuses and nothing calls back. Which acts are not
/// here, and why, is in docs/contracts-proofs.md. That each edge can be taken is what test/unit/StateEdges.t.sol shows.
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
        // From the artefact and not by `new`, as test/support/Market.sol does it; halmos.sh has it there.
        bytes memory creation = bytes.concat(
            vm.getCode("out/symbolic/LeaseBook.sol/LeaseBook.json"),
            abi.encode(address(outside), address(outside), F, W)
        );
        address made;
        assembly ("memory-safe") {
            made := create(0, add(creation, 0x20), mload(creation))
        }
        assert(made != address(0));
        book = ILeaseBook(made);
        svm.enableSymbolicStorage(address(book));
    }

    function _require(bool condition) internal pure {
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

    /// @dev Before an act, for the twin below: what it may leave out so that an example is found soon. Nothing is left out here.
    function _easy(Terms calldata terms) internal pure virtual {}

    function _easy(Order calldata order) internal pure virtual {}

    /// @dev An act on one lease.
    function _on(Terms calldata terms, address caller, uint32 time, bytes memory call)
        private
        returns (Edge memory edge)
    {
        _easy(terms);
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

    // ---------------------------------------------------------------- the court

    function check_Freeze(Terms calldata terms, uint32 time, uint64 amount) external {
        Edge memory edge = _on(terms, address(outside), time, abi.encodeCall(book.freeze, (terms, amount)));
        assert(edge.from.state() == LeaseState.Live || edge.from.state() == LeaseState.Closed);
        assert(Hot.unwrap(edge.to) == Hot.unwrap(edge.from));
        _same(edge);
    }

    // ---------------------------------------------------------------- acts that are about no lease

    /// @dev An act that leaves every lease as it was.
    function _apart(uint96 id, uint8 token, address caller, uint32 time, bytes memory call) private {
        Edge memory edge = _act(id, token, caller, time, call);
        assert(Hot.unwrap(edge.to) == Hot.unwrap(edge.from));
        _same(edge);
    }

    function check_PostOrder(Order calldata order, uint96 id, address caller, uint32 time) external {
        _easy(order);
        _apart(id, order.token, caller, time, abi.encodeCall(book.postOrder, (order, "", "")));
    }

    function check_CancelOrder(Order calldata order, uint96 id, uint8 token, address caller, uint32 time) external {
        _apart(id, token, caller, time, abi.encodeCall(book.cancelOrder, (order)));
    }

    function check_PublishBid(uint96 id, uint8 token, address caller, uint32 time) external {
        bytes memory bid = svm.createBytes(140, "bid");
        _apart(id, token, caller, time, abi.encodeCall(book.publishBid, (bid)));
    }

    function check_Claim(uint96 id, uint8 token, address caller, uint32 time, uint32 providerId) external {
        _apart(id, token, caller, time, abi.encodeCall(book.claim, (providerId, token)));
    }

    function check_WithdrawCredit(uint96 id, uint8 token, address caller, uint32 time, address to) external {
        _apart(id, token, caller, time, abi.encodeCall(book.withdrawCredit, (token, to)));
    }

    function check_PushFees(uint96 id, uint8 token, address caller, uint32 time) external {
        _apart(id, token, caller, time, abi.encodeCall(book.pushFees, (token)));
    }

    function check_Release(uint96 id, uint8 token, address caller, uint32 time, uint96 frozen) external {
        _apart(id, token, caller, time, abi.encodeCall(book.release, (frozen)));
    }

    function check_Award(uint96 id, uint32 time, uint96 frozen, uint64 amount) external {
        _apart(id, book.freezeOf(frozen).token, address(outside), time, abi.encodeCall(book.award, (frozen, amount)));
    }

    function check_Register(uint96 id, uint8 token, address caller, uint32 time, KeyGrant calldata key) external {
        KeyGrant[] memory keys = new KeyGrant[](1);
        keys[0] = key;
        bytes memory call = abi.encodeCall(book.register, (caller, keys, "https://a.example", bytes32(0)));
        _apart(id, token, caller, time, call);
    }

    function check_AddKey(uint96 id, uint8 token, address caller, uint32 time, uint32 providerId, KeyGrant calldata key)
        external
    {
        _apart(id, token, caller, time, abi.encodeCall(book.addKey, (providerId, key.key, key.roles)));
    }

    function check_RemoveKey(uint96 id, uint8 token, address caller, uint32 time, uint32 providerId, address key)
        external
    {
        _apart(id, token, caller, time, abi.encodeCall(book.removeKey, (providerId, key)));
    }

    function check_CancelAllBids(uint96 id, uint8 token, address caller, uint32 time, uint32 providerId, address key)
        external
    {
        _apart(id, token, caller, time, abi.encodeCall(book.cancelAllBids, (providerId, key)));
    }

    function check_SetPayout(uint96 id, uint8 token, address caller, uint32 time, uint32 providerId, address payout)
        external
    {
        _apart(id, token, caller, time, abi.encodeCall(book.setPayout, (providerId, payout)));
    }

    function check_SetGateway(uint96 id, uint8 token, address caller, uint32 time, uint32 providerId, bytes32 spki)
        external
    {
        bytes memory call = abi.encodeCall(book.setGateway, (providerId, "https://a.example", spki, spki));
        _apart(id, token, caller, time, call);
    }

    function check_PublishFacts(uint96 id, uint8 token, address caller, uint32 time, uint32 providerId, bytes32 hash)
        external
    {
        _apart(id, token, caller, time, abi.encodeCall(book.publishFacts, (providerId, hash)));
    }

    function check_PublishOffers(uint96 id, uint8 token, address caller, uint32 time, uint32 providerId, bytes32 hash)
        external
    {
        _apart(id, token, caller, time, abi.encodeCall(book.publishOffers, (providerId, hash)));
    }
}

/// @notice The same with a claim behind each act that must be refuted: where halmos finds no counterexample, no act ever succeeded,
/// and the lemma above said nothing.
contract StatesReachedTest is StatesTest {
    function _reached() internal pure override {
        assert(false);
    }

    /// @dev No bond, nothing held back, and rent without a division: one example is enough.
    function _easy(Terms calldata terms) internal pure override {
        _require(terms.bond == 0 && terms.grace == 0 && terms.minCommit == 0 && terms.earlyFeeBps == 0);
        _require(terms.ratePerHour == 3600);
    }

    function _easy(Order calldata order) internal pure override {
        _require(order.grace == 0 && order.minCommit == 0 && order.earlyFeeBps == 0 && order.minSignedPaid == 0);
    }
}
