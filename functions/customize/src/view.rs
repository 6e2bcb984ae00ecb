//! Builds the pages of the form's steps from its draft.

use axum::response::Response;
use crypto::fingerprint;
use domain::choices::RecordGroup;
use domain::error::Result;
use domain::sensitive::Sensitive;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use web::pages::{
    CheckPage, DateField, DateFields, FieldProblem, FormFrame, PartAnswer, PartCard, PartsPage, TopicCard,
    TopicsPage,
};
use web::request_context;
use web::respond::{FormRedirect, html};
use web::session::LIFETIME;
use words::Words;

use crate::Customize;
use crate::draft::{Draft, PartDraft};
use crate::form_location::{FormLocation, Step};
use crate::mistakes::{MAX_NOTE, first_unit, of_parts, of_topics, problem, topic_name};
use crate::typed_date::TypedDate;

/// The lifetime of the token that allows input to be saved after the session has ended.
const TOKEN_LIFETIME: SignedDuration = SignedDuration::from_hours(12);

/// The message that a step shows in addition to the draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shows {
    Nothing,
    /// The mistakes of the step.
    Mistakes,
    /// Another tab has changed the step.
    Changed,
    /// The patient has not agreed.
    NotAgreed,
}

impl Shows {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Mistakes => "problems",
            Self::Changed => "changed",
            Self::NotAgreed => "agree",
        }
    }

    pub(crate) fn parse(name: Option<&str>) -> Self {
        let all = [Self::Mistakes, Self::Changed, Self::NotAgreed];
        all.into_iter().find(|shows| Some(shows.name()) == name).unwrap_or(Self::Nothing)
    }
}

impl Customize {
    /// Returns the page of a step.
    pub(crate) fn step_page(
        &self,
        status: StatusCode,
        location: &FormLocation,
        draft: &Draft,
        step: Step,
        shows: Shows,
    ) -> Result<Response> {
        let words = request_context::words();
        match step {
            Step::Parts => {
                let problems = if shows == Shows::Mistakes { of_parts(draft, &words) } else { Vec::new() };
                let form = self.frame(location, draft, step, shows, problems, &words)?;
                Ok(html(status, &parts_page(form, location, draft, &words)))
            }
            Step::Topics => {
                let problems = if shows == Shows::Mistakes { of_topics(draft, &words) } else { Vec::new() };
                let form = self.frame(location, draft, step, shows, problems, &words)?;
                let topics = topic_cards(draft, &form.problems, &words);
                let box_key = if location.review { "topic-box" } else { "topic-box-unread" };
                Ok(html(status, &TopicsPage { form, box_words: words.text(box_key, &[]), topics }))
            }
            Step::Check => {
                let is_missing = shows == Shows::NotAgreed && draft.has_topics();
                let missing =
                    is_missing.then(|| problem("agree".to_owned(), words.text("agree-missing", &[])));
                let form = self.frame(location, draft, step, shows, missing.into_iter().collect(), &words)?;
                let response = html(status, &self.check_page(form, location, draft, &words)?);
                Ok(match draft.leads_to(self.clock.now()).and_then(FormRedirect::app) {
                    Some(redirect) => redirect.add_to(response),
                    None => response,
                })
            }
        }
    }

    fn frame(
        &self,
        location: &FormLocation,
        draft: &Draft,
        step: Step,
        shows: Shows,
        problems: Vec<FieldProblem>,
        words: &Words,
    ) -> Result<FormFrame> {
        let number = step.number().to_string();
        let minutes = LIFETIME.as_mins().to_string();
        Ok(FormFrame {
            title: words.text(&format!("{}-title", step.name()), &[]),
            step: step.name(),
            step_words: words.text("step", &[("step", &number), ("steps", "3")]),
            patient: location.patient.clone(),
            action: location.at(Step::Parts.name(), &[]),
            has_back: step != Step::Parts,
            token: self.form_token(&location.draft)?,
            version: version(draft, step),
            default_button: if step == Step::Check { "send" } else { "next" },
            problems,
            changed: shows == Shows::Changed,
            session_seconds: LIFETIME.as_secs(),
            session_words: words.text("session-ends", &[("minutes", &minutes)]),
        })
    }

    fn check_page(
        &self,
        form: FormFrame,
        location: &FormLocation,
        draft: &Draft,
        words: &Words,
    ) -> Result<CheckPage> {
        let left_out = draft.parts.iter().filter(|(_, part)| !part.ticked);
        let left_out: Vec<_> = left_out.map(|(group, _)| part_name(*group, words)).collect();
        let pages = &self.settings.pages;
        let organization = pages.organization.clone();
        let organization = organization.unwrap_or_else(|| words.text("this-organization", &[]));
        let until = self.permission_ends()?;
        let values =
            [("org", &*organization), ("receiver", &*location.receiver), ("date", &*words.date(until))];
        Ok(CheckPage {
            agree_missing: !form.problems.is_empty(),
            form,
            parts: draft
                .parts
                .iter()
                .filter(|(_, part)| part.ticked)
                .map(|(group, part)| PartAnswer {
                    name: part_name(*group, words),
                    dates: times(part, words),
                    note: part.note.clone(),
                })
                .collect(),
            parts_left_out: left_out.join(", "),
            topics: topic_cards(draft, &[], words),
            permission: draft.has_topics().then(|| words.text("permission", &values)),
            agree_words: words.text("agree", &[("name", &location.patient)]),
            agreed: draft.agreed.as_ref() == Some(&agreement(draft, until)),
        })
    }

    /// Returns the time at which a permission ends that the patient gives now.
    pub(crate) fn permission_ends(&self) -> Result<Timestamp> {
        let due = SignedDuration::from_hours(24 * self.settings.pages.due_days);
        self.after(due + self.settings.retention.finished)
    }

    /// Returns the token that allows a form's fields to be saved after its session has ended.
    fn form_token(&self, draft: &str) -> Result<String> {
        let expires = self.after(TOKEN_LIFETIME)?.as_second();
        Ok(format!("{expires}.{}", self.keys.draft_signature(draft, expires)))
    }

    pub(crate) fn is_form_token(&self, draft: &str, token: &str) -> bool {
        let Some((expires, signature)) = token.split_once('.') else { return false };
        let Ok(expires) = expires.parse() else { return false };
        self.keys.is_draft_signature(draft, expires, signature) && self.clock.now().as_second() < expires
    }
}

/// Returns the version of a step's content. The page sends it back with the fields.
pub(crate) fn version(draft: &Draft, step: Step) -> String {
    match step {
        Step::Parts => draft.parts_version.to_string(),
        Step::Topics => draft.topics_version.to_string(),
        // The patient agrees to the shown content. The numbers restart for another copy, so a fingerprint of the content is added.
        Step::Check => {
            let shown = fingerprint(&json!([draft.parts, draft.topics]).to_string());
            format!("{}.{}.{shown}", draft.parts_version, draft.topics_version)
        }
    }
}

/// Identifies the content to which the patient agrees: the choices, and the day on which the permission ends. The box stays ticked only
/// while both are the same.
pub(crate) fn agreement(draft: &Draft, permission_ends: Timestamp) -> String {
    let last_day = permission_ends.to_zoned(request_context::words().zone).date();
    format!("{} until {last_day}", version(draft, Step::Check))
}

fn part_name(group: RecordGroup, words: &Words) -> String {
    words.text(&format!("part-{}", group.key()), &[])
}

fn parts_page(form: FormFrame, location: &FormLocation, draft: &Draft, words: &Words) -> PartsPage {
    let limit = MAX_NOTE.to_string();
    PartsPage {
        for_whom: words.text("parts-for", &[("name", &location.patient)]),
        note_hint: words
            .text(if location.review { "note-hint" } else { "note-hint-unread" }, &[("limit", &limit)]),
        none_chosen: form.problem_at("part-visits"),
        parts: draft.parts.iter().map(|(group, part)| part_card(*group, part, &form, words)).collect(),
        form,
    }
}

fn part_card(group: RecordGroup, part: &PartDraft, form: &FormFrame, words: &Words) -> PartCard {
    let key = group.key();
    let date = |which: &str, date: &TypedDate| {
        let id = format!("part-{key}-{which}");
        let unit = |unit: &'static str, value: &str| DateField {
            unit,
            label: words.text(unit, &[]),
            value: value.to_owned(),
        };
        let (month, day, year) =
            (unit("month", &date.month), unit("day", &date.day), unit("year", &date.year));
        DateFields {
            name: format!("parameters.{key}.{which}"),
            legend: words.text(which, &[]),
            error: form.problem_at(&format!("{id}-{}", first_unit(words))),
            fields: if first_unit(words) == "day" { [day, month, year] } else { [month, day, year] },
            id,
        }
    };
    let dates = [date("from", &part.from), date("to", &part.to)];
    let note_error = form.problem_at(&format!("part-{key}-note"));
    let is_filled = !part.from.is_empty() || !part.to.is_empty() || !part.note.is_empty();
    PartCard {
        key,
        name: part_name(group, words),
        hint: words.text(&format!("part-{key}-hint"), &[]),
        ticked: part.ticked,
        open: is_filled || note_error.is_some() || dates.iter().any(|date| date.error.is_some()),
        dates,
        note: part.note.clone(),
        note_error,
    }
}

fn topic_cards(draft: &Draft, problems: &[FieldProblem], words: &Words) -> Vec<TopicCard> {
    let card = |topic: Sensitive| {
        let key = topic.key();
        let typed = draft.topics.get(&topic).cloned().unwrap_or_default();
        let fields = [format!("topic-{key}"), format!("topic-{key}-text")];
        let error = problems.iter().find(|problem| fields.contains(&problem.field));
        TopicCard {
            key,
            name: topic_name(topic, words),
            hint: words.text(&format!("topic-{key}-hint"), &[]),
            ticked: typed.ticked,
            has_text: topic.has_description(),
            text: typed.text,
            error: error.map(|problem| problem.text.clone()),
        }
    };
    Sensitive::ALL.into_iter().map(card).collect()
}

/// Returns the period of a part as the patient typed it.
fn times(part: &PartDraft, words: &Words) -> String {
    let shown = |date: &TypedDate| {
        let date = date.fhir().filter(|date| !date.is_empty());
        date.map(|date| words.partial(&date))
    };
    match (shown(&part.from), shown(&part.to)) {
        (None, None) => words.text("check-all-times", &[]),
        (Some(from), None) => words.text("check-from", &[("from", &from)]),
        (None, Some(to)) => words.text("check-to", &[("to", &to)]),
        (Some(from), Some(to)) => words.text("check-from-to", &[("from", &from), ("to", &to)]),
    }
}
