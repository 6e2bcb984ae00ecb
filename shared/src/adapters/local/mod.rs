//! The platform of one machine: SQLite for jobs, chunks, queue and grants, directories for files and records.

mod database;
mod files;
mod grants;
mod jobs;
mod queue;
mod records;
mod shared_files;

use std::path::Path;
use std::sync::Arc;

use crate::clock::{Clock, Ids};
use crate::config::Settings;
use crate::error::{Error, Result, Store};
use crate::platform::Platform;
use crate::ports::files::Files;
use crate::ports::grants::Grants;
use crate::ports::jobs::Jobs;
use crate::ports::queue::Queue;
use crate::ports::records::Records;
use crate::security::keys::{Keys, StoredKeys};
use crate::security::verify::Verifier;

use self::database::Database;
use self::files::LocalFiles;
use self::grants::LocalGrants;
use self::jobs::LocalJobs;
pub use self::queue::LocalQueue;
use self::records::LocalRecords;

/// See the [module](self).
#[derive(Clone)]
pub struct Local {
    settings: Arc<Settings>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    jobs: Arc<LocalJobs>,
    queue: Arc<LocalQueue>,
    files: Arc<LocalFiles>,
    records: Arc<LocalRecords>,
    grants: Arc<LocalGrants>,
    keys: Arc<Keys>,
    verifier: Arc<Verifier>,
}

impl Local {
    /// Opens, or begins, the state in a directory. One process at a time may have it open.
    pub fn open(
        state: &Path,
        records: &Path,
        settings: Settings,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Result<Self> {
        std::fs::create_dir_all(state)?;
        let database = Database::open(&state.join("state.sqlite"))?;
        let keys = keys_of(&state.join("keys.json"), &*ids)?.with_rsa(&settings.rsa_keys)?;
        let files = LocalFiles::new(state.join("files"))?;
        Ok(Self::new(database, files, keys, LocalRecords::new(records)?, settings, clock, ids))
    }

    /// A state that is gone when it is dropped, for tests and one-off exports.
    pub fn in_memory(
        records: &Path,
        settings: Settings,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Result<Self> {
        let keys = Keys::new(&StoredKeys::generate(&*ids)?)?.with_rsa(&settings.rsa_keys)?;
        let records = LocalRecords::new(records)?;
        Ok(Self::new(Database::in_memory()?, LocalFiles::temporary()?, keys, records, settings, clock, ids))
    }

    fn new(
        database: Database,
        files: LocalFiles,
        keys: Keys,
        records: LocalRecords,
        settings: Settings,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Self {
        let settings = Arc::new(settings);
        let database = Arc::new(database);
        let keys = Arc::new(keys);
        let grants = Arc::new(LocalGrants::new(database.clone(), clock.clone()));
        let verifier = Verifier::new(settings.clone(), keys.clone(), clock.clone(), grants.clone());
        Self {
            jobs: Arc::new(LocalJobs::new(database.clone())),
            queue: Arc::new(LocalQueue::new(database, clock.clone(), ids.clone())),
            files: Arc::new(files),
            records: Arc::new(records),
            verifier: Arc::new(verifier),
            settings,
            clock,
            ids,
            grants,
            keys,
        }
    }

    /// The receiving end of the queue.
    pub fn inbox(&self) -> Arc<LocalQueue> {
        self.queue.clone()
    }
}

impl Platform for Local {
    fn settings(&self) -> Arc<Settings> {
        self.settings.clone()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    fn ids(&self) -> Arc<dyn Ids> {
        self.ids.clone()
    }

    fn jobs(&self) -> Arc<dyn Jobs> {
        self.jobs.clone()
    }

    fn queue(&self) -> Arc<dyn Queue> {
        self.queue.clone()
    }

    fn files(&self) -> Arc<dyn Files> {
        self.files.clone()
    }

    fn records(&self) -> Arc<dyn Records> {
        self.records.clone()
    }

    fn grants(&self) -> Arc<dyn Grants> {
        self.grants.clone()
    }

    fn keys(&self) -> Arc<Keys> {
        self.keys.clone()
    }

    fn verifier(&self) -> Arc<Verifier> {
        self.verifier.clone()
    }
}

/// Reads the keys, or makes and keeps them, readable by nobody else.
fn keys_of(path: &Path, ids: &dyn Ids) -> Result<Keys> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;

    if path.exists() {
        return Keys::new(&serde_json::from_slice(&std::fs::read(path)?)?);
    }
    let stored = StoredKeys::generate(ids)?;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(&serde_json::to_vec(&stored)?)?;
    file.sync_all()?;
    Keys::new(&stored)
}

/// Runs blocking work for a store off the async threads.
async fn blocking<T: Send + 'static>(
    store: Store,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await.map_err(Error::internal)?;
    done.map_err(|error| error.of_store(store))
}
