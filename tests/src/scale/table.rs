//! The figures as tables for people.

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};

use super::figures::{Figures, Percentiles, Reconnect, SizeFigures, Verdict, float};
use super::stages::number;

/// Everything that was measured and judged.
pub(super) fn render(figures: &Figures, verdicts: &[Verdict]) -> String {
    let sizes = [&figures.small, &figures.large];
    let header = sizes.map(|it| format!("{} routes", it.routes));
    let mut table = table(&["", &header[0], &header[1]]);
    let columns = sizes.map(rows);
    for (small, large) in columns[0].iter().zip(&columns[1]) {
        table.add_row([small.0.clone(), small.1.clone(), large.1.clone()]);
    }
    format!("{table}\n\n{}", of_verdicts(verdicts))
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    table
}

type Row = (String, String);

fn rows(figures: &SizeFigures) -> Vec<Row> {
    let row = |name: &str, value: String| (name.to_owned(), value);
    let (fill, single) = (&figures.fill, &figures.single);
    let each = |bytes: u64| {
        format!(
            "{} ({:.0} B an endpoint)",
            mebibytes(bytes),
            float(bytes) / number(figures.endpoints)
        )
    };
    let mut rows = vec![
        row(
            "agents / endpoints",
            format!("{} / {}", figures.agents, figures.endpoints),
        ),
        row("all planned after", format!("{:.2} s", fill.planned_seconds)),
        row(
            "  CPU of the hub until then",
            format!("{:.2} s", fill.planned_cpu_seconds),
        ),
        row("all at the target after", format!("{:.2} s", fill.programmed_seconds)),
        row(
            "  CPU of the hub until settled",
            format!("{:.2} s", fill.usage.cpu_seconds),
        ),
        row("  writes", fill.writes.to_string()),
        row("  snapshots, uncompressed", mebibytes(fill.messages.snapshots)),
        row("  sent on the line by agents", mebibytes(fill.passed.sent_bytes)),
        row("memory of the hub, settled", each(fill.usage.memory_bytes)),
        row("  peak", each(fill.usage.peak_memory_bytes)),
        row(
            "idle CPU of the hub",
            format!("{:.1} ms/s", figures.idle_cpu_seconds_per_second * 1e3),
        ),
        row("single change inside the hub, p50 / p99 / max", shown(&single.inside)),
        row("  from the agent to the target's door", shown(&single.end_to_end)),
        row(
            "  CPU of the hub",
            format!("{:.0} us", single.cpu_microseconds_per_change),
        ),
    ];
    rows.extend(figures.reconnects.iter().flat_map(|it| of_reconnect(it, figures)));
    rows
}

fn of_reconnect(it: &Reconnect, figures: &SizeFigures) -> Vec<Row> {
    let row = |name: &str, value: String| (name.to_owned(), value);
    let snapshots = float(figures.fill.messages.snapshots.max(1));
    let share = |bytes: f64| {
        format!(
            "{:.2} MiB ({:.2} %)",
            bytes / f64::from(1 << 20),
            bytes / snapshots * 100.0
        )
    };
    vec![
        row(
            &format!("restart after SIG{}: restored", it.signal),
            format!("{:.2} s", it.restored_seconds),
        ),
        row("  all agents in step", format!("{:.2} s", it.in_step_seconds)),
        row(
            "  all known to be at the target",
            format!("{:.2} s", it.programmed_seconds),
        ),
        row("  hellos (by snapshots)", share(float(it.hellos_bytes))),
        row("  resources sent again", share(it.resent_bytes)),
        row("  on the line to the hub, with TLS", share(float(it.passed.sent_bytes))),
        row(
            "  on the line to the agents, with TLS",
            share(float(it.passed.received_bytes)),
        ),
        row(
            "  connections / writes",
            format!("{} / {}", it.passed.connections, it.writes),
        ),
        row("  CPU of the hub", format!("{:.2} s", it.usage.cpu_seconds)),
        row(
            "  memory of the hub, settled / peak",
            format!(
                "{} / {}",
                mebibytes(it.usage.memory_bytes),
                mebibytes(it.usage.peak_memory_bytes)
            ),
        ),
    ]
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.2} MiB", float(bytes) / f64::from(1 << 20))
}

fn shown(of: &Percentiles) -> String {
    format!("{:.2} / {:.2} / {:.2} ms", of.p50_ms, of.p99_ms, of.max_ms)
}

fn of_verdicts(verdicts: &[Verdict]) -> Table {
    let mut table = table(&["must hold", "measured", "at most", "holds"]);
    for verdict in verdicts {
        table.add_row([
            verdict.what.to_owned(),
            format!("{:.2} {}", verdict.measured, verdict.unit),
            format!("{} {}", verdict.limit, verdict.unit),
            if verdict.holds { "yes" } else { "NO" }.to_owned(),
        ]);
    }
    table
}
