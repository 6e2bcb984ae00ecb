use super::*;

fn open(path: &Path, request: &str) -> Result<OutputDirectory, Failure> {
    OutputDirectory::open(path, "http://h/fhir", request)
}

fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(path)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn the_directory_belongs_to_one_request() {
    let parent = tempfile::tempdir().expect("a directory");
    let path = parent.path().join("out");
    let mut directory = open(&path, "$export").expect("new");
    directory.begin().expect("begun");
    // The server has not responded yet, or has refused the request, so another request may replace it.
    assert!(open(&path, "$export?_type=Patient").is_ok());
    directory.begun("http://h/jobs/1/status").expect("stored");
    let refused = |path: &Path| open(path, "$export?_type=Patient").expect_err("another request").to_string();
    assert!(refused(&path).contains("$export of http://h/fhir, not complete"), "{}", refused(&path));
    assert!(OutputDirectory::open(&path, "http://other/fhir", "$export").is_err());
    // The files of a complete export that are kept aside still belong to that export.
    directory.expect_files(["Claim.ndjson".to_owned()]).expect("stored");
    std::fs::write(path.join("Claim.ndjson"), "{}\n").expect("written");
    directory.complete().expect("complete");
    directory.begin().expect("begun again");
    assert!(refused(&path).contains("holds another export"), "{}", refused(&path));
    let strange = parent.path().join("strange");
    std::fs::create_dir(&strange).expect("a directory");
    std::fs::write(strange.join("notes.txt"), "mine").expect("written");
    assert!(open(&strange, "$export").expect_err("not ours").to_string().contains("do not belong"));
}

#[test]
fn a_repeated_export_replaces_only_its_own_files() {
    let parent = tempfile::tempdir().expect("a directory");
    let path = parent.path().join("out");
    let mut directory = open(&path, "$export").expect("new");
    directory.begin().expect("begun");
    directory.begun("http://h/1").expect("noted");
    directory.expect_files(["a.ndjson".to_owned(), "b.ndjson".to_owned()]).expect("planned");
    std::fs::write(path.join("a.ndjson"), "old").expect("written");
    std::fs::write(path.join("b.ndjson"), "old").expect("written");
    directory.complete().expect("complete");
    std::fs::write(path.join("mine.txt"), "mine").expect("written");
    let mut again = open(&path, "$export").expect("the same");
    assert_eq!(again.unfinished_job(), None);
    again.begin().expect("begun");
    assert_eq!(
        names(&path),
        [NOTE, "a.ndjson", "b.ndjson", "mine.txt"],
        "the server may refuse the kick-off"
    );
    again.begun("http://h/2").expect("noted");
    assert_eq!(names(&path), [EARLIER, NOTE, "mine.txt"], "the files of the last export are kept aside");
    assert!(again.expect_files(["mine.txt".to_owned()]).is_err(), "another file is not overwritten");
    again.expect_files(["a.ndjson".to_owned()]).expect("planned");
    std::fs::write(path.join("a.ndjson"), "new").expect("written");
    again.complete().expect("complete");
    assert_eq!(names(&path), [NOTE, "a.ndjson", "mine.txt"]);
}

/// A directory stands where the last file would be moved to, so that the move stops between two files.
#[test]
fn an_interrupted_move_is_continued_and_loses_no_file() {
    let parent = tempfile::tempdir().expect("a directory");
    let path = parent.path().join("out");
    let mut directory = open(&path, "$export").expect("new");
    directory.begin().expect("begun");
    directory.begun("http://h/1").expect("noted");
    let files = ["a.ndjson", "attachments/b.pdf", "c.ndjson"];
    directory.expect_files(files.map(str::to_owned)).expect("planned");
    std::fs::create_dir(path.join("attachments")).expect("a directory");
    for name in files {
        std::fs::write(path.join(name), "old").expect("written");
    }
    directory.complete().expect("complete");
    // Earlier versions did not note a move: its first file was moved, and the note has all files.
    let (earlier, obstacle) = (path.join(EARLIER), path.join(EARLIER).join("c.ndjson"));
    std::fs::create_dir_all(obstacle.join("x")).expect("a directory");
    std::fs::rename(path.join("a.ndjson"), earlier.join("a.ndjson")).expect("moved");
    directory.begin().expect("begun");
    directory.begun("http://h/2").expect_err("the last file cannot be moved");
    assert_eq!(std::fs::read_to_string(earlier.join("attachments/b.pdf")).expect("moved"), "old");
    std::fs::remove_dir_all(&obstacle).expect("removed");
    let mut again = open(&path, "$export").expect("the same");
    assert_eq!(again.unfinished_job(), Some("http://h/2"), "the job was noted before the move");
    for name in files {
        assert_eq!(std::fs::read_to_string(earlier.join(name)).expect("moved"), "old", "{name}");
        assert!(!path.join(name).exists());
    }
    again.job_ended().expect("noted");
    let mut again = open(&path, "$export").expect("the same");
    again.begin().expect("begun");
    again.begun("http://h/3").expect("noted");
    assert!(earlier.join("a.ndjson").exists(), "a failed job does not replace the last complete export");
    again.complete().expect("complete");
    assert!(!earlier.exists());
}

#[test]
fn the_files_of_a_forgotten_job_stay_until_the_next_one_is_accepted() {
    let parent = tempfile::tempdir().expect("a directory");
    let path = parent.path();
    let mut directory = open(path, "$export").expect("new");
    directory.begin().expect("begun");
    directory.begun("http://h/1").expect("noted");
    directory.expect_files(["a.ndjson".to_owned()]).expect("planned");
    for name in ["a.ndjson", "a.ndjson.part", "a.ndjson.tag"] {
        std::fs::write(path.join(name), "old").expect("written");
    }
    let key = directory.begin().expect("begun");
    let mut again = open(path, "$export").expect("the same");
    assert_eq!((again.begin().expect("begun"), again.unfinished_job()), (key, None));
    assert_eq!(names(path), [NOTE, "a.ndjson", "a.ndjson.part", "a.ndjson.tag"]);
    again.begun("http://h/2").expect("noted");
    assert_eq!(names(path), [NOTE], "the new job must not use files of the old one");
}

#[test]
fn a_kick_off_without_a_response_is_repeated_with_its_key() {
    let parent = tempfile::tempdir().expect("a directory");
    let key = open(parent.path(), "$export").and_then(|mut directory| directory.begin()).expect("begun");
    let mut again = open(parent.path(), "$export").expect("the same");
    assert_eq!(again.begin().expect("begun"), key);
    again.begun("http://h/1").expect("noted");
    let mut later = open(parent.path(), "$export").expect("the same");
    assert_eq!(later.unfinished_job(), Some("http://h/1"));
    assert_ne!(later.begin().expect("begun"), key, "a new job has a new key");
}
