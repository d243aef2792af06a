// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {
    Bid,
    CloseKind,
    Freeze,
    Funding,
    KeyGrant,
    LeaseView,
    Offer,
    Order,
    OrderState,
    Provider,
    Reputation,
    StopBy,
    Terms,
    TokenInfo
} from "../types/Types.sol";

/// @title What the book says
/// @notice Events, from which all of its state can be rebuilt, and errors.
interface ILeaseBookBase {
    // ---------------------------------------------------------------- events: providers

    event ProviderRegistered(uint32 indexed providerId, address indexed owner, address payout);
    /// @notice A key may act from `from` on. `bidEpoch` goes into the bids it signs.
    event KeyAdded(uint32 indexed providerId, address indexed key, uint8 roles, uint40 from, uint32 bidEpoch);
    event KeyRemoved(uint32 indexed providerId, address indexed key, uint32 bidEpoch);
    /// @notice Bids signed by the key under a lower epoch are void.
    event BidsCancelled(uint32 indexed providerId, address indexed key, uint32 bidEpoch);
    /// @notice Earnings go to `payout` from `from` on.
    event PayoutSet(uint32 indexed providerId, address payout, uint40 from);
    /// @notice The provider's public address, and the SHA-256 of the public key (SPKI) its TLS certificate carries; two while
    /// it rotates; both zero: a publicly trusted certificate.
    event GatewaySet(uint32 indexed providerId, string url, bytes32 spki, bytes32 nextSpki);
    event FactsPublished(uint32 indexed providerId, bytes32 hash);
    event OffersPublished(uint32 indexed providerId, bytes32 hash);

    // ---------------------------------------------------------------- events: orders and bids

    /// @notice The book uses a token for the first time and remembers it for good.
    event TokenAdopted(uint8 indexed token, address indexed asset, uint64 scale, bool dollar);
    event OrderPosted(bytes32 indexed orderHash, address indexed tenant, Order order, bytes needs, string endpoint);
    /// @notice The deposit went to refundTo, or to its credit when the push failed.
    event OrderCancelled(bytes32 indexed orderHash, address indexed refundTo, uint64 refund, bool pushed);
    /// @notice `packedBid`: orderHash 32, providerId 4, bidEpoch 4, ratePerHour 6, bond 8, liability 8, deadline 5 bytes, then
    /// (lane 4, gen 4) for each lot, then the 65-byte signature. All big-endian.
    event BidPosted(bytes32 indexed orderHash, uint32 indexed providerId, bytes packedBid);
    /// @notice Bit k of `parts`: part k of the offer is taken.
    event OfferTaken(bytes32 indexed offerHash, uint32 indexed providerId, uint256 parts);

    // ---------------------------------------------------------------- events: leases

    /// @notice `deposit` is all of this lease's escrow, `holdback` the part of it kept for grace and early fee.
    event LeaseOpened(
        uint96 indexed id,
        address indexed tenant,
        bytes32 indexed orderHash,
        uint64 deposit,
        uint64 holdback,
        uint32 stopAt,
        Terms terms
    );
    event LeaseStarted(uint96 indexed id, uint32 startAt, uint32 stopAt, uint32 laneBase, bytes32 bindings);
    /// @notice A pending lease ended: declined by its provider, or expired (reason 4001). Each side lost `burn`.
    event LeaseDeclined(uint96 indexed id, uint16 reason, uint64 burn, uint64 refund, bool pushed);
    /// @notice `words` merge by lane-wise maximum into words firstWord, firstWord + 1, ...
    event Usage(uint32 indexed providerId, uint32 firstWord, uint40 asOf, bytes32 root, uint256[] words);
    /// @notice `rows`: lane 4, settled seconds 4, gross paid 8 bytes, big-endian, one for each lease that was paid. The lease
    /// is the last one opened on the lane before this event.
    event Settled(uint32 indexed providerId, bytes rows);
    /// @notice `gross - fee` was earned; vesting, or claimable at once because the tenant signed.
    event Earned(uint32 indexed providerId, uint8 indexed token, uint128 gross, uint128 fee, bool vesting);
    event ToppedUp(uint96 indexed id, address indexed payer, uint64 amount, uint64 balance);
    event Stopped(uint96 indexed id, StopBy stopBy, uint16 reason, uint32 stopAt);
    /// @notice The lease runs on other terms: `cumAt` seconds of the old ones were paid, `paid` micro-units for them now, and the
    /// count begins anew at `startAt` and `laneBase`. `holdback` is what the new terms keep beside `balance`.
    event Amended(
        uint96 indexed id,
        uint32 cumAt,
        uint64 paid,
        uint32 startAt,
        uint32 stopAt,
        uint32 laneBase,
        uint64 balance,
        uint64 holdback,
        Terms terms
    );
    /// @notice The lane's base was raised so that the lease's usage is `cum`.
    event Waived(uint96 indexed id, uint32 cum, uint32 laneBase);
    /// @notice The provider ended without full notice: credited to refundTo out of what is unvested.
    event Compensated(uint96 indexed id, uint64 amount);
    /// @notice `paid` is all rent paid under the terms, `earlyFee` and `fee` (protocol, of this last payment) beside it.
    event Closed(
        uint96 indexed id,
        CloseKind kind,
        uint32 cum,
        uint64 paid,
        uint64 earlyFee,
        uint64 fee,
        uint64 refund,
        bool pushed
    );

    // ---------------------------------------------------------------- events: disputes

    /// @notice The court keeps unvested money of this lease's provider, at most until the instant.
    event Frozen(uint96 indexed id, uint64 amount, uint32 until);
    /// @notice `toTenant` went to the lease's refundTo, or to its credit when the push failed; `toProvider` is claimable.
    event FreezeEnded(uint96 indexed id, uint64 toTenant, uint64 toProvider, bool pushed);

    // ---------------------------------------------------------------- events: money that leaves

    event Claimed(uint32 indexed providerId, uint8 indexed token, address indexed payout, uint128 amount);
    event Credited(address indexed account, uint8 indexed token, uint128 amount);
    event CreditWithdrawn(address indexed account, uint8 indexed token, address indexed to, uint128 amount);
    event FeesPushed(uint8 indexed token, address indexed receiver, uint128 amount);

    // ---------------------------------------------------------------- errors

    error Accept_Bond(uint64 bond, uint64 least);
    error Accept_Deadline(uint40 deadline);
    error Accept_DepositTooSmall(uint64 deposit, uint256 least);
    error Accept_Lanes(bytes32 lanesHash, bytes32 signedHash);
    error Accept_Lots(uint256 lanes, uint16 lots);
    error Accept_OrderMismatch(bytes32 orderHash, bytes32 inBid);
    error Accept_Rate(uint48 rate, uint48 most);
    error Accept_SignedPaid(uint80 signedPaid, uint64 least);
    error Amend_Cum(uint32 cum, uint32 settled, uint32 elapsed);
    error Amend_Deadline(uint40 deadline);
    error Amend_Fixed(uint96 id);
    error Amend_Funds(uint256 funds, uint256 needed);
    error Amend_Retired(bytes32 termsHash);
    error Amend_Signer(address signer);
    error Bid_Epoch(uint32 epoch, uint32 current);
    error Bid_Malformed(uint256 length);
    error Bid_Signer(uint32 providerId, address signer);
    error Claim_Nothing(uint32 providerId, uint8 token);
    error Close_CumBelowSettled(uint32 cum, uint32 settled);
    error Close_CumBeyondElapsed(uint32 cum, uint32 elapsed);
    error Close_Deadline(uint40 deadline);
    error Close_Signature(address signer);
    error Court_Only(address caller, address court);
    error Credit_Nothing(address account, uint8 token);
    error Fees_Nothing(uint8 token);
    error Fill_NotEligible(uint32 providerId);
    error Freeze_Amount(uint96 id, uint64 amount, uint64 frozen);
    error Freeze_None(uint96 id);
    error Freeze_Nothing(uint96 id);
    error Freeze_Over(uint96 id, uint32 until);
    error Freeze_Pending(uint96 id, uint32 until);
    error Freeze_TooLate(uint96 id, uint256 until);
    error Fund_Deadline(uint40 deadline);
    error Fund_NotCaller(address funder, address caller);
    error Fund_SignatureLength(uint256 length);
    error Fund_Signer(address funder, address signer);
    error Key_Denied(uint32 providerId, address caller, uint8 role);
    error Key_Exists(uint32 providerId, address key);
    error Key_Invalid(address key, uint8 roles);
    error Key_Unknown(uint32 providerId, address key);
    error Lane_Busy(uint32 providerId, uint32 lane, uint256 freeFrom);
    error Lane_Gen(uint32 lane, uint32 generation, uint32 expected);
    error Lease_Early(uint96 id, uint256 from);
    error Lease_GraceNotReached(uint96 id, uint32 unpaid, uint32 grace);
    error Lease_Late(uint96 id, uint32 until);
    error Lease_NotLive(uint96 id, uint8 state);
    error Lease_NotPending(uint96 id, uint8 state);
    error Lease_NotParty(uint96 id, address caller);
    error Lease_Stopped(uint96 id, uint32 stopAt);
    error Lease_TermsMismatch(uint96 id, bytes32 termsHash);
    error Order_Climb(uint48 startRate, uint48 maxRate);
    error Order_Commitment(uint32 minCommit, uint16 earlyFeeBps);
    error Order_Deposit(uint64 deposit, uint16 lots);
    error Order_Duration(uint32 duration, uint32 limit);
    error Order_EndpointHash(bytes32 given, bytes32 expected);
    error Order_Expiry(uint32 expiry, uint256 from, uint256 until);
    error Order_Flags(uint8 flags);
    error Order_Form(uint8 form);
    error Order_Known(bytes32 orderHash);
    error Order_Malformed();
    error Order_NeedsHash(bytes32 given, bytes32 expected);
    error Order_NotExpired(uint32 expiry);
    error Order_NotOpen(bytes32 orderHash, uint8 state);
    error Order_NotTenant(address caller);
    error Order_TokenClosed(uint8 token);
    error Order_TooLong(uint256 length, uint256 limit);
    error Order_ZeroAddress();
    error Deposit_Mismatch(uint256 received, uint256 asked);
    error Opening_Paused();
    error Provider_NotOwner(uint32 providerId, address caller);
    error Provider_ZeroAddress();
    error Provider_UrlLength(uint256 length, uint256 limit);
    error Refund_GasTooLow(uint256 gas, uint256 least);
    error Report_Empty();
    error Report_GuardBit(uint32 lane);
    error Report_JumpTooFar(uint32 lane, uint32 rise);
    error Report_WordRange(uint256 firstWord, uint256 count);
    error Start_Base(uint32 base, uint32 least, uint256 most);
    error Stop_Deadline(uint40 deadline);
    error Take_Class(bytes32 class, bytes32 offered);
    error Take_Duration(uint32 duration, uint32 limit);
    error Take_NotAdmitted(address tenant);
    error Take_Notice(uint32 notice, uint32 most);
    error Take_Part(bytes32 offerHash, uint256 part, uint16 count);
    error Take_Token(uint8 token, uint8 offered);
    error TopUp_TooSmall(uint64 amount, uint64 least);
    error TopUp_TooLarge(uint64 amount, uint64 balance);
    error Vault_NamesOtherBook(address vault);
    error Voucher_Cum(uint32 cum, uint32 settled, uint32 elapsed);
    error Voucher_Dry(uint96 id);
    error Voucher_Signer(address signer);
    error Waive_Cum(uint32 cum, uint32 least, uint32 current);
    error Windows_Invalid(uint32 finalReports, uint32 vestEpoch);
}

/// @title What the book's own code does
/// @notice The calls made often. See ILeaseBook.
interface ILeaseBookCore is ILeaseBookBase {
    // ---------------------------------------------------------------- orders and bids

    /// @notice Posts an order and pulls its deposit from the caller's allowance.
    /// @dev Requirements: caller is tenant or agent; form 0 with startRate = climb = 0, or form 1 with startRate <= maxRate,
    /// maxRate >= 1 and climb at most a day; posting open for the token; deposit > 0 and a multiple of lots >= 1;
    /// 1 <= minDuration <= maxDuration <= 2^30; minCommit <= maxDuration; earlyFeeBps <= 10,000; 1 <= startWindow; now < expiry
    /// <= now + 1 day; needs at most 4,096 bytes with keccak256 = needsHash; endpoint at most 256 bytes with keccak256 =
    /// endpointHash (both empty: none); hash never used before; the token moves exactly the deposit.
    function postOrder(Order calldata order, bytes calldata needs, string calldata endpoint)
        external
        returns (bytes32 orderHash);
    /// @notice Posts an order that somebody else pays for, or sends.
    /// @param signature over Order by tenant or agent; empty when the caller is one
    /// @param funding who pays the deposit. The funder is the caller, or signed for this order: then the order's own refundTo
    /// holds, which the signature covers
    /// @dev Requirements: as postOrder; the funding's signature by the funder. A permit that fails is no failure, as long as
    /// the allowance is there.
    function postOrderSigned(
        Order calldata order,
        bytes calldata needs,
        string calldata endpoint,
        bytes calldata signature,
        Funding calldata funding
    ) external returns (bytes32 orderHash);
    /// @notice Puts a signed bid on the bulletin: nothing is stored. The caller is a key of the provider that may bid (its
    /// transaction answers for the bid; the signature is then checked by readers and at accept), or anyone, and then the
    /// signature is recovered here.
    /// @param packedBid see BidPosted
    function publishBid(bytes calldata packedBid) external;
    /// @notice Opens the order's leases on the terms of a bid. Tenant or agent only.
    /// @param lanes lane << 32 | gen for each lot, as signed in the bid
    /// @param signature by a key of the provider that may bid
    /// @dev Requirements: order open and unexpired; opening not paused; bid for this order, within its deadline, of the key's
    /// epoch; rate >= 1 and <= maxRate where that is set; bond >= minBond; signedPaid >= minSignedPaid; one lane a lot, each
    /// free, gen = last + 1; deposit covers holdback and minDuration; enough free stake.
    function accept(Order calldata order, Bid calldata bid, uint64[] calldata lanes, bytes calldata signature) external;
    /// @notice The same, sent by anyone for tenant or agent.
    /// @param deadline of the tenant's signature
    /// @param tenantSignature over Accept by tenant or agent
    function acceptSigned(
        Order calldata order,
        Bid calldata bid,
        uint64[] calldata lanes,
        bytes calldata signature,
        uint40 deadline,
        bytes calldata tenantSignature
    ) external;
    /// @notice Opens a dutch order's leases at the rate of this moment. The first key that may bid wins.
    /// @param lanes lane << 32 | gen for each lot
    /// @param bond per lot, at least the order's minBond
    /// @param liability per lot
    /// @param proof that `eligible` holds the provider; empty when anyone may fill
    /// @dev Requirements: order open, unexpired and dutch; as accept for lanes, deposit, signedPaid and stake. That the order is
    /// still open is asked first.
    function fill(
        Order calldata order,
        uint32 providerId,
        uint64[] calldata lanes,
        uint64 bond,
        uint64 liability,
        bytes32[] calldata proof
    ) external;
    /// @notice Opens the order's leases on a provider's standing offer. Tenant or agent only.
    /// @param parts one k < count a lot, none taken before; part k is lane firstLane + k, in its next generation
    /// @param signature over Offer by a key of the provider that may bid
    /// @param proof that `tenants` holds the tenant; empty when anyone may take
    /// @dev Requirements: order open and unexpired; offer within its deadline, of the key's epoch, for the order's token and
    /// class; minDuration, maxDuration and notice within the offer's; as accept for rate, bond, lanes, deposit and stake.
    function take(
        Order calldata order,
        Offer calldata offer,
        uint8[] calldata parts,
        bytes calldata signature,
        bytes32[] calldata proof
    ) external;

    // ---------------------------------------------------------------- leases

    /// @notice Starts the clock of a pending lease and releases the bond. A key of the provider that may start.
    /// @param base the lane counts from here: at least its value and at least anything ever signed for it
    /// @param bindings hash of what was bound to the lease (devices, pods)
    function start(Terms calldata terms, uint32 base, bytes32 bindings) external;
    /// @notice Raises lanes, by less than 2^17 seconds each. A key that may report.
    /// @param firstWord index of the first word
    /// @param asOf the instant the counts are for
    /// @param root Merkle root over the evidence
    /// @param words eight lanes each
    function report(uint32 providerId, uint32 firstWord, uint40 asOf, bytes32 root, uint256[] calldata words) external;
    /// @notice Turns usage into earnings. Anyone may; lanes that are not live are skipped.
    function settle(uint32 providerId, uint32[] calldata lanes) external;
    /// @notice Ends a lease now. Tenant or agent: the early fee is due. A key that may start: the provider's fault, the notice
    /// that is missing is compensated.
    function stop(Terms calldata terms, uint16 reason) external;
    /// @notice Closes a lease once reports can no longer change it, and returns what is left. Anyone may.
    function finalize(Terms calldata terms) external;
    /// @notice Closes a lease as both sides signed it: `cum` seconds are paid and claimable at once, the rest returns at once.
    /// @param cum final seconds; 0 for a pending lease
    /// @param deadline of both signatures
    /// @param providerSignature over Close by a key that may start; empty when the caller is one
    /// @param tenantSignature over Close by tenant or agent; empty when the caller is one
    function closeBoth(
        Terms calldata terms,
        uint32 cum,
        uint40 deadline,
        bytes calldata providerSignature,
        bytes calldata tenantSignature
    ) external;

    // ---------------------------------------------------------------- money that leaves

    /// @notice Pays what is claimable to the provider's payout address. Anyone may.
    function claim(uint32 providerId, uint8 token) external returns (uint128 amount);

    // ---------------------------------------------------------------- views

    /// @notice The code of the rest of ILeaseBook, made by the book itself and run on the book's storage.
    function extension() external view returns (address);
}

/// @title What the book's extension does
/// @notice The calls made rarely, and views. See ILeaseBook.
interface ILeaseBookExtension is ILeaseBookBase {
    // ---------------------------------------------------------------- providers

    /// @notice Registers the caller as the owner of a new provider. These keys may act at once.
    /// @param payout where earnings go
    /// @param keys hot keys and their roles; may be empty
    /// @param gatewayUrl public address of the provider; may be empty
    /// @param spki SHA-256 of the gateway's public key; zero for a publicly trusted certificate
    function register(address payout, KeyGrant[] calldata keys, string calldata gatewayUrl, bytes32 spki)
        external
        returns (uint32 providerId);
    /// @notice Adds a key, or changes its roles; it may act in one day. Owner only.
    function addKey(uint32 providerId, address key, uint8 roles) external;
    /// @notice Removes a key at once and voids the bids it signed. Owner, or the key itself.
    function removeKey(uint32 providerId, address key) external;
    /// @notice Voids all bids a key has signed. Owner, or the key itself.
    function cancelAllBids(uint32 providerId, address key) external;
    /// @notice Changes where earnings go, in two days. Owner only.
    function setPayout(uint32 providerId, address payout) external;
    /// @notice Publishes the provider's address. Owner only.
    function setGateway(uint32 providerId, string calldata url, bytes32 spki, bytes32 nextSpki) external;
    /// @notice Publishes the hash of the facts document. Owner or a key that may bid.
    function publishFacts(uint32 providerId, bytes32 hash) external;
    /// @notice Publishes the hash of the standing offers. Owner or a key that may bid.
    function publishOffers(uint32 providerId, bytes32 hash) external;

    // ---------------------------------------------------------------- orders

    /// @notice Ends an order and returns its deposit to refundTo. Tenant or agent; after its expiry anyone.
    function cancelOrder(Order calldata order) external;

    // ---------------------------------------------------------------- leases

    /// @notice Ends a pending lease; both sides burn the rent of the time it lasted, at most the bond. A key that may start.
    function decline(Terms calldata terms, uint16 reason) external;
    /// @notice The same after the last second to start, by anyone.
    function expire(Terms calldata terms) external;
    /// @notice Adds money to a live lease from the caller's allowance. Anyone may; it moves no clock.
    function topUp(Terms calldata terms, uint64 amount) external;
    /// @notice Ends a lease after the agreed notice. A key that may start.
    function notice(Terms calldata terms, uint16 reason) external;
    /// @notice Ends a lease whose unpaid seconds have reached its grace. A key that may start.
    function evict(Terms calldata terms) external;
    /// @notice Pays up to `cum` seconds as the tenant signed, claimable at once; what no report has counted yet too. Anyone may.
    /// @param cum above what is settled, at most the seconds the lease has run
    /// @param signature over Voucher by tenant or agent; empty when the caller is one
    /// @dev Emits Settled and Earned.
    function redeem(Terms calldata terms, uint32 cum, bytes calldata signature) external;
    /// @notice The tenant's stop, sent by anyone.
    /// @param deadline of the signature
    /// @param signature over Stop by tenant or agent
    function stopSigned(Terms calldata terms, uint16 reason, uint40 deadline, bytes calldata signature) external;
    /// @notice Puts a lease that has not reached its end on other terms: pays `cumAt` seconds at the old ones, claimable at
    /// once, and begins the count anew now. Anyone may send it.
    /// @param newTerms same id, order, tenant, agent, refundTo, token, fee and bond; bounds as of an order; never terms that
    /// this lease had before
    /// @param cumAt agreed seconds, from what is settled to the seconds the lease has run
    /// @param deadline of both signatures
    /// @param providerSignature over Amend by a key that may start; empty when the caller is one
    /// @param tenantSignature over Amend by tenant or agent; empty when the caller is one
    function amend(
        Terms calldata oldTerms,
        Terms calldata newTerms,
        uint32 cumAt,
        uint40 deadline,
        bytes calldata providerSignature,
        bytes calldata tenantSignature
    ) external;
    /// @notice Bills less: usage becomes `cum`. A key that may start.
    function waive(Terms calldata terms, uint32 cum) external;

    // ---------------------------------------------------------------- disputes

    /// @notice Keeps at most `amount` of what the lease has paid and its provider has not vested, for at most 21 days. Only the
    /// court that Params names; while the lease lives, and until its lane may be reused.
    /// @return frozen what was found
    function freeze(Terms calldata terms, uint64 amount) external returns (uint64 frozen);
    /// @notice Gives it all back to the provider. The court; after the 21 days anyone.
    function release(uint96 id) external;
    /// @notice Sends `amount` of it to the lease's refundTo, the rest back to the provider. The court, within the 21 days.
    function award(uint96 id, uint64 amount) external;

    // ---------------------------------------------------------------- money that leaves

    /// @notice Pays the caller's credit out.
    function withdrawCredit(uint8 token, address to) external returns (uint128 amount);
    /// @notice Sends fees to the receiver that Params names. Anyone may.
    function pushFees(uint8 token) external returns (uint128 amount);

    // ---------------------------------------------------------------- views

    /// @notice How many providers there are; ids are 1 to this.
    function providerCount() external view returns (uint32);
    function providerOf(uint32 providerId) external view returns (Provider memory);
    function ownerOf(uint32 providerId) external view returns (address);
    /// @notice Where earnings go now.
    function payoutOf(uint32 providerId) external view returns (address);
    /// @notice The domain that signatures are over, on this chain.
    function domainSeparator() external view returns (bytes32);
    /// @notice The same in its parts (ERC-5267).
    function eip712Domain()
        external
        view
        returns (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chainId,
            address verifyingContract,
            bytes32 salt,
            uint256[] memory extensions
        );
    /// @notice A key's roles, the instant they hold from, and its bid epoch.
    function keyOf(uint32 providerId, address key) external view returns (uint8 roles, uint40 from, uint32 bidEpoch);
    function reputation(uint32 providerId) external view returns (Reputation memory);
    function orderOf(bytes32 orderHash)
        external
        view
        returns (OrderState state, uint64 amount, uint8 token, uint32 expiry, uint32 postedAt);
    /// @notice The last lease opened on a lane.
    function leaseAt(uint32 providerId, uint32 lane) external view returns (LeaseView memory);
    /// @notice The two stored words of a lane's lease.
    function leaseWords(uint32 providerId, uint32 lane) external view returns (uint256 hot, uint256 stat);
    /// @notice Eight lanes.
    function laneWord(uint32 providerId, uint32 word) external view returns (uint256);
    /// @notice What could be claimed now, and what still vests.
    function earnings(uint32 providerId, uint8 token) external view returns (uint128 claimable, uint128 vesting);
    /// @notice What the court keeps of the provider's, in all its leases.
    function frozenOf(uint32 providerId, uint8 token) external view returns (uint128);
    function freezeOf(uint96 id) external view returns (Freeze memory);
    /// @notice Bit k: part k of the offer is taken.
    function offerTaken(bytes32 offerHash) external view returns (uint256);
    function credits(address account, uint8 token) external view returns (uint128);
    function fees(uint8 token) external view returns (uint128);
    /// @notice A token the book has used; zero when it has not.
    function tokenOf(uint8 token) external view returns (TokenInfo memory);
    function finalReports() external view returns (uint32);
    function vestEpoch() external view returns (uint32);
    function params() external view returns (address);
    function stakeVault() external view returns (address);
    function hashOrder(Order calldata order) external pure returns (bytes32);
    function hashBid(Bid calldata bid) external pure returns (bytes32);
    function hashOffer(Offer calldata offer) external pure returns (bytes32);
    function hashTerms(Terms calldata terms) external pure returns (bytes32);
}

/// @title LeaseBook
/// @notice Holds tenants' deposits and providers' earnings, and opens, meters and closes leases. An order's deposit can only
/// become a lease on terms computed from that order and from a bid, an offer or a fill of a key of that provider, and never
/// without the tenant's own consent. No role moves money, opens leases or pauses what runs. Immutable.
/// @dev Amounts in micro-units, rates in micro-units an hour, times in seconds. Lane l of a provider is bits 32*(l mod 8) and
/// up of word l/8. Signatures are over the EIP-712 domain ("Leaseport", "1"): 65 bytes of a key, with low s, or, in any other
/// length, the 20 bytes of a contract wallet's address and what that wallet asks for (ERC-1271).
interface ILeaseBook is ILeaseBookCore, ILeaseBookExtension {}
