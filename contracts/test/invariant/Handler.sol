// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Bid, LeaseState, LeaseView, Order, Reputation, Terms} from "../../src/types/Types.sol";

import {Rent} from "../../src/libraries/Rent.sol";
import {Market} from "../support/Market.sol";
import {vm} from "../support/Vm.sol";

/// @notice Acts of everybody on four lanes. Each looks first whether the act is possible now, and then it must succeed.
contract Handler is Market {
    uint32 private constant LANES = 4;

    Order[] internal waiting;
    mapping(uint32 lane => Terms) private _held;
    /// @dev What went into the lease on a lane beside its holdback: deposit and top-ups.
    mapping(uint32 lane => uint256) public put;
    mapping(uint32 lane => uint32) public lastGen;
    mapping(uint32 lane => uint32) public highestStopAt;
    mapping(uint32 lane => uint32) public lastLane;
    uint256 public burnedDeposits;

    function setUp() public override {
        super.setUp();
    }

    modifier watched() {
        _;
        _watch();
    }

    function held(uint32 lane) external view returns (Terms memory) {
        return _held[lane];
    }

    function waitingOrders() external view returns (Order[] memory) {
        return waiting;
    }

    /// @dev I4, I5, I12 need the state before.
    function _watch() private {
        for (uint32 lane = 0; lane < LANES; ++lane) {
            LeaseView memory lease = _lease(lane);
            uint32 gen = uint32(lease.id);
            yes(gen == lastGen[lane], "I5: gens rise by one, by accept alone");
            if (lease.state == LeaseState.Live) {
                yes(highestStopAt[lane] == 0 || lease.stopAt <= highestStopAt[lane], "I4: stopAt rose");
                highestStopAt[lane] = lease.stopAt;
            } else {
                highestStopAt[lane] = 0;
            }
            uint32 value = _laneValue(lane);
            yes(value >= lastLane[lane], "I12: a lane fell");
            lastLane[lane] = value;
        }
    }

    function _pick(uint256 seed) private pure returns (uint32) {
        return uint32(seed % LANES);
    }

    // ---------------------------------------------------------------- time and money around

    function skip(uint256 secs) external watched {
        _skip(secs % 400);
    }

    function skipFar(uint256 secs) external watched {
        if (secs % 4 == 0) _skip((secs >> 8) % (3 * W));
    }

    function post(uint256 seed) external watched {
        if (waiting.length >= 4) return;
        Order memory order = _order();
        order.deposit = uint64(1_500_000 + seed % 8_000_000);
        order.expiry = uint32(_now()) + 1 + uint32(seed % 6000);
        order.grace = uint32(seed % 400);
        order.minCommit = uint32((seed >> 32) % 3000);
        order.maxDuration = 3000 + uint32((seed >> 64) % 4000);
        order.notice = uint32((seed >> 96) % 800);
        order.startWindow = 1 + uint32((seed >> 128) % 2000);
        _post(order);
        waiting.push(order);
    }

    function cancel(uint256 seed) external watched {
        if (waiting.length == 0) return;
        uint256 index = seed % waiting.length;
        vm.prank(tenant);
        book.cancelOrder(waiting[index]);
        _forget(index);
    }

    function _forget(uint256 index) private {
        waiting[index] = waiting[waiting.length - 1];
        waiting.pop();
    }

    // ---------------------------------------------------------------- leases

    function open(uint256 seed) external watched {
        if (waiting.length == 0) return;
        uint256 index = seed % waiting.length;
        Order memory order = waiting[index];
        uint32 lane = _pick(seed >> 8);
        LeaseView memory lease = _lease(lane);
        bool free =
            lease.state == LeaseState.None || (lease.state == LeaseState.Closed && _now() >= uint256(lease.stopAt) + W);
        if (!free || _now() > order.expiry) return;
        uint32 gen = uint32(lease.id) + 1;
        uint64[] memory lanes = _pair(lane, gen);
        Bid memory bid = _bid(order, lanes);
        bid.ratePerHour = uint48(1 + (seed >> 16) % 3_600_000);
        bid.bond = uint64(DOLLAR + (seed >> 64) % (3 * DOLLAR));
        if (vault.freeOf(pid, 0) < bid.bond) return;
        uint256 holdback = Rent.holdbackUp(bid.ratePerHour, order.grace, order.minCommit, order.earlyFeeBps);
        if (order.deposit < holdback + Rent.rentUp(order.minDuration, bid.ratePerHour)) return;
        _accept(order, bid, lanes);
        _forget(index);
        _held[lane] = _terms(order, bid, lane, gen);
        put[lane] = order.deposit - holdback;
        lastGen[lane] = gen;
    }

    /// @dev A lane whose lease is in the state, beginning the search anywhere; any lane if there is none.
    function _at(uint256 seed, LeaseState state)
        private
        view
        returns (uint32 lane, Terms memory terms, LeaseView memory lease)
    {
        for (uint32 i = 0; i < LANES; ++i) {
            lane = (_pick(seed) + i) % LANES;
            lease = _lease(lane);
            if (lease.state == state) break;
        }
        terms = _held[lane];
    }

    function start(uint256 seed) external watched {
        (uint32 lane, Terms memory terms, LeaseView memory lease) = _at(seed, LeaseState.Pending);
        if (lease.state != LeaseState.Pending || _now() > lease.stopAt) return;
        uint32 base = _laneValue(lane) + uint32((seed >> 8) % 50);
        vm.prank(operator);
        book.start(terms, base, 0);
    }

    function decline(uint256 seed) external watched {
        (, Terms memory terms, LeaseView memory lease) = _at(seed, LeaseState.Pending);
        // Seldom, or nothing would ever live.
        if (lease.state != LeaseState.Pending || _now() > lease.stopAt || seed % 5 != 0) return;
        uint256 before = vault.burned(0);
        uint256 fees = book.fees(0);
        vm.prank(operator);
        book.decline(terms, 2001);
        burnedDeposits += book.fees(0) - fees;
        eq(book.fees(0) - fees, vault.burned(0) - before, "I9");
    }

    function expire(uint256 seed) external watched {
        (, Terms memory terms, LeaseView memory lease) = _at(seed, LeaseState.Pending);
        if (lease.state != LeaseState.Pending || _now() <= lease.stopAt) return;
        uint256 before = vault.burned(0);
        uint256 fees = book.fees(0);
        vm.prank(stranger);
        book.expire(terms);
        burnedDeposits += book.fees(0) - fees;
        eq(book.fees(0) - fees, vault.burned(0) - before, "I9");
    }

    function report(uint256 seed, uint256 rise) external watched {
        uint32 lane = _pick(seed);
        // Now and then far more than can have run: an operator that lies gains nothing.
        _report(lane, _laneValue(lane) + uint32(rise % (seed % 7 == 0 ? 50_000 : 600)));
    }

    function settle(uint256 seed) external watched {
        uint32[] memory lanes = new uint32[](LANES);
        for (uint32 i = 0; i < LANES; ++i) {
            lanes[i] = _pick(seed >> (8 * i));
        }
        book.settle(pid, lanes);
    }

    function topUp(uint256 seed) external watched {
        (uint32 lane, Terms memory terms, LeaseView memory lease) = _at(seed, LeaseState.Live);
        if (lease.state != LeaseState.Live || _now() >= lease.stopAt) return;
        uint64 amount = uint64(Rent.rentUp(60, terms.ratePerHour) + (seed >> 8) % DOLLAR);
        book.topUp(terms, amount);
        put[lane] += amount;
    }

    function stopByTenant(uint256 seed) external watched {
        (, Terms memory terms, LeaseView memory lease) = _at(seed, LeaseState.Live);
        if (lease.state != LeaseState.Live || _now() >= lease.stopAt || seed % 3 != 0) return;
        vm.prank(tenant);
        book.stop(terms, 1001);
    }

    function stopByProvider(uint256 seed) external watched {
        (, Terms memory terms, LeaseView memory lease) = _at(seed, LeaseState.Live);
        if (lease.state != LeaseState.Live || _now() >= lease.stopAt || seed % 5 != 0) return;
        vm.prank(operator);
        book.stop(terms, 2002);
    }

    function notice(uint256 seed) external watched {
        (, Terms memory terms, LeaseView memory lease) = _at(seed, LeaseState.Live);
        if (lease.state != LeaseState.Live || _now() + terms.notice >= lease.stopAt || seed % 3 != 0) return;
        vm.prank(operator);
        book.notice(terms, 2001);
    }

    function waive(uint256 seed) external watched {
        (uint32 lane, Terms memory terms, LeaseView memory lease) = _at(seed, LeaseState.Live);
        if (lease.state != LeaseState.Live) return;
        uint32 value = _laneValue(lane);
        uint32 usage = value > lease.laneBase ? value - lease.laneBase : 0;
        if (usage <= lease.settled) return;
        vm.prank(operator);
        book.waive(terms, lease.settled + uint32((seed >> 8) % (usage - lease.settled)));
    }

    function finalize(uint256 seed) external watched {
        (, Terms memory terms, LeaseView memory lease) = _at(seed, LeaseState.Live);
        if (lease.state != LeaseState.Live || _now() < uint256(lease.stopAt) + F) return;
        vm.prank(stranger);
        book.finalize(terms);
    }

    function closeBoth(uint256 seed) external watched {
        (, Terms memory terms, LeaseView memory lease) = _at(seed, seed % 4 == 0 ? LeaseState.Pending : LeaseState.Live);
        if (seed % 5 != 0) return;
        uint32 cum;
        if (lease.state == LeaseState.Live) {
            uint256 until = _now() < lease.stopAt ? _now() : lease.stopAt;
            uint32 elapsed = uint32(until - lease.startAt);
            cum = lease.settled + uint32((seed >> 8) % (elapsed - lease.settled + 1));
        } else if (lease.state != LeaseState.Pending) {
            return;
        }
        uint40 deadline = uint40(_now());
        bytes memory signature = _signClose(DUTY_KEY, terms, cum, deadline);
        vm.prank(tenant);
        book.closeBoth(terms, cum, deadline, signature, "");
    }

    // ---------------------------------------------------------------- money that leaves

    function claim(uint256) external watched {
        (uint128 claimable,) = book.earnings(pid, 0);
        if (claimable == 0) return;
        book.claim(pid, 0);
    }

    function pushFees(uint256) external watched {
        if (book.fees(0) == 0) return;
        book.pushFees(0);
    }

    function withdrawCredit(uint256) external watched {
        if (book.credits(refundTo, 0) == 0) return;
        vm.prank(refundTo);
        book.withdrawCredit(0, refundTo);
    }

    function unbond(uint256 seed) external watched {
        uint64 free = vault.freeOf(pid, 0);
        if (free < 500 * DOLLAR) return;
        vm.prank(owner);
        vault.requestUnbond(pid, 0, uint64(1 + seed % DOLLAR));
    }

    // ---------------------------------------------------------------- the rules

    /// @dev Fails unless leases of every fate have been seen.
    function reached() external view {
        Reputation memory record = book.reputation(pid);
        yes(record.started > 10, "started");
        yes(record.declined != 0, "declined");
        yes(record.expiredPending != 0, "expired");
        yes(record.stoppedByTenant != 0, "stopped by the tenant and finalized");
        yes(record.noticeGiven != 0, "notice");
        yes(record.faulted != 0, "fault");
        yes(record.paid > record.signedPaid && record.signedPaid != 0, "paid, and signed for");
        yes(dollar.balanceOf(payout) != 0, "claimed");
        yes(dollar.balanceOf(treasury) != 0, "fees");
        yes(dollar.balanceOf(refundTo) != 0, "refunds");
        yes(lastGen[0] > 1 && lastGen[1] > 1 && lastGen[2] > 1 && lastGen[3] > 1, "lanes reused");
    }

    function check() external view {
        uint256 expected = book.fees(0) + book.credits(refundTo, 0);
        for (uint256 i = 0; i < waiting.length; ++i) {
            expected += waiting[i].deposit;
        }
        uint256 bonds;
        for (uint32 lane = 0; lane < LANES; ++lane) {
            LeaseView memory lease = _lease(lane);
            Terms memory terms = _held[lane];
            if (lease.state != LeaseState.Pending && lease.state != LeaseState.Live) continue;
            uint256 holdback = Rent.holdbackUp(terms.ratePerHour, terms.grace, terms.minCommit, terms.earlyFeeBps);
            expected += lease.balance + holdback;
            eq(lease.balance + Rent.rentDown(lease.settled, lease.ratePerHour), put[lane], "I2");
            if (lease.state == LeaseState.Pending) {
                bonds += terms.bond;
                eq(lease.settled, 0, "I3: nothing is settled before the start");
            } else {
                uint256 until = _now() < lease.stopAt ? _now() : lease.stopAt;
                atMost(lease.settled, until - lease.startAt, "I3");
            }
        }
        (uint128 claimable, uint128 vesting) = book.earnings(pid, 0);
        eq(dollar.balanceOf(address(book)), expected + claimable + vesting, "I1");
        eq(dollar.balanceOf(address(vault)), vault.stakeOf(pid, 0).amount + vault.burned(0), "SV-1");
        eq(vault.stakeOf(pid, 0).locked, bonds, "SV-2: locked");
        atMost(
            uint256(vault.stakeOf(pid, 0).locked) + vault.stakeOf(pid, 0).unbonding,
            vault.stakeOf(pid, 0).amount,
            "SV-2"
        );
        eq(vault.burned(0), burnedDeposits, "I9");
    }
}
