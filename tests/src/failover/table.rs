//! What a cut cost, as a table for people.

use std::time::Duration;

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{ContentArrangement, Table as Drawn};

/// What came of one cut for one sort of services.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Measured {
    /// What was done.
    pub what: String,
    /// Requests sent from the cut on.
    pub sent: usize,
    /// Those that failed.
    pub failed: usize,
    /// The longest, whatever came of it.
    pub longest: Duration,
    /// From the cut until the hub held the path for bad.
    pub verdict: Option<Duration>,
    /// From there until the target was called first.
    pub called: Option<Duration>,
    /// From the cut until the target had the last write.
    pub moved: Option<Duration>,
    /// From the cut until the last request was sent that failed.
    pub last_failed: Option<Duration>,
    /// Writes at the target.
    pub writes: usize,
    /// Requests that were under way at the cut, and failed or hung until nobody waited any more: up to the read timeout.
    pub caught: usize,
}

/// Rows of it.
#[derive(Debug, Default)]
pub struct Table(Vec<Measured>);

impl Table {
    /// Nothing was measured yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// One more.
    pub fn push(&mut self, measured: Measured) {
        self.0.push(measured);
    }

    /// Whether nothing was measured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As text, in Markdown's form.
    #[must_use]
    pub fn render(&self) -> String {
        let mut drawn = Drawn::new();
        drawn.load_style(ASCII_MARKDOWN);
        drawn.set_content_arrangement(ContentArrangement::Disabled);
        drawn.set_header([
            "what",
            "requests",
            "failed",
            "longest",
            "cut to verdict",
            "verdict to target",
            "cut to last write",
            "cut to last failed",
            "writes",
            "caught under way",
        ]);
        for row in &self.0 {
            drawn.add_row([
                row.what.clone(),
                row.sent.to_string(),
                row.failed.to_string(),
                seconds(row.longest),
                maybe(row.verdict),
                maybe(row.called),
                maybe(row.moved),
                maybe(row.last_failed),
                row.writes.to_string(),
                row.caught.to_string(),
            ]);
        }
        drawn.to_string()
    }
}

fn maybe(time: Option<Duration>) -> String {
    time.map_or_else(|| "-".to_owned(), seconds)
}

fn seconds(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}
