// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Burnable} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Burnable.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC20Votes} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Votes.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";

/// @title Port
/// @notice The token of the market's governance: 18 decimals, votes by delegation, permits. At most 10^9 are ever minted, by one
/// table that cannot be changed: each row is minted, by whoever pays the gas, to the row's holder as it vests. What is burned
/// is never minted again.
///
///     row            share   at the start   then, in a line                 meant for
///     providers      40 %    -              8 years                         emission to providers, bounded by fees burned
///     treasury       25 %    2.5 %          4 years                         the timelock
///     contributors   20 %    -              4 years, nothing in the first   who builds it
///     ecosystem      12 %    1.2 %          4 years                         grants
///     liquidity       3 %    3 %            -                               markets
///
/// @dev The clock of votes is the timestamp (ERC-6372): block numbers are the parent chain's on some rollups. PT-1: minted <=
/// vested <= cap. PT-2: minted only grows.
contract Port is ERC20, ERC20Burnable, ERC20Permit, ERC20Votes {
    /// @notice One row of the table.
    struct Row {
        bytes32 name;
        uint256 amount;
        /// vested at once
        uint256 atStart;
        /// seconds in which nothing of the rest vests
        uint40 cliff;
        /// seconds until all is vested, counted from the start
        uint40 duration;
    }

    /// @notice A row's tokens went to its holder.
    event Minted(uint256 indexed row, address indexed holder, uint256 amount);
    /// @notice The row is minted to another holder from now on.
    event HolderSet(uint256 indexed row, address indexed holder);

    /// @notice There is no such row.
    error Port_NoRow(uint256 row);
    /// @notice Nothing has vested since the last time.
    error Port_NothingVested(uint256 row);
    /// @notice Only a row's holder names the next.
    error Port_NotHolder(uint256 row, address caller);
    /// @notice An address is zero.
    error Port_ZeroAddress();

    /// @notice All that will ever be minted.
    uint256 public constant CAP = 1_000_000_000e18;
    /// @notice Rows of the table.
    uint256 public constant ROWS = 5;
    uint40 private constant YEAR = 365 days;

    /// @notice When vesting begins: the deployment.
    uint40 public immutable start;
    /// @notice Who gets a row's tokens.
    mapping(uint256 row => address) public holderOf;
    /// @notice Minted of a row.
    mapping(uint256 row => uint256) public mintedOf;

    /// @param holders of the rows, in the order of the table
    constructor(address[5] memory holders) ERC20("Leaseport", "PORT") ERC20Permit("Leaseport") {
        start = uint40(block.timestamp);
        for (uint256 i = 0; i < ROWS; ++i) {
            _setHolder(i, holders[i]);
        }
    }

    /// @notice Mints what has vested of a row to its holder. Anyone may.
    function mint(uint256 row) external returns (uint256 amount) {
        amount = vestedOf(row) - mintedOf[row];
        require(amount != 0, Port_NothingVested(row));
        mintedOf[row] += amount;
        address holder = holderOf[row];
        emit Minted(row, holder, amount);
        _mint(holder, amount);
    }

    /// @notice Names who gets the rest of a row. Its holder only.
    function setHolder(uint256 row, address holder) external {
        require(msg.sender == holderOf[row], Port_NotHolder(row, msg.sender));
        _setHolder(row, holder);
    }

    /// @notice What has vested of a row, minted or not, rounded down.
    function vestedOf(uint256 row) public view returns (uint256) {
        Row memory r = rowOf(row);
        uint256 age = block.timestamp - start;
        if (age >= r.duration) return r.amount;
        if (age < r.cliff) return r.atStart;
        return r.atStart + (r.amount - r.atStart) * age / r.duration;
    }

    /// @notice A row of the table.
    function rowOf(uint256 row) public pure returns (Row memory) {
        if (row == 0) return Row("providers", 400_000_000e18, 0, 0, 8 * YEAR);
        if (row == 1) return Row("treasury", 250_000_000e18, 25_000_000e18, 0, 4 * YEAR);
        if (row == 2) return Row("contributors", 200_000_000e18, 0, YEAR, 4 * YEAR);
        if (row == 3) return Row("ecosystem", 120_000_000e18, 12_000_000e18, 0, 4 * YEAR);
        require(row == 4, Port_NoRow(row));
        return Row("liquidity", 30_000_000e18, 30_000_000e18, 0, 0);
    }

    /// @inheritdoc ERC20Permit
    function nonces(address owner) public view override(ERC20Permit, Nonces) returns (uint256) {
        return super.nonces(owner);
    }

    /// @notice Votes are counted by the timestamp (ERC-6372).
    function clock() public view override returns (uint48) {
        return uint48(block.timestamp);
    }

    /// @notice ERC-6372.
    function CLOCK_MODE() public pure override returns (string memory) {
        return "mode=timestamp";
    }

    function _setHolder(uint256 row, address holder) private {
        require(holder != address(0), Port_ZeroAddress());
        holderOf[row] = holder;
        emit HolderSet(row, holder);
    }

    function _update(address from, address to, uint256 value) internal override(ERC20, ERC20Votes) {
        super._update(from, to, value);
    }
}
