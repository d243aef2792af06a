//! Flags of the verbs on markets, checked as they are read. Connects to nothing.

use std::path::PathBuf;

use alloy::primitives::Address;
use clap::Args;

use crate::{
    chain_io::windows::WindowsText,
    cli::{
        chain::{ActArgs, ChainArgs, OutputArgs, amount},
        value,
    },
    core::money::MicroUnits,
};

/// Deploy the contracts of a new market.
#[derive(Debug, Clone, Args)]
pub struct DeployArgs {
    /// Which chain, and who deploys.
    #[command(flatten)]
    pub chain: ChainArgs,
    /// Time for final reports, and the vesting epoch: two durations such as 25h,25h. Fixed for ever. Left out: the least the chain
    /// allows (10s,20s on a local one); a chain we do not know needs it.
    #[arg(long, value_name = "F,W")]
    pub windows: Option<WindowsText>,
    /// Address of a dollar token to list; repeat for several. On a local chain a test dollar is made when none is given.
    #[arg(long = "token", value_name = "ADDRESS", value_parser = value::address)]
    pub tokens: Vec<Address>,
    /// Protocol fee of leases in percent of 0.1 steps, at most 10.
    #[arg(long, value_name = "PERCENT", default_value = "2.5")]
    pub fee: FeePercent,
    /// Any text: the same text, key and flags give the same addresses on every chain, and go on with what is there; another text is
    /// another market.
    #[arg(long, value_name = "TEXT", default_value = "leaseport 1")]
    pub salt: String,
    /// Who may propose to the timelock and cancel in it, beside the Governor; the deployer when left out.
    #[arg(long, value_name = "ADDRESS", value_parser = value::address)]
    pub council: Option<Address>,
    /// Who may pause posting and opening; the council when left out.
    #[arg(long, value_name = "ADDRESS", value_parser = value::address)]
    pub guardian: Option<Address>,
    /// Who may list tokens; the council when left out.
    #[arg(long, value_name = "ADDRESS", value_parser = value::address)]
    pub lister: Option<Address>,
    /// Who rules in disputes; the council when left out.
    #[arg(long, value_name = "ADDRESS", value_parser = value::address)]
    pub arbiter: Option<Address>,
    /// Gets the treasury's half of fees, and PORT as it vests; the timelock when left out.
    #[arg(long, value_name = "ADDRESS", value_parser = value::address)]
    pub treasury: Option<Address>,
    /// What a dispute costs its loser, in tokens; at most 1000.
    #[arg(long, value_name = "DOLLARS", default_value = "20", value_parser = court_fee)]
    pub court_fee: MicroUnits,
    /// Write the market's manifest to this file, as deploy/markets/ has one a chain.
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
    /// Form of the answer.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Read a market.
#[derive(Debug, Clone, Args)]
pub struct ShowArgs {
    /// HTTP endpoint of the chain.
    #[arg(long, value_name = "URL", env = "LEASEPORT_RPC_URL", hide_env_values = true)]
    pub rpc: String,
    /// Refuse an endpoint that serves another chain.
    #[arg(long, value_name = "ID", env = "LEASEPORT_CHAIN_ID", value_parser = value::number::<u64>)]
    pub chain_id: Option<u64>,
    /// Address of the market's Directory.
    #[arg(
        long,
        alias = "market-directory",
        value_name = "ADDRESS",
        env = "LEASEPORT_DIRECTORY",
        value_parser = value::address
    )]
    pub directory: Address,
    /// Form of the answer.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Check a market.
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// Which.
    #[command(flatten)]
    pub market: ShowArgs,
    /// Compare with this manifest, too: addresses, versions and code.
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
}

/// Mint test dollars.
#[derive(Debug, Clone, Args)]
pub struct MintArgs {
    /// Which market, and who pays the gas.
    #[command(flatten)]
    pub act: ActArgs,
    /// Who gets them.
    #[arg(long, value_name = "ADDRESS", value_parser = value::address)]
    pub to: Address,
    /// How many, such as 1000 or 12.5.
    #[arg(long, value_name = "DOLLARS", value_parser = amount, allow_hyphen_values = true)]
    pub amount: MicroUnits,
}

/// A fee in steps of 0.1 percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeePercent(pub u8);

impl std::str::FromStr for FeePercent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (whole, tenth) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| {
            part.bytes()
                .all(|b| b.is_ascii_digit())
                .then(|| part.parse::<u16>().ok())
                .flatten()
        };
        match (digits(whole), digits(tenth)) {
            (Some(whole), Some(tenth)) if tenth < 10 && whole <= 10 && whole * 10 + tenth <= 100 => {
                u8::try_from(whole * 10 + tenth)
                    .map(Self)
                    .map_err(|error| error.to_string())
            }
            _ => Err("write a percentage from 0 to 10 with at most one decimal, for example 2.5".to_owned()),
        }
    }
}

/// Reads a court fee: the contract takes at most 1,000 tokens.
fn court_fee(text: &str) -> Result<MicroUnits, String> {
    let fee = amount(text).map_err(|error| error.to_string())?;
    if fee.0 > 1_000_000_000 {
        return Err("a court fee is at most 1000".to_owned());
    }
    Ok(fee)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_fee_is_a_percentage_in_tenths_up_to_ten() {
        let read = |text: &str| text.parse::<FeePercent>().map(|fee| fee.0);
        assert_eq!(read("2.5"), Ok(25));
        assert_eq!(read("0"), Ok(0));
        assert_eq!(read("10"), Ok(100));
        for text in ["10.1", "2.55", "-1", "", ".", "a", "1e1", "+1", "65536.0"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
