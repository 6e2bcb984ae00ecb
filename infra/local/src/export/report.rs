//! Prints the result of an export.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::exported::Exported;
use super::response::without_query;

/// The number of attachments of a kind that are named in the report.
const MAX_NAMED: usize = 20;
/// The number of characters of a URL that are shown.
const MAX_URL: usize = 200;

/// Prints the results of the export and of the verification.
pub(super) fn report(exported: &Exported, out: &Path) {
    eprintln!(
        "Exported {} resources in {} files and {} attachments ({} bytes) to {}",
        exported.resources,
        exported.files,
        exported.attachments,
        exported.bytes,
        out.display()
    );
    if exported.deleted > 0 {
        eprintln!("{} Bundles of deleted resources: see 'deleted' in the manifest", exported.deleted);
    }
    if let Some(patients) = exported.patients.filter(|patients| patients.exported < patients.planned) {
        eprintln!(
            "Of {} patients, {} have no record on the server and the records of {} could not be read in full",
            patients.planned, patients.absent, patients.failed
        );
    }
    if exported.problems > 0 {
        eprintln!(
            "{} problems were reported by the server: see the OperationOutcome files",
            exported.problems
        );
    }
    report_missing(&exported.missing);
    report_elsewhere(&exported.elsewhere);
    if exported.long_lines > 0 {
        eprintln!("{} lines are too long to be searched for attachments", exported.long_lines);
    }
    let files = exported.files_verified.phrases("file");
    let verified: Vec<_> = files.chain(exported.attachments_verified.phrases("attachment")).collect();
    if !verified.is_empty() {
        eprintln!("{}", verified.join("; "));
    }
}

/// Prints the names of the attachments that the server does not have.
fn report_missing(missing: &BTreeMap<String, String>) {
    match missing.len() {
        0 => return,
        1 => eprintln!("1 attachment is missing:"),
        number => eprintln!("{number} attachments are missing:"),
    }
    for (name, reason) in missing.iter().take(MAX_NAMED) {
        eprintln!("  {name}: {reason}");
    }
    if missing.len() > MAX_NAMED {
        eprintln!("  and {} more: see 'missing' in .ehi-export.json", missing.len() - MAX_NAMED);
    }
}

/// Prints the URLs of attachments on other servers, without their queries, which may be signatures.
fn report_elsewhere(urls: &BTreeSet<String>) {
    match urls.len() {
        0 => return,
        1 => eprintln!("1 attachment was not fetched, because its URL is not one of the server:"),
        number => {
            eprintln!(
                "{number} attachments were not fetched, because their URLs are not those of the server:"
            );
        }
    }
    for url in urls.iter().take(MAX_NAMED) {
        eprintln!("  {}", shown(url));
    }
    if urls.len() > MAX_NAMED {
        eprintln!("  and {} more: see 'elsewhere' in .ehi-export.json", urls.len() - MAX_NAMED);
    }
}

/// Returns the beginning of a URL without its query. A terminal would interpret control characters.
fn shown(url: &str) -> String {
    without_query(url).chars().filter(|character| !character.is_control()).take(MAX_URL).collect()
}
