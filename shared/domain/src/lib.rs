//! Values, states, rules and ports of the export server. This crate knows nothing of HTTP, storage or async runtimes;
//! `now` and random values are arguments.
//!
//! In reading order:
//!
//! 1. [`request`], [`choices`], [`sensitive`] and [`selection`]: what a client requests. [`scopes`], [`access`]: what a token allows.
//! 2. [`job`]: an export in one of its [`states`], with its [`header`], its [`owner`] and its patient ([`patient_summary`]).
//!    [`moves`] and [`deletion`]: its changes of state. [`own_copy`]: whether it is a patient's own. [`task`], [`chunk`],
//!    [`pack`] and [`dated`]: its work.
//! 3. [`filter`]: the one decision about each resource, by [`choices`] or by a [`selector`]. [`ledger`]: the account of every
//!    resource by its [`decision`].
//! 4. [`manifest`], [`redaction`], [`refusal`] and [`dialect`]: the description of the result.
//! 5. [`ports`]: the traits that the hosts implement. [`lines`], [`patient`], [`identity`] and [`group`] read through them.
//!    [`listing`], [`search`] and [`words`]: how stores find jobs. [`patient_search`]: how an index finds patients.
//!    [`notice`] and [`email`]: the mails that a patient gets about an export.
//! 6. [`audit`]: the record of who did what. [`roles`]: what staff may do.
//! 7. [`error`], [`retries`], [`retention`], [`event`] and [`clock`]: what all parts share.

pub mod access;
pub mod audit;
pub mod choices;
pub mod chunk;
pub mod clock;
pub mod dated;
pub mod decision;
pub mod deletion;
pub mod dialect;
pub mod email;
pub mod error;
pub mod event;
pub mod filter;
pub mod group;
pub mod header;
pub mod identity;
pub mod ids;
pub mod job;
mod keys;
pub mod ledger;
pub mod lines;
pub mod listing;
pub mod manifest;
pub mod moves;
pub mod notice;
pub mod own_copy;
pub mod owner;
pub mod pack;
pub mod patient;
pub mod patient_search;
pub mod patient_summary;
pub mod ports;
pub mod redaction;
pub mod refusal;
pub mod rejection;
pub mod request;
pub mod retention;
pub mod retries;
pub mod roles;
pub mod scopes;
pub mod search;
pub mod selection;
pub mod selector;
pub mod sensitive;
pub mod states;
pub mod task;
pub mod words;
