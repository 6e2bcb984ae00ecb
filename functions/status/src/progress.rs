//! The progress of an export in the form of each dialect, and the time after which the client should ask again.

use domain::job::Job;
use domain::ports::jobs::StoredJob;
use domain::states::Running;
use jiff::Timestamp;
use serde_json::{Value, json};

/// The maximum `Retry-After`, in seconds, so that every client learns of the end soon.
const MAX_RETRY_AFTER: u64 = 30;

/// Returns the seconds after which the client should ask again: a tenth of the remaining time, but not more than has
/// passed since the kick-off, so that a client does not wait longer for a short export than the export takes. It is 0
/// in the first second.
pub(crate) fn retry_after(stored: &StoredJob, now: Timestamp) -> u32 {
    let wanted = match &stored.job {
        Job::InReview(_) => 5,
        _ => stored.seconds_left(now).unwrap_or_default() / 10,
    };
    let passed = now.duration_since(stored.job.header().created_at).as_secs();
    let seconds = wanted.clamp(1, MAX_RETRY_AFTER).min(u64::try_from(passed).unwrap_or_default());
    u32::try_from(seconds).unwrap_or_default()
}

/// Returns `45% (12.3 GB of 27.4 GB, about 3 min left)`, by stored bytes, or the name of the store that the export
/// waits for.
pub(crate) fn amount(stored: &StoredJob, now: Timestamp) -> String {
    if let Job::Running(Running { waiting: Some(waiting), .. }) = &stored.job {
        return waiting.describe();
    }
    let progress = &stored.progress;
    let left = stored.seconds_left(now).filter(|seconds| *seconds >= 5).map(|seconds| match seconds {
        0..100 => format!(", about {seconds} s left"),
        100..6_000 => format!(", about {} min left", seconds.div_ceil(60)),
        6_000..360_000 => format!(", about {} h left", seconds.div_ceil(3600)),
        _ => ", days left".to_owned(),
    });
    format!(
        "{}% ({} of {}{})",
        stored.percent(),
        size(progress.bytes_done),
        size(progress.bytes_planned),
        left.unwrap_or_default()
    )
}

#[expect(clippy::cast_precision_loss, reason = "one digit behind the point is shown")]
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// Returns the status in the form of the quick-reference dialect.
pub(crate) fn in_words(stored: &StoredJob) -> Value {
    let (status, reason) = match &stored.job {
        Job::AwaitingInput(_) | Job::Queued(_) => ("pending", None),
        Job::Running(_) | Job::InReview(_) => ("in_progress", None),
        Job::Complete(_) => ("completed", None),
        Job::Rejected(rejected) => ("failed", Some(&rejected.reason)),
        Job::Failed(failed) => ("failed", Some(&failed.reason)),
        Job::Cancelled(_) | Job::Expired(_) => ("cancelled", None),
    };
    let mut words = json!({
        "status": status,
        "progress": stored.percent(),
        "totalResources": stored.progress.resources,
    });
    if let Some(reason) = reason {
        words["error"] = json!(reason);
    }
    if let Job::Running(Running { waiting: Some(waiting), .. }) = &stored.job {
        words["waiting"] = json!(waiting.describe());
    }
    words
}

#[cfg(test)]
mod tests;
