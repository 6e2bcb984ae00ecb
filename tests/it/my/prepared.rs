//! The ZIP of a large copy, which workers make: its pages, and what the patient sees when it fails.

mod gone;
mod stages;

use std::sync::Arc;

use domain::ports::files::{Files, read_all};
use domain::ports::queue::{Deadline, Inbox, NoDeadline, Worker};
use export_generator::{Limits, worker_with};
use http::StatusCode;
use http_body_util::BodyExt;
use jiff::{SignedDuration, Timestamp};
use platform::Platform;
use tests::faults::{Faults, Faulty, Strike};
use tests::{ANNA, BRUNO, TestResponse, World};
use tower::ServiceExt;

use super::zip::{check_sums, unzipped};
use super::{page, requested_copy, signed_in};
use crate::audit::events;

/// No copy is small enough to be made during a request.
const LARGE: &str = "sandbox = true\nreview = false\nmax_direct_bytes = 1\nmax_immediate_zip_bytes = 1";
/// Each part is a stage, and the segments are joined as they are.
const STAGES: Limits = Limits { bytes: 1, entries: 1, least: 0 };

/// The time of a worker is always over.
struct Over;

impl Deadline for Over {
    fn is_near(&self, _: Timestamp) -> bool {
        true
    }
}

/// A complete copy of a patient who is signed in.
struct Copy {
    world: World,
    session: TestResponse,
    path: String,
}

impl Copy {
    async fn of(patient: &str, records: &std::path::Path) -> Self {
        let world = World::with_links(&tests::settings(LARGE), records);
        let session = signed_in(&world, patient).await;
        let path = requested_copy(&world, &session, &[]).await;
        world.work().await;
        Self { world, session, path }
    }

    async fn of_anna() -> Self {
        Self::of(ANNA, &ehi::defaults::sample_records()).await
    }

    fn zip(&self) -> String {
        format!("{}/zip", self.path)
    }

    fn progress(&self) -> String {
        format!("{}/zip/progress", self.path)
    }

    async fn ask(&self) -> TestResponse {
        let asked = self.world.post(&self.zip()).cookie(&self.session).send().await;
        assert_eq!(asked.status, StatusCode::SEE_OTHER, "{}", asked.text());
        asked
    }

    async fn shown(&self) -> String {
        page(&self.world, &self.session, &self.progress()).await
    }

    fn prefix(&self) -> String {
        format!("exports/{}/", self.path.rsplit('/').next().expect("an id"))
    }

    fn files(&self) -> Arc<dyn Files> {
        Platform::files(self.world.platform()).expect("the port")
    }

    /// Returns the ZIP that the link leads to.
    async fn linked(&self) -> Vec<u8> {
        let linked = self.world.get(&self.zip()).cookie(&self.session).send().await;
        assert_eq!(linked.status, StatusCode::SEE_OTHER, "{}", linked.text());
        let key = linked.location();
        let key = key.strip_prefix("https://the-files.test/").unwrap_or_else(|| panic!("{key}"));
        read_all(&*self.files(), key, 1 << 26).await.expect("a ZIP")
    }

    /// Returns the ZIP as a host without links makes it, in one go.
    async fn in_one_go(&self) -> Vec<u8> {
        let platform = self.world.platform();
        let app = web::host::host(ehi::server::routers(platform).expect("its ports"), platform.context());
        let request = http::Request::get(self.zip()).header("cookie", self.session.cookie());
        let response = app.oneshot(request.body(axum::body::Body::empty()).expect("a request")).await;
        let body = response.expect("a response").into_body().collect().await.expect("a whole ZIP");
        body.to_bytes().to_vec()
    }

    /// Lets this worker handle the tasks that are due; returns their number.
    async fn work_with(&self, worker: &dyn Worker, deadline: &dyn Deadline) -> u32 {
        let inbox = self.world.platform().inbox();
        let mut steps = 0;
        while ehi::worker::step(&*inbox, worker, deadline).await.expect("the queue responds") {
            steps += 1;
        }
        steps
    }

    fn worker(&self, limits: Limits) -> Arc<dyn Worker> {
        worker_with(self.world.platform(), limits).expect("its ports")
    }

    /// Returns the names of the files of the ZIP.
    async fn left(&self) -> Vec<String> {
        let mut names = self.files().list(&format!("{}zip/", self.prefix())).await.expect("a list");
        names.sort();
        names
    }
}

#[tokio::test]
async fn a_large_copy_is_prepared_once_and_then_linked() {
    let copy = Copy::of_anna().await;
    let shown = page(&copy.world, &copy.session, &copy.path).await;
    assert!(shown.contains(&format!("<form method=\"post\" action=\"{}\"", copy.zip())), "{shown}");
    assert!(shown.contains("is prepared first"), "{shown}");
    let early = copy.world.get(&copy.zip()).cookie(&copy.session).send().await;
    assert!(early.location().ends_with("/zip/progress"), "{}", early.location());
    let shown = copy.shown().await;
    assert!(shown.contains("Not prepared yet") && !shown.contains("data-live"), "{shown}");
    for _ in 0..2 {
        assert!(copy.ask().await.location().ends_with("/zip/progress"), "a second click asks for nothing");
    }
    let shown = copy.shown().await;
    assert!(shown.contains("Being prepared") && shown.contains("data-percent=\"0\""), "{shown}");
    assert!(shown.contains("?live=1\">Update by itself") && !shown.contains("Prepare the ZIP"), "{shown}");
    let live = copy.world.get(&format!("{}?live=1", copy.progress())).cookie(&copy.session).send().await;
    assert_eq!(live.header("refresh"), "15");
    assert_eq!(copy.work_with(&*copy.worker(Limits::default()), &NoDeadline).await, 1, "one task");
    let shown = copy.shown().await;
    assert!(
        shown.contains("Ready") && shown.contains("Download the ZIP") && !shown.contains("data-live"),
        "{shown}"
    );
    assert!(shown.contains(&format!("{}?from=0#files", copy.path)), "{shown}");
    let zip = copy.linked().await;
    check_sums(&unzipped(&zip));
    assert!(zip == copy.in_one_go().await, "it is the ZIP that is made in one go");
    assert_eq!(copy.left().await, ["copy-en.zip", "en.json"]);
    let shown = page(&copy.world, &copy.session, &copy.path).await;
    assert!(shown.contains(&format!("class=\"button\" href=\"{}\"", copy.zip())), "{shown}");
    copy.ask().await;
    assert_eq!(copy.work_with(&*copy.worker(STAGES), &NoDeadline).await, 0, "the ZIP is not made again");
}

#[tokio::test]
async fn each_download_is_in_the_audit_trail_and_preparing_is_none() {
    let copy = Copy::of_anna().await;
    copy.ask().await;
    copy.world.work().await;
    let downloads = async || {
        let all = events(&copy.world, "action=download").await;
        all.iter().filter(|event| event.to_string().contains("\"zip\"")).count()
    };
    assert_eq!(downloads().await, 0);
    copy.linked().await;
    assert_eq!(downloads().await, 1);
}

#[tokio::test]
async fn each_language_has_a_zip_of_its_own() {
    let copy = Copy::of_anna().await;
    let spanish = format!("{}; lang=es", copy.session.cookie());
    copy.ask().await;
    copy.world.post(&copy.zip()).header("cookie", &spanish).send().await;
    assert_eq!(copy.work_with(&*copy.worker(Limits::default()), &NoDeadline).await, 2);
    let shown = copy.world.get(&copy.progress()).header("cookie", &spanish).send().await.text();
    assert!(shown.contains("El ZIP de su copia") && shown.contains("Listo"), "{shown}");
    let linked = copy.world.get(&copy.zip()).header("cookie", &spanish).send().await.location();
    assert!(linked.ends_with("/zip/copy-es.zip"), "{linked}");
    let key = format!("{}zip/copy-es.zip", copy.prefix());
    let files = unzipped(&read_all(&*copy.files(), &key, 1 << 26).await.expect("a ZIP"));
    let index = String::from_utf8_lossy(&files["index.html"]);
    assert!(index.contains("<html lang=\"es\""), "{index}");
    assert_eq!(copy.left().await, ["copy-en.zip", "copy-es.zip", "en.json", "es.json"]);
}

#[tokio::test]
async fn only_the_patient_gets_the_page_and_the_zip() {
    let copy = Copy::of_anna().await;
    let bruno = signed_in(&copy.world, BRUNO).await;
    for call in [copy.world.post(&copy.zip()), copy.world.get(&copy.zip()), copy.world.get(&copy.progress())]
    {
        assert_eq!(call.cookie(&bruno).send().await.status, StatusCode::NOT_FOUND);
    }
    let stranger = copy.world.get(&copy.progress()).send().await;
    assert!(stranger.location().contains("/patient-login"), "{}", stranger.location());
    assert_eq!(copy.left().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_zip_that_fails_for_good_says_so_and_can_be_asked_for_again() {
    let copy = Copy::of_anna().await;
    copy.ask().await;
    let faults = Faults::at(6, Strike::Defect);
    let faulty = worker_with(&Faulty::new(copy.world.platform().clone(), faults.clone()), STAGES);
    let faulty = faulty.expect("its ports");
    assert_eq!(copy.work_with(&*faulty, &NoDeadline).await, 1);
    assert!(faults.has_struck());
    assert!(copy.shown().await.contains("Being prepared"), "it is tried again");
    let files = copy.files();
    let key = copy.files().list(&copy.prefix()).await.expect("a list");
    let pack = key.iter().find(|name| name.starts_with("000000")).expect("an attempt").clone();
    let pack = format!("{}{pack}pack", copy.prefix());
    let bytes = read_all(&*files, &pack, 1 << 26).await.expect("a pack");
    files.remove(&pack).await.expect("removed");
    domain::ports::files::write_all(&*files, &pack, vec![b'x'; bytes.len()]).await.expect("written");
    for _ in 0..3 {
        copy.world.advance(3_600);
        copy.work_with(&*copy.worker(STAGES), &NoDeadline).await;
    }
    let session = signed_in(&copy.world, ANNA).await;
    let shown = page(&copy.world, &session, &copy.progress()).await;
    assert!(shown.contains("Something broke") && shown.contains("Prepare the ZIP again"), "{shown}");
    assert!(shown.contains("one by one") && !shown.contains("data-live"), "{shown}");
    assert_eq!(copy.left().await, ["en.json"], "its segments are removed");
    // The file is repaired.
    domain::ports::files::write_all(&*files, &pack, bytes).await.expect("written");
    copy.world.post(&copy.zip()).cookie(&session).send().await;
    copy.work_with(&*copy.worker(STAGES), &NoDeadline).await;
    let shown = page(&copy.world, &session, &copy.progress()).await;
    assert!(shown.contains("Download the ZIP"), "{shown}");
}

/// The task of a ZIP is lost, which the patient notices after a while.
#[tokio::test]
async fn a_zip_whose_task_is_lost_can_be_asked_for_again() {
    let copy = Copy::of_anna().await;
    copy.ask().await;
    let inbox = copy.world.platform().inbox();
    let lost = inbox.receive(SignedDuration::from_secs(60)).await.expect("a result").expect("a task");
    inbox.acknowledge(&lost).await.expect("acknowledged");
    copy.world.advance(19 * 60);
    let session = signed_in(&copy.world, ANNA).await;
    let shown = page(&copy.world, &session, &copy.progress()).await;
    assert!(shown.contains("Being prepared"), "{shown}");
    copy.world.advance(60);
    let shown = page(&copy.world, &session, &copy.progress()).await;
    assert!(shown.contains("Late") && shown.contains("Prepare the ZIP again"), "{shown}");
    copy.world.post(&copy.zip()).cookie(&session).send().await;
    copy.world.work().await;
    assert!(page(&copy.world, &session, &copy.progress()).await.contains("Download the ZIP"));
}
