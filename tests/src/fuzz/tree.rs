//! JSON as a tree that keeps everything: repeated members, their order, and numbers as they are written.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::Source;

#[derive(Debug, Clone, PartialEq)]
pub enum Tree {
    Null,
    Flag(bool),
    Number(String),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Tree {
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub fn object<const N: usize>(members: [(&str, Self); N]) -> Self {
        Self::Object(members.map(|(name, value)| (name.to_owned(), value)).into())
    }

    /// The members of an object; none of anything else.
    pub fn members(&self) -> &[(String, Self)] {
        match self {
            Self::Object(members) => members,
            _ => &[],
        }
    }

    /// The values of a name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &Self> {
        self.members().iter().filter(move |(known, _)| known == name).map(|(_, value)| value)
    }

    pub fn get(&self, name: &str) -> Option<&Self> {
        self.all(name).next()
    }

    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The elements of a list; anything else is its own only element.
    pub fn elements(&self) -> &[Self] {
        match self {
            Self::List(list) => list,
            other => std::slice::from_ref(other),
        }
    }

    fn children(&self) -> Vec<&Self> {
        match self {
            Self::List(list) => list.iter().collect(),
            Self::Object(members) => members.iter().map(|(_, value)| value).collect(),
            _ => Vec::new(),
        }
    }

    /// This and everything in it.
    pub fn everything(&self) -> Vec<&Self> {
        let mut all = vec![self];
        let mut next = 0;
        while let Some(tree) = all.get(next).copied() {
            all.extend(tree.children());
            next += 1;
        }
        all
    }

    /// Whether any object has two members of one name.
    pub fn repeats(&self) -> bool {
        self.everything().iter().any(|tree| {
            let names: std::collections::HashSet<_> = tree.members().iter().map(|(name, _)| name).collect();
            names.len() < tree.members().len()
        })
    }

    pub fn depth(&self) -> usize {
        1 + self.children().into_iter().map(Self::depth).max().unwrap_or_default()
    }

    /// The shortest spelling.
    pub fn written(&self) -> String {
        let joined = |parts: Vec<String>| parts.join(",");
        let quoted = |text: &str| Value::from(text).to_string();
        match self {
            Self::Null => "null".to_owned(),
            Self::Flag(flag) => flag.to_string(),
            Self::Number(number) => number.clone(),
            Self::Text(text) => quoted(text),
            Self::List(list) => format!("[{}]", joined(list.iter().map(Self::written).collect())),
            Self::Object(members) => {
                let member = |(name, value): &(String, Self)| format!("{}:{}", quoted(name), value.written());
                format!("{{{}}}", joined(members.iter().map(member).collect()))
            }
        }
    }

    /// One of the many spellings: white space, escapes, the order of members.
    pub fn spelled(&self, source: &mut Source<'_>) -> String {
        let mut out = String::new();
        self.spell(source, &mut out);
        out
    }

    fn spell(&self, source: &mut Source<'_>, out: &mut String) {
        space(source, out);
        match self {
            Self::Text(text) => spell_text(text, source, out),
            Self::List(list) => {
                out.push('[');
                for (number, element) in list.iter().enumerate() {
                    out.push_str(if number > 0 { "," } else { "" });
                    element.spell(source, out);
                }
                space(source, out);
                out.push(']');
            }
            Self::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                if !members.is_empty() && !self.repeats() {
                    let first = source.below(members.len());
                    members.rotate_left(first);
                }
                out.push('{');
                for (number, (name, value)) in members.into_iter().enumerate() {
                    out.push_str(if number > 0 { "," } else { "" });
                    space(source, out);
                    spell_text(name, source, out);
                    space(source, out);
                    out.push(':');
                    value.spell(source, out);
                }
                space(source, out);
                out.push('}');
            }
            other => out.push_str(&other.written()),
        }
        space(source, out);
    }
}

fn space(source: &mut Source<'_>, out: &mut String) {
    out.push_str(source.pick(&["", "", "", "", "", " ", "\t", "  "]));
}

fn spell_text(text: &str, source: &mut Source<'_>, out: &mut String) {
    // Most texts are plain; of the others each character may be escaped.
    let mode = source.below(4);
    out.push('"');
    for character in text.chars() {
        let escapes = mode == 3 || (mode == 2 && source.once_in(2));
        match character {
            '/' if mode == 1 => out.push_str("\\/"),
            other if escapes => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    let (small, large) = (format!("\\u{unit:04x}"), format!("\\u{unit:04X}"));
                    out.push_str(if source.once_in(2) { &small } else { &large });
                }
            }
            other => {
                let quoted = Value::from(other.to_string()).to_string();
                out.push_str(&quoted[1..quoted.len() - 1]);
            }
        }
    }
    out.push('"');
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Tree, E> {
        Ok(Tree::Flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Tree, E> {
        Ok(Tree::Number(number.to_string()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Tree, E> {
        Ok(Tree::Number(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Tree, E> {
        Ok(Tree::Number(format!("{number:e}")))
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tree, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = list.next_element()? {
            elements.push(element);
        }
        Ok(Tree::List(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Tree::Object(members))
    }
}

/// A resource, or something like it, of the elements that decide about its export.
pub(super) fn resource(source: &mut Source<'_>) -> Tree {
    let resource_type = source.pick(&[
        "Observation",
        "DocumentReference",
        "Patient",
        "Claim",
        "Provenance",
        "Condition",
        "Media",
        "DiagnosticReport",
        "Organization",
        "Basic",
        "Appointment",
        "Encounter",
    ]);
    let mut members = vec![
        ("resourceType".to_owned(), Tree::text(resource_type)),
        ("id".to_owned(), Tree::text(source.pick(&["a", "b", "o-1", "x.y", "a/b"]))),
    ];
    for _ in 0..source.below(8) {
        let (name, value) = element(source);
        let again = source.once_in(24);
        members.push((name.to_owned(), value.clone()));
        if again {
            members.push((name.to_owned(), value));
        }
    }
    // A name stands once, unless it was repeated on purpose.
    let mut kept: Vec<(String, Tree)> = Vec::new();
    for (name, value) in members {
        let is_next = kept.last().is_some_and(|(last, known)| *last == name && *known == value);
        if is_next || kept.iter().all(|(known, _)| *known != name) {
            kept.push((name, value));
        }
    }
    Tree::Object(kept)
}

fn element(source: &mut Source<'_>) -> (&'static str, Tree) {
    let name = source.pick(&[
        "meta",
        "meta",
        "category",
        "type",
        "subject",
        "performer",
        "target",
        "contained",
        "content",
        "code",
        "status",
        "effectiveDateTime",
        "period",
        "context",
        "valueQuantity",
        "text",
        "entry",
        "participant",
        "presentedForm",
    ]);
    if source.once_in(12) {
        return (name, junk(source, 3));
    }
    let value = match name {
        "meta" => meta(source),
        "category" | "type" | "code" => concept(source),
        "subject" => reference(source),
        "performer" | "target" => Tree::List((0..source.below(3)).map(|_| reference(source)).collect()),
        "participant" => Tree::List(vec![Tree::object([("actor", reference(source))])]),
        "contained" => Tree::List(vec![Tree::object([
            ("resourceType", Tree::text("Basic")),
            ("meta", meta(source)),
            ("subject", reference(source)),
        ])]),
        "entry" => Tree::List(vec![Tree::object([("resource", Tree::object([("meta", meta(source))]))])]),
        "content" if source.once_in(2) => attachment(source),
        "content" => Tree::List(vec![Tree::object([("attachment", attachment(source))])]),
        "presentedForm" => Tree::List(vec![attachment(source), attachment(source)]),
        "status" => Tree::text(source.pick(&["final", "amended", "FINAL", "fin\"al"])),
        "effectiveDateTime" => date(source),
        "period" => Tree::object([("start", date(source)), ("end", date(source))]),
        "context" => Tree::object([
            ("period", Tree::object([("start", date(source))])),
            ("encounter", reference(source)),
        ]),
        "valueQuantity" => {
            Tree::object([("value", number(source)), ("code", Tree::text(source.pick(&["mg", "g"])))])
        }
        _ => Tree::object([("div", Tree::Text(source.text())), ("reference", reference(source))]),
    };
    (name, value)
}

fn meta(source: &mut Source<'_>) -> Tree {
    let labels = (0..source.below(3)).map(|_| match source.below(8) {
        0 => junk(source, 2),
        1 => Tree::object([("display", Tree::text("HIV"))]),
        _ => Tree::object([(
            "code",
            Tree::text(source.pick(&["HIV", "hiv", " R\n", "N", "open", "psy", "GDIS"])),
        )]),
    });
    let labels = Tree::List(labels.collect());
    Tree::object([("security", labels), ("lastUpdated", date(source))])
}

fn concept(source: &mut Source<'_>) -> Tree {
    let code = Tree::text(source.pick(&["laboratory", "LAB", "18842-5", "1-1", "image", "lab\"oratory"]));
    let coding = Tree::object([
        ("system", Tree::text(source.pick(&["http://loinc.org", "urn:x"]))),
        ("code", code.clone()),
    ]);
    match source.below(4) {
        0 => code,
        1 => coding,
        2 => Tree::object([("coding", Tree::List(vec![coding])), ("text", Tree::Text(source.text()))]),
        _ => Tree::List(vec![Tree::object([("coding", Tree::List(vec![coding]))])]),
    }
}

fn reference(source: &mut Source<'_>) -> Tree {
    let target = source.pick(&[
        "Patient/a",
        "Patient/b",
        "Practitioner/p",
        "http://h/fhir/Organization/o.1",
        "Organization/o/_history/2",
        "#c",
        "urn:uuid:1",
        "Practitioner?x=1",
        "Observation/o-1",
        "Practitioner/p\"",
        "Patient/ä",
        "",
    ]);
    Tree::object([("reference", Tree::text(target)), ("display", Tree::Text(source.text()))])
}

fn attachment(source: &mut Source<'_>) -> Tree {
    let url = source.pick(&[
        "Binary/b",
        "http://h/Binary/b",
        "files/x y.pdf",
        "scan.png",
        "https://h/x",
        "../x",
        "files/\"q\"",
    ]);
    match source.below(3) {
        0 => Tree::object([("url", Tree::text(url))]),
        1 => Tree::object([("title", Tree::Text(source.text())), ("url", Tree::text(url))]),
        _ => Tree::object([("data", Tree::text("aGk="))]),
    }
}

fn date(source: &mut Source<'_>) -> Tree {
    Tree::text(source.pick(&[
        "2024",
        "2024-02",
        "2024-02-03",
        "2024-02-03T04:05:06Z",
        "2024-13-99",
        "yesterday",
        "",
    ]))
}

fn number(source: &mut Source<'_>) -> Tree {
    let forms =
        ["0", "-0", "1", "1.50", "1e2", "1E+2", "-1.5e-3", "12345678901234567890", "0.1000000000000000055"];
    Tree::Number(source.pick(&forms).to_owned())
}

/// Anything.
fn junk(source: &mut Source<'_>, depth: usize) -> Tree {
    match source.below(if depth == 0 { 5 } else { 8 }) {
        0 => Tree::Null,
        1 => Tree::Flag(source.once_in(2)),
        2 => number(source),
        3 => Tree::Text(source.text()),
        4 => {
            Tree::text(source.pick(&["meta", "reference", "HIV", "Patient/a", "\"reference\":\"Patient/b\""]))
        }
        5 => Tree::List((0..source.below(4)).map(|_| junk(source, depth - 1)).collect()),
        _ => {
            let names = ["a", "code", "security", "meta", "reference", "x\"reference", "url", ""];
            let mut members: Vec<(String, Tree)> = Vec::new();
            for _ in 0..source.below(4) {
                let name = source.pick(&names).to_owned();
                if members.iter().all(|(known, _)| *known != name) {
                    members.push((name, junk(source, depth - 1)));
                }
            }
            Tree::Object(members)
        }
    }
}
