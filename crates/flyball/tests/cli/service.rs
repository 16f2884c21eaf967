//! Services, their delivery and reports by the command line, against a real server.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::process::serve;
use crate::run::{Ran, flyball, slo};

const SERVICE: &str = "apiVersion: flyball.dev/v1
kind: Service
metadata: {name: shop, displayName: The shop}
spec:
  team: payments
  accountable: {who: Ada}
  onCall: rota payments
  delivery: {targets: {leadTime: 2d}, outcome: {name: revenue, unit: EUR, of: sum, better: higher}}
";

fn at_server(at: &Path, url: &str, args: &[&str]) -> Ran {
    flyball(at, &[args, &["--server", url]].concat())
}

#[test]
fn a_service_is_shown_measured_and_reported_in_every_form() {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    std::fs::write(at.join("shop.yaml"), SERVICE).unwrap();
    std::fs::write(at.join("slo.yaml"), slo("served", "status >= 100", "status < 500")).unwrap();
    let (_server, url) = serve(at, "127.0.0.1:0", &[]);
    let run = |args: &[&str]| at_server(at, &url, args);
    let applied = run(&["apply", "--yes", "-f", "shop.yaml", "-f", "slo.yaml"]);
    assert_eq!(applied.code, 0, "{}", applied.err);
    let record = ["change", "record", "--service", "shop", "--version"];
    assert_eq!(
        run(&[&record[..], &["1.0", "--id", "release-1", "--class", "feature"]].concat()).code,
        0
    );
    let undo = ["1.1", "--id", "release-2", "--kind", "rollback"];
    assert_eq!(run(&[&record[..], &undo].concat()).code, 0);

    let listed = run(&["service", "list"]);
    assert!(listed.out.contains("payments") && listed.out.contains("Ada"), "{}", listed.out);
    let card = run(&["service", "show", "shop"]);
    assert_eq!(card.code, 3, "nothing was counted: {}", card.out);
    for said in [
        "Service The shop at",
        "rota payments",
        "a feature may ship now",
        "99%",
        "release-2",
        "broken",
    ] {
        assert!(card.out.contains(said), "{said}: {}", card.out);
    }
    let json = run(&["service", "show", "shop", "-o", "json"]).json();
    assert_eq!((&json["team"], &json["budgets"][0]["slo"]), (&"payments".into(), &"served".into()));
    let note = ["friction", "note", "a deployment takes 63 clicks", "--id", "clicks", "--minutes"];
    assert_eq!(run(&[&note[..], &["25", "--service", "shop"]].concat()).code, 0);
    let require = ["friction", "require", "clicks", "one command", "--team", "platform"];
    assert_eq!(run(&require).code, 0);
    let hurts = "clicks: a deployment takes 63 clicks, 1 time, 25 minutes and more in the last quarter; required of \
                 platform: one command";
    let card = run(&["service", "show", "shop"]);
    assert!(card.out.contains(hurts), "{}", card.out);
    assert_eq!(run(&["friction", "mend", "clicks", "the pipeline deploys by itself"]).code, 0);
    assert!(!run(&["service", "show", "shop"]).out.contains("63 clicks"), "what is mended is over");
    let missing = run(&["service", "show", "shpo"]);
    assert_eq!(missing.code, 2);
    assert!(missing.err.contains("did you mean `shop`?"), "{}", missing.err);

    let delivery = run(&["delivery", "shop", "--since", "1d"]);
    assert_eq!(delivery.code, 0, "{}", delivery.err);
    for said in ["2 deployments, one every 12 h", "2d: not enough data", "100.0%: 1 of 1", "2018"] {
        assert!(delivery.out.contains(said), "{said}: {}", delivery.out);
    }
    for wrong in [
        &["delivery"][..],
        &["delivery", "shop", "--team", "payments"],
        &["delivery", "shop", "--since", "soon"],
        &["delivery", "--team", "nobody"],
    ] {
        assert_eq!(run(wrong).code, 2, "{wrong:?}");
    }

    let remark =
        ["service", "remark", "shop", "--toil", "low", "--hours", "2", "--note", "a quiet week"];
    assert_eq!(run(&remark).code, 0);
    assert_eq!(run(&["service", "remark", "shop"]).code, 2, "it says nothing");
    let report = run(&["report", "--team", "payments", "--satisfaction", "low"]);
    assert_eq!(report.code, 3, "{}", report.err);
    for said in [
        "Week of the team payments",
        "1 change made things worse",
        "release-1",
        "rollback release-2",
        "a quiet week",
        "2 hours of toil",
    ] {
        assert!(report.out.contains(said), "{said}: {}", report.out);
    }
    for command in [
        &["service", "show", "shop"][..],
        &["delivery", "shop"],
        &["report", "quarterly", "shop"],
        &["report", "--team", "payments"],
    ] {
        let form = |form: &str| run(&[command, &["-o", form]].concat()).out;
        let html = form("html");
        assert!(html.starts_with("<!DOCTYPE html>") && html.contains("</html>"), "{html}");
        for outside in ["<script", "src=", "http-equiv=\"refresh", "url(", "@import"] {
            assert!(!html.contains(outside), "{outside} in {html}");
        }
        assert!(form("markdown").starts_with("# "), "{command:?}");
        let read: Value = serde_json::from_str(&form("json")).unwrap();
        assert!(read.is_object(), "{command:?}");
        assert!(form("yaml").contains("shop"), "{command:?}");
    }
}

#[test]
fn the_outcome_of_a_service_is_pushed_and_shown_beside_the_measures() {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    std::fs::write(at.join("shop.yaml"), SERVICE).unwrap();
    let (_server, url) = serve(at, "127.0.0.1:0", &[]);
    let run = |args: &[&str]| at_server(at, &url, args);
    let push = |args: &[&str]| run(&[&["service", "outcome", "shop"], args].concat());
    let early = push(&["1"]);
    assert_eq!(early.code, 2);
    assert!(early.err.contains("service `shop`"), "{}", early.err);
    assert_eq!(run(&["apply", "--yes", "-f", "shop.yaml"]).code, 0);

    let line = |number: u32| {
        let (month, day, hour) = (1 + number / 280, 1 + number / 10 % 28, number % 10);
        format!("2026-{month:02}-{day:02}T{hour:02}:00:00Z,1.25\n")
    };
    let lines = "time,value\n".to_owned() + &(0..1_200).map(line).collect::<String>();
    std::fs::write(at.join("revenue.csv"), lines).unwrap();
    let file = ["--from-csv", "revenue.csv"];
    let pushed = push(&file);
    assert_eq!(pushed.code, 0, "{}", pushed.err);
    assert!(pushed.err.contains("kept: 1,200 values of revenue for shop"), "{}", pushed.err);
    let again = push(&file);
    assert!(again.err.contains("kept: 0 values") && again.err.contains("1,200"), "{}", again.err);
    std::fs::write(at.join("wrong.csv"), "2026-01-01T00:00:00Z,1\n2026-01-02T00:00:00Z,many\n")
        .unwrap();
    let wrong = push(&["--from-csv", "wrong.csv"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("wrong.csv:2: `many` is no number"), "{}", wrong.err);
    for wrong in [&[][..], &["NaN"], &["1", "--at", "soon"], &["1", "--from-csv", "revenue.csv"]] {
        assert_eq!(push(wrong).code, 2, "{wrong:?}");
    }
    assert_eq!(push(&["-250.5", "--at", "2026-05-20T00:00:00Z"]).code, 0);

    let delivery = ["delivery", "shop", "--since", "28d", "--until", "2026-05-28T00:00:00Z"];
    let form = |form: &str| run(&[&delivery[..], &["-o", form]].concat()).out;
    // Ten a day: sixty of the first week, twenty of the second, and what was paid back in the third.
    for said in ["Outcome: revenue", "-150.5 EUR, the sum of 81 values", "; revenue: -150.5 EUR."] {
        assert!(form("table").contains(said), "{said}: {}", form("table"));
        assert!(form("html").contains(said), "{said}: {}", form("html"));
    }
    let markdown = form("markdown");
    assert!(
        markdown.contains("| Outcome: revenue |") && markdown.contains("| worse |"),
        "{markdown}"
    );
    assert!(markdown.contains("| Outcome |") && markdown.contains("| 75 EUR |"), "{markdown}");
    let team = run(&["delivery", "--team", "payments", "--until", "2026-05-28T00:00:00Z"]);
    assert!(team.out.contains("Outcome of shop: revenue"), "{}", team.out);
    let report = run(&["report", "quarterly", "shop", "--until", "2026-05-28T00:00:00Z"]);
    for said in ["Outcome: revenue", "Velocity and stability", "The outcome is revenue"] {
        assert!(report.out.to_lowercase().contains(&said.to_lowercase()), "{said}: {}", report.out);
    }
}

/// A checklist, rules that little has to hold for, and what the shop says of itself.
const CARE: &str = "apiVersion: flyball.dev/v1
kind: Checklist
metadata: {name: small}
spec:
  version: 1
  stage: launch
  signers: [sre]
  waivers: {roles: [sre]}
  items:
  - {id: tried, heading: deployment_process, ask: Was a roll-back made?}
  - {id: measured, heading: monitoring_coverage, ask: Is it measured?, holds: budget.coverage >= 0.9}
  - {id: cards, heading: regulatory_scope, asks: scope, ask: Is there card data?, controls: [{role: security, classes: [feature]}]}
---
apiVersion: flyball.dev/v1
kind: CustodyRules
metadata: {name: quick}
spec:
  version: 1
  shared: {signers: [sre], review: launch}
  sre: {signers: [sre]}
  handBack: {missed: {quarters: 1, of: 4}, roles: [sre], deciders: [cto], notice: 7d, deadline: 30d}
---
apiVersion: flyball.dev/v1
kind: Service
metadata: {name: shop}
spec: {team: payments, accountable: {who: Ada}, custodyRules: quick, journeys: [buy a ticket], supportModel: developers}
";

#[test]
fn a_review_and_a_pager_go_by_the_command_line() {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    std::fs::write(at.join("care.yaml"), CARE).unwrap();
    std::fs::write(at.join("slo.yaml"), slo("served", "status >= 100", "status < 500")).unwrap();
    let (_server, url) = serve(at, "127.0.0.1:0", &[]);
    let run = |args: &[&str]| at_server(at, &url, args);
    let applied = run(&["apply", "--yes", "-f", "care.yaml", "-f", "slo.yaml"]);
    assert_eq!(applied.code, 0, "{}", applied.err);
    // What was applied comes back as it was.
    let again = run(&["apply", "--yes", "-f", "care.yaml", "-f", "slo.yaml"]);
    assert_eq!(again.code, 0, "{}", again.err);

    let checked = run(&["service", "check"]);
    assert_eq!(checked.code, 1, "{}", checked.out);
    assert!(checked.out.contains("Nobody says until when its team is paid"), "{}", checked.out);
    assert_eq!(
        run(&["service", "check", "shop", "-o", "json"]).json()["services"][0]["name"],
        "shop"
    );
    assert_eq!(run(&["service", "check", "shpo"]).code, 2);

    let listed = run(&["review", "checklists"]);
    assert!(
        listed.out.contains("launch-readiness") && listed.out.contains("small"),
        "{}",
        listed.out
    );
    let missing = run(&["review", "show", "shop", "small"]);
    assert_eq!(missing.code, 2);
    assert!(
        missing.err.contains("`flyball review list --service shop` lists them"),
        "{}",
        missing.err
    );
    let early = run(&["custody", "propose", "shop", "shared", "--why", "it has grown"]);
    assert_eq!(early.code, 0, "{}", early.err);
    let unmet = run(&["custody", "sign", "shop", "--role", "sre"]);
    assert_eq!(unmet.code, 2);
    assert!(unmet.err.contains("no review of the stage `launch` is approved"), "{}", unmet.err);

    let opened = run(&["review", "open", "shop", "small"]);
    assert_eq!(opened.code, 0, "{}", opened.err);
    assert!(opened.err.contains("in the way: tried, measured, cards"), "{}", opened.err);
    let of = ["shop", "small"];
    let act = |name: &str, more: &[&str]| {
        let ran = run(&[&["review", name], &of[..], more].concat());
        assert_eq!(ran.code, 0, "{name}: {}", ran.err);
        ran.err
    };
    act("answer", &["tried", "--yes", "--evidence", "release-7, 4 minutes"]);
    act("answer", &["cards", "--yes"]);
    act("waive", &["measured", "--role", "sre", "--why", "it is new", "--until", "14d"]);
    let shown = run(&["review", "show", "shop", "small"]);
    assert_eq!(shown.code, 3, "{}", shown.out);
    for said in [
        "release-7, 4 minutes",
        "waived until",
        "(sre): it is new",
        "It is open.",
        "budget.coverage is 0",
        "applies",
    ] {
        assert!(shown.out.contains(said), "{said}: {}", shown.out);
    }
    assert!(act("submit", &[]).contains("it waits for the signatures of sre"));
    assert!(act("sign", &["--role", "sre"]).contains("is approved until"));
    assert_eq!(run(&["review", "show", "shop", "small", "-o", "markdown"]).code, 0);
    let listed = run(&["review", "list", "--service", "shop"]);
    assert!(listed.out.contains("small 1") && listed.out.contains("approved"), "{}", listed.out);
    let gate = run(&["gate", "shop", "--change", "release-1"]);
    assert!(gate.out.contains("`security`"), "{} {}", gate.out, gate.err);

    let signed = run(&["custody", "sign", "shop", "--role", "sre"]);
    assert_eq!(signed.code, 0, "{}", signed.err);
    assert!(
        signed.err.contains("developers and operations share the pager since"),
        "{}",
        signed.err
    );
    let shown = run(&["custody", "show", "shop"]);
    for said in ["developers and operations share the pager", "rota", "quick 1", "signed"] {
        assert!(shown.out.contains(said), "{said}: {}", shown.out);
    }
    assert_eq!(run(&["custody", "show", "shop", "-o", "json"]).json()["holder"], "shared");
    let nothing = run(&["custody", "notice", "shop", "--role", "sre"]);
    assert_eq!(nothing.code, 2);
    assert!(nothing.err.contains("nothing is reason to hand `shop` back"), "{}", nothing.err);
    let card = run(&["service", "show", "shop"]);
    for said in
        ["shared, since", "buy a ticket", "small", "REVIEWS", "WHAT IS WRONG IN THE CATALOGUE"]
    {
        assert!(card.out.contains(said), "{said}: {}", card.out);
    }
    assert!(!card.out.contains("A page calls"), "it has no rota: {}", card.out);
    assert!(run(&["service", "list"]).out.contains("shared"));
}

#[test]
fn who_runs_a_service_is_chosen_by_the_command_line() {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    std::fs::write(at.join("care.yaml"), CARE).unwrap();
    std::fs::write(at.join("slo.yaml"), slo("served", "status >= 100", "status < 500")).unwrap();
    let (_server, url) = serve(at, "127.0.0.1:0", &[]);
    let run = |args: &[&str]| at_server(at, &url, args);
    assert_eq!(run(&["apply", "--yes", "-f", "care.yaml", "-f", "slo.yaml"]).code, 0);
    // What is missing is said as the command is told of it, beside what was told already.
    let unknown = run(&["service", "support", "shop", "--traffic", "critical"]);
    assert_eq!(unknown.code, 3, "{}", unknown.out);
    for said in ["what an hour of outage costs", "--an-hour '25000 USD'", "--traffic critical"] {
        assert!(unknown.out.contains(said), "{said}: {}", unknown.out);
    }
    let basis = "--an-hour 90000_USD --product digital_service --interval 1d --traffic critical --reviewed true --missed false \
                 --failures-a-year 12 --call-outs-a-year 4 --call-out-lasts 45m";
    let basis: Vec<String> = basis
        .split(' ')
        .filter(|part| !part.is_empty())
        .map(|part| part.replace("_USD", " USD"))
        .collect();
    let basis: Vec<&str> = basis.iter().map(String::as_str).collect();
    let choice =
        "service choose shop --target 99% --model developers --out-of-hours team --reason trial";
    let chosen = run(&[&choice.split(' ').collect::<Vec<_>>()[..], &basis].concat());
    assert_eq!(chosen.code, 0, "{}", chosen.err);
    let support = run(&["service", "support", "shop"]);
    assert_eq!(support.code, 0, "{}", support.err);
    for said in ["WHAT WAS CHOSEN", "a rota of the team", "it was said with the choice"] {
        assert!(support.out.contains(said), "{said}: {}", support.out);
    }
    let card = run(&["service", "show", "shop"]).out;
    assert!(card.contains("developers, chosen at "), "{card}");
    let target = run(&["service", "target", "shop"]).out;
    assert!(
        target.contains("90,000 USD") && target.contains("Support by developers cost"),
        "{target}"
    );
}

/// Documents that come from another file are told of by that file, and warnings of files that are not applied are counted.
#[test]
fn what_another_file_has_already_is_told_with_what_takes_it_away() {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    let service = |team: &str| {
        format!(
            "apiVersion: flyball.dev/v1\nkind: Service\nmetadata: {{name: shop}}\nspec: {{team: {team}}}\n"
        )
    };
    std::fs::write(at.join("one.yaml"), service("payments")).unwrap();
    std::fs::write(at.join("two.yaml"), service("checkout")).unwrap();
    std::fs::write(at.join("slo.yaml"), slo("served", "status >= 100", "status < 500")).unwrap();
    let (_server, url) = serve(at, "127.0.0.1:0", &[]);
    let run = |args: &[&str]| at_server(at, &url, args);
    assert_eq!(run(&["apply", "--yes", "-f", "one.yaml"]).code, 0);
    let two = run(&["apply", "--yes", "-f", "two.yaml"]);
    assert!(two.err.contains("one.yaml has a Service `shop` already"), "{}", two.err);
    assert!(two.err.contains("--remove one.yaml"), "{}", two.err);
    let other = run(&["apply", "--yes", "-f", "slo.yaml"]);
    let said = "1 warning of files that are not applied now: two.yaml";
    assert!(other.err.contains(said) && !other.err.contains("already"), "{}", other.err);
    let moved = run(&["apply", "--yes", "-f", "two.yaml", "--remove", "one.yaml"]);
    assert!(moved.out.contains("spec.team: payments becomes checkout"), "{}", moved.out);
    assert!(!moved.err.contains("already"), "{}", moved.err);
}
