// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputeCourt} from "../../src/interfaces/IDisputeCourt.sol";
import {IStakeVault} from "../../src/interfaces/IStakeVault.sol";
import {Hot} from "../../src/types/LeaseWord.sol";
import {Freeze, LeaseState, Terms} from "../../src/types/Types.sol";

import {Rent} from "../../src/libraries/Rent.sol";
import {Typed} from "../../src/libraries/Typed.sol";
import {vm} from "../support/Vm.sol";

import {Staking} from "./Staking.sol";

/// @notice Disputes in the real court, on the real book and vault, through each of their phases to each of their ends.
abstract contract Disputing is Staking {
    uint8 private constant COURT = 0;

    function _phase(uint96 id) internal view returns (IDisputeCourt.Phase) {
        return realCourt.disputeOf(id).phase;
    }

    /// @dev A case in the phase, the search beginning anywhere; zero if there is none.
    function _caseIn(uint256 seed, IDisputeCourt.Phase phase) private view returns (uint96) {
        for (uint256 i = 0; i < cases.length; ++i) {
            uint96 id = cases[(seed + i) % cases.length];
            if (_phase(id) == phase) return id;
        }
        return 0;
    }

    function contest(uint256 seed) public watched {
        seed = _mix(seed);
        if (cases.length > 5) return;
        for (uint256 i = 0; i < SLOTS; ++i) {
            uint256 slot = (_die(seed, 0, SLOTS) + i) % SLOTS;
            if (_contestable(slot) && _contest(seed, slot)) return;
        }
    }

    function _contestable(uint256 slot) private view returns (bool) {
        Hot hot = _hot(slot);
        bool open = hot.state() == LeaseState.Live
            || (hot.state() == LeaseState.Closed && hot.stopAt() != 0 && _now() < uint256(hot.stopAt()) + W);
        return open && hot.settled() != 0 && _phase(held[slot].id) == IDisputeCourt.Phase.None;
    }

    function _contest(uint256 seed, uint256 slot) private returns (bool) {
        Terms memory terms = held[slot];
        uint32 to = 1 + uint32(_die(seed, 1, _hot(slot).settled()));
        uint32 from = uint32(_die(seed, 2, to));
        uint256 rent = Rent.rentDown(to, terms.ratePerHour) - Rent.rentDown(from, terms.ratePerHour);
        (, uint128 vesting) = book.earnings(_pidOf(slot), terms.token);
        // Nothing can be frozen for nothing, and without money something of the stake must be open.
        if (vesting == 0 ? _reservable(terms) == 0 : rent == 0) return false;
        bool byAgent = terms.agent != address(0) && _die(seed, 3, 2) == 0;
        vm.prank(byAgent ? agent : terms.tenant);
        realCourt.contest(terms, from, to, type(uint64).max, "statement");
        Freeze memory record = book.freezeOf(terms.id);
        uint256 paid = Rent.rentDown(_hot(slot).settled(), terms.ratePerHour);
        _holds(6, record.amount <= rent && record.total <= paid, "I6: frozen above what the lease paid");
        _holds(6, record.amount <= vesting, "I6: frozen what had vested");
        _holds(6, record.amount == 0 || record.until == _now() + 21 days, "I6: a freeze without its end");
        _noteCase(terms);
        _did(record.amount == 0 ? bytes32("contest of stake alone") : bytes32("contest"));
        return true;
    }

    function _reservable(Terms memory terms) private view returns (uint64) {
        IStakeVault.Stake memory now_ = vault.stakeOf(uint32(terms.id >> 64), terms.token);
        IStakeVault.Liability memory used = vault.liabilityOf(terms.id);
        uint64 open = now_.amount - now_.locked - vault.reservedOf(uint32(terms.id >> 64), terms.token);
        uint64 left = terms.liability - used.slashed - used.reserved;
        return left < open ? left : open;
    }

    function answer(uint256 seed) public watched {
        seed = _mix(seed);
        uint96 id = _caseIn(seed, IDisputeCourt.Phase.Contested);
        if (id == 0) return;
        IDisputeCourt.Dispute memory dispute = realCourt.disputeOf(id);
        // Some stay silent.
        if (_now() > dispute.due || _die(seed, 1, 4) == 0) return;
        uint256 side = (id >> 64) - 1;
        uint32 cum = dispute.toCum + uint32(_die(seed, 2, 100));
        bytes32 structHash =
            keccak256(abi.encode(Typed.RECEIPT_TYPEHASH, id, dispute.termsHash, cum, uint40(_now()), bytes32("root")));
        bytes memory signature = _signed(dutyKeys[side], structHash);
        vm.prank(_die(seed, 3, 2) == 0 ? owners[side] : duties[side]);
        realCourt.answer(id, cum, uint40(_now()), "root", signature);
        _did("answer");
    }

    function rule(uint256 seed) public watched {
        seed = _mix(seed);
        uint96 id = _caseIn(seed, IDisputeCourt.Phase.Answered);
        if (id == 0) return;
        IDisputeCourt.Dispute memory dispute = realCourt.disputeOf(id);
        if (_now() > dispute.due || _die(seed, 1, 4) == 0) return;
        (uint64 award, uint64 refund, uint64 burn) = (0, 0, 0);
        if (_die(seed, 2, 3) != 0) {
            uint64 frozen = book.freezeOf(id).amount;
            award = uint64(_die(seed, 3, (frozen < dispute.amount ? frozen : dispute.amount) + 1));
            uint64 reserved = vault.reserveOf(COURT, id).amount;
            uint64 loss = dispute.amount - award;
            refund = uint64(_die(seed, 4, (reserved < loss ? reserved : loss) + 1));
            burn = uint64(_die(seed, 5, reserved - refund + 1));
        }
        vm.prank(arbiter);
        realCourt.rule(id, award, refund, burn, "reasons");
        _did("rule");
    }

    function veto(uint256 seed) public watched {
        seed = _mix(seed);
        uint96 id = _caseIn(seed, IDisputeCourt.Phase.Ruled);
        if (id == 0 || _now() > realCourt.disputeOf(id).due || _die(seed, 1, 2) != 0) return;
        uint64 before = vault.liabilityOf(id).slashed;
        realCourt.veto(id);
        _holds(13, vault.liabilityOf(id).slashed == before, "I13: a veto that slashed");
        _did("veto");
    }

    function conclude(uint256 seed) public watched {
        seed = _mix(seed);
        for (uint256 i = 0; i < cases.length; ++i) {
            if (_conclude(cases[(seed + i) % cases.length])) return;
        }
    }

    /// @dev I13: the tenant gets no more than the contested rent of money and stake together, the stake loses no more than was ruled,
    /// and for silence nothing.
    function _conclude(uint96 id) internal returns (bool) {
        IDisputeCourt.Dispute memory dispute = realCourt.disputeOf(id);
        IDisputeCourt.Phase phase = dispute.phase;
        if (phase == IDisputeCourt.Phase.None || phase == IDisputeCourt.Phase.Ended || _now() <= dispute.due) {
            return false;
        }
        address refund = book.freezeOf(id).refundTo;
        if (refund == address(0)) refund = vault.reserveOf(COURT, id).refundTo;
        uint64 slashed = vault.liabilityOf(id).slashed;
        uint256 slashCredit = vault.credits(refund, dispute.token);
        uint256 back = _hasBack(refund, dispute.token);
        vm.prank(stranger);
        realCourt.conclude(id);
        slashed = vault.liabilityOf(id).slashed - slashed;
        back = _hasBack(refund, dispute.token) - back + vault.credits(refund, dispute.token) - slashCredit;
        bool ruled = phase == IDisputeCourt.Phase.Ruled;
        _holds(13, back <= dispute.amount, "I13: the tenant got more than it contested");
        _holds(13, slashed <= (ruled ? uint256(dispute.refund) + dispute.burn : 0), "I13: slashed more than was ruled");
        Freeze memory left = book.freezeOf(id);
        // After its time anyone lifts it; until then the court's end is its end.
        _holds(6, left.amount == 0 || _now() > left.until, "I6: a dispute ended and its freeze did not");
        _did(_outcome(dispute, phase));
        return true;
    }

    function _outcome(IDisputeCourt.Dispute memory dispute, IDisputeCourt.Phase phase) private pure returns (bytes32) {
        if (phase == IDisputeCourt.Phase.Contested) return "dispute ended by silence";
        if (phase == IDisputeCourt.Phase.Answered) return "dispute lapsed";
        bool provider = dispute.award == 0 && dispute.refund == 0 && dispute.burn == 0;
        return provider ? bytes32("dispute won by the provider") : bytes32("dispute won by the tenant");
    }

    /// @dev What book and vault let go of by themselves, by whoever comes first after 21 days.
    function letGo(uint256 seed) public watched {
        if (cases.length != 0) _letGo(cases[_mix(seed) % cases.length]);
    }

    function _letGo(uint96 id) internal {
        Freeze memory record = book.freezeOf(id);
        if (record.amount != 0 && _now() > record.until) {
            vm.prank(stranger);
            book.release(id);
            _did("freeze lifted by anyone");
        }
        _undo(0, id);
        _undo(1, id);
    }

    function withdrawBond(uint256 seed) public watched {
        seed = _mix(seed);
        _withdrawBond(_party(_die(seed, 0, 8)), uint8(_die(seed, 1, 2)));
    }

    /// @dev Whoever may have a credit at the court.
    function _party(uint256 index) internal view returns (address) {
        if (index < 2) return tenants[index];
        if (index < 4) return owners[index - 2];
        if (index < 6) return duties[index - 4];
        return index == 6 ? agent : address(router);
    }

    function _withdrawBond(address who, uint8 token) internal {
        if (realCourt.credits(who, token) == 0) return;
        vm.prank(stranger);
        realCourt.withdrawCredit(who, token);
        _did("bond withdrawn");
    }

    /// @dev A case that is over, and whose reserves are, makes room for the next.
    function closeCase(uint256 seed) public watched {
        if (cases.length == 0) return;
        uint256 index = _mix(seed) % cases.length;
        uint96 id = cases[index];
        IDisputeCourt.Phase phase = _phase(id);
        bool open = phase != IDisputeCourt.Phase.None && phase != IDisputeCourt.Phase.Ended;
        if (open || vault.liabilityOf(id).reserved != 0 || book.freezeOf(id).amount != 0) return;
        if (vault.reserveOf(1, id).slasher != address(0)) return;
        cases[index] = cases[cases.length - 1];
        cases.pop();
    }
}
