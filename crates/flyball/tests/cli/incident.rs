//! Incidents, what is learnt from them and what hurts, by the command line, against a real server.

use tempfile::TempDir;

use crate::process::serve;
use crate::run::{Ran, flyball, slo};

const DOCUMENTS: &str = "apiVersion: flyball.dev/v1
kind: Service
metadata: {name: shop}
spec: {journeys: [pay], team: payments}
---
apiVersion: flyball.dev/v1
kind: Runbook
metadata: {name: payments-down}
spec:
  description: Payments fail.
  steps: [Look at the bank.]
  rollback: [{when: budget.exhausted, then: Roll back., who: on_call}]
";

/// A test of an SLO that passes, or with another expectation fails.
fn script(status: &str) -> String {
    format!(
        "slo \"slo.yaml\"\n\ntest \"holds\"\nseries served every 1m from 2026-01-01T00:00:00Z: 10/10x60\n\
         expect budget served: status={status}\n"
    )
}

fn at_server(at: &std::path::Path, url: &str, args: &[&str]) -> Ran {
    flyball(at, &[args, &["--server", url]].concat())
}

#[test]
fn an_incident_goes_from_its_first_word_to_what_was_learnt() {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    std::fs::write(at.join("shop.yaml"), DOCUMENTS).unwrap();
    std::fs::write(at.join("slo.yaml"), slo("served", "status >= 100", "status < 500")).unwrap();
    let (_server, url) = serve(at, "127.0.0.1:0", &[]);
    let run = |args: &[&str]| at_server(at, &url, args);
    let done = |args: &[&str]| {
        let ran = run(args);
        assert_eq!(ran.code, 0, "{args:?}: {}{}", ran.out, ran.err);
        ran
    };
    done(&["apply", "--yes", "-f", "shop.yaml", "-f", "slo.yaml"]);
    let exported = done(&["get", "definitions", "shop.yaml"]);
    assert!(exported.out.contains("kind: Runbook"), "{}", exported.out);

    let opened = done(&["incident", "open", "shop", "nobody can pay", "--id", "INC-1"]);
    assert_eq!(opened.out, "INC-1\n");
    done(&["incident", "set", "INC-1", "--acknowledged", "now", "--runbook", "payments-down"]);
    done(&["incident", "note", "INC-1", "the pool is empty"]);
    done(&["incident", "role", "INC-1", "commander", "Ada"]);
    let late = run(&["incident", "set", "INC-1", "--started", "2030-01-01T00:00:00Z"]);
    assert_eq!(late.code, 2);
    assert!(late.err.contains("has not come"), "{}", late.err);
    let unknown = run(&["incident", "show", "INC-2"]);
    assert!(unknown.err.contains("there is no incident `INC-2`"), "{}", unknown.err);
    assert!(unknown.err.contains("did you mean `INC-1`?"), "{}", unknown.err);
    let unknown = run(&["incident", "show", "zebra"]);
    assert!(unknown.err.contains("`flyball incident list` lists them"), "{}", unknown.err);
    let shown = done(&["incident", "show", "INC-1"]);
    for said in ["acknowledged", "nobody can pay", "Ada", "the pool is empty", "pay is hit through"]
    {
        assert!(shown.out.contains(said), "{said}: {}", shown.out);
    }
    let books = done(&["incident", "runbooks", "INC-1"]);
    assert!(books.out.contains("budget.exhausted"), "{}", books.out);
    let listed = done(&["incident", "list", "--open"]);
    assert!(listed.out.contains("INC-1"), "{}", listed.out);
    done(&["incident", "close", "INC-1"]);
    assert!(!done(&["incident", "list", "--open"]).out.contains("INC-1"));
    let twice = run(&["incident", "close", "INC-1"]);
    assert_eq!(twice.code, 2, "its end stays");
    assert!(
        twice.err.contains("is over since") && twice.err.contains("--resolved"),
        "{}",
        twice.err
    );

    let write = ["incident", "post-mortem", "write", "INC-1"];
    let begun = done(&write);
    assert!(begun.err.contains("nothing is said under"), "{}", begun.err);
    done(&[&write[..], &["--root-causes", "the pool had no bound"]].concat());
    let add =
        ["incident", "action", "add", "INC-1", "bound it", "--owner", "payments", "--priority"];
    let tested = [&add[..], &["P0", "--due", "2026-12-01", "--slotest"]].concat();
    std::fs::write(at.join("bad.slotest"), "expect nonsense").unwrap();
    std::fs::write(at.join("good.slotest"), script("met")).unwrap();
    for (wrong, said) in [
        (&["bad.slotest"][..], "bad.slotest:1:"),
        (&["pool.yaml"], "is no file of tests"),
        (&["good.slotest", "--test", "hold"], "did you mean `holds`?"),
    ] {
        let refused = run(&[&tested[..], wrong].concat());
        assert!(refused.code == 2 && refused.err.contains(said), "{said}: {}", refused.err);
    }
    let yet = done(&[&tested[..], &["pool.slotest"]].concat());
    assert!(yet.err.contains("there is no `pool.slotest` here yet"), "{}", yet.err);
    assert_eq!(run(&["incident", "post-mortem", "submit", "INC-1"]).code, 2, "it is not complete");
    let page = done(&["incident", "post-mortem", "show", "INC-1", "-o", "markdown"]);
    for said in
        ["# Post-mortem of INC-1", "## Root causes", "the pool had no bound", "pool.slotest passes"]
    {
        assert!(page.out.contains(said), "{said}: {}", page.out);
    }
    assert!(!page.out.contains("Ada"), "{}", page.out);
    let json = done(&["incident", "post-mortem", "show", "INC-1", "-o", "json"]).json();
    assert_eq!(json["actions"][0]["priority"], "P0");
    for (status, code, state) in [("missed", 1, "open"), ("met", 0, "done")] {
        std::fs::write(at.join("pool.slotest"), script(status)).unwrap();
        let tested = run(&["slo", "test", "pool.slotest", "--tell", "1.4.0"]);
        assert_eq!(tested.code, code, "{}{}", tested.out, tested.err);
        let said = format!("action item 1 of INC-1 is {state}");
        assert!(tested.err.contains(&said), "{}", tested.err);
    }
    let items = done(&["incident", "action", "list", "--service", "shop"]);
    assert!(items.out.contains("done: 1.4.0"), "{}", items.out);
    let measured = done(&["incident", "measures", "--team", "payments", "--since", "1d"]);
    assert!(measured.out.contains("1 incident, 0 false alarms"), "{}", measured.out);
    let unknown = run(&["incident", "false-alarm", "INC-1", "foo", "x"]);
    assert!(unknown.code == 2 && unknown.err.contains("too_sensitive"), "{}", unknown.err);
    done(&["incident", "false-alarm", "INC-1", "report", "it was a question"]);
    let measured = done(&["incident", "measures", "shop", "--since", "1d", "-o", "json"]).json();
    assert_eq!(measured["measures"]["false_alarms"]["report"], 1);

    let note = ["friction", "note", "63 clicks", "--id", "clicks", "--stage", "deploy"];
    done(&[&note[..], &["--minutes", "25"]].concat());
    done(&["friction", "met", "clicks", "--minutes", "20"]);
    let hurts = done(&["friction", "list"]);
    assert!(hurts.out.contains("45"), "{}", hurts.out);
    done(&["friction", "require", "clicks", "--team", "platform", "one command"]);
    done(&["friction", "mend", "clicks", "by itself"]);
    assert!(!done(&["friction", "list"]).out.contains("63 clicks"));
}
