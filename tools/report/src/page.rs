// SPDX-License-Identifier: GPL-2.0

//! The page. `maud` escapes all text. What it does not escape are the style and the plots.

use crate::{
    plots::{beside_c, Bar, Timeline},
    results::{kernel, Column, Results, Suite},
};
use acc_cases::{select, store::Entry};
use maud::{html, Markup, PreEscaped, DOCTYPE};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    error::Error,
    time::{Duration, SystemTime},
};

type Part = Result<Markup, Box<dyn Error>>;

/// Returns a time, by the clock of the world.
fn date(at: u64) -> String {
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(at);
    let text = humantime::format_rfc3339_seconds(at).to_string();
    text.replace('T', " ").replace('Z', " UTC")
}

fn duration(seconds: f64) -> String {
    if seconds < 10.0 {
        return format!("{seconds:.1} s");
    }
    let seconds = seconds.round();
    match (seconds / 60.0).floor() {
        0.0 => format!("{seconds:.0} s"),
        minutes => format!("{minutes:.0} min {:.0} s", seconds - minutes * 60.0),
    }
}

fn number(value: &Value, pointer: &str) -> Option<f64> {
    value.pointer(pointer).and_then(Value::as_f64)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or("-")
}

/// Returns a name that is the same for a result at each place of the page.
fn anchor(entry: &Entry) -> String {
    let kernel = kernel(&entry.kernel).replace(' ', "-");
    format!("{}@{kernel}", entry.name)
}

/// Renders the page.
pub fn page(results: &Results) -> Result<String, Box<dyn Error>> {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "hisi-acc-vfio-rs: test results" }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                (head(results))
                (failures(results))
                (matrix(results))
                (differences(results))
                (migrations(results)?)
                (bench(results)?)
                (slowest(results))
                (remarks(results))
            }
        }
    };
    Ok(page.into_string())
}

fn head(results: &Results) -> Markup {
    let entries = &results.entries;
    let failed = results.failures().len();
    let seconds: f64 = entries.iter().map(|entry| entry.seconds).sum();
    let first = entries.iter().map(|entry| entry.at).min().unwrap_or(0);
    let last = entries.iter().map(|entry| entry.at).max().unwrap_or(0);
    let kernels: Vec<String> = results.kernels().into_iter().map(kernel).collect();
    let tile = |class: &str, number: String, what: &str| {
        html! { div class={ "tile " (class) } { b { (number) } span.soft { (what) } } }
    };
    html! {
        h1 { "hisi-acc-vfio-rs: test results" }
        p.soft {
            "The newest result of each case, from " (date(first)) " to " (date(last)) ". "
            "Kernels: " (kernels.join(", ")) ". All guests ran on a model of the hardware."
        }
        div.tiles {
            (tile("", entries.len().to_string(), "cases"))
            (tile("good", (entries.len() - failed).to_string(), "passed"))
            (tile(if failed == 0 { "" } else { "bad" }, failed.to_string(), "failed"))
            (tile("", duration(seconds), "in all cases"))
        }
        (contents(results))
    }
}

/// Links to the parts of the page that there are.
fn contents(results: &Results) -> Markup {
    let parts = [
        ("failures", "Failures", !results.failures().is_empty()),
        ("suites", "Suites", true),
        (
            "differences",
            "Differences from C",
            !results.differences().is_empty(),
        ),
        (
            "migrations",
            "Migrations",
            !results.measured("qemu").is_empty(),
        ),
        (
            "benchmark",
            "Benchmark",
            !results.measured("bench").is_empty(),
        ),
        ("slowest", "What takes long", true),
    ];
    html! {
        nav {
            @for (id, title, _) in parts.iter().filter(|part| part.2) {
                a href={ "#" (id) } { (title) }
            }
        }
    }
}

fn failures(results: &Results) -> Markup {
    let failures = results.failures();
    let names = || results.entries.iter().map(|entry| entry.name.as_str());
    html! {
        @if !failures.is_empty() {
            h2 id="failures" { "Failures" }
            @for entry in failures {
                div.failure id=(anchor(entry)) {
                    b { (entry.name) }
                    span.soft { " on " (kernel(&entry.kernel)) ", " (date(entry.at)) }
                    pre { (entry.why.join("\n")) }
                    @if !entry.name.starts_with("build.") {
                        code { (select::command(&entry.name, &entry.kernel, names())) }
                    }
                }
            }
        }
    }
}

fn column(column: &Column) -> Markup {
    let driver = match column.driver.as_str() {
        "" => "-",
        "rust" => "Rust",
        "c" => "C",
        other => other,
    };
    html! { (driver) " " (column.generation) br; (kernel(&column.kernel)) }
}

/// Returns the number of the difference that a remark names.
fn difference(entry: &Entry) -> Option<&str> {
    let (id, _) = entry.remark.split_once(": ")?;
    let number = id.strip_prefix('D')?;
    number.parse::<u32>().is_ok().then_some(id)
}

fn cell(entry: Option<&Entry>) -> Markup {
    let Some(entry) = entry else {
        return html! { td.none {} };
    };
    html! {
        @if entry.passed() {
            td.good data-case=(anchor(entry)) title=(entry.remark) {
                "✓ " (duration(entry.seconds))
                @if let Some(id) = difference(entry) { sup { (id) } }
            }
        } @else {
            td.bad data-case=(anchor(entry)) {
                a href={ "#" (anchor(entry)) } { "✗ failed" }
            }
        }
    }
}

fn matrix(results: &Results) -> Markup {
    let one = |suite: &Suite<'_>| {
        let failed = suite.entries().filter(|entry| !entry.passed()).count();
        let passed = suite.entries().count() - failed;
        let seconds: f64 = suite.entries().map(|entry| entry.seconds).sum();
        html! {
            details open {
                summary {
                    (suite.name)
                    span.soft { ": " (passed) " passed, " }
                    @if failed != 0 { span.bad { (failed) " failed, " } }
                    span.soft { (duration(seconds)) }
                }
                div.wide {
                    table {
                        tr {
                            th { "case" }
                            @for one in &suite.columns { th { (column(one)) } }
                        }
                        @for (name, cells) in &suite.rows {
                            tr {
                                td { (name) }
                                @for entry in cells { (cell(*entry)) }
                            }
                        }
                    }
                }
            }
        }
    };
    html! {
        h2 id="suites" { "Suites" }
        p.soft {
            "Columns: driver, generation of the accelerators, flavour and version of the kernel. "
            "A case without a driver in its name stands under \"-\". D… is a difference from the C "
            "driver that the case shows."
        }
        div.suites { @for suite in results.suites() { (one(&suite)) } }
    }
}

fn differences(results: &Results) -> Markup {
    let differences = results.differences();
    html! {
        @if !differences.is_empty() {
            h2 id="differences" { "Differences from the C driver" }
            p.soft {
                "What the cases saw with the C driver, where this driver behaves otherwise "
                "(Documentation/admin-guide/c-driver.rst)."
            }
            div.wide {
                table {
                    tr { th { "" } th { "case" } th { "kernel" } th { "seen" } }
                    @for one in differences {
                        tr {
                            td { (one.id) }
                            td { (one.entry.name) }
                            td { (kernel(&one.entry.kernel)) }
                            td { (one.what) }
                        }
                    }
                }
            }
        }
    }
}

/// Reads the timeline of a migration, if its case has recorded one.
fn timeline(run: &Value) -> Option<Timeline> {
    let seconds = |value: &Value, key: &str| value[key].as_f64().map(|ms| ms / 1e3);
    let rounds = run["rounds"].as_array()?.iter().filter_map(|round| {
        let at = seconds(round, "ms")?;
        Some((at, round["dirty"].as_u64()?, round["by_vfs"].as_u64()?))
    });
    let rounds: Vec<(f64, u64, u64)> = rounds.collect();
    let progress = run["progress"].as_array().into_iter().flatten();
    let sent = progress.filter_map(|one| {
        let bytes = one["sent"].as_f64()?;
        Some((seconds(one, "ms")?, bytes / f64::from(1 << 20)))
    });
    let stopped = seconds(run, "stopped_ms").zip(seconds(run, "started_ms"));
    (!rounds.is_empty()).then(|| Timeline {
        rounds,
        stopped,
        sent: sent.collect(),
    })
}

fn migrations(results: &Results) -> Part {
    let runs = results.measured("qemu");
    if runs.is_empty() {
        return Ok(html! {});
    }
    // A case may migrate often. Its last migration is plotted.
    let mut last: BTreeMap<String, (&Entry, &Value)> = BTreeMap::new();
    for (entry, run) in &runs {
        last.insert(anchor(entry), (*entry, *run));
    }
    let mut plots = Vec::new();
    for (entry, run) in last.values() {
        if let Some(timeline) = timeline(run) {
            plots.push((entry, run, timeline.plot()?));
        }
    }
    let mib = |run: &Value, pointer: &str| {
        let bytes = number(run, pointer);
        bytes.map_or("-".to_owned(), |n| format!("{:.1}", n / f64::from(1 << 20)))
    };
    let whole = |run: &Value, pointer: &str| {
        number(run, pointer).map_or("-".to_owned(), |n| format!("{n:.0}"))
    };
    let heads = [
        "downtime ms",
        "total ms",
        "rounds",
        "RAM MiB",
        "while stopped",
        "VF bytes",
    ];
    Ok(html! {
        h2 id="migrations" { "Migrations by QEMU" }
        p.soft {
            "From an emulated host: compare rows only with each other. "
            "Documentation/selftests/qemu.rst says what is recorded."
        }
        div.wide {
            table {
                tr {
                    th { "case" } th { "way" }
                    @for head in heads { th.number { (head) } }
                }
                @for (entry, run) in &runs {
                    tr {
                        td { (entry.name) }
                        td { (text(run, "way")) }
                        td.number { (whole(run, "/downtime_ms")) }
                        td.number { (whole(run, "/total_ms")) }
                        td.number { (whole(run, "/iterations")) }
                        td.number { (mib(run, "/ram_bytes/all")) }
                        td.number { (mib(run, "/ram_bytes/stop")) }
                        td.number { (whole(run, "/vfio_bytes/all")) }
                    }
                }
            }
        }
        @if !plots.is_empty() {
            p.soft.legend {
                span.key.all {} "pages that became dirty since the last round"
                span.key.ours {} "pages that QEMU takes for written by the VFs"
                span.key.stopped {} "the guest is stopped"
            }
            p.soft {
                "The first round sends all RAM. A page that a VF wrote does not become dirty if it was "
                "still to be sent. If nobody tracks, QEMU takes all pages for written."
            }
        }
        @for (entry, run, plot) in plots {
            figure {
                figcaption {
                    b { (entry.name) } " (" (kernel(&entry.kernel)) "): " (whole(run, "/memory_mb"))
                    " MiB of RAM, " (whole(run, "/iterations")) " rounds, downtime "
                    (whole(run, "/downtime_ms")) " ms"
                }
                (PreEscaped(plot))
            }
        }
    })
}

const OPERATIONS: [&str; 5] = ["save", "cancel", "resume", "open", "close"];

fn bench(results: &Results) -> Part {
    let mut sides: BTreeMap<String, BTreeMap<&str, &Value>> = BTreeMap::new();
    for (entry, side) in results.measured("bench") {
        let title = format!("{}, {}", text(side, "generation"), kernel(&entry.kernel));
        sides
            .entry(title)
            .or_default()
            .insert(text(side, "of"), side);
    }
    let mut plots = Vec::new();
    for (title, drivers) in sides {
        let (Some(ours), Some(c)) = (drivers.get("rust"), drivers.get("c")) else {
            continue;
        };
        let groups = |bar: fn(&Value) -> Bar| {
            let group = |name: &str| {
                let bars = [ours, c].map(|side| bar(&side["operations"][name]));
                (name.to_owned(), bars)
            };
            OPERATIONS.map(group)
        };
        let accesses = groups(|cost| Bar {
            value: ["vf", "pf", "doorbells"]
                .map(|who| number(&cost["accesses"], &format!("/{who}")).unwrap_or(0.0))
                .iter()
                .sum(),
            range: None,
        });
        let times = groups(|cost| Bar {
            value: number(cost, "/us/median").unwrap_or(0.0),
            range: number(cost, "/us/p10").zip(number(cost, "/us/p90")),
        });
        let accesses = beside_c("accesses", &accesses, false)?;
        let times = beside_c("microseconds", &times, true)?;
        plots.push((title, accesses, times));
    }
    Ok(html! {
        @if !plots.is_empty() {
            h2 id="benchmark" { "Benchmark" }
            p.soft.legend { span.key.ours {} "this driver" span.key.c {} "the C driver" }
        }
        @for (title, accesses, times) in plots {
            h3 { (title) }
            div.pair {
                figure {
                    figcaption { "Accesses of registers of the VF and the PF, with doorbells" }
                    (PreEscaped(accesses))
                }
                figure {
                    figcaption { "Time: median, and from the 10th to the 90th percentile" }
                    (PreEscaped(times))
                }
            }
        }
    })
}

/// How many of the slowest cases are named.
const SLOWEST: usize = 15;

fn slowest(results: &Results) -> Markup {
    let mut entries: Vec<&Entry> = results.entries.iter().collect();
    entries.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    entries.truncate(SLOWEST);
    html! {
        h2 id="slowest" { "What takes long" }
        table {
            tr { th { "case" } th { "kernel" } th.number { "time" } }
            @for entry in entries {
                tr {
                    td { (entry.name) }
                    td { (kernel(&entry.kernel)) }
                    td.number { (duration(entry.seconds)) }
                }
            }
        }
    }
}

fn remarks(results: &Results) -> Markup {
    let has = |entry: &&Entry| !entry.remark.is_empty() && difference(entry).is_none();
    let entries: Vec<&Entry> = results.entries.iter().filter(has).collect();
    html! {
        @if !entries.is_empty() {
            h2 { "What the cases say" }
            details {
                summary { (entries.len()) " remarks" }
                div.wide {
                    table {
                        tr { th { "case" } th { "kernel" } th { "remark" } }
                        @for entry in entries {
                            tr {
                                td { (entry.name) }
                                td { (kernel(&entry.kernel)) }
                                td { (entry.remark) }
                            }
                        }
                    }
                }
            }
        }
    }
}
