// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {LeaseView, Terms, TokenInfo} from "./types/Types.sol";

import {ILeaseBook} from "./interfaces/ILeaseBook.sol";
import {IParams} from "./interfaces/IParams.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {StakeWord} from "./libraries/StakeWord.sol";

/// @title StakeVault
/// @notice See IStakeVault.
/// @dev Trusts its LeaseBook with bonds and with whose terms a lease has, Params with who slashes (within the bounds compiled in
/// here) and with the token list, whose entries never change.
contract StakeVault is IStakeVault, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using StakeWord for Stake;
    using StakeWord for uint256;

    // Not public: each public function makes finding the ones the book calls dearer.
    /// @dev Slots for slashers: 0 the court, the others for what comes later (proofs of capacity, for example).
    uint8 private constant SLOTS = 3;
    /// @dev Shares hold for so long: the stake is looked at when a slot first slashes in an epoch.
    uint256 private constant SHARE_EPOCH = 30 days;
    /// @dev A reserve can be undone by anyone after this time: no slasher holds stake by doing nothing.
    uint32 private constant RESERVE_TIME = 21 days;
    uint256 private constant WHOLE = 10_000;

    struct Used {
        uint64 epoch;
        /// the provider's stake when the slot first slashed in the epoch
        uint64 base;
        uint64 slashed;
    }

    /// @inheritdoc IStakeVault
    address public immutable leaseBook;
    /// @inheritdoc IStakeVault
    uint40 public immutable unbondTime;
    IParams private immutable _params;

    mapping(uint32 providerId => mapping(uint8 token => Stake)) private _stakes;
    /// @inheritdoc IStakeVault
    mapping(uint8 token => uint128) public burned;
    /// @inheritdoc IStakeVault
    mapping(uint32 providerId => mapping(uint8 token => uint64)) public reservedOf;
    mapping(uint96 id => mapping(uint8 slot => Reserve)) private _reserves;
    mapping(uint96 id => Liability) private _liabilities;
    mapping(uint32 providerId => mapping(uint8 token => mapping(uint8 slot => Used))) private _used;
    /// @inheritdoc IStakeVault
    mapping(address account => mapping(uint8 token => uint128)) public credits;

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
        return _free(providerId, token, _stakes[providerId][token]);
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
        uint64 free = _free(providerId, token, stake);
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
        // What slashers hold stays; what is locked was free when it was asked back, so it does not overlap.
        uint64 open = stake.amount - stake.locked - _reserved(providerId, token, stake);
        uint64 amount = stake.unbonding < open ? stake.unbonding : open;
        require(amount != 0, StakeVault_NotFree(providerId, token, stake.unbonding, 0));
        stake.amount -= amount;
        stake.unbonding -= amount;
        if (stake.unbonding == 0) stake.unbondAt = 0;
        address to = ILeaseBook(leaseBook).payoutOf(providerId);
        emit Unbonded(providerId, token, to, amount);
        TokenInfo memory info = _params.tokenInfo(token);
        IERC20(info.asset).safeTransfer(to, uint256(amount) * info.scale);
    }

    /// @inheritdoc IStakeVault
    function lock(uint32 providerId, uint8 token, uint64 amount) external onlyLeaseBook {
        Stake storage stake = _stakes[providerId][token];
        uint256 word = stake.load();
        uint64 free = word.contested() ? _free(providerId, token, stake) : word.open();
        require(amount <= free, StakeVault_NotFree(providerId, token, amount, free));
        stake.store(word.lock(amount));
        emit Locked(providerId, token, amount);
    }

    /// @inheritdoc IStakeVault
    function release(uint32 providerId, uint8 token, uint64 amount, uint64 burn) external onlyLeaseBook {
        Stake storage stake = _stakes[providerId][token];
        uint256 word = stake.load();
        require(amount <= word.locked(), StakeVault_Bond(amount, word.locked()));
        require(burn <= amount, StakeVault_Bond(burn, amount));
        stake.store(word.unlock(amount, burn));
        if (burn != 0) burned[token] += burn;
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

    /// @inheritdoc IStakeVault
    function withdrawCredit(address account, uint8 token) external nonReentrant returns (uint128 amount) {
        amount = credits[account][token];
        require(amount != 0, StakeVault_NoCredit(account, token));
        credits[account][token] = 0;
        emit CreditWithdrawn(account, token, amount);
        TokenInfo memory info = _params.tokenInfo(token);
        IERC20(info.asset).safeTransfer(account, uint256(amount) * info.scale);
    }

    // ---------------------------------------------------------------- slashers

    /// @inheritdoc IStakeVault
    function reserve(uint8 slot, Terms calldata terms, uint64 amount) external returns (uint64 reserved) {
        require(slot < SLOTS && msg.sender == _params.slasherOf(slot), StakeVault_NotSlasher(slot, msg.sender));
        Reserve storage record = _reserves[terms.id][slot];
        require(record.slasher == address(0), StakeVault_Reserved(terms.id, slot));
        uint32 providerId = _confirm(terms);

        Liability storage liability = _liabilities[terms.id];
        Stake storage stake = _stakes[providerId][terms.token];
        // SV-3: what is slashed and reserved never passes the liability, which an amendment may have lowered below that since.
        uint64 spent = liability.slashed + liability.reserved;
        reserved = terms.liability > spent ? terms.liability - spent : 0;
        uint64 held = reservedOf[providerId][terms.token];
        // SV-2.
        uint64 open = stake.amount - stake.locked - held;
        if (reserved > open) reserved = open;
        if (reserved > amount) reserved = amount;

        uint32 until = uint32(block.timestamp) + RESERVE_TIME;
        _reserves[terms.id][slot] = Reserve({
            slasher: msg.sender, amount: reserved, until: until, refundTo: terms.refundTo, token: terms.token
        });
        liability.reserved += reserved;
        if (reserved != 0) {
            reservedOf[providerId][terms.token] = held + reserved;
            stake.contested = true;
        }
        emit Reserved(terms.id, slot, msg.sender, reserved, until);
    }

    /// @inheritdoc IStakeVault
    function unreserve(uint8 slot, uint96 id) external {
        Reserve memory record = _reserves[id][slot];
        require(
            record.slasher != address(0) && (msg.sender == record.slasher || block.timestamp >= record.until),
            StakeVault_ReserveStands(id, slot, record.until)
        );
        _giveBack(slot, id, record);
        emit Unreserved(id, slot, record.amount);
    }

    /// @inheritdoc IStakeVault
    function slash(uint8 slot, uint96 id, uint64 refund, uint64 burn) external returns (uint64 refunded, uint64 burnt) {
        Reserve memory record = _reserves[id][slot];
        require(record.slasher == msg.sender, StakeVault_NotSlasher(slot, msg.sender));
        require(
            uint256(refund) + burn <= record.amount, StakeVault_BeyondReserve(id, uint256(refund) + burn, record.amount)
        );
        _giveBack(slot, id, record);

        uint32 providerId = uint32(id >> 64);
        Stake storage stake = _stakes[providerId][record.token];
        uint64 left = _roll(slot, providerId, record.token, stake.amount);
        refunded = refund < left ? refund : left;
        burnt = burn < left - refunded ? burn : left - refunded;
        uint64 sum = refunded + burnt;
        // SV-4, SV-3: both counters cover every slash.
        _used[providerId][record.token][slot].slashed += sum;
        _liabilities[id].slashed += sum;
        stake.amount -= sum;
        // SV-2: what is left covers what is locked; what was asked back shrinks with the stake.
        uint64 open = stake.amount - stake.locked;
        if (stake.unbonding > open) stake.unbonding = open;
        if (stake.unbonding == 0) stake.unbondAt = 0;
        if (refunded != 0) credits[record.refundTo][record.token] += refunded;
        if (burnt != 0) burned[record.token] += burnt;
        emit Slashed(id, slot, record.refundTo, record.token, refunded, burnt);
    }

    /// @inheritdoc IStakeVault
    function reserveOf(uint8 slot, uint96 id) external view returns (Reserve memory) {
        return _reserves[id][slot];
    }

    /// @inheritdoc IStakeVault
    function liabilityOf(uint96 id) external view returns (Liability memory) {
        return _liabilities[id];
    }

    /// @inheritdoc IStakeVault
    function slashableOf(uint8 slot, uint32 providerId, uint8 token) external view returns (uint64) {
        uint64 amount = _stakes[providerId][token].amount;
        Used memory used = _used[providerId][token][slot];
        if (used.epoch != _epoch()) used = Used({epoch: 0, base: amount, slashed: 0});
        return _left(slot, used);
    }

    /// @inheritdoc IStakeVault
    function params() external view returns (address) {
        return address(_params);
    }

    /// @inheritdoc IStakeVault
    function shareOf(uint8 slot) public pure returns (uint16) {
        if (slot == 0) return 5000;
        if (slot == 1) return 3000;
        return slot == 2 ? 2000 : 0;
    }

    /// @dev The lane's last lease has these terms, or revert.
    function _confirm(Terms calldata terms) private view returns (uint32 providerId) {
        providerId = uint32(terms.id >> 64);
        bytes32 termsHash = keccak256(abi.encode(terms));
        LeaseView memory lease = ILeaseBook(leaseBook).leaseAt(providerId, uint32(terms.id >> 32));
        // The book keeps the high 200 bits.
        require(
            lease.id == terms.id && lease.termsHash == (termsHash >> 56) << 56,
            StakeVault_TermsMismatch(terms.id, termsHash)
        );
    }

    function _giveBack(uint8 slot, uint96 id, Reserve memory record) private {
        uint32 providerId = uint32(id >> 64);
        delete _reserves[id][slot];
        _liabilities[id].reserved -= record.amount;
        uint64 held = reservedOf[providerId][record.token] - record.amount;
        reservedOf[providerId][record.token] = held;
        if (held == 0) _stakes[providerId][record.token].contested = false;
    }

    /// @dev Begins an epoch where one has passed, and says what the slot may still slash in it.
    function _roll(uint8 slot, uint32 providerId, uint8 token, uint64 amount) private returns (uint64) {
        Used memory used = _used[providerId][token][slot];
        if (used.epoch != _epoch()) {
            used = Used({epoch: _epoch(), base: amount, slashed: 0});
            _used[providerId][token][slot] = used;
        }
        return _left(slot, used);
    }

    /// @dev Rounded up, against the slashed. A share is at most the whole, so it fits and covers what was slashed.
    function _left(uint8 slot, Used memory used) private pure returns (uint64) {
        return uint64((uint256(used.base) * shareOf(slot) + WHOLE - 1) / WHOLE) - used.slashed;
    }

    function _epoch() private view returns (uint64) {
        return uint64(block.timestamp / SHARE_EPOCH);
    }

    function _reserved(uint32 providerId, uint8 token, Stake memory stake) private view returns (uint64) {
        return stake.contested ? reservedOf[providerId][token] : 0;
    }

    /// @dev SV-2. What is reserved is taken from free stake first, then from what is unbonding.
    function _free(uint32 providerId, uint8 token, Stake memory stake) private view returns (uint64) {
        unchecked {
            // Not below zero: SV-2.
            uint64 open = stake.amount - stake.locked - stake.unbonding;
            if (!stake.contested) return open;
            uint64 held = reservedOf[providerId][token];
            return open > held ? open - held : 0;
        }
    }
}
