//! A walk through very many objects, which lists several ranges of their keys at the same time.
//!
//! One LIST returns the thousand keys behind a key, and only its response says where the next one begins. A walk of one
//! LIST after the other is too slow to feed hundreds of workers. So this walk guesses, from the keys that it has seen,
//! keys that are about two pages apart, and lists the ranges between them side by side. A wrong guess costs a request
//! and changes nothing else: the ranges cover every key once, and their objects are returned in the order of their keys.
//! A walk that guesses badly goes on page by page.

use std::collections::VecDeque;

use domain::error::{Error, Result};
use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use tokio_util::task::AbortOnDropHandle;

use crate::guess::Guess;
use crate::objects::{Bucket, Listed};

/// Ranges that are listed at the same time at most. As many as there were pages before, so that a short walk has none.
const AT_ONCE: u64 = 6;
/// Pages that a range should have: a little less than two, so that two requests list it.
const PAGES: f64 = 1.9;
/// Pages of a range that are kept at most; what follows is listed when it is wanted.
const MOST_PAGES: usize = 4;
/// Requests beyond one for each full page: so many at any time, and a quarter of the pages.
const SPARE: u64 = 8;

/// See the [module](self).
pub(super) struct Ranges {
    bucket: Bucket,
    prefix: String,
    /// What was listed and not returned yet.
    objects: VecDeque<Listed>,
    /// Tasks of their own, so that they go on while what was listed is worked on.
    running: FuturesOrdered<AbortOnDropHandle<Result<Range>>>,
    ahead: Ahead,
    guess: Option<Guess>,
    /// Requests that were made, the keys that they returned, and how many of them a full page has.
    requests: u64,
    keys: usize,
    page: usize,
}

/// What is behind the last range that was begun.
enum Ahead {
    /// Everything from this place on.
    From(Place),
    /// What the last range, which has no end, leaves.
    Unknown,
    Nothing,
}

/// Where a listing goes on.
#[derive(Clone, Default)]
struct Place {
    /// Behind this key; at the first one where there is none.
    after: Option<String>,
    /// The store's own word for the place, where it gave one.
    token: Option<String>,
}

/// The keys from a place up to and with `until`, and how far they are listed.
struct Range {
    from: Place,
    until: Option<String>,
    objects: Vec<Listed>,
    requests: u64,
    /// Whether everything up to `until` is listed.
    is_whole: bool,
    /// Whether there are no keys behind those that were listed.
    is_last: bool,
    /// Keys of a page, where one was full.
    page: usize,
}

impl Ranges {
    pub(super) fn new(bucket: &Bucket, prefix: &str, after: Option<&str>) -> Self {
        Self {
            bucket: bucket.clone(),
            prefix: prefix.to_owned(),
            objects: VecDeque::new(),
            running: FuturesOrdered::new(),
            ahead: Ahead::From(Place { after: after.map(str::to_owned), token: None }),
            guess: None,
            requests: 0,
            keys: 0,
            page: 0,
        }
    }

    pub(super) async fn next(&mut self) -> Result<Option<Listed>> {
        self.fill().await?;
        Ok(self.objects.pop_front())
    }

    /// The next object, which stays where it is.
    pub(super) async fn peek(&mut self) -> Result<Option<&Listed>> {
        self.fill().await?;
        Ok(self.objects.front())
    }

    async fn fill(&mut self) -> Result<()> {
        while self.objects.is_empty() {
            self.begin_ranges();
            let Some(range) = self.running.next().await else { return Ok(()) };
            self.take(range.map_err(Error::internal)??);
        }
        Ok(())
    }

    /// Begins as many ranges as may be listed now.
    fn begin_ranges(&mut self) {
        let at_once = self.pages().clamp(1, AT_ONCE);
        while (self.running.len() as u64) < at_once
            && let Ahead::From(from) = &self.ahead
        {
            let until = match (&self.guess, &from.after) {
                (Some(guess), Some(after)) if self.may_guess() => guess.behind(after),
                _ => None,
            };
            let range = Range::new(from.clone(), until.clone());
            self.ahead =
                until.map_or(Ahead::Unknown, |until| Ahead::From(Place { after: Some(until), token: None }));
            self.running.push_back(self.list(range));
        }
    }

    fn may_guess(&self) -> bool {
        let soon = 2 * self.running.len() as u64;
        self.requests + soon <= SPARE + self.pages() + self.pages() / 4
    }

    /// Full pages that the keys would fill.
    fn pages(&self) -> u64 {
        (self.keys / self.page.max(1)) as u64
    }

    fn list(&self, range: Range) -> AbortOnDropHandle<Result<Range>> {
        let (bucket, prefix) = (self.bucket.clone(), self.prefix.clone());
        AbortOnDropHandle::new(tokio::spawn(async move { range.listed(&bucket, &prefix).await }))
    }

    /// Takes what was listed of the first range.
    fn take(&mut self, mut range: Range) {
        self.requests += range.requests;
        self.keys += range.objects.len();
        self.page = self.page.max(range.page);
        if range.page > 0 {
            self.guess =
                Guess::of(self.prefix.len(), &range.objects, wanted(range.page)).or(self.guess.take());
        } else if let Some(guess) = &mut self.guess {
            guess.widen();
        }
        if range.is_last {
            self.ahead = Ahead::Nothing;
            self.running.clear();
        } else if !range.is_whole {
            match &range.until {
                Some(until) => {
                    let rest = Range::new(range.from.clone(), Some(until.clone()));
                    self.running.push_front(self.list(rest));
                }
                None => self.ahead = Ahead::From(range.from.clone()),
            }
        }
        self.objects.extend(range.objects.drain(..));
    }
}

/// Keys that a range should have.
#[expect(clippy::cast_precision_loss, reason = "keys of a page")]
fn wanted(page: usize) -> f64 {
    page as f64 * PAGES
}

impl Range {
    fn new(from: Place, until: Option<String>) -> Self {
        Self { from, until, objects: Vec::new(), requests: 0, is_whole: false, is_last: false, page: 0 }
    }

    /// One page of a range without an end, [`MOST_PAGES`] at most of one with an end.
    async fn listed(mut self, bucket: &Bucket, prefix: &str) -> Result<Self> {
        let most = if self.until.is_some() { MOST_PAGES } else { 1 };
        for _ in 0..most {
            let Place { after, token } = &self.from;
            let page = bucket.list(prefix, after.as_deref(), token.clone()).await?;
            self.requests += 1;
            let (count, until) = (page.objects.len(), self.until.as_deref());
            if page.next.is_some() {
                self.page = self.page.max(count);
            }
            let inside = |listed: &Listed| until.is_none_or(|until| listed.key.as_str() <= until);
            let before = self.objects.len();
            self.objects.extend(page.objects.into_iter().take_while(inside));
            let has_passed = self.objects.len() - before < count;
            self.is_last = page.next.is_none() && !has_passed;
            self.is_whole = self.is_last || has_passed;
            // A page may be empty and not the last one: its token leads on, and no key.
            let after = self.objects.last().map(|last| last.key.clone()).or(self.from.after.take());
            self.from = Place { after, token: page.next };
            if self.is_whole {
                break;
            }
        }
        Ok(self)
    }
}
