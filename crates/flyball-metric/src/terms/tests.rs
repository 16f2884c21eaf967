use std::fmt::Write;

use super::*;

fn query(text: &str) -> MetricQuery {
    let spec = serde_json::json!({ "query": text }).to_string();
    MetricQuery { source_type: Some("Prometheus".to_owned()), source_ref: None, spec }
}

fn ratio(side: &str, total: &str, counter: bool) -> Result<Plan, MetricError> {
    let (side, total) = (query(side), query(total));
    Plan::compile(&MetricSli::Ratio { counter, side, side_is_bad: true, total }, None)
}

fn raw(text: &str) -> Result<Plan, MetricError> {
    Plan::compile(&MetricSli::Raw { failures: false, query: query(text) }, None)
}

fn threshold(text: &str) -> Result<Plan, MetricError> {
    let sli = MetricSli::Threshold { query: query(text) };
    Plan::compile(&sli, Some((Comparison::AtMost, 5.0)))
}

/// Terms as `+count name{label=value}`, those of the total after a slash.
fn shown(plan: &Plan) -> String {
    let selector = |selector: &Selector| {
        let mut text = selector.name.clone().unwrap_or_default();
        for m in &selector.matchers {
            let sign = if m.wanted { "=" } else { "!" };
            write!(text, "{{{}{sign}{}}}", m.label, m.value).unwrap();
        }
        text
    };
    let terms = |terms: &[Term]| {
        let shown: Vec<String> = terms
            .iter()
            .map(|term| {
                let what = match term.what {
                    What::Classic(bits) => format!("bucket {}", f64::from_bits(bits)),
                    What::Below(bits) => format!("below {}", f64::from_bits(bits)),
                    other => format!("{other:?}").to_lowercase(),
                };
                let sign = if term.sign > 0 { '+' } else { '-' };
                format!("{sign}{what} {}", selector(&term.selector))
            })
            .collect();
        shown.join(" ")
    };
    match &plan.kind {
        PlanKind::Counts { side, side_is_bad, total } => {
            let kind = if *side_is_bad { "bad" } else { "good" };
            format!("{kind} {} / {}", terms(side), terms(total))
        }
        PlanKind::Gauge { selector: of, reading, .. } => format!("{reading:?} {}", selector(of)),
    }
}

#[test]
fn sums_of_increases_become_terms() {
    // What Sloth's and OpenSLO's examples write, with the forms that are usual for latency.
    let cases = [
        (
            r#"sum(rate(http_total{job="a",code=~"(5..|429)"}[{{.window}}]))"#,
            r#"sum(rate(http_total{job="a"}[{{.window}}]))"#,
            "bad +value http_total{job=a}{code=(5..|429)} / +value http_total{job=a}",
        ),
        (
            r#"sum(rate(d_count[{{ .window }}])) - sum(rate(d_bucket{le="0.3", job='a'}[{{ .window }}]))"#,
            "sum(rate(d_count[{{.window}}]))",
            "bad +value d_count -bucket 0.3 d_bucket{job=a} / +value d_count",
        ),
        (
            "sum by (job) (increase(a[5m])) + (sum without(x) (increase(b[5m])) - sum(increase(c[5m])) by (y))",
            "increase(d[5m])",
            "bad +value a +value b -value c / +value d",
        ),
        (
            "a - (b - c)",
            r#"sum({__name__="d", x!="", y!~"z"})"#,
            "bad +value a -value b +value c / +value d{x!}{y!z}",
        ),
        (
            "sum(rate(e[5m])) OR on() vector(0)",
            "sum(rate(t[1h])) # windows of rates cancel out\n",
            "bad +value e / +value t",
        ),
        (
            "histogram_fraction(0, 0.2, sum(rate(h[5m]))) * histogram_count(sum(rate(h[5m])))",
            "histogram_count(sum(rate(h[5m])))",
            "bad +below 0.2 h -below 0 h / +count h",
        ),
        (
            r#"sum(rate(d_bucket{le="+Inf"}[5m]))"#,
            r#"sum(rate({"d.x", "le"="1"}[5m]))"#,
            "bad +value d_bucket{le=+Inf} / +value d.x{le=1}",
        ),
    ];
    for (side, total, expected) in cases {
        assert_eq!(shown(&ratio(side, total, true).unwrap()), expected, "{side}");
    }
}

#[test]
fn ready_ratios_become_their_two_sides() {
    let cases = [
        ("sum(rate(a[5m])) / sum(rate(b[5m]))", "good +value a / +value b"),
        ("1 - (sum(rate(a[5m])) / sum(rate(b[5m])))", "bad +value a / +value b"),
        ("1 - (1 - a / b)", "good +value a / +value b"),
        // What an import of Pyrra's `latencyNative` is.
        (
            r#"histogram_fraction(0, 0.2, sum(rate(h{code="ok"}[{{.window}}])))"#,
            "good +below 0.2 h{code=ok} -below 0 h{code=ok} / +count h{code=ok}",
        ),
        ("histogram_fraction(-Inf, 1, rate(h[5m]))", "good +below 1 h / +count h"),
        ("histogram_fraction(1, +Inf, rate(h[5m]))", "good +count h -below 1 h / +count h"),
    ];
    for (text, expected) in cases {
        assert_eq!(shown(&raw(text).unwrap()), expected, "{text}");
    }
}

#[test]
fn gauges_are_read_as_they_are_or_as_ages() {
    assert_eq!(shown(&threshold(r#"(up{job="a"})"#).unwrap()), "Value up{job=a}");
    assert_eq!(shown(&threshold("time() - last_success").unwrap()), "Age last_success");
    let sli = MetricSli::Threshold { query: query("up") };
    assert_eq!(Plan::compile(&sli, None), Err(MetricError::NoThreshold));
    let not_finite = Some((Comparison::Above, f64::NAN));
    assert_eq!(Plan::compile(&sli, not_finite), Err(MetricError::NoThreshold));
}

/// The part that is blamed, and whether only a metrics system could answer.
fn blamed(result: Result<Plan, MetricError>) -> (String, bool) {
    match result.unwrap_err() {
        MetricError::Query(error) => (error.query()[error.span()].to_owned(), error.needs_pull()),
        other => panic!("{other}"),
    }
}

#[test]
fn what_only_a_metrics_system_can_answer_is_refused_where_it_stands() {
    let cases = [
        ("histogram_quantile(0.9, a) + sum(b)", "histogram_quantile(0.9, a)"),
        ("sum(rate(a[5m] offset 1h))", "offset"),
        ("sum(rate(a[5m:1m]))", "[5m:1m]"),
        ("sum(rate(a[5m])) @ 5", "@"),
        ("avg(rate(a[5m]))", "avg(rate(a[5m]))"),
        ("sum(irate(a[5m]))", "irate(a[5m])"),
        ("sum(rate(a[5m])) * 60", "sum(rate(a[5m])) * 60"),
        ("sum(rate(a[5m])) > 5", "sum(rate(a[5m])) > 5"),
        ("a - on(job) b", "a - on(job) b"),
        ("sum(rate(a[5m])) - sum(increase(b[5m]))", "sum(rate(a[5m])) - sum(increase(b[5m]))"),
        ("sum_over_time((count(x < 0.75))[{{.window}}:]) OR on() vector(0)", "[{{.window}}:]"),
        ("5", "5"),
        ("a / 1h30m", "a / 1h30m"),
    ];
    for (text, part) in cases {
        assert_eq!(blamed(ratio(text, "b", true)), (part.to_owned(), true), "{text}");
    }
    assert_eq!(blamed(raw("a")), ("a".to_owned(), true));
    assert_eq!(blamed(raw("1 - a")), ("a".to_owned(), true));
    let error = ratio("sum(rate(a[5m])) + topk(3, b)", "b", true).unwrap_err();
    assert_eq!(
        error.to_string(),
        "this is no sum of increases of counters: `topk(3, b)`, at column 20; only the metrics \
         system can answer this query, and what it answers are no counts; hint: write both sides as \
         sums of rates or increases, or have each answer judged, by a threshold metric or a ready \
         ratio under `budgetingMethod: Timeslices`"
    );
}

#[test]
fn what_only_a_metrics_system_can_answer_is_judged_by_its_answers() {
    let text = "histogram_quantile(0.99, sum by (le) (rate(a_bucket[5m])))";
    let points = threshold(text).unwrap().points().unwrap();
    assert_eq!(points.query, text);
    assert_eq!(threshold("sum(up)").unwrap().points().unwrap().query, "sum(up)");
    assert_eq!(threshold("up").unwrap().points(), None);
    let asked = threshold("up offset 1h").unwrap();
    assert_eq!(asked.selectors(), [format!("{{__name__=\"{}\",}}", asked.points().unwrap().name)]);
    assert_ne!(points.name, asked.points().unwrap().name);
    // Nobody can be asked for a template, nor for what has no single answer.
    for (text, part) in [("avg(rate(a[{{.window}}]))", "[{{.window}}]"), ("a[5m]", "a[5m]")] {
        assert_eq!(blamed(threshold(text)), (part.to_owned(), false), "{text}");
    }
}

#[test]
fn a_ratio_without_counts_is_held_against_the_share_of_good() {
    let share = Rational::new(9, 10).unwrap();
    let judges = |failures| match Plan::of_ratio(&query("max(a)"), failures, share).unwrap().kind {
        PlanKind::Gauge { comparison, threshold, .. } => (comparison, threshold),
        PlanKind::Counts { .. } => panic!("nothing is counted"),
    };
    assert_eq!(judges(false), (Comparison::AtLeast, 0.9));
    assert_eq!(judges(true), (Comparison::AtMost, 0.1));
}

#[test]
fn mistakes_in_the_text_are_told_apart() {
    let cases = [
        ("", ""),
        ("sum(", ""),
        ("sum(rate(a[5m])", ""),
        ("a b", "b"),
        ("a{job=b}", "b"),
        ("a{job=\"b}", "\"b}"),
        ("a{job=~\"(\"}", "\"(\""),
        ("a[5m", "["),
        ("a[]", "[]"),
        ("{}", "{}"),
        ("{job=~\".*\"}", "{job=~\".*\"}"),
        ("a{__name__=\"b\"}", "__name__"),
        ("a $ b", "$"),
        ("rate(a)", "rate(a)"),
        ("5x + a", "5x"),
        ("a{x=\"\\y\"}", "\\y"),
    ];
    for (text, part) in cases {
        assert_eq!(blamed(ratio(text, "b", true)), (part.to_owned(), false), "{text}");
    }
    let deep = format!("{}a{}", "(".repeat(1_000), ")".repeat(1_000));
    assert!(!blamed(ratio(&deep, "b", true)).1);
    let long = format!("a{}", " + a".repeat(1_000));
    assert!(ratio(&long, "b", true).is_err());
}

#[test]
fn both_sides_count_alike() {
    assert!(matches!(
        ratio("rate(a[5m])", "increase(b[5m])", true),
        Err(MetricError::Unlike { .. })
    ));
    assert!(matches!(
        ratio("increase(a[5m])", "increase(b[1h])", true),
        Err(MetricError::Unlike { .. })
    ));
    assert!(ratio("rate(a[5m])", "rate(b[1h])", false).is_ok());
    assert_eq!(blamed(ratio("a", "b", false)), ("a".to_owned(), false));
}

#[test]
fn other_sources_are_not_read() {
    let mut sli = MetricSli::Threshold { query: query("up") };
    let MetricSli::Threshold { query } = &mut sli else { unreachable!() };
    query.source_type = Some("Datadog".to_owned());
    assert!(matches!(Plan::compile(&sli, None), Err(MetricError::Source { .. })));
    let MetricSli::Threshold { query } = &mut sli else { unreachable!() };
    (query.source_type, query.spec) = (None, "{}".to_owned());
    assert_eq!(Plan::compile(&sli, None), Err(MetricError::NoQuery));
}

#[test]
fn texts_in_quotes_have_go_escapes() {
    let plan = threshold(r#"a{b="x\"\\\n\x41\u00e9\101",c='\'',d=`\d`}"#).unwrap();
    assert_eq!(shown(&plan), "Value a{b=x\"\\\nAéA}{c='}{d=\\d}");
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_refused_in_its_bounds(text in "[a-c(){}\\[\\]=~!\"'\\\\ ,+\\-*/^#@é0-9.:{}|$%<>]{0,40}") {
        if let Err(error) = parse(&text) {
            proptest::prop_assert!(text.get(error.span()).is_some(), "{error:?}");
            proptest::prop_assert!(!error.to_string().is_empty());
        }
    }
}

#[test]
fn selectors_ask_for_just_the_series_that_are_meant() {
    let side = r#"sum(rate(c{a!="y",b=~"5..",d!~"q|r",e="\"\\\n"}[5m]))"#;
    let plan = ratio(side, "sum(rate(c[5m])) - sum(rate(c[5m]))", false).unwrap();
    let asked = [r#"{__name__="c",a!="y",b=~"5..",d!~"q|r",e="\"\\\n",}"#, r#"{__name__="c",}"#];
    assert_eq!(plan.selectors(), asked);
    // What is asked for means the same series again.
    let again = ratio(&format!("rate({}[5m])", asked[0]), "rate(c[5m])", false).unwrap();
    assert_eq!(again.selectors(), asked);
}
