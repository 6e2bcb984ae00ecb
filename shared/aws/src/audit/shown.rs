//! The index of the patients whom entries show, such as a list of exports: one row for each of them, which refers to the entry.

use std::collections::{BTreeSet, HashMap};

use domain::error::Result;
use domain::ids::PatientId;
use domain::ports::audit::{AuditQuery, StoredEntry};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{AwsAuditLog, Partition, expires_at, number_key, stored};
use crate::calls::failed;
use crate::items::{Item, get_text, number, text};
use crate::table::Table;

/// The number of rows that are written concurrently.
const AT_ONCE: usize = 25;

/// Returns the partition of the entries that show a patient. The partitions of the chains are numbers.
fn partition(patient: &PatientId) -> String {
    format!("patient/{patient}")
}

fn row(entry: &StoredEntry, patient: &PatientId) -> Item {
    let keys = &entry.keys;
    let values = [
        ("shard_id", text(partition(patient))),
        ("entry_number", text(&keys.position)),
        ("shown_shard", text(keys.shard.to_string())),
        ("shown_number", text(number_key(keys.sequence))),
        ("expires_at", number(expires_at(keys))),
    ];
    HashMap::from(values.map(|(name, value)| (name.to_owned(), value)))
}

/// Returns the key of the entry to which a row refers.
fn key_of(row: &Item) -> Result<Item> {
    let values =
        [("shard_id", get_text(row, "shown_shard")?), ("entry_number", get_text(row, "shown_number")?)];
    Ok(values.map(|(name, value)| (name.to_owned(), text(value))).into())
}

impl AwsAuditLog {
    /// Writes a row for each patient whom an entry shows. A row that is written again stays the same.
    pub(super) async fn point_to(&self, entry: &StoredEntry, shown: &[PatientId]) -> Result<()> {
        let patients: BTreeSet<_> = shown.iter().cloned().collect();
        let write = |patient: PatientId| async move {
            let put = self.client.put_item().table_name(&self.table).set_item(Some(row(entry, &patient)));
            put.send().await.map(drop).map_err(failed("PutItem of a patient of an audit entry"))
        };
        stream::iter(patients).map(write).buffer_unordered(AT_ONCE).try_collect().await
    }

    /// Returns a page of the entries that show a patient.
    pub(super) async fn showing(
        &self,
        patient: &PatientId,
        query: &AuditQuery,
    ) -> Result<(Vec<StoredEntry>, Option<String>)> {
        let partition = partition(patient);
        let part = Partition { index: None, hash: ("shard_id", &partition), range: "entry_number" };
        let (rows, rest) = self.page(part, query).await?;
        let keys = rows.iter().map(key_of).collect::<Result<Vec<_>>>()?;
        let table =
            Table { client: self.client.clone(), name: self.table.clone(), random: self.random.clone() };
        let entries = table.get_all(keys).await?;
        Ok((entries.iter().map(stored).collect::<Result<_>>()?, rest))
    }
}
