//! What an export contains as a slow model: each export of a random lake must have the resources of the model. The model has
//! the members who joined a Group after `_since`, Provenance in the records and in `shared/`, and several versions of a resource.

mod lake;
mod request;
mod rule;
mod system;

use domain::selection::Provenance;
use export_generator::{GatherSizes, ShardSizes, Sizes, TargetSizes};

use self::lake::{Node, PATIENTS, RandomLake, Target, patient_of, random_lake};
use self::request::any_request;
use self::rule::{Decision, Rule};
use super::parts::{Seen, seen};
use super::*;

/// Returns the decision by the choices of an EHI export, for the groups that these lakes can have.
fn decision_by_choices(node: &Node, visits: bool, medical_record: bool, mental_health: bool) -> Decision {
    let always = ["Patient", "Practitioner", "Organization"].contains(&node.resource_type);
    let chosen = match node.resource_type {
        "Observation" => true,
        "Encounter" => visits,
        _ => medical_record,
    };
    match (always, node.is_sensitive && !mental_health, chosen) {
        (true, _, _) | (false, false, true) => Decision::Exported,
        (false, false, false) => Decision::NotChosen,
        (false, true, _) => Decision::Out,
    }
}

/// Returns the numbers of the withheld resources in the record of ann: those of a sensitive category, and Provenance about any of them,
/// until nothing changes.
fn withheld_of_ann(lake: &RandomLake, is_sensitive: impl Fn(&Node) -> bool) -> BTreeSet<usize> {
    let of_ann = || lake.records.iter().enumerate().filter(|(number, _)| patient_of(*number) == PATIENTS[0]);
    let mut withheld: BTreeSet<_> =
        of_ann().filter(|(_, node)| is_sensitive(node)).map(|(number, _)| number).collect();
    loop {
        let is_withheld =
            |target: &Target| matches!(target, Target::Record(number) if withheld.contains(number));
        let about = of_ann().filter(|(_, node)| node.is_provenance() && node.about.iter().any(is_withheld));
        let more: BTreeSet<_> = about.map(|(number, _)| number).chain(withheld.iter().copied()).collect();
        if more == withheld {
            return withheld;
        }
        withheld = more;
    }
}

/// Returns sizes of parts in which the workers do their work; `None` does it at once.
fn any_parts() -> impl Strategy<Value = Option<Sizes>> {
    let sizes = (1..5_usize, 1..4_usize, 1..4_u32, 0..3_usize);
    let sizes = sizes.prop_map(|(references, messages, files, unknown)| Sizes {
        gather: GatherSizes { files },
        shards: ShardSizes { references, messages },
        targets: TargetSizes { unknown },
        ..Sizes::default()
    });
    prop::option::of(sizes)
}

/// Returns a World whose workers work in these parts.
fn world(settings: &str, records: &Path, parts: Option<Sizes>) -> World {
    let world = World::with(settings, records);
    match parts {
        Some(sizes) => world.in_parts_of(sizes),
        None => world,
    }
}

fn run(story: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(story);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_bulk_export_has_the_resources_of_the_rule(
        lake in random_lake(), request in any_request(), parts in any_parts(),
    ) {
        run(async {
            let directory = lake.write();
            let world = world(&request.settings(), directory.path(), parts);
            let (mut found, warnings) = bulk_with_warnings(&world, &request.scopes(), &request.path()).await;
            found.retain(|name| !name.starts_with("Patient/"));
            let lake = lake.settled();
            assert_eq!(found, request.expected(&lake), "{} with {}", request.path(), request.scopes());
            let (of_patients, warnings): (Vec<_>, Vec<_>) =
                warnings.into_iter().partition(|text| text.contains("may belong to a patient"));
            let misplaced: Vec<_> = (0..lake.shared.len())
                .filter(|number| lake.shared[*number].misplaced_patient().is_some())
                .map(|number| format!("refers to {},", lake.name(Target::Shared(number))))
                .collect();
            for text in of_patients {
                assert!(misplaced.iter().any(|name| text.contains(name)), "{text}");
            }
            let misplaced = request.misplaced(&lake);
            assert_eq!(warnings.len(), usize::from(misplaced > 0), "{warnings:?}");
            assert!(warnings.iter().all(|text| text.contains(&format!("of patients: {misplaced}."))), "{warnings:?}");
        });
    }

    #[test]
    fn an_ehi_export_has_the_resources_of_the_rule(
        lake in random_lake(), visits: bool, medical_record: bool, mental_health: bool, whole: bool, parts in any_parts(),
    ) {
        run(async {
            let directory = lake.write();
            let lake = lake.settled();
            let world = world("sandbox = true", directory.path(), parts);
            // The export is of one patient: nothing follows from the record of the other one.
            let of_ann = |number: usize, decision: Decision| if patient_of(number) == PATIENTS[0] { decision } else { Decision::Out };
            let (found, expected) = if whole {
                let token = world.token(PATIENTS[0]).await;
                let job = world.exported(&token, PATIENTS[0]).await;
                let found = world.resources(&token, &job).await.iter().map(reference).collect();
                let rule = Rule {
                    of_record: |number| of_ann(number, Decision::Exported),
                    of_shared: |_, _| Decision::Exported,
                    provenance: Provenance::All,
                    withheld_of_shared: BTreeSet::new(),
                };
                (found, rule.exported(&lake))
            } else {
                let given = json!({
                    "parameters": {
                        "visits": { "enabled": visits }, "medicalRecord": { "enabled": medical_record },
                        "billing": { "enabled": true },
                    },
                    "authorizations": { "mentalHealth": { "value": mental_health } },
                });
                let by_choices = |node: &Node| decision_by_choices(node, visits, medical_record, mental_health);
                let withheld = withheld_of_ann(&lake, |node| by_choices(node) == Decision::Out);
                let is_withheld = |number: &usize| by_choices(&lake.shared[*number]) == Decision::Out;
                let rule = Rule {
                    of_record: |number: usize| match withheld.contains(&number) {
                        true => Decision::Out,
                        false => of_ann(number, by_choices(&lake.records[number])),
                    },
                    of_shared: |number: usize, by_exported: bool| {
                        let node = &lake.shared[number];
                        // If only resources refer to it that were not chosen, only people and organizations are exported.
                        let always = ["Practitioner", "Organization"].contains(&node.resource_type);
                        match by_choices(node) {
                            Decision::Exported if !by_exported && !always => Decision::NotChosen,
                            decision => decision,
                        }
                    },
                    provenance: Provenance::All,
                    withheld_of_shared: (0..lake.shared.len()).filter(is_withheld).collect(),
                };
                (ehi(&world, PATIENTS[0], &given).await, rule.exported(&lake))
            };
            let own: BTreeSet<_> = found.into_iter().filter(|name| *name != "Patient/ann").collect();
            assert_eq!(own, expected);
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_system_export_has_the_most_recent_version_of_each_resource(
        lake in random_lake(), open_only: bool, since in prop::option::of(Just("2023-01-01T00:00:00Z")), small_chunks: bool,
    ) {
        run(async {
            let directory = lake.write();
            let chunk_bytes = if small_chunks { 1 } else { 100_000_000 };
            let world = World::with(&format!("sandbox = true\nchunk_bytes = {chunk_bytes}"), directory.path());
            let found = system::exported(&world, open_only, since).await;
            assert_eq!(found, system::expected(&lake.settled(), open_only, since), "{since:?}");
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn a_random_export_in_parts_is_the_export_at_once(
        lake in random_lake(), request in any_request(), parts in any_parts(),
    ) {
        run(async {
            let directory = lake.write();
            let mut exports = Vec::new();
            for parts in [None, Some(parts.unwrap_or(tests::parts::small()))] {
                let world = world(&request.settings(), directory.path(), parts);
                let (Seen { lines, ledger }, _) = seen(&world, &request.scopes(), &request.path()).await;
                let resources = &ledger["resources"];
                let counts = ["read", "written", "duplicates", "problems"].map(|count| resources[count].clone());
                exports.push((lines, counts));
            }
            assert_eq!(exports[1], exports[0], "{} with {}", request.path(), request.scopes());
        });
    }
}
