//! Loads that read far more of the lake than of the input.

use ehi::load::{Sizes, load_within};

use super::*;

/// Sizes with which a load works in many small steps: it divides partitions, reads few records together, and merges files of the index.
pub(super) const SMALL: Sizes =
    Sizes { partition: 1 << 40, joined: 256, sorted: 512, patients: 3, block: 164, files: 2, small_file: 0 };

/// Sizes with more partitions than resources.
pub(super) const MANY: Sizes =
    Sizes { partition: 64, joined: 64, sorted: 64, patients: 1, block: 164, files: 0, small_file: 1 << 20 };

fn patient(number: usize) -> String {
    format!("p{number:03}")
}

/// An earlier version of the program wrote the tasks of all patients to `shared/`, so one small load writes all records.
#[test]
fn resources_of_shared_move_to_all_patients_in_small_steps() -> tests::Result {
    let (lake, steps) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let mut tasks = Vec::new();
    for number in 0..60 {
        let subject = json!({ "reference": format!("Patient/{}", patient(number)) });
        let record = [
            json!({"resourceType":"Patient","id":patient(number)}),
            json!({"resourceType":"Observation","id":format!("o{number}"),"subject":subject}),
            json!({"resourceType":"Provenance","id":format!("v{number}"),"target":[{"reference":format!("Observation/o{number}")}]}),
            json!({"resourceType":"DocumentReference","id":format!("d{number}"),"subject":subject,"content":[{"attachment":{"url":format!("Binary/b{number}")}}]}),
            json!({"resourceType":"Binary","id":format!("b{number}")}),
        ];
        tasks.push(json!({"resourceType":"Task","id":format!("t{number}"),"for":subject}));
        for lake in [&lake, &steps] {
            let directory = lake.path().join("Patient").join(patient(number));
            std::fs::create_dir_all(&directory)?;
            std::fs::write(directory.join("a.ndjson"), lines(&record[..2]))?;
            std::fs::write(directory.join("b.ndjson"), lines(&record[2..]))?;
        }
    }
    for lake in [&lake, &steps] {
        std::fs::create_dir(lake.path().join("shared"))?;
        std::fs::write(lake.path().join("shared/Task.ndjson"), lines(&tasks))?;
    }
    let input = lake.path().join("one.ndjson");
    std::fs::write(&input, lines(&[json!({"resourceType":"Organization","id":"o"})]))?;
    let once = load(std::slice::from_ref(&input), lake.path(), &ProgressBar::hidden())?;
    let in_steps = load_within(std::slice::from_ref(&input), steps.path(), &ProgressBar::hidden(), SMALL)?;
    std::fs::remove_file(input)?;
    assert_eq!((once.resources, once.patients, once.problem_count()), (60 * 6, 60, 0));
    assert_eq!(in_steps, once);
    assert_eq!(obvious::lake(steps.path()), obvious::lake(lake.path()));
    let record = of(steps.path(), "Patient/p007/records.ndjson");
    assert_eq!(
        record,
        ["Patient/p007", "Binary/b7", "DocumentReference/d7", "Observation/o7", "Provenance/v7", "Task/t7"]
    );
    assert!(!steps.path().join("shared/Task.ndjson").exists());
    Ok(())
}
