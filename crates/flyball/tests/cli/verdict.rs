//! What a replay says as a whole: the same counts in every form and in the exit code.

use std::fmt::Write;

use tempfile::TempDir;

use crate::run::{flyball, slo, slo_with};

const MONTH: &str = "duration: 1M, isRolling: false, calendar: {startTime: '2026-01-01 00:00:00', timeZone: America/New_York}";

/// Ten days of an event a minute and region. In the last hour but one of every second day, all
/// events of `eu` fail: 1 % of all, 2 % of `eu`.
fn events() -> String {
    let mut out = String::new();
    for minute in 0..14_400_u32 {
        let (day, hour) = (minute / 1_440, minute / 60 % 24);
        for region in ["eu", "us"] {
            let is_bad = day % 2 == 0 && hour == 22 && region == "eu";
            let status = if is_bad { 500 } else { 200 };
            let time = 1_767_225_600 + minute * 60;
            writeln!(out, r#"{{"time":{time},"region":"{region}","status":{status}}}"#).unwrap();
        }
    }
    out
}

/// A composite of a component that is missed and one that is met, the latter of a greater weight.
fn composite(weight_of_met: u32) -> String {
    let part = |name: &str, target: &str, weight: u32, good: &str| {
        format!(
            "  - {{displayName: {name}, target: {target}, compositeWeight: {weight}, indicator: \
             {{metadata: {{name: {name}}}, spec: {{ratioMetric: {{counter: false, \
             good: {{metricSource: {{type: flyball, spec: {{where: \"{good}\"}}}}}}, \
             total: {{metricSource: {{type: flyball, spec: {{where: \"TRUE\"}}}}}}}}}}}}}}\n"
        )
    };
    format!(
        "apiVersion: openslo/v1\nkind: SLO\nmetadata: {{name: both}}\nspec:\n  service: shop\n  \
         timeWindow: [{{duration: 28d, isRolling: true}}]\n  budgetingMethod: Occurrences\n  \
         objectives:\n{}{}",
        part("strict", "0.999", 1, "status < 500"),
        part("lax", "0.9", weight_of_met, "status < 500")
    )
}

fn metrics() -> String {
    slo("metrics", "TRUE", "TRUE")
        .replace("type: flyball, spec: {where: \"TRUE\"}", "type: prometheus, spec: {query: up}")
}

fn directory(documents: &[String]) -> TempDir {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("slo.yaml"), documents.join("---\n")).unwrap();
    std::fs::write(directory.path().join("events.ndjson"), events()).unwrap();
    directory
}

/// Replays in every form, and holds that all of them say `verdict` and exit alike.
fn replay(documents: &[String], verdict: &str, code: i32) -> [String; 3] {
    let directory = directory(documents);
    let [table, markdown, html, json] = ["table", "markdown", "html", "json"].map(|form| {
        let args = ["replay", "--slo", "slo.yaml", "-o", form, "events.ndjson"];
        let ran = flyball(directory.path(), &args);
        assert_eq!(ran.code, code, "{form}: {}\n{}", ran.out, ran.err);
        ran
    });
    assert_eq!(table.out.lines().last(), Some(verdict), "{}", table.out);
    assert!(markdown.out.contains(&format!("\n**{verdict}**\n")), "{}", markdown.out);
    assert!(html.out.contains(&format!(">{verdict}</h1>")), "{verdict}");
    let (json, status) = (json.json(), ["met", "missed", "", "no_data"]);
    assert_eq!(json["status"], status[usize::try_from(code).unwrap()]);
    let count = |key: &str| json["verdict"][key].as_u64().unwrap();
    let parts = ["met", "missed", "no_data", "not_evaluated"].map(count);
    assert_eq!(parts.iter().sum::<u64>(), count("objectives"));
    assert!(verdict.starts_with(&format!("{} of {} ", parts[0], count("objectives"))));
    [table.out, markdown.out, html.out]
}

#[test]
fn a_composite_is_one_objective_and_its_components_explain_it() {
    let forms = replay(&[composite(100)], "1 of 1 objectives met", 0);
    for (form, separator) in forms.iter().zip([" · ", " · ", "</a> <span class=\"soft\">"]) {
        for part in ["as a whole", "component strict", "component lax"] {
            assert!(form.contains(&format!("both{separator}{part}")), "{part}: {form}");
        }
    }
    replay(&[composite(1)], "0 of 1 objectives met, 1 missed", 1);
}

#[test]
fn what_is_not_evaluated_is_no_success() {
    let met = slo_with("met", "TRUE", "status < 500", "0.9", MONTH);
    replay(&[met.clone(), metrics()], "1 of 2 objectives met, 1 not evaluated", 3);
    let missed = slo_with("missed", "TRUE", "status < 500", "0.999", MONTH);
    let verdict = "1 of 3 objectives met, 1 missed, 1 not evaluated";
    replay(&[met, metrics(), missed], verdict, 1);
}

#[test]
fn missed_slices_stand_beside_the_verdict() {
    let sliced = slo_with("all", "TRUE", "status < 500", "0.985", "duration: 28d, isRolling: true")
        .replace("spec: {where: \"TRUE\"}", "spec: {where: \"TRUE\", by: [region]}");
    let verdict = "1 of 1 objectives met; 1 of 2 slices missed";
    let [table, markdown, html] = replay(&[sliced], verdict, 0);
    for form in [&table, &markdown, &html] {
        assert!(
            form.contains("within budget") && form.contains("; 1 of 2 slices missed"),
            "{form}"
        );
    }
    assert!(html.contains("<summary>Alerts of slices: "), "{html}");
    // The slice that had no failure calls nobody; the other one's calls are told apart.
    let slices: Vec<&str> = table.lines().filter(|line| line.starts_with("   ")).collect();
    let of = |name: &str| {
        let is_slice = |line: &&&str| line.trim_start().starts_with(&format!("{name} "));
        slices.iter().find(is_slice).unwrap_or_else(|| panic!("{name}: {table}"))
    };
    assert!(of("us").ends_with("none"), "{table}");
    assert!(of("eu").contains("page"), "{table}");
}

#[test]
fn pages_come_before_tickets_and_the_rest_is_counted() {
    let missed = slo_with("all", "TRUE", "status < 500", "0.999", MONTH);
    let [table, ..] = replay(&[missed], "0 of 1 objectives met, 1 missed", 1);
    let alerts = table.split("  alerts    ").nth(1).unwrap();
    let lines: Vec<&str> = alerts.lines().map(str::trim).collect();
    let pages: usize = lines[0].split(' ').next().unwrap().parse().unwrap();
    assert!(pages > 5 && lines[0].contains("pages, ") && lines[0].contains("ticket"), "{alerts}");
    assert!(lines[1..6].iter().all(|line| line.starts_with("PAGE ")), "{alerts}");
    assert!(lines[6].contains(&format!("{} page", pages - 5)), "{alerts}");
    assert!(lines[6].ends_with("all of them: -o json"), "{alerts}");
}

#[test]
fn a_calendar_period_is_called_by_its_name() {
    let slo = slo_with("month", "TRUE", "status < 500", "0.9", MONTH);
    for form in replay(std::slice::from_ref(&slo), "1 of 1 objectives met", 0) {
        assert!(form.contains("January 2026, America/New_York (2026-01-01 05:00:00Z"), "{form}");
    }
    let directory = directory(&[slo]);
    let shown = flyball(directory.path(), &["slo", "show", "slo.yaml"]);
    assert!(shown.out.contains("; budget and alerts as of 30d"), "{}", shown.out);
}
