//! A lake that is the input of a load.

use domain::error::Store;
use domain::ports::files::FileWriter;
use tests::hooked::Hook;

use super::*;

/// Another load takes the lock while the first record of the lake in this directory is written.
struct Taken(PathBuf);

impl Hook for Taken {
    fn follows(&self, _: Store) -> bool {
        false
    }

    fn writer(self: &Arc<Self>, key: &str, inner: Box<dyn FileWriter>) -> Box<dyn FileWriter> {
        if key.starts_with("Patient/") {
            std::fs::write(self.0.join(LOCK), "{}").expect("written");
        }
        inner
    }
}

#[test]
fn a_load_that_loses_its_lock_begins_no_other_input() -> tests::Result {
    let (lakes, root) = ([tempfile::tempdir()?, tempfile::tempdir()?], tempfile::tempdir()?);
    for (lake, patient) in lakes.iter().zip(["a", "b"]) {
        loaded(&[("1.ndjson", lines(&[json!({"resourceType":"Patient","id":patient})]))], lake.path());
    }
    let files = hooked::files(local::files_at(root.path())?, Arc::new(Taken(root.path().to_owned())));
    let bucket = Bucket { files, records: local::records_at(root.path())? };
    let (bar, stop) = (ProgressBar::hidden(), Arc::new(AtomicBool::new(false)));
    let inputs = lakes.each_ref().map(|lake| lake.path().to_owned());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let lost = runtime.block_on(async {
        let lease = Lease::acquire(bucket.files.clone(), expired(), &bar).await?;
        load_into_bucket(&inputs, (&bucket, &lease), &bar, &stop, Sizes::default()).await
    });
    let lost = lost.expect_err("the lock is lost").to_string();
    assert!(lost.contains("another load has taken the lock"), "{lost}");
    assert!(root.path().join("Patient/a").exists() && !root.path().join("Patient/b").exists());
    Ok(())
}

/// Loads a lake into an empty bucket.
fn upload(lake: &Path, root: &Path) -> Result<(), Failure> {
    let bucket = Bucket { files: local::files_at(root)?, records: local::records_at(root)? };
    let (bar, stop) = (ProgressBar::hidden(), Arc::new(AtomicBool::new(false)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let lease = Lease::acquire(bucket.files.clone(), expired(), &bar).await?;
        let inputs = [lake.to_owned()];
        load_into_bucket(&inputs, (&bucket, &lease), &bar, &stop, Sizes::default()).await?;
        lease.release().await;
        Ok(())
    })
}

#[test]
fn a_lake_that_a_load_changes_is_not_the_input_of_another() -> tests::Result {
    let (inputs, lake, other) = (tempfile::tempdir()?, tempfile::tempdir()?, tempfile::tempdir()?);
    let root = tempfile::tempdir()?;
    loaded(&[("1.ndjson", lines(&[json!({"resourceType":"Patient","id":"b"})]))], lake.path());
    let many: Vec<_> = (0..100_000).map(|id| observation(&id.to_string(), "a", 1)).collect();
    let mut running = Suspended::start(&input(inputs.path(), "1.ndjson", &many), lake.path());
    let second = run(ehi().arg("load").arg(lake.path()).arg("--into").arg(other.path()));
    let refused = printed(&second);
    let begin = format!("another load into {} is running (since 20", lake.path().display());
    assert!(refused.contains(&begin) && second.status.code() == Some(1), "{refused}");
    let refused = upload(lake.path(), root.path()).expect_err("the lake changes").to_string();
    assert!(refused.contains(&begin), "{refused}");
    assert!(!other.path().join("Patient").exists() && !root.path().join("Patient").exists());
    running.kill();
    let third = run(ehi().arg("load").arg(lake.path()).arg("--into").arg(other.path()));
    assert!(third.status.success(), "{}", printed(&third));
    upload(lake.path(), root.path())?;
    for copy in [other.path(), root.path()] {
        assert_eq!(of(copy, "Patient/b/records.ndjson"), ["Patient/b"]);
    }
    assert!(!lake.path().join(LOCK_FILE).exists());
    Ok(())
}
