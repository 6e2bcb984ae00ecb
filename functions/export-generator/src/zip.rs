//! Makes the ZIP of a patient's copy, in stages ([`archive`]). One message makes stages until the invocation is nearly over, and then sends
//! the next message.
//!
//! Two deliveries may make the same stage at once: the state of the ZIP records one of them, and the other one removes its files. The ZIP
//! itself appears when all its segments are joined, and is offered when the state says that it is ready.

mod failures;

use archive::{Checkpoint, Limits, Maker, Plan, Preparation, Progress, Read, Texts, ZipPlace};
use domain::error::Result;
use domain::ids::JobId;
use domain::job::Job;
use domain::ports::queue::Deadline;
use words::Language;

use crate::Generator;

/// What a task for a ZIP names.
#[derive(Clone, Copy)]
pub(crate) struct ZipTask<'t> {
    pub(crate) job: &'t JobId,
    pub(crate) language: &'t str,
    pub(crate) run: &'t str,
}

impl ZipTask<'_> {
    /// Returns the place of the ZIP. `None` if this version does not know the language: a later version of the server may have others, and its
    /// workers get the task too.
    fn place(self) -> Option<ZipPlace> {
        Language::of_tag(self.language).map(|language| ZipPlace::new(self.job, language))
    }

    /// Returns whether the ZIP is being made for this request, and not for a later one.
    fn is_preparing(self, preparation: &Preparation) -> bool {
        preparation.run == self.run && matches!(preparation.progress, Progress::Preparing(_))
    }
}

/// What a task for a ZIP has read at its beginning.
struct Work {
    place: ZipPlace,
    maker: Maker,
    texts: Texts,
    contents: String,
    limits: Limits,
}

/// What a worker does next.
enum Next<'p> {
    Stage(&'p Checkpoint),
    Join(&'p Checkpoint),
    /// Begins again, because the content has changed since the last stage.
    Begin,
    /// Leaves the rest to the next task.
    Leave,
    /// The ZIP is ready, or has failed.
    End,
}

impl Work {
    /// Decides what the worker does next. `has_worked` is whether this task has run a stage, and `is_up` whether its time is nearly over.
    fn next<'p>(&self, preparation: &'p Preparation, has_worked: bool, is_up: bool) -> Next<'p> {
        let Progress::Preparing(checkpoint) = &preparation.progress else { return Next::End };
        let is_other = preparation.contents != self.contents;
        let is_late = is_up || self.maker.is_next_large(checkpoint, &self.limits);
        if preparation.texts != self.texts || (has_worked && (is_other || is_late)) {
            return Next::Leave;
        }
        match checkpoint.is_whole() {
            _ if is_other => Next::Begin,
            true => Next::Join(checkpoint),
            false => Next::Stage(checkpoint),
        }
    }
}

impl Generator {
    pub(crate) async fn zip(&self, of: ZipTask<'_>, deadline: &dyn Deadline) -> Result<()> {
        let (id, Some(place)) = (of.job, of.place()) else { return Ok(()) };
        let Some(plan) = self.zip_plan(id).await? else { return self.remove_zips(id).await };
        let Some(asked) = place.read(&*self.files).await? else { return Ok(()) };
        let texts = asked.preparation.texts;
        let (contents, group) = (plan.fingerprint(), plan.group());
        let maker = texts.maker(plan, self.files.clone(), &self.settings);
        let work = Work { place, maker, texts, contents, limits: self.sizes.zip };
        let up = || deadline.is_near(self.clock.now());
        let mut has_worked = false;
        // The copy may be deleted meanwhile.
        while self.is_complete(id).await? {
            let Some(known) = work.place.read(&*self.files).await? else { return Ok(()) };
            if known.preparation.run != of.run {
                return Ok(());
            }
            match work.next(&known.preparation, has_worked, up()) {
                Next::Stage(checkpoint) => self.zip_stage(&work, &known, checkpoint, &up).await?,
                Next::Join(checkpoint) => {
                    work.maker.join(checkpoint, &*self.joiner, &work.place.key()).await?;
                    let ready = known.preparation.after(Progress::Ready, self.clock.now());
                    if work.place.swap(&*self.files, Some(&known), &ready).await? {
                        tracing::info!(job.id = %id, bytes = ready.bytes, language = of.language, "a ZIP is ready");
                    }
                }
                Next::Begin => {
                    let (plan, texts) = (&work.maker.plan, work.texts.clone());
                    let run = known.preparation.run.clone();
                    let begun = Preparation::begin(plan, texts, None, self.clock.now(), run);
                    work.place.swap(&*self.files, Some(&known), &begun).await?;
                }
                Next::Leave => return self.queue.send(&group, &[work.place.task(of.run)]).await,
                Next::End => return self.end_run(&work.place, &known.preparation).await,
            }
            has_worked = true;
        }
        self.remove_zips(id).await
    }

    /// Runs a stage and records it. If another delivery records its stage first, or the copy is deleted, the files of this one are removed.
    async fn zip_stage(
        &self,
        work: &Work,
        known: &Read,
        checkpoint: &Checkpoint,
        up: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<()> {
        let prefix = work.place.segment(&known.preparation.run, checkpoint.stages(), &self.random.attempt());
        let written = match work.maker.stage(checkpoint, prefix.clone(), &work.limits, up).await {
            Ok(written) => written,
            Err(error) => return self.discard_attempt(&prefix, error).await,
        };
        let next = known.preparation.after(Progress::Preparing(written), self.clock.now());
        if work.place.swap(&*self.files, Some(known), &next).await? {
            return Ok(());
        }
        self.files.remove_prefix(&prefix).await
    }

    /// Removes the segments that are not needed any more. After a failure the patient may have asked for another run already; a ZIP that is
    /// ready is not made again.
    async fn end_run(&self, place: &ZipPlace, preparation: &Preparation) -> Result<()> {
        let prefix = match preparation.progress {
            Progress::Ready => place.all_segments(),
            Progress::Failed | Progress::Preparing(_) => place.segments(&preparation.run),
        };
        self.files.remove_prefix(&prefix).await
    }

    /// Returns the content of the ZIP; `None` if the copy is not ready or is gone.
    async fn zip_plan(&self, id: &JobId) -> Result<Option<Plan>> {
        let Some(stored) = self.jobs.get(id).await? else { return Ok(None) };
        Plan::of(&stored, &*self.jobs, &self.files, self.clock.now()).await
    }

    /// Returns whether the copy can still be downloaded.
    async fn is_complete(&self, id: &JobId) -> Result<bool> {
        let stored = self.jobs.get(id).await?;
        let now = self.clock.now();
        Ok(stored
            .is_some_and(|stored| matches!(&stored.job, Job::Complete(_)) && !stored.job.has_expired(now)))
    }

    /// Removes the ZIPs of a copy that is gone. If staff restore it, a ZIP is made again.
    async fn remove_zips(&self, id: &JobId) -> Result<()> {
        self.files.remove_prefix(&ZipPlace::folder(id)).await
    }
}
