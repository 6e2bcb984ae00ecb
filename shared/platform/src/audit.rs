//! Records events of a host in the audit trail that are not requests.

use domain::audit::{Action, Actor, Event};
use domain::error::Result;
use domain::ports::audit::{AuditLog, AuditQuery};
use settings::Settings;

/// Records in the audit trail that the settings have changed since the last start, by their digest. Hosts call it at
/// start.
///
/// # Errors
///
/// The error of the store.
pub async fn record_settings(log: &dyn AuditLog, settings: &Settings) -> Result<()> {
    let digest = settings.digest.clone();
    let operator = Actor::operator();
    // This is the only kind of event that the operator causes.
    let query = AuditQuery { actor: Some(operator.id.clone()), count: 1, ..AuditQuery::default() };
    let last = log.list(&query).await?.entries.pop();
    if last.is_some_and(|last| last.event.object.as_deref() == Some(&digest)) {
        return Ok(());
    }
    log.append(&Event::new(operator, Action::SettingsChanged).about(&digest)).await
}
