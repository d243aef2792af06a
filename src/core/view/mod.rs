//! What was observed, each with its freshness. Makes no decision.
