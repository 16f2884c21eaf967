//! Mistakes of first documents: each is shown where it is, all at once, with what to do.

use flyball_model::{GoodOrBad, Indicator};
use flyball_spec::{Diagnostic, Source, render};

use crate::extensions::{CHECKOUT, CORRECTION, faults, loaded};

#[test]
fn a_wrong_rule_is_shown_under_its_value() {
    for rule in ["RRULE:FREQ=DAILY;BYHOUR=25", "\"freq=daily;byhour=25\""] {
        let correction = CORRECTION.replace("RRULE:FREQ=WEEKLY;BYDAY=SU", rule);
        let text = format!("{CHECKOUT}---\n{correction}");
        let found = faults(&text);
        let [fault] = found.as_slice() else { panic!("{}", render(&found)) };
        let line = text.lines().nth(fault.line - 1).unwrap();
        let under = &line[fault.column - 1..][..fault.length];
        assert_eq!(under, "25", "{fault}");
        assert!(fault.message.contains("BYHOUR"), "{fault}");
    }
}

#[test]
fn a_correction_names_the_slo_it_begins() {
    let long = CHECKOUT.replace("name: checkout\n", "name: checkout-availability\n");
    let found = faults(&format!("{long}---\n{}", CORRECTION.replace("[checkout]", "[chec]")));
    assert!(
        found.iter().any(|f| f.hint.as_deref() == Some("did you mean `checkout-availability`?")),
        "{}",
        render(&found)
    );
}

#[test]
fn a_length_without_a_unit_is_told_to_have_one() {
    for length in ["28", "\"28\""] {
        let found = faults(&CHECKOUT.replace("28d", length));
        let [fault] = found.as_slice() else { panic!("{}", render(&found)) };
        assert_eq!(fault.message, "`28` is not a length of time");
        let hint = fault.hint.as_deref().unwrap();
        assert!(hint.starts_with("add a unit") && hint.contains("28d is in days"), "{hint}");
    }
}

/// One document with a fault in each of its layers.
#[test]
fn faults_of_annotations_and_conditions_come_with_the_others() {
    let faulty = CHECKOUT
        .replace("no-data", "no-dta")
        .replace("28d", "28x")
        .replace("where: http", "were: http")
        .replace("sliceLimit: 7", "sliceLimit: 0")
        .replacen("name: checkout", "name: Checkout", 1);
    let found = faults(&faulty);
    for message in [
        "not an annotation of ours",
        "not a length of time",
        "`where` is missing",
        "a number of slices",
        "is not a name",
    ] {
        let count = found.iter().filter(|fault| fault.message.contains(message)).count();
        assert_eq!(count, 1, "{message}: {}", render(&found));
    }
}

#[test]
fn true_needs_no_quotes_as_a_condition() {
    for (word, taken) in [("TRUE", "TRUE"), ("false", "false"), ("\"TRUE\"", "TRUE")] {
        let set = loaded(&CHECKOUT.replace("http.response.status_code < 500", word));
        let Some(Indicator::Events(sli)) = &set.slos[0].indicator else { panic!("{word}") };
        assert_eq!(sli.side, GoodOrBad::Good(taken.to_owned()));
    }
    // What only YAML 1.1 takes for a boolean stays an error.
    assert!(faults(&CHECKOUT.replace("http.response.status_code < 500", "yes"))[0].is_error());
}

#[test]
fn what_lost_its_indentation_is_asked_about() {
    let text = "apiVersion: openslo/v1\nkind: SLO\nmetadata: {name: a}\nspec:\n\
        service: shop\nbudgetingMethod: Occurrences\n";
    let found = faults(text);
    let asked = |f: &&Diagnostic| f.hint.as_deref() == Some("is it meant below `spec`? indent it");
    assert_eq!(found.iter().filter(asked).count(), 2, "{}", render(&found));
}

#[test]
fn carets_cover_a_whole_list() {
    let found = faults(&CHECKOUT.replace("target: 0.999", "target: [0.9, 1]"));
    let [fault] = found.as_slice() else { panic!("{}", render(&found)) };
    assert_eq!(fault.length, "[0.9, 1]".len());
}

#[test]
fn too_many_digits_are_said_to_be_that() {
    let found = faults(&CHECKOUT.replace("target: 0.999", "target: 0.9999999999999"));
    assert!(found[0].message.contains("more digits than are kept"), "{}", render(&found));
    assert!(found[0].hint.as_deref().unwrap().contains("twelve"), "{}", render(&found));
}

#[test]
fn every_syntax_error_has_a_hint() {
    for text in [
        "a: b: c\n",
        "a:\n\tb: c\n",
        "a:\n  b: \"x\n",
        "a: [1, 2\nb: 3\n",
        "a: 1\n b: 2\n",
        "a: @x\n",
        "a: *x\n",
        "a: {b: c\nd: e}\n",
    ] {
        let found = faults(text);
        assert!(found.iter().all(|f| f.hint.as_deref().is_some_and(|h| !h.is_empty())), "{text}");
        let formatted = flyball_spec::format(&Source::new("a.yaml", text)).unwrap_err();
        assert!(!formatted[0].to_string().ends_with("hint: "), "{}", formatted[0]);
    }
}

/// A register that is applied from another file is told of as that, and how it is taken away.
#[test]
fn a_name_in_two_files_says_which_file_to_take_away() {
    let risk = "apiVersion: flyball.dev/v1\nkind: Risk\nmetadata: {name: disk-full}\nspec: {}\n";
    let (set, found) =
        flyball_spec::load(&[Source::new("old.yaml", risk), Source::new("risks.yaml", risk)]);
    assert_eq!(set.governing.len(), 1);
    let warned = found.iter().find(|of| of.message.contains("disk-full")).unwrap();
    assert_eq!(warned.message, "old.yaml has a Risk `disk-full` already; that one counts");
    assert!(warned.hint.as_ref().unwrap().contains("--remove old.yaml"), "{warned:?}");
    let (_, found) = flyball_spec::load(&[Source::new("risks.yaml", format!("{risk}---\n{risk}"))]);
    let warned = found.iter().find(|of| of.message.contains("comes before")).unwrap();
    assert_eq!(warned.hint.as_deref(), Some("give each its own name"));
}
