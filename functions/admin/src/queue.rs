//! The list of exports for staff, with its tabs and its search.

use axum::extract::State;
use axum::response::Response;
use domain::error::{Error, Result};
use domain::ids::{ClientId, JobId};
use domain::job::JobState;
use domain::listing::position;
use domain::owner::Owner;
use domain::ports::jobs::{JobPage, JobQuery};
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
    Parameter::query(TAB, "The tab: review, collecting, waiting, ready, all or deleted"),
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

const TABS: [TabOf; 6] = [
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
    // Of these, the exports are listed whose deletion can be undone.
    TabOf { name: "deleted", words: "tab-deleted", states: &[JobState::Cancelled] },
];
const ALL: usize = 4;
const DELETED: usize = 5;

/// The number of deleted exports that are read at a time to find those that can be restored. The tab counts only the newest deleted
/// exports.
const DELETED_READ: usize = 100;
/// The maximum number of such reads for one page.
const DELETED_READS: usize = 5;

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
    if let Some(job) = state.numbered(&filters.search).await {
        return Ok(see_other(&state.settings.url(&format!("/staff/jobs/{job}"))));
    }
    let shown = query.get(TAB).unwrap_or_default();
    let shown = TABS.iter().find(|tab| tab.name == shown).unwrap_or(&TABS[0]);
    let page = query.get("page").filter(|page| !page.is_empty());
    let (job_query, problems) = state.job_query(shown, &filters, page);
    let (now, tabs) = (state.clock.now(), state.tabs(shown, &filters).await?);
    let mut found = match shown.name == TABS[DELETED].name {
        true => state.restorable(job_query).await?,
        false => state.jobs.list(&job_query).await?,
    };
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
        (None, true, "deleted") => "queue-nothing-deleted",
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

    /// Returns the path and query of a tab with these filters.
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
    /// Returns the export whose number was typed into the search, if there is one. The page of an export that has ended says how.
    async fn numbered(&self, search: &str) -> Option<JobId> {
        let id = JobId::parse(&search.to_ascii_lowercase()).ok()?;
        matches!(self.jobs.get(&id).await, Ok(Some(_))).then_some(id)
    }

    /// Returns a page of the deleted exports that can be restored. The store lists them among all that were cancelled within the last
    /// day or so, because cleanup removes the others.
    async fn restorable(&self, mut query: JobQuery) -> Result<JobPage> {
        let (now, count) = (self.clock.now(), query.count);
        query.count = DELETED_READ;
        let mut found = Vec::new();
        for _ in 0..DELETED_READS {
            let page = self.jobs.list(&query).await?;
            found.extend(page.jobs.into_iter().filter(|stored| stored.job.restorable_until(now).is_some()));
            query.after = page.next;
            if found.len() > count || query.after.is_none() {
                break;
            }
        }
        let last_shown = count.checked_sub(1).and_then(|last| found.get(last));
        let next = match last_shown.filter(|_| found.len() > count) {
            Some(last) => Some(position(last.job.header())),
            None => query.after,
        };
        found.truncate(count);
        Ok(JobPage { jobs: found, next })
    }

    /// Returns the number of exports that can be restored, as a tab shows it; `None` if none of the newest deleted exports can be restored
    /// and there are older ones.
    async fn restorable_count(&self) -> Result<Option<String>> {
        let query =
            JobQuery { states: TABS[DELETED].states.to_vec(), count: DELETED_READ, ..JobQuery::default() };
        let (now, page) = (self.clock.now(), self.jobs.list(&query).await?);
        let count = page.jobs.iter().filter(|stored| stored.job.restorable_until(now).is_some()).count();
        Ok(match (count, page.next) {
            (count, None) => Some(count.to_string()),
            (0, Some(_)) => None,
            (count, Some(_)) => Some(format!("{count}+")),
        })
    }

    /// Returns the query of a page, and the problems of the filters.
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
            // An invalid id is replaced by `-`, so the list is empty unless a client has this id.
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

    /// Returns the instant at which a day begins in the time zone of the pages; `None` if the text is not a date. The day is `days_later`
    /// days after the date.
    fn start_of_day(&self, text: &str, days_later: i64) -> Option<Timestamp> {
        let day: Date = text.parse().ok()?;
        let day = day.checked_add(jiff::Span::new().try_days(days_later).ok()?).ok()?;
        Some(day.to_zoned(self.settings.pages.zone.clone()).ok()?.timestamp())
    }

    /// Returns the tabs with the numbers of their exports. The tab of all states has no number, because it only grows.
    async fn tabs(&self, shown: &TabOf, filters: &Filters) -> Result<Vec<Tab>> {
        let words = request_context::words();
        let counts = TABS.iter().enumerate().map(async |(index, tab)| match index {
            ALL => Ok(None),
            DELETED => self.restorable_count().await,
            _ => Ok(Some(match self.jobs.count(tab.states, COUNTED + 1).await? {
                count if count > COUNTED => format!("{COUNTED}+"),
                count => count.to_string(),
            })),
        });
        let counts = try_join_all(counts).await?;
        let tab = |(tab, count): (&TabOf, Option<String>)| {
            let href = filters.address(tab, None)?;
            Ok(Tab { words: words.text(tab.words, &[]), count, href, is_shown: tab.name == shown.name })
        };
        TABS.iter().zip(counts).map(tab).collect()
    }

    /// Returns the choices of the filter: the registered clients, the patients' own pages, staff, and the chosen client if it is not
    /// registered any more.
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
