//! Lists very many objects by several ranges of their keys concurrently.
//!
//! One LIST returns the thousand keys after a key, and only its response shows where the next one begins. Sequential
//! LIST requests are too slow for hundreds of workers. So this listing guesses, from the keys that it has seen, keys
//! that are about two pages apart, and lists the ranges between them concurrently. A wrong guess costs a request and
//! has no other effect: the ranges cover every key once, and their objects are returned in the order of their keys. If
//! too many guesses are wrong, the listing continues page by page.

use std::collections::VecDeque;

use domain::error::{Error, Result};
use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use tokio_util::task::AbortOnDropHandle;

use crate::guess::Guess;
use crate::objects::{Bucket, Listed};

/// The maximum number of ranges that are listed concurrently. There are never more than full pages so far, so a short
/// listing has only one.
const AT_ONCE: u64 = 6;
/// The wanted number of pages in a range: a little less than two, so that two requests list it.
const PAGES: f64 = 1.9;
/// The maximum number of pages of a range that are listed ahead. The rest is listed when it is needed.
const MAX_PAGES: usize = 4;
/// The number of requests that guesses may cost in addition to one for each full page: this number, and a quarter of
/// the pages.
const SPARE: u64 = 8;

/// A listing in ranges.
pub(super) struct Ranges {
    bucket: Bucket,
    prefix: String,
    /// Objects that were listed and not returned yet.
    objects: VecDeque<Listed>,
    /// The ranges that are being listed. They are separate tasks, so that they continue while the caller works.
    running: FuturesOrdered<AbortOnDropHandle<Result<Range>>>,
    ahead: Ahead,
    guess: Option<Guess>,
    /// The number of requests so far.
    requests: u64,
    /// The number of keys that they returned.
    keys: usize,
    /// The number of keys in a full page; 0 before there was one.
    page: usize,
}

/// The keys after the last started range.
enum Ahead {
    /// All keys from this place on.
    From(Place),
    /// Unknown until the last range, which has no end, is listed.
    Unknown,
    Nothing,
}

/// The place at which a listing continues.
#[derive(Clone, Default)]
struct Place {
    /// After this key, or at the first one if it is `None`.
    after: Option<String>,
    /// The store's token for the place, if it returned one.
    token: Option<String>,
}

/// The keys from a place up to and including `until`, and those of them that are listed.
struct Range {
    from: Place,
    until: Option<String>,
    objects: Vec<Listed>,
    requests: u64,
    /// Whether all keys up to `until` are listed.
    is_whole: bool,
    /// Whether no keys follow the listed ones.
    is_last: bool,
    /// The number of keys in a full page; 0 if no page was full.
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

    /// Returns the next object without removing it.
    pub(super) async fn peek(&mut self) -> Result<Option<&Listed>> {
        self.fill().await?;
        Ok(self.objects.front())
    }

    async fn fill(&mut self) -> Result<()> {
        while self.objects.is_empty() {
            self.start_ranges();
            let Some(range) = self.running.next().await else { return Ok(()) };
            self.take(range.map_err(Error::internal)??);
        }
        Ok(())
    }

    /// Starts as many ranges as are allowed now.
    fn start_ranges(&mut self) {
        let at_once = self.pages().clamp(1, AT_ONCE);
        while (self.running.len() as u64) < at_once
            && let Ahead::From(from) = &self.ahead
        {
            let until = match (&self.guess, &from.after) {
                (Some(guess), Some(after)) if self.may_guess() => guess.key_after(after),
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

    /// Returns the number of full pages that the listed keys would fill.
    fn pages(&self) -> u64 {
        (self.keys / self.page.max(1)) as u64
    }

    fn list(&self, range: Range) -> AbortOnDropHandle<Result<Range>> {
        let (bucket, prefix) = (self.bucket.clone(), self.prefix.clone());
        AbortOnDropHandle::new(tokio::spawn(async move { range.listed(&bucket, &prefix).await }))
    }

    /// Takes the result of the first range, and lists its remaining keys if it is not complete.
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

/// Returns the wanted number of keys in a range.
#[expect(clippy::cast_precision_loss, reason = "keys of a page")]
fn wanted(page: usize) -> f64 {
    page as f64 * PAGES
}

impl Range {
    fn new(from: Place, until: Option<String>) -> Self {
        Self { from, until, objects: Vec::new(), requests: 0, is_whole: false, is_last: false, page: 0 }
    }

    /// Lists one page of a range without an end, or at most [`MAX_PAGES`] pages of a range with an end.
    async fn listed(mut self, bucket: &Bucket, prefix: &str) -> Result<Self> {
        let most = if self.until.is_some() { MAX_PAGES } else { 1 };
        for _ in 0..most {
            let Place { after, token } = &self.from;
            let page = bucket.list(prefix, after.as_deref(), token.clone(), None).await?;
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
            // A page may be empty although it is not the last one. Then only its token leads to the next page.
            let after = self.objects.last().map(|last| last.key.clone()).or(self.from.after.take());
            self.from = Place { after, token: page.next };
            if self.is_whole {
                break;
            }
        }
        Ok(self)
    }
}
