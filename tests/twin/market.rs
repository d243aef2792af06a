//! The market under test: who is in it, the deployed bytecode, and its storage.

use std::{collections::BTreeMap, path::Path};

use alloy::{
    primitives::{Address, B256, Bytes, U256, address, hex},
    sol_types::{SolCall, SolConstructor},
};
use leaseport::{
    chain_io::{
        bindings::{DisputeCourt, LeaseBook, Lens, Params, StakeVault, TestDollar},
        governance::AccessManager,
    },
    core::{
        book::Windows,
        documents::signing,
        escrow::{Court, Escrow, Holder, Policy, TokenPolicy},
        ids::ChainId,
        time::ChainSeconds,
    },
};
use leaseport_evm::{Chain, Failure, Key};

pub(crate) const CHAIN: ChainId = ChainId(31_337);
pub(crate) const BEGIN: u64 = 1_800_000_000;
pub(crate) const F: u32 = 100;
pub(crate) const W: u32 = 1000;
/// For an answer, a ruling, a veto.
pub(crate) const COURT_TIMES: [u32; 3] = [3000, 5000, 3000];
pub(crate) const FEE_STEPS: u8 = 25;
pub(crate) const TOKENS: u8 = 3;
pub(crate) const TREASURY: Address = Address::repeat_byte(0x74);
/// Whom the second token refuses to pay; the third refuses the treasury.
pub(crate) const UNWILLING: Address = Address::repeat_byte(0xbb);
pub(crate) const WILLING: Address = Address::repeat_byte(0xaa);
const DEPLOYER: Address = Address::repeat_byte(0xde);
const SHIMS: [Address; 2] = [
    address!("00000000000000000000000000000000000051f7"),
    address!("00000000000000000000000000000000000051f8"),
];
pub(crate) const NEEDS: &[u8] = br#"{"gpu":{"count":1},"version":1}"#;
/// A slasher that is not the first court may act after so long.
const SLASHER_DELAY: u64 = 7 * 86_400;

/// Everybody, by what they are at the beginning.
pub(crate) struct People {
    pub(crate) tenants: [Key; 2],
    pub(crate) agent: Key,
    pub(crate) owners: [Key; 2],
    pub(crate) bidders: [Key; 2],
    pub(crate) operators: [Key; 2],
    pub(crate) stranger: Key,
    /// Pays by permits only: gave nobody a standing allowance.
    pub(crate) saver: Key,
    /// Is the court in some markets, without a contract.
    pub(crate) judge: Key,
    /// Slashes in slot 1.
    pub(crate) slasher: Key,
    pub(crate) arbiter: Key,
    pub(crate) timelock: Key,
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
            saver: key(71),
            judge: key(81),
            slasher: key(82),
            arbiter: key(83),
            timelock: key(84),
        }
    }

    pub(crate) fn all(&self) -> Vec<&Key> {
        let groups = [&self.tenants, &self.owners, &self.bidders, &self.operators];
        let mut all: Vec<&Key> = groups.into_iter().flatten().collect();
        all.extend([&self.agent, &self.stranger, &self.saver, &self.judge]);
        all.extend([&self.slasher, &self.arbiter, &self.timelock]);
        all
    }

    pub(crate) fn key(&self, address: Address) -> Option<&Key> {
        self.all().into_iter().find(|key| key.address() == address)
    }
}

/// Who is the court of a market: the contract, or somebody who does at any time what a court may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bench {
    Contract,
    Judge,
}

/// The contracts on a chain.
pub(crate) struct Market {
    pub(crate) chain: Chain,
    pub(crate) book: Address,
    pub(crate) vault: Address,
    pub(crate) court: Address,
    pub(crate) params: Address,
    pub(crate) tokens: [Address; 3],
    /// Units of each token in a micro-unit.
    pub(crate) scales: [u128; 3],
    pub(crate) domain: B256,
    slots: BTreeMap<&'static str, u64>,
}

fn creation<C: SolConstructor>(code: &Bytes, arguments: &C) -> Bytes {
    [code.as_ref(), &arguments.abi_encode()].concat().into()
}

/// A token with other decimals in front of the test dollar's code, on storage of its own, which reverts when it should pay `refused`.
fn shim(behind: Address, decimals: u8, refused: Address) -> Bytes {
    let code = [
        // selector
        &hex!("5f3560e01c")[..],
        // decimals() has an answer of its own
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
    code.extend(hex!("5b5f5ffd5b3d5ff35b60"));
    code.push(decimals);
    code.extend(hex!("5f5260205ff3"));
    code.into()
}

/// Where the contracts keep things, out of the committed layout; of the court, which has none there, as the end of each trace confirms by its views.
fn slots() -> BTreeMap<&'static str, u64> {
    let mut slots = BTreeMap::from([("court.credits", 2)]);
    for (prefix, file) in [("book", "LeaseBook"), ("vault", "StakeVault")] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("contracts/layout/{file}.txt"));
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for line in text.lines().take_while(|line| !line.starts_with("struct")) {
            let (slot, rest) = line.split_once("+0 ").unwrap();
            let name = rest.split_once(':').unwrap().0.trim_start_matches('_');
            // A few dozen names in a test's life.
            let name: &'static str = Box::leak(format!("{prefix}.{name}").into_boxed_str());
            slots.insert(name, slot.parse().unwrap());
        }
    }
    slots
}

impl Market {
    /// Deploys as `market deploy` does, lists the tokens and makes everybody rich.
    pub(crate) fn deploy(people: &People) -> (Self, Escrow) {
        let mut chain = Chain::new(CHAIN.0, BEGIN - SLASHER_DELAY);
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
        let authority = create(creation(
            &AccessManager::BYTECODE,
            &AccessManager::constructorCall {
                initialAdmin: DEPLOYER,
            },
        ));
        let _lens = create(Lens::BYTECODE.clone());
        // The sixth contract of this key: nonces count though they are not checked.
        let book = DEPLOYER.create(5);
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
        let [answer, ruling, veto] = COURT_TIMES;
        let court = create(creation(
            &DisputeCourt::BYTECODE,
            &DisputeCourt::constructorCall {
                authority,
                leaseBook_: book,
                stakeVault_: vault,
                params_: params,
                vestEpoch_: W,
                answerTime_: answer,
                rulingTime_: ruling,
                vetoTime_: veto,
            },
        ));
        for (role, function, office) in [
            (1, DisputeCourt::ruleCall::SELECTOR, &people.arbiter),
            (2, DisputeCourt::vetoCall::SELECTOR, &people.timelock),
        ] {
            let names = AccessManager::setTargetFunctionRoleCall {
                target: court,
                selectors: vec![function.into()],
                roleId: role,
            };
            let grant = AccessManager::grantRoleCall {
                roleId: role,
                account: office.address(),
                executionDelay: 0,
            };
            for call in [names.abi_encode(), grant.abi_encode()] {
                chain.call(DEPLOYER, authority, call.into()).unwrap();
            }
        }
        let decimals = [18, 9];
        for ((at, decimals), refused) in SHIMS.into_iter().zip(decimals).zip([UNWILLING, TREASURY]) {
            chain.place(at, shim(dollar, decimals, refused));
        }
        let tokens = [dollar, SHIMS[0], SHIMS[1]];
        let dollars = [true, false, true];
        for (asset, dollar) in tokens.into_iter().zip(dollars) {
            let list = Params::listTokenCall { asset, dollar };
            chain.call(DEPLOYER, params, list.abi_encode().into()).unwrap();
            for person in people.all() {
                // Of every token 2^100 micro-units of the finest, and the contracts may take them.
                let mint = TestDollar::mintCall {
                    to: person.address(),
                    amount: riches(),
                };
                chain.call(DEPLOYER, asset, mint.abi_encode().into()).unwrap();
                if person.address() == people.saver.address() {
                    continue;
                }
                for spender in [book, vault, court] {
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
        let slasher = people.slasher.address();
        let name = Params::setSlasherCall { slot: 1, slasher };
        chain.call(DEPLOYER, params, name.abi_encode().into()).unwrap();
        chain.set_time(BEGIN);
        let policy = Policy {
            fee_steps: FEE_STEPS,
            reduced: None,
            paused_until: ChainSeconds(0),
            tokens: (0..TOKENS)
                .map(|token| {
                    let policy = TokenPolicy {
                        takes_orders: true,
                        dollar: dollars[usize::from(token)],
                        court_fee: 0,
                    };
                    (token, policy)
                })
                .collect(),
            fee_receiver: TREASURY,
            slashers: [None, Some(slasher), None],
        };
        let windows = Windows {
            final_reports: F,
            vest_epoch: W,
        };
        let rules = Court {
            address: court,
            arbiter: people.arbiter.address(),
            timelock: people.timelock.address(),
            answer,
            ruling,
            veto,
        };
        let mut model = Escrow::new(windows, book, policy, rules);
        model.unwilling.extend([(1, UNWILLING), (2, TREASURY)]);
        for holder in [Holder::Book, Holder::Vault, Holder::Court] {
            let saver = people.saver.address();
            model
                .sparing
                .extend((0..TOKENS).map(|token| (holder, token, saver)));
        }
        let market = Self {
            chain,
            book,
            vault,
            court,
            params,
            tokens,
            scales: [1, 1_000_000_000_000, 1000],
            domain: signing::domain(CHAIN, book).separator(),
            slots: slots(),
        };
        (market, model)
    }

    /// The same market on a chain of its own.
    pub(crate) fn branch(&self) -> Self {
        Self {
            chain: self.chain.branch(),
            slots: self.slots.clone(),
            ..*self
        }
    }

    /// A word of a contract's storage: the mapping's name, its keys from the outermost on, and which word of the member.
    pub(crate) fn word(&mut self, name: &str, keys: &[U256], offset: u64) -> U256 {
        let at = match name.split_once('.').unwrap().0 {
            "book" => self.book,
            "vault" => self.vault,
            _ => self.court,
        };
        let slot = U256::from(self.slots[name]);
        self.chain.member_of(at, slot, keys, U256::from(offset)).unwrap()
    }

    /// What somebody holds of a token, in its own units; read from storage (slot 0 of the test dollar), which setup compares with the view.
    pub(crate) fn balance(&mut self, token: usize, holder: Address) -> U256 {
        let key = U256::from_be_slice(holder.as_slice());
        self.chain
            .member_of(self.tokens[token], U256::ZERO, &[key], U256::ZERO)
            .unwrap()
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

    /// Something that the owner of Params decides.
    pub(crate) fn decide(&mut self, call: &impl SolCall) {
        self.chain
            .call(DEPLOYER, self.params, call.abi_encode().into())
            .unwrap();
    }
}

/// Of the guardian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pause {
    Begin,
    End,
}

/// What everybody has at the beginning of each token, in its own units.
pub(crate) fn riches() -> U256 {
    (U256::from(1) << 100) * U256::from(1_000_000_000_000_u64)
}

pub(crate) fn people() -> People {
    People::new()
}
