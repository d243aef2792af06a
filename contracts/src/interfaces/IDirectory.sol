// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Directory
/// @notice The one address a user needs: from it all other contracts of a market, their versions and the market's windows are
/// read. Holds no money and has no power over any.
interface IDirectory {
    /// @notice One contract of the market.
    struct Entry {
        /// for example "LeaseBook", as left-aligned bytes
        bytes32 name;
        address target;
        uint32 version;
        /// EXTCODEHASH when it was set
        bytes32 codeHash;
    }

    /// @notice A name points here from now on.
    event EntrySet(bytes32 indexed name, address indexed target, uint32 version, bytes32 codeHash);

    /// @notice The market is complete from now on; its first contract is later than this block.
    event Founded(uint64 fromBlock);

    /// @notice Said before.
    error Directory_Founded(uint64 fromBlock);
    /// @notice Nothing is set under the name.
    error Directory_NoEntry(bytes32 name);
    /// @notice The address has no code.
    error Directory_NoCode(address target);
    /// @notice Versions only grow.
    error Directory_VersionNotNewer(uint32 version, uint32 current);

    /// @notice Says where a follower begins; once, when the market is founded. Not in the constructor, so that the Directory's
    /// address does not depend on when it was deployed.
    function found(uint64 fromBlock) external;
    /// @notice Points a name at a contract.
    /// @param version greater than the current one
    function set(bytes32 name, address target, uint32 version) external;

    /// @notice Where a name points.
    function get(bytes32 name) external view returns (Entry memory);
    /// @notice All names.
    function entries() external view returns (Entry[] memory);
    /// @notice Whether the market is complete.
    function founded() external view returns (bool);
    /// @notice A block before the first contract of the market was deployed: where a follower begins. Given by the deployer,
    /// because `block.number` is the parent chain's on some rollups.
    function fromBlock() external view returns (uint64);
    /// @notice Seconds after a lease's end during which reports still count.
    function finalReports() external view returns (uint32);
    /// @notice Seconds of a vesting epoch, and of a lane's rest after its lease closed.
    function vestEpoch() external view returns (uint32);
}
