//! The deployed bytecode: who is in the market, how an act of the model becomes a call, and what the contracts say they hold.

use std::collections::BTreeMap;

use alloy::{
    primitives::{Address, B256, Bytes, U256, address, hex, keccak256},
    sol_types::{SolCall, SolConstructor, SolStruct},
};
use leaseport::{
    chain_io::bindings::{LeaseBook, Lens, Params, StakeVault, TestDollar},
    core::{
        book::{KeyRoles, Windows},
        documents::{acts::Close, acts::seconds40, signing},
        escrow::{Act, Escrow, Policy, TokenPolicy},
        ids::ChainId,
        time::ChainSeconds,
    },
};
use leaseport_evm::{Chain, Failure, Key};

pub(crate) const CHAIN: ChainId = ChainId(31_337);
pub(crate) const BEGIN: u64 = 1_800_000_000;
pub(crate) const F: u32 = 100;
pub(crate) const W: u32 = 1000;
pub(crate) const FEE_STEPS: u8 = 25;
pub(crate) const TREASURY: Address = Address::repeat_byte(0x74);
/// Whom the second token refuses to pay.
pub(crate) const UNWILLING: Address = Address::repeat_byte(0xbb);
pub(crate) const WILLING: Address = Address::repeat_byte(0xaa);
const DEPLOYER: Address = Address::repeat_byte(0xde);
const SHIM: Address = address!("00000000000000000000000000000000000051f7");
pub(crate) const NEEDS: &[u8] = br#"{"gpu":{"count":1},"version":1}"#;

/// Everybody, by what they are at the beginning.
pub(crate) struct People {
    pub(crate) tenants: [Key; 2],
    pub(crate) agent: Key,
    pub(crate) owners: [Key; 2],
    pub(crate) bidders: [Key; 2],
    pub(crate) operators: [Key; 2],
    pub(crate) stranger: Key,
}

impl People {
    fn new() -> Self {
        let key = |number: u64| Key::new(B256::from(U256::from(number))).unwrap();
        Self {
            tenants: [key(11), key(12)],
            agent: key(21),
            owners: [key(31), key(32)],
            bidders: [key(41), key(42)],
            operators: [key(51), key(52)],
            stranger: key(61),
        }
    }

    pub(crate) fn all(&self) -> Vec<&Key> {
        let groups = [&self.tenants, &self.owners, &self.bidders, &self.operators];
        let mut all: Vec<&Key> = groups.into_iter().flatten().collect();
        all.push(&self.agent);
        all.push(&self.stranger);
        all
    }

    pub(crate) fn key(&self, address: Address) -> Option<&Key> {
        self.all().into_iter().find(|key| key.address() == address)
    }
}

/// The contracts on a chain.
pub(crate) struct Market {
    pub(crate) chain: Chain,
    pub(crate) book: Address,
    pub(crate) vault: Address,
    pub(crate) params: Address,
    pub(crate) tokens: [Address; 2],
    /// Units of each token in a micro-unit.
    pub(crate) scales: [u128; 2],
    pub(crate) domain: B256,
}

fn creation<C: SolConstructor>(code: &Bytes, arguments: &C) -> Bytes {
    [code.as_ref(), &arguments.abi_encode()].concat().into()
}

/// A token with 18 decimals in front of the test dollar's code, on storage of its own, which reverts when it should pay `refused`.
fn shim(behind: Address, refused: Address) -> Bytes {
    let code = [
        // selector
        &hex!("5f3560e01c")[..],
        // decimals() is 18
        &hex!("8063313ce567146071 57"),
        // transfer(refused, ..) reverts
        &hex!("63a9059cbb1460043573"),
        refused.as_slice(),
        &hex!("1416606957"),
        // all else is the dollar's
        &hex!("365f5f375f5f365f73"),
        behind.as_slice(),
        &hex!("5af43d5f5f3e606d57"),
        // 0x60: revert with what came back
        &hex!("3d5ffd"),
    ]
    .concat();
    // Targets: 0x69 refuses, 0x6d returns, 0x71 answers decimals.
    let mut code = code;
    assert!(code.len() <= 0x69, "{}", code.len());
    code.resize(0x69, 0xfe);
    code.extend(hex!("5b5f5ffd5b3d5ff35b60125f5260205ff3"));
    code.into()
}

impl Market {
    /// Deploys as `market deploy` does, lists two tokens and makes everybody rich.
    pub(crate) fn deploy(people: &People) -> (Self, Escrow) {
        let mut chain = Chain::new(CHAIN.0, BEGIN);
        let mut create = |code| chain.create(DEPLOYER, code).unwrap();
        let params = create(creation(
            &Params::BYTECODE,
            &Params::constructorCall {
                owner: DEPLOYER,
                feeReceiver_: TREASURY,
                guardian_: DEPLOYER,
                feeSteps: FEE_STEPS,
            },
        ));
        let dollar = create(TestDollar::BYTECODE.clone());
        let _lens = create(Lens::BYTECODE.clone());
        // The fourth and fifth contracts of this key: nonces count though they are not checked.
        let book = DEPLOYER.create(4);
        let vault = create(creation(
            &StakeVault::BYTECODE,
            &StakeVault::constructorCall {
                leaseBook_: book,
                params_: params,
                finalReports: F,
                vestEpoch: W,
            },
        ));
        let made = create(creation(
            &LeaseBook::BYTECODE,
            &LeaseBook::constructorCall {
                params_: params,
                stakeVault_: vault,
                finalReports_: F,
                vestEpoch_: W,
            },
        ));
        assert_eq!(made, book);
        chain.place(SHIM, shim(dollar, UNWILLING));
        let tokens = [dollar, SHIM];
        let scales = [1, 1_000_000_000_000];
        for (asset, dollar) in tokens.into_iter().zip([true, false]) {
            let list = Params::listTokenCall { asset, dollar };
            chain.call(DEPLOYER, params, list.abi_encode().into()).unwrap();
            for person in people.all() {
                // Of every token 2^100 micro-units, and both contracts may take them.
                let mint = TestDollar::mintCall {
                    to: person.address(),
                    amount: rich() * U256::from(scales[1]),
                };
                chain.call(DEPLOYER, asset, mint.abi_encode().into()).unwrap();
                for spender in [book, vault] {
                    let approve = TestDollar::approveCall {
                        spender,
                        value: U256::MAX,
                    };
                    chain
                        .call(person.address(), asset, approve.abi_encode().into())
                        .unwrap();
                }
            }
        }
        let domain = signing::domain(CHAIN, book).separator();
        let policy = Policy {
            fee_steps: FEE_STEPS,
            paused_until: ChainSeconds(0),
            tokens: BTreeMap::from([
                (
                    0,
                    TokenPolicy {
                        takes_orders: true,
                        dollar: true,
                    },
                ),
                (
                    1,
                    TokenPolicy {
                        takes_orders: true,
                        dollar: false,
                    },
                ),
            ]),
            fee_receiver: TREASURY,
        };
        let windows = Windows {
            final_reports: F,
            vest_epoch: W,
        };
        let mut model = Escrow::new(windows, book, policy);
        model.unwilling.insert((1, UNWILLING));
        let market = Self {
            chain,
            book,
            vault,
            params,
            tokens,
            scales,
            domain,
        };
        (market, model)
    }

    /// The same market on a chain of its own.
    pub(crate) fn branch(&self) -> Self {
        Self {
            chain: self.chain.branch(),
            ..*self
        }
    }

    /// What somebody holds of a token, in its own units; read from storage (slot 0 of the test dollar), which setup compares with the view.
    pub(crate) fn balance(&mut self, token: usize, holder: Address) -> U256 {
        let slot = Chain::member(U256::from_be_slice(holder.as_slice()), U256::ZERO);
        self.chain.storage(self.tokens[token], slot).unwrap()
    }

    pub(crate) fn ask<C: SolCall>(&mut self, to: Address, call: &C) -> C::Return {
        let answer = self.chain.view(DEPLOYER, to, call.abi_encode().into()).unwrap();
        C::abi_decode_returns(&answer).unwrap()
    }

    /// Pauses or ends the pause of posting and opening.
    pub(crate) fn set_pause(&mut self, on: Pause) -> Result<(), Failure> {
        let data = match on {
            Pause::Begin => Params::pauseCall {}.abi_encode(),
            Pause::End => Params::unpauseCall {}.abi_encode(),
        };
        self.chain.call(DEPLOYER, self.params, data.into()).map(|_| ())
    }

    /// Changes the fee of new leases.
    pub(crate) fn set_fee(&mut self, steps: u8) {
        let call = Params::setFeeCall { feeSteps: steps };
        self.chain
            .call(DEPLOYER, self.params, call.abi_encode().into())
            .unwrap();
    }

    fn digest(&self, act: &impl SolStruct) -> B256 {
        self.digest_of(act.eip712_hash_struct())
    }

    fn digest_of(&self, hash: B256) -> B256 {
        keccak256([&[0x19, 0x01], &self.domain[..], &hash[..]].concat())
    }

    fn signed(&self, people: &People, signer: Option<Address>, hash: B256) -> Bytes {
        match signer.and_then(|signer| people.key(signer)) {
            Some(key) => key.sign(self.digest_of(hash)).into(),
            None => Bytes::from_static(&[0x5a; 65]),
        }
    }

    /// Sends an act. The model was given signers; here they sign.
    pub(crate) fn call(
        &mut self,
        people: &People,
        caller: Address,
        now: ChainSeconds,
        act: &Act,
    ) -> Result<(), Failure> {
        let (to, data) = self.calldata(people, now, act);
        self.chain.call(caller, to, data.into()).map(|_| ())
    }

    fn calldata(&self, people: &People, now: ChainSeconds, act: &Act) -> (Address, Vec<u8>) {
        use LeaseBook as B;
        let (book, vault) = (self.book, self.vault);
        match act {
            Act::Register { payout, keys } => {
                let keys = keys.iter().map(|(key, roles)| B::KeyGrant {
                    key: *key,
                    roles: roles.0,
                });
                let call = B::registerCall {
                    payout: *payout,
                    keys: keys.collect(),
                    gatewayUrl: String::new(),
                    spki: B256::ZERO,
                };
                (book, call.abi_encode())
            }
            Act::AddKey { provider, key, roles } => {
                let KeyRoles(roles) = *roles;
                (
                    book,
                    B::addKeyCall {
                        providerId: provider.0,
                        key: *key,
                        roles,
                    }
                    .abi_encode(),
                )
            }
            Act::RemoveKey { provider, key } => (
                book,
                B::removeKeyCall {
                    providerId: provider.0,
                    key: *key,
                }
                .abi_encode(),
            ),
            Act::CancelAllBids { provider, key } => (
                book,
                B::cancelAllBidsCall {
                    providerId: provider.0,
                    key: *key,
                }
                .abi_encode(),
            ),
            Act::SetPayout { provider, payout } => (
                book,
                B::setPayoutCall {
                    providerId: provider.0,
                    payout: *payout,
                }
                .abi_encode(),
            ),
            Act::Post { order } => {
                let call = B::postOrderCall {
                    order: (**order).clone().into(),
                    needs: Bytes::from_static(NEEDS),
                    endpoint: String::new(),
                };
                (book, call.abi_encode())
            }
            Act::Cancel { order } => (
                book,
                B::cancelOrderCall {
                    order: (**order).clone().into(),
                }
                .abi_encode(),
            ),
            Act::Accept {
                order,
                bid,
                lanes,
                signer,
            } => {
                let call = B::acceptCall {
                    order: (**order).clone().into(),
                    bid: (**bid).clone().into(),
                    lanes: lanes.clone(),
                    signature: self.signed(people, *signer, bid.id()),
                };
                (book, call.abi_encode())
            }
            Act::Start { terms, base } => {
                let call = B::startCall {
                    terms: (**terms).clone().into(),
                    base: *base,
                    bindings: B256::ZERO,
                };
                (book, call.abi_encode())
            }
            Act::Decline { terms } => (
                book,
                B::declineCall {
                    terms: (**terms).clone().into(),
                    reason: 2001,
                }
                .abi_encode(),
            ),
            Act::Expire { terms } => (
                book,
                B::expireCall {
                    terms: (**terms).clone().into(),
                }
                .abi_encode(),
            ),
            Act::Report {
                provider,
                first_word,
                words,
            } => {
                let call = B::reportCall {
                    providerId: provider.0,
                    firstWord: *first_word,
                    asOf: seconds40(now.0),
                    root: B256::repeat_byte(7),
                    words: words.clone(),
                };
                (book, call.abi_encode())
            }
            Act::Settle { provider, lanes } => {
                let lanes = lanes.iter().map(|lane| lane.0).collect();
                (
                    book,
                    B::settleCall {
                        providerId: provider.0,
                        lanes,
                    }
                    .abi_encode(),
                )
            }
            Act::TopUp { terms, amount } => (
                book,
                B::topUpCall {
                    terms: (**terms).clone().into(),
                    amount: amount.0,
                }
                .abi_encode(),
            ),
            Act::Notice { terms } => (
                book,
                B::noticeCall {
                    terms: (**terms).clone().into(),
                    reason: 2001,
                }
                .abi_encode(),
            ),
            Act::Stop { terms } => (
                book,
                B::stopCall {
                    terms: (**terms).clone().into(),
                    reason: 1001,
                }
                .abi_encode(),
            ),
            Act::Evict { terms } => (
                book,
                B::evictCall {
                    terms: (**terms).clone().into(),
                }
                .abi_encode(),
            ),
            Act::Waive { terms, cum } => (
                book,
                B::waiveCall {
                    terms: (**terms).clone().into(),
                    cum: *cum,
                }
                .abi_encode(),
            ),
            Act::Finalize { terms } => (
                book,
                B::finalizeCall {
                    terms: (**terms).clone().into(),
                }
                .abi_encode(),
            ),
            Act::CloseBoth {
                terms,
                cum,
                deadline,
                provider_signer,
                tenant_signer,
            } => {
                let close = Close {
                    id: terms.id,
                    termsHash: terms.hash().0,
                    cum: *cum,
                    deadline: seconds40(*deadline),
                };
                let hash = close.eip712_hash_struct();
                assert_eq!(self.digest(&close), self.digest_of(hash));
                let sign = |signer: &Option<Option<Address>>| {
                    signer.map_or_else(Bytes::new, |signer| self.signed(people, signer, hash))
                };
                let call = B::closeBothCall {
                    terms: (**terms).clone().into(),
                    cum: *cum,
                    deadline: close.deadline,
                    providerSignature: sign(provider_signer),
                    tenantSignature: sign(tenant_signer),
                };
                (book, call.abi_encode())
            }
            Act::Claim { provider, token } => (
                book,
                B::claimCall {
                    providerId: provider.0,
                    token: *token,
                }
                .abi_encode(),
            ),
            Act::WithdrawCredit { token, to } => (
                book,
                B::withdrawCreditCall {
                    token: *token,
                    to: *to,
                }
                .abi_encode(),
            ),
            Act::PushFees { token } => (book, B::pushFeesCall { token: *token }.abi_encode()),
            Act::Stake {
                provider,
                token,
                amount,
            } => {
                let call = StakeVault::depositCall {
                    providerId: provider.0,
                    token: *token,
                    amount: amount.0,
                };
                (vault, call.abi_encode())
            }
            Act::RequestUnbond {
                provider,
                token,
                amount,
            } => {
                let call = StakeVault::requestUnbondCall {
                    providerId: provider.0,
                    token: *token,
                    amount: amount.0,
                };
                (vault, call.abi_encode())
            }
            Act::CompleteUnbond { provider, token } => {
                let call = StakeVault::completeUnbondCall {
                    providerId: provider.0,
                    token: *token,
                };
                (vault, call.abi_encode())
            }
            Act::PushBurned { token } => (vault, StakeVault::pushBurnedCall { token: *token }.abi_encode()),
        }
    }
}

/// Of the guardian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pause {
    Begin,
    End,
}

/// What everybody has at the beginning, in micro-units; of the first token a million million times as much.
pub(crate) fn rich() -> U256 {
    U256::from(1) << 100
}

pub(crate) fn people() -> People {
    People::new()
}
