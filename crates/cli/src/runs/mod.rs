//! Many runs at once: which of them, in what order, as what table; two of them side by side; one of them for other
//! programs. Nothing here changes a run.

pub mod chart;
pub mod csv;
pub mod diff;
pub mod facts;
pub mod filter;
pub mod lex;
pub mod literal;
pub mod series;
pub mod show;
pub mod tensorboard;
