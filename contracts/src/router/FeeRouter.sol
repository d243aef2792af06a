// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ERC20Burnable} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Burnable.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IFeeRouter} from "../interfaces/IFeeRouter.sol";

/// @title FeeRouter
/// @notice See IFeeRouter.
contract FeeRouter is IFeeRouter, AccessManaged, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @notice What the shares sum to.
    uint16 public constant WHOLE = 10_000;

    /// @inheritdoc IFeeRouter
    address public immutable port;
    /// @inheritdoc IFeeRouter
    address public treasury;
    /// @inheritdoc IFeeRouter
    uint16 public treasuryShare;
    /// @inheritdoc IFeeRouter
    uint16 public burnShare;
    /// @inheritdoc IFeeRouter
    address public auction;
    /// @inheritdoc IFeeRouter
    mapping(address asset => uint256) public kept;

    /// @param authority AccessManager of the market
    /// @param port_ the token that is burned; need not exist yet
    constructor(address authority, address port_, address treasury_, uint16 treasuryShare_, uint16 burnShare_)
        AccessManaged(authority)
    {
        require(port_ != address(0), FeeRouter_Address(port_));
        port = port_;
        _setTreasury(treasury_);
        _setShares(treasuryShare_, burnShare_);
    }

    /// @inheritdoc IFeeRouter
    function distribute(address asset) external nonReentrant {
        uint256 amount = IERC20(asset).balanceOf(address(this)) - kept[asset];
        require(amount != 0, FeeRouter_Nothing(asset));
        // Down: the odd unit is burned.
        uint256 toTreasury = amount * treasuryShare / WHOLE;
        uint256 rest = amount - toTreasury;
        bool burns = asset == port;
        if (!burns) kept[asset] += rest;
        emit Distributed(asset, toTreasury, burns ? rest : 0, burns ? 0 : rest);
        if (burns && rest != 0) ERC20Burnable(asset).burn(rest);
        if (toTreasury != 0) IERC20(asset).safeTransfer(treasury, toTreasury);
    }

    /// @inheritdoc IFeeRouter
    function sendToAuction(address asset) external nonReentrant returns (uint256 amount) {
        address to = auction;
        require(to != address(0), FeeRouter_NoAuction());
        amount = kept[asset];
        require(amount != 0, FeeRouter_Nothing(asset));
        kept[asset] = 0;
        emit SentToAuction(asset, to, amount);
        IERC20(asset).safeTransfer(to, amount);
    }

    /// @inheritdoc IFeeRouter
    function setShares(uint16 treasuryShare_, uint16 burnShare_) external restricted {
        _setShares(treasuryShare_, burnShare_);
    }

    /// @inheritdoc IFeeRouter
    function setTreasury(address treasury_) external restricted {
        _setTreasury(treasury_);
    }

    /// @inheritdoc IFeeRouter
    function setAuction(address auction_) external restricted {
        require(auction_ != address(this), FeeRouter_Address(auction_));
        auction = auction_;
        emit AuctionSet(auction_);
    }

    function _setShares(uint16 treasuryShare_, uint16 burnShare_) private {
        uint256 sum = uint256(treasuryShare_) + burnShare_;
        require(sum == WHOLE, FeeRouter_Shares(sum));
        treasuryShare = treasuryShare_;
        burnShare = burnShare_;
        emit SharesSet(treasuryShare_, burnShare_);
    }

    function _setTreasury(address treasury_) private {
        require(treasury_ != address(0) && treasury_ != address(this), FeeRouter_Address(treasury_));
        treasury = treasury_;
        emit TreasurySet(treasury_);
    }
}
