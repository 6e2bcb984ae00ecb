//! Moves an export to the workers of large exports if a record is too large for the workers of small ones.
//!
//! The size of an export follows from the number of its patients, because the kick-off does not list their files. The plan lists them.
//! A worker for small exports has less memory and less time than one for large exports, and must export a whole record in one task.

use domain::error::{Error, Result};
use domain::ids::JobId;
use domain::job::Job;
use domain::request::SizeClass;
use platform::exports::change_any;

use crate::Generator;

impl Generator {
    /// Stores that all further tasks of the job are for the workers of large exports. A job that is not running is not changed.
    pub(crate) async fn use_large_workers(&self, id: &JobId) -> Result<()> {
        let moved = change_any(&*self.jobs, id, |stored| match stored.job {
            Job::Running(mut running) => {
                running.header.request.output.size = Some(SizeClass::Large);
                Ok(Job::Running(running))
            }
            _ => Err(Error::NotFound("the job does not run any more")),
        });
        match moved.await {
            Ok(_) => {
                tracing::info!(job.id = %id, "a record is large; the workers for large exports export it");
                Ok(())
            }
            Err(Error::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
