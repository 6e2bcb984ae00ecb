//! Code that all stores share: the layout of the records, of their index and of the exported files, and the chains of the audit
//! trail. This crate knows nothing of a particular store, of HTTP or of settings.

pub mod audit_chain;
pub mod bounded;
pub mod compressed;
pub mod job_list;
pub mod layout;
pub mod packs;
pub mod patient_index;
pub mod shared_index;
pub mod sorter;
