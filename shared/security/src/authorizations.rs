//! The authorizations that a patient has given to apps, as the patient sees and ends them.
//!
//! What makes tokens good is the entry of the authorization itself ([`EntryKind::Family`]). The store has no listing, so an
//! entry for each patient ([`EntryKind::PatientApps`]) has a list of them. It is only an index: an authorization counts while its
//! own entry lasts, and ending one takes that entry first. An authorization begins with the consent, before its code is exchanged. So a change that is cut off in the middle leaves too much in the
//! index, and never too little.

use domain::clock::Clock;
use domain::error::{Error, Result};
use domain::ids::{ClientId, PatientId};
use domain::ports::expiring::{EntryKind, ExpiringEntry, ExpiringStore};
use domain::scopes::Scopes;
use futures_util::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The most authorizations of a patient. One more ends the one that was used longest ago, so that none is hidden.
pub const MAX_LISTED: usize = 50;

/// How often at most the time of the last use is written.
pub const NOTED: SignedDuration = SignedDuration::from_hours(1);

/// One authorization.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Authorization {
    /// The key of its entry of the kind [`EntryKind::Family`].
    pub family: String,
    pub client: ClientId,
    pub scopes: Scopes,
    /// When the patient agreed.
    pub since: Timestamp,
    /// The last use of its tokens at the token endpoint, up to [`NOTED`] too early.
    pub used: Timestamp,
    /// When its last token expires, if it is not used any more.
    pub expires_at: Timestamp,
}

impl Authorization {
    /// When it has certainly ended: uses within the hour are not noted, and make it last as long again.
    fn end(&self) -> Timestamp {
        self.expires_at.saturating_add(NOTED).unwrap_or(Timestamp::MAX)
    }
}

/// The authorizations of all patients.
pub struct Authorizations<'a> {
    pub expiring: &'a dyn ExpiringStore,
    pub clock: &'a dyn Clock,
}

impl Authorizations<'_> {
    /// Lists an authorization, or notes that it was used. One that is listed keeps its beginning. Returns whether it ended others,
    /// which exceed [`MAX_LISTED`].
    pub async fn note(&self, patient: &PatientId, authorization: &Authorization) -> Result<bool> {
        let mut has_ended = false;
        for _ in 0..TRIES {
            let (entry, mut list) = self.read(patient).await?;
            match list.iter_mut().find(|known| known.family == authorization.family) {
                Some(known) => *known = Authorization { since: known.since, ..authorization.clone() },
                None => list.push(authorization.clone()),
            }
            // Those that have expired must not end others.
            let now = self.clock.now();
            list.retain(|known| known.end() > now);
            list.sort_by_key(|known| std::cmp::Reverse(known.used));
            for dropped in list.split_off(list.len().min(MAX_LISTED)) {
                has_ended |= self.expiring.take(EntryKind::Family, &dropped.family).await?.is_some();
            }
            if self.write(patient, entry, &list).await? {
                return Ok(has_ended);
            }
        }
        Err(busy())
    }

    /// Takes authorizations out of the list, which were ended before.
    pub async fn forget(&self, patient: &PatientId, families: &[String]) -> Result<()> {
        for _ in 0..TRIES {
            let (entry, mut list) = self.read(patient).await?;
            let before = list.len();
            list.retain(|known| !families.contains(&known.family));
            if list.len() == before || self.write(patient, entry, &list).await? {
                return Ok(());
            }
        }
        Err(busy())
    }

    /// The authorizations that last, the one that was used last first.
    pub async fn lasting(&self, patient: &PatientId) -> Result<Vec<Authorization>> {
        let (_, list) = self.read(patient).await?;
        let entries = list.iter().map(|known| self.expiring.get(EntryKind::Family, &known.family));
        let entries = try_join_all(entries).await?;
        Ok(list.into_iter().zip(entries).filter_map(|(known, entry)| entry.map(|_| known)).collect())
    }

    /// Ends all authorizations of an app: from now on its codes, its refresh tokens and its access tokens are refused. Returns how
    /// many there were.
    pub async fn stop(&self, patient: &PatientId, client: &str) -> Result<usize> {
        let (_, list) = self.read(patient).await?;
        let families: Vec<_> = list
            .into_iter()
            .filter(|known| known.client.as_str() == client)
            .map(|known| known.family)
            .collect();
        let ended = families.iter().map(|family| self.expiring.take(EntryKind::Family, family));
        let ended = try_join_all(ended).await?.into_iter().flatten().count();
        self.forget(patient, &families).await?;
        Ok(ended)
    }

    async fn read(&self, patient: &PatientId) -> Result<(Option<ExpiringEntry>, Vec<Authorization>)> {
        let entry = self.expiring.get(EntryKind::PatientApps, patient.as_str()).await?;
        let list = entry.as_ref().map(ExpiringEntry::read).transpose()?.unwrap_or_default();
        Ok((entry, list))
    }

    /// Writes the list without what has expired; false when another call was faster.
    async fn write(
        &self,
        patient: &PatientId,
        entry: Option<ExpiringEntry>,
        list: &[Authorization],
    ) -> Result<bool> {
        let now = self.clock.now();
        let kept: Vec<_> = list.iter().filter(|known| known.end() > now).collect();
        let expires_at = kept.iter().map(|known| known.end()).max();
        let expires_at = expires_at.map_or_else(|| now.saturating_add(NOTED), Ok).map_err(Error::internal)?;
        let value = json!(kept);
        match entry {
            Some(entry) => {
                let entry = ExpiringEntry { value, expires_at, ..entry };
                self.expiring.replace(EntryKind::PatientApps, patient.as_str(), &entry).await
            }
            None => self.expiring.put(EntryKind::PatientApps, patient.as_str(), value, expires_at).await,
        }
    }
}

/// How often a change is tried again that another call was faster than.
const TRIES: usize = 20;

fn busy() -> Error {
    Error::unavailable("the list of a patient's apps is being changed by many at once")
}
