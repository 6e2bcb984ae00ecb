//! The patient's form.

use askama::Template;
use domain::choices::reading::Problem;
use domain::choices::{RecordGroup, Sensitive};

use crate::pages::filters;

/// The form. Everything but what is sensitive is chosen to begin with.
#[derive(Template)]
#[template(path = "form.html")]
pub struct FormPage {
    patient: String,
    action: String,
    hidden: Vec<(&'static str, String)>,
    /// What is wrong with the form that was sent.
    message: Option<String>,
    parts: [FormPart; 2],
    categories: Vec<CategoryRow>,
}

struct FormPart {
    title: &'static str,
    groups: Vec<GroupRow>,
}

/// A group of the record with what was entered.
struct GroupRow {
    key: &'static str,
    name: &'static str,
    enabled: bool,
    from: String,
    to: String,
    notes: String,
    error: Option<String>,
}

/// A sensitive category with what was entered.
struct CategoryRow {
    key: &'static str,
    name: &'static str,
    given: bool,
    has_description: bool,
    description: String,
    error: Option<String>,
}

impl FormPage {
    /// The form as it is shown first. `action` is the path that it posts to, with the `hidden` fields.
    pub fn new(patient: String, action: String, hidden: Vec<(&'static str, String)>) -> Self {
        let groups = |part| RecordGroup::ALL.into_iter().filter(move |group| group.part() == part);
        Self {
            patient,
            action,
            hidden,
            message: None,
            parts: [
                FormPart { title: "Electronic records", groups: groups(1).map(GroupRow::new).collect() },
                FormPart { title: "Other documents", groups: groups(2).map(GroupRow::new).collect() },
            ],
            categories: Sensitive::ALL.into_iter().map(CategoryRow::new).collect(),
        }
    }

    /// The form as it was sent, with what is wrong.
    #[must_use]
    pub fn again(mut self, fields: &[(String, String)], problem: &Problem) -> Self {
        let sent = |path: &str| fields.iter().find(|(name, _)| name == path).map(|(_, value)| value.clone());
        let text = |path: &str| sent(path).unwrap_or_default();
        let ticked = |path: &str| sent(path).is_some_and(|value| matches!(value.as_str(), "on" | "true"));
        let wrong = |path: &str, name: &str| {
            let field = problem.field.as_deref().and_then(|field| field.strip_prefix(path))?;
            (field.is_empty() || field.starts_with('.')).then(|| format!("{name} {}.", problem.what))
        };
        self.message = Some(match problem.field.as_deref() {
            Some("parameters") => "Choose at least one part of your record.".to_owned(),
            _ => "Something in the form is not right. Nothing was started; see below.".to_owned(),
        });
        for group in self.parts.iter_mut().flat_map(|part| &mut part.groups) {
            let path = format!("parameters.{}", group.key);
            group.enabled = ticked(&format!("{path}.enabled"));
            group.from = text(&format!("{path}.from"));
            group.to = text(&format!("{path}.to"));
            group.notes = text(&format!("{path}.notes"));
            group.error = wrong(&path, group.name);
        }
        for category in &mut self.categories {
            let path = format!("authorizations.{}", category.key);
            category.given = ticked(&path);
            category.description = text(&format!("{path}.text"));
            category.error = wrong(&path, category.name);
        }
        self
    }
}

impl GroupRow {
    fn new(group: RecordGroup) -> Self {
        Self {
            key: group.key(),
            name: group.name(),
            enabled: true,
            from: String::new(),
            to: String::new(),
            notes: String::new(),
            error: None,
        }
    }
}

impl CategoryRow {
    fn new(category: Sensitive) -> Self {
        Self {
            key: category.key(),
            name: category.name(),
            given: false,
            has_description: category.has_description(),
            description: String::new(),
            error: None,
        }
    }
}
