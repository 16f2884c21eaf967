//! Who may apply a document of which kind, and that nothing is half applied to who may not.

use std::collections::BTreeSet;

use flyball_server::Role;
use serde_json::{Value, json};

use super::world::{Caller, May, OWN, World};

/// What somebody has to be, to apply a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// The role for the shop.
    Own(Role),
    /// The role for all services.
    All(Role),
}

/// Every kind of document, of the shop where it is of a service; what it needs is what docs/security.md says.
const KINDS: [(&str, Needs, &str); 29] = [
    ("SLO", Needs::Own(Role::Owner), SLO),
    ("Service", Needs::Own(Role::Owner), "metadata: {name: shop}\nspec: {team: checkout}"),
    (
        "Risk",
        Needs::Own(Role::Owner),
        "metadata: {name: bad-deploy}\nspec: {service: shop, timeToDetect: 5m, timeToRepair: 55m, shareOfUsers: 100%, \
         timeBetweenFailures: 30d}",
    ),
    (
        "RiskRules",
        Needs::Own(Role::Owner),
        "metadata: {name: shop}\nspec: {service: shop, ceiling: 25%}",
    ),
    (
        "Probe",
        Needs::Own(Role::Owner),
        "metadata: {name: front}\nspec: {service: shop, every: 1h, tcp: {address: '127.0.0.1:1'}}",
    ),
    // Of no service.
    (
        "AlertStrategy",
        Needs::All(Role::Owner),
        "metadata: {name: quick}\nspec: {rules: [{name: fast, severity: page, burn: {factor: 5, long: 1m}}]}",
    ),
    (
        "DataSource",
        Needs::All(Role::Owner),
        "metadata: {name: here}\nspec: {type: flyball, connectionDetails: {url: 'http://127.0.0.1:9'}}",
    ),
    (
        "SLI",
        Needs::All(Role::Owner),
        "metadata: {name: fast}\nspec:\n  ratioMetric:\n    counter: true\n    good: {metricSource: {type: flyball, \
         spec: {where: status < 500}}}\n    total: {metricSource: {type: flyball, spec: {where: service.name = 'shop'}}}",
    ),
    (
        "AlertNotificationTarget",
        Needs::All(Role::Owner),
        "metadata: {name: mail}\nspec: {target: email}",
    ),
    ("AlertCondition", Needs::All(Role::Owner), CONDITION),
    ("AlertPolicy", Needs::All(Role::Owner), POLICY),
    // They take events out of budgets: a file of one is of no service.
    ("Correction", Needs::All(Role::Sre), CORRECTION),
    // With the server's own secrets.
    (
        "AlertTarget",
        Needs::All(Role::Sre),
        "metadata: {name: phone}\nspec: {services: [shop], webhook: {url: 'http://127.0.0.1:1/', secret: 'file:webhook'}}",
    ),
    (
        "RestoreAction",
        Needs::All(Role::Sre),
        "metadata: {name: back}\nspec: {service: shop, hook: {purpose: rollback, url: 'http://127.0.0.1:1/', secret: \
         'file:webhook'}}",
    ),
    ("Drill", Needs::All(Role::Sre), DRILL),
    // Rules of all services.
    ("BudgetPolicy", Needs::All(Role::Sre), BUDGET_POLICY),
    ("Tier", Needs::All(Role::Sre), TIER),
    ("SupportCosts", Needs::All(Role::Sre), COSTS),
    (
        "Checklist",
        Needs::All(Role::Sre),
        "metadata: {name: small}\nspec: {version: 1, stage: launch, signers: [sre], items: [{id: tried, heading: \
         deployment_process, ask: Was a roll-back made?}]}",
    ),
    ("CustodyRules", Needs::All(Role::Sre), CUSTODY),
    // Nothing calls it, so that it is of no service.
    ("Rota", Needs::All(Role::Owner), ROTA),
    ("Escalation", Needs::Own(Role::Owner), ESCALATION),
    ("Runbook", Needs::Own(Role::Owner), RUNBOOK),
    ("Runbook for all services", Needs::All(Role::Sre), RUNBOOK_FOR_ALL),
    // What else makes a file somebody's, or takes it from them.
    ("SLO of another", Needs::All(Role::Owner), BANK),
    ("Probe beside an SLO of another", Needs::All(Role::Owner), BESIDE),
    ("SLO with a correction", Needs::Own(Role::Sre), CORRECTED),
    ("Service of a tier", Needs::All(Role::Sre), OF_A_TIER),
    ("SLO with an alert target", Needs::All(Role::Sre), TOLD),
];

/// What an SLO called `$name` says: of a hundred requests of `$service` one may fail within an hour.
macro_rules! slo {
    ($name:literal, $service:literal) => {
        concat!(
            "metadata: {name: ",
            $name,
            "}
spec:
  service: ",
            $service,
            "
  indicator:
    metadata: {name: ",
            $name,
            "-answered}
    spec:
      ratioMetric:
        counter: true
        good: {metricSource: {type: flyball, spec: {where: status < 500}}}
        total: {metricSource: {type: flyball, spec: {where: service.name = '",
            $service,
            "'}}}
  timeWindow: [{duration: 1h, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.99}]"
        )
    };
}

const SLO: &str = slo!("strict", "shop");
const BANK: &str = slo!("paid-strictly", "bank");
const CONDITION: &str = "metadata: {name: burns}
spec: {severity: page, condition: {kind: burnrate, op: gte, threshold: 14.4, lookbackWindow: 1h, alertAfter: 5m}}";
const POLICY: &str = "metadata: {name: wakes}
spec:
  alertWhenBreaching: true
  conditions:
  - kind: AlertCondition
    metadata: {name: burns}
    spec: {severity: page, condition: {kind: burnrate, op: gte, threshold: 14.4, lookbackWindow: 1h, alertAfter: 5m}}
  notificationTargets:
  - {kind: AlertNotificationTarget, metadata: {name: mail}, spec: {target: email}}";
const CORRECTION: &str = "metadata: {name: upgrade}
spec:
  slos: [checkout]
  mode: drop
  category: maintenance
  author: ops@example.com
  schedule: {start: 2026-03-01T02:00:00Z, end: 2026-03-01T04:00:00Z}";
const CORRECTED: &str = concat!(
    slo!("strict", "shop"),
    "
---
apiVersion: flyball.dev/v1
kind: Correction
metadata: {name: upgrade}
spec:
  slos: [checkout]
  mode: drop
  category: maintenance
  author: ops@example.com
  schedule: {start: 2026-03-01T02:00:00Z, end: 2026-03-01T04:00:00Z}"
);
const DRILL: &str = "metadata: {name: shop-errors}
spec:
  description: Nobody is to lean on it.
  service: shop
  slo: checkout
  reserve: 20%
  longest: 5m
  fault: {kind: abort, status: 503}
  via: {kind: envoyHeaders}
  hours: {timeZone: UTC}";
const BUDGET_POLICY: &str = "metadata: {name: house}
spec:
  version: 1
  approvers: [sre]
  revisit: 2100-01-01
  levels: [{name: within}]";
const TIER: &str = "metadata: {name: special}
spec: {target: 99%, window: 28d, alerting: default, policy: house}
---
apiVersion: flyball.dev/v1
kind: BudgetPolicy
metadata: {name: house}
spec: {version: 1, approvers: [sre], revisit: 2100-01-01, levels: [{name: within}]}";
const OF_A_TIER: &str = "metadata: {name: shop}
spec: {tier: special}
---
apiVersion: flyball.dev/v1
kind: Tier
metadata: {name: special}
spec: {target: 99%, window: 28d, alerting: default, policy: house}
---
apiVersion: flyball.dev/v1
kind: BudgetPolicy
metadata: {name: house}
spec: {version: 1, approvers: [sre], revisit: 2100-01-01, levels: [{name: within}]}";
const RUNBOOK: &str = "metadata: {name: shop-down}
spec:
  description: It fails.
  services: [shop]
  steps: [Look at what fails.]
  rollback: [{when: budget.exhausted, holds: 10m, then: Roll back., who: on_call}]";
const RUNBOOK_FOR_ALL: &str = "metadata: {name: anything-down}
spec:
  description: It fails.
  steps: [Look at what fails.]
  rollback: [{when: budget.exhausted, holds: 10m, then: Roll back., who: on_call}]";
const COSTS: &str = "metadata: {name: ours}
spec:
  standby: 12 EUR
  callOut: 90 EUR
  timeOffInLieu: 100%
  workingHour: 85 EUR
  outOfHours: 128h
  servicesPerDomain: 8
  models:
  - {model: developers, setUp: 60000 EUR, setUpYears: 3, setUpFrom: capital, running: 20000 EUR, runningFrom: operating, onStandby: 1, restore: 30m, handOffs: 0}
  bandings:
  - {name: ours, bands: [{target: 90%, outOfHours: team}]}
  nines: {first: 10000 EUR, times: 10}
  tolerance: 25%";
const CUSTODY: &str = "metadata: {name: quick}
spec:
  version: 1
  shared: {signers: [sre], criteria: [{name: counted, when: slo.count >= 1, say: It promises something.}]}
  sre: {signers: [sre], criteria: [{name: counted, when: slo.count >= 1, say: It promises something.}]}
  handBack:
    missed: {quarters: 1, of: 2}
    grounds: [{name: any, when: slo.count >= 1, say: It promises something.}]
    roles: [sre]
    deciders: [cto]
    notice: 7d
    deadline: 30d";
const ROTA: &str = "metadata: {name: payments}
spec:
  members: [{name: ada, side: developers}]
  layers:
  - {name: first, members: [ada], rotation: {unit: week, start: 2026-01-05T09:00}}";
const ESCALATION: &str = "metadata: {name: shop-pages}
spec:
  services: [shop]
  levels: [{name: developers, side: developers, rota: payments, wait: 1h}]
---
apiVersion: flyball.dev/v1
kind: Rota
metadata: {name: payments}
spec:
  members: [{name: ada, side: developers}]
  layers:
  - {name: first, members: [ada], rotation: {unit: week, start: 2026-01-05T09:00}}";
const BESIDE: &str = concat!(
    slo!("paid-strictly", "bank"),
    "
---
apiVersion: flyball.dev/v1
kind: Probe
metadata: {name: back-door}
spec: {service: shop, every: 1h, tcp: {address: '127.0.0.1:1'}}"
);
const TOLD: &str = concat!(
    slo!("strict", "shop"),
    "
---
apiVersion: flyball.dev/v1
kind: AlertTarget
metadata: {name: phone}
spec: {services: [shop], webhook: {url: 'http://127.0.0.1:1/', secret: 'file:webhook'}}"
);

/// Kinds of OpenSLO.
const OPEN: [&str; 6] =
    ["SLO", "SLI", "DataSource", "AlertPolicy", "AlertCondition", "AlertNotificationTarget"];

/// The whole document.
fn document(kind: &str, text: &str) -> String {
    let kind = kind.split(' ').next().unwrap();
    let kind = if text == BESIDE { "SLO" } else { kind };
    let version = if OPEN.contains(&kind) { "openslo/v1" } else { "flyball.dev/v1" };
    format!("apiVersion: {version}\nkind: {kind}\n{text}\n")
}

/// Whether somebody may.
fn may(caller: &Caller, needs: Needs) -> bool {
    let May::Person(roles) = &caller.may else { return false };
    let (is_asked, least): (fn(&str) -> bool, Role) = match needs {
        Needs::Own(role) => (|of| of == OWN || of == "*", role),
        Needs::All(role) => (|of| of == "*", role),
    };
    roles.iter().any(|(of, held)| is_asked(of) && *held >= least)
}

impl World {
    /// Applies what anybody who owns the shop may, and beside it `text`; the status and what is said.
    async fn applied(&self, caller: &Caller, text: &str) -> (u16, Value) {
        let beside = "{apiVersion: flyball.dev/v1, kind: Probe, metadata: {name: beside}, spec: {service: shop, every: \
                      1h, tcp: {address: '127.0.0.1:1'}}}";
        let files = json!({"files": [
            {"name": "beside.yaml", "text": beside}, {"name": "tried.yaml", "text": text},
        ]});
        let request = self.request(caller, "POST", "/api/v1/apply").json(&files);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_of_every_kind_are_applied_by_who_may_and_not_at_all_by_others() {
    let home = tempfile::tempdir().unwrap();
    let world = World::start_plain(home.path()).await;
    let definitions = "/api/v1/definitions";
    let mut faults = Vec::new();
    for (kind, needs, text) in KINDS {
        let text = document(kind, text);
        let mut callers: Vec<&Caller> = world.callers.iter().filter(|of| of.is_browser()).collect();
        callers.sort_by_key(|caller| may(caller, needs));
        assert!(!may(callers[0], needs) && may(callers[callers.len() - 1], needs));
        let before = world.look(definitions).await;
        for caller in callers {
            let (status, said) = world.applied(caller, &text).await;
            let after = world.look(definitions).await;
            let files = after["files"].to_string();
            let both = ["beside.yaml", "tried.yaml"].map(|name| files.contains(name));
            let is_right = if may(caller, needs) {
                status == 200 && both == [true; 2]
            } else {
                status == 403 && after == before
            };
            if !is_right {
                faults.push(format!("{kind}: {} {status} {both:?}: {said}", caller.name));
            }
            if both != [false; 2] {
                let removed = json!({"files": [], "remove": ["beside.yaml", "tried.yaml"]});
                world.ask(&world.ada, "/api/v1/apply", removed).await;
                break;
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    world.site.running.server.stop().await;
}

#[test]
fn no_kind_of_document_is_left_out() {
    let documents = concat!(env!("CARGO_MANIFEST_DIR"), "/../flyball/tests/documents");
    let known: BTreeSet<&str> = KINDS.iter().map(|(kind, _, _)| *kind).collect();
    for file in ["flyball.json", "openslo.json", "house.json"] {
        let text = std::fs::read_to_string(format!("{documents}/{file}")).unwrap();
        let all: Value = serde_json::from_str(&text).unwrap();
        let all = all.as_array().cloned().unwrap_or_else(|| vec![all]);
        for document in all {
            let kind = document["kind"].as_str().unwrap();
            assert!(known.contains(kind), "{kind} of {file} is not tried");
        }
    }
}
