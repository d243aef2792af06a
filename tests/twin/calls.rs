//! How an act of the model becomes a call of the contracts: the model was told who signed, here they sign.

use alloy::{
    primitives::{Address, B256, Bytes, U256, keccak256},
    sol_types::{SolCall, SolStruct, SolValue},
};
use leaseport::{
    chain_io::bindings::{DisputeCourt, LeaseBook, StakeVault, TestDollar},
    core::{
        book::KeyRoles,
        documents::{
            acts::{Accept, Amend, Close, Fund, Receipt, Stop, Voucher, seconds40},
            order::Order,
        },
        escrow::{Act, FundBy, Funding, Signer},
        time::ChainSeconds,
    },
};
use leaseport_evm::Failure;

use crate::market::{Market, NEEDS, People};

impl Market {
    fn digest_of(&self, hash: B256) -> B256 {
        keccak256([&[0x19, 0x01], &self.domain[..], &hash[..]].concat())
    }

    fn signed(&self, people: &People, signer: Option<Address>, hash: B256) -> Bytes {
        match signer.and_then(|signer| people.key(signer)) {
            Some(key) => key.sign(self.digest_of(hash)).into(),
            None => Bytes::from_static(&[0x5a; 65]),
        }
    }

    /// Nothing where the caller consents by calling.
    fn consent(&self, people: &People, signer: Option<Signer>, hash: B256) -> Bytes {
        signer.map_or_else(Bytes::new, |signer| self.signed(people, signer, hash))
    }

    fn funding(&mut self, people: &People, order: &Order, funding: &Funding) -> LeaseBook::Funding {
        let deadline = seconds40(funding.deadline);
        let (by, signature) = match funding.by {
            FundBy::Caller => (0, Bytes::new()),
            FundBy::Permit => (1, self.permit(people, order, funding)),
            FundBy::Fund => {
                let fund = Fund {
                    orderHash: order.id().0,
                    funder: funding.funder,
                    amount: order.deposit,
                    deadline,
                };
                (2, self.signed(people, funding.signer, fund.eip712_hash_struct()))
            }
        };
        LeaseBook::Funding {
            by,
            funder: funding.funder,
            deadline,
            signature,
        }
    }

    /// A permit of exactly the deposit, in the token's own domain.
    fn permit(&mut self, people: &People, order: &Order, funding: &Funding) -> Bytes {
        let Some(key) = funding.signer.and_then(|signer| people.key(signer)) else {
            return Bytes::from_static(&[0x5a; 65]);
        };
        let index = usize::from(order.token).min(self.tokens.len() - 1);
        let asset = self.tokens[index];
        let domain = self.ask(asset, &TestDollar::DOMAIN_SEPARATORCall {});
        let nonce = self.ask(
            asset,
            &TestDollar::noncesCall {
                owner: funding.funder,
            },
        );
        let kind = b"Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)";
        let value = U256::from(order.deposit) * U256::from(self.scales[index]);
        let deadline = U256::from(funding.deadline);
        let members = (keccak256(kind), funding.funder, self.book, value, nonce, deadline);
        let hash = keccak256(members.abi_encode());
        key.sign(keccak256([&[0x19, 0x01], &domain[..], &hash[..]].concat()))
            .into()
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

    fn calldata(&mut self, people: &People, now: ChainSeconds, act: &Act) -> (Address, Vec<u8>) {
        use LeaseBook as B;
        let (book, vault, court) = (self.book, self.vault, self.court);
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
            Act::PostSigned {
                order,
                signer,
                funding,
            } => {
                let call = B::postOrderSignedCall {
                    order: (**order).clone().into(),
                    needs: Bytes::from_static(NEEDS),
                    endpoint: String::new(),
                    signature: self.consent(people, *signer, order.id().0),
                    funding: self.funding(people, order, funding),
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
            Act::AcceptSigned {
                order,
                bid,
                lanes,
                signer,
                deadline,
                tenant_signer,
            } => {
                let accept = Accept {
                    orderHash: order.id().0,
                    bidHash: bid.id(),
                    deadline: seconds40(*deadline),
                };
                let call = B::acceptSignedCall {
                    order: (**order).clone().into(),
                    bid: (**bid).clone().into(),
                    lanes: lanes.clone(),
                    signature: self.signed(people, *signer, bid.id()),
                    deadline: accept.deadline,
                    tenantSignature: self.signed(people, *tenant_signer, accept.eip712_hash_struct()),
                };
                (book, call.abi_encode())
            }
            Act::Fill {
                order,
                provider,
                lanes,
                bond,
                liability,
                proof,
            } => {
                let call = B::fillCall {
                    order: (**order).clone().into(),
                    providerId: provider.0,
                    lanes: lanes.clone(),
                    bond: bond.0,
                    liability: liability.0,
                    proof: proof.clone(),
                };
                (book, call.abi_encode())
            }
            Act::Take {
                order,
                offer,
                parts,
                signer,
                proof,
            } => {
                let call = B::takeCall {
                    order: (**order).clone().into(),
                    offer: (**offer).clone().into(),
                    parts: parts.clone(),
                    signature: self.signed(people, *signer, offer.id()),
                    proof: proof.clone(),
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
            Act::StopSigned {
                terms,
                deadline,
                signer,
            } => {
                let stop = Stop {
                    id: terms.id,
                    termsHash: terms.hash().0,
                    reason: 1001,
                    deadline: seconds40(*deadline),
                };
                let call = B::stopSignedCall {
                    terms: (**terms).clone().into(),
                    reason: stop.reason,
                    deadline: stop.deadline,
                    signature: self.signed(people, *signer, stop.eip712_hash_struct()),
                };
                (book, call.abi_encode())
            }
            Act::Redeem { terms, cum, signer } => {
                let voucher = Voucher {
                    id: terms.id,
                    termsHash: terms.hash().0,
                    cum: *cum,
                };
                let call = B::redeemCall {
                    terms: (**terms).clone().into(),
                    cum: *cum,
                    signature: self.consent(people, *signer, voucher.eip712_hash_struct()),
                };
                (book, call.abi_encode())
            }
            Act::Amend {
                terms,
                next,
                cum,
                deadline,
                provider_signer,
                tenant_signer,
            } => {
                let amend = Amend {
                    id: terms.id,
                    oldTerms: terms.hash().0,
                    newTerms: next.hash().0,
                    cumAt: *cum,
                    deadline: seconds40(*deadline),
                };
                let hash = amend.eip712_hash_struct();
                let call = B::amendCall {
                    oldTerms: (**terms).clone().into(),
                    newTerms: (**next).clone().into(),
                    cumAt: *cum,
                    deadline: amend.deadline,
                    providerSignature: self.consent(people, *provider_signer, hash),
                    tenantSignature: self.consent(people, *tenant_signer, hash),
                };
                (book, call.abi_encode())
            }
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
                let call = B::closeBothCall {
                    terms: (**terms).clone().into(),
                    cum: *cum,
                    deadline: close.deadline,
                    providerSignature: self.consent(people, *provider_signer, hash),
                    tenantSignature: self.consent(people, *tenant_signer, hash),
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
            Act::Freeze { terms, amount } => (
                book,
                B::freezeCall {
                    terms: (**terms).clone().into(),
                    amount: amount.0,
                }
                .abi_encode(),
            ),
            Act::Release { id } => (book, B::releaseCall { id: *id }.abi_encode()),
            Act::Award { id, amount } => (
                book,
                B::awardCall {
                    id: *id,
                    amount: amount.0,
                }
                .abi_encode(),
            ),
            Act::Reserve { slot, terms, amount } => {
                let arguments = (U256::from(*slot), (**terms).clone(), U256::from(amount.0));
                let data = arguments.abi_encode_params();
                (vault, [&StakeVault::reserveCall::SELECTOR[..], &data].concat())
            }
            Act::Unreserve { slot, id } => (
                vault,
                StakeVault::unreserveCall { slot: *slot, id: *id }.abi_encode(),
            ),
            Act::Slash {
                slot,
                id,
                refund,
                burn,
            } => {
                let call = StakeVault::slashCall {
                    slot: *slot,
                    id: *id,
                    refund: refund.0,
                    burn: burn.0,
                };
                (vault, call.abi_encode())
            }
            Act::WithdrawStakeCredit { account, token } => {
                let call = StakeVault::withdrawCreditCall {
                    account: *account,
                    token: *token,
                };
                (vault, call.abi_encode())
            }
            Act::Contest {
                terms,
                from,
                to,
                most,
            } => {
                let [from, to] = [from, to].map(|seconds| U256::from(*seconds));
                let arguments = (
                    (**terms).clone(),
                    from,
                    to,
                    U256::from(most.0),
                    B256::repeat_byte(5),
                );
                let data = arguments.abi_encode_params();
                (court, [&DisputeCourt::contestCall::SELECTOR[..], &data].concat())
            }
            Act::Answer {
                id,
                cum,
                as_of,
                signer,
            } => {
                let dispute = self.ask(court, &DisputeCourt::disputeOfCall { id: *id });
                let receipt = Receipt {
                    id: *id,
                    termsHash: dispute.termsHash,
                    cum: *cum,
                    asOf: seconds40(*as_of),
                    root: B256::repeat_byte(9),
                };
                let call = DisputeCourt::answerCall {
                    id: *id,
                    cum: *cum,
                    asOf: receipt.asOf,
                    root: receipt.root,
                    signature: self.signed(people, *signer, receipt.eip712_hash_struct()),
                };
                (court, call.abi_encode())
            }
            Act::Rule {
                id,
                award,
                refund,
                burn,
            } => {
                let call = DisputeCourt::ruleCall {
                    id: *id,
                    award: award.0,
                    refund: refund.0,
                    burn: burn.0,
                    reasons: B256::repeat_byte(4),
                };
                (court, call.abi_encode())
            }
            Act::Veto { id } => (court, DisputeCourt::vetoCall { id: *id }.abi_encode()),
            Act::Conclude { id } => (court, DisputeCourt::concludeCall { id: *id }.abi_encode()),
            Act::WithdrawBond { account, token } => {
                let call = DisputeCourt::withdrawCreditCall {
                    account: *account,
                    token: *token,
                };
                (court, call.abi_encode())
            }
        }
    }
}
