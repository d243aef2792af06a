//! Orders, bids, prices and admission. Each refusal is data.

pub mod admission;
pub mod pricing;
pub mod refusal;
