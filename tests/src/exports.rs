//! Exports that start without a request, for the tests and benchmarks of the engine.

use domain::ids::ClientId;
use domain::job::Job;
use domain::owner::Owner;
use domain::request::{Base, Cohort, ExportRequest, OutputOptions};
use domain::selection::Selection;
use platform::Platform;
use platform::exports::{NewExport, start};

use crate::BASE_URL;

/// Returns an export of everything in a cohort, for the client `app`, without form and review.
pub fn new_export(cohort: Cohort) -> NewExport {
    NewExport {
        id: None,
        owner: Owner::new(ClientId::parse("app").expect("an id"), None, None, "app"),
        patient: None,
        request: ExportRequest {
            url: format!("{BASE_URL}/exports"),
            base: Base::Fhir,
            cohort,
            confirmed_members: None,
            choices: None,
            receiver: None,
            selection: None,
            output: OutputOptions::default(),
        },
        form: false,
        review: false,
        request_id: None,
        by_patient: false,
        language: None,
    }
}

/// Returns a system export with all of `shared/`, groups, deletions, and files that are joined.
pub fn new_system_export() -> NewExport {
    let mut new = new_export(Cohort::Everyone);
    new.request.selection = Some(Selection {
        since: Some("2019-01-01T00:00:00Z".parse().expect("a time")),
        all_shared: true,
        ..Selection::default()
    });
    new.request.output = OutputOptions { min_file_bytes: Some(6_000), ..OutputOptions::default() };
    new
}

/// Starts an export on a platform.
pub async fn begin(platform: &dyn Platform, new: NewExport) -> Job {
    let sources = (&*platform.clock(), &*platform.random());
    let (jobs, queue) = (platform.jobs().expect("the port"), platform.queue().expect("the port"));
    start(new, &*jobs, &*queue, sources, &platform.settings()).await.expect("started")
}
