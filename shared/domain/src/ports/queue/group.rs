//! The group of a task: its size, which selects the queue, and the client that shares the workers of this queue with others.

use crate::header::JobHeader;
use crate::request::SizeClass;

/// The group of the tasks of an export.
///
/// A queue that is fair shares its workers between the groups of the tasks that wait. In the queue of large exports, all exports of a
/// client are one group, so that ten exports of one client get no larger share than one export of another. In the queue of small
/// exports, the exports of each patient are a group, because one app may export the records of many patients, and none of them should
/// wait for the others. Exports of several patients are grouped by client there as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskGroup {
    pub size: SizeClass,
    /// The issuer and the client, and for small exports the patient. Adapters show only a hash of it.
    pub owner: Vec<String>,
}

impl TaskGroup {
    /// Returns the group of an export's tasks.
    pub fn of(header: &JobHeader) -> Self {
        let size = header.request.size_class();
        let issuer = header.owner.issuer.clone().unwrap_or_default();
        let client = header.owner.client.to_string();
        let patient = header.patient.as_ref().filter(|_| size == SizeClass::Small);
        let patient = patient.map(|patient| patient.id.to_string());
        Self { size, owner: [issuer, client].into_iter().chain(patient).collect() }
    }
}
