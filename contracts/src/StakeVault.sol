// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {TokenInfo} from "./types/Types.sol";

import {ILeaseBook} from "./interfaces/ILeaseBook.sol";
import {IParams} from "./interfaces/IParams.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";

/// @title StakeVault
/// @notice See IStakeVault.
contract StakeVault is IStakeVault, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @inheritdoc IStakeVault
    address public immutable leaseBook;
    /// @inheritdoc IStakeVault
    uint40 public immutable unbondTime;
    IParams private immutable _params;

    mapping(uint32 providerId => mapping(uint8 token => Stake)) private _stakes;
    /// @inheritdoc IStakeVault
    mapping(uint8 token => uint128) public burned;

    /// @param leaseBook_ the book to be deployed next (it checks that this vault names it)
    /// @param params_ where tokens are listed
    /// @param finalReports seconds, as given to the book
    /// @param vestEpoch seconds, as given to the book
    constructor(address leaseBook_, address params_, uint32 finalReports, uint32 vestEpoch) {
        leaseBook = leaseBook_;
        _params = IParams(params_);
        // Longer than every window in which a lease of this provider can be disputed.
        unbondTime = uint40(finalReports) + 2 * uint40(vestEpoch) + 48 hours;
    }

    modifier onlyLeaseBook() {
        require(msg.sender == leaseBook, StakeVault_NotLeaseBook(msg.sender));
        _;
    }

    /// @inheritdoc IStakeVault
    function stakeOf(uint32 providerId, uint8 token) external view returns (Stake memory) {
        return _stakes[providerId][token];
    }

    /// @inheritdoc IStakeVault
    function freeOf(uint32 providerId, uint8 token) external view returns (uint64) {
        return _free(_stakes[providerId][token]);
    }

    /// @inheritdoc IStakeVault
    function deposit(uint32 providerId, uint8 token, uint64 amount) external nonReentrant {
        require(ILeaseBook(leaseBook).ownerOf(providerId) != address(0), StakeVault_NoProvider(providerId));
        TokenInfo memory info = _params.tokenInfo(token);
        Stake storage stake = _stakes[providerId][token];
        require(amount != 0 && amount <= type(uint64).max - stake.amount, StakeVault_Amount(amount));
        stake.amount += amount;
        emit Deposited(providerId, token, msg.sender, amount);

        IERC20 asset = IERC20(info.asset);
        uint256 asked = uint256(amount) * info.scale;
        uint256 before = asset.balanceOf(address(this));
        asset.safeTransferFrom(msg.sender, address(this), asked);
        uint256 received = asset.balanceOf(address(this)) - before;
        require(received == asked, StakeVault_TransferMismatch(received, asked));
    }

    /// @inheritdoc IStakeVault
    function requestUnbond(uint32 providerId, uint8 token, uint64 amount) external {
        require(ILeaseBook(leaseBook).ownerOf(providerId) == msg.sender, StakeVault_NotOwner(providerId, msg.sender));
        Stake storage stake = _stakes[providerId][token];
        require(amount != 0, StakeVault_Amount(amount));
        uint64 free = _free(stake);
        require(amount <= free, StakeVault_NotFree(providerId, token, amount, free));
        stake.unbonding += amount;
        // Seconds fit 40 bits for 34,000 years.
        stake.unbondAt = uint40(block.timestamp) + unbondTime;
        emit UnbondRequested(providerId, token, amount, stake.unbonding, stake.unbondAt);
    }

    /// @inheritdoc IStakeVault
    function completeUnbond(uint32 providerId, uint8 token) external nonReentrant {
        Stake storage stake = _stakes[providerId][token];
        require(stake.unbondAt != 0 && block.timestamp >= stake.unbondAt, StakeVault_NotYet(stake.unbondAt));
        uint64 amount = stake.unbonding;
        stake.amount -= amount;
        stake.unbonding = 0;
        stake.unbondAt = 0;
        address to = ILeaseBook(leaseBook).payoutOf(providerId);
        emit Unbonded(providerId, token, to, amount);
        TokenInfo memory info = _params.tokenInfo(token);
        IERC20(info.asset).safeTransfer(to, uint256(amount) * info.scale);
    }

    /// @inheritdoc IStakeVault
    function lock(uint32 providerId, uint8 token, uint64 amount) external onlyLeaseBook {
        Stake storage stake = _stakes[providerId][token];
        uint64 free = _free(stake);
        require(amount <= free, StakeVault_NotFree(providerId, token, amount, free));
        stake.locked += amount;
        emit Locked(providerId, token, amount);
    }

    /// @inheritdoc IStakeVault
    function release(uint32 providerId, uint8 token, uint64 amount, uint64 burn) external onlyLeaseBook {
        Stake storage stake = _stakes[providerId][token];
        require(amount <= stake.locked, StakeVault_Bond(amount, stake.locked));
        require(burn <= amount, StakeVault_Bond(burn, amount));
        stake.locked -= amount;
        if (burn != 0) {
            stake.amount -= burn;
            burned[token] += burn;
        }
        emit Released(providerId, token, amount, burn);
    }

    /// @inheritdoc IStakeVault
    function pushBurned(uint8 token) external nonReentrant {
        uint128 amount = burned[token];
        require(amount != 0, StakeVault_NothingBurned(token));
        burned[token] = 0;
        address receiver = _params.feeReceiver();
        emit BurnedPushed(token, receiver, amount);
        TokenInfo memory info = _params.tokenInfo(token);
        IERC20(info.asset).safeTransfer(receiver, uint256(amount) * info.scale);
    }

    /// @dev SV-2: locked + unbonding <= amount.
    function _free(Stake storage stake) private view returns (uint64) {
        return stake.amount - stake.locked - stake.unbonding;
    }
}
