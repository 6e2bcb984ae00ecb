//! Where resources wait until it is known where they belong: their texts in a file, everything else in SQLite,
//! so that memory stays the same whatever comes in.

use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use shared::domain::ids::is_fhir_id;
use shared::fhir::attachments::{Target, has_attachments, linked_attachments};
use shared::fhir::compartments::paths;
use shared::fhir::head::{Plain, head};
use shared::fhir::json;
use shared::fhir::references::parse;
use tempfile::TempDir;

use crate::Failure;

/// Which of two resources of the same type, id and time stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Priority {
    /// The one read later.
    Incoming,
    /// The one that is there.
    Existing,
}

pub(super) struct Scratch {
    database: Connection,
    spill: BufWriter<File>,
    path: PathBuf,
    length: u64,
    next: i64,
    sound: bool,
    _directory: TempDir,
}

// A resource is stored under its last version's `seq`. `belongs` says what makes it part of a record: a reference to a
// patient, to another resource (Provenance), or from a document (Binary). `home` is what came of that.
const SCHEMA: &str = "
    PRAGMA journal_mode = off;
    PRAGMA synchronous = off;
    PRAGMA cache_size = -32768;
    PRAGMA temp_store = file;
    CREATE TABLE resource (
        type TEXT NOT NULL, id TEXT NOT NULL, seq INTEGER NOT NULL, updated INTEGER NOT NULL,
        offset INTEGER NOT NULL, length INTEGER NOT NULL, PRIMARY KEY (type, id)
    ) WITHOUT ROWID;
    CREATE TABLE belongs (seq INTEGER NOT NULL, target TEXT NOT NULL);
    CREATE TABLE mentions (seq INTEGER NOT NULL, binary TEXT NOT NULL);
    CREATE TABLE urn (urn TEXT PRIMARY KEY, target TEXT NOT NULL) WITHOUT ROWID;
    BEGIN;
";

const SETTLE: &str = "
    CREATE UNIQUE INDEX IF NOT EXISTS resource_seq ON resource (seq);
    DROP TABLE IF EXISTS home;
    CREATE TABLE home (patient TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (patient, seq)) WITHOUT ROWID;
    INSERT INTO home SELECT id, seq FROM resource WHERE type = 'Patient';
    INSERT OR IGNORE INTO home
        SELECT substr(coalesce(u.target, b.target), 9), b.seq FROM belongs b
        JOIN resource r ON r.seq = b.seq LEFT JOIN urn u ON u.urn = b.target
        WHERE coalesce(u.target, b.target) LIKE 'Patient/%';
    CREATE INDEX IF NOT EXISTS home_seq ON home (seq);
    INSERT OR IGNORE INTO home
        SELECT h.patient, b.seq FROM belongs b
        JOIN resource p ON p.seq = b.seq AND p.type = 'Provenance' LEFT JOIN urn u ON u.urn = b.target
        JOIN resource t ON t.type = substr(coalesce(u.target, b.target), 1, instr(coalesce(u.target, b.target), '/') - 1)
            AND t.id = substr(coalesce(u.target, b.target), instr(coalesce(u.target, b.target), '/') + 1)
        JOIN home h ON h.seq = t.seq;
    INSERT OR IGNORE INTO home
        SELECT h.patient, b.seq FROM mentions m
        JOIN home h ON h.seq = m.seq JOIN resource b ON b.type = 'Binary' AND b.id = m.binary;
";

impl Scratch {
    /// Beside the records, where there is room for them.
    pub(super) fn new(into: &Path) -> Result<Self, Failure> {
        let directory = tempfile::Builder::new().prefix(".load-").tempdir_in(into)?;
        let database = Connection::open(directory.path().join("scratch.sqlite")).map_err(sql)?;
        database.execute_batch(SCHEMA).map_err(sql)?;
        let path = directory.path().join("spill");
        let spill = BufWriter::with_capacity(256 * 1024, File::create(&path)?);
        Ok(Self { database, spill, path, length: 0, next: 0, sound: true, _directory: directory })
    }

    /// False after a failure of the scratch itself.
    pub(super) fn is_sound(&self) -> bool {
        self.sound
    }

    /// Keeps a resource; answers what is wrong with it, if it cannot be used.
    pub(super) fn add(
        &mut self,
        text: &[u8],
        full_url: Option<&str>,
        priority: Priority,
    ) -> Result<Option<String>, Failure> {
        self.sound = false;
        let added = self.try_add(text, full_url, priority);
        self.sound = added.is_ok();
        added
    }

    fn try_add(
        &mut self,
        text: &[u8],
        full_url: Option<&str>,
        priority: Priority,
    ) -> Result<Option<String>, Failure> {
        let mut plain = Plain::default();
        let head = match head(text, &mut plain) {
            Ok(head) => head,
            Err(reason) => return Ok(Some(reason.to_string())),
        };
        let (resource_type, read) = (head.resource_type, head.text);
        let (id, with_id);
        let text = match head.id {
            Some(known) => {
                id = known.to_owned();
                text
            }
            None => match id_of(full_url) {
                // An id that FHIR does not allow is not replaced.
                Some(_) if json::member(read, 0..read.len(), b"id").is_some() => {
                    return Ok(Some(format!("a {resource_type} without id that FHIR allows")));
                }
                Some(given) => {
                    with_id = insert_id(text, &given);
                    id = given;
                    &with_id
                }
                None => return Ok(Some(format!("a {resource_type} without id"))),
            },
        };
        if let Some(urn) = full_url.filter(|url| url.starts_with("urn:")) {
            let statement = "INSERT OR REPLACE INTO urn (urn, target) VALUES (?, ?)";
            self.execute(statement, params![urn, format!("{resource_type}/{id}")])?;
        }
        let seq = self.next;
        self.next += 1;
        // Of two versions the newest stays.
        let statement = match priority {
            Priority::Incoming => {
                "INSERT INTO resource VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET
                seq = ?3, updated = ?4, offset = ?5, length = ?6 WHERE ?4 >= updated"
            }
            Priority::Existing => {
                "INSERT INTO resource VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET
                seq = ?3, updated = ?4, offset = ?5, length = ?6 WHERE ?4 > updated"
            }
        };
        let offset = i64::try_from(self.length).unwrap_or(i64::MAX);
        let length = i64::try_from(text.len()).unwrap_or(i64::MAX);
        let kept = self.execute(statement, params![resource_type, id, seq, updated(read), offset, length])?;
        if kept == 0 {
            return Ok(None);
        }
        self.spill.write_all(text)?;
        self.length += text.len() as u64;
        self.note_references(read, resource_type, seq)?;
        Ok(None)
    }

    fn note_references(&self, text: &[u8], resource_type: &str, seq: i64) -> Result<(), Failure> {
        let mut targets = Vec::new();
        for path in paths(resource_type) {
            shared::fhir::compartments::values_at(text, path, |reference| {
                targets.extend(
                    json::string(text, reference)
                        .filter(|target| target.starts_with("urn:") || parse(target).is_some()),
                );
            });
        }
        targets.sort_unstable();
        targets.dedup();
        for target in targets {
            let target = parse(&target).map_or(target.as_ref(), |reference| reference.text);
            self.execute("INSERT INTO belongs VALUES (?, ?)", params![seq, target])?;
        }
        if has_attachments(resource_type) {
            for attachment in linked_attachments(text, resource_type) {
                if let Target::Binary(id) = attachment.target {
                    self.execute("INSERT INTO mentions VALUES (?, ?)", params![seq, id])?;
                }
            }
        }
        Ok(())
    }

    fn execute(&self, statement: &str, values: impl rusqlite::Params) -> Result<usize, Failure> {
        self.database.prepare_cached(statement).and_then(|mut prepared| prepared.execute(values)).map_err(sql)
    }

    /// All is read: settles what belongs to whom.
    pub(super) fn settle(&mut self) -> Result<(), Failure> {
        self.spill.flush()?;
        self.database.execute_batch(SETTLE).map_err(sql)
    }

    /// The patients that have anything, in the order of their ids.
    pub(super) fn patients(&self, mut show: impl FnMut(&str) -> Result<(), Failure>) -> Result<(), Failure> {
        let mut select =
            self.database.prepare("SELECT DISTINCT patient FROM home ORDER BY patient").map_err(sql)?;
        let mut rows = select.query([]).map_err(sql)?;
        while let Some(row) = rows.next().map_err(sql)? {
            show(row.get_ref(0).map_err(sql)?.as_str().map_err(|error| Failure::new(error.to_string()))?)?;
        }
        Ok(())
    }

    /// Shows the resources of patients, one patient after the other: patient, type, text.
    pub(super) fn of_patients(
        &self,
        show: impl FnMut(&str, &str, &[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.texts(
            "SELECT h.patient, r.type, r.offset, r.length FROM home h JOIN resource r ON r.seq = h.seq
             WHERE r.type <> 'Group' ORDER BY h.patient, r.type <> 'Patient', r.type, r.id",
            show,
        )
    }

    /// Shows the resources of nobody, one type after the other: id, type, text.
    pub(super) fn of_nobody(
        &self,
        show: impl FnMut(&str, &str, &[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.texts(
            "SELECT r.id, r.type, r.offset, r.length FROM resource r
             WHERE r.type = 'Group' OR NOT EXISTS (SELECT 1 FROM home h WHERE h.seq = r.seq) ORDER BY r.type, r.id",
            show,
        )
    }

    fn texts(
        &self,
        statement: &str,
        mut show: impl FnMut(&str, &str, &[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut spill = File::open(&self.path)?;
        let mut select = self.database.prepare(statement).map_err(sql)?;
        let mut rows = select.query([]).map_err(sql)?;
        let mut text = Vec::new();
        while let Some(row) = rows.next().map_err(sql)? {
            let offset: i64 = row.get(2).map_err(sql)?;
            let length: i64 = row.get(3).map_err(sql)?;
            spill.seek(SeekFrom::Start(offset.unsigned_abs()))?;
            text.clear();
            Read::by_ref(&mut spill).take(length.unsigned_abs()).read_to_end(&mut text)?;
            let column = |index| {
                row.get_ref(index).map_err(sql)?.as_str().map_err(|error| Failure::new(error.to_string()))
            };
            show(column(0)?, column(1)?, &text)?;
        }
        Ok(())
    }

    /// What a `urn:` stands for.
    pub(super) fn resolve(&self, urn: &str) -> Result<Option<String>, Failure> {
        let mut select = self.database.prepare_cached("SELECT target FROM urn WHERE urn = ?").map_err(sql)?;
        select.query_row([urn], |row| row.get(0)).optional().map_err(sql)
    }
}

/// `meta.lastUpdated` in milliseconds; the least there is without one.
fn updated(text: &[u8]) -> i64 {
    let mut updated = i64::MIN;
    json::members(text, 0..text.len(), |key, value| {
        if key == b"meta" {
            json::members(text, value, |key, value| {
                if key == b"lastUpdated" {
                    let at = json::string(text, value).and_then(|text| text.parse::<Timestamp>().ok());
                    updated = at.map_or(updated, Timestamp::as_millisecond);
                }
            });
        }
    });
    updated
}

/// The id that an entry's full URL gives to a resource that has none.
fn id_of(full_url: Option<&str>) -> Option<String> {
    let url = full_url?;
    let id = url.strip_prefix("urn:uuid:").or_else(|| parse(url).map(|reference| reference.id))?;
    is_fhir_id(id).then(|| id.to_owned())
}

fn insert_id(text: &[u8], id: &str) -> Vec<u8> {
    let mut with_id = format!("{{\"id\":\"{id}\",").into_bytes();
    let behind_brace = text.iter().position(|byte| *byte == b'{').map_or(0, |at| at + 1);
    with_id.extend_from_slice(&text[behind_brace..]);
    with_id
}

fn sql(error: rusqlite::Error) -> Failure {
    Failure::new(format!("the scratch database: {error}"))
}
