//! Orders, bids, prices and admission. Each refusal is data.
