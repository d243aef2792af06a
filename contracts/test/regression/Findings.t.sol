// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Terms} from "../../src/types/Types.sol";

import {Trades} from "../support/Trades.sol";
import {vm} from "../support/Vm.sol";

/// @notice What was wrong once, as the rule that was broken. Found by the twin (docs/contracts-proofs.md), which shrank it to these acts.
contract FindingsTest is Trades {
    address private second = address(0x5ec0);

    /// @dev Both sides may agree on a lower liability while more than that is reserved or slashed already: then nothing is left of it. The
    /// vault panicked, and a court that was named later could not hold a contested lease's money either.
    function test_ALiabilityLoweredBelowWhatIsSpentLeavesNothingToReserve() public {
        _nameCourt();
        params.setSlasher(1, second);
        _skip(7 days);
        Terms memory terms = _live(0, 1);
        vm.prank(court);
        eq(vault.reserve(0, terms, type(uint64).max), 50 * DOLLAR, "all of the liability");
        Terms memory lower = abi.decode(abi.encode(terms), (Terms));
        lower.liability = 10 * DOLLAR;
        _amend(terms, lower, 0);

        vm.prank(second);
        eq(vault.reserve(1, lower, type(uint64).max), 0, "what waits is more than it");
        eq(vault.reservedOf(pid, 0), 50 * DOLLAR, "nothing more is held");
        vm.prank(second);
        vault.unreserve(1, lower.id);

        vm.prank(court);
        vault.slash(0, lower.id, 20 * DOLLAR, 0);
        vm.prank(court);
        eq(vault.reserve(0, lower, type(uint64).max), 0, "what was taken is more than it");
    }
}
