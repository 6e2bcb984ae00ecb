//! `_typeFilter`: searches, compiled at the kick-off and evaluated on the lines.
//!
//! - [`table`] says which parameters there are, as data.
//! - [`compile`] reads `Type?parameter=value` and checks it against the table.
//! - [`matches`] evaluates what was compiled on a line, without building a tree of it.

pub mod compile;
pub mod matches;
pub mod table;
