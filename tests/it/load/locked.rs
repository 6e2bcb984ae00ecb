//! Two loads into one lake at the same time: one of them is refused, and a load that was killed does not stop the next one.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use domain::clock::Clock;
use domain::ports::files::{Files, write_all};
use ehi::Failure;
use ehi::load::{Bucket, Lease, Sizes, Times, load_into_bucket};
use futures_util::future::{join_all, pending};
use jiff::{SignedDuration, Timestamp};
use tests::faults::{Faults, Strike};
use tests::hooked;
use tests::simulated::names::LAKE_BUCKET;
use tests::simulated::platform::sdk;
use tests::simulated::{Client, SimulatedClock, Simulation, Stage, run as simulated};

use super::bucket::expired;
use super::*;
use crate::program::{ehi, printed, run};

mod inputs;
mod steps;

/// The object that is the lock.
const LOCK: &str = "index/lock/load.json";
/// The file that is the lock of a directory.
const LOCK_FILE: &str = ".ehi-load.lock";

/// A clock that is ahead of the simulated one.
struct Ahead(SimulatedClock, SignedDuration);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        self.0.now() + self.1
    }
}

/// A lake in the simulated S3.
struct Lake {
    files: Arc<dyn Files>,
    clock: SimulatedClock,
}

impl Lake {
    async fn new() -> Self {
        let client = Client::new(&Simulation::new(), Stage::Outside);
        let (sdk, url, clock) =
            (sdk(&client).await, format!("s3://{LAKE_BUCKET}/records"), client.simulation().clock());
        Self { files: aws::files_at(&sdk, &url, Arc::new(clock)).expect("a bucket"), clock }
    }

    /// Takes the lock on a machine whose clock is ahead.
    async fn acquire_ahead(&self, ahead: SignedDuration) -> Result<Lease, Failure> {
        let times = Times { clock: Arc::new(Ahead(self.clock, ahead)), ..Times::default() };
        Lease::acquire(self.files.clone(), times, &ProgressBar::hidden()).await
    }

    async fn acquire(&self) -> Result<Lease, Failure> {
        self.acquire_ahead(SignedDuration::ZERO).await
    }

    /// Returns the sentence with which a load is refused, and asserts that this took no time.
    async fn refused(&self) -> String {
        let begun = self.clock.elapsed();
        let refused = self.acquire().await.err().expect("another load is running").to_string();
        assert!(self.clock.elapsed().saturating_sub(begun) < Duration::from_secs(2), "{refused}");
        assert!(refused.contains("another load into this lake is running"), "{refused}");
        refused
    }

    /// Takes the lock after a load was killed, which must need no more than four minutes.
    async fn acquire_after_kill(&self) -> Lease {
        let begun = self.clock.elapsed();
        loop {
            match self.acquire().await {
                Ok(lease) => return lease,
                Err(refused) => assert!(refused.to_string().contains("is running"), "{refused}"),
            }
            assert!(
                self.clock.elapsed().saturating_sub(begun) < Duration::from_mins(4),
                "the lock does not expire"
            );
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
    }
}

#[test]
fn a_second_load_into_a_bucket_is_refused_until_the_first_ends() {
    simulated(async {
        let lake = Lake::new().await;
        for _ in 0..2 {
            let first = lake.acquire().await.expect("no other load");
            let refused = lake.refused().await;
            let process = format!("process {} on ", std::process::id());
            for part in ["(since 2026-03-01T12:", &process, "nothing was changed", "in 60 seconds"] {
                assert!(refused.contains(part), "{refused} has no {part}");
            }
            first.release().await;
            let second = lake.acquire().await.expect("the first one has ended");
            lake.refused().await;
            second.release().await;
        }
    });
}

#[test]
fn of_loads_that_begin_together_one_begins() {
    simulated(async {
        let lake = Lake::new().await;
        for kind in ["first", "ended", "abandoned"] {
            let begun = join_all((0..5).map(|_| lake.acquire())).await;
            let (mut held, refused): (Vec<_>, Vec<_>) = begun.into_iter().partition(Result::is_ok);
            assert_eq!((held.len(), refused.len()), (1, 4), "{kind}");
            for refused in refused.into_iter().filter_map(Result::err) {
                assert!(refused.to_string().contains("is running"), "{kind}: {refused}");
            }
            let lease = held.remove(0).expect("held");
            match kind {
                // The lock of the second round is dropped and not released, as by a process that is killed.
                "ended" => tokio::time::sleep(Duration::from_secs(61)).await,
                _ => lease.release().await,
            }
        }
    });
}

#[test]
fn the_lock_of_a_killed_load_expires_and_the_load_cannot_go_on() {
    simulated(async {
        let lake = Lake::new().await;
        let killed = lake.acquire().await.expect("no other load");
        lake.refused().await;
        tokio::time::sleep(Duration::from_secs(50)).await;
        let refused = lake.refused().await;
        assert!(["in 9 seconds", "in 10 seconds"].iter().any(|wait| refused.contains(wait)), "{refused}");
        tokio::time::sleep(Duration::from_secs(11)).await;
        let begun = lake.clock.elapsed();
        let next = lake.acquire().await.expect("the lock has expired");
        assert!(
            lake.clock.elapsed().saturating_sub(begun) >= Duration::from_secs(75),
            "the lock was watched"
        );
        // The first load was only suspended, and continues.
        let lost = killed.confirm().await.expect_err("the lock is lost").to_string();
        assert!(lost.contains("another load has taken the lock"), "{lost}");
        let lost = killed.during(pending::<Result<(), Failure>>()).await.expect_err("it stops").to_string();
        assert!(lost.contains("another load"), "{lost}");
        killed.release().await;
        next.confirm().await.expect("the release of a lost lock changes nothing");
        lake.refused().await;
    });
}

#[test]
fn a_long_load_keeps_its_lock() {
    simulated(async {
        let lake = Lake::new().await;
        let long = lake.acquire().await.expect("no other load");
        let others = async {
            for _ in 0..30 {
                tokio::time::sleep(Duration::from_secs(23)).await;
                lake.refused().await;
            }
            Ok(())
        };
        long.during(others).await.expect("the lock is kept");
        long.confirm().await.expect("the lock is kept");
    });
}

/// The time in the lock is wrong by as much as the clocks differ: no load takes the lock of a running one, and each lock of a killed one
/// expires.
#[test]
fn clocks_that_differ_neither_share_a_lock_nor_keep_it_for_ever() {
    for seconds in [-86_400, -61, -59, -5, 5, 59, 61, 86_400] {
        simulated(async {
            let lake = Lake::new().await;
            let ahead = SignedDuration::from_secs(seconds);
            let running = lake.acquire_ahead(ahead).await.expect("no other load");
            let others = async {
                for _ in 0..6 {
                    let refused = lake.acquire().await.err().expect("another load is running").to_string();
                    assert!(refused.contains("is running"), "{seconds}: {refused}");
                    tokio::time::sleep(Duration::from_secs(7)).await;
                }
                Ok(())
            };
            running.during(others).await.expect("the lock is kept");
            drop(running);
            lake.acquire_after_kill().await.confirm().await.expect("a lock");
        });
    }
}

/// A renewal is not awaited to its end when the work has ended meanwhile.
#[test]
fn a_renewal_that_is_cut_off_does_not_lose_the_lock() {
    simulated(async {
        let lake = Lake::new().await;
        let lease = lake.acquire().await.expect("no other load");
        for cut in (0..300).step_by(7) {
            let end = Duration::from_millis(15_000 + cut);
            let work = async {
                tokio::time::sleep(end).await;
                Ok(())
            };
            lease.during(work).await.expect("the lock is kept");
            lease.confirm().await.expect("the lock is kept");
        }
        lease.release().await;
        lake.acquire().await.expect("the lock has ended");
    });
}

#[test]
fn a_load_stops_if_its_lock_cannot_be_renewed() {
    simulated(async {
        let lake = Lake::new().await;
        // Taking the lock needs two calls. The bucket does not respond any more.
        let files = hooked::files(lake.files.clone(), Faults::at(2, Strike::Before));
        let times = Times { clock: Arc::new(lake.clock), ..Times::default() };
        let lease = Lease::acquire(files, times, &ProgressBar::hidden()).await.expect("no other load");
        let begun = lake.clock.elapsed();
        let lost = lease.during(pending::<Result<(), Failure>>()).await.expect_err("it stops").to_string();
        assert!(lost.contains("could not be renewed in time"), "{lost}");
        let after = lake.clock.elapsed().saturating_sub(begun).as_secs();
        // The next load watches the lock for 75 seconds.
        assert!((45..75).contains(&after), "{after}");
    });
}

#[test]
fn a_damaged_lock_is_replaced_if_nobody_renews_it() {
    simulated(async {
        let lake = Lake::new().await;
        write_all(&*lake.files, LOCK, b"{".to_vec()).await.expect("written");
        let others = async {
            tokio::time::sleep(Duration::from_secs(30)).await;
            write_all(&*lake.files, LOCK, b"[".to_vec()).await.expect("written");
        };
        let (first, ()) = tokio::join!(lake.acquire(), others);
        let refused = first.err().expect("another load is running").to_string();
        assert!(refused.contains("is running, and nothing was changed"), "{refused}");
        lake.acquire().await.expect("nobody renews it").confirm().await.expect("a lock");
    });
}

/// Writes resources to a file.
fn input(directory: &Path, name: &str, resources: &[Value]) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, lines(resources)).expect("written");
    path
}

#[test]
fn a_load_that_has_lost_its_lock_changes_no_record() -> tests::Result {
    let (inputs, root) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let lake = tempfile::tempdir()?;
    loaded(&[("1.ndjson", lines(&[json!({"resourceType":"Patient","id":"b"})]))], lake.path());
    let file = input(inputs.path(), "1.ndjson", &[json!({"resourceType":"Patient","id":"a"})]);
    let files = local::files_at(root.path())?;
    let bucket = Bucket { files: files.clone(), records: local::records_at(root.path())? };
    let (bar, stop) = (ProgressBar::hidden(), Arc::new(AtomicBool::new(false)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let first = Lease::acquire(files.clone(), expired(), &bar).await?;
        let second = Lease::acquire(files, expired(), &bar).await?;
        for inputs in [[file], [lake.path().to_owned()]] {
            let lost = load_into_bucket(&inputs, (&bucket, &first), &bar, &stop, Sizes::default()).await;
            let lost = lost.expect_err("the lock is lost").to_string();
            assert!(lost.contains("another load has taken the lock"), "{lost}");
            assert!(!root.path().join("Patient").exists() && !root.path().join("index/renewal").exists());
            load_into_bucket(&inputs, (&bucket, &second), &bar, &stop, Sizes::default()).await?;
            assert!(root.path().join("Patient").exists() && root.path().join("index/renewal").exists());
            std::fs::remove_dir_all(root.path().join("Patient"))?;
            std::fs::remove_dir_all(root.path().join("index/renewal"))?;
        }
        Ok::<_, Failure>(())
    })?;
    Ok(())
}

/// A load that is suspended while it holds the lock, until it is killed.
struct Suspended(Child);

impl Suspended {
    fn start(input: &Path, lake: &Path) -> Self {
        let mut command = ehi();
        command.arg("load").arg(input).arg("--into").arg(lake).stderr(Stdio::null());
        let process = Self(command.spawn().expect("started"));
        let lock = lake.join(LOCK_FILE);
        for _ in 0..20_000 {
            if std::fs::metadata(&lock).is_ok_and(|lock| lock.len() > 0) {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let sent = Command::new("kill").args(["-STOP", &process.0.id().to_string()]).status();
        assert!(sent.expect("kill is there").success() && lock.exists(), "it was suspended in time");
        process
    }

    fn kill(&mut self) {
        self.0.kill().expect("killed");
        self.0.wait().expect("a child");
    }
}

impl Drop for Suspended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_second_load_into_a_directory_is_refused_until_the_first_is_killed() -> tests::Result {
    let (inputs, lake) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let many: Vec<_> = (0..100_000).map(|id| observation(&id.to_string(), "a", 1)).collect();
    let large = input(inputs.path(), "1.ndjson", &many);
    let small = input(inputs.path(), "2.ndjson", &[json!({"resourceType":"Patient","id":"b"})]);
    let mut first = Suspended::start(&large, lake.path());
    let second = run(ehi().arg("load").arg(&small).arg("--into").arg(lake.path()));
    let refused = printed(&second);
    let process = format!("process {} on ", first.0.id());
    for part in
        ["another load into ", &lake.path().to_string_lossy(), "(since 20", &process, "nothing was changed"]
    {
        assert!(refused.contains(part), "{refused} has no {part}");
    }
    assert_eq!((second.status.code(), refused.lines().count()), (Some(1), 1), "{refused}");
    let refused = load(std::slice::from_ref(&small), lake.path(), &ProgressBar::hidden())
        .expect_err("refused")
        .to_string();
    assert!(refused.contains(&process), "{refused}");
    assert!(!lake.path().join("Patient/b").exists());
    first.kill();
    assert!(lake.path().join(LOCK_FILE).exists(), "a killed process removes no file");
    let third = run(ehi().arg("load").arg(&small).arg("--into").arg(lake.path()));
    assert!(third.status.success(), "{}", printed(&third));
    assert_eq!(of(lake.path(), "Patient/b/records.ndjson"), ["Patient/b"]);
    assert!(!lake.path().join(LOCK_FILE).exists());
    Ok(())
}

#[test]
fn loads_into_a_directory_at_the_same_time_lose_no_record() -> tests::Result {
    let (inputs, lake) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let written = |number: u32| {
        let resources: Vec<_> =
            (0..200).map(|id| observation(&format!("{number}-{id}"), &format!("p{}", id % 7), 1)).collect();
        input(inputs.path(), &format!("{number}.ndjson"), &resources)
    };
    let files: Vec<_> = (0..6).map(written).collect();
    let load_one = |file: &PathBuf| load(std::slice::from_ref(file), lake.path(), &ProgressBar::hidden());
    let done: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = files.iter().map(|file| scope.spawn(move || load_one(file))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    assert!(done.iter().any(Result::is_ok));
    for (file, done) in files.iter().zip(done) {
        if let Err(refused) = done {
            assert!(refused.to_string().contains("is running"), "{refused}");
            load_one(file)?;
        }
    }
    let records = (0..7).map(|patient| of(lake.path(), &format!("Patient/p{patient}/records.ndjson")).len());
    assert_eq!(records.sum::<usize>(), 6 * 200);
    Ok(())
}
