//! The progress bar, and the lines that are printed beside it.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Prints a line, above the progress bar if it is visible.
pub(crate) fn print(progress: &ProgressBar, text: &str) {
    if progress.is_hidden() {
        eprintln!("{text}");
    } else {
        progress.println(text);
    }
}

/// Prints that the export waits for a store, each time the server's text about it changes, because some terminals do not show the progress
/// bar.
pub(crate) fn print_waiting(progress: &ProgressBar, state: &str, printed: &mut String) {
    if state.starts_with("waiting for the store") && state != printed {
        print(
            progress,
            &format!("The export continues when the store responds; status from the server: {state}"),
        );
        state.clone_into(printed);
    }
}

/// Shows a progress bar.
pub(crate) fn progress() -> ProgressBar {
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{spinner} {wide_bar} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
