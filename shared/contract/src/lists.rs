//! Tests of lists and searches of jobs, which are compared with a simple and slow search.

use domain::clock::Random;
use domain::error::Error;
use domain::header::JobHeader;
use domain::ids::{ClientId, JobId, PatientId};
use domain::job::{Job, JobState};
use domain::owner::Owner;
use domain::patient_summary::{PatientIdentifier, PatientSummary};
use domain::ports::jobs::{JobQuery, Jobs};
use domain::search::Search;
use domain::states::{AwaitingInput, Failed, Gone, Queued};
use futures_util::TryStreamExt;
use jiff::{SignedDuration, Timestamp};

use crate::{SeededRandom, job};

pub(super) async fn lists(jobs: &dyn Jobs) {
    for seconds in 2..=7 {
        jobs.create(&job(seconds, if seconds % 2 == 0 { "even" } else { "odd" })).await.expect("created");
    }
    let mut seen = Vec::new();
    let mut query = JobQuery { count: 3, ..JobQuery::default() };
    loop {
        let page = jobs.list(&query).await.expect("a page");
        assert!(page.jobs.len() <= 3);
        seen.extend(page.jobs.iter().map(|stored| stored.job.header().created_at));
        match page.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    assert_eq!(seen.len(), 7);
    let all = domain::ports::jobs::all(jobs, JobQuery { count: 3, ..JobQuery::default() });
    let all: Vec<_> = all.try_collect().await.expect("all pages");
    assert!(all.iter().map(|stored| stored.job.header().created_at).eq(seen.iter().copied()));
    assert!(seen.is_sorted_by(|one, other| one > other), "the newest job comes first");
    let of_patient = JobQuery { count: 9, patient: PatientId::parse("even").ok(), ..JobQuery::default() };
    assert_eq!(jobs.list(&of_patient).await.expect("a page").jobs.len(), 3);
    let of_owner =
        JobQuery { count: 9, owner: Some(job(1, "odd").header().owner.clone()), ..JobQuery::default() };
    assert_eq!(jobs.list(&of_owner).await.expect("a page").jobs.len(), 3);
    // Another user of the same client and patient is another owner.
    let mut other = job(8, "odd");
    if let Job::Queued(queued) = &mut other {
        queued.header.owner.subject = Some("another user".to_owned());
    }
    jobs.create(&other).await.expect("created");
    assert_eq!(jobs.list(&of_owner).await.expect("a page").jobs.len(), 3);
    let of_other = JobQuery { owner: Some(other.header().owner.clone()), ..of_owner.clone() };
    assert_eq!(jobs.list(&of_other).await.expect("a page").jobs.len(), 1);
    let complete =
        JobQuery { count: 9, states: vec![JobState::Complete, JobState::Failed], ..JobQuery::default() };
    assert_eq!(jobs.list(&complete).await.expect("a page").jobs.len(), 0);
    let wrong = JobQuery { count: 9, after: Some("nonsense".to_owned()), ..JobQuery::default() };
    assert!(matches!(jobs.list(&wrong).await, Err(Error::Invalid(_))));
}

/// Names in many spellings, each with its words as a person would type them.
const NAMES: [(&str, &[&str]); 14] = [
    ("Anna Lindqvist", &["anna", "lindqvist"]),
    ("ANNA LINDSTRÖM", &["anna", "lindstrom"]),
    ("Annabel Lee", &["annabel", "lee"]),
    ("José-María O'Neil", &["jose", "maria", "o", "neil"]),
    ("Jose\u{301} Garci\u{301}a", &["jose", "garcia"]),
    ("\u{202e}Anna\u{202c} Øberg", &["anna", "oberg"]),
    ("Li\u{200d}nd\u{200f}a Łuk", &["linda", "luk"]),
    ("山田 太郎", &["山田", "太郎"]),
    ("Li", &["li"]),
    ("A B C D", &["a", "b", "c", "d"]),
    ("100% _wild_", &["100", "wild"]),
    ("😀", &[]),
    ("", &[]),
    ("Straße İpek", &["strasse", "ipek"]),
];

/// A job to find, and the data that the simple search compares.
struct Known {
    job: Job,
    words: &'static [&'static str],
    identifiers: Vec<String>,
    birth_date: String,
}

/// A search: the typed text, and its meaning for the simple search.
struct SimpleSearch {
    text: String,
    words: Vec<String>,
    identifier: String,
    birth_date: String,
}

struct Dice(SeededRandom);

impl Dice {
    fn below(&self, limit: usize) -> usize {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        usize::try_from(u64::from_le_bytes(bytes) % limit as u64).expect("small")
    }

    fn is(&self) -> bool {
        self.below(2) == 0
    }
}

/// Long before the jobs of other tests, so that dates separate them.
fn first_day() -> Timestamp {
    Timestamp::from_second(1_500_000_000).expect("a time")
}

fn minutes(minutes: usize) -> SignedDuration {
    SignedDuration::from_mins(i64::try_from(minutes).expect("few"))
}

fn known(number: usize, dice: &Dice) -> Known {
    let (name, words) = NAMES[dice.below(NAMES.len())];
    let patient = dice.below(12);
    let id = PatientId::parse(&format!("p-{patient}.x")).expect("an id");
    let birth_date = format!("19{:02}-0{}-1{}", 50 + patient, 1 + patient % 9, patient % 10);
    let mut summary = PatientSummary::new(id.clone(), name);
    summary.birth_date = Some(birth_date.clone());
    summary.identifiers =
        vec![PatientIdentifier { kind: "MR".to_owned(), value: format!("MRN-{patient:04}/7") }];
    let identifiers = vec![format!("mrn{patient:04}7"), format!("p{patient}x")];
    let Job::Queued(Queued { mut header }) = job(1, "p") else { unreachable!("the job is queued") };
    // Some jobs are created at the same time.
    header.created_at = first_day() + minutes(number / 2);
    header.id = SeededRandom::new(number as u64).job(header.created_at);
    let client = if dice.below(4) == 0 { "rare-app" } else { "app" };
    header.owner = Owner::new(ClientId::parse(client).expect("an id"), None, Some(id), "user");
    header.patient = (dice.below(10) != 0).then_some(summary);
    let (words, identifiers) =
        if header.patient.is_some() { (words, identifiers) } else { (&[][..], vec![]) };
    Known { job: Job::Queued(Queued { header }), words, identifiers, birth_date }
}

fn in_state(header: JobHeader, state: usize) -> Job {
    match state {
        0 => Job::AwaitingInput(AwaitingInput { header }),
        1 => Job::Cancelled(Gone { header, undo: None }),
        2 => {
            let expires_at = header.created_at;
            Job::Failed(Failed { header, reason: "x".to_owned(), code: "exception".to_owned(), expires_at })
        }
        _ => Job::Queued(Queued { header }),
    }
}

fn wanted(dice: &Dice) -> SimpleSearch {
    let mut wanted = SimpleSearch {
        text: String::new(),
        words: Vec::new(),
        identifier: String::new(),
        birth_date: String::new(),
    };
    let patient = dice.below(14);
    match dice.below(8) {
        0 => ["%", "_", "😀", "\u{200f}", " ", "'"][dice.below(6)].clone_into(&mut wanted.text),
        1 => {
            let [one, other] = [format!("mrn {patient:04}-7"), format!("MRN-{patient:04}/7")];
            wanted.text = if dice.below(2) == 0 { one } else { other };
            wanted.identifier = format!("mrn{patient:04}7");
            wanted.words = wanted.text.to_lowercase().split([' ', '-', '/']).map(str::to_owned).collect();
        }
        2 => {
            wanted.text = format!("p-{patient}.x");
            wanted.identifier = format!("p{patient}x");
            wanted.words = vec!["p".to_owned(), patient.to_string(), "x".to_owned()];
        }
        3 => {
            let (year, month, day) = (1950 + patient, 1 + patient % 9, 10 + patient % 10);
            let written = [
                format!("{year}-0{month}-{day}"),
                format!("{month}/{day}/{year}"),
                format!("{day}.{month}.{year}"),
            ];
            wanted.text.clone_from(&written[if day > 12 { dice.below(3) } else { dice.below(2) }]);
            wanted.birth_date = format!("{year}-0{month}-{day}");
        }
        _ => {
            for _ in 0..=dice.below(2) {
                let (_, words) = NAMES[dice.below(NAMES.len())];
                let Some(word) = words.get(dice.below(words.len().max(1))) else { continue };
                let length = 1 + dice.below(word.chars().count());
                let start: String = word.chars().take(length).collect();
                wanted.text += &if dice.is() { start.to_uppercase() } else { start.clone() };
                wanted.text += [" ", "  ", "-", " \u{200f}"][dice.below(4)];
                wanted.identifier += &start;
                wanted.words.push(start);
            }
        }
    }
    wanted
}

impl SimpleSearch {
    fn finds(&self, known: &Known) -> bool {
        let is_start = |word: &String| known.words.iter().any(|other| other.starts_with(word.as_str()));
        known.job.header().patient.is_some()
            && ((!self.words.is_empty() && self.words.iter().all(is_start))
                || (!self.identifier.is_empty() && known.identifiers.contains(&self.identifier))
                || self.birth_date == known.birth_date)
    }
}

/// Returns all jobs that a query finds, page by page.
async fn pages(jobs: &dyn Jobs, query: &JobQuery) -> Vec<JobId> {
    let (mut ids, mut query) = (Vec::new(), query.clone());
    loop {
        let page = jobs.list(&query).await.expect("a page");
        assert!(page.jobs.len() <= query.count);
        ids.extend(page.jobs.iter().map(|stored| stored.job.id().clone()));
        match page.next {
            Some(next) => query.after = Some(next),
            None => return ids,
        }
    }
}

/// Returns a query with some conditions, and the jobs that it must find.
fn expected(all: &[Known], dice: &Dice) -> (String, JobQuery, Vec<JobId>) {
    let wanted = (dice.below(4) != 0).then(|| wanted(dice));
    let state =
        [JobState::AwaitingInput, JobState::Queued, JobState::Failed, JobState::Cancelled][dice.below(4)];
    let states = match dice.below(3) {
        0 => Vec::new(),
        1 => vec![state],
        _ => vec![state, JobState::Complete, JobState::Queued],
    };
    let client = (dice.below(3) == 0)
        .then(|| ClientId::parse(["app", "rare-app", "no-app"][dice.below(3)]).expect("an id"));
    let from = first_day() + if dice.is() { minutes(dice.below(20)) } else { SignedDuration::ZERO };
    // The jobs of other tests are later.
    let before = first_day() + if dice.is() { minutes(dice.below(30)) } else { minutes(1_000) };
    let query = JobQuery {
        states: states.clone(),
        client: client.clone(),
        search: wanted.as_ref().map(|wanted| Search::parse(&wanted.text, false)),
        created_from: Some(from),
        created_before: Some(before),
        oldest_first: dice.is(),
        count: 1 + dice.below(9),
        ..JobQuery::default()
    };
    let mut found: Vec<_> = all
        .iter()
        .filter(|known| {
            let header = known.job.header();
            (states.is_empty() || states.contains(&known.job.state()))
                && client.as_ref().is_none_or(|client| header.owner.client == *client)
                && wanted.as_ref().is_none_or(|wanted| wanted.finds(known))
                && (from..before).contains(&header.created_at)
        })
        .map(|known| (known.job.header().created_at, known.job.id().clone()))
        .collect();
    found.sort();
    if !query.oldest_first {
        found.reverse();
    }
    let text = wanted.map(|wanted| wanted.text).unwrap_or_default();
    (text, query, found.into_iter().map(|(_, id)| id).collect())
}

/// Compares lists and searches with the simple ones, before and after jobs change their state and are removed.
pub(super) async fn searches(jobs: &dyn Jobs) {
    let dice = Dice(SeededRandom::new(7));
    let before = jobs_in_states(jobs).await;
    let mut all = Vec::new();
    for number in 0..60 {
        let mut known = known(number, &dice);
        jobs.create(&known.job).await.expect("created");
        let state = dice.below(5);
        if state < 3 {
            known.job = in_state(known.job.header().clone(), state);
            jobs.replace(&known.job, 1).await.expect("replaced");
        }
        all.push(known);
    }
    let mut nothing = 0;
    for round in 0..160 {
        if round == 120 {
            for gone in all.split_off(45) {
                jobs.remove(gone.job.id()).await.expect("removed");
                jobs.remove(gone.job.id()).await.expect("removing twice is not an error");
            }
        }
        let (text, query, expected) = expected(&all, &dice);
        nothing += usize::from(expected.is_empty());
        assert_eq!(pages(jobs, &query).await, expected, "{text:?}: {query:?}");
    }
    assert!(nothing < 110, "{nothing} of the searches find no one");
    for (state, before) in JobState::ALL.into_iter().zip(&before) {
        let now = before + all.iter().filter(|known| known.job.state() == state).count();
        assert_eq!(jobs.count(&[state], 1_000).await.expect("a number"), now, "{state:?}");
        assert_eq!(jobs.count(&[state], 5).await.expect("a number"), now.min(5), "{state:?}");
    }
    for gone in all {
        jobs.remove(gone.job.id()).await.expect("removed");
    }
    assert_eq!(jobs.count(&JobState::ALL, 1_000).await.expect("a number"), before.iter().sum::<usize>());
    assert_eq!(jobs_in_states(jobs).await, before);
}

async fn jobs_in_states(jobs: &dyn Jobs) -> Vec<usize> {
    let mut counted = Vec::new();
    for state in JobState::ALL {
        counted.push(jobs.count(&[state], 1_000).await.expect("a number"));
    }
    counted
}
