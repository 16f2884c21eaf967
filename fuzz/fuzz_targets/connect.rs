//! Messages of other systems: any bytes as any format. What is read can be kept, and is read alike
//! when it comes again.
#![no_main]

use flyball_connect::{Format, Headers, Hook, Report, forwarded_alerts, posted_alerts, read};
use flyball_model::Timestamp;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let headers: Headers = [
        ("x-github-event", "deployment_status"),
        ("x-github-delivery", "1"),
        ("content-type", "application/cloudevents+json"),
    ]
    .into_iter()
    .collect();
    let hook = Hook::new(Timestamp::from_seconds(1_700_000_000));
    for read in [posted_alerts, forwarded_alerts] {
        let alerts = read(data, hook.received);
        assert!(alerts.iter().flatten().all(|alert| alert.starts <= alert.ends));
    }
    let formats = [
        Format::Own,
        Format::CdEvents,
        Format::GitHub,
        Format::GitLab,
        Format::ArgoCd,
        Format::Flux,
        Format::DevLakeDeployment,
        Format::DevLakeIssue,
    ];
    for format in formats {
        for headers in [&headers, &Headers::default()] {
            let received = read(&format, headers, data, &hook);
            assert_eq!(received, read(&format, headers, data, &hook));
            for report in received.iter().flat_map(|received| &received.reports) {
                if let Report::Change(change) = report {
                    assert_eq!(change.check(), Ok(()));
                }
            }
        }
    }
});
