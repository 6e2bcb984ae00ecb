//! What all stores share: the layout of the lake and of the exported files. Knows nothing of a particular store, of HTTP or of
//! settings.

pub mod bounded;
pub mod compressed;
pub mod layout;
pub mod packs;
pub mod shared_index;
