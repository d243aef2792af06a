// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Lens} from "../../src/Lens.sol";
import {Params} from "../../src/Params.sol";
import {StakeVault} from "../../src/StakeVault.sol";
import {ILeaseBook} from "../../src/interfaces/ILeaseBook.sol";
import {Typed} from "../../src/libraries/Typed.sol";
import {TestDollar} from "../../src/local/TestDollar.sol";
import {Bid, KeyGrant, LeaseView, Order, Terms} from "../../src/types/Types.sol";

import {Assertions} from "./Assertions.sol";
import {vm} from "./Vm.sol";

/// @notice A deployed market with one provider and one tenant, and the acts the tests are made of.
abstract contract Market is Assertions {
    uint32 internal constant F = 100;
    uint32 internal constant W = 1000;
    uint32 internal constant START = 1_800_000_000;
    uint64 internal constant DOLLAR = 1_000_000;
    uint8 internal constant FEE_STEPS = 25; // 2.5 %

    uint256 internal constant BID_KEY = 0xb1d;
    uint256 internal constant DUTY_KEY = 0xd07;
    uint256 internal constant TENANT_KEY = 0x7e4a47;
    uint256 internal constant AGENT_KEY = 0xa6e47;
    uint256 internal constant STRANGER_KEY = 0x57a46e;

    address internal bidder = vm.addr(BID_KEY);
    address internal operator = vm.addr(DUTY_KEY);
    address internal tenant = vm.addr(TENANT_KEY);
    address internal agent = vm.addr(AGENT_KEY);
    address internal stranger = vm.addr(STRANGER_KEY);
    address internal refundTo = address(0x4ef0);
    address internal owner = address(0x04e4);
    address internal payout = address(0x9a0);
    address internal treasury = address(0x74ea);
    address internal guardian = address(0x60a4d);

    Params internal params;
    StakeVault internal vault;
    ILeaseBook internal book;
    Lens internal lens;
    TestDollar internal dollar;
    uint32 internal pid;

    uint256 private _salt;

    function setUp() public virtual {
        vm.warp(START);
        vm.chainId(31_337);
        params = Params(_create("Params", abi.encode(address(this), treasury, guardian, FEE_STEPS)));
        dollar = TestDollar(_create("TestDollar", ""));
        params.listToken(address(dollar), true);
        address bookAt = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        vault = StakeVault(_create("StakeVault", abi.encode(bookAt, address(params), F, W)));
        book = ILeaseBook(_create("LeaseBook", abi.encode(address(params), address(vault), F, W)));
        lens = Lens(_create("Lens", ""));

        KeyGrant[] memory keys = new KeyGrant[](2);
        keys[0] = KeyGrant({key: bidder, roles: 1});
        keys[1] = KeyGrant({key: operator, roles: 6});
        vm.prank(owner);
        pid = book.register(payout, keys, "https://gpu.example:8443", bytes32(uint256(0x5b1)));
        _fund(tenant);
        _fund(address(this));
        dollar.approve(address(vault), type(uint256).max);
        vault.deposit(pid, 0, 1000 * DOLLAR);
    }

    /// @dev From the artefact and not by `new`: else every test contract would hold, and the compiler optimize anew, the
    /// whole market's code.
    function _create(string memory name, bytes memory arguments) internal returns (address) {
        return _created(_creation(name, arguments));
    }

    function _creation(string memory name, bytes memory arguments) internal view returns (bytes memory) {
        return bytes.concat(vm.getCode(string.concat(name, ".sol:", name)), arguments);
    }

    function _created(bytes memory creation) internal returns (address made) {
        assembly ("memory-safe") {
            made := create(0, add(creation, 0x20), mload(creation))
            if iszero(made) {
                let free := mload(0x40)
                returndatacopy(free, 0, returndatasize())
                revert(free, returndatasize())
            }
        }
    }

    function _fund(address who) internal {
        dollar.mint(who, 1_000_000 * uint256(DOLLAR));
        vm.prank(who);
        dollar.approve(address(book), type(uint256).max);
    }

    // ---------------------------------------------------------------- orders, bids

    bytes internal constant NEEDS = '{"gpu":{"count":2,"models":["H100"]},"version":1}';

    /// @dev 3.60 dollars an hour at most, so that 3.6 dollars an hour are 1,000 micro-units a second.
    function _order() internal returns (Order memory order) {
        order.tenant = tenant;
        order.agent = agent;
        order.refundTo = refundTo;
        order.lots = 1;
        order.maxRate = 5 * uint48(DOLLAR);
        order.deposit = 20 * DOLLAR;
        order.minDuration = 600;
        order.maxDuration = 7200;
        order.minCommit = 3600;
        order.earlyFeeBps = 1000;
        order.notice = 600;
        order.grace = 300;
        order.startWindow = 900;
        order.minBond = DOLLAR;
        order.expiry = uint32(_now()) + 600;
        order.needsHash = keccak256(NEEDS);
        order.manifestHash = keccak256("manifest");
        order.slaPolicy = keccak256("sla");
        order.salt = bytes32(++_salt);
    }

    function _post(Order memory order) internal returns (bytes32) {
        vm.prank(order.tenant);
        return book.postOrder(order, NEEDS, "");
    }

    function _pair(uint32 lane, uint32 gen) internal pure returns (uint64[] memory lanes) {
        lanes = new uint64[](1);
        lanes[0] = (uint64(lane) << 32) | gen;
    }

    function _bid(Order memory order, uint64[] memory lanes) internal view returns (Bid memory bid) {
        bid.orderHash = book.hashOrder(order);
        bid.providerId = pid;
        bid.lanesHash = keccak256(_packed(lanes));
        bid.ratePerHour = 3_600_000;
        bid.bond = 2 * DOLLAR;
        bid.liability = 50 * DOLLAR;
        bid.deadline = uint40(_now()) + 300;
    }

    function _packed(uint64[] memory lanes) internal pure returns (bytes memory packed) {
        for (uint256 i = 0; i < lanes.length; ++i) {
            packed = bytes.concat(packed, bytes8(lanes[i]));
        }
    }

    function _sign(uint256 key, bytes32 structHash) internal view returns (bytes memory) {
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", book.domainSeparator(), structHash));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function _pack(Bid memory bid, uint64[] memory lanes, bytes memory signature) internal pure returns (bytes memory) {
        return abi.encodePacked(
            bid.orderHash,
            bid.providerId,
            bid.bidEpoch,
            bid.ratePerHour,
            bid.bond,
            bid.liability,
            bid.deadline,
            _packed(lanes),
            signature
        );
    }

    // ---------------------------------------------------------------- leases

    function _terms(Order memory order, Bid memory bid, uint32 lane, uint32 gen) internal view returns (Terms memory) {
        return Terms({
            id: (uint96(bid.providerId) << 64) | (uint96(lane) << 32) | gen,
            orderHash: book.hashOrder(order),
            tenant: order.tenant,
            agent: order.agent,
            refundTo: order.refundTo,
            token: order.token,
            flags: order.flags,
            feeSteps: FEE_STEPS,
            ratePerHour: bid.ratePerHour,
            bond: bid.bond,
            liability: bid.liability,
            maxDuration: order.maxDuration,
            minCommit: order.minCommit,
            earlyFeeBps: order.earlyFeeBps,
            notice: order.notice,
            grace: order.grace,
            slaPolicy: order.slaPolicy,
            needsHash: order.needsHash,
            manifestHash: order.manifestHash
        });
    }

    function _accept(Order memory order, Bid memory bid, uint64[] memory lanes) internal {
        bytes memory signature = _sign(BID_KEY, book.hashBid(bid));
        vm.prank(order.tenant);
        book.accept(order, bid, lanes, signature);
    }

    /// @dev An order of its own, accepted on a lane: pending.
    function _open(Order memory order, uint32 lane, uint32 gen) internal returns (Terms memory) {
        _post(order);
        uint64[] memory lanes = _pair(lane, gen);
        Bid memory bid = _bid(order, lanes);
        _accept(order, bid, lanes);
        return _terms(order, bid, lane, gen);
    }

    /// @dev The same, started: live.
    function _live(Order memory order, uint32 lane, uint32 gen) internal returns (Terms memory terms) {
        terms = _open(order, lane, gen);
        uint32 base = _laneValue(lane);
        vm.prank(operator);
        book.start(terms, base, 0);
    }

    function _live(uint32 lane, uint32 gen) internal returns (Terms memory) {
        return _live(_order(), lane, gen);
    }

    function _laneValue(uint32 lane) internal view returns (uint32) {
        return uint32((book.laneWord(pid, lane / 8) >> ((lane % 8) * 32)) & 0x7fffffff);
    }

    /// @dev Reports one lane, in steps the jump limit allows.
    function _report(uint32 lane, uint32 value) internal {
        uint32 now_ = _laneValue(lane);
        while (now_ < value) {
            now_ = value - now_ > 131_071 ? now_ + 131_071 : value;
            uint256[] memory words = new uint256[](1);
            words[0] = uint256(now_) << ((lane % 8) * 32);
            vm.prank(operator);
            book.report(pid, lane / 8, uint40(_now()), bytes32("root"), words);
        }
    }

    function _settle(uint32 lane) internal {
        uint32[] memory lanes = new uint32[](1);
        lanes[0] = lane;
        book.settle(pid, lanes);
    }

    function _signClose(uint256 key, Terms memory terms, uint32 cum, uint40 deadline)
        internal
        view
        returns (bytes memory)
    {
        return _sign(key, keccak256(abi.encode(Typed.CLOSE_TYPEHASH, terms.id, book.hashTerms(terms), cum, deadline)));
    }

    function _lease(uint32 lane) internal view returns (LeaseView memory) {
        return book.leaseAt(pid, lane);
    }

    /// @dev Not `block.timestamp`: the optimizer may read that once before and after a warp.
    function _now() internal view returns (uint256) {
        return vm.getBlockTimestamp();
    }

    function _skip(uint256 secs) internal {
        vm.warp(_now() + secs);
    }
}
