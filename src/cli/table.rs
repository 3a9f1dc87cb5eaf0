//! Tables: lines and wrapping on a terminal, plain columns elsewhere.

use comfy_table::presets::{NOTHING, UTF8_HORIZONTAL_ONLY};
use comfy_table::{ContentArrangement, Table};

/// For whom a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Wrapped to the terminal's width.
    Terminal,
    /// One line a row, for `grep` and `awk`.
    Plain,
}

/// A table as text, with a line break at its end.
pub(super) fn render(style: Style, header: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    match style {
        Style::Terminal => {
            table.load_style(UTF8_HORIZONTAL_ONLY);
            table.set_content_arrangement(ContentArrangement::Dynamic);
        }
        Style::Plain => {
            table.load_style(NOTHING);
            table.set_content_arrangement(ContentArrangement::Disabled);
            table.force_no_tty();
        }
    }
    table.set_header(header.iter().copied());
    for row in rows {
        table.add_row(row.into_iter().map(|cell| clean(&cell)));
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Without control characters, by which a name or message from a cluster could steer the terminal.
pub(super) fn clean(cell: &str) -> String {
    let text: String = cell
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    if text.is_empty() { "-".to_owned() } else { text }
}
