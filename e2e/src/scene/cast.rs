//! Who acts on a local chain: the first accounts of anvil's published test mnemonic, each with a role. Their keys are known to
//! everybody, so nothing but a chain on one's own machine may ever see them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// Address and key of accounts 0 to 7 of the mnemonic "test test test test test test test test test test test junk".
const ACCOUNTS: [(&str, &str); 8] = [
    (
        "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
        "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    ),
    (
        "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
        "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    ),
    (
        "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
        "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    ),
    (
        "0x90F79bf6EB2c4f870365E785982E1f101E93b906",
        "7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    ),
    (
        "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65",
        "47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
    ),
    (
        "0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc",
        "8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba",
    ),
    (
        "0x976EA74026E726554dB657fA54763abd0C3a0aa9",
        "92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e",
    ),
    (
        "0x14dC79964da2C08b23698B3D3cc7Ca32193d9955",
        "4bbbf85ce3377467afe5d46f804f221813b2bb87f24d81f60f1fcdbf7cbf4356",
    ),
];

/// One account and where its key lies.
#[derive(Clone, Debug)]
pub struct Actor {
    /// Its address.
    pub address: &'static str,
    /// Its private key, 64 hexadecimal digits.
    pub key: &'static str,
    /// A file that holds the key, for the command line.
    pub key_file: PathBuf,
}

/// Everybody who acts.
#[derive(Clone, Debug)]
pub struct Cast {
    /// Deploys the contracts and gets the protocol's fees.
    pub deployer: Actor,
    /// The provider's cold owner.
    pub owner: Actor,
    /// The provider's hot key that starts and reports.
    pub duty: Actor,
    /// The provider's hot key that bids.
    pub bids: Actor,
    /// Where the provider's earnings go.
    pub payout: Actor,
    /// Rents.
    pub tenant: Actor,
    /// Has nothing to do with any lease.
    pub stranger: Actor,
}

impl Cast {
    /// Writes the key files into `folder`, readable by their owner alone.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn gather(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let [deployer, owner, duty, bids, payout, tenant, stranger, _] = ACCOUNTS;
        let actor = |name: &str, (address, key): (&'static str, &'static str)| -> Result<Actor> {
            let key_file = folder.join(format!("{name}.key"));
            fs::write(&key_file, key).with_context(|| key_file.display().to_string())?;
            fs::set_permissions(&key_file, fs::Permissions::from_mode(0o600))?;
            Ok(Actor {
                address,
                key,
                key_file,
            })
        };
        Ok(Self {
            deployer: actor("deployer", deployer)?,
            owner: actor("owner", owner)?,
            duty: actor("duty", duty)?,
            bids: actor("bids", bids)?,
            payout: actor("payout", payout)?,
            tenant: actor("tenant", tenant)?,
            stranger: actor("stranger", stranger)?,
        })
    }
}
