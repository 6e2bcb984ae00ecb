//! Fuzzes the reader of lines, compared with trees: decision, references, compartment, labels and documents are the same in every spelling
//! of a resource.

use std::collections::BTreeSet;

use domain::choices::{Choice, Choices, RecordGroup};
use domain::decision::Decision;
use domain::selection::{Element, Selection};
use domain::selector::Selector;
use domain::sensitive::Sensitive;
use fhir::attachments::linked_attachments;
use fhir::compartments::{paths, values_at};
use fhir::head::{NotAResource, Plain, head, head_and_facts, head_and_members};
use fhir::json::string;
use fhir::references::references;

use super::tree::resource;
use super::{Source, Tree};

/// The maximum depth of values; the reference's parser has a limit of its own.
const MAX_DEPTH: usize = 90;

/// Reads a generated resource in one of its spellings, or the bytes directly.
pub(super) fn read(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    if source.once_in(4) {
        return raw(source.rest());
    }
    let tree = resource(&mut source);
    let text = tree.spelled(&mut source);
    compare(text.as_bytes(), &tree);
}

/// Checks any text: the reader accepts only JSON, and reads JSON like a parser.
fn raw(text: &[u8]) {
    let parsed = serde_json::from_slice::<Tree>(text);
    let room = &mut Plain::default();
    let read = head(text, room);
    match parsed {
        Ok(tree @ Tree::Object(_)) if tree.depth() < MAX_DEPTH => compare(text, &tree),
        Ok(Tree::Object(_)) => {}
        Ok(_) => assert!(matches!(read, Err(NotAResource::Json(_))), "only an object is a resource"),
        Err(error) => {
            // The parser refuses some texts that are valid JSON: numbers beyond its range, halves of surrogate pairs.
            let reason = error.to_string();
            let is_limit = ["number out of range", "surrogate", "hex escape", "recursion limit"];
            assert!(
                matches!(read, Err(NotAResource::Json(_)))
                    || is_limit.iter().any(|limit| reason.contains(limit)),
                "{reason}"
            );
        }
    }
}

/// Checks that the reader finds in the text what the tree has.
fn compare(text: &[u8], tree: &Tree) {
    let room = &mut Plain::default();
    let read = head_and_facts(text, room);
    if tree.repeats() {
        assert!(matches!(read, Err(NotAResource::Repeated(_))), "{read:?}");
        assert!(matches!(head(text, &mut Plain::default()), Err(NotAResource::Repeated(_))));
        assert!(matches!(head_and_members(text, &mut Plain::default()), Err(NotAResource::Repeated(_))));
        return;
    }
    let is_type = |name: &&str| {
        name.len() <= 64
            && name.starts_with(|c: char| c.is_ascii_uppercase())
            && name.chars().all(|c| c.is_ascii_alphanumeric())
    };
    let Some(resource_type) = tree.get("resourceType").and_then(Tree::as_text).filter(is_type) else {
        assert_eq!(read.map(|_| ()), Err(NotAResource::NoType));
        return;
    };
    let (head, facts) = read.expect("a resource");
    assert_eq!(head.resource_type, resource_type);
    let id = tree.get("id").and_then(Tree::as_text);
    assert_eq!(head.id, id.filter(|id| is_id(id)));
    let (labels, unreadable) = labels(tree);
    let found: BTreeSet<String> = facts.labels.iter().map(|label| label.clone().into_owned()).collect();
    assert_eq!((found, facts.has_unreadable_label), (labels.clone(), unreadable));
    assert_eq!(decide(resource_type, &labels, unreadable), no_authorizations().unless_sensitive(&facts));
    let sorted = |codes: &[std::borrow::Cow<'_, str>]| {
        let mut codes: Vec<_> = codes.iter().map(ToString::to_string).collect();
        codes.sort();
        codes
    };
    assert_eq!(sorted(&facts.categories), codes(tree.get("category")));
    assert_eq!(sorted(&facts.types), codes(tree.get("type")));
    let mut found = BTreeSet::new();
    references(head.text, |reference| {
        found.insert(reference.text.to_owned());
    });
    let expected: BTreeSet<_> =
        tree.everything().into_iter().flat_map(|tree| tree.all("reference")).filter_map(target).collect();
    assert_eq!(found, expected);
    assert_eq!(owners(head.text, resource_type), expected_owners(tree, resource_type));
    compare_with_plain(text, tree);
}

/// Compares results that have no reference implementation with those of the shortest spelling.
fn compare_with_plain(text: &[u8], tree: &Tree) {
    let written = tree.written();
    let (one, other) = (&mut Plain::default(), &mut Plain::default());
    let (_, facts) = head_and_facts(text, one).expect("a resource");
    let (_, expected) = head_and_facts(written.as_bytes(), other).expect("a resource");
    assert_eq!(facts.days, expected.days);
    let selection = selection();
    let selector = Selector::new(&selection, "2026-01-01T00:00:00Z".parse().expect("a time"));
    let judged = |text: &[u8]| {
        let room = &mut Plain::default();
        let (head, members) = head_and_members(text, room).expect("a resource");
        let linked: BTreeSet<_> = linked_attachments(head.text, head.resource_type, crate::BASE_URL)
            .into_iter()
            .map(|attachment| format!("{:?}", attachment.link))
            .collect();
        let cut = selector.cut(head.text, head.resource_type, &members).expect("the selection has elements");
        let cut: serde_json::Value = serde_json::from_slice(&cut).expect("JSON");
        (selector.judge(head.text, head.resource_type, &members, false), linked, sorted_text(&cut))
    };
    assert_eq!(judged(text), judged(written.as_bytes()));
}

/// Returns the text with sorted members.
fn sorted_text(value: &serde_json::Value) -> String {
    let mut value = value.clone();
    value.sort_all_objects();
    value.to_string()
}

fn selection() -> Selection {
    let now = "2026-01-01T00:00:00Z".parse().expect("a time");
    let filter = |search: &str| fhir::search::compile::compile(search, now).expect("a search");
    let element = |name: &str| Element { resource_type: None, name: name.to_owned() };
    Selection {
        since: Some("2024-02-01T00:00:00Z".parse().expect("a time")),
        filters: vec![
            filter("Observation?status=final"),
            filter("Observation?code=http://loinc.org|1-1&date=ge2024-02"),
        ],
        tags: Some(["open", "N"].map(str::to_owned).into()),
        elements: vec![element("subject"), element("value")],
        ..Selection::default()
    }
}

fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id.contains(|c| c != '.')
        && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.')
}

/// Returns the labels that the decision uses, and whether some labels cannot be read.
fn labels(tree: &Tree) -> (BTreeSet<String>, bool) {
    let nested = ["contained", "entry", "parameter"].into_iter().filter_map(|name| tree.get(name));
    let metas = tree
        .get("meta")
        .into_iter()
        .chain(nested.flat_map(Tree::everything).flat_map(|tree| tree.all("meta")));
    let (mut labels, mut unreadable) = (BTreeSet::new(), false);
    for meta in metas {
        match meta {
            Tree::Object(_) => {}
            Tree::Null => continue,
            _ => unreadable = true,
        }
        for label in meta.get("security").map(Tree::elements).unwrap_or_default() {
            match (label, label.get("code")) {
                (Tree::Null, _) => {}
                (Tree::Object(members), _) if members.is_empty() => {}
                (_, Some(Tree::Text(code))) => {
                    labels.insert(code.clone());
                }
                _ => unreadable = true,
            }
        }
    }
    (labels, unreadable)
}

fn no_authorizations() -> Choices {
    let on = Choice { enabled: true, ..Choice::default() };
    Choices {
        parameters: RecordGroup::ALL.into_iter().map(|group| (group, on.clone())).collect(),
        ..Choices::default()
    }
}

fn decide(resource_type: &str, labels: &BTreeSet<String>, unreadable: bool) -> Decision {
    if ["Patient", "Practitioner", "Organization"].contains(&resource_type) {
        return Decision::Keep;
    }
    let carries = |category: &Sensitive| {
        let known: Vec<_> = category.labels().iter().map(|label| label.to_lowercase()).collect();
        labels.iter().any(|label| known.contains(&label.trim().to_ascii_lowercase()))
    };
    match Sensitive::ALL.into_iter().find(carries) {
        Some(category) => Decision::Withhold(category),
        None if unreadable => Decision::Unreadable,
        None => Decision::Keep,
    }
}

fn codes(concepts: Option<&Tree>) -> Vec<String> {
    let mut codes = Vec::new();
    let mut add = |code: Option<&Tree>| codes.extend(code.and_then(Tree::as_text).map(str::to_owned));
    for concept in concepts.map(Tree::elements).unwrap_or_default() {
        add(Some(concept));
        add(concept.get("code"));
        for coding in concept.get("coding").map(Tree::elements).unwrap_or_default() {
            add(coding.get("code"));
        }
    }
    codes.sort();
    codes
}

/// Returns the `Type/id` of a reference: the last two segments of its path.
fn target(reference: &Tree) -> Option<String> {
    let text = reference.as_text()?;
    let text = text.split("/_history/").next().unwrap_or(text);
    let is_absolute = text.starts_with("http://") || text.starts_with("https://");
    let segments: Vec<_> = text.split('/').collect();
    let [before @ .., resource_type, id] = &segments[..] else { return None };
    let is_type = resource_type.starts_with(|c: char| c.is_ascii_uppercase())
        && resource_type.len() <= 64
        && resource_type.chars().all(|c| c.is_ascii_alphanumeric());
    ((before.is_empty() || is_absolute) && is_type && is_id(id)).then(|| format!("{resource_type}/{id}"))
}

/// Returns the references that put a resource into a compartment.
fn owners(text: &[u8], resource_type: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for path in paths(resource_type) {
        values_at(text, path, |value| found.extend(string(text, value).map(std::borrow::Cow::into_owned)));
    }
    found
}

fn expected_owners(tree: &Tree, resource_type: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for path in paths(resource_type) {
        let mut at = vec![tree];
        for name in path.split('.') {
            at = at.into_iter().flat_map(|tree| tree.all(name)).flat_map(Tree::elements).collect();
        }
        found.extend(
            at.into_iter()
                .flat_map(|tree| tree.all("reference"))
                .filter_map(|value| value.as_text().map(str::to_owned)),
        );
    }
    found
}
