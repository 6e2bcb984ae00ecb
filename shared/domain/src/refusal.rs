//! Why something cannot be left out of an export. The pages have a sentence for each reason in the language of the reader.

/// See the [module](self).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The lines of the file are notices about the export.
    Notices,
    /// The file is too large to be written again.
    LargeFile,
    /// A file that names the document is too large to be written again.
    LargeFileOfDocument,
    /// The manifest has too many pages to be written again.
    ManyFiles,
    /// The resource names more documents than can still be left out.
    ManyDocuments,
    /// The job has no room for another redaction.
    Full,
    /// The job has room for another redaction, but not for this reason.
    LongReason,
}

impl Refusal {
    pub const ALL: [Self; 7] = [
        Self::Notices,
        Self::LargeFile,
        Self::LargeFileOfDocument,
        Self::ManyFiles,
        Self::ManyDocuments,
        Self::Full,
        Self::LongReason,
    ];

    /// Returns whether the files of the export are too large or too many.
    pub fn is_by_size(self) -> bool {
        match self {
            Self::LargeFile | Self::LargeFileOfDocument | Self::ManyFiles => true,
            Self::Notices | Self::ManyDocuments | Self::Full | Self::LongReason => false,
        }
    }
}
