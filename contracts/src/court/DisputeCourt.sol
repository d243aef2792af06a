// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

import {LeaseState, LeaseView, Terms, TokenInfo} from "../types/Types.sol";

import {IDisputeCourt} from "../interfaces/IDisputeCourt.sol";
import {IDisputedBook} from "../interfaces/IDisputedBook.sol";
import {IParams} from "../interfaces/IParams.sol";
import {IStakeVault} from "../interfaces/IStakeVault.sol";
import {Rent} from "../libraries/Rent.sol";
import {Typed} from "../libraries/Typed.sol";

/// @title DisputeCourt
/// @notice See IDisputeCourt.
/// @dev Trusts book, vault and Params with what they answer; none of them calls back. The authority (AccessManager) says who may
/// rule and veto.
contract DisputeCourt is IDisputeCourt, AccessManaged, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @dev A court's slot in Params and StakeVault.
    uint8 private constant SLOT = 0;
    /// @dev Shorter than a freeze and a reserve last: 21 days.
    uint256 private constant LONGEST = 21 days;
    uint8 private constant ROLE_START = 2;
    uint8 private constant ROLE_REPORT = 4;

    IDisputedBook private immutable _book;
    IStakeVault private immutable _vault;
    IParams private immutable _params;
    uint32 private immutable _vestEpoch;
    /// @inheritdoc IDisputeCourt
    uint32 public immutable answerTime;
    /// @inheritdoc IDisputeCourt
    uint32 public immutable rulingTime;
    /// @inheritdoc IDisputeCourt
    uint32 public immutable vetoTime;

    mapping(uint96 id => Dispute) private _disputes;
    /// @inheritdoc IDisputeCourt
    mapping(address account => mapping(uint8 token => uint128)) public credits;

    /// @param authority AccessManager of the market
    /// @param leaseBook_ need not exist yet
    /// @param stakeVault_ need not exist yet
    /// @param params_ need not exist yet
    /// @param vestEpoch_ W in seconds, as given to the book: how long a lane rests
    constructor(
        address authority,
        address leaseBook_,
        address stakeVault_,
        address params_,
        uint32 vestEpoch_,
        uint32 answerTime_,
        uint32 rulingTime_,
        uint32 vetoTime_
    ) AccessManaged(authority) {
        require(
            answerTime_ != 0 && rulingTime_ != 0 && vetoTime_ != 0
                && uint256(answerTime_) + rulingTime_ + vetoTime_ < LONGEST,
            Court_Times(answerTime_, rulingTime_, vetoTime_)
        );
        _book = IDisputedBook(leaseBook_);
        _vault = IStakeVault(stakeVault_);
        _params = IParams(params_);
        _vestEpoch = vestEpoch_;
        answerTime = answerTime_;
        rulingTime = rulingTime_;
        vetoTime = vetoTime_;
    }

    // ---------------------------------------------------------------- the two sides

    /// @inheritdoc IDisputeCourt
    function contest(Terms calldata terms, uint32 fromCum, uint32 toCum, uint64 maxBond, bytes32 statement)
        external
        nonReentrant
    {
        uint96 id = terms.id;
        require(msg.sender == terms.tenant || msg.sender == terms.agent, Court_NotTenant(id, msg.sender));
        Dispute storage dispute = _disputes[id];
        require(dispute.phase == Phase.None, Court_Contested(id));
        bytes32 termsHash = keccak256(abi.encode(terms));
        uint64 amount = _contested(terms, termsHash, fromCum, toCum);
        uint64 bond = bondFor(terms.token, amount);
        require(bond <= maxBond, Court_Bond(bond, maxBond));

        // Seconds fit 32 bits until 2106.
        uint32 due = uint32(block.timestamp) + answerTime;
        dispute.contester = msg.sender;
        dispute.due = due;
        dispute.phase = Phase.Contested;
        dispute.token = terms.token;
        dispute.toCum = toCum;
        dispute.bond = bond;
        dispute.termsHash = termsHash;
        dispute.amount = amount;
        dispute.fee = _params.courtFee(terms.token);

        (uint64 frozen, uint64 reserved) = _hold(terms, amount);
        emit Contested(id, msg.sender, fromCum, toCum, amount, frozen, reserved, bond, due, statement);
        _pull(terms.token, bond);
    }

    /// @inheritdoc IDisputeCourt
    function answer(uint96 id, uint32 cum, uint40 asOf, bytes32 root, bytes calldata signature) external nonReentrant {
        Dispute storage dispute = _in(id, Phase.Contested);
        require(block.timestamp <= dispute.due, Court_Over(id, dispute.due));
        uint32 providerId = uint32(id >> 64);
        require(
            msg.sender == _book.ownerOf(providerId) || _hasRole(providerId, msg.sender, ROLE_START | ROLE_REPORT),
            Court_NotProvider(id, msg.sender)
        );
        require(cum >= dispute.toCum && asOf <= block.timestamp, Court_Receipt(cum, asOf, dispute.toCum));
        bytes32 structHash = keccak256(abi.encode(Typed.RECEIPT_TYPEHASH, id, dispute.termsHash, cum, asOf, root));
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", _book.domainSeparator(), structHash));
        (address signer,,) = ECDSA.tryRecoverCalldata(digest, signature);
        require(_hasRole(providerId, signer, ROLE_REPORT), Court_ReceiptSigner(id, signer));

        uint32 due = uint32(block.timestamp) + rulingTime;
        dispute.answerer = msg.sender;
        dispute.phase = Phase.Answered;
        dispute.due = due;
        emit Answered(id, msg.sender, cum, asOf, root, due);
        _pull(dispute.token, dispute.bond);
    }

    // ---------------------------------------------------------------- the arbiter and the timelock

    /// @inheritdoc IDisputeCourt
    function rule(uint96 id, uint64 award, uint64 refund, uint64 burn, bytes32 reasons) external restricted {
        Dispute storage dispute = _in(id, Phase.Answered);
        require(block.timestamp <= dispute.due, Court_Over(id, dispute.due));
        require(uint256(award) + refund <= dispute.amount, Court_AboveAmount(uint256(award) + refund, dispute.amount));
        (, uint64 frozen,,,) = _book.freezeOf(id);
        require(award <= frozen, Court_AboveHeld(award, frozen));
        uint64 reserved = _vault.reserveOf(SLOT, id).amount;
        require(uint256(refund) + burn <= reserved, Court_AboveHeld(uint256(refund) + burn, reserved));

        uint32 due = uint32(block.timestamp) + vetoTime;
        dispute.award = award;
        dispute.refund = refund;
        dispute.burn = burn;
        dispute.phase = Phase.Ruled;
        dispute.due = due;
        emit Ruled(id, msg.sender, award, refund, burn, due, reasons);
    }

    /// @inheritdoc IDisputeCourt
    function veto(uint96 id) external restricted {
        Dispute storage dispute = _in(id, Phase.Ruled);
        require(block.timestamp <= dispute.due, Court_Over(id, dispute.due));
        dispute.phase = Phase.Ended;
        _creditBoth(dispute);
        _end(id, Outcome.Vetoed, 0, 0, 0);
    }

    // ---------------------------------------------------------------- the end

    /// @inheritdoc IDisputeCourt
    function conclude(uint96 id) external nonReentrant {
        Dispute storage dispute = _disputes[id];
        Phase phase = dispute.phase;
        require(phase != Phase.None && phase != Phase.Ended, Court_Phase(id, phase, Phase.Contested));
        require(block.timestamp > dispute.due, Court_Early(id, dispute.due));
        dispute.phase = Phase.Ended;
        if (phase == Phase.Contested) {
            // Whoever is silent is believed to have nothing to say; only the lease's own money answers for that.
            _credit(dispute.contester, dispute.token, dispute.bond);
            _end(id, Outcome.Silence, type(uint64).max, 0, 0);
        } else if (phase == Phase.Answered) {
            _creditBoth(dispute);
            _end(id, Outcome.Lapsed, 0, 0, 0);
        } else {
            (uint64 award, uint64 refund, uint64 burn) = (dispute.award, dispute.refund, dispute.burn);
            bool provider = award == 0 && refund == 0 && burn == 0;
            // The bond is at least the fee: bondFor.
            _credit(_params.feeReceiver(), dispute.token, dispute.fee);
            address winner = provider ? dispute.answerer : dispute.contester;
            _credit(winner, dispute.token, dispute.bond);
            _credit(winner, dispute.token, dispute.bond - dispute.fee);
            _end(id, provider ? Outcome.Provider : Outcome.Tenant, award, refund, burn);
        }
    }

    /// @inheritdoc IDisputeCourt
    function withdrawCredit(address account, uint8 token) external nonReentrant returns (uint128 amount) {
        amount = credits[account][token];
        require(amount != 0, Court_NoCredit(account, token));
        credits[account][token] = 0;
        emit CreditWithdrawn(account, token, amount);
        TokenInfo memory info = _params.tokenInfo(token);
        IERC20(info.asset).safeTransfer(account, uint256(amount) * info.scale);
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc IDisputeCourt
    function disputeOf(uint96 id) external view returns (Dispute memory) {
        return _disputes[id];
    }

    /// @inheritdoc IDisputeCourt
    function leaseBook() external view returns (address) {
        return address(_book);
    }

    /// @inheritdoc IDisputeCourt
    function stakeVault() external view returns (address) {
        return address(_vault);
    }

    /// @inheritdoc IDisputeCourt
    function params() external view returns (address) {
        return address(_params);
    }

    /// @inheritdoc IDisputeCourt
    function bondFor(uint8 token, uint64 amount) public view returns (uint64) {
        uint64 fee = _params.courtFee(token);
        // Rounded up; a tenth of 64 bits fits.
        uint64 tenth = amount / 10 + (amount % 10 == 0 ? 0 : 1);
        return fee > tenth ? fee : tenth;
    }

    // ---------------------------------------------------------------- internal

    /// @dev Rent of the contested seconds, once it is sure that the lease has paid for them and can be contested.
    function _contested(Terms calldata terms, bytes32 termsHash, uint32 fromCum, uint32 toCum)
        private
        view
        returns (uint64)
    {
        LeaseView memory lease = _book.leaseAt(uint32(terms.id >> 64), uint32(terms.id >> 32));
        // The book keeps the high 200 bits.
        require(
            lease.id == terms.id && lease.termsHash == (termsHash >> 56) << 56, Court_TermsMismatch(terms.id, termsHash)
        );
        // Closed by both, or never started: stopAt is zero, and the lane free.
        uint256 until = lease.stopAt == 0 ? 0 : uint256(lease.stopAt) + _vestEpoch;
        require(
            lease.state == LeaseState.Live || (lease.state == LeaseState.Closed && block.timestamp < until),
            Court_TooLate(terms.id, until)
        );
        require(fromCum < toCum && toCum <= lease.settled, Court_Seconds(fromCum, toCum, lease.settled));
        // Was paid out of a balance of 64 bits.
        return uint64(Rent.rentDown(toCum, terms.ratePerHour) - Rent.rentDown(fromCum, terms.ratePerHour));
    }

    /// @dev Holds back what can be: unvested money up to the contested rent, and stake up to the liability.
    function _hold(Terms calldata terms, uint64 amount) private returns (uint64 frozen, uint64 reserved) {
        (, uint128 vesting) = _book.earnings(uint32(terms.id >> 64), terms.token);
        if (vesting != 0) frozen = _book.freeze(terms, amount);
        reserved = _vault.reserve(SLOT, terms, type(uint64).max);
        require(frozen != 0 || reserved != 0, Court_NothingAtStake(terms.id));
    }

    /// @dev Gives what is held to whom it belongs now. Whatever book and vault have ended by themselves, or no longer let this
    /// court decide, is left to them: an end cannot be held up.
    function _end(uint96 id, Outcome outcome, uint64 award, uint64 refund, uint64 burn) private {
        uint64 awarded = 0;
        (, uint64 frozen, uint32 until,,) = _book.freezeOf(id);
        bool mine = _params.court() == address(this);
        if (frozen != 0 && mine && block.timestamp <= until) {
            awarded = award < frozen ? award : frozen;
            if (awarded != 0) _book.award(id, awarded);
            else _book.release(id);
        }
        uint64 refunded = 0;
        uint64 burnt = 0;
        if (_vault.reserveOf(SLOT, id).slasher == address(this)) {
            if (refund != 0 || burn != 0) (refunded, burnt) = _vault.slash(SLOT, id, refund, burn);
            else _vault.unreserve(SLOT, id);
        }
        emit Ended(id, outcome, awarded, refunded, burnt);
    }

    function _in(uint96 id, Phase needed) private view returns (Dispute storage dispute) {
        dispute = _disputes[id];
        require(dispute.phase == needed, Court_Phase(id, dispute.phase, needed));
    }

    function _hasRole(uint32 providerId, address key, uint8 roles) private view returns (bool) {
        (uint8 held, uint40 from,) = _book.keyOf(providerId, key);
        return held & roles != 0 && from <= block.timestamp;
    }

    function _creditBoth(Dispute storage dispute) private {
        _credit(dispute.contester, dispute.token, dispute.bond);
        _credit(dispute.answerer, dispute.token, dispute.bond);
    }

    function _credit(address account, uint8 token, uint64 amount) private {
        if (amount == 0) return;
        credits[account][token] += amount;
        emit Credited(account, token, amount);
    }

    function _pull(uint8 token, uint64 amount) private {
        TokenInfo memory info = _params.tokenInfo(token);
        IERC20 asset = IERC20(info.asset);
        uint256 asked = uint256(amount) * info.scale;
        uint256 before = asset.balanceOf(address(this));
        asset.safeTransferFrom(msg.sender, address(this), asked);
        uint256 received = asset.balanceOf(address(this)) - before;
        require(received == asked, Court_TransferMismatch(received, asked));
    }
}
