//! The message groups of tasks on SQS: the workers are shared between clients, and in the queue of small exports also between
//! patients.

use domain::header::JobHeader;
use domain::job::Job;
use domain::request::{Cohort, SizeClass};
use platform::Platform;
use platform::exports::resume;
use tests::simulated::platform::{platform, random};
use tests::simulated::{Client, Simulation, Stage, run};

/// Sends the first task of exports, which differ by the change; returns the groups of their messages in a queue.
fn groups_of(queue: &str, changes: &[fn(&mut JobHeader)]) -> Vec<String> {
    run(async {
        let client = Client::new(&Simulation::new(), Stage::Outside);
        let sender = platform(&client, "", random(1)).await.queue().expect("the port");
        for (number, change) in (1..).zip(changes) {
            let mut job = contract::job(number, "owner");
            let Job::Queued(queued) = &mut job else { panic!("another state") };
            change(&mut queued.header);
            resume(&job, &*sender).await.expect("sent");
        }
        let groups: Option<Vec<_>> = client.simulation().message_groups(queue).into_iter().collect();
        groups.expect("every message has a group")
    })
}

/// Makes the export one of many patients by the client.
fn large(header: &mut JobHeader) {
    header.request.cohort = Cohort::Everyone;
    header.request.output.size = None;
    header.patient = None;
}

#[test]
fn all_large_exports_of_a_client_share_one_group() {
    let groups = groups_of(
        "large",
        &[
            large,
            large,
            |header| {
                large(header);
                header.owner.issuer = Some("https://issuer.example".to_owned());
            },
            |header| {
                large(header);
                header.owner.client = domain::ids::ClientId::parse("other").expect("an id");
            },
            |header| header.request.output.size = Some(SizeClass::Large),
        ],
    );
    let [first, second, other_issuer, other_client, one_patient] = &groups[..] else { panic!("{groups:?}") };
    assert_eq!(first, second);
    assert_eq!(first, one_patient, "a large export of one patient is in the share of its client");
    assert!(first != other_issuer && first != other_client && other_issuer != other_client, "{groups:?}");
    assert!(
        groups
            .iter()
            .all(|group| group.len() <= 128 && group.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    );
}

#[test]
fn small_exports_share_a_group_by_client_and_patient() {
    fn of(header: &mut JobHeader, patient: &str) {
        let patient = domain::ids::PatientId::parse(patient).expect("an id");
        header.request.cohort = Cohort::Patients(vec![patient.clone()]);
        header.patient = Some(domain::patient_summary::PatientSummary {
            id: patient,
            ..header.patient.clone().expect("a patient")
        });
    }
    let groups = groups_of(
        "small",
        &[|header| of(header, "anna"), |header| of(header, "anna"), |header| of(header, "bruno")],
    );
    let [first, second, other] = &groups[..] else { panic!("{groups:?}") };
    assert_eq!(first, second);
    assert_ne!(first, other);
}
