//! DORA's tables and its Quick Check.

use flyball_model::Duration;

use crate::delivery::{
    Answer, Edition, Level, Metric, Share, Standing, category, overall, place_failure, place_time,
    score_of_category, score_of_share, standing,
};

use Level::{Elite, High, Low, Medium};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_days(1);
const WEEK: Duration = Duration::from_days(7);

fn at(level: Level) -> Answer {
    Answer::Level { level }
}

fn all(levels: &[Level]) -> Answer {
    Answer::Several { levels: levels.to_vec() }
}

fn between(better: impl Into<Option<Level>>, worse: impl Into<Option<Level>>) -> Answer {
    Answer::Between { better: better.into(), worse: worse.into() }
}

fn time(year: u16, metric: Metric, length: Duration) -> Answer {
    place_time(Edition::of(year).unwrap(), metric, Some(length)).answer
}

fn failing(year: u16, of: u64, out_of: u64) -> Answer {
    let share = Share::new(of, out_of).unwrap();
    place_failure(Edition::of(year).unwrap(), Some((share, share))).answer
}

#[test]
fn frequencies_as_printed() {
    let often = |year, length| time(year, Metric::Frequency, length);
    for year in [2018, 2019, 2021, 2023, 2024] {
        assert_eq!(often(year, Duration::from_minutes(30)), at(Elite), "{year}");
    }
    // Several times a day is both on demand and between once an hour and once a day, in 2018.
    assert_eq!(often(2018, Duration::from_hours(6)), all(&[Elite, High]));
    assert_eq!(often(2018, DAY), at(High));
    assert_eq!(often(2018, Duration::from_days(3)), between(High, Medium));
    assert_eq!(often(2018, Duration::from_days(14)), all(&[Medium, Low]));
    assert_eq!(often(2018, Duration::from_days(60)), between(Low, None));
    assert_eq!(often(2019, WEEK), at(High));
    assert_eq!(often(2019, Duration::from_days(8)), at(Medium));
    assert_eq!(often(2019, Duration::from_days(60)), at(Low));
    assert_eq!(often(2021, Duration::from_days(3)), between(Elite, High));
    assert_eq!(often(2021, Duration::from_days(400)), at(Low));
    assert_eq!(often(2022, Duration::from_hours(6)), at(High));
    assert_eq!(often(2023, Duration::from_days(14)), all(&[Medium, Low]));
    assert_eq!(often(2024, Duration::from_days(2)), at(High));
    assert_eq!(often(2025, DAY), Answer::NotPublished);
}

#[test]
fn lead_times_and_recoveries_as_printed() {
    let lead = |year, length| time(year, Metric::LeadTime, length);
    assert_eq!(lead(2018, Duration::from_minutes(59)), at(Elite));
    assert_eq!(lead(2018, HOUR), between(Elite, High));
    assert_eq!(lead(2018, DAY), at(High));
    assert_eq!(lead(2018, WEEK), at(Medium));
    assert_eq!(lead(2018, Duration::from_days(200)), between(Low, None));
    assert_eq!(lead(2019, HOUR), at(Elite));
    assert_eq!(lead(2021, Duration::from_days(14)), between(High, Medium));
    assert_eq!(lead(2021, Duration::from_days(200)), at(Low));
    assert_eq!(lead(2022, HOUR), between(None, High));
    assert_eq!(lead(2023, Duration::from_days(14)), all(&[Medium, Low]));
    assert_eq!(lead(2024, Duration::from_days(90)), at(Low));
    let recovery = |year, length| time(year, Metric::Recovery, length);
    assert_eq!(recovery(2018, Duration::from_minutes(10)), at(Elite));
    assert_eq!(recovery(2018, HOUR), all(&[High, Medium]));
    assert_eq!(recovery(2018, Duration::from_days(2)), between(Medium, Low));
    assert_eq!(recovery(2021, Duration::from_days(2)), at(Medium));
    assert_eq!(recovery(2021, Duration::from_days(30)), between(Medium, Low));
    assert_eq!(recovery(2022, Duration::from_minutes(10)), at(High));
    assert_eq!(recovery(2024, Duration::from_hours(5)), all(&[High, Medium]));
    assert_eq!(recovery(2023, Duration::from_days(60)), at(Low));
}

#[test]
fn change_failures_as_printed() {
    assert_eq!(failing(2018, 15, 100), all(&[Elite, High, Medium]));
    assert_eq!(failing(2018, 3, 10), between(Medium, Low));
    assert_eq!(failing(2018, 46, 100), at(Low));
    assert_eq!(failing(2018, 61, 100), between(Low, None));
    // Nothing is rounded: 15.5 % is printed nowhere.
    assert_eq!(failing(2021, 155, 1_000), between(Elite, High));
    assert_eq!(failing(2021, 16, 100), all(&[High, Medium, Low]));
    assert_eq!(failing(2022, 2, 10), at(Medium));
    assert_eq!(failing(2023, 0, 10), at(Elite));
    assert_eq!(failing(2023, 1, 10), at(High));
    assert_eq!(failing(2023, 7, 100), between(Elite, High));
    assert_eq!(failing(2023, 64, 100), at(Low));
    // In 2024 the middle of `high` fails more often than that of `medium`.
    assert_eq!(failing(2024, 1, 10), at(Medium));
    assert_eq!(failing(2024, 2, 10), at(High));
    assert_eq!(failing(2024, 15, 100), between(Medium, High));
    assert_eq!(failing(2024, 30, 100), between(High, Low));
    assert_eq!(failing(2024, 9, 10), at(Low));
}

#[test]
fn what_is_not_known_is_not_placed() {
    let y2024 = Edition::of(2024).unwrap();
    assert_eq!(place_time(y2024, Metric::LeadTime, None).answer, Answer::NotEnoughData);
    assert_eq!(place_failure(y2024, None).answer, Answer::NotEnoughData);
    assert_eq!(Edition::of(2020), None);
    let (least, most) = (Share::new(1, 20).unwrap(), Share::new(4, 20).unwrap());
    let placed = place_failure(Edition::Y2023, Some((least, most)));
    assert_eq!(placed.answer, all(&[Elite, High, Medium, Low]), "5 % to 20 %");
    assert!(!placed.confirmed);
    let bounds = |of, most| Some((Share::new(of, 20).unwrap(), Share::new(most, 20).unwrap()));
    // In 2024 nobody between 5 % and 10 % is at `high`.
    assert_eq!(place_failure(Edition::Y2024, bounds(1, 2)).answer, all(&[Elite, Medium]));
    // 5 % to 15 % is one level in 2021, 5 % to 20 % all of them.
    assert_eq!(place_failure(Edition::Y2021, bounds(1, 3)).answer, at(Elite));
    let every = all(&[Elite, High, Medium, Low]);
    assert_eq!(place_failure(Edition::Y2021, bounds(1, 4)).answer, every);
    assert!(place_time(Edition::Y2021, Metric::Frequency, Some(DAY)).confirmed);
    let json = serde_json::to_value(place_time(Edition::Y2018, Metric::LeadTime, Some(HOUR)));
    assert_eq!(
        json.unwrap(),
        serde_json::json!({
            "edition": "2018", "metric": "lead_time", "answer": "between",
            "better": "elite", "worse": "high", "confirmed": true,
        })
    );
}

/// Assertions of the Quick Check's own tests (`data-service.test.ts`), edition 2025, whose means of
/// percentages are in tens of per cent.
#[test]
fn quick_check() {
    assert_eq!(score_of_category(35), 500);
    assert_eq!((score_of_category(10), score_of_category(60)), (0, 1_000));
    let share = |of, out_of| score_of_share(Share::new(of, out_of).unwrap());
    assert_eq!((share(50, 100), share(0, 3), share(3, 3)), (500, 1_000, 0));
    let (failure, rework) = (share(19, 100), share(22, 100));
    assert_eq!((failure, rework, share(21, 100)), (810, 780, 790));
    assert_eq!(overall(&[550, 480, 740, failure, rework]), Some(672));
    assert_eq!(overall(&[]), None);
}

#[test]
fn categories_and_standings() {
    let answers = [
        (Metric::LeadTime, Duration::from_minutes(59), 6),
        (Metric::LeadTime, HOUR, 5),
        (Metric::LeadTime, DAY, 4),
        (Metric::Recovery, WEEK, 3),
        (Metric::Recovery, Duration::from_days(40), 2),
        (Metric::Recovery, Duration::from_days(400), 1),
        (Metric::Frequency, HOUR, 6),
        (Metric::Frequency, DAY, 5),
        (Metric::Frequency, WEEK, 4),
        (Metric::Frequency, Duration::from_days(30), 3),
        (Metric::Frequency, Duration::from_days(100), 2),
        (Metric::Frequency, Duration::from_days(400), 1),
    ];
    for (metric, length, expected) in answers {
        assert_eq!(category(metric, length), Some(expected), "{metric:?} {length}");
    }
    assert_eq!(category(Metric::ChangeFailure, DAY), None);
    let found = standing(Metric::Frequency, 6);
    assert_eq!(found, Some(Standing { worse: 838, same: 162, better: 0 }));
    assert_eq!(standing(Metric::LeadTime, 0), None);
    assert_eq!(standing(Metric::LeadTime, 7), None);
}
