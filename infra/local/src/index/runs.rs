//! The temporary files of an index that is made.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use domain::ports::files::Files;
use tempfile::TempDir;

use crate::Failure;

/// The temporary directory of the sorted runs, which only its owner can read.
pub(super) struct Runs {
    pub(super) files: Arc<dyn Files>,
    _directory: TempDir,
}

impl Runs {
    pub(super) const PREFIX: &str = "runs/";

    /// Creates the directory for the runs. It is in the lake, if the lake is on this machine, because that file system has space for
    /// records.
    pub(super) fn new(lake: Option<&Path>) -> Result<Self, Failure> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".index-").permissions(std::fs::Permissions::from_mode(0o700));
        let directory = match lake {
            Some(lake) => builder.tempdir_in(lake).map_err(|error| Failure::of_path(lake, &error))?,
            None => builder.tempdir()?,
        };
        Ok(Self { files: local::files_at(directory.path())?, _directory: directory })
    }
}
