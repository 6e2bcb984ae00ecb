//! Records failed tasks of a ZIP in its state, and decides with [`retries`] whether they are tried again. The copy itself is complete, and
//! its files can be downloaded one by one.

use archive::{Preparation, Progress};
use domain::error::{Error, Kind, Result};
use domain::ports::queue::{Delivery, Settled};
use domain::retries::{self, Decision, FREE_DELIVERIES, MAX_LOST, Tries};
use domain::states::Waiting;

use super::ZipTask;
use crate::Generator;

impl Generator {
    /// Counts a delivery that is repeated although no failure is recorded: its worker died.
    pub(crate) async fn count_zip(&self, of: ZipTask<'_>, delivery: &Delivery) -> Option<Settled> {
        if delivery.deliveries <= FREE_DELIVERIES {
            return None;
        }
        let place = of.place()?;
        let (outage, now) = (self.settings.outage, self.clock.now());
        let counted = place
            .change(&*self.files, |preparation| {
                // While a store is unavailable, tasks are delivered again although no worker died.
                let waits = preparation.waiting.is_some_and(|it| !retries::is_over(it.since, outage, now));
                if of.is_preparing(preparation) && !waits {
                    preparation.trouble.lost += 1;
                }
            })
            .await;
        match counted {
            Ok(Some(preparation)) if of.is_preparing(&preparation) && preparation.trouble.lost > MAX_LOST => {
                let lost = preparation.trouble.lost;
                let reason = Error::internal(format!("the worker died {lost} times with this task"));
                Some(self.end_zip(of, delivery, &reason).await)
            }
            Ok(_) => None,
            Err(error) => Some(self.again(delivery, &error, None)),
        }
    }

    /// Records why a task failed, and decides what happens to it.
    pub(crate) async fn zip_failed(&self, of: ZipTask<'_>, delivery: &Delivery, error: &Error) -> Settled {
        let Some(place) = of.place() else { return Settled::Done };
        let (kind, now) = (retries::kind(error, delivery.deliveries), self.clock.now());
        let noted = place
            .change(&*self.files, |preparation| {
                if !of.is_preparing(preparation) {
                    return;
                }
                preparation.trouble.lost = 0;
                match kind {
                    Kind::Defect => preparation.trouble.defects += 1,
                    Kind::Unavailable => {
                        let waiting = Waiting { since: now, store: error.store() };
                        preparation.waiting.get_or_insert(waiting);
                    }
                    Kind::Contended | Kind::Newer | Kind::Damaged | Kind::Refused => {}
                }
            })
            .await;
        let preparation = match noted {
            Ok(Some(preparation)) if of.is_preparing(&preparation) => preparation,
            // The copy was deleted, another delivery has ended the work, or the patient has asked again.
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
            Decision::Fail => self.end_zip(of, delivery, error).await,
        }
    }

    async fn end_zip(&self, of: ZipTask<'_>, delivery: &Delivery, reason: &Error) -> Settled {
        match self.bury_zip(of, reason, &delivery.diagnostics()).await {
            Ok(()) => Settled::Done,
            Err(problem) => self.again(delivery, &problem, None),
        }
    }

    /// Records that the ZIP cannot be made, unless the patient has asked for it again meanwhile, and removes its segments.
    pub(crate) async fn bury_zip(&self, of: ZipTask<'_>, reason: &Error, diagnostics: &str) -> Result<()> {
        let Some(place) = of.place() else { return Ok(()) };
        let now = self.clock.now();
        let failed = place.change(&*self.files, |preparation| {
            if of.is_preparing(preparation) {
                preparation.progress = Progress::Failed;
                preparation.changed_at = now;
            }
        });
        let is_end = |it: &Preparation| it.run == of.run && it.progress == Progress::Failed;
        if let Some(preparation) = failed.await?.filter(is_end) {
            tracing::error!(diagnostics, error = %reason, cause = reason.causes(), "a ZIP failed");
            self.end_run(&place, &preparation).await?;
        }
        Ok(())
    }
}
