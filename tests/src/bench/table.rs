//! The figures as tables for people: one a size, with a column for each peer.

use comfy_table::presets::NOTHING as PLAIN;
use comfy_table::{ContentArrangement, Table};

use super::figures::{Figures, Percentiles, SizeFigures};
use super::peers::{PEERS, PeerFigures};
use super::verdict::{Verdict, peak_megabytes};

/// What stands where nothing was measured.
const NOTHING: &str = "–";

/// Everything that was measured and judged.
pub(super) fn render(figures: &Figures, verdicts: &[Verdict]) -> String {
    let pace = figures.target_calls_per_second;
    let mut text = format!(
        "profile {}; the stand-in takes {pace:.0} writes a second or more\n",
        figures.profile
    );
    for size in &figures.sizes {
        text += &format!("\n{} Ingresses\n{}\n", size.size, of_size(size));
    }
    text + &format!("\n{}", of_verdicts(verdicts))
}

fn table(header: Vec<String>) -> Table {
    let mut table = Table::new();
    table.load_style(PLAIN);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    table
}

/// How a row is read off a peer.
type OfPeer = fn(&PeerFigures) -> Option<String>;

fn of_size(figures: &SizeFigures) -> Table {
    let names = PEERS.iter().map(|peer| peer.name.to_owned());
    let header = ["work".to_owned(), "Hubline".to_owned()].into_iter().chain(names);
    let mut table = table(header.collect());
    for (work, ours, theirs) in rows(figures) {
        let theirs = PEERS.iter().map(|peer| {
            let shown = peer.at(figures.size).and_then(theirs);
            shown.unwrap_or_else(|| NOTHING.to_owned())
        });
        table.add_row([work.to_owned(), ours].into_iter().chain(theirs));
    }
    table
}

fn rows(figures: &SizeFigures) -> Vec<(&'static str, String, OfPeer)> {
    let mut rows = of_cold(figures);
    rows.extend(of_changes(figures));
    if let Some(restarts) = &figures.restarts {
        let (agent, hub) = (&restarts.agent, &restarts.hub);
        let writes = format!("{} and {}", agent.writes, hub.writes);
        let seconds = format!("{:.2} and {:.2} s", agent.seconds, hub.seconds);
        rows.push(("restart of agent and hub, writes", writes, |peer| {
            peer.restart_writes.map(|writes| writes.to_string())
        }));
        rows.push(("  until in step", seconds, |_| None));
    }
    rows
}

fn of_cold(figures: &SizeFigures) -> Vec<(&'static str, String, OfPeer)> {
    let cold = &figures.cold;
    let (agent, hub) = peak_megabytes(figures);
    let cpu = format!("{:.2} + {:.2} s", cold.agent.cpu_seconds, cold.hub.cpu_seconds);
    let uplink = cold
        .uplink_bytes
        .map_or_else(|| NOTHING.to_owned(), |bytes| format!("{bytes} B"));
    let first = format!("{:.3} s", cold.first_write_seconds);
    vec![
        ("cold: start to last object", format!("{:.3} s", cold.seconds), |peer| {
            peer.cold_seconds.map(|it| format!("{it} s"))
        }),
        ("  start to first write", first, |_| None),
        (
            "  writes (objects)",
            format!("{} ({})", cold.writes, cold.objects),
            |peer| {
                peer.cold_writes
                    .map(|(writes, objects)| format!("{writes} ({objects})"))
            },
        ),
        ("  bytes to the target", format!("{} B", cold.target_bytes), |_| None),
        ("  bytes from agent to hub", uplink, |_| None),
        ("  CPU, agent + hub", cpu, |peer| {
            peer.cold_cpu_seconds.map(|it| format!("{it} s"))
        }),
        (
            "peak memory, agent + hub",
            format!("{agent:.1} + {hub:.1} MB"),
            |peer| peer.peak_memory_megabytes.map(|it| format!("{it} MB")),
        ),
    ]
}

fn of_changes(figures: &SizeFigures) -> Vec<(&'static str, String, OfPeer)> {
    let mut rows: Vec<(&'static str, String, OfPeer)> = Vec::new();
    if let Some(single) = &figures.single {
        let uplink = single.uplink_bytes_per_change;
        let uplink = uplink.map_or_else(|| NOTHING.to_owned(), |bytes| format!("{bytes:.0} B"));
        rows.push(("single change, p50 / p99 / max", shown(&single.latency), |peer| {
            peer.single_ms.map(|(p50, p99)| format!("{p50} / {p99} ms"))
        }));
        rows.push(("  Kubernetes write alone", shown(&single.kubernetes_write), |_| None));
        rows.push((
            "  bytes to the target",
            format!("{:.0} B", single.target_bytes_per_change),
            |peer| peer.single_bytes.map(|it| format!("{it} B")),
        ));
        rows.push(("  bytes from agent to hub", uplink, |_| None));
    }
    if let Some(churn) = &figures.churn {
        let right = format!("{} of {}", churn.right, churn.slices);
        let cpu = format!("{:.2} + {:.2} s", churn.agent_cpu_seconds, churn.hub_cpu_seconds);
        rows.push(("50 changes a second: ended right", right, |peer| {
            peer.churn_right.map(|(right, all)| format!("{right} of {all}"))
        }));
        rows.push(("  behind at the end", format!("{:.1} ms", churn.behind_ms), |peer| {
            peer.churn_behind_ms.map(|it| format!("{it} ms"))
        }));
        rows.push(("  lag, p50 / p99 / max", shown(&churn.lag), |_| None));
        rows.push(("  CPU, agent + hub", cpu, |_| None));
    }
    rows
}

fn shown(of: &Percentiles) -> String {
    format!("{:.1} / {:.1} / {:.1} ms", of.p50_ms, of.p99_ms, of.max_ms)
}

fn of_verdicts(verdicts: &[Verdict]) -> Table {
    let header = ["Ingresses", "must hold", "measured", "at most", "holds"];
    let mut table = table(header.map(str::to_owned).to_vec());
    for verdict in verdicts {
        table.add_row([
            verdict.size.to_string(),
            verdict.what.to_owned(),
            format!("{:.3} {}", verdict.measured, verdict.unit),
            format!("{} {}", verdict.limit, verdict.unit),
            if verdict.holds { "yes" } else { "NO" }.to_owned(),
        ]);
    }
    table
}
