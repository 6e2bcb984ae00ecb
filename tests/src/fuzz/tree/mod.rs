//! A JSON tree that keeps all details: repeated members, their order, and numbers as they are written.

mod read;
mod resource;
mod spelling;

use serde_json::Value;

pub(in crate::fuzz) use self::resource::resource;

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

    /// Returns the members of an object; empty for every other value.
    pub fn members(&self) -> &[(String, Self)] {
        match self {
            Self::Object(members) => members,
            _ => &[],
        }
    }

    /// Returns all values with a name.
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

    /// Returns the elements of a list; every other value is its own only element.
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

    /// Returns this value and all values in it.
    pub fn everything(&self) -> Vec<&Self> {
        let mut all = vec![self];
        let mut next = 0;
        while let Some(tree) = all.get(next).copied() {
            all.extend(tree.children());
            next += 1;
        }
        all
    }

    /// Returns whether an object in the tree has two members of the same name.
    pub fn repeats(&self) -> bool {
        self.everything().iter().any(|tree| {
            let names: std::collections::HashSet<_> = tree.members().iter().map(|(name, _)| name).collect();
            names.len() < tree.members().len()
        })
    }

    pub fn depth(&self) -> usize {
        1 + self.children().into_iter().map(Self::depth).max().unwrap_or_default()
    }

    /// Returns the shortest JSON text of the tree.
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
}
