//! What staff want to leave out of an export.

use domain::chunk::RecordAttachment;

/// What staff want to leave out.
pub(super) enum Target {
    Line(LineOf),
    Document(RecordAttachment),
}

/// A line of a file, as staff have seen it.
pub(super) struct LineOf {
    /// The name of the file in the manifest.
    pub(super) file: String,
    /// The offset of the line in the file.
    pub(super) at: u64,
    /// The SHA-256 of the file: if it is another one now, the line may have moved.
    pub(super) sha256: String,
}
