// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// What tenants and providers sign, and what the book computes from it.
//
// Units, everywhere: money in micro-units of the token (10^-6 of one token, whatever its own decimals); rates in micro-units
// per hour; durations in seconds, at most 2^30; instants in Unix seconds.

/// @notice A tenant's funded wish. Everything but `deposit` is per lot; `deposit` is what all lots together put into escrow.
/// @dev Its id is its EIP-712 struct hash (without the domain, so that an order stays reachable when a chain forks).
struct Order {
    /// who owns the order and its leases
    address tenant;
    /// may act for the tenant; may be zero; can never change where money returns to
    address agent;
    /// who receives what is left of the deposit
    address refundTo;
    /// 0 auction: the tenant accepts a bid; 1 dutch: the first provider to fill wins, at the rate of that moment. A tenant may
    /// take a standing offer with either
    uint8 form;
    /// index into the token list of Params
    uint8 token;
    /// bit 0: reserved (else metered); bit 1: interruptible
    uint8 flags;
    /// identical parts, all at one provider, all or nothing
    uint16 lots;
    /// dutch only: the rate at posting
    uint48 startRate;
    /// the most a lot may cost in an hour; 0 in an auction: not said
    uint48 maxRate;
    /// dutch only: seconds from startRate to maxRate
    uint32 climb;
    /// for all lots together; a multiple of `lots`
    uint64 deposit;
    /// the deposit must cover this long at the bid's rate
    uint32 minDuration;
    /// a lease ends by itself after this long
    uint32 maxDuration;
    /// commitment against which the early fee is counted
    uint32 minCommit;
    /// share of the rent of the missing commitment, in 1/10,000
    uint16 earlyFeeBps;
    /// how long before the end a provider must say so
    uint32 notice;
    /// unpaid seconds after which the provider may evict; held back from the deposit, so they are paid
    uint32 grace;
    /// how long the provider may take from the opening to the start
    uint32 startWindow;
    /// the least bond a bid must name
    uint64 minBond;
    /// the least the provider must have been paid under tenants' signatures
    uint64 minSignedPaid;
    /// until when the order stands; at most a day after posting
    uint32 expiry;
    /// hash of the service level policy; 0: none
    bytes32 slaPolicy;
    /// keccak256 of the needs document, whose bytes are in the event
    bytes32 needsHash;
    /// keccak256 of the (salted) manifest
    bytes32 manifestHash;
    /// Merkle root of the ids of providers who may fill (OpenZeppelin's standard tree of one uint32); 0: anyone
    bytes32 eligible;
    /// keccak256 of the bid endpoint, whose bytes are in the event; 0: none
    bytes32 endpointHash;
    /// makes the order unique
    bytes32 salt;
}

/// @notice A provider's signed price for an order. Per lot: rate, bond, liability.
struct Bid {
    /// struct hash of the order
    bytes32 orderHash;
    uint32 providerId;
    /// epoch of the signing key; raised by cancelAllBids
    uint32 bidEpoch;
    /// keccak256 of (lane32, gen32) packed, one pair a lot
    bytes32 lanesHash;
    uint48 ratePerHour;
    /// what the provider may lose when it does not start, per lot
    uint64 bond;
    /// what the provider may lose in a dispute, per lot
    uint64 liability;
    /// until when the signature holds
    uint40 deadline;
}

/// @notice A provider's standing price for a class of work: whoever takes part k < count gets lane firstLane + k. Per part:
/// rate, bond, liability.
/// @dev Its id is its EIP-712 struct hash. Ends by its deadline, or by cancelAllBids of the key that signed it.
struct Offer {
    /// keccak256 of the ABI encoding of (needsHash, slaPolicy, flags) of the orders that may take it: what the provider
    /// consents to run
    bytes32 classHash;
    uint32 providerId;
    /// epoch of the signing key; raised by cancelAllBids
    uint32 bidEpoch;
    uint32 firstLane;
    /// parts, 1 to 256
    uint16 count;
    uint8 token;
    uint48 ratePerHour;
    /// what the provider may lose when it does not start, per part
    uint64 bond;
    /// what the provider may lose in a dispute, per part
    uint64 liability;
    /// the least minDuration of an order that takes it: the deposit covers it
    uint32 minDuration;
    /// the most maxDuration of an order that takes it
    uint32 maxDuration;
    /// the longest notice it promises
    uint32 notice;
    /// Merkle root of the tenants who may take it (OpenZeppelin's standard tree of one address); 0: anyone
    bytes32 tenants;
    /// until when the signature holds
    uint40 deadline;
    /// makes the offer unique
    bytes32 salt;
}

/// @notice Where the deposit of an order comes from.
enum FundBy {
    /// the caller's allowance
    Caller,
    /// the caller's permit (ERC-2612) of exactly the deposit, then its allowance
    Permit,
    /// the allowance of a funder who signed Fund for this order
    Fund,
    /// a funder's ERC-3009 authorization whose nonce is the order's hash
    Authorization
}

/// @notice Who pays an order's deposit, and the proof that it wants to. The order names where what is left returns to, and the
/// funder sends or signs for that very order.
struct Funding {
    FundBy by;
    /// the caller, unless it is Fund or Authorization
    address funder;
    /// of the permit, the Fund, or the authorization (its validBefore); nothing for Caller
    uint40 deadline;
    /// of the permit, the Fund, or the authorization; empty for Caller
    bytes signature;
}

/// @notice Money of one disputed lease, kept from its provider for a time.
struct Freeze {
    /// who gets what is awarded
    address refundTo;
    uint64 amount;
    /// after this instant anyone may give it back to the provider; 0: nothing was ever frozen
    uint32 until;
    /// all that was ever frozen of this lease, returned or not: never above what it paid
    uint64 total;
    uint8 token;
}

/// @notice What a lease runs on, computed by the book from an order and a bid or an offer. The book keeps the high 200 bits of its hash
/// (keccak256 of its ABI encoding); every later call passes the terms back.
struct Terms {
    /// providerId32 | lane32 | gen32
    uint96 id;
    bytes32 orderHash;
    address tenant;
    address agent;
    address refundTo;
    uint8 token;
    uint8 flags;
    /// protocol fee in steps of 10 bps
    uint8 feeSteps;
    uint48 ratePerHour;
    uint64 bond;
    uint64 liability;
    uint32 maxDuration;
    uint32 minCommit;
    uint16 earlyFeeBps;
    uint32 notice;
    uint32 grace;
    bytes32 slaPolicy;
    bytes32 needsHash;
    bytes32 manifestHash;
}

/// @notice A hot key of a provider and what it may do.
struct KeyGrant {
    address key;
    /// bit 0: bid; bit 1: start, decline, stop, close; bit 2: report
    uint8 roles;
}

/// @notice One listed token.
struct TokenInfo {
    address asset;
    /// units of the asset in one micro-unit: 10^(decimals - 6)
    uint64 scale;
    /// counts in reputation as dollars
    bool dollar;
}

/// @notice A provider's record.
struct Provider {
    /// cold key: keys, payout, gateway, unbonding
    address owner;
    /// instants of the last publication, 0 when never: where a client without an indexer looks for the event
    uint32 factsAt;
    uint32 offersAt;
    uint32 gatewayAt;
    /// where earnings go
    address payout;
    /// from when `nextPayout` holds; 0 when no change waits
    uint40 nextPayoutFrom;
    address nextPayout;
}

/// @notice What became of a provider's leases. Counters stop at their maximum. Money in micro-dollars of dollar tokens.
struct Reputation {
    uint16 started;
    uint16 declined;
    uint16 expiredPending;
    uint16 stoppedByTenant;
    uint16 noticeGiven;
    uint16 faulted;
    uint80 paid;
    /// the part of `paid` that tenants signed for
    uint80 signedPaid;
}

/// @notice State of an order in storage.
enum OrderState {
    None,
    Open,
    Accepted,
    Cancelled
}

/// @notice State of a lease in storage. Active, Stopped, Dry and Expired are derived, never stored.
enum LeaseState {
    None,
    Pending,
    Live,
    Closed
}

/// @notice Who ended a lease; the first to stop keeps it.
enum StopBy {
    EndReached,
    TenantOrFunds,
    ProviderNotice,
    ProviderFault
}

/// @notice How a lease closed.
enum CloseKind {
    Finalized,
    Agreed
}

/// @notice A lease as stored, unpacked.
struct LeaseView {
    uint96 id;
    LeaseState state;
    StopBy stopBy;
    uint8 feeSteps;
    uint8 token;
    uint32 laneBase;
    uint32 settled;
    uint32 startAt;
    uint32 stopAt;
    uint48 ratePerHour;
    uint64 balance;
    /// high 200 bits of keccak256 of the terms, the rest zero
    bytes32 termsHash;
    uint32 openedAt;
    /// the lane's cumulative billable seconds
    uint32 lane;
}
