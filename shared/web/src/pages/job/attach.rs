//! The limits of the form that attaches files.

use words::Words;


/// The limits of one upload.
pub struct UploadLimits {
    pub files: usize,
    /// The maximum size of each file in bytes.
    pub file_bytes: u64,
    /// The maximum size of all files together, if the host limits it more.
    pub all_bytes: Option<u64>,
}

/// The limits of the form that attaches files, in numbers and in words.
pub(super) struct AttachForm {
    pub(super) max_file_bytes: u64,
    pub(super) max_all_bytes: u64,
    pub(super) max_files: usize,
    pub(super) limits: String,
    pub(super) too_large: String,
    pub(super) too_many: String,
}

impl AttachForm {
    pub(super) fn new(upload: &UploadLimits, words: &Words) -> Self {
        let count = words.number(upload.files as u64);
        let (limits, too_large, most) = match upload.all_bytes {
            Some(all) => ("job-attach-limits-all", "job-attach-too-large-all", all),
            None => ("job-attach-limits", "job-attach-too-large", upload.file_bytes),
        };
        let most = words.size(most);
        Self {
            max_file_bytes: upload.file_bytes,
            max_all_bytes: upload.all_bytes.unwrap_or(u64::MAX),
            max_files: upload.files,
            limits: words.text(limits, &[("count", &count), ("size", &most)]),
            too_large: words.text(too_large, &[("size", &most)]),
            too_many: words.text("job-attach-too-many", &[("count", &count)]),
        }
    }
}
