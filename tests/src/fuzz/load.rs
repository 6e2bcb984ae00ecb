//! Fuzzes `ehi load`: every spelling and format of the input leads to the same lake; every resource is loaded or reported.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ehi::load::{Loaded, load as load_into};
use fhir::compartments::{FURTHER_PATHS, paths};
use indicatif::ProgressBar;
use serde_json::Value;

use super::tree::resource;
use super::{Source, Tree};

/// Loads generated resources in one spelling, or the bytes directly.
pub(super) fn load(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let name = source.pick(&["x.ndjson", "x.json"]);
    if source.once_in(4) {
        let lake = tempfile::tempdir().expect("a directory");
        let loaded = loaded(name, source.rest(), lake.path());
        assert_eq!(counted(lake.path()), loaded.resources + loaded.shared + loaded.groups);
        return;
    }
    let resources: Vec<_> = (0..=source.below(5)).map(|number| numbered(&mut source, number)).collect();
    let text = match name {
        "x.ndjson" => lines(&resources, &mut source),
        _ => bundle(&resources, &mut source),
    };
    let (lake, plain) =
        (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let spelled = loaded(name, text.as_bytes(), lake.path());
    let written = resources.iter().map(|tree| tree.written() + "\n").collect::<Vec<_>>().concat();
    let expected = loaded("x.ndjson", written.as_bytes(), plain.path());
    let damaged = resources.iter().filter(|tree| tree.repeats()).count();
    assert_eq!(
        (spelled.problems.len(), expected.problems.len()),
        (damaged, damaged),
        "{:?}\n{text}",
        spelled.problems
    );
    let files = files(lake.path());
    assert_eq!(files, self::files(plain.path()), "{text}");
    for tree in resources.iter().filter(|tree| !tree.repeats()) {
        belongs(tree, &files);
    }
}

fn numbered(source: &mut Source<'_>, number: usize) -> Tree {
    let Tree::Object(mut members) = resource(source) else { unreachable!("a resource is an object") };
    for (name, value) in &mut members {
        if name == "id" {
            *value = Tree::Text(format!("r{number}"));
        }
    }
    Tree::Object(members)
}

fn lines(resources: &[Tree], source: &mut Source<'_>) -> String {
    let mut text = source.pick(&["", "\u{feff}"]).to_owned();
    for (number, tree) in resources.iter().enumerate() {
        text.push_str(&tree.spelled(source));
        let is_last = number + 1 == resources.len();
        text.push_str(if is_last {
            source.pick(&["", "\n", "\r\n"])
        } else {
            source.pick(&["\n", "\r\n", "\n \t\n"])
        });
    }
    text
}

fn bundle(resources: &[Tree], source: &mut Source<'_>) -> String {
    let entries = resources.iter().map(|tree| Tree::object([("resource", tree.clone())]));
    let bundle = Tree::object([
        ("resourceType", Tree::text("Bundle")),
        ("type", Tree::text("collection")),
        ("entry", Tree::List(entries.collect())),
    ]);
    let Tree::Object(mut members) = bundle else { unreachable!("a Bundle is an object") };
    members.rotate_left(source.below(3));
    // The members of the Bundle are rotated here, because `spelled` keeps the order if a member is repeated anywhere.
    let spelled: Vec<_> = members
        .iter()
        .map(|(name, value)| {
            let name = Tree::Text(name.clone()).spelled(source);
            format!("{name}:{}", value.spelled(source))
        })
        .collect();
    format!("{}{{{}}}", source.pick(&["", "\u{feff}", " \r\n"]), spelled.join(","))
}

fn loaded(name: &str, text: &[u8], into: &Path) -> Loaded {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join(name), text).expect("written");
    load_into(&[directory.path().to_owned()], into, &ProgressBar::hidden()).expect("loaded")
}

/// Returns every file of a lake with its resources, independent of the order of their members.
fn files(lake: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut files = BTreeMap::new();
    for (name, text) in texts(lake) {
        let sorted = |line: &str| {
            let mut value: Value =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            value.sort_all_objects();
            value.to_string()
        };
        files.insert(name, text.lines().map(sorted).collect());
    }
    files
}

fn counted(lake: &Path) -> u64 {
    texts(lake).iter().map(|(_, text)| text.lines().count() as u64).sum()
}

fn texts(lake: &Path) -> Vec<(String, String)> {
    let (mut texts, mut open) = (Vec::new(), vec![lake.to_owned()]);
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                // The index has no resources.
                open.extend((path != lake.join("index")).then_some(path));
            } else {
                let name = path.strip_prefix(lake).expect("within").display().to_string();
                texts.push((name, std::fs::read_to_string(&path).expect("a file")));
            }
        }
    }
    texts
}

/// Checks that a resource is stored with each patient whose compartment it belongs to, and nowhere else.
fn belongs(tree: &Tree, files: &BTreeMap<String, BTreeSet<String>>) {
    let name = |name: &str| tree.get(name).and_then(Tree::as_text).expect("a text").to_owned();
    let (resource_type, id) = (name("resourceType"), name("id"));
    // A Provenance is stored where its targets are.
    if resource_type == "Provenance" {
        return;
    }
    let (mut expected, mut more) = (BTreeSet::new(), BTreeSet::new());
    if resource_type == "Patient" {
        expected.insert(format!("Patient/{id}/records.ndjson"));
    }
    for path in paths(&resource_type) {
        let mut at = vec![tree];
        for name in path.split('.') {
            at = at.into_iter().flat_map(|tree| tree.all(name)).flat_map(Tree::elements).collect();
        }
        for reference in at.into_iter().flat_map(|tree| tree.all("reference")).filter_map(Tree::as_text) {
            if let Some(patient) = reference.strip_prefix("Patient/").filter(|id| id.is_ascii()) {
                expected.insert(format!("Patient/{patient}/records.ndjson"));
            }
        }
    }
    // Elements outside the table count if no element of the table names a patient.
    let further = FURTHER_PATHS.iter().flat_map(|name| tree.all(name)).flat_map(Tree::elements);
    let further: Vec<_> =
        further.flat_map(|element| element.all("reference")).filter_map(Tree::as_text).collect();
    for reference in further.into_iter().filter(|_| expected.is_empty()) {
        let patient = reference.strip_prefix("Patient/").filter(|id| id.is_ascii());
        more.extend(patient.map(|patient| format!("Patient/{patient}/records.ndjson")));
    }
    expected.extend(more);
    if expected.is_empty() {
        expected.insert(format!("shared/{resource_type}.ndjson"));
    }
    let is_it = |line: &String| {
        let value: Value = serde_json::from_str(line).expect("JSON");
        value["resourceType"] == resource_type && value["id"] == id
    };
    let found = files.iter().filter(|(_, lines)| lines.iter().any(is_it)).map(|(name, _)| name.clone());
    assert_eq!(found.collect::<BTreeSet<_>>(), expected, "{}", tree.written());
}
