//! CSV: what is written is read again, what is wrong has a place.

use super::csv::{COLUMNS, CsvError, read, rules, write};
use super::*;

fn wrong(text: &str) -> Vec<(usize, usize, String)> {
    let place = |error: CsvError| (error.line, error.column, error.message);
    read(text).unwrap_err().into_iter().map(place).collect()
}

#[test]
fn a_sheet_is_read() {
    let text = "\u{feff}service,name,share_of_users,time_to_detect,time_to_repair,time_between_failures,themes\r\n\
        shop,\"a \"\"big\"\" one, really\",20%,30m,1h..2h,120d,one; two\r\n\r\nshop,b,5%..50%,0s,1m,7d,\r\n";
    let risks = read(text).unwrap();
    assert_eq!(risks.len(), 2);
    assert_eq!(risks[0].name, "a \"big\" one, really");
    assert_eq!(risks[0].spec.themes, ["one".to_owned(), "two".to_owned()].into());
    assert_eq!(risks[1].spec.time_to_detect, "0s".parse().unwrap());
    assert_eq!(read(&write(&risks)).unwrap(), risks);
    assert_eq!(read(&write(&[])).unwrap(), []);
    assert_eq!(write(&[]), COLUMNS.join(",") + "\r\n");
}

#[test]
fn everything_that_is_wrong_has_its_line_and_column() {
    let header = "name,service,time_to_detect,time_to_repair,share_of_users,time_between_failures,accepted_by,accepted_until\n";
    let text = format!(
        "{header}a,shop,5m,1h,50%,30d,,\n\
         ä,shop,5 m,1h,110%,30d,,\n\
         \"b\nc\",shop,5m,1h,50%,30d,,\n\
         d,shop,5m,1h,50%,1s,,\n\
         e,shop\n\
         a,shop,5m,1h,50%,30d,,\n\
         f,shop,5m,1h,50%,30d,ada,soon\n"
    );
    let wrong = wrong(&text);
    let places: Vec<(usize, usize)> =
        wrong.iter().map(|(line, column, _)| (*line, *column)).collect();
    assert_eq!(places, [(3, 8), (3, 15), (4, 1), (6, 18), (7, 1), (8, 1), (9, 26)]);
    assert!(wrong[0].2.starts_with("`5 m` is not a length of time or a range"), "{wrong:?}");
    assert!(wrong[4].2.contains("2 fields, the header 8"), "{wrong:?}");
    assert!(wrong[5].2.contains("`a` is there already"), "{wrong:?}");
}

#[test]
fn what_is_wrong_hides_nothing_else_that_is() {
    let text = "name,service,time_to_detect,time_to_repair,share_of_users,time_between_failures,why\n\
                a,shop,5m,soon,120%,10m,x\n";
    let wrong = wrong(text);
    let places: Vec<(usize, usize)> =
        wrong.iter().map(|(line, column, _)| (*line, *column)).collect();
    assert_eq!(places, [(1, 81), (2, 11), (2, 16), (2, 21)], "{wrong:?}");
    let too_much = "`120%` is not a share or a range: a share is at most 100%";
    assert!(wrong[2].2.starts_with(too_much), "{wrong:?}");
}

#[test]
fn a_header_says_what_it_lacks() {
    assert_eq!(wrong("")[0].0, 1);
    assert!(wrong("name,service\n")[0].2.contains("lacks time_to_detect, time_to_repair"));
    let (line, column, message) = wrong("name,ettd\n").remove(0);
    assert_eq!((line, column), (1, 6));
    assert!(message.starts_with("there is no column `ettd`; hint: columns are name, service"));
    assert!(wrong("name;service;slos\n")[0].2.ends_with("write it with commas between fields"));
    assert!(wrong("name,name\n")[0].2.contains("is there already"));
    let open = "name,service\n\"a,shop\n";
    assert_eq!(wrong(open)[0].0, 2);
    assert!(wrong(open)[0].2.contains("closing"));
}

/// A text that begins as a formula does is a text in the spreadsheet, and the same when it comes back.
#[test]
fn no_text_is_a_formula() {
    for text in ["=1+1", "+a", "-a", "@a", "'a", "'=a", "''"] {
        let mut one = risk("a", "1m 1h 50% 7d");
        one.spec.description = Some(text.to_owned());
        let sheet = write(std::slice::from_ref(&one));
        let cell = sheet.lines().nth(1).unwrap().split(',').nth(2).unwrap().to_owned();
        assert!(cell.starts_with('\''), "{cell}");
        assert_eq!(read(&sheet).unwrap(), [one]);
    }
}

proptest::proptest! {
    /// Whatever texts a register has.
    #[test]
    fn what_is_written_is_read_again(
        name in "[ -:<-~ä]{1,20}", said in "[ -~\n\r\"',;=ß]{0,40}", theme in "[a-z,\"=' -]{1,9}", low in 1u32..100,
        more in 0u32..100,
    ) {
        let mut one = risk("a", &format!("{low}m..{}m 1h 0.5%..50% 7d", low + more));
        one.name = name;
        one.spec.description = Some(said);
        one.spec.themes.insert(theme);
        one.spec.accepted = Some(Acceptance { who: "ada".to_owned(), reason: "so".to_owned(), until: TODAY });
        if let Ok(one) = Risk::new(&one.name, one.spec) {
            proptest::prop_assert_eq!(read(&write(std::slice::from_ref(&one))), Ok(vec![one]));
        }
    }

    /// No text makes it panic, and a place is one of the text.
    #[test]
    fn any_text_is_answered(rest in "[a\"',;\n\r=0-9mhd%.ä]{0,80}") {
        let header = "name,service,time_to_detect,time_to_repair,share_of_users,time_between_failures";
        if let Err(errors) = read(&format!("{header}\n{rest}")) {
            let lines = rest.lines().count() + 2;
            proptest::prop_assert!(errors.iter().all(|of| (1..=lines).contains(&of.line) && of.column > 0));
        }
    }
}

/// What holds for all of a service's risks goes through a sheet as well.
#[test]
fn rules_go_there_and_back() {
    let spec = serde_json::json!({
        "service": "shop", "ceiling": "30%", "reserve": "12.5%", "factors": [
            {"name": "nobody, at night", "description": "=Nobody", "everywhere": true, "detect": "30m"},
            {"name": "no-rehearsal", "repair": "20m", "frequency": "10%"},
        ],
    });
    let rules = RiskRules::new("shop", serde_json::from_value(spec).unwrap()).unwrap();
    let plain = RiskRules::new(
        "bank",
        serde_json::from_value(serde_json::json!({"service": "bank"})).unwrap(),
    )
    .unwrap();
    for one in [&rules, &plain] {
        let text = rules::write(one);
        assert!(rules::is_one(&text) && !rules::is_one(&write(&[])));
        assert_eq!(rules::read(&text).unwrap(), std::slice::from_ref(one), "{text}");
    }
    let both = rules::write(&rules) + rules::write(&plain).split_once("\r\n").unwrap().1;
    assert_eq!(rules::read(&both).unwrap(), [rules, plain]);
    let places = |text: &str| {
        let wrong = rules::read(text).unwrap_err();
        wrong.into_iter().map(|of| (of.line, of.column)).collect::<Vec<_>>()
    };
    let header = "rules,service,ceiling,reserve,factor,everywhere,detect";
    assert_eq!(places("rules,service,ceiling\n"), [(1, 1)]);
    assert_eq!(places(&format!("{header},hope\n")), [(1, 56)]);
    let lines = "shop,shop,25%,0%,a,maybe,soon\nshop,shop,20%..30%,0%,b,yes,1m\nshop,shop,25%,0%\n";
    assert_eq!(places(&format!("{header}\n{lines}")), [(2, 20), (2, 26), (3, 11), (4, 1)]);
    // Lines of one register agree, and what it says is checked as in a document.
    let lines = "shop,shop,25%,0%,a,yes,1m\nshop,shop,30%,0%,b,yes,1m\nx,x,0%,0%,,,\n";
    assert_eq!(places(&format!("{header}\n{lines}")), [(3, 1), (4, 1)]);
    // What is said of a factor without its name is not lost.
    assert_eq!(places(&format!("{header}\nshop,shop,25%,0%,,yes,1m\n")), [(2, 19), (2, 23)]);
}

#[test]
fn what_a_risk_matches_goes_there_and_back() {
    let mut one = risk("a", "30m 90m 80% 10d");
    one.spec.matches = Some(Matches {
        classes: ["capacity".to_owned(), "network".to_owned()].into(),
        causes: [flyball_model::ChangeKind::Deploy].into(),
    });
    let text = write(std::slice::from_ref(&one));
    assert_eq!(read(&text).unwrap(), [one]);
    let prayed = text.replace(",deploy", ",prayer");
    assert!(read(&prayed).unwrap_err()[0].message.contains("`prayer` is no kind of change"));
}

#[test]
fn a_failure_matches_where_all_that_is_said_fits() {
    use flyball_model::ChangeKind::{Config, Deploy};
    let matches = |classes: &[&str], causes: &[flyball_model::ChangeKind]| Matches {
        classes: classes.iter().map(|of| (*of).to_owned()).collect(),
        causes: causes.iter().copied().collect(),
    };
    let both = matches(&["capacity"], &[Deploy]);
    assert!(both.fits(Some("capacity"), Some(Deploy)));
    assert!(!both.fits(Some("capacity"), Some(Config)) && !both.fits(Some("capacity"), None));
    assert!(!both.fits(None, Some(Deploy)));
    assert!(matches(&["capacity"], &[]).fits(Some("capacity"), None));
    assert!(matches(&[], &[Deploy, Config]).fits(None, Some(Config)));
    assert!(!matches(&[], &[]).fits(Some("capacity"), Some(Deploy)));
    let mut spec = risk("a", "30m 90m 80% 10d").spec;
    spec.matches = Some(matches(&[], &[]));
    let wrong = Risk::new("a", spec).unwrap_err();
    assert_eq!(wrong[0].path, "spec.matches");
}
