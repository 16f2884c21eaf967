//! On call by the command line: what is printed, and exit codes that a pipeline goes by.

use tempfile::TempDir;

use crate::process::serve;
use crate::run::flyball;

const ROTA: &str = "apiVersion: flyball.dev/v1
kind: Rota
metadata: {name: payments}
spec:
  members:
  - {name: ada, side: developers}
  - {name: bo, side: developers}
  layers:
  - {name: first, members: [ada, bo], rotation: {unit: day, start: 2026-01-05T09:00}}
---
apiVersion: flyball.dev/v1
kind: Service
metadata: {name: shop}
spec: {onCall: payments}
";

#[test]
fn who_is_on_call_what_is_not_covered_and_who_takes_over() {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    std::fs::write(at.join("rota.yaml"), ROTA).unwrap();
    let (_server, url) = serve(at, "127.0.0.1:0", &[]);
    let run = |args: &[&str]| flyball(at, &[args, &["--server", &url]].concat());
    let applied = run(&["apply", "--yes", "-f", "rota.yaml"]);
    assert_eq!(applied.code, 0, "{}", applied.err);
    // What is exported is what was applied.
    let exported = run(&["get", "definitions", "rota.yaml"]);
    assert_eq!(exported.out, ROTA);
    std::fs::write(at.join("rota.yaml"), exported.out).unwrap();
    let again = run(&["apply", "--dry-run", "-f", "rota.yaml"]);
    assert!(again.code == 0 && !again.out.contains("rota.yaml"), "{}{}", again.out, again.err);

    let who = run(&["oncall", "who", "shop"]);
    assert!(who.code == 0 && who.out.contains("by payments"), "{}{}", who.out, who.err);
    let unknown = run(&["oncall", "who", "bank"]);
    assert!(unknown.code == 2 && unknown.err.contains("hint: name a rota"), "{}", unknown.err);
    let misspelt = run(&["oncall", "gaps", "payment"]);
    assert!(misspelt.err.contains("did you mean `payments`?"), "{}", misspelt.err);
    // Somebody is there at all times, and no target reaches them.
    let gaps = run(&["oncall", "gaps", "payments"]);
    assert_eq!(gaps.code, 1, "{}", gaps.out);
    assert!(gaps.out.contains("no page reaches ada, bo, who have no target"), "{}", gaps.out);
    assert_eq!(
        run(&["oncall", "who", "shop", "--severity", "ticket"]).code,
        1,
        "nobody looks at those"
    );

    let refused =
        run(&["oncall", "override", "payments", "--add", "zoe", "--until", "8h", "--why", "ill"]);
    assert!(refused.code == 2 && refused.err.contains("no member `zoe`"), "{}", refused.err);
    // Of two days each of them has one, and nobody else has any.
    for (who, code) in [("ada", 0), ("bo", 0), ("zoe", 2)] {
        let args = [
            "oncall", "override", "payments", "--remove", who, "--until", "2d", "--why", "both ill",
        ];
        let made = run(&args);
        let said = if code == 0 { "made" } else { "`zoe` has no shift" };
        assert!(made.code == code && made.err.contains(said), "{}", made.err);
        assert_eq!(
            made.out.starts_with("payments:"),
            code == 0,
            "its id, for scripts: {}",
            made.out
        );
    }
    assert_eq!(run(&["oncall", "who", "shop"]).code, 1, "nobody is there");
    let gaps = run(&["oncall", "gaps", "payments"]);
    assert!(gaps.code == 1 && gaps.out.contains("first: removed payments:"), "{}", gaps.out);
    let listed = run(&["oncall", "exceptions", "payments", "-o", "json"]).json();
    for one in listed["exceptions"].as_array().unwrap() {
        let id = one["id"].as_str().unwrap();
        assert_eq!(run(&["oncall", "remove", "payments", id, "--why", "well again"]).code, 0);
    }
    assert_eq!(run(&["oncall", "who", "shop"]).code, 0);
    assert!(run(&["oncall", "exceptions", "payments"]).out.contains("removed"));
    let shown = run(&["oncall", "show", "payments"]).out;
    assert!(shown.contains("FROM, UTC") && shown.contains("first"), "{shown}");
    let december = ["--from", "2098-12-01T08:00:00Z", "--to", "2098-12-02T08:00:00Z"];
    let berlin = ["oncall", "show", "payments", "--zone", "Europe/Berlin"];
    let shown = run(&[&berlin[..], &december].concat()).out;
    for said in ["FROM, EUROPE/BERLIN", "Mon 2098-12-01 09:00 +01:00"] {
        assert!(shown.contains(said), "{said}: {shown}");
    }
    let refused = run(&["oncall", "show", "payments", "--zone", "Berlin"]);
    assert!(refused.code == 2 && refused.err.contains("is no time zone"), "{}", refused.err);
    let far = run(&["oncall", "gaps", "payments", "--to", "2099-01-01T00:00:00Z"]);
    assert!(far.code == 2 && far.err.contains("at most 400d are looked at"), "{}", far.err);
    assert!(run(&["oncall", "rotas"]).out.contains("ada, bo"));
    assert!(run(&["oncall", "calendar", "payments"]).out.starts_with("BEGIN:VCALENDAR"));
    assert!(run(&["oncall", "calendar", "--person", "ada"]).out.contains("ada: on call"));
    let load = run(&["oncall", "load", "payments"]).out;
    assert!(load.contains("0 calls, hand-offs: none"), "{load}");
    assert!(load.contains("developers: 0 events, no work that is known of"), "{load}");
    assert!(run(&["oncall", "pay", "payments", "--csv"]).out.starts_with("who,from,to"));
    let pay = run(&["oncall", "pay", "payments", "--to", "2099-01-01", "--from", "2098-12-01"]).out;
    for said in ["not said", "hours of 2098-12-01 00:00:00Z", "what lies after it is to come"] {
        assert!(pay.contains(said), "{said}: {pay}");
    }
    assert_eq!(run(&["oncall", "calls"]).code, 0);
    assert_eq!(run(&["alert", "pass-on", "7", "--why", "x"]).code, 2);
    let card = run(&["service", "show", "shop"]);
    assert!(card.out.contains("A page calls") && card.out.contains("(payments)"), "{}", card.out);
}

#[test]
fn holidays_of_a_calendar_are_what_a_rota_lists() {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    let calendar = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20260101T000000Z\r\n\
                    DTSTART;VALUE=DATE:20261225\r\nSUMMARY:Christmas\r\nRRULE:FREQ=YEARLY\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    std::fs::write(at.join("berlin.ics"), calendar).unwrap();
    let args =
        ["oncall", "holidays", "berlin.ics", "--name", "berlin", "--from", "2026", "--to", "2027"];
    let read = flyball(at, &args);
    let listed = "- name: \"berlin\"\n  days:\n  - {date: 2026-12-25, name: \"Christmas\"}\n  - {date: 2027-12-25, name: \"Christmas\"}\n";
    assert_eq!((read.code, read.out.as_str()), (0, listed), "{}", read.err);
    let none = flyball(
        at,
        &["oncall", "holidays", "nothing.ics", "--name", "x", "--from", "2026", "--to", "2026"],
    );
    assert_eq!(none.code, 2, "{}", none.err);
}
