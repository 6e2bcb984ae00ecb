//! Checks that every page must pass: WCAG 2.2 AA as far as a program can check it, and no horizontal scrolling on a small
//! screen.

use std::fmt;

use serde::Deserialize;
use serde_json::json;

use super::Look;
use super::covered;
use super::keyboard::Stop;
use super::page::Page;
use crate::deployed::variable;

/// The tags of the axe-core rules for WCAG up to 2.2 AA.
const TAGS: [&str; 5] = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

/// A rule that the page breaks, with the first element that breaks it.
#[derive(Clone, Debug, Deserialize)]
pub struct Violation {
    pub rule: String,
    /// The CSS selector of the element.
    pub target: String,
    pub summary: String,
    /// The number of elements that break the rule.
    pub count: usize,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, target, summary, count } = self;
        write!(f, "{rule} ({count}): {target}: {}", summary.replace('\n', " "))
    }
}

impl Page {
    /// Returns the violations that axe-core finds. The page must be allowed to run scripts.
    pub async fn axe(&self) -> Vec<Violation> {
        if self.evaluate::<bool>("typeof axe === 'undefined'").await {
            let axe = std::fs::read_to_string(variable("EHI_TEST_AXE")).expect("axe-core");
            self.evaluate::<Option<bool>>(&format!("{axe}\n;null")).await;
        }
        let options = json!({ "runOnly": { "type": "tag", "values": TAGS }, "resultTypes": ["violations"] });
        self.evaluate(&format!(
            "axe.run(document, {options}).then(({{ violations }}) => violations.map((violation) => ({{
                rule: violation.id,
                target: violation.nodes[0].target.join(' '),
                summary: violation.nodes[0].failureSummary,
                count: violation.nodes.length,
            }})))"
        ))
        .await
    }

    /// Returns the elements that make the page scroll sideways; empty if it does not.
    pub async fn sideways(&self) -> Vec<String> {
        self.ask("sideways()").await
    }

    /// Returns the elements that cut off their text.
    pub async fn cut_off(&self) -> Vec<String> {
        self.ask("cutOff()").await
    }

    /// Doubles the size of text as browsers can do; returns the factor by which it grew.
    pub async fn zoom_text(&self) -> f64 {
        self.ask("zoomText()").await
    }

    /// Returns the clickable elements that are smaller than `least` pixels.
    pub async fn small_targets(&self, least: u32) -> Vec<String> {
        self.ask(&format!("smallTargets({least})")).await
    }

    /// Returns the contrast of two colours, which may be custom properties: `var(--ink)`.
    pub async fn contrast(&self, front: &str, back: &str) -> f64 {
        self.ask(&format!("contrast({}, {})", json!(front), json!(back))).await
    }

    /// Returns what a printed page must not have; see [`Page::print`].
    pub async fn unprintable(&self) -> Vec<String> {
        self.ask("unprintable()").await
    }

    /// Returns the fields and buttons whose edges have too little contrast with their background.
    pub async fn faint_edges(&self) -> Vec<String> {
        self.ask("faintEdges()").await
    }
}

/// A problem of a page.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The name of the page in the tests.
    pub page: String,
    pub check: Check,
    pub look: Look,
    pub what: String,
}

/// The check that found a problem.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Check {
    /// A rule of axe-core; the text of the problem starts with its name.
    Axe,
    /// No scrolling in two directions (WCAG 1.4.10).
    Sideways,
    Console,
    /// The first stop of the Tab key leads to the main content (WCAG 2.4.1).
    SkipLink,
    /// Keyboard users see which element has the focus (WCAG 2.4.7, 2.4.11).
    Focus,
    /// The element with the focus has a name (WCAG 4.1.2).
    Name,
    /// Clickable elements are large enough (WCAG 2.5.8).
    Target,
    /// The edges of fields and buttons have enough contrast (WCAG 1.4.11).
    Edges,
    /// Text that is twice as large is completely visible (WCAG 1.4.4).
    LargeText,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { page, check, look, what } = self;
        write!(f, "{page}, {} px, {}: {check:?}: {what}", look.width, look.scheme.name())
    }
}

/// The people that a page is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Audience {
    /// On a telephone, with a thumb.
    Patients,
    /// At a desk.
    Staff,
}

impl Audience {
    fn look(self) -> Look {
        match self {
            Self::Patients => Look::PHONE,
            Self::Staff => Look::DESK,
        }
    }

    /// Returns the minimum size of a target in CSS pixels.
    fn least_target(self) -> u32 {
        match self {
            Self::Patients => 44,
            Self::Staff => 24,
        }
    }
}

/// Checks a page in every look, takes a screenshot of each, and moves through it by the keyboard; returns the problems.
pub async fn inspect(page: &Page, name: &str, audience: Audience) -> Vec<Finding> {
    if covered::is_page(name) {
        covered::assert_is(name, &page.url().await, page.status().await);
    }
    let mut found = Vec::new();
    let mut report = |check, look, what: Vec<String>| {
        found.extend(brief(what).map(|what| Finding { page: name.to_owned(), check, look, what }));
    };
    for look in Look::all() {
        page.look(look).await;
        report(Check::Axe, look, page.axe().await.iter().map(ToString::to_string).collect());
        report(Check::Sideways, look, page.sideways().await);
        if look.width == Look::DESK.width {
            report(Check::Edges, look, page.faint_edges().await);
        }
        page.screenshot(name, look).await;
    }
    let look = audience.look();
    page.look(look).await;
    report(Check::Target, look, page.small_targets(audience.least_target()).await);
    let stops = page.tab_stops().await;
    report(Check::SkipLink, look, skip_link(page, stops.first()).await);
    let name_of = |stop: &Stop| format!("{} '{}'", stop.role, stop.name);
    let unseen = stops.iter().filter(|stop| !(stop.is_outlined && stop.is_uncovered));
    report(Check::Focus, look, unseen.map(name_of).collect());
    report(Check::Name, look, stops.iter().filter(|stop| stop.name.is_empty()).map(name_of).collect());
    for look in [Look::PHONE, Look::DESK] {
        report(Check::LargeText, look, large_text(page, look).await);
    }
    report(Check::Console, look, page.console_errors());
    found
}

/// Returns the first three lines, and the number of the other lines.
fn brief(mut lines: Vec<String>) -> impl Iterator<Item = String> {
    let more = lines.len().saturating_sub(3);
    lines.truncate(3);
    lines.into_iter().chain((more > 0).then(|| format!("and {more} more")))
}

async fn skip_link(page: &Page, first: Option<&Stop>) -> Vec<String> {
    let target = first.and_then(|stop| stop.href.strip_prefix('#'));
    let leads_to_main = match target {
        Some(id) => {
            page.evaluate(&format!("document.getElementById({})?.closest('main') != null", json!(id))).await
        }
        None => false,
    };
    if leads_to_main { Vec::new() } else { vec![format!("the first stop is {first:?}")] }
}

async fn large_text(page: &Page, look: Look) -> Vec<String> {
    page.look(look).await;
    let grown = page.zoom_text().await;
    let mut wrong = page.cut_off().await;
    wrong.extend(page.sideways().await);
    if grown < 1.9 {
        wrong.push(format!("text grows by a factor of {grown} instead of 2"));
    }
    wrong
}
