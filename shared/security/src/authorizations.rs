//! The list of authorizations that a patient has given to apps, which the patient can see and end.
//!
//! The entry of the authorization itself ([`EntryKind::Family`]) makes its code and its tokens valid. It begins with the
//! consent, before the code is exchanged. The store cannot list entries, so an entry for each patient
//! ([`EntryKind::PatientApps`]) has a list of them. The list is only an index: an authorization is valid as long as its own
//! entry exists, and that entry is removed first. So an interrupted change leaves too many authorizations in the index,
//! never too few.

use domain::clock::Clock;
use domain::error::{Error, Result};
use domain::ids::{ClientId, PatientId};
use domain::ports::expiring::{EntryKind, ExpiringEntry, ExpiringStore};
use domain::scopes::Scopes;
use futures_util::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use settings::{Settings, SignInMethod};

/// The maximum number of authorizations of a patient whose codes were exchanged, and also of those whose codes were not. One more
/// ends the least recently used one of the same kind, so that none is hidden.
pub const MAX_LISTED: usize = 50;

/// The minimum time between two writes of the last use.
pub const NOTED: SignedDuration = SignedDuration::from_hours(1);

/// One authorization.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Authorization {
    /// The key of its entry of the kind [`EntryKind::Family`].
    pub family: String,
    pub client: ClientId,
    pub scopes: Scopes,
    /// The time of the patient's consent.
    pub since: Timestamp,
    /// The last use of its tokens at the token endpoint. It may be up to [`NOTED`] too early.
    pub used: Timestamp,
    /// The time at which its last token expires, if it is not used again.
    pub expires_at: Timestamp,
    /// Whether its code was exchanged for tokens. Lists of earlier versions do not say it, and all of theirs were.
    #[serde(default = "exchanged_before")]
    pub is_exchanged: bool,
}

/// How the patient signed in before an authorization began. The entry of the authorization stores it as `from`, so that its
/// tokens are refused when the patient could no longer sign in like this. Entries of earlier versions do not have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CameFrom {
    pub method: SignInMethod,
    pub patient: PatientId,
}

impl CameFrom {
    /// Returns whether the tokens of the authorization with this entry are still valid.
    pub fn lasts(entry: &ExpiringEntry, settings: &Settings) -> Result<bool> {
        match entry.value.get("from") {
            None => Ok(true),
            Some(from) => {
                let Self { method, patient } = Self::deserialize(from)?;
                Ok(settings.can_sign_in(&method, &patient))
            }
        }
    }
}

const fn exchanged_before() -> bool {
    true
}

impl Authorization {
    /// Returns the time at which it has certainly ended. A use within [`NOTED`] after the last one is not recorded, but
    /// extends it. A code is used only once.
    fn end(&self) -> Timestamp {
        match self.is_exchanged {
            true => self.expires_at.saturating_add(NOTED).unwrap_or(Timestamp::MAX),
            false => self.expires_at,
        }
    }
}

/// The authorizations of all patients.
pub struct Authorizations<'a> {
    pub expiring: &'a dyn ExpiringStore,
    pub clock: &'a dyn Clock,
}

impl Authorizations<'_> {
    /// Adds an authorization to the list, or records its use. `since` of a listed one does not change. Returns whether
    /// others were ended because the list would exceed [`MAX_LISTED`].
    pub async fn record_use(&self, patient: &PatientId, authorization: &Authorization) -> Result<bool> {
        let mut has_ended = false;
        for _ in 0..TRIES {
            let (entry, mut list) = self.read(patient).await?;
            match list.iter_mut().find(|known| known.family == authorization.family) {
                Some(known) => *known = Authorization { since: known.since, ..authorization.clone() },
                // Before others of the same time, so that the newest is kept.
                None => list.insert(0, authorization.clone()),
            }
            // Expired authorizations must not count, so that they end no others.
            let now = self.clock.now();
            list.retain(|known| known.end() > now);
            list.sort_by_key(|known| std::cmp::Reverse(known.used));
            for dropped in self.over_the_limit(&mut list).await? {
                has_ended |= self.expiring.take(EntryKind::Family, &dropped.family).await?.is_some();
            }
            if self.write(patient, entry, &list).await? {
                return Ok(has_ended);
            }
        }
        Err(busy())
    }

    /// Removes the authorizations over the limit from the list, and returns them. A consent that an app does not use must not
    /// end the access of another app, so the two kinds are counted separately. Those that have ended already, such as after an
    /// exchange that failed, count only until the list is full.
    async fn over_the_limit(&self, list: &mut Vec<Authorization>) -> Result<Vec<Authorization>> {
        let is_full = |list: &[Authorization]| {
            let exchanged = list.iter().filter(|known| known.is_exchanged).count();
            exchanged > MAX_LISTED || list.len() - exchanged > MAX_LISTED
        };
        if is_full(list) {
            *list = self.alive(std::mem::take(list)).await?;
        }
        let mut counts = [0; 2];
        let dropped = list.extract_if(.., |known| {
            let count = &mut counts[usize::from(known.is_exchanged)];
            *count += 1;
            *count > MAX_LISTED
        });
        Ok(dropped.collect())
    }

    /// Returns those of the list that have not ended, in its order.
    async fn alive(&self, list: Vec<Authorization>) -> Result<Vec<Authorization>> {
        let entries = list.iter().map(|known| self.expiring.get(EntryKind::Family, &known.family));
        let entries = try_join_all(entries).await?;
        Ok(list.into_iter().zip(entries).filter_map(|(known, entry)| entry.map(|_| known)).collect())
    }

    /// Removes ended authorizations from the list.
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

    /// Returns the authorizations that have not ended, the most recently used first.
    pub async fn lasting(&self, patient: &PatientId) -> Result<Vec<Authorization>> {
        let (_, list) = self.read(patient).await?;
        self.alive(list).await
    }

    /// Ends all authorizations of an app: from now on its codes, its refresh tokens and its access tokens are refused.
    /// Returns their number.
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

    /// Writes the list without expired authorizations. Returns `false` if another call changed it first.
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

/// The number of attempts to change the list while other calls change it.
const TRIES: usize = 20;

fn busy() -> Error {
    Error::unavailable("too many requests change the list of a patient's apps at the same time")
}
