//! Slices: what is counted in each and how they are told apart.

use serde_json::{Value, json};

use crate::run::{counts, directory, event, flyball, slo};

#[test]
fn slices_and_their_total_agree() {
    let slo = slo("all", "TRUE", "status < 500")
        .replace("spec: {where: \"TRUE\"}", "spec: {where: \"TRUE\", by: [region]}");
    let line = |second: u32, region: &str, status: u16| {
        format!(
            "{{\"time\":\"2026-01-01T00:00:{second:02}Z\",\"region\":\"{region}\",\"status\":{status}}}\n"
        )
    };
    let events =
        [line(1, "eu", 200), line(2, "us", 500), line(3, "eu", 200)].concat() + &event(4, 200);
    let directory =
        directory(&[("slo.yaml", slo.as_bytes()), ("events.ndjson", events.as_bytes())]);
    let ran =
        flyball(directory.path(), &["replay", "--slo", "slo.yaml", "-o", "json", "events.ndjson"]);
    assert_eq!(counts(&ran), (4, 3, 1), "{}", ran.err);
    let json = ran.json();
    let slices: Vec<(String, u64, u64)> = json["slos"][0]["objectives"][0]["slices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|slice| {
            let count = |key: &str| slice["budget"][key].as_u64().unwrap();
            (slice["slice"].as_str().unwrap().to_owned(), count("valid"), count("bad"))
        })
        .collect();
    assert_eq!(slices, [("(none)".into(), 1, 0), ("eu".into(), 2, 0), ("us".into(), 1, 1)]);
}

#[test]
fn slices_are_told_apart_whatever_their_attributes_hold() {
    let sliced = |by: &str| {
        slo("all", "TRUE", "status < 500")
            .replace("spec: {where: \"TRUE\"}", &format!("spec: {{where: \"TRUE\", {by}}}"))
    };
    let line = |rest: &str| format!("{{\"time\":\"2026-01-01T00:00:01Z\",\"status\":200{rest}}}\n");
    let events = [
        line(r#","region":"other","zone":"x""#),
        line(r#","region":"(none)","zone":"1,zone=2""#),
        line(r#","zone":"x""#),
        line(r#","region":"eu","zone":"x""#),
        line(r#","region":"us","zone":"x""#),
    ]
    .concat();
    let one = sliced("by: [region], sliceLimit: 3");
    let two = sliced("by: [region, zone]");
    let directory = directory(&[
        ("one.yaml", one.as_bytes()),
        ("two.yaml", two.as_bytes()),
        ("events.ndjson", events.as_bytes()),
    ]);
    let run = |slo: &str, form: &str| {
        flyball(directory.path(), &["replay", "--slo", slo, "-o", form, "events.ndjson"])
    };
    let slices = |slo: &str| {
        let json = run(slo, "json").json();
        let slices = json["slos"][0]["objectives"][0]["slices"].as_array().unwrap().clone();
        let fact = |slice: &Value| {
            let count = &slice["budget"]["valid"];
            json!([slice["slice"], slice["attributes"], slice["overflow"], count])
        };
        slices.iter().map(fact).collect::<Vec<Value>>()
    };
    assert_eq!(
        slices("one.yaml"),
        [
            json!(["(none)", {"region": null}, false, 1]),
            json!(["\"(none)\"", {"region": "(none)"}, false, 1]),
            json!(["\"other\"", {"region": "other"}, false, 1]),
            json!(["other", {}, true, 2]),
        ]
    );
    let hard = json!([
        "region=\"(none)\",zone=\"1,zone=2\"",
        {"region": "(none)", "zone": "1,zone=2"},
        false,
        1
    ]);
    assert!(slices("two.yaml").contains(&hard), "{:?}", slices("two.yaml"));
    let table = run("one.yaml", "table").out;
    for label in ["  (none) ", "  \"(none)\" ", "  other ", "  \"other\" "] {
        assert!(table.contains(label), "{label} is not in\n{table}");
    }
}
