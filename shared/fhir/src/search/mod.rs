//! The searches of `_typeFilter`, which are compiled at the kick-off and evaluated on each line.
//!
//! - [`table`] lists the search parameters.
//! - [`compile`] parses `Type?parameter=value` and checks it against the table.
//! - [`evaluate`] evaluates a compiled search on a line, without building a tree of it.

pub mod compile;
pub mod evaluate;
pub mod table;
