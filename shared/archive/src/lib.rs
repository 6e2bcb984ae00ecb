//! The ZIP of a patient's copy. This crate knows nothing of routes, queues or adapters.
//!
//! - [`plan`]: the content of the ZIP; [`make`]: writes its files, then the [`index`] for people, the manifest, and the hashes;
//! - [`row`]: the main fields of a resource; [`lines`]: the lines of a file that comes in pieces;
//! - [`writer`]: writes the ZIP from its beginning to its end, with only a piece of it in memory; [`records`]: the bytes of the format;
//! - [`stage`]: one stage of a ZIP that workers make in the store, and [`checkpoint`] what the next stage needs of it;
//! - [`texts`]: what the ZIP needs of the settings;
//! - [`preparation`]: the state of such a ZIP, which the patient's page shows.

mod checkpoint;
mod index;
mod lines;
mod make;
mod plan;
mod preparation;
mod records;
mod row;
mod stage;
mod texts;
mod titles;
mod writer;

pub use self::checkpoint::Checkpoint;
pub use self::make::Maker;
pub use self::plan::{Plan, PlannedAttachment};
pub use self::preparation::{Preparation, Progress, Read, ZipPlace};
pub use self::stage::Limits;
pub use self::texts::Texts;
pub use self::titles::{days_in_words, type_name};
pub use self::writer::Sink;
