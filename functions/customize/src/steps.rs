//! The actions of the buttons in a step. They save the fields and choose the next page, to which the response redirects.

use domain::choices::Choices;
use domain::error::Result;
use web::extract::Fields;
use web::request_context;

use crate::Customize;
use crate::draft::{Draft, is_ticked};
use crate::form_location::{FormLocation, Step};
use crate::mistakes::{of_parts, of_topics};
use crate::view::{Shows, agreement, version};

/// The result of pressing a button.
pub(crate) enum Next {
    /// A path of this server, below the path of the public base URL.
    GoTo(String),
    /// The patient signs out.
    Leave,
    /// The form is complete and can be sent.
    Send(Box<Choices>, Draft),
}

/// The request that a step sends.
pub(crate) struct Sent<'f> {
    fields: &'f Fields,
    pub(crate) step: Step,
    pub(crate) go: &'f str,
}

impl<'f> Sent<'f> {
    /// Reads the step and the button; `None` for a one-page form, which has neither.
    pub(crate) fn of(fields: &'f Fields) -> Option<Self> {
        let step = Step::parse(fields.find("step")?)?;
        let usual = if step == Step::Check { "send" } else { "next" };
        Some(Self { fields, step, go: fields.find("go").unwrap_or(usual) })
    }

    pub(crate) fn token(&self) -> &'f str {
        self.fields.get("token")
    }

    /// Returns the tag of the language that the button chooses.
    pub(crate) fn language(&self) -> Option<&'f str> {
        self.go.strip_prefix("language:")
    }

    fn version(&self) -> &'f str {
        self.fields.get("version")
    }
}

impl Customize {
    /// Saves the fields of a step. Returns the draft, and whether another tab has changed the step in the meantime. If so, the fields are
    /// not saved, and the patient sees the version of the other tab first.
    pub(crate) async fn keep(&self, location: &FormLocation, sent: &Sent<'_>) -> Result<(Draft, bool)> {
        let mut is_other = false;
        let permission_ends = self.permission_ends()?;
        let draft = self
            .change_draft(&location.draft, |draft| {
                if draft.sent.is_some() && sent.step == Step::Parts && sent.version() == "0" {
                    // The patient requests another copy.
                    *draft = Draft { redirect: draft.take_redirect(), ..Draft::default() };
                }
                let is_seen = version(draft, sent.step) == sent.version();
                match sent.step {
                    Step::Parts => {
                        let mut parts = Draft::parts_of(sent.fields);
                        match sent.go {
                            "all" => parts.values_mut().for_each(|part| part.ticked = true),
                            "none" => parts.values_mut().for_each(|part| part.ticked = false),
                            _ => {}
                        }
                        is_other = parts != draft.parts && !is_seen;
                        // The first sent step creates the draft, even if the patient changed nothing.
                        let is_new = is_seen && (parts != draft.parts || draft.parts_version == 0);
                        if is_new {
                            draft.parts = parts;
                            draft.parts_version += 1;
                        }
                        is_new
                    }
                    Step::Topics => {
                        let topics = Draft::topics_of(sent.fields);
                        is_other = topics != draft.topics && !is_seen;
                        let is_new = is_seen && topics != draft.topics;
                        if is_new {
                            draft.topics = topics;
                            draft.topics_version += 1;
                        }
                        is_new
                    }
                    Step::Check => {
                        is_other = !is_seen;
                        let ticked = is_ticked(sent.fields, "agree");
                        let agreed = ticked.then(|| agreement(draft, permission_ends));
                        let is_new = is_seen && agreed != draft.agreed;
                        if is_new {
                            draft.agreed = agreed;
                        }
                        is_new
                    }
                }
            })
            .await?;
        Ok((draft, is_other))
    }

    /// Runs the action of a step's button; the caller has checked that the sender may fill in the form.
    pub(crate) async fn press(&self, location: &FormLocation, sent: &Sent<'_>) -> Result<Next> {
        let (draft, is_other) = self.keep(location, sent).await?;
        let again = |shows: Shows| Next::GoTo(location.step(sent.step, &[("show", shows.name())]));
        if sent.go == "leave" {
            return Ok(Next::Leave);
        }
        if is_other {
            return Ok(again(Shows::Changed));
        }
        if let Some(language) = sent.language() {
            return Ok(Next::GoTo(location.step(sent.step, &[(web::site::LANGUAGE, language)])));
        }
        let words = request_context::words();
        match (sent.step, sent.go) {
            (Step::Topics, "back") | (Step::Check, "parts") => {
                Ok(Next::GoTo(location.step(Step::Parts, &[])))
            }
            (Step::Check, "back" | "topics") => Ok(Next::GoTo(location.step(Step::Topics, &[]))),
            (_, "later") => Ok(Next::GoTo(location.at("saved", &[]))),
            (Step::Parts, "next") if of_parts(&draft, &words).is_empty() => {
                Ok(Next::GoTo(location.step(Step::Topics, &[])))
            }
            (Step::Topics, "next") if of_topics(&draft, &words).is_empty() => {
                Ok(Next::GoTo(location.step(Step::Check, &[])))
            }
            (Step::Parts | Step::Topics, "next") => Ok(again(Shows::Mistakes)),
            (Step::Check, "send") => Ok(send(location, sent, draft)),
            _ => Ok(Next::GoTo(location.step(sent.step, &[]))),
        }
    }
}

/// Checks everything again, because the patient may have left a step with a mistake.
fn send(location: &FormLocation, sent: &Sent<'_>, draft: Draft) -> Next {
    let words = request_context::words();
    let back = |step: Step, shows: Shows| Next::GoTo(location.step(step, &[("show", shows.name())]));
    if !of_parts(&draft, &words).is_empty() {
        return back(Step::Parts, Shows::Mistakes);
    }
    if !of_topics(&draft, &words).is_empty() {
        return back(Step::Topics, Shows::Mistakes);
    }
    if draft.has_topics() && !is_ticked(sent.fields, "agree") {
        return back(Step::Check, Shows::NotAgreed);
    }
    match draft.choices() {
        Ok(choices) => Next::Send(Box::new(choices), draft),
        Err(_) => back(Step::Parts, Shows::Mistakes),
    }
}
