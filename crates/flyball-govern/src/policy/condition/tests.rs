//! Conditions as they are written, and as they are wrong.

use proptest::prelude::*;

use super::*;

fn values(pairs: &[(Name, Value)]) -> Values {
    let mut values = Values::unknown(pairs.iter().map(|(name, _)| *name));
    for (name, value) in pairs {
        values.set(*name, Some(value.clone()));
    }
    values
}

fn number(text: &str) -> Value {
    Value::Number(Number::of(flyball_model::Rational::parse(text).unwrap()))
}

#[test]
fn conditions_hold_or_do_not() {
    let known = values(&[
        (Name::BudgetExhausted, Value::Bool(false)),
        (Name::BudgetRemaining, number("0.1")),
        (Name::CalendarWeekday, Value::Text("friday".into())),
        (Name::CalendarHour, number("16")),
        (Name::ForecastIn, Value::Length(Duration::from_hours(5))),
        (Name::ForecastExhausts, Value::Bool(true)),
    ]);
    for (text, expected) in [
        ("true", Some(true)),
        ("budget.exhausted", Some(false)),
        ("!budget.exhausted && budget.remaining_share < 0.25", Some(true)),
        ("budget.remaining_share < 0.1", Some(false)),
        ("budget.remaining_share <= 0.1", Some(true)),
        ("budget.remaining_share > -0.5", Some(true)),
        ("0.1 == budget.remaining_share", Some(true)),
        ("calendar.weekday in ['friday', \"saturday\"] && calendar.hour >= 15", Some(true)),
        ("calendar.hour != 16u", Some(false)),
        ("forecast.exhausts && forecast.exhausts_in < duration('6h')", Some(true)),
        ("forecast.exhausts == false", Some(false)),
        ("burn.last_1h > 14.4", None),
        ("budget.exhausted && burn.last_1h > 14.4", Some(false)),
        ("burn.last_1h > 14.4 || forecast.exhausts", Some(true)),
        ("!(burn.last_1h > 14.4)", None),
        ("custody.holder in ['sre']", None),
    ] {
        let condition = Condition::compile(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(condition.holds(&known), expected, "{text}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (text, place, said) in [
        ("", (1, 1), "empty"),
        ("budget.exhausted &&", (1, 20), "not CEL"),
        ("budget.exausted", (1, 1), "there are budget.exhausted"),
        ("true &&\n  bugdet.exhausted", (2, 3), "variables begin with"),
        ("calendar.weekday == 'fryday'", (1, 21), "never `fryday`"),
        ("'ä' == 'ö' && nothing", (1, 15), "no variable `nothing`"),
        ("'ä' == 'ö' &&", (1, 14), "not CEL"),
        ("calendar.hour", (1, 1), "compare it"),
        ("calendar.hour > 'noon'", (1, 17), "a number is compared with a text"),
        ("calendar.weekday < 'friday'", (1, 1), "not more or less"),
        ("calendar.hour + 1 > 3", (1, 15), "`+` is not accepted"),
        ("[1, 2].exists(x, x > 1)", (1, 14), "not true or false"),
        ("has(budget.exhausted)", (1, 5), "write a variable"),
        ("calendar.weekday.startsWith('f')", (1, 28), "`startsWith` is not accepted"),
        ("budget.remaining_share < null", (1, 26), "not null"),
        ("budget.remaining_share < 0.00000000000001", (1, 26), "twelve"),
        ("forecast.exhausts_in < duration('1h30m')", (1, 32), "not a length of time"),
        ("calendar.weekday in change.class", (1, 21), "list of literals"),
        ("1", (1, 1), "not true or false"),
    ] {
        let error = Condition::compile(text).expect_err(text);
        assert!(error.message.contains(said), "{text}: {error}");
        assert_eq!((error.line, error.column), place, "{text}: {error}");
    }
}

#[test]
fn hostile_conditions_are_refused() {
    assert!(Condition::compile(&"(".repeat(2_000)).is_err());
    assert!(Condition::compile(&"1<".repeat(2_000)).is_err());
    assert!(Condition::compile(&format!("{}1", "1<".repeat(2_000))).is_err());
    assert!(Condition::compile(&format!("a{}", ".a".repeat(2_000))).is_err());
    assert!(Condition::compile(&" ".repeat(CONDITION_BYTES_MAX + 1)).is_err());
    assert!(Condition::compile(&format!("{}true{}", "(".repeat(40), ")".repeat(40))).is_err());
}

#[test]
fn every_variable_is_documented_once() {
    let mut names: Vec<_> = VARIABLES.iter().map(|variable| variable.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), VARIABLES.len());
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/policy.md");
    let page = std::fs::read_to_string(page).unwrap();
    for variable in VARIABLES {
        let row = format!("| `{}` | {} | {} |", variable.name, variable.kind, variable.meaning);
        assert!(page.contains(&row), "docs/policy.md has no row\n{row}");
    }
}

/// Conditions over three variables, of which any may be unknown.
fn any_condition() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("budget.exhausted".to_owned()),
        Just("forecast.exhausts".to_owned()),
        Just("alerts.paging > 0".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
    ];
    leaf.prop_recursive(4, 24, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            inner.prop_map(|a| format!("!({a})")),
        ]
    })
}

proptest! {
    /// What is decided with something unknown stays so whatever that turns out to be.
    #[test]
    fn an_answer_never_changes_when_more_is_known(
        text in any_condition(),
        known in proptest::array::uniform3(proptest::option::of(any::<bool>())),
        rest in proptest::array::uniform3(any::<bool>()),
    ) {
        let condition = Condition::compile(&text).unwrap();
        let fill = |bits: [Option<bool>; 3]| {
            let names = [Name::BudgetExhausted, Name::ForecastExhausts, Name::AlertsPaging];
            let mut values = Values::unknown(names);
            values.set(Name::BudgetExhausted, bits[0].map(Value::Bool));
            values.set(Name::ForecastExhausts, bits[1].map(Value::Bool));
            let paging = bits[2].map(|paging| Value::Number(Number::count(u64::from(paging))));
            values.set(Name::AlertsPaging, paging);
            values
        };
        let partly = condition.holds(&fill(known));
        let full = [0, 1, 2].map(|i| Some(known[i].unwrap_or(rest[i])));
        let fully = condition.holds(&fill(full));
        prop_assert!(fully.is_some());
        prop_assert!(partly.is_none() || partly == fully);
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,80}") {
        let _ = Condition::compile(&text);
    }
}
