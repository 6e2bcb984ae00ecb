use std::os::unix::fs::symlink;

use domain::ports::records::read_whole;

use super::*;

/// The same rule holds in every directory of the lake: only regular files are read, and all others are reported.
#[tokio::test]
async fn only_regular_files_are_read_and_the_others_are_named() {
    let lake = tempfile::tempdir().expect("a directory");
    let at = |path: &str| lake.path().join(path);
    for directory in ["Patient/ann/files", "Group", "shared", "elsewhere"] {
        std::fs::create_dir_all(at(directory)).expect("a directory");
    }
    let line = "{\"resourceType\":\"Practitioner\",\"id\":\"x\"}";
    std::fs::write(at("elsewhere/file"), line).expect("written");
    std::fs::write(at("shared/whole.ndjson"), line).expect("written");
    let ends = |directory: &str| match directory {
        "Group" => "json",
        _ => "ndjson",
    };
    let places = ["Patient/ann", "Patient/ann/files", "Group", "shared"];
    for place in places {
        let named = |name: &str| at(&format!("{place}/{name}.{}", ends(place)));
        std::fs::create_dir(named("directory")).expect("a directory");
        symlink(at("elsewhere/file"), named("link")).expect("a link");
        std::os::unix::net::UnixListener::bind(named("socket")).expect("a socket");
    }
    symlink(at("Patient/ann"), at("Patient/bob")).expect("directories may be links");
    let records = LocalRecords::new(lake.path()).expect("a lake");
    let patient = |id: &str| PatientId::parse(id).expect("an id");
    let page = records.members(None, 10).await.expect("a page");
    assert_eq!(page.members.len(), 2);
    assert!(records.member(&patient("bob")).await.expect("a result").is_some());

    let names = |parts: &[Part]| parts.iter().map(|part| part.name.clone()).collect::<Vec<_>>();
    let parts = records.parts(&patient("ann")).await.expect("parts");
    let three = ["directory.ndjson", "link.ndjson", "socket.ndjson"];
    assert_eq!(names(&parts.records), three);
    assert_eq!(names(&parts.documents), three);
    let mut readers = Vec::new();
    for part in &parts.records {
        readers.push(records.open_records(&patient("ann"), part).await.expect("open"));
    }
    for part in &parts.documents {
        readers.push(records.open_document(&patient("ann"), part).await.expect("open"));
    }
    for part in records.area(Area::Groups).await.expect("groups") {
        readers.push(records.open_area(Area::Groups, &part.name).await.expect("open"));
    }
    assert_eq!(readers.len(), 9);
    for reader in readers {
        let Err(Error::Damaged(damage)) = read_whole("", reader, 1_000).await else { panic!("read") };
        assert!(damage.problem.contains("only regular files are read"), "{damage}");
        assert!(places.iter().any(|place| damage.file.starts_with(place)), "{damage}");
    }
    let wanted = BTreeSet::from(["Practitioner/x".to_owned()]);
    let found = records.supporting(&wanted).await.expect("lines");
    assert_eq!(found.lines.len(), 1, "the line is not read again through the link");
    let files: Vec<_> = found.damaged.iter().map(|damage| damage.file.as_str()).collect();
    assert_eq!(files, ["shared/directory.ndjson", "shared/link.ndjson", "shared/socket.ndjson"]);
}
