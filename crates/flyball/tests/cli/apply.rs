//! Definitions given to a server: by which names it knows them, what is replaced, removed, refused.

use std::path::Path;
use std::process::Stdio;

use crate::process::{Process, command, serve};
use crate::run::{Ran, directory, flyball, flyball_with_input, slo_with};

fn document(name: &str, good: &str) -> String {
    slo_with(name, "status IS NOT NULL", good, "0.9", "duration: 1h, isRolling: true")
}

fn ok(ran: Ran) -> String {
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.out
}

/// The names of the applied files, as the server lists them.
fn files(at: &Path, url: &str) -> Vec<String> {
    let listed = flyball(at, &["get", "definitions", "-o", "json", "--server", url]).json();
    let files = listed["files"].as_array().unwrap().iter();
    files.map(|file| file["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_piped_document_is_known_by_what_it_defines() {
    let home = directory(&[]);
    let at = home.path();
    let (_server, url) = serve(at, "127.0.0.1:0", &[]);
    let pipe = |text: &str| {
        let args = ["apply", "-f", "-", "--yes", "--server", &url];
        flyball_with_input(at, &args, text.as_bytes())
    };
    let (shop, cart) = (document("shop", "status < 500"), document("cart", "status < 500"));
    ok(pipe(&format!("# both\n{shop}---\n{cart}")));
    assert_eq!(files(at, &url), ["piped/SLO/cart.yaml", "piped/SLO/shop.yaml"]);

    // Another pipe takes the place of what it defines, and of nothing else.
    let plan = ok(pipe(&cart.replace("target: 0.9", "target: 0.99")));
    assert!(plan.contains("~ SLO cart") && !plan.contains("shop.yaml"), "{plan}");
    let probe = "apiVersion: flyball.dev/v1\nkind: Probe\nmetadata: {name: front}\n\
                 spec: {service: shop, every: 1h, timeout: 1s, tcp: {address: '127.0.0.1:1'}}\n";
    let plan = ok(pipe(probe));
    assert!(plan.contains("+ probe front of shop"), "{plan}");
    assert_eq!(files(at, &url).len(), 3);
    // What people decide by is told as well, whichever its kind.
    let service =
        "apiVersion: flyball.dev/v1\nkind: Service\nmetadata: {name: shop}\nspec: {team: a}\n";
    let rota = "apiVersion: flyball.dev/v1\nkind: Rota\nmetadata: {name: first}\nspec:\n  timeZone: UTC\n  members: \
                [{name: ada, side: developers}]\n  layers: [{name: first, members: [ada], rotation: {unit: week, start: \
                2026-01-05T09:00}}]\n";
    let plan = ok(pipe(&format!("{service}---\n{rota}")));
    assert!(plan.contains("+ Rota first\n+ Service shop\n"), "{plan}");
    let plan = ok(pipe(&service.replace("team: a", "team: b")));
    assert!(plan.contains("~ Service shop\n") && !plan.contains("Rota"), "{plan}");
    let listed = ok(flyball(at, &["custody", "list", "--server", &url]));
    assert!(
        listed.lines().any(|line| line.contains("shop") && line.contains("developers")),
        "{listed}"
    );
    let nowhere = flyball(at, &["review", "list", "--service", "shpo", "--server", &url]);
    assert_eq!(nowhere.code, 2, "{nowhere:?}");
    assert!(nowhere.err.contains("did you mean `shop`?"), "{}", nowhere.err);

    // What has no name could not be found again; a mistake is shown where it stands.
    let nameless = pipe("kind: SLO\n");
    assert_eq!(nameless.code, 2);
    assert!(nameless.err.contains("<stdin>:1"), "{}", nameless.err);
    assert_eq!(pipe("# nothing\n").code, 2);
}

#[test]
fn a_file_is_known_by_its_path_and_removed_by_it() {
    let home = directory(&[]);
    let at = home.path();
    let (mine, yours) = (at.join("mine"), at.join("yours"));
    for team in [&mine, &yours] {
        std::fs::create_dir_all(team.join("slos")).unwrap();
    }
    let shop = document("shop", "status < 500");
    std::fs::write(mine.join("slos/shop.yaml"), &shop).unwrap();
    std::fs::write(mine.join("slos/old.yaml"), document("old", "status < 500")).unwrap();
    std::fs::write(yours.join("slos/cart.yaml"), document("cart", "status < 500")).unwrap();
    let (_server, url) = serve(at, "127.0.0.1:0", &[]);
    let apply = |here: &Path, more: &[&str]| {
        flyball(here, &[&["apply", "--yes", "--server", &url][..], more].concat())
    };
    ok(apply(&mine, &["-f", "slos"]));
    ok(apply(at, &["-f", "yours/slos"]));

    // The same definition under another name: told whose it is, and what to do.
    let twice = apply(at, &["-f", "mine/slos/shop.yaml"]);
    assert_eq!(twice.code, 2);
    for said in ["slos/shop.yaml", "anyone", "--remove slos/shop.yaml", "--> mine/slos/shop.yaml:"]
    {
        assert!(twice.err.contains(said), "{said}: {}", twice.err);
    }
    ok(apply(at, &["-f", "mine/slos/shop.yaml", "--remove", "slos/shop.yaml"]));
    ok(apply(at, &["--remove", "mine/slos/shop.yaml"]));
    assert_eq!(apply(at, &["--remove", "mine/slos/shop.yaml"]).code, 2, "it is gone");
    ok(apply(&mine, &["-f", "slos"]));

    // Only what is no longer in the directory that is named goes.
    std::fs::remove_file(mine.join("slos/old.yaml")).unwrap();
    let nowhere = apply(&mine, &["-f", "slos/shop.yaml", "--prune"]);
    assert!(nowhere.code == 2 && nowhere.err.contains("--remove"), "{}", nowhere.err);
    ok(apply(&mine, &["-f", "slos", "--prune"]));
    assert_eq!(files(at, &url), ["slos/shop.yaml", "yours/slos/cart.yaml"]);
    ok(apply(&mine, &["-f", ".", "--prune"]));
    assert_eq!(files(at, &url), ["slos/shop.yaml"]);
}

#[test]
fn files_without_a_document_are_refused_and_a_service_of_openslo_has_its_line() {
    let directory = tempfile::TempDir::new().unwrap();
    let at = directory.path();
    let (_server, url) = serve(at, "127.0.0.1:0", &[]);
    let run = |args: &[&str]| flyball(at, &[args, &["--server", &url]].concat());
    std::fs::write(at.join("empty.yaml"), "# to be written\n").unwrap();
    let refused = run(&["apply", "--yes", "-f", "empty.yaml"]);
    assert_eq!(refused.code, 2, "{}", refused.err);
    assert!(refused.err.contains("empty.yaml: there is no document in it"), "{}", refused.err);
    let service = |name: &str| {
        format!(
            "apiVersion: openslo/v1\nkind: Service\nmetadata: {{name: shop, displayName: {name}}}\nspec: {{}}\n"
        )
    };
    std::fs::write(at.join("shop.yaml"), service("Shop")).unwrap();
    let applied = run(&["apply", "--yes", "-f", "shop.yaml", "empty.yaml"]);
    assert_eq!(applied.code, 0, "{}", applied.err);
    assert!(applied.out.contains("+ Service shop"), "{}", applied.out);
    std::fs::write(at.join("shop.yaml"), service("Store")).unwrap();
    let planned = run(&["apply", "--dry-run", "-f", "shop.yaml"]);
    assert!(planned.out.contains("spec.displayName: Shop becomes Store"), "{}", planned.out);
}

#[test]
fn an_attribute_that_no_stored_event_has_is_told_before_it_is_applied() {
    let home = directory(&[]);
    let at = home.path();
    let (server, url) = serve(at, "127.0.0.1:0", &[]);
    std::fs::write(at.join("wrong.yaml"), document("shop", "statsu < 500")).unwrap();
    let plan = || flyball(at, &["apply", "-f", "wrong.yaml", "--dry-run", "--server", &url]);
    assert!(!plan().err.contains("statsu"), "nothing is stored, so nothing is known");
    crate::live::send(&url, 10, 1);
    let told = plan();
    assert_eq!(told.code, 0, "{told:?}");
    assert!(told.err.contains("no stored event has the attribute `statsu`"), "{}", told.err);
    assert!(told.err.contains("did you mean `status`?"), "{}", told.err);

    std::fs::write(at.join("right.yaml"), document("shop", "status < 500")).unwrap();
    let right = flyball(at, &["apply", "-f", "right.yaml", "--yes", "--server", &url]);
    assert!(!right.err.contains("no stored event"), "{}", right.err);
    let mut tail = command(at, &["tail", "--server", &url]);
    let mut tail = tail.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let said = tail.stdout.take().unwrap();
    Process::new(tail, said).wait_for("1 bad of 10");

    // What was applied is in the data: nobody has to name it again.
    let looked = flyball(at, &["doctor", "--data", "data"]);
    assert!(looked.code == 3 && looked.out.contains("has the directory open"), "{looked:?}");
    server.stop();
    let verified = flyball(at, &["ledger", "verify", "--data", "data"]);
    assert!(verified.code == 0 && verified.out.starts_with("1 SLOs"), "{verified:?}");
    ok(flyball(at, &["ledger", "verify", "--data", "data", "--slo", "right.yaml"]));
    assert_eq!(flyball(at, &["doctor", "--data", "data"]).code, 0);
}

#[test]
fn one_that_is_not_evaluated_is_undecided_and_one_given_twice_says_who_applied_it() {
    let home = directory(&[("slo.yaml", document("shop", "status < 500").as_bytes())]);
    let at = home.path();
    let (server, url) = serve(at, "127.0.0.1:0", &[]);
    let asked = document("asked", "status < 500").replace("type: flyball", "type: loki");
    std::fs::write(at.join("asked.yaml"), asked).unwrap();
    ok(flyball(at, &["apply", "-f", "slo.yaml", "-f", "asked.yaml", "--yes", "--server", &url]));
    let ran = flyball(at, &["budget", "asked", "--server", &url]);
    assert!(ran.code == 3 && ran.out.contains("asked: not evaluated"), "{ran:?}");
    let ran = flyball(at, &["budget", "nobody", "--server", &url]);
    assert_eq!(ran.code, 2, "{ran:?}");
    drop(server);

    let args = ["serve", "--data", "data", "--listen", "127.0.0.1:0", "--slo", "slo.yaml"];
    let again = command(at, &args).output();
    let said = String::from_utf8(again.unwrap().stderr).unwrap();
    assert!(said.contains("slo.yaml (applied by "), "{said}");
}

#[test]
fn a_condition_that_stored_events_cannot_go_with_is_told_before_it_is_applied() {
    let home = directory(&[]);
    let at = home.path();
    let (_server, url) = serve(at, "127.0.0.1:0", &[]);
    let plan = |good: &str| {
        std::fs::write(at.join("slo.yaml"), document("shop", good)).unwrap();
        let planned = flyball(at, &["apply", "-f", "slo.yaml", "--dry-run", "--server", &url]);
        assert_eq!(planned.code, 0, "{planned:?}");
        planned.err
    };
    assert!(
        !plan("status < '500ms'").contains("mistake"),
        "nothing is stored, so nothing is known"
    );
    crate::live::send(&url, 10, 1);
    for (good, said) in [
        ("status < '500ms'", "`status` is a number in every event, and '500ms' is not"),
        ("status < '500ms'", "hint: write a number without quotes"),
        ("status < '500'", "hint: without quotes it is a number: 500"),
        ("status = TRUE OR statsu = 1", "`status` is a number in every event, and TRUE is not"),
        ("status = TRUE OR statsu = 1", "did you mean `status`?"),
    ] {
        let told = plan(good);
        assert!(told.contains("slo.yaml:12:") && told.contains(said), "{good}: {told}");
    }
    assert!(!plan("status = '200' OR status < 500").contains("mistake"));
}

#[test]
fn what_lint_says_is_told_of_what_changes() {
    let home = directory(&[]);
    let at = home.path();
    let (_server, url) = serve(at, "127.0.0.1:0", &[]);
    // At most 2 times the budget can burn, so nothing that waits for more can fire.
    let window = "duration: 28d, isRolling: true";
    std::fs::write(at.join("slo.yaml"), slo_with("shop", "TRUE", "status < 500", "0.5", window))
        .unwrap();
    let lint = ok(flyball(at, &["slo", "lint", "slo.yaml"]));
    assert!(lint.contains("can never"), "{lint}");
    let apply = || {
        let ran = flyball(at, &["apply", "-f", "slo.yaml", "--yes", "--server", &url]);
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.err
    };
    let told = apply();
    for line in lint.lines().filter(|line| line.starts_with("warning: ")) {
        assert!(told.contains(line), "{line}: {told}");
    }
    assert!(!apply().contains("can never"), "it is what it was");
}

#[test]
fn a_query_that_cannot_be_counted_is_told_once_and_where() {
    let home = directory(&[]);
    let at = home.path();
    let (_server, url) = serve(at, "127.0.0.1:0", &[]);
    let plan = |good: &str| {
        let total = "{type: prometheus, spec: {query: 'sum(rate(asked_total[5m]))'}}";
        let text = document("shop", "GOOD")
            .replace("{type: flyball, spec: {where: \"status IS NOT NULL\"}}", total)
            .replace("{type: flyball, spec: {where: \"GOOD\"}}", good);
        std::fs::write(at.join("slo.yaml"), text).unwrap();
        ok(flyball(at, &["apply", "-f", "slo.yaml", "--dry-run", "--server", &url]))
    };
    for (good, said) in [
        (
            "{type: promethues, spec: {query: 'sum(rate(asked_total[5m]))'}}",
            ["slo.yaml:12:", "`good`: `promethues` is not", "did you mean `prometheus`?"],
        ),
        (
            "{type: prometheus, spec: {query: 'sum(rate(asked_total[5m]) oops)'}}",
            ["slo.yaml:12:", "`good`: ", "`oops`"],
        ),
    ] {
        let told = plan(good);
        assert!(said.iter().all(|said| told.contains(said)), "{good}: {told}");
        assert_eq!(told.matches("is not evaluated").count(), 1, "{told}");
    }
}

#[test]
fn several_paths_follow_one_option_and_data_directories_are_left_out() {
    let home = directory(&[]);
    let at = home.path();
    let asked = document("asked", "status < 500")
        .replace("type: flyball, spec: {where:", "type: datadog, spec: {query:");
    std::fs::write(at.join("a.yaml"), document("a", "status < 500")).unwrap();
    std::fs::write(at.join("b.yaml"), asked).unwrap();
    let data = at.join("store");
    std::fs::create_dir_all(data.join("journal")).unwrap();
    std::fs::write(data.join("ledger.sqlite"), "").unwrap();
    std::fs::write(data.join("manifest.json"), "{}").unwrap();
    let (_server, url) = serve(at, "127.0.0.1:0", &[]);
    for paths in [&["a.yaml", "b.yaml"][..], &["."]] {
        let args = [&["apply", "--dry-run", "--server", &url, "-f"][..], paths].concat();
        let plan = ok(flyball(at, &args));
        assert_eq!(plan.matches("+ SLO ").count(), 2, "{plan}");
        let last = plan.lines().last().unwrap();
        assert_eq!(
            last,
            "SLOs: 2 to create, 0 to change, 0 to remove, 0 unchanged; 1 of them not evaluated"
        );
    }
}
