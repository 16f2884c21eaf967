//! The page of a replay, read as a browser would and held against the JSON of the same replay.

use std::fmt::Write;

use serde_json::Value;
use tempfile::TempDir;

use crate::run::{Ran, flyball, slo, slo_with};

const HOSTILE: &str = "<script>alert(1)</script><img src=x onerror='y'> & Co";

/// One start tag, as written.
#[derive(Debug)]
struct Tag {
    name: String,
    attributes: Vec<(String, String)>,
}

impl Tag {
    fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Reads `page`, and fails where a tag is left open, closed twice or not quoted.
fn parse(page: &str) -> Vec<Tag> {
    const VOID: [&str; 3] = ["meta", "br", "img"];
    let mut rest = page.strip_prefix("<!DOCTYPE html>").expect("a doctype");
    let (mut open, mut tags): (Vec<String>, Vec<Tag>) = (Vec::new(), Vec::new());
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if let Some(closing) = rest.strip_prefix('/') {
            let (name, after) = closing.split_once('>').expect("a closing tag ends");
            assert_eq!(
                open.pop().as_deref(),
                Some(name),
                "closes what is open, before {after:.80}"
            );
            rest = after;
            continue;
        }
        let length = rest.find([' ', '>', '/', '\n']).expect("a tag ends");
        let name = rest[..length].to_owned();
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric()), "no tag: {rest:.80}");
        rest = &rest[length..];
        let mut attributes: Vec<(String, String)> = Vec::new();
        let closes_itself = loop {
            rest = rest.trim_start();
            if let Some(after) = rest.strip_prefix("/>") {
                rest = after;
                break true;
            }
            if let Some(after) = rest.strip_prefix('>') {
                rest = after;
                break false;
            }
            let length = rest.find(['=', ' ', '>', '/']).expect("an attribute ends");
            let key = rest[..length].to_owned();
            assert!(!key.is_empty(), "no attribute: {rest:.80}");
            assert!(attributes.iter().all(|(other, _)| *other != key), "{key} twice in <{name}>");
            rest = &rest[length..];
            let mut value = String::new();
            if let Some(quoted) = rest.strip_prefix("=\"") {
                let (inside, after) = quoted.split_once('"').expect("a quote ends");
                inside.clone_into(&mut value);
                rest = after;
            }
            attributes.push((key, value));
        };
        if name == "script" || name == "style" {
            let end = rest.find(&format!("</{name}>")).expect("raw text ends");
            rest = &rest[end..];
        }
        if !closes_itself && !VOID.contains(&name.as_str()) {
            open.push(name.clone());
        }
        tags.push(Tag { name, attributes });
    }
    assert!(open.is_empty(), "left open: {open:?}");
    tags
}

fn events() -> String {
    let mut events = String::new();
    for minute in 0..600_u32 {
        if (200..260).contains(&minute) {
            continue;
        }
        for second in [0, 20, 40] {
            let status = if (300..330).contains(&minute) && second == 0 { 500 } else { 200 };
            let (hour, minute) = (minute / 60, minute % 60);
            let _ = writeln!(
                events,
                r#"{{"time":"2026-01-01T{hour:02}:{minute:02}:{second:02}Z","status":{status},"route":"<b>{second}</b>"}}"#
            );
        }
    }
    events.push_str("{\"time\": <script>\n");
    events
}

fn run(slos: &str, args: &[&str]) -> (TempDir, Ran) {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("slo.yaml"), slos).unwrap();
    std::fs::write(directory.path().join("events.ndjson"), events()).unwrap();
    let mut all = vec!["replay", "--slo", "slo.yaml"];
    all.extend(args);
    all.push("events.ndjson");
    let ran = flyball(directory.path(), &all);
    (directory, ran)
}

fn two() -> String {
    let hostile = serde_json::to_string(HOSTILE).unwrap();
    let named = slo("served", "TRUE", "status < 500")
        .replace("{name: served}", &format!("{{name: served, displayName: {hostile}}}"))
        .replace("displayName: Served", &format!("displayName: {hostile}"));
    let month = "duration: 1M, isRolling: false, calendar: {startTime: '2026-01-01 00:00:00', timeZone: UTC}";
    format!("{named}---\n{}", slo_with("monthly", "TRUE", "status < 500", "0.9", month))
}

#[test]
fn every_number_of_the_summary_is_the_reports() {
    let (_directory, page) = run(&two(), &["-o", "html"]);
    let (_directory, json) = run(&two(), &["-o", "json"]);
    assert_eq!((page.code, json.code), (1, 1), "{}", page.err);
    let report = json.json();
    let mut expected = Vec::new();
    for slo in report["slos"].as_array().unwrap() {
        for objective in slo["objectives"].as_array().unwrap() {
            let budget = &objective["budget"];
            let keys = ["sli", "target", "valid", "good", "bad", "remaining_share"];
            let mut row: Vec<Option<f64>> =
                keys.iter().map(|key| as_number(&budget[key])).collect();
            row.push(as_number(&objective["burns"][0]["burn"]));
            expected.push(row);
        }
    }
    let labels = ["SLI", "Target", "Valid", "Good", "Bad", "Budget remaining", "Burn"];
    let tags = parse(&page.out);
    let start = tags.iter().position(|tag| tag.get("id") == Some("summary")).unwrap();
    let rest = &tags[start + 1..];
    let end = rest.iter().position(|tag| tag.name == "table").unwrap();
    let column = |label: &str| -> Vec<Option<f64>> {
        let cells = rest[..end].iter().filter(|tag| tag.get("data-label") == Some(label));
        cells.map(|cell| cell.get("data-sort").unwrap().parse().ok()).collect()
    };
    assert_eq!(expected.len(), 2);
    for (at, label) in labels.iter().enumerate() {
        let wanted: Vec<_> = expected.iter().map(|row| row[at]).collect();
        assert!(wanted.iter().all(Option::is_some) || *label == "Burn", "{label}: {wanted:?}");
        let shown = column(label);
        assert_eq!(shown.len(), wanted.len(), "{label}");
        // Counts are equal; fractions but for the last bit, which the test's JSON reader may lose.
        let is_count = ["Valid", "Good", "Bad"].contains(label);
        let margin = if is_count { 0.0 } else { 2.0 * f64::EPSILON };
        for (shown, wanted) in shown.into_iter().zip(wanted) {
            let equal = match (shown, wanted) {
                (Some(shown), Some(wanted)) => (shown - wanted).abs() <= margin,
                (shown, wanted) => shown == wanted,
            };
            assert!(equal, "{label}: {shown:?} for {wanted:?}");
        }
    }
    // 540 minutes of three events each, 30 of them bad, counted by hand.
    assert!(page.out.contains(r#"data-label="Valid" data-sort="1620">1,620</td>"#));
    assert!(page.out.contains(r#"data-label="Bad" data-sort="30">30</td>"#));
    assert!(page.out.contains(">1 of 2 objectives met, 1 missed</h1>"));
}

#[test]
fn every_cell_says_its_column_where_the_table_is_stacked() {
    let (_directory, page) = run(&two(), &["-o", "html"]);
    let mut cells = 0;
    for table in page.out.split("<table").skip(1) {
        let table = table.split("</table>").next().unwrap();
        // A table without a head names its rows; the cell is all of the block.
        if !table.contains("<thead>") {
            continue;
        }
        for cell in table.split("<td").skip(1) {
            let is_empty = cell.split_once('>').unwrap().1.starts_with("</td>");
            assert!(is_empty || cell.split('>').next().unwrap().contains("data-label="), "{cell}");
            cells += 1;
        }
    }
    assert!(cells > 50, "{cells}");
}

#[test]
fn a_tooltip_says_what_the_tables_say() {
    let (_directory, page) = run(&two(), &["-o", "html"]);
    let tags = parse(&page.out);
    let chart = tags.iter().find(|tag| tag.get("data-points").is_some()).unwrap();
    let last = chart.get("data-points").unwrap().split(' ').next_back().unwrap();
    let left = last.split(',').nth(3).unwrap();
    // 30 bad of 1,620 at 99 %: 185.2 % of 16.2 is spent.
    assert_eq!(left, "-85.2%");
    assert!(page.out.contains(&format!("<dt>Budget remaining</dt><dd>{left}<small>")));
}

/// A number, or a share written as text.
fn as_number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

#[test]
fn hostile_names_stay_text_and_nothing_comes_from_outside() {
    let (_directory, page) = run(&two(), &["-o", "html"]);
    let tags = parse(&page.out);
    let count = |name: &str| tags.iter().filter(|tag| tag.name == name).count();
    assert_eq!(count("script"), 1, "only the page's own");
    assert_eq!(count("img") + count("link") + count("iframe") + count("base"), 0);
    assert!(page.out.contains(
        "&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=&#39;y&#39;&gt; &amp; Co"
    ));
    assert!(page.out.contains("&lt;script&gt;</code>"), "the refused line is shown as text");
    for tag in &tags {
        for (key, value) in &tag.attributes {
            assert!(!key.starts_with("on"), "{tag:?}");
            assert!(!["src", "style", "action"].contains(&key.as_str()), "{tag:?}");
            assert!(key != "href" || value.starts_with('#'), "{tag:?}");
        }
    }
    assert!(!page.out.contains("http://") && !page.out.contains("https://"));
    let policy = tags
        .iter()
        .find(|tag| tag.get("http-equiv") == Some("Content-Security-Policy"))
        .and_then(|tag| tag.get("content"))
        .unwrap();
    assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
}

#[test]
fn links_and_labels_lead_somewhere() {
    let (_directory, page) = run(&two(), &["-o", "html"]);
    let tags = parse(&page.out);
    let ids: Vec<&str> = tags.iter().filter_map(|tag| tag.get("id")).collect();
    let mut unique = ids.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), ids.len(), "an id is used twice: {ids:?}");
    let mut followed = 0;
    for tag in &tags {
        let link = tag.get("href").map(|href| href.trim_start_matches('#'));
        let labels = tag.get("aria-labelledby").unwrap_or_default().split(' ');
        for id in link.into_iter().chain(labels).filter(|id| !id.is_empty()) {
            assert!(ids.contains(&id), "{id} of {tag:?}");
            followed += 1;
        }
    }
    assert!(followed > 8, "{followed}");
    assert!(tags.iter().filter(|tag| tag.name == "th").all(|tag| tag.get("scope").is_some()));
}

#[test]
fn an_hour_without_events_is_a_gap_in_the_chart() {
    let (_directory, page) = run(&two(), &["-o", "html"]);
    let tags = parse(&page.out);
    let charts: Vec<&Tag> = tags.iter().filter(|tag| tag.get("data-points").is_some()).collect();
    assert_eq!(charts.len(), 2);
    for chart in charts {
        let points: Vec<&str> = chart.get("data-points").unwrap().split(' ').collect();
        let bucket: f64 = chart.get("data-bucket").unwrap().parse().unwrap();
        assert_eq!(chart.get("data-count").unwrap().parse(), Ok(points.len()));
        let silent = points.iter().filter(|point| point.starts_with("0,0,,")).count();
        // All but the buckets at its ends that hold an event as well.
        let whole = 3_600_000.0 / bucket;
        assert!((silent as f64 - whole).abs() <= 2.0, "{silent} of {whole}");
        let sum = |at: usize| -> u64 {
            points.iter().map(|p| p.split(',').nth(at).unwrap().parse::<u64>().unwrap()).sum()
        };
        assert_eq!((sum(0), sum(1)), (1_620, 30), "no event is lost between the buckets");
    }
}

#[test]
fn the_file_is_the_page_and_the_same_each_time() {
    let (directory, first) = run(&two(), &["-o", "html", "--html", "page.html"]);
    let (_directory, second) = run(&two(), &["-o", "html"]);
    assert!(first.out == second.out, "two runs differ");
    let file = std::fs::read_to_string(directory.path().join("page.html")).unwrap();
    assert!(first.out == file, "the file differs");
}

#[test]
fn many_slos_are_folded_and_only_the_worst_are_drawn() {
    let mut slos = Vec::new();
    for number in 0..60 {
        // The last ten promise less than was kept, the others more.
        let target = if number < 50 { "0.999" } else { "0.9" };
        let window = "duration: 28d, isRolling: true";
        slos.push(slo_with(&format!("slo-{number}"), "TRUE", "status < 500", target, window));
    }
    let (_directory, page) = run(&slos.join("---\n"), &["-o", "html"]);
    let tags = parse(&page.out);
    let charts: Vec<&str> = tags
        .iter()
        .filter(|tag| tag.get("data-points").is_some())
        .filter_map(|tag| tag.get("aria-labelledby")?.split('-').next())
        .collect();
    let missed: Vec<String> = (1..=50).map(|number| format!("c{number}")).collect();
    assert_eq!(charts, missed, "the fifty that missed");
    assert!(
        page.out.contains("Charts are drawn for the 50 objectives with the least budget of 60.")
    );
    assert!(tags.iter().all(|tag| tag.name != "details" || tag.get("open").is_none()));
    assert!(page.out.contains(">10 of 60 objectives met, 50 missed</h1>"));
    // So many are laid out when they come near; fewer are there at once, for pictures of the page.
    assert!(page.out.contains(r#"<main id="main" class="lazy">"#));
    let (_directory, few) = run(&slos[..49].join("---\n"), &["-o", "html"]);
    assert!(few.out.contains("<main id=\"main\">"));
}
