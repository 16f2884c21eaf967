//! Risks, targets, support and returns by the command line, against a real server.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::process::serve;
use crate::run::{Ran, flyball, slo};

const SERVICE: &str = "apiVersion: flyball.dev/v1
kind: Service
metadata: {name: shop}
spec:
  team: payments
  revenuePerHour: {amount: 120000, currency: USD}
  delivery: {targets: {interval: 1d}}
";

/// As a spreadsheet writes it.
const SHEET: &str = "name,service,description,time_to_detect,time_to_repair,share_of_users,time_between_failures,themes\r
bad-deploy,shop,\"It fails, for everybody.\",5m,55m,100%,30d,no-canary\r
store-down,shop,,5m..20m,1h,80%,6h..12h,\r
";

fn at_server(at: &Path, url: &str, args: &[&str]) -> Ran {
    flyball(at, &[args, &["--server", url]].concat())
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the server reads the same clock")]
fn a_sheet_becomes_a_register_that_is_shown_tried_and_exported() {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    std::fs::write(at.join("shop.yaml"), SERVICE).unwrap();
    std::fs::write(at.join("slo.yaml"), slo("served", "status >= 100", "status < 500")).unwrap();
    std::fs::write(at.join("risks.csv"), SHEET).unwrap();
    std::fs::write(at.join("wrong.csv"), SHEET.replace("55m", "soon").replace("80%", "0%"))
        .unwrap();
    let (_server, url) = serve(at, "127.0.0.1:0", &[]);
    let run = |args: &[&str]| at_server(at, &url, args);

    let wrong = flyball(at, &["risk", "import", "wrong.csv"]);
    assert_eq!((wrong.code, wrong.out.as_str()), (2, ""));
    for place in ["wrong.csv:2:47: `soon` is not", "wrong.csv:3:29: a risk hits somebody"] {
        assert!(wrong.err.contains(place), "{place}: {}", wrong.err);
    }
    let made = flyball(at, &["risk", "import", "risks.csv"]);
    assert_eq!(made.code, 0, "{}", made.err);
    std::fs::write(at.join("risks.yaml"), &made.out).unwrap();
    let apply = ["apply", "--yes", "-f", "shop.yaml", "-f", "slo.yaml", "-f", "risks.yaml"];
    let applied = run(&apply);
    assert_eq!(applied.code, 0, "{}", applied.err);
    let exported = run(&["risk", "export", "shop"]);
    std::fs::write(at.join("again.csv"), &exported.out).unwrap();
    let again = flyball(at, &["risk", "import", "again.csv"]);
    assert_eq!(again.out, made.out, "there and back nothing is lost");
    let sheet = "rules,service,ceiling,reserve,factor,everywhere,detect\r\nshop,shop,30%,5%,slow,yes,1m\r\n";
    std::fs::write(at.join("rules.csv"), sheet).unwrap();
    let made = flyball(at, &["risk", "import", "rules.csv"]);
    assert!(made.out.contains("kind: RiskRules"), "{}{}", made.out, made.err);
    std::fs::write(at.join("rules.yaml"), &made.out).unwrap();
    let applied = run(&["apply", "--yes", "-f", "rules.yaml"]);
    assert_eq!(applied.code, 0, "{}", applied.err);
    let exported = run(&["risk", "export", "shop", "--rules"]);
    std::fs::write(at.join("rules-again.csv"), &exported.out).unwrap();
    let again = flyball(at, &["risk", "import", "rules-again.csv"]);
    assert_eq!(again.out, made.out, "{}", exported.out);
    assert_eq!(run(&["apply", "--yes", "--remove", "rules.yaml"]).code, 0);

    let listed = run(&["risk", "list"]);
    for said in ["bad-deploy", "store-down", "12 h 10 min"] {
        assert!(listed.out.contains(said), "{said}: {}", listed.out);
    }
    let next = run(&["risk", "list", "--limit", "1"]);
    assert!(next.out.contains("There are more: --after bad-deploy"), "{}", next.out);
    let shown = run(&["risk", "show", "shop"]);
    assert_eq!(shown.code, 0, "{}", shown.err);
    for said in ["What to fix first", "TOO BIG", "points", "keyed by the seed", "no-canary"] {
        assert!(shown.out.contains(said), "{said}: {}", shown.out);
    }
    let unknown = run(&["risk", "show", "shop", "--slo", "nope"]);
    assert!(unknown.err.contains("`flyball get slos` lists them"), "{}", unknown.err);
    let json = run(&["risk", "show", "shop", "-o", "json"]).json();
    assert_eq!(json["service"], "shop");
    let what = ["risk", "what-if", "shop", "canary", "--share", "10%", "--within", "10m"];
    let tried = run(&[&what[..], &["--theme", "no-canary"]].concat());
    assert!(tried.out.contains("It changes bad-deploy."), "{}", tried.out);
    let also = ["--also", "faster-repair within=5m risk=store-down"];
    let both = run(&[&what[..], &["--theme", "no-canary"], &also].concat());
    assert!(both.out.contains("It changes bad-deploy, store-down."), "{}{}", both.out, both.err);
    for (also, said) in [
        ("prayer", "`prayer` is nothing that could be done"),
        ("canary share=10%", "canary needs `within`"),
        ("faster-repair within=5m hope=x", "`hope=x` is not known"),
    ] {
        let wrong = run(&[&what[..], &["--theme", "no-canary", "--also", also]].concat());
        assert!(wrong.code == 2 && wrong.err.contains(said), "{}", wrong.err);
    }
    let nothing = run(&[&what[..], &["--risk", "bad-deplyo"]].concat());
    assert_eq!(nothing.code, 2);
    assert!(nothing.err.contains("`bad-deploy`"), "{}", nothing.err);

    for (args, said) in [
        (&["canary", "--share", "10", "--within", "10m"][..], "a share is written in per cent"),
        (
            &["soft-dependency", "--share", "0%", "--within", "1h"][..],
            "says nothing of soft-dependency",
        ),
    ] {
        let wrong = run(&[&["risk", "what-if", "shop"][..], args].concat());
        assert!(wrong.code == 2 && wrong.err.contains(said), "{}", wrong.err);
    }

    // Of a time that is counted by now, whenever this runs.
    let ago = |minutes| {
        let now = jiff::Timestamp::now();
        now.checked_sub(jiff::SignedDuration::from_mins(minutes)).unwrap().to_string()
    };
    let drill = ["change", "record", "--service", "shop", "--kind", "drill", "--id", "game-day"];
    let lasted = ["--started", &ago(30), "--finished", &ago(20)];
    let recorded = run(&[&drill[..], &lasted].concat());
    assert_eq!(recorded.code, 0, "{}", recorded.err);
    let why = ["--why", "we pulled the plug"];
    let occurred =
        run(&[&["risk", "occurred", "shop", "store-down", "game-day"], &why[..]].concat());
    assert_eq!(occurred.code, 0, "{}", occurred.err);
    let unknown = run(&[&["risk", "occurred", "shop", "store-down", "nothing"], &why[..]].concat());
    assert!(unknown.err.contains("flyball risk measured shop"), "{}", unknown.err);
    let measured = run(&["risk", "measured", "shop", "--from", &ago(60)]);
    assert_eq!(measured.code, 0, "{}", measured.err);
    for said in ["1 drill", "too little was measured", "80%", "is not looked at yet"] {
        assert!(measured.out.contains(said), "{said}: {}", measured.out);
    }
    let html = run(&["risk", "show", "shop", "-o", "html"]).out;
    assert!(html.contains("<svg class=\"tornado\"") && !html.contains("<script"), "{html}");
}

#[test]
fn money_is_shown_and_a_choice_is_kept() {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    std::fs::write(at.join("shop.yaml"), SERVICE).unwrap();
    std::fs::write(at.join("slo.yaml"), slo("served", "status >= 100", "status < 500")).unwrap();
    let (_server, url) = serve(at, "127.0.0.1:0", &[]);
    let run = |args: &[&str]| at_server(at, &url, args);
    assert_eq!(run(&["apply", "--yes", "-f", "shop.yaml", "-f", "slo.yaml"]).code, 0);
    let target = run(&["service", "target", "shop"]);
    assert_eq!(target.code, 0, "{}", target.err);
    for said in ["120,000 USD", "ASSUMED", "The published bands differ", "201,600 USD", "not known"]
    {
        assert!(target.out.contains(said), "{said}: {}", target.out);
    }
    let support = run(&["service", "support", "shop"]);
    assert!(
        support.out.contains("nobody has said what kind of product it is, how much hangs"),
        "{}",
        support.out
    );
    let basis = [
        "--product",
        "digital_service",
        "--traffic",
        "critical",
        "--reviewed",
        "true",
        "--missed",
        "false",
        "--failures-a-year",
        "12",
        "--call-outs-a-year",
        "6",
        "--call-out-lasts",
        "1h",
    ];
    let choose = ["service", "choose", "shop", "--target", "99%", "--model", "developers"];
    let domain = ["--out-of-hours", "domain"];
    let chosen = run(&[&choose[..], &domain, &basis].concat());
    assert!(chosen.code != 0 && chosen.err.contains("say why by --reason"), "{}", chosen.err);
    let reason = ["--reason", "they know it best"];
    let chosen = run(&[&choose[..], &domain, &reason, &basis].concat());
    assert_eq!(chosen.code, 0, "{}", chosen.err);
    let support = run(&["service", "support", "shop"]);
    for said in [
        "The published rules differ",
        "anyone chose 99% by developers",
        "against what was asked for (they know it best)",
        "The rule of SRE teams said sre, and developers was chosen.",
    ] {
        assert!(support.out.contains(said), "{said}: {}", support.out);
    }
    let returned = ["service", "returned", "shop", "--cost", "5 USD", "--at"];
    assert_eq!(
        run(&[&returned[..], &["2020-01-01T00:00:00Z"]].concat()).code,
        0,
        "nothing is known"
    );
    assert_eq!(run(&[&returned[..], &["2999-01-01T00:00:00Z"]].concat()).code, 2);
    let recognition = run(&["service", "recognition"]);
    for said in ["payments", "chance may have done it", "not ranked"] {
        assert!(recognition.out.contains(said), "{said}: {}", recognition.out);
    }
    for command in [
        &["service", "target", "shop"][..],
        &["service", "support", "shop"],
        &["service", "recognition"],
        &["risk", "list"],
    ] {
        let form = |form: &str| run(&[command, &["-o", form]].concat()).out;
        assert!(form("html").starts_with("<!DOCTYPE html>"), "{command:?}");
        assert!(form("markdown").starts_with("# "), "{command:?}");
        assert!(serde_json::from_str::<Value>(&form("json")).unwrap().is_object(), "{command:?}");
    }
}
