//! Catalogues of Backstage, in the shapes that its descriptor format allows and repositories hold.

use flyball_spec::{Diagnostic, Governing, Source, SpecSet, load, render};
use serde_json::json;

fn told(texts: &[&str]) -> (SpecSet, Vec<String>) {
    let name = |index: usize| format!("{index}.yaml");
    let sources: Vec<Source> =
        texts.iter().enumerate().map(|(index, text)| Source::new(name(index), *text)).collect();
    let (set, found) = load(&sources);
    assert!(!found.iter().any(Diagnostic::is_error), "{}", render(&found));
    (set, found.iter().map(|one| format!("{}:{} {}", one.line, one.path, one.message)).collect())
}

fn spec<'a>(set: &'a SpecSet, name: &str) -> &'a serde_json::Value {
    let of = set.governing.iter().find(|of: &&Governing| of.name == name);
    &of.unwrap_or_else(|| panic!("no {name}")).spec
}

/// A file as repositories hold it.
pub(crate) const TICKETS: &str =
    "# yaml-language-server: $schema=https://example.org/catalog-info.json
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: tickets
  title: Tickets
  description: |
    Where people buy tickets.
  annotations:
    github.com/project-slug: example/tickets
    sonarqube.org/project-key: 42
    flyball.dev/tier: critical
    flyball.dev/accountable: Ada Byron
    flyball.dev/funded-until: '2027-03-31'
    flyball.dev/custody-rules: usual
    flyball.dev/revenue-per-hour: 12000 EUR
    flyball.dev/working-hours: mon,tue 08:30-16:30 Europe/Berlin
    flyball.dev/journeys: buy a ticket, return a ticket
    flyball.dev/soft-dependencies: seats-map
  tags: [java, 2024]
  links:
    - url: https://code.example/tickets
      title: Code
      icon: github
    - url: https://wiki.example/tickets
    - url: mailto:tickets@example.org
      title: Mail
spec:
  type: service
  lifecycle: deprecated
  owner: group:default/box-office
  system: sales
  subcomponentOf: shop
  dependsOn: ['resource:tickets-db', Component:default/Seats-Map, payments/ledger]
  consumesApis: [bank-api, weather]
  providesApis: [tickets-api]
---
apiVersion: backstage.io/v1alpha1
kind: Resource
metadata: {name: tickets-db}
spec: {type: database, owner: box-office, dependencyOf: [component:reports]}
---
apiVersion: backstage.io/v1alpha1
kind: API
metadata: {name: tickets-api}
spec: {type: openapi, lifecycle: production, owner: box-office, definition: {$text: ./api.yaml}}
---
apiVersion: backstage.io/v1alpha1
kind: Group
metadata: {name: box-office}
spec: {type: team, children: []}
";

const OTHERS: &str = "- apiVersion: backstage.io/v1beta1
  kind: Component
  metadata: {name: seats-map}
  spec: {type: service, owner: user:guest, consumesApis: [tickets-api], dependsOn: []}
- apiVersion: backstage.io/v1alpha1
  kind: component
  metadata: {name: ledger, namespace: payments, annotations: {flyball.dev/service: bank-ledger}}
  spec: {type: service, owner: money, providesApis: [default/bank-api], system: null}
- apiVersion: backstage.io/v1alpha1
  kind: Component
  metadata: {name: reports, namespace: payments}
  spec: {type: website, owner: default/money, custom: {any: thing}}
- apiVersion: backstage.io/v1alpha1
  kind: Component
  metadata: {name: orders}
- {apiVersion: backstage.io/v1alpha1, kind: Location, metadata: {name: all}, spec: {targets: [./*]}}
- {apiVersion: backstage.io/v1alpha1, kind: AiResource, metadata: {name: rules}, spec: {}}
- {apiVersion: backstage.io/v1alpha1, kind: Component, metadata: {name: lib}, spec: {type: library}}
- {apiVersion: scaffolder.backstage.io/v1beta3, kind: Template, metadata: {name: new}, spec: {}}
";

#[test]
fn an_entity_becomes_a_service() {
    let (set, found) = told(&[TICKETS, OTHERS]);
    let expected = json!({
        "description": "Where people buy tickets.",
        "team": "box-office",
        "product": "sales",
        "tier": "critical",
        "accountable": {"who": "Ada Byron"},
        "lifecycle": "deprecated",
        "fundedUntil": "2027-03-31",
        "custodyRules": "usual",
        "revenuePerHour": {"amount": "12000", "currency": "EUR"},
        "workingHours": {"days": ["mon", "tue"], "from": "08:30", "to": "16:30", "timeZone": "Europe/Berlin"},
        "journeys": ["buy a ticket", "return a ticket"],
        "links": [
            {"name": "Code", "url": "https://code.example/tickets"},
            {"name": "https://wiki.example/tickets", "url": "https://wiki.example/tickets"},
        ],
        "dependencies": [
            {"service": "tickets-db", "kind": "hard"},
            {"service": "seats-map", "kind": "soft"},
            {"service": "bank-ledger", "kind": "hard"},
        ],
    });
    assert_eq!(*spec(&set, "tickets"), expected);
    let names: Vec<&str> = set.services.iter().map(|of| of.name.as_str()).collect();
    assert_eq!(
        names,
        ["tickets", "tickets-db", "seats-map", "bank-ledger", "payments-reports", "orders"]
    );
    assert_eq!(set.services[0].display_name.as_deref(), Some("Tickets"));
    assert_eq!(set.services[0].tier.as_deref(), Some("critical"));
    // APIs lead to who provides them; an owner without namespace is of the entity's own.
    let asks = |name: &str| spec(&set, name)["dependencies"].clone();
    assert_eq!(asks("seats-map"), json!([{"service": "tickets", "kind": "hard"}]));
    assert_eq!(spec(&set, "seats-map").get("team"), None, "a person is no team");
    assert_eq!(spec(&set, "bank-ledger")["team"], "payments-money");
    assert_eq!(spec(&set, "payments-reports")["team"], "money");
    assert_eq!(*spec(&set, "orders"), json!({}), "what is not said is for the catalogue to miss");
    let begins = [
        "26:metadata.links[2].url `mailto:",
        "35:spec.consumesApis[1] nobody here provides the API `weather`",
        "4:spec.owner the owner `guest` is a person, and no team",
        "16:kind the files that a `Location` names are not followed",
        "17:kind `AiResource` is no kind",
        "18:spec.type what is of the type `library` runs nowhere",
        "19:apiVersion `scaffolder.backstage.io/v1beta3` is not a version",
    ];
    assert_eq!(found.len(), begins.len(), "{found:#?}");
    for (found, begins) in found.iter().zip(begins) {
        assert!(found.starts_with(begins), "{found}\n{begins}");
    }
}

/// In what another namespace depends on, a reference without one is of who refers.
#[test]
fn what_depends_on_an_entity_may_be_said_by_it() {
    let (set, _) = told(&[TICKETS, OTHERS]);
    assert_eq!(spec(&set, "payments-reports").get("dependencies"), None);
    let there = OTHERS.replace(
        "namespace: payments}\n  spec: {type: website",
        "namespace: default}\n  spec: {type: website",
    );
    let (set, _) = told(&[TICKETS, &there]);
    let asks = json!([{"service": "tickets-db", "kind": "hard"}]);
    assert_eq!(spec(&set, "reports")["dependencies"], asks);
}

#[test]
fn a_document_of_ours_comes_before_an_entity_field_by_field() {
    let own =
        "apiVersion: flyball.dev/v1\nkind: Service\nmetadata: {name: tickets}\nspec: {team: own}\n";
    for texts in [[own, TICKETS], [TICKETS, own]] {
        let (set, found) = told(&texts);
        let tickets = spec(&set, "tickets");
        assert_eq!((&tickets["team"], &tickets["product"]), (&json!("own"), &json!("sales")));
        assert_eq!(tickets["revenuePerHour"]["currency"], "EUR");
        assert_eq!(set.services.iter().filter(|of| of.name == "tickets").count(), 1);
        assert_eq!(set.services[0].tier.as_deref(), Some("critical"));
        assert!(!found.iter().any(|one| one.contains("has a Service")), "{found:#?}");
    }
    let (set, found) = told(&[TICKETS, TICKETS]);
    assert_eq!(spec(&set, "tickets")["team"], "box-office");
    let is_told = found.iter().any(|one| one.contains("has a Service `tickets` already"));
    assert!(is_told, "{found:#?}");
}

#[test]
fn annotations_that_say_nothing_are_refused() {
    for (annotation, said, hint) in [
        (
            "revenue-per-hour: 12000",
            "`12000` is no amount and currency",
            "write it like `12000 EUR`",
        ),
        (
            "working-hours: nine to five",
            "`nine to five` is no working time",
            "write it like `08:30-16:30 Europe/Berlin`",
        ),
    ] {
        let text = format!(
            "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: a\n  annotations:\n    \
             flyball.dev/{annotation}\n"
        );
        let (_, found) = load(&[Source::new("a.yaml", &text)]);
        let found: Vec<_> = found.iter().filter(|one| one.is_error()).collect();
        assert_eq!((found.len(), found[0].line), (1, 6), "{found:?}");
        assert_eq!((found[0].message.as_str(), found[0].hint.as_deref()), (said, Some(hint)));
    }
}

#[test]
fn names_that_are_none_are_refused_where_they_stand() {
    let text = "apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: ${{ values.name }}
spec: {owner: a}
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: two words}
spec: {owner: a}
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {description: nameless}
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: right}
spec: {owner: 'group:', dependsOn: ['a b', right, resource:db, 'resource:default/DB']}
";
    let (set, found) = load(&[Source::new("a.yaml", text)]);
    let said: Vec<_> = found
        .iter()
        .map(|one| {
            (one.line, one.path.as_str(), one.is_error(), one.hint.clone().unwrap_or_default())
        })
        .collect();
    let wrong = [
        (4, "metadata.name", true, "this is a template; load what it renders to"),
        (9, "metadata.name", true, "1 to 63 letters and digits, with `-`, `_` or `.` between them"),
        (14, "metadata.name", true, "the entity's name"),
        (19, "spec.owner", false, "write it like `component:default/artist-lookup`"),
        (19, "spec.dependsOn[0]", false, "write it like `component:default/artist-lookup`"),
    ];
    let wrong = wrong.map(|(line, path, error, hint)| (line, path, error, hint.to_owned()));
    assert_eq!(said, wrong, "{}", render(&found));
    // It does not depend on itself, and a name is the same in either case.
    let asks = json!([{"service": "db", "kind": "hard"}]);
    assert_eq!(spec(&set, "right")["dependencies"], asks);
}

#[test]
fn long_descriptions_and_lists_are_cut() {
    let links: String =
        (0..20).map(|at| format!("  - url: https://a.example/{at}\n")).collect::<Vec<_>>().concat();
    let text = format!(
        "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: a\n  description: {}\n  links:\n{links}",
        "ä".repeat(600)
    );
    let (set, found) = told(&[&text]);
    assert_eq!(spec(&set, "a")["description"], "ä".repeat(500));
    assert_eq!(spec(&set, "a")["links"].as_array().map(Vec::len), Some(16));
    assert_eq!(found.len(), 2, "{found:#?}");
}
