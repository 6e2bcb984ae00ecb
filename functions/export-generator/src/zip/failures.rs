//! Records failed tasks of a ZIP in its state, and decides with [`retries`] whether they are tried again. The copy itself is complete, and
//! its files can be downloaded one by one.

use archive::{Preparation, Progress, ZipPlace};
use domain::error::{Error, Kind, Result};
use domain::ids::JobId;
use domain::ports::queue::{Delivery, Settled};
use domain::retries::{self, Decision, FREE_DELIVERIES, MAX_LOST, Tries};
use domain::states::Waiting;
use words::Language;

use crate::Generator;

/// Returns the place of the ZIP of a task; `None` if this version does not know the language.
fn place(id: &JobId, language: &str) -> Option<ZipPlace> {
    Language::of_tag(language).map(|language| ZipPlace::new(id, language))
}

fn is_preparing(preparation: &Preparation) -> bool {
    matches!(preparation.progress, Progress::Preparing(_))
}

impl Generator {
    /// Counts a delivery that is repeated although no failure is recorded: its worker died.
    pub(crate) async fn count_zip(
        &self,
        (id, language): (&JobId, &str),
        delivery: &Delivery,
    ) -> Option<Settled> {
        if delivery.deliveries <= FREE_DELIVERIES {
            return None;
        }
        let place = place(id, language)?;
        let (outage, now) = (self.settings.outage, self.clock.now());
        let counted = place
            .change(&*self.files, |preparation| {
                // While a store is unavailable, tasks are delivered again although no worker died.
                let waits = preparation.waiting.is_some_and(|it| !retries::is_over(it.since, outage, now));
                if is_preparing(preparation) && !waits {
                    preparation.trouble.lost += 1;
                }
            })
            .await;
        match counted {
            Ok(Some(preparation)) if preparation.trouble.lost > MAX_LOST => {
                let lost = preparation.trouble.lost;
                let reason = Error::internal(format!("the worker died {lost} times with this task"));
                Some(self.end_zip(&place, delivery, &reason).await)
            }
            Ok(_) => None,
            Err(error) => Some(self.again(delivery, &error, None)),
        }
    }

    /// Records why a task failed, and decides what happens to it.
    pub(crate) async fn zip_failed(
        &self,
        (id, language): (&JobId, &str),
        delivery: &Delivery,
        error: &Error,
    ) -> Settled {
        let Some(place) = place(id, language) else { return Settled::Done };
        let (kind, now) = (retries::kind(error, delivery.deliveries), self.clock.now());
        let noted = place
            .change(&*self.files, |preparation| {
                preparation.trouble.lost = 0;
                match kind {
                    Kind::Defect => preparation.trouble.defects += 1,
                    Kind::Unavailable => {
                        let waiting = Waiting { since: now, store: error.store() };
                        preparation.waiting.get_or_insert(waiting);
                    }
                    Kind::Contended | Kind::Damaged | Kind::Refused => {}
                }
            })
            .await;
        let preparation = match noted {
            Ok(Some(preparation)) if is_preparing(&preparation) => preparation,
            // The copy was deleted, or another delivery has ended the work.
            Ok(_) => return Settled::Done,
            Err(problem) => return self.again(delivery, &problem, None),
        };
        let tries = Tries {
            deliveries: delivery.deliveries,
            defects: preparation.trouble.defects,
            waiting_since: preparation.waiting.map(|waiting| waiting.since),
        };
        match retries::decide(kind, tries, self.settings.outage, now, &*self.random) {
            Decision::Again(pause) => self.again(delivery, error, Some(pause)),
            Decision::Fail => self.end_zip(&place, delivery, error).await,
        }
    }

    async fn end_zip(&self, place: &ZipPlace, delivery: &Delivery, reason: &Error) -> Settled {
        match self.fail_zip(place, reason, &delivery.diagnostics()).await {
            Ok(()) => Settled::Done,
            Err(problem) => self.again(delivery, &problem, None),
        }
    }

    /// Ends the work on the ZIP of a dead letter.
    pub(crate) async fn bury_zip(&self, id: &JobId, language: &str, reason: &Error, of: &str) -> Result<()> {
        match place(id, language) {
            Some(place) => self.fail_zip(&place, reason, of).await,
            None => Ok(()),
        }
    }

    /// Records that the ZIP cannot be made, and removes its segments. The patient can ask for it again.
    async fn fail_zip(&self, place: &ZipPlace, reason: &Error, diagnostics: &str) -> Result<()> {
        let now = self.clock.now();
        let failed = place.change(&*self.files, |preparation| {
            if is_preparing(preparation) {
                preparation.progress = Progress::Failed;
                preparation.changed_at = now;
            }
        });
        if failed.await?.is_some_and(|preparation| preparation.progress == Progress::Failed) {
            tracing::error!(diagnostics, error = %reason, cause = reason.causes(), "a ZIP failed");
            self.files.remove_prefix(&place.segments()).await?;
        }
        Ok(())
    }
}
