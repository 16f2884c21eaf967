//! A fault that is planned: callers send the headers that break one of their requests in so many, for as long as they are
//! told to.

use serde_json::{Value, json};

use super::plan::{self, DRILLED, SHIPS};
use super::play::{ADA, BO, Player};
use super::sums::Drilled;
use super::traffic::{Episode, Fares, SLOT};

/// How long one lasts, in seconds.
pub(super) const LONGEST: i64 = 240;
/// How many per cent of the callers' requests it breaks.
pub(super) const BROKEN: u64 = 30;

/// The drill of a service.
fn name(service: &str) -> String {
    format!("{service}-is-broken")
}

/// The drills of these services.
pub(super) fn documents(services: &[super::company::Service]) -> String {
    let one = |service: usize| {
        let service = &services[service];
        let risk = match service.tier {
            "critical" => format!("  risk: {}\n", super::company::risk(service.name)),
            _ => String::new(),
        };
        format!(
            "---\napiVersion: flyball.dev/v1\nkind: Drill\nmetadata: {{name: {}}}\nspec:\n  description: Nobody is to \
             lean on it.\n  service: {}\n  slo: {}\n  reserve: 10%\n  longest: {LONGEST}s\n  blastRadius: {BROKEN}%\n  \
             notice: 1h\n  fault: {{kind: abort, status: 503}}\n  via: {{kind: envoyHeaders}}\n  hours: {{days: [mon, \
             tue, wed, thu, fri, sat, sun], from: '08:00', to: '18:00', timeZone: UTC}}\n{risk}",
            name(service.name),
            service.name,
            service.served(),
        )
    };
    DRILLED.iter().map(|(service, _)| one(*service)).collect()
}

impl Player {
    /// Dependants are told, and an hour later the drill is begun; callers do as they are told until its time is up.
    pub(super) async fn drill(&mut self, day: u32, service: usize) {
        let of = self.services[service].name;
        let drill = format!("drills/{}", name(of));
        let text = json!({"text": "In an hour; ask Ada."});
        self.done(ADA, &format!("{drill}/announcements"), text).await;
        self.go_to(plan::at(day, SHIPS)).await;
        self.told().await;
        // Users come in every slot, and what they meet is counted at once.
        let first = plan::at(day, SHIPS) + 60;
        let mut from = first;
        self.counted(from).await;
        self.awaited(&drill, |said| said["may_begin"] == true).await;
        let run = self.done(BO, &format!("{drill}/runs"), json!({"apply": true})).await;
        let key = run["run"]["key"].as_str().unwrap().to_owned();
        let path = format!("drill-runs/{key}");
        let is = |state: &'static str| {
            move |said: &Value| said["run"]["watch"]["state"]["state"] == state
        };
        self.awaited(&path, is("running")).await;
        let began = self.second();
        let to = began.div_euclid(SLOT) * SLOT + LONGEST;
        self.traffic.add(Episode { service, from, to, what: Fares::Badly(BROKEN * 10) });
        while from < to {
            let headers = self.get(&format!("drill-headers?service={of}")).await;
            assert_eq!(headers["drill"], key.as_str(), "{}: {headers}", self.now());
            from += SLOT;
            if from == to {
                self.clock_to(began + LONGEST).await;
                self.awaited(&path, is("stopping")).await;
            }
            self.counted(from).await;
        }
        // What callers were told expires.
        from += SLOT;
        self.counted(from).await;
        self.awaited(&path, is("ended")).await;
        let headers = self.get(&format!("drill-headers?service={of}")).await;
        assert_eq!(headers["drill"], Value::Null, "{}: {headers}", self.now());
        for _ in 0..15 {
            from += SLOT;
            self.counted(from).await;
        }
        let found = self.awaited(&path, |said| !said["run"]["measured"].is_null()).await;
        assert_eq!(found["run"]["watch"]["state"]["why"]["reason"], "time_up", "{found:#}");
        let id = found["run"]["change"].as_str().unwrap().to_owned();
        self.sums.drilled.push(Drilled { service, id, key, from: first, to });
    }
}
