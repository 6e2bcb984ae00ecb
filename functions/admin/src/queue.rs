//! The list of exports for staff, with its tabs and its search.

use axum::extract::State;
use axum::response::Response;
use domain::error::{Error, Result};
use domain::ids::{ClientId, JobId};
use domain::job::{JobState, Owner};
use domain::ports::jobs::JobQuery;
use domain::search::Search;
use futures_util::future::try_join_all;
use http::StatusCode;
use jiff::Timestamp;
use jiff::civil::Date;
use settings::OWN_PAGES;
use web::describe::Parameter;
use web::extract::Query;
use web::pages::{FieldProblem, QueuePage, QueueRow, Tab};
use web::request_context;
use web::respond::{PageError, html, see_other};

use crate::Admin;
use crate::caller::PageStaff;

/// The number of exports on a page.
const PAGE: usize = 25;
/// The largest count that a tab shows; beyond it the tab says that there are more.
const COUNTED: usize = 100;

const TAB: &str = "tab";
/// The parameters of the list.
pub(crate) const LIST: [Parameter; 6] = [
    Parameter::query(TAB, "The tab: review, collecting, waiting, ready or all"),
    Parameter::query(
        "q",
        "Beginnings of the words of a name, a birth date, an identifier, or the number of an export",
    ),
    Parameter::query("app", "Only exports for this client"),
    Parameter::query("from", "Only exports that were requested on this day or later"),
    Parameter::query("to", "Only exports that were requested on this day or earlier"),
    Parameter::query("page", "The page token from the link to a page"),
];

/// A tab of the list: its name in the address, the key of its words, and the states of its exports.
struct TabOf {
    name: &'static str,
    words: &'static str,
    states: &'static [JobState],
}

const TABS: [TabOf; 5] = [
    TabOf { name: "review", words: "tab-review", states: &[JobState::InReview] },
    TabOf { name: "collecting", words: "tab-collecting", states: &[JobState::Queued, JobState::Running] },
    TabOf { name: "waiting", words: "tab-waiting", states: &[JobState::AwaitingInput] },
    TabOf { name: "ready", words: "tab-ready", states: &[JobState::Complete] },
    TabOf {
        name: "all",
        words: "tab-all",
        states: &[
            JobState::AwaitingInput,
            JobState::Queued,
            JobState::Running,
            JobState::InReview,
            JobState::Complete,
            JobState::Rejected,
            JobState::Failed,
        ],
    },
];
const ALL: usize = TABS.len() - 1;

/// The search and the filters above the list.
struct Filters {
    search: String,
    app: String,
    from: String,
    to: String,
}

/// `GET /staff`.
pub(crate) async fn list(
    State(state): State<Admin>,
    PageStaff(username): PageStaff,
    query: Query,
) -> Result<Response, PageError> {
    let filters = Filters::of(&query);
    if let Some(job) = state.numbered(&filters.search).await? {
        return Ok(see_other(&state.settings.url(&format!("/staff/jobs/{job}"))));
    }
    let shown = query.get(TAB).unwrap_or_default();
    let shown = TABS.iter().find(|tab| tab.name == shown).unwrap_or(&TABS[0]);
    let page = query.get("page").filter(|page| !page.is_empty());
    let (job_query, problems) = state.job_query(shown, &filters, page);
    let (now, tabs) = (state.clock.now(), state.tabs(shown, &filters).await?);
    let mut found = state.jobs.list(&job_query).await?;
    found.jobs.retain(|stored| !stored.job.has_expired(now));
    if !problems.is_empty() {
        (found.jobs, found.next) = (Vec::new(), None);
    }
    state.viewed_list(&username, found.jobs.iter().map(|stored| &stored.job)).await?;
    let rows = found.jobs.iter().map(|stored| QueueRow::new(stored, &state.settings, now));
    let rows = rows.collect::<Result<Vec<_>>>()?;
    let words = request_context::words();
    let nothing = match (&found.next, filters.is_empty(), shown.name) {
        (Some(_), ..) => "queue-more-to-search",
        (None, true, "review") if page.is_none() => "queue-nothing-review",
        (None, true, _) => "queue-nothing",
        (None, false, _) => "queue-nothing-found",
    };
    let is_narrow = rows.is_empty() && !filters.is_empty() && shown.name != TABS[ALL].name;
    Ok(html(
        StatusCode::OK,
        &QueuePage {
            username,
            tabs,
            tab: shown.name,
            apps: state.apps(&filters.app),
            nothing: words.text(nothing, &[]),
            everywhere: is_narrow.then(|| filters.address(&TABS[ALL], None)).transpose()?,
            first: page.map(|_| filters.address(shown, None)).transpose()?,
            next: found.next.map(|next| filters.address(shown, Some(&next))).transpose()?,
            approve_counted: words.text("queue-approve-count", &[("count", "#")]),
            search: filters.search,
            from: filters.from,
            to: filters.to,
            problems,
            rows,
        },
    ))
}

impl Filters {
    fn of(query: &Query) -> Self {
        let get = |name| query.get(name).unwrap_or_default().trim().chars().take(200).collect();
        Self { search: get("q"), app: get("app"), from: get("from"), to: get("to") }
    }

    fn is_empty(&self) -> bool {
        [&self.search, &self.app, &self.from, &self.to].iter().all(|value| value.is_empty())
    }

    /// The path and query of a tab with these filters.
    fn address(&self, tab: &TabOf, page: Option<&str>) -> Result<String> {
        let fields = [
            (TAB, tab.name),
            ("q", &self.search),
            ("app", &self.app),
            ("from", &self.from),
            ("to", &self.to),
            ("page", page.unwrap_or_default()),
        ];
        let fields: Vec<_> = fields.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        Ok(format!("/staff?{}", serde_urlencoded::to_string(fields).map_err(Error::internal)?))
    }
}

impl Admin {
    /// The export whose number was typed into the search, if there is one.
    async fn numbered(&self, search: &str) -> Result<Option<JobId>> {
        let Ok(id) = JobId::parse(&search.to_ascii_lowercase()) else { return Ok(None) };
        Ok(self.job(&id).await.is_ok().then_some(id))
    }

    /// The query of a page, and what is wrong with the filters.
    fn job_query(&self, tab: &TabOf, filters: &Filters, page: Option<&str>) -> (JobQuery, Vec<FieldProblem>) {
        let words = request_context::words();
        let day_first = words.text("date-order", &[]) == "day-first";
        let mut problems = Vec::new();
        let mut day = |field: &str, text: &str, days_later: i64| {
            let moment = self.start_of_day(text, days_later);
            if moment.is_none() && !text.is_empty() {
                let text = words.text("not-a-date", &[("part", &words.text(&format!("queue-{field}"), &[]))]);
                problems.push(FieldProblem { field: field.to_owned(), text });
            }
            moment
        };
        let query = JobQuery {
            states: tab.states.to_vec(),
            search: (!filters.search.is_empty()).then(|| Search::parse(&filters.search, day_first)),
            // No client has an id that is none.
            client: (!filters.app.is_empty())
                .then(|| ClientId::parse(&filters.app).or_else(|_| ClientId::parse("-")).ok())
                .flatten(),
            created_from: day("from", &filters.from, 0),
            created_before: day("to", &filters.to, 1),
            oldest_first: tab.name == TABS[0].name,
            count: PAGE,
            after: page.map(str::to_owned),
            ..JobQuery::default()
        };
        (query, problems)
    }

    /// The instant at which a day begins in the time zone of the pages; `None` if the text is not a date.
    fn start_of_day(&self, text: &str, days_later: i64) -> Option<Timestamp> {
        let day: Date = text.parse().ok()?;
        let day = day.checked_add(jiff::Span::new().try_days(days_later).ok()?).ok()?;
        Some(day.to_zoned(self.settings.pages.zone.clone()).ok()?.timestamp())
    }

    /// The tabs with the numbers of their exports. The tab of all states has no number, because it only grows.
    async fn tabs(&self, shown: &TabOf, filters: &Filters) -> Result<Vec<Tab>> {
        let words = request_context::words();
        let counts = TABS.iter().map(async |tab| match tab.name == TABS[ALL].name {
            true => Ok(None),
            false => self.jobs.count(tab.states, COUNTED + 1).await.map(Some),
        });
        let counts = try_join_all(counts).await?;
        let tab = |(tab, count): (&TabOf, Option<usize>)| {
            let count = count.map(|count| match count {
                count if count > COUNTED => format!("{COUNTED}+"),
                count => count.to_string(),
            });
            let href = filters.address(tab, None)?;
            Ok(Tab { words: words.text(tab.words, &[]), count, href, is_shown: tab.name == shown.name })
        };
        TABS.iter().zip(counts).map(tab).collect()
    }

    /// The registered clients for the filter, the patients' own pages, staff, and the chosen client if it is not registered any more.
    fn apps(&self, chosen: &str) -> Vec<(String, String, bool)> {
        let words = request_context::words();
        let registered = self.settings.clients.iter().map(|client| {
            let id = client.id.to_string();
            (id.clone(), client.name.clone().unwrap_or(id))
        });
        let own = [(OWN_PAGES, "own-pages"), (Owner::STAFF, "queue-staff")];
        let own = own.map(|(id, key)| (id.to_owned(), words.text(key, &[])));
        let with_choice = |(id, name): (String, String)| (id.clone(), name, id == chosen);
        let mut apps: Vec<_> = registered.chain(own).map(with_choice).collect();
        if !chosen.is_empty() && !apps.iter().any(|(_, _, is_chosen)| *is_chosen) {
            apps.push((chosen.to_owned(), chosen.to_owned(), true));
        }
        apps
    }
}
