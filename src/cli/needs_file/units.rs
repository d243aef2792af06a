//! Amounts, money and durations of the file, read with the field's path in each refusal.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::{Amount, NeedsFileError};
use crate::{
    api::duration::{self, DurationError},
    core::{
        capacity::quantity::{Rounding, mebibytes, milli},
        money::MoneyError,
    },
};

pub(super) fn example(name: &str) -> &'static str {
    match name {
        "cpu" => "4 or 500m",
        "memory" => "16Gi",
        _ => "20Gi",
    }
}

pub(super) fn zero(path: &str) -> NeedsFileError {
    NeedsFileError::Field {
        path: path.to_owned(),
        value: "0s".to_owned(),
        remedy: "write at least 1s".to_owned(),
    }
}

pub(super) fn cores(path: &str, amount: &Amount) -> Result<u64, NeedsFileError> {
    milli(&Quantity(amount.0.clone()), Rounding::Up).ok_or_else(|| NeedsFileError::Field {
        path: path.to_owned(),
        value: amount.0.clone(),
        remedy: "write a Kubernetes quantity such as 4 or 500m".to_owned(),
    })
}

pub(super) fn bytes(path: &str, amount: &Amount) -> Result<u64, NeedsFileError> {
    mebibytes(&Quantity(amount.0.clone()), Rounding::Up).ok_or_else(|| NeedsFileError::Field {
        path: path.to_owned(),
        value: amount.0.clone(),
        remedy: "write a Kubernetes quantity such as 128Gi or 512Mi".to_owned(),
    })
}

pub(super) fn money<M: std::str::FromStr<Err = MoneyError>>(
    path: &str,
    amount: &Amount,
) -> Result<M, NeedsFileError> {
    amount.0.parse().map_err(|source| NeedsFileError::Money {
        path: path.to_owned(),
        source,
    })
}

pub(super) fn seconds(path: &str, text: Option<&str>, default: &str) -> Result<u32, NeedsFileError> {
    let text = text.unwrap_or(default);
    let parsed = duration::parse(text).map_err(|source| NeedsFileError::Duration {
        path: path.to_owned(),
        source,
    })?;
    if parsed.subsec_millis() != 0 {
        return Err(NeedsFileError::Field {
            path: path.to_owned(),
            value: text.to_owned(),
            remedy: "write whole seconds: the chain counts no finer".to_owned(),
        });
    }
    u32::try_from(parsed.as_secs()).map_err(|_| NeedsFileError::Duration {
        path: path.to_owned(),
        source: DurationError::TooLong(text.to_owned()),
    })
}
