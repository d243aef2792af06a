// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {LeaseBookExtension} from "./LeaseBookExtension.sol";
import {BookStorage} from "./book/BookStorage.sol";
import {Leases} from "./book/Leases.sol";
import {Orders} from "./book/Orders.sol";
import {Settlement} from "./book/Settlement.sol";
import {ILeaseBookCore} from "./interfaces/ILeaseBook.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";

/// @title LeaseBook
/// @notice See ILeaseBook. Its parts: Orders (how a lease opens), Leases (start and stop), Settlement (usage into money); in its
/// extension Providers (who), Interventions (what happens to few leases) and views; BookStorage and LeaseAccess are shared.
/// @dev Trusts Params for the fee of new leases, the token list, a pause of posting and opening, and the receiver of fees;
/// trusts the StakeVault with bonds; trusts tokens only as far as Push and _pull check them.
contract LeaseBook is Orders, Settlement {
    /// @inheritdoc ILeaseBookCore
    address public immutable extension;

    /// @param params_ policy of new orders and leases
    /// @param stakeVault_ must name this contract as its book
    /// @param finalReports_ F in seconds, 1 to 2^30
    /// @param vestEpoch_ W in seconds, 1 to 2^30
    constructor(address params_, address stakeVault_, uint32 finalReports_, uint32 vestEpoch_)
        BookStorage(params_, stakeVault_, finalReports_, vestEpoch_)
    {
        require(IStakeVault(stakeVault_).leaseBook() == address(this), Vault_NamesOtherBook(stakeVault_));
        extension = address(new LeaseBookExtension(params_, stakeVault_, finalReports_, vestEpoch_));
    }

    /// @notice Whatever is not here is the extension's. The book takes no native coin.
    fallback() external {
        _extend();
    }

    /// @inheritdoc Leases
    function _extend() internal override {
        address target = extension;
        assembly ("memory-safe") {
            // Behind the free pointer, which is not moved: the call ends here.
            let free := mload(0x40)
            calldatacopy(free, 0, calldatasize())
            let ok := delegatecall(gas(), target, free, calldatasize(), 0, 0)
            returndatacopy(free, 0, returndatasize())
            if iszero(ok) { revert(free, returndatasize()) }
            return(free, returndatasize())
        }
    }
}
