//! What was observed, each with its freshness. Makes no decision.

/// temporary
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinalClosure(());
/// temporary
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinalAbsence(());
