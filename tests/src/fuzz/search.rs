//! Fuzzes `_typeFilter`: splitting, compiling and evaluating, compared with a search on trees.

use fhir::head::{Plain, head_and_members};
use fhir::search::compile::{compile, split};
use fhir::search::evaluate::passes;
use fhir::type_filter::TypeFilter;

use super::tree::resource;
use super::{Source, Tree};

/// Runs a search on a generated resource, or compiles an arbitrary text.
pub(super) fn type_filter(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let now = "2026-01-01T00:00:00Z".parse().expect("a time");
    if source.once_in(4) {
        let text = String::from_utf8_lossy(source.rest()).into_owned();
        let searches = split(&text);
        assert_eq!(searches.join(","), text);
        for search in searches {
            if let Ok(filter) = compile(search, now) {
                assert_eq!(search.split('?').next(), Some(filter.resource_type.as_str()));
                let stored = serde_json::to_string(&filter).expect("JSON");
                assert_eq!(serde_json::from_str::<TypeFilter>(&stored).expect("as it was stored"), filter);
            }
        }
        return;
    }
    let tree = resource(&mut source);
    if tree.repeats() || tree.get("resourceType") != Some(&Tree::text("Observation")) {
        return;
    }
    let tests: Vec<_> = (0..=source.below(3)).map(|_| test(&mut source)).collect();
    let search = tests.iter().map(Test::written).collect::<Vec<_>>().join("&");
    let filter = compile(&format!("Observation?{search}"), now).unwrap_or_else(|problem| panic!("{problem}"));
    let text = tree.spelled(&mut source);
    let room = &mut Plain::default();
    let (head, members) = head_and_members(text.as_bytes(), room).expect("a resource");
    let expected = tests.iter().all(|test| test.holds(&tree));
    assert_eq!(passes(head.text, &members, &filter), expected, "{search} on {text}");
}

/// One parameter with its values, and the element that it tests.
struct Test {
    name: &'static str,
    element: &'static str,
    modifier: &'static str,
    values: Vec<&'static str>,
}

fn test(source: &mut Source<'_>) -> Test {
    let (name, element) = source.pick(&[
        ("status", "status"),
        ("code", "code"),
        ("category", "category"),
        ("subject", "subject"),
    ]);
    let modifiers: &[&str] = if name == "subject" { &["", ":missing"] } else { &["", ":not", ":missing"] };
    let modifier = source.pick(modifiers);
    let values: &[&str] = match (modifier, name) {
        (":missing", _) => &["true", "false"],
        (_, "subject") => &["Patient/a", "a", "Patient/b", "http://h/fhir/Organization/o.1", "o.1", "x"],
        _ => &[
            "final",
            "LAB",
            "laboratory",
            "1-1",
            "http://loinc.org|1-1",
            "|1-1",
            "urn:x|",
            "urn:x|LAB",
            "no",
        ],
    };
    let count = if modifier == ":missing" { 1 } else { 1 + source.below(3) };
    Test { name, element, modifier, values: (0..count).map(|_| source.pick(values)).collect() }
}

impl Test {
    fn written(&self) -> String {
        format!("{}{}={}", self.name, self.modifier, self.values.join(","))
    }

    fn holds(&self, tree: &Tree) -> bool {
        let found = tree.get(self.element).map(Tree::elements).unwrap_or_default();
        let any = || found.iter().any(|element| self.values.iter().any(|value| self.is(element, value)));
        match self.modifier {
            ":missing" => found.is_empty() == (self.values[0] == "true"),
            ":not" => !any(),
            _ => any(),
        }
    }

    fn is(&self, element: &Tree, value: &str) -> bool {
        if self.name == "subject" {
            let Some(text) = element.get("reference").and_then(Tree::as_text) else { return false };
            let text = text.split("/_history/").next().unwrap_or(text);
            return text == value || text.ends_with(&format!("/{value}"));
        }
        if !matches!(element, Tree::Object(_)) {
            // A plain code has the system of its element's binding, which matches every requested system.
            let plain = element.as_text().map_or_else(|| element.written(), str::to_owned);
            let code = value.split_once('|').map_or(value, |(_, code)| code);
            return !code.is_empty() && plain == code;
        }
        pairs(element).into_iter().any(|(system, code)| match value.split_once('|') {
            None => code == value,
            Some(("", wanted)) => system.is_none_or(str::is_empty) && code == wanted,
            Some((of, "")) => system == Some(of),
            Some((of, wanted)) => system == Some(of) && code == wanted,
        })
    }
}

/// Returns the codes of an element, each with its system.
fn pairs(element: &Tree) -> Vec<(Option<&str>, String)> {
    let code =
        ["code", "value"].iter().filter_map(|name| element.get(name).and_then(Tree::as_text)).next_back();
    let own = code.map(|code| (element.get("system").and_then(Tree::as_text), code.to_owned()));
    let codings = element.get("coding").map(Tree::elements).unwrap_or_default();
    own.into_iter()
        .chain(codings.iter().filter(|coding| matches!(coding, Tree::Object(_))).flat_map(pairs))
        .collect()
}
