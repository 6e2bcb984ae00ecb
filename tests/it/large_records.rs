//! Exports whose record is too large for the workers of small exports.

use domain::ids::{JobId, PatientId};
use domain::request::{Cohort, SizeClass};
use http::StatusCode;
use tests::exports::{begin, new_export};
use tests::{ANNA, World};

use crate::crash::{at_every_call, counted};

/// The record of every patient is large.
const LARGE: &str = "sandbox = true\nlarge_record_bytes = 1";

/// Starts an export of one patient, directly in the engine.
async fn begin_anna(world: &World) -> JobId {
    let anna = PatientId::parse(ANNA).expect("an id");
    let mut new = new_export(Cohort::of(vec![anna.clone()]));
    new.owner.patient = Some(anna);
    begin(world.platform(), new).await.id().clone()
}

async fn size_of(world: &World, id: &JobId) -> Option<SizeClass> {
    let stored = world.platform().jobs().get(id).await.expect("the store responds").expect("a job");
    stored.job.header().request.output.size
}

/// A process that dies while the export moves to the other workers loses nothing, and the next one finds the same decision.
#[tokio::test]
async fn the_export_of_a_large_record_survives_a_crash_at_every_call() {
    let export = async |settings: &str| {
        let world = World::with(settings, &ehi::defaults::sample_records());
        let id = begin_anna(&world).await;
        world.work().await;
        let resources = world.resources(&world.token(ANNA).await, &format!("/jobs/{id}")).await;
        (counted(&resources), size_of(&world, &id).await)
    };
    let (expected, size) = export("sandbox = true").await;
    assert!(expected.len() > 50 && size.is_none(), "{} resources, {size:?}", expected.len());
    assert_eq!(export(LARGE).await, (expected.clone(), Some(SizeClass::Large)));
    let begun = async || {
        let world = World::with(LARGE, &ehi::defaults::sample_records());
        let id = begin_anna(&world).await;
        (world, id)
    };
    let check = async |world: &World, id: JobId, call: i64| {
        let (token, job) = (world.token(ANNA).await, format!("/jobs/{id}"));
        assert_eq!(world.status(&token, &job).await.status, StatusCode::OK, "call {call}");
        assert_eq!(counted(&world.resources(&token, &job).await), expected, "call {call}");
        assert_eq!(size_of(world, &id).await, Some(SizeClass::Large), "call {call}");
    };
    let crashes = at_every_call(begun, check).await;
    assert!(crashes > 15, "{crashes}");
}

/// On AWS a record above the limit is exported by another function; `template::policies` checks which queues each function uses.
pub(crate) async fn a_large_record_is_exported_by_the_workers_for_large_exports(world: World) {
    let token = world.token(ANNA).await;
    let job = world.kick_off(&token, "/auto-approve/no-form", ANNA).await;
    let id = JobId::parse(job.rsplit('/').next().expect("an id")).expect("an id");
    let size = || world.account().simulation().job(&id).expect("a job").header().request.output.size;
    assert_eq!(size(), None, "the kick-off does not read the record");
    world.work().await;
    assert_eq!(size(), Some(SizeClass::Large));
    assert!(world.resources(&token, &job).await.len() > 50);
}
