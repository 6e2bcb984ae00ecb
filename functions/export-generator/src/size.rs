//! Moves an export to the workers of large exports if a record is too large for the workers of small ones.
//!
//! The size of an export follows from the number of its patients, because the kick-off does not list their files. The plan lists them.
//! A worker for small exports has less memory and less time than one for large exports, and must export a whole record in one task.

use domain::error::{Error, Result};
use domain::ids::JobId;
use domain::job::Job;
use domain::request::SizeClass;

use crate::Generator;

/// The number of attempts to change a job's row while others change it.
const RACES: u32 = 20;

impl Generator {
    /// Stores that all further tasks of the job are for the workers of large exports. A job that is not running is not changed.
    pub(crate) async fn use_large_workers(&self, id: &JobId) -> Result<()> {
        for _ in 0..RACES {
            let Some((mut running, stored)) = self.running(id).await? else { return Ok(()) };
            running.header.request.output.size = Some(SizeClass::Large);
            match self.jobs.replace(&Job::Running(running), stored.version).await {
                Ok(_) => {
                    tracing::info!(job.id = %id, "a record is large; the workers for large exports export it");
                    return Ok(());
                }
                Err(Error::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::conflict("too many tasks change the job at the same time"))
    }
}
