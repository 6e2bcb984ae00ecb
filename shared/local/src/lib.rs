//! The platform for one machine. SQLite stores jobs, chunks, the queue and expiring entries, and the audit trail in its
//! own database. Directories hold files and records. This crate knows nothing of AWS or HTTP.

mod audit;
mod blocking;
mod database;
mod expiring;
mod files;
mod index;
mod job_rows;
mod jobs;
mod lake;
mod listing;
mod outbox;
mod private;
mod queue;
mod raw_job;
mod records;
mod schema;
mod shared_files;
mod state;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use domain::clock::{Clock, Random, SystemClock};
use domain::error::{Error, Result};
use domain::ports::audit::AuditLog;
use domain::ports::expiring::ExpiringStore;
use domain::ports::files::{Files, Joiner};
use domain::ports::jobs::Jobs;
use domain::ports::queue::Queue;
use domain::ports::records::Records;
use jiff::SignedDuration;
use platform::{Context, Platform};
use security::keys::{Keys, StoredKeys};
use security::verify::{VerifiedTokens, Verifier};
use settings::Settings;

use self::audit::LocalAuditLog;
use self::database::Database;
use self::expiring::LocalExpiringStore;
use self::files::LocalFiles;
use self::jobs::LocalJobs;
pub use self::outbox::{LocalOutbox, WaitingMail};
pub use self::queue::LocalQueue;
use self::records::LocalRecords;
use self::schema::STATE;

/// The ports of one machine.
#[derive(Clone)]
pub struct Local {
    context: Context,
    jobs: Arc<LocalJobs>,
    outbox: Option<Arc<LocalOutbox>>,
    queue: Arc<LocalQueue>,
    files: Arc<LocalFiles>,
    joiner: Arc<LocalFiles>,
    records: Arc<LocalRecords>,
    expiring: Arc<LocalExpiringStore>,
    audit: Arc<LocalAuditLog>,
    keys: Arc<Keys>,
    verifier: Arc<Verifier>,
    verified: Arc<VerifiedTokens>,
    /// Locks the state directory for this process until the last clone is dropped.
    _lock: Option<Arc<File>>,
}

/// The parts of a platform other than its database and its files.
struct Parts {
    keys: Keys,
    records: LocalRecords,
    settings: Settings,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl Local {
    /// Opens the state in a directory, and creates it if it is missing. Only one process at a time may have it open.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the records directory does not exist, if the keys or the database are damaged, if the
    /// database was written by a newer version, or if another process uses the state directory. The last error names the
    /// id of that process.
    pub fn open(
        state: &Path,
        records: &Path,
        settings: Settings,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self> {
        let records = LocalRecords::new(records)?;
        let lock = state::open(state)?;
        let keys = state::keys(&state.join("keys.json"), &*random)?;
        Self::over_state(state, lock, Parts { keys, records, settings, clock, random })
    }

    /// Opens an existing state in order to clean it. It stores no new keys, because cleaning signs nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if there is no state directory, and those of [`Local::open`].
    pub fn open_to_clean(
        state: &Path,
        records: &Path,
        settings: Settings,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self> {
        if !state.is_dir() {
            return Err(Error::invalid(format!("there is no state directory {} to clean", state.display())));
        }
        let records = LocalRecords::new(records)?;
        let lock = state::open(state)?;
        let keys = match state::read_keys(&state.join("keys.json"))? {
            Some(keys) => keys,
            None => Keys::new(&StoredKeys::generate(&*random)?)?,
        };
        Self::over_state(state, lock, Parts { keys, records, settings, clock, random })
    }

    fn over_state(state: &Path, lock: File, parts: Parts) -> Result<Self> {
        let database = Database::open(&state.join("state.sqlite"), STATE)?;
        let audit = Database::open(&state.join(audit::FILE), audit::SCHEMA)?;
        let files = LocalFiles::new(state.join("files"))?;
        let opened = Self::new((database, audit), files, parts)?;
        Ok(Self { _lock: Some(Arc::new(lock)), ..opened })
    }

    /// Creates a temporary state that is removed when it is dropped, for tests and for a program that exports and ends.
    pub fn in_memory(
        records: &Path,
        settings: Settings,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self> {
        let keys = Keys::new(&StoredKeys::generate(&*random)?)?;
        let records = LocalRecords::new(records)?;
        let parts = Parts { keys, records, settings, clock, random };
        let databases = (Database::in_memory(STATE)?, Database::in_memory(audit::SCHEMA)?);
        Self::new(databases, LocalFiles::temporary()?, parts)
    }

    fn new((database, audit): (Database, Database), files: LocalFiles, parts: Parts) -> Result<Self> {
        let Parts { keys, records, settings, clock, random } = parts;
        let keys = Arc::new(keys.with_rsa(settings.rsa_keys())?);
        let settings = Arc::new(settings);
        let database = Arc::new(database);
        let expiring = Arc::new(LocalExpiringStore::new(database.clone(), clock.clone()));
        let verified = Arc::new(VerifiedTokens::of_one_process());
        let verifier =
            Verifier::new(settings.clone(), keys.clone(), clock.clone(), expiring.clone(), verified.clone());
        let outbox = || Arc::new(LocalOutbox::new(database.clone(), clock.clone()));
        let outbox = settings.mail.is_some().then(outbox);
        let files = Arc::new(files);
        Ok(Self {
            jobs: Arc::new(LocalJobs::new(database.clone(), outbox.clone())),
            outbox,
            queue: Arc::new(LocalQueue::new(database, clock.clone(), random.clone())),
            joiner: files.clone(),
            files,
            records: Arc::new(records),
            verifier: Arc::new(verifier),
            verified,
            audit: Arc::new(LocalAuditLog::new(audit, settings.audit_retention, clock.clone())),
            context: Context { settings, clock, random },
            expiring,
            keys,
            _lock: None,
        })
    }

    /// Returns the mails to patients that are not sent yet; `None` if the server sends none.
    pub fn outbox(&self) -> Option<Arc<LocalOutbox>> {
        self.outbox.clone()
    }

    /// Returns the receiving end of the queue.
    pub fn inbox(&self) -> Arc<LocalQueue> {
        self.queue.clone()
    }
}

/// Defines each port twice: as a method of [`Platform`], which returns a `Result`, and as a method of [`Local`] without
/// one, because one machine has every port.
macro_rules! ports_of_one_machine {
    ($($port:ident: $Port:ty),+ $(,)?) => {
        impl Local {
            $(pub fn $port(&self) -> Arc<$Port> {
                self.$port.clone()
            })+
        }

        impl Platform for Local {
            fn context(&self) -> &Context {
                &self.context
            }

            fn verified_tokens(&self) -> Arc<VerifiedTokens> {
                self.verified.clone()
            }

            $(fn $port(&self) -> Result<Arc<$Port>> {
                Ok(self.$port.clone())
            })+
        }
    };
}

ports_of_one_machine! {
    jobs: dyn Jobs,
    queue: dyn Queue,
    files: dyn Files,
    joiner: dyn Joiner,
    records: dyn Records,
    expiring: dyn ExpiringStore,
    audit: dyn AuditLog,
    keys: Keys,
    verifier: Verifier,
}

/// Opens the audit trail of a state directory only for reading: another process may have the state open.
///
/// # Errors
///
/// [`Error::Invalid`] if there is no audit trail, or if it is damaged or of another version.
pub fn audit_to_read(state: &Path) -> Result<Arc<dyn AuditLog>> {
    let path = state.join(audit::FILE);
    if !path.is_file() {
        return Err(Error::invalid(format!("there is no audit trail {}", path.display())));
    }
    let database = Database::open_to_read(&path, audit::SCHEMA)?;
    Ok(Arc::new(LocalAuditLog::new(database, SignedDuration::ZERO, Arc::new(SystemClock))))
}

/// Opens the records in a directory, for tools that read a lake.
///
/// # Errors
///
/// [`Error::Invalid`] if there is no such directory.
pub fn records_at(directory: &Path) -> Result<Arc<dyn Records>> {
    Ok(Arc::new(LocalRecords::new(directory)?))
}

/// Opens a directory as a store of files that only their owner can read. Creates the directory if it is missing.
pub fn files_at(directory: &Path) -> Result<Arc<dyn Files>> {
    Ok(Arc::new(LocalFiles::new(directory.to_owned())?))
}
