// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {Hot, Stat} from "../../src/types/LeaseWord.sol";
import {KeyGrant, LeaseState, Order, Terms} from "../../src/types/Types.sol";

import {FullSet} from "../support/FullSet.sol";
import {PickyCoin} from "../support/Mocks.sol";
import {vm} from "../support/Vm.sol";

/// @notice Who acts, what the acts so far must have left, and the look that is taken after each of them. Two providers with three
/// lanes each, two tenants and their agent, a funder, a stranger; a dollar of six decimals and a coin of eighteen that
/// sometimes refuses to pay an account. A slot is one lane of one provider.
abstract contract Ledger is FullSet {
    uint256 internal constant LANES = 3;
    uint256 internal constant SLOTS = 6;

    // What an act may do to a lease.
    uint256 internal constant OPENS = 1;
    uint256 internal constant STARTS = 2;
    uint256 internal constant ENDS = 4;
    uint256 internal constant LOWERS = 8;
    uint256 internal constant AMENDS = 16;

    PickyCoin internal coin;
    bytes32 private _domain;

    uint256[2] internal bidKeys = [BID_KEY, 0xb1d2];
    uint256[2] internal dutyKeys = [DUTY_KEY, 0xd072];
    uint256[2] internal tenantKeys = [TENANT_KEY, 0x7e4a48];
    address[2] internal bidders = [bidder, vm.addr(0xb1d2)];
    address[2] internal duties = [operator, vm.addr(0xd072)];
    address[2] internal tenants = [tenant, vm.addr(0x7e4a48)];
    address[2] internal owners = [owner, address(0x04e5)];
    address[2] internal refunds = [refundTo, address(0x4ef1)];
    address internal second = address(0x5ec0);

    // ---------------------------------------------------------------- what must be there

    Order[] internal waiting;
    mapping(uint256 slot => Terms) internal held;
    /// @dev What went into the lease on a slot beside its holdback: deposit and top-ups, less what an amendment paid.
    mapping(uint256 slot => uint256) public put;
    uint256[6] internal hots;
    uint256[6] internal stats;
    uint256[2] internal laneWords;
    /// @dev Leases that were contested or reserved for, and what they may cost their provider.
    uint96[] internal cases;
    mapping(uint96 id => uint64) internal liabilityOf;
    /// @dev Money that nobody put there by an act.
    mapping(address holder => mapping(uint8 token => uint256)) internal donated;
    mapping(uint8 token => uint256) public burnedDeposits;
    mapping(uint8 token => uint256) public burnedBonds;

    mapping(bytes32 act => uint256) public done;
    mapping(uint256 id => string) public breach;
    uint256 public breaches;
    uint256 private _allowed;

    function setUp() public virtual override {
        super.setUp();
        _domain = book.domainSeparator();
        coin = new PickyCoin();
        _decide(abi.encodeCall(params.listToken, (address(coin), false)));
        _decide(abi.encodeCall(params.setCourtFee, (1, DOLLAR / 2)));
        _decide(abi.encodeCall(params.setSlasher, (1, second)));
        _skip(7 days);
        KeyGrant[] memory keys = new KeyGrant[](2);
        keys[0] = KeyGrant({key: bidders[1], roles: 1});
        keys[1] = KeyGrant({key: duties[1], roles: 6});
        vm.prank(owners[1]);
        book.register(address(0x9a1), keys, "", 0);
        address[10] memory rich = [
            tenants[0], tenants[1], agent, funder, stranger, owners[0], owners[1], duties[0], duties[1], address(this)
        ];
        for (uint256 i = 0; i < rich.length; ++i) {
            dollar.mint(rich[i], 1e18);
            coin.mint(rich[i], 1e30);
            vm.startPrank(rich[i]);
            for (uint8 token = 0; token < 2; ++token) {
                _asset(token).approve(address(book), type(uint256).max);
                _asset(token).approve(address(vault), type(uint256).max);
                _asset(token).approve(address(realCourt), type(uint256).max);
            }
            vm.stopPrank();
        }
        // Market staked 1,000 dollars for the first.
        vault.deposit(1, 1, 300 * DOLLAR);
        vault.deposit(2, 0, 200 * DOLLAR);
        vault.deposit(2, 1, 1000 * DOLLAR);
    }

    /// @dev Short, so that a dispute runs through its phases beside leases; the sum is what matters: below a freeze's 21 days.
    function _courtTimes() internal pure override returns (uint32 answering, uint32 ruling, uint32 vetoing) {
        return (1500, 2000, 1000);
    }

    // ---------------------------------------------------------------- small words

    modifier watched() {
        _;
        _look();
    }

    function _mix(uint256 seed) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed)));
    }

    /// @dev A number below `sides`, the k-th of ten that a mixed seed holds.
    function _die(uint256 seed, uint256 k, uint256 sides) internal pure returns (uint256) {
        return ((seed >> (24 * k)) & 0xffffff) % sides;
    }

    function _did(bytes32 act) internal {
        ++done[act];
    }

    /// @dev Notes the first breach of a rule; the invariants look whether there is one.
    function _holds(uint256 id, bool condition, string memory what) internal {
        if (condition) return;
        ++breaches;
        if (bytes(breach[id]).length == 0) breach[id] = what;
    }

    function _asset(uint8 token) internal view returns (IERC20) {
        return IERC20(token == 0 ? address(dollar) : address(coin));
    }

    function _scale(uint8 token) internal pure returns (uint256) {
        return token == 0 ? 1 : 1e12;
    }

    function _pidOf(uint256 slot) internal pure returns (uint32) {
        return uint32(slot / LANES + 1);
    }

    function _hot(uint256 slot) internal view returns (Hot) {
        return Hot.wrap(hots[slot]);
    }

    function _dutyOf(uint256 slot) internal view returns (address) {
        return duties[slot / LANES];
    }

    function _signed(uint256 key, bytes32 structHash) internal view returns (bytes memory) {
        return _signIn(_domain, key, structHash);
    }

    /// @dev A lease in the state, the search beginning anywhere; SLOTS if there is none.
    function _at(uint256 seed, LeaseState state) internal view returns (uint256) {
        for (uint256 i = 0; i < SLOTS; ++i) {
            uint256 slot = (seed + i) % SLOTS;
            if (_hot(slot).state() == state) return slot;
        }
        return SLOTS;
    }

    /// @dev The same, live and not stopped.
    function _active(uint256 seed) internal view returns (uint256) {
        for (uint256 i = 0; i < SLOTS; ++i) {
            uint256 slot = (seed + i) % SLOTS;
            if (_hot(slot).state() == LeaseState.Live && _now() < _hot(slot).stopAt()) return slot;
        }
        return SLOTS;
    }

    function _counter(uint256 slot) internal view returns (uint256) {
        return (laneWords[slot / LANES] >> (32 * (slot % LANES))) & 0x7fffffff;
    }

    function _ran(uint256 slot) internal view returns (uint256) {
        Hot hot = _hot(slot);
        return (_now() < hot.stopAt() ? _now() : hot.stopAt()) - hot.startAt();
    }

    /// @dev Seconds a live lease is billed for, in plain words: what was counted since its base, at most what ran, at least what is
    /// settled.
    function _usage(uint256 slot) internal view returns (uint256 usage) {
        uint256 base = _hot(slot).laneBase();
        usage = _counter(slot) > base ? _counter(slot) - base : 0;
        if (usage > _ran(slot)) usage = _ran(slot);
        if (usage < _hot(slot).settled()) usage = _hot(slot).settled();
    }

    // ---------------------------------------------------------------- the look after each act

    function _may(uint256 slot, uint256 what) internal {
        _allowed |= what << (8 * slot);
    }

    function _look() internal {
        uint256 allowed = _allowed;
        for (uint256 slot = 0; slot < SLOTS; ++slot) {
            (uint256 hot, uint256 stat) = book.leaseWords(_pidOf(slot), uint32(slot % LANES));
            if (hot != hots[slot] || stat != stats[slot]) {
                _compare(slot, (allowed >> (8 * slot)) & 0xff, Hot.wrap(hot), Stat.wrap(stat));
                (hots[slot], stats[slot]) = (hot, stat);
            }
        }
        for (uint256 p = 0; p < 2; ++p) {
            uint256 word = book.laneWord(uint32(p + 1), 0);
            if (word == laneWords[p]) continue;
            for (uint256 lane = 0; lane < 8; ++lane) {
                uint256 from = (laneWords[p] >> (32 * lane)) & 0xffffffff;
                uint256 to = (word >> (32 * lane)) & 0xffffffff;
                _holds(12, to >= from && to >> 31 == 0, "I12: a lane fell or set its guard");
                _holds(10, to < from + (1 << 17), "I10: a report moved a lane by 2^17");
            }
            laneWords[p] = word;
        }
        if (allowed != 0) _allowed = 0;
    }

    function _compare(uint256 slot, uint256 may, Hot hot, Stat stat) private {
        Hot hotWas = _hot(slot);
        Stat statWas = Stat.wrap(stats[slot]);
        (LeaseState from, LeaseState to) = (hotWas.state(), hot.state());
        if (from == to) {
            _holds(15, to == LeaseState.Live, "I15: a lease changed that does not run");
            _holds(5, stat.gen() == statWas.gen(), "I5: a gen rose without an opening");
            _holds(4, hot.stopAt() <= hotWas.stopAt() || may & AMENDS != 0, "I4: stopAt rose");
            _holds(14, hot.stopAt() >= hotWas.stopAt() || may & LOWERS != 0, "I14: stopAt moved");
            _holds(3, hot.settled() >= hotWas.settled() || may & AMENDS != 0, "I3: settled fell");
            _holds(2, stat.termsHash() == statWas.termsHash() || may & AMENDS != 0, "I2: other terms");
        } else if (to == LeaseState.Pending) {
            bool rested =
                from == LeaseState.None || (from == LeaseState.Closed && _now() >= hotWas.stopAt() + uint256(W));
            _holds(5, rested && stat.gen() == statWas.gen() + 1, "I5: opened on a lane in use, or gens skipped");
            _holds(15, may & OPENS != 0, "I15: opened by no act that opens");
        } else if (to == LeaseState.Live) {
            _holds(15, from == LeaseState.Pending && may & STARTS != 0, "I15: no start");
            _holds(14, hot.stopAt() == _now() + held[slot].maxDuration, "I14: stopAt at the start");
        } else {
            bool lived = from == LeaseState.Pending || from == LeaseState.Live;
            _holds(15, lived && may & ENDS != 0, "I15: ended by no act that ends");
        }
    }
}
