use super::*;

/// The first fault of a script.
fn refused(script: &str) -> Problem {
    parse(script).unwrap_err().remove(0)
}

#[test]
fn runs_are_exact_counts() {
    let script = "series a every 1m from 2026-01-01T00:00:00Z:\n  99/100x60 _x5 0/1_000 _\nexpect status a met";
    let parsed = parse(script).unwrap();
    let Step::Series(series) = &parsed.tests[0].steps[0] else { panic!() };
    assert_eq!(
        series.runs,
        [
            Run { tally: Tally::new(100, 99), count: 60 },
            Run { tally: None, count: 5 },
            Run { tally: Tally::new(1000, 0), count: 1 },
            Run { tally: None, count: 1 },
        ]
    );
}

#[test]
fn mistakes_are_shown_where_they_are() {
    let series = "series a every 1m from 2026-01-01T00:00:00Z: ";
    for (script, column, message, hint) in [
        ("sereis a", 1, "no statement", "did you mean `series`?"),
        ("expect bugdet a: x=1", 8, "cannot be expected", "did you mean `budget`?"),
        ("expect budget a", 16, "is missing here", ""),
        ("expect budget a: valid 1", 24, "one of = ~", ""),
        ("expect burn a 1x > 2", 15, "not a length of time", ""),
        ("expect status a met because", 28, "a reason is missing", ""),
        ("at 2026-01-01", 4, "not an instant", ""),
        ("advance soon", 9, "not a length of time", ""),
        ("at 2026-01-01T00:00:00Z now", 25, "more than this statement", ""),
        ("slo checkout.yaml", 5, "a path in quotes", ""),
        (
            "series a every 1m from 2026-01-01T00:00:30Z: 1/1",
            24,
            "not the start of a slot",
            "2026-01-01T00:00:00Z",
        ),
        ("test \"a\"\nat 2026-01-01T00:00:00Z", 6, "cannot fail", "expect status"),
        ("test a\nexpect status a met\ntest a\nexpect status a met", 6, "two tests", ""),
        ("series a every 1m from 2026-01-01T00:00:00Z: 1/1 x 5", 50, "no slot", "gap: 1/1x5"),
        ("series a every 1m from 2026-01-01T00:00:00Z: 1/1 x5 2/2", 50, "no slot", "gap: 1/1x5"),
        ("expect status a met\ntest b\nexpect status a met", 1, "belongs to no test", ""),
    ] {
        let problem = refused(script);
        assert!(problem.message.contains(message), "{script}: {}", problem.message);
        assert!(problem.hint.as_deref().unwrap_or("").contains(hint), "{script}: {problem:?}");
        assert_eq!(problem.place.column, column, "{script}: {}", problem.message);
        assert!(!problem.is_failure);
    }
    for slot in [
        "100/99",
        "1",
        "1/",
        "/1",
        "1/1x",
        "1/1x-1",
        "gap",
        "1.5/2",
        "1/1x5_000_001",
        "1/999_999_999_999_999_999",
        "1/1_000_000_000_000x1_000_000",
    ] {
        let problem = refused(&format!("{series}{slot}\nexpect status a met"));
        assert_eq!(problem.place.column, series.len() + 1, "{slot}");
    }
}

#[test]
fn what_comes_before_the_first_test_is_shared() {
    let parsed =
        parse("slo \"a.yaml\"\ntest one\nexpect status a met\ntest two\nexpect status a met")
            .unwrap();
    assert_eq!((parsed.shared.len(), parsed.tests.len()), (1, 2));
}

#[test]
fn damaged_scripts_are_refused_and_never_panic() {
    let script = include_str!("../../../../../examples/checkout.slotest");
    assert!(parse(script).is_ok());
    let ends = script.char_indices().map(|(at, _)| at);
    let refused = ends.filter(|end| parse(&script[..*end]).is_err()).count();
    assert!(refused > 0, "a script cut off anywhere was taken for whole");
    for strange in ["\"", "<<", ":", "=", "\n ", "é", "\u{0}", "x", "99999999999999999999999"] {
        for (at, _) in script.char_indices() {
            let damaged = format!("{}{strange}{}", &script[..at], &script[at..]);
            for problem in parse(&damaged).err().into_iter().flatten() {
                let shown = problem.render("a.slotest", &damaged);
                assert!(shown.contains("a.slotest:"), "{shown}");
            }
        }
    }
}

#[test]
fn all_faults_of_a_script_come_at_once() {
    let script = "slo shop.yaml\nseries a every 1m from now: 1/1\n\"open\n\
        test one\nexpect bugdet a: x=1\nat 2026-01-01T00:00:00Z\nadvance soon\n";
    let faults = parse(script).unwrap_err();
    let found: Vec<(usize, usize)> =
        faults.iter().map(|fault| (fault.place.line, fault.place.column)).collect();
    assert_eq!(found, [(1, 5), (2, 24), (3, 1), (5, 8), (7, 9)]);
    // What is missing from the whole comes together as well.
    let faults = parse("expect status a met\ntest b\ntest c\n").unwrap_err();
    assert_eq!(faults.len(), 3, "{faults:?}");
    assert_eq!(parse(&"x\n".repeat(1_000)).unwrap_err().len(), FAULTS_MAX);
}
