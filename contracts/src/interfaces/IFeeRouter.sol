// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title FeeRouter
/// @notice Where the book's and the vault's fees come in, and out of which they go to the treasury and to the burning of PORT. Fees in
/// PORT are burned directly; the burn's share of other tokens waits here for an auction that buys PORT, until one is named.
/// Anyone may move what is here, nobody can choose where it goes.
/// @dev FR-1: the shares sum to 10,000. FR-2: kept(asset) <= balance, for assets that do not shrink by themselves.
interface IFeeRouter {
    /// @notice Fees are split so from now on, in parts of 10,000.
    event SharesSet(uint16 treasuryShare, uint16 burnShare);
    /// @notice The treasury's share goes there from now on.
    event TreasurySet(address indexed treasury);
    /// @notice What is kept for burning goes there from now on; zero: it is kept.
    event AuctionSet(address indexed auction);
    /// @notice Fees were split. `burnt` is PORT that is no more, `kept` waits for the auction.
    event Distributed(address indexed asset, uint256 toTreasury, uint256 burnt, uint256 kept);
    /// @notice What was kept went to the auction.
    event SentToAuction(address indexed asset, address indexed auction, uint256 amount);

    /// @notice The shares do not sum to 10,000.
    error FeeRouter_Shares(uint256 sum);
    /// @notice An address is zero, or this contract's own.
    error FeeRouter_Address(address account);
    /// @notice Nothing came in since the last time.
    error FeeRouter_Nothing(address asset);
    /// @notice No auction is named.
    error FeeRouter_NoAuction();

    /// @notice Splits what came in of an asset since the last time. Anyone may.
    function distribute(address asset) external;
    /// @notice Sends what was kept for burning to the auction. Anyone may.
    function sendToAuction(address asset) external returns (uint256 amount);
    /// @notice Sets the split. ADMIN only.
    function setShares(uint16 treasuryShare, uint16 burnShare) external;
    /// @notice Names the treasury. ADMIN only.
    function setTreasury(address treasury) external;
    /// @notice Names the auction that buys PORT and burns it; zero: none. ADMIN only.
    function setAuction(address auction) external;

    /// @notice Of 10,000, to the treasury.
    function treasuryShare() external view returns (uint16);
    /// @notice Of 10,000, to be burned.
    function burnShare() external view returns (uint16);
    /// @notice Gets the treasury's share.
    function treasury() external view returns (address);
    /// @notice Gets what is kept for burning; zero: none yet.
    function auction() external view returns (address);
    /// @notice Kept for burning.
    function kept(address asset) external view returns (uint256);
    /// @notice The token that is burned.
    function port() external view returns (address);
}
