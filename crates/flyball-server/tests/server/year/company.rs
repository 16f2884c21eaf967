//! Who there is: forty services of six teams, what they promise, who carries their pagers; as documents.

use std::fmt::Write as _;

use super::plan::GROWN;
use crate::alerts::webhook;

/// The teams; a service is its team's by its number.
pub(super) const TEAMS: [&str; 6] =
    ["payments", "search", "orders", "content", "identity", "platform"];

/// The services; those that are asked stand before those that ask them.
pub(super) const SERVICES: [&str; 40] = [
    "ledger",
    "index",
    "stock",
    "media",
    "accounts",
    "queue",
    "cards",
    "ranking",
    "basket",
    "pages",
    "login",
    "storage",
    "invoices",
    "suggest",
    "checkout",
    "images",
    "tokens",
    "cache",
    "refunds",
    "catalogue",
    "shipping",
    "video",
    "consent",
    "config",
    "payouts",
    "filters",
    "returns",
    "comments",
    "profiles",
    "metrics",
    "fraud",
    "trends",
    "tracking",
    "editor",
    "sessions",
    "mailer",
    "rates",
    "history",
    "couriers",
    "preview",
];

/// The journeys of users; a service takes part in one of them.
const JOURNEYS: [&str; 5] = ["buy", "find", "read", "sign in", "get help"];

/// What its events come as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// Increases of counters, over OTLP.
    Counters,
    /// One line for each, with a user.
    Lines,
}

/// One service.
#[derive(Debug, Clone)]
pub(super) struct Service {
    pub(super) name: &'static str,
    pub(super) team: usize,
    pub(super) tier: &'static str,
    /// The share of bad that it allows, in thousandths.
    pub(super) allowed: u64,
    pub(super) sent: Sent,
    /// Whether its budget is that of a quarter of the calendar; else it is that of 28 days.
    pub(super) is_quarterly: bool,
    /// Whether it promises good hours as well.
    pub(super) has_hours: bool,
    /// The services that it cannot do without, and those that it can.
    pub(super) hard: Vec<usize>,
    pub(super) soft: Vec<usize>,
    /// Events in a slot, on average.
    pub(super) events: u64,
    /// The first day on which it has users.
    pub(super) since: u32,
}

impl Service {
    /// The SLO of its events.
    pub(super) fn served(&self) -> String {
        format!("{}-served", self.name)
    }

    /// The SLO of its good hours.
    pub(super) fn hours(&self) -> String {
        format!("{}-hours", self.name)
    }

    pub(super) fn team(&self) -> &'static str {
        TEAMS[self.team]
    }
}

/// The members of a team's rota.
pub(super) fn people(team: &str) -> [String; 3] {
    ["ana", "ben", "cho"].map(|name| format!("{name}-{team}"))
}

/// The risk that a critical service fails.
pub(super) fn risk(service: &str) -> String {
    format!("{service}-fails")
}

/// All services; those of `launches` have users from a day on.
pub(super) fn services(launches: &[(usize, u32)]) -> Vec<Service> {
    let one = |(number, name): (usize, &'static str)| {
        let (tier, allowed) = match number % 4 {
            0 => ("critical", 5),
            1 | 2 => ("standard", 10),
            _ => ("low", 50),
        };
        let below = |step: usize| number.checked_sub(step);
        Service {
            name,
            team: number % TEAMS.len(),
            tier,
            allowed,
            sent: if number % 5 == 4 { Sent::Lines } else { Sent::Counters },
            is_quarterly: number % 3 == 0,
            has_hours: number % 7 == 2,
            hard: below(6).into_iter().filter(|_| number % 2 == 0).collect(),
            soft: below(5).into_iter().chain(below(11)).filter(|_| number % 3 == 1).collect(),
            events: if number == GROWN { 60_000 } else { 2_000 + 700 * (number as u64 % 9) },
            since: launches.iter().find(|(of, _)| *of == number).map_or(0, |(_, day)| *day),
        }
    };
    SERVICES.into_iter().enumerate().map(one).collect()
}

/// What one service promises.
pub(super) fn promises(service: &Service) -> String {
    let Service { name, allowed, .. } = service;
    let (good, total) = match service.sent {
        Sent::Counters => (
            format!(
                "bad: {{metricSource: {{type: prometheus, spec: {{query: 'requests_total{{service=\"{name}\",\
                 outcome=\"bad\"}}'}}}}}}"
            ),
            format!(
                "{{type: prometheus, spec: {{query: 'requests_total{{service=\"{name}\"}}'}}}}"
            ),
        ),
        Sent::Lines => (
            "good: {metricSource: {type: flyball, spec: {where: status < 500}}}".to_owned(),
            format!("{{type: flyball, spec: {{where: service.name = '{name}'}}}}"),
        ),
    };
    let rolling = "{duration: 28d, isRolling: true}";
    let calendar = "{duration: 1Q, calendar: {startTime: '2026-01-01 00:00:00', timeZone: UTC}, isRolling: false}";
    let slo = |(slo, alerting): (&str, &str), window: &str, method: &str, objective: &str| {
        format!(
            "---\napiVersion: openslo/v1\nkind: SLO\nmetadata: {{name: {slo}, annotations: {{flyball.dev/alerting: \
             {alerting}}}}}\nspec:\n  service: {name}\n  indicator:\n    metadata: {{name: {slo}}}\n    spec:\n      \
             ratioMetric:\n        counter: true\n        {good}\n        total: {{metricSource: {total}}}\n  \
             timeWindow: [{window}]\n  budgetingMethod: {method}\n  objectives: [{{{objective}}}]\n"
        )
    };
    let target = format!("target: {}", thousandths(1_000 - allowed));
    let window = if service.is_quarterly { calendar } else { rolling };
    let mut text = slo((&service.served(), "year"), window, "Occurrences", &target);
    if service.has_hours {
        let hours = "target: 0.95, timeSliceTarget: 0.9, timeSliceWindow: 1h";
        text += &slo((&service.hours(), "hours"), rolling, "Timeslices", hours);
    }
    text
}

fn thousandths(number: u64) -> String {
    format!("0.{number:03}")
}

/// What all services say of themselves.
pub(super) fn described(services: &[Service]) -> String {
    let mut text = String::new();
    for service in services {
        let Service { name, team, tier, .. } = service;
        let asked = |of: &[usize], kind: &str| {
            let one = |at: &usize| format!("{{service: {}, kind: {kind}}}", SERVICES[*at]);
            of.iter().map(one).collect::<Vec<_>>()
        };
        let asked = [asked(&service.hard, "hard"), asked(&service.soft, "soft")].concat();
        let _ = write!(
            text,
            "---\napiVersion: flyball.dev/v1\nkind: Service\nmetadata: {{name: {name}}}\nspec:\n  team: {}\n  \
             product: shop\n  accountable: {{who: owner of {}}}\n  tier: {tier}\n  onCall: {}-pages\n  runbook: \
             https://wiki.example/{name}\n  journeys: [{}]\n  supportModel: developers\n  fundedUntil: 2028-12-31\n  \
             revenuePerHour: {{amount: {}, currency: USD}}\n  custodyRules: {}\n  dependencies: [{}]\n",
            TEAMS[*team],
            TEAMS[*team],
            TEAMS[*team],
            JOURNEYS[name.len() % JOURNEYS.len()],
            service.events,
            if *name == SERVICES[GROWN] { "usual" } else { "year" },
            asked.join(", "),
        );
    }
    text
}

/// Who carries pagers, and who is told at `desk`: everybody at an address of their own.
pub(super) fn rotas(desk: impl Fn(&str) -> String) -> String {
    let mut text = webhook("desk", &desk("/desk"));
    for (team, side) in
        TEAMS.iter().map(|team| (*team, "developers")).chain([("operations", "operations")])
    {
        let members = people(team);
        for member in &members {
            text += &webhook(member, &desk(&format!("/{member}")));
        }
        let one = |name: &String| {
            format!(
                "  - {{name: {name}, side: {side}, target: {name}, paid: standby_and_call_out}}\n"
            )
        };
        let _ = write!(
            text,
            "---\napiVersion: flyball.dev/v1\nkind: Rota\nmetadata: {{name: {team}}}\nspec:\n  members:\n{}  layers:\n  \
             - {{name: first, members: [{}], rotation: {{unit: week, start: 2025-12-29T09:00}}}}\n",
            members.iter().map(one).collect::<String>(),
            members.join(", "),
        );
        if team != "operations" {
            let _ = write!(
                text,
                "---\napiVersion: flyball.dev/v1\nkind: Escalation\nmetadata: {{name: {team}-pages}}\nspec:\n  services: \
                 []\n  levels:\n  - {{name: developers, side: developers, rota: {team}, wait: 15m}}\n  - {{name: \
                 operations, side: operations, rota: operations, wait: 15m}}\n"
            );
        }
    }
    text
}

/// Policies, tiers, checklists, rules, risks and how alerts are made.
pub(super) fn governed(services: &[Service]) -> String {
    let mut text = RULES.to_owned();
    for (tier, target) in [("critical", "99.5%"), ("standard", "99%"), ("low", "95%")] {
        let _ = write!(
            text,
            "---\napiVersion: flyball.dev/v1\nkind: Tier\nmetadata: {{name: {tier}}}\nspec: {{target: {target}, window: \
             28d, alerting: year, policy: year}}\n"
        );
    }
    for service in services.iter().filter(|service| service.tier == "critical") {
        let Service { name, .. } = service;
        let _ = write!(
            text,
            "---\napiVersion: flyball.dev/v1\nkind: Risk\nmetadata: {{name: {name}-fails}}\nspec:\n  service: {name}\n  \
             timeToDetect: 1m..10m\n  timeToRepair: 10m..40m\n  shareOfUsers: 30%..100%\n  timeBetweenFailures: \
             60d..400d\n"
        );
    }
    text
}

const RULES: &str = "
apiVersion: flyball.dev/v1
kind: AlertStrategy
metadata: {name: year}
spec:
  rules:
  - {name: fast, severity: page, burn: {factor: 5, long: 1h, short: 5m}}
---
apiVersion: flyball.dev/v1
kind: AlertStrategy
metadata: {name: hours}
spec:
  rules:
  - {name: slow, severity: ticket, burn: {factor: 19, long: 3d, short: 1d}}
---
apiVersion: flyball.dev/v1
kind: BudgetPolicy
metadata: {name: year}
spec:
  version: 1
  approvers: [sre]
  revisit: 2030-01-01
  fresh: 24h
  levels:
  - {name: overspent, when: budget.exhausted, deploys: {deny: [feature]}, say: Work goes to reliability.}
  - {name: within}
  overrides: {roles: [product_manager], longest: 24h}
  postMortem: {incident: 20%, class: 50%}
---
apiVersion: flyball.dev/v1
kind: Checklist
metadata: {name: year-launch}
spec:
  version: 1
  stage: launch
  signers: [product_manager, sre]
  adviser: true
  items:
  - {id: tried, heading: deployment_process, ask: Was a roll-back made?}
  - {id: promises, heading: promises, ask: Does it promise something?, holds: slo.count >= 1}
  - {id: runbooks, heading: pager_alerts, ask: Is there a runbook?, holds: service.runbook}
---
apiVersion: flyball.dev/v1
kind: Checklist
metadata: {name: year-hand-off}
spec:
  version: 1
  stage: hand_off
  signers: [product_manager, sre]
  items:
  - {id: explained, heading: architecture, ask: Can somebody else explain it?}
  - {id: kept, heading: promises, ask: Were its budgets kept for two months?, holds: budget.kept_months >= 2}
  - {id: pages, heading: pager_alerts, ask: Does it page seldom?, holds: pages.per_week <= 2}
---
apiVersion: flyball.dev/v1
kind: CustodyRules
metadata: {name: year}
spec:
  version: 1
  shared: {signers: [engineering_lead, sre], criteria: [{name: traffic, when: traffic.per_day >= 1000, say: It has users.}]}
  sre:
    review: hand_off
    signers: [product_manager, sre]
    criteria: [{name: kept, when: budget.kept_months >= 2, say: It keeps its budgets.}]
  handBack:
    missed: {quarters: 2, of: 4}
    grounds: [{name: page-load, when: pages.per_week > 14, say: It pages all day.}]
    roles: [sre]
    deciders: [product_manager]
    notice: 30d
    deadline: 90d
";
