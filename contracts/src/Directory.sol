// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";

import {IDirectory} from "./interfaces/IDirectory.sol";

/// @title Directory
/// @notice See IDirectory.
contract Directory is IDirectory, Ownable2Step {
    /// @inheritdoc IDirectory
    uint64 public fromBlock;
    /// @inheritdoc IDirectory
    bool public founded;
    /// @inheritdoc IDirectory
    uint32 public immutable finalReports;
    /// @inheritdoc IDirectory
    uint32 public immutable vestEpoch;

    mapping(bytes32 name => Entry) private _entries;
    bytes32[] private _names;

    /// @param owner who may point names elsewhere
    /// @param finalReports_ as given to the LeaseBook
    /// @param vestEpoch_ as given to the LeaseBook
    constructor(address owner, uint32 finalReports_, uint32 vestEpoch_) Ownable(owner) {
        finalReports = finalReports_;
        vestEpoch = vestEpoch_;
    }

    /// @inheritdoc IDirectory
    function found(uint64 fromBlock_) external onlyOwner {
        require(!founded, Directory_Founded(fromBlock));
        founded = true;
        fromBlock = fromBlock_;
        emit Founded(fromBlock_);
    }

    /// @inheritdoc IDirectory
    function set(bytes32 name, address target, uint32 version) external onlyOwner {
        require(target.code.length != 0, Directory_NoCode(target));
        Entry storage entry = _entries[name];
        require(version > entry.version, Directory_VersionNotNewer(version, entry.version));
        if (entry.version == 0) _names.push(name);
        _entries[name] = Entry({name: name, target: target, version: version, codeHash: target.codehash});
        emit EntrySet(name, target, version, target.codehash);
    }

    /// @inheritdoc IDirectory
    function get(bytes32 name) external view returns (Entry memory entry) {
        entry = _entries[name];
        require(entry.version != 0, Directory_NoEntry(name));
    }

    /// @inheritdoc IDirectory
    function entries() external view returns (Entry[] memory all) {
        all = new Entry[](_names.length);
        for (uint256 i = 0; i < all.length; ++i) {
            all[i] = _entries[_names[i]];
        }
    }
}
