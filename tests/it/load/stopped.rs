//! Loads into a directory that stop while the new files get their names.

use super::*;

/// Returns the temporary directories of loads.
fn temporary(lake: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(lake).expect("a lake").map(|entry| entry.expect("an entry").path());
    entries
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".load-")))
        .collect()
}

/// Renews the index of patients.
fn renew(lake: &Path) -> tests::Result {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let lake = ehi::index::Lake::open(&lake.to_string_lossy()).await?;
        lake.renew(None, &ProgressBar::hidden()).await
    })?;
    Ok(())
}

/// A directory that has files is in the place of a record, so that no file can get this name, whoever runs the load.
#[test]
fn a_load_that_cannot_rename_a_file_keeps_it_for_the_next_load() -> tests::Result {
    let lake = tempfile::tempdir()?;
    let document = json!({"resourceType":"DocumentReference","id":"d","subject":{"reference":"Patient/p1"},"content":[{"attachment":{"url":"Binary/b"}}]});
    let first = [
        observation("1", "p1", 1),
        observation("2", "p2", 1),
        document.clone(),
        json!({"resourceType":"Binary","id":"b"}),
    ];
    let before = loaded(&[("1.ndjson", lines(&first))], lake.path());
    assert_eq!(before.changed.patients().map(|patients| patients.len()), Some(2));
    renew(lake.path())?;
    let obstacle = lake.path().join("Patient/p3/records.ndjson");
    std::fs::create_dir_all(obstacle.join("not-empty"))?;
    // All resources move to the patient whose record cannot be written.
    let mut moved = [observation("1", "p3", 2), observation("2", "p3", 2), document];
    moved[2]["subject"]["reference"] = json!("Patient/p3");
    let input = tempfile::tempdir()?;
    std::fs::write(input.path().join("2.ndjson"), lines(&moved))?;
    let load_again = |name: &str| load(&[input.path().join(name)], lake.path(), &ProgressBar::hidden());
    let failure = load_again("2.ndjson").expect_err("a directory is in the way").to_string();
    assert!(failure.contains("Patient/p3/records.ndjson") && failure.contains("the next load"), "{failure}");
    let kept = temporary(lake.path());
    assert_eq!(kept.len(), 1);
    assert!(failure.contains(&kept[0].display().to_string()), "{failure}");
    // Another load does not begin before the changes of this one are made.
    std::fs::write(input.path().join("3.ndjson"), lines(&[observation("3", "p4", 1)]))?;
    let failure = load_again("3.ndjson").expect_err("a directory is in the way").to_string();
    assert!(failure.contains("Patient/p3/records.ndjson"), "{failure}");
    assert!(!lake.path().join("Patient/p4").exists());
    assert_eq!(temporary(lake.path()), kept);
    std::fs::remove_dir_all(&obstacle)?;
    // Nobody knows which records the load that was stopped has changed, so the whole index is renewed.
    assert_eq!(load_again("3.ndjson")?.changed.patients(), None);
    assert_eq!(load_again("3.ndjson")?.changed.patients(), None, "the index was not renewed");
    renew(lake.path())?;
    let changed = load_again("3.ndjson")?.changed.patients();
    assert_eq!(changed.map(|patients| patients.len()), Some(1));
    let record = of(lake.path(), "Patient/p3/records.ndjson");
    assert_eq!(record, ["Binary/b", "DocumentReference/d", "Observation/1", "Observation/2"]);
    assert_eq!(of(lake.path(), "Patient/p4/records.ndjson"), ["Observation/3"]);
    assert!(!lake.path().join("Patient/p1").exists() && !lake.path().join("Patient/p2").exists());
    assert_eq!(temporary(lake.path()), Vec::<std::path::PathBuf>::new());
    Ok(())
}
