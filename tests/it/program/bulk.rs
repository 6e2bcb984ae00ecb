//! Bulk exports: every file is downloaded and verified, and a refused export does not keep its directory.

use tests::json_lines;

use super::{ehi, printed, run};

#[test]
fn a_bulk_export_is_downloaded_in_parallel_verified_and_repaired() {
    let out = tempfile::tempdir().expect("a directory");
    let export = || {
        let mut command = ehi();
        command.args(["export", "--bulk", "--type", "Patient,Observation,DocumentReference", "--out"]);
        command.arg(out.path());
        command
    };
    let first = run(&mut export());
    assert!(first.status.success(), "{}", printed(&first));
    let first_words = printed(&first);
    let verified = first_words.lines().last().unwrap_or_default();
    assert!(verified.contains("verified by SHA-256") && !verified.contains("only"), "{first_words}");
    let patients = json_lines(&out.path().join("Patient.ndjson"));
    assert_eq!(patients.len(), 4);
    let observations = json_lines(&out.path().join("Observation.ndjson")).len();
    let attachments = std::fs::read_dir(out.path().join("attachments")).expect("attachments").count();
    assert!(observations > 50 && attachments > 5, "{observations}, {attachments}");
    assert!(!out.path().join("Condition.ndjson").exists());
    // The broken file is downloaded again.
    std::fs::write(out.path().join("Patient.ndjson"), "broken").expect("written");
    assert!(run(&mut export()).status.success());
    assert_eq!(json_lines(&out.path().join("Patient.ndjson")), patients);
    let refused =
        run(ehi().args(["export", "--bulk", "--group", "nobody", "--out"]).arg(out.path().join("x")));
    assert!(
        !refused.status.success() && printed(&refused).contains("no such group"),
        "{}",
        printed(&refused)
    );
}

#[test]
fn a_refused_export_does_not_keep_its_directory() {
    let out = tempfile::tempdir().expect("a directory");
    let export = |group: &str| {
        let mut command = ehi();
        command.args(["export", "--bulk", "--type", "Patient", "--group", group, "--out"]).arg(out.path());
        run(&mut command)
    };
    let refused = export("nogroup");
    assert!(!refused.status.success() && printed(&refused).contains("404"), "{}", printed(&refused));
    let corrected = export("everyone");
    assert!(corrected.status.success(), "{}", printed(&corrected));
    let other = export("nogroup");
    assert!(
        !other.status.success() && printed(&other).contains("holds another export"),
        "{}",
        printed(&other)
    );
}
