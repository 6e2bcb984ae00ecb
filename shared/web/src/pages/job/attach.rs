//! The limits of the form that attaches files.

use words::Words;

use crate::pages::message::Message;
use crate::request_context;

/// The limits of one upload.
pub struct UploadLimits {
    pub files: usize,
    /// The maximum size of each file in bytes.
    pub file_bytes: u64,
    /// The maximum size of all files together, if the host limits it more.
    pub all_bytes: Option<u64>,
    /// Whether a larger file can be sent to the store.
    pub has_large: bool,
}

impl UploadLimits {
    /// Returns the message of a page whose files were refused because there were too many, or because they were too large.
    pub fn refused(&self) -> Message {
        let words = request_context::words();
        let limits = self.in_words(&words);
        Message::of_catalogue("attach-refused", &[("limits", &limits)])
    }

    fn in_words(&self, words: &Words) -> String {
        let count = words.number(self.files as u64);
        let (key, most) = match self.all_bytes {
            Some(all) => ("job-attach-limits-all", all),
            None => ("job-attach-limits", self.file_bytes),
        };
        words.text(key, &[("count", &count), ("size", &words.size(most))])
    }
}

/// The limits of the form that attaches files, in numbers and in words.
pub(super) struct AttachForm {
    pub(super) max_file_bytes: u64,
    pub(super) max_all_bytes: u64,
    pub(super) max_files: usize,
    pub(super) limits: String,
    /// Whether the page links to the form for a file that is larger than these limits.
    pub(super) has_large: bool,
    pub(super) too_large: String,
    pub(super) too_many: String,
}

impl AttachForm {
    pub(super) fn new(upload: &UploadLimits, words: &Words) -> Self {
        let count = words.number(upload.files as u64);
        let (too_large, most) = match upload.all_bytes {
            Some(all) => ("job-attach-too-large-all", all),
            None => ("job-attach-too-large", upload.file_bytes),
        };
        let most = words.size(most);
        Self {
            max_file_bytes: upload.file_bytes,
            max_all_bytes: upload.all_bytes.unwrap_or(u64::MAX),
            max_files: upload.files,
            limits: upload.in_words(words),
            has_large: upload.has_large && upload.all_bytes.is_some_and(|all| all < upload.file_bytes),
            too_large: words.text(too_large, &[("size", &most)]),
            too_many: words.text("job-attach-too-many", &[("count", &count)]),
        }
    }
}
