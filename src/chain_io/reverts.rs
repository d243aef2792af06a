//! A contract's custom error in words: its name and arguments, as the ABI names them. Decides nothing.

use alloy::sol_types::SolInterface;

use super::bindings::{
    Directory::DirectoryErrors, DisputeCourt::DisputeCourtErrors, LeaseBook::LeaseBookErrors,
    Params::ParamsErrors, StakeVault::StakeVaultErrors, TestDollar::TestDollarErrors,
};

/// What a contract of a market said when it refused; none for data that is no error of ours.
///
/// For example `Lease_Late { id: 129127208515966861313, until: 1800000000 }`.
#[must_use]
pub fn explain(data: &[u8]) -> Option<String> {
    fn of<E: SolInterface + std::fmt::Debug>(data: &[u8]) -> Option<String> {
        let error = E::abi_decode(data).ok()?;
        // `Variant(Struct { .. })`: the struct has the same name and says it all.
        let shown = format!("{error:?}");
        let inner = shown
            .split_once('(')
            .and_then(|(_, rest)| rest.strip_suffix(')'))
            .unwrap_or(&shown);
        Some(inner.to_owned())
    }
    of::<LeaseBookErrors>(data)
        .or_else(|| of::<StakeVaultErrors>(data))
        .or_else(|| of::<DisputeCourtErrors>(data))
        .or_else(|| of::<ParamsErrors>(data))
        .or_else(|| of::<DirectoryErrors>(data))
        .or_else(|| of::<TestDollarErrors>(data))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::chain_io::bindings::{LeaseBook, StakeVault};
    use alloy::sol_types::SolError;
    use proptest::prelude::*;

    #[test]
    fn an_error_is_its_name_and_arguments() {
        let data = LeaseBook::Bid_Epoch { epoch: 1, current: 2 }.abi_encode();
        assert_eq!(explain(&data).unwrap(), "Bid_Epoch { epoch: 1, current: 2 }");
        let data = StakeVault::StakeVault_NotYet {
            from: alloy::primitives::aliases::U40::from(9),
        }
        .abi_encode();
        assert_eq!(explain(&data).unwrap(), "StakeVault_NotYet { from: 9 }");
    }

    proptest! {
        #[test]
        fn no_data_makes_the_reader_panic(data in prop::collection::vec(any::<u8>(), 0..200)) {
            let read = explain(&data);
            prop_assert!(read.is_none() || read.is_some());
        }
    }
}
