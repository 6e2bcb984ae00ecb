//! `_typeFilter`: searches, compiled at the kick-off and evaluated on the lines.
//!
//! - [`table`] says which parameters there are, as data.
//! - [`compile`] reads `Type?parameter=value` and checks it against the table.
//! - [`evaluate`] evaluates what was compiled on a line, without building a tree of it.

pub mod compile;
pub mod evaluate;
pub mod table;
