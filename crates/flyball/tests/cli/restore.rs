//! Restores of a real server, killed in every phase of having one done, and the command about them.

use std::collections::BTreeSet;
use std::path::Path;

use flyball_model::{Duration, Timestamp};
use serde_json::Value;
use tempfile::TempDir;

use crate::alerts::{Hook, start};
use crate::live::send_events;
use crate::run::{directory, flyball, slo_with};

/// A directory with a promise of the shop, a hook that is to roll it back by itself, and one that is not.
fn home(hook: &Hook) -> TempDir {
    let window = "duration: 1h, isRolling: true";
    let slo = slo_with("checkout", "status IS NOT NULL", "status < 500", "0.9", window);
    let action = |name: &str, more: &str| {
        format!(
            "---\napiVersion: flyball.dev/v1\nkind: RestoreAction\nmetadata: {{name: {name}}}\nspec: {{service: \
             shop, {more}hook: {{purpose: rollback, url: 'http://{}/{name}', secret: 'file:hook'}}}}\n",
            hook.address
        )
    };
    let back = action("back", "automatic: true, dryRun: false, ");
    let slow = action("slow", "classes: [fix], ");
    let home = directory(&[("slo.yaml", format!("{slo}{back}{slow}").as_bytes())]);
    std::fs::create_dir(home.path().join("secrets")).unwrap();
    std::fs::write(home.path().join("secrets/hook"), "hush").unwrap();
    home
}

/// An event every second, from `from` minutes ago to before `to` minutes ago, of which every `bad_every`th failed.
fn traffic(now: Timestamp, (from, to): (u32, u32), bad_every: u32) -> String {
    let line = |second: u32| {
        let at = now.minus(Duration::from_seconds(second));
        let status = if second.is_multiple_of(bad_every) { 500 } else { 200 };
        format!("{{\"time\":\"{at}\",\"status\":{status}}}\n")
    };
    (60 * to..60 * from).map(line).collect()
}

fn shown(at: &Path, url: &str, id: &str) -> Value {
    flyball(at, &["change", "show", id, "-o", "json", "--server", url]).json()
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the server reads the same clock")]
fn it_is_done_under_one_key_and_recorded_once_wherever_the_server_is_killed() {
    let hook = Hook::listen();
    let home = home(&hook);
    let at = home.path();
    let (server, url) = start(at);
    let now = Timestamp::from_jiff(jiff::Timestamp::now()).unwrap();
    send_events(&url, &traffic(now, (90, 9), 100));
    send_events(&url, &traffic(now, (9, 1), 2));
    let finished = now.minus(Duration::from_minutes(9)).to_string();
    let release = ["change", "record", "--service", "shop", "--id", "release", "--version", "2.0"];
    let ran = flyball(at, &[&release[..], &["--finished", &finished, "--server", &url]].concat());
    assert_eq!(ran.code, 0, "{ran:?}");

    // The request is on its way.
    let first = hook.next();
    server.kill();
    let (key, body) = (first.key.clone(), first.body.clone());
    assert_eq!((&body["event"], &body["change"]["id"]), (&"rollback".into(), &"release".into()));
    drop(first);

    // It comes again as it was. This time it is refused for now.
    let (server, _) = start(at);
    let again = hook.next();
    assert_eq!((&again.key, &again.body), (&key, &body));
    again.answer(503);
    server.kill();

    // It is taken, and nobody keeps that: the server is gone at the same moment.
    let (server, _) = start(at);
    let again = hook.next();
    assert_eq!((&again.key, &again.body), (&key, &body));
    again.answer(200);
    server.kill();

    // Whether it had been kept or not, it is done under this key and recorded once.
    let (server, url) = start(at);
    while shown(at, &url, "release")["restores"][0]["state"] != "done" {
        let again = hook.next();
        assert_eq!((&again.key, &again.body), (&key, &body));
        again.answer(200);
    }
    server.stop();
    let (server, url) = start(at);
    let release = shown(at, &url, "release");
    assert_eq!(release["restores"].as_array().unwrap().len(), 1, "{release:#}");
    let listed = flyball(at, &["change", "list", "-o", "json", "--server", &url]).json();
    let ids = listed["changes"].as_array().unwrap().iter();
    let ids: BTreeSet<&str> = ids.map(|it| it["change"]["id"].as_str().unwrap()).collect();
    let made = format!("restore:{key}");
    assert_eq!(ids, BTreeSet::from(["release", made.as_str()]));
    assert!(hook.told.try_recv().is_err(), "nothing is asked for again");

    // What is said of it, and what is done is not done again.
    let card = flyball(at, &["change", "show", "release", "--server", &url]);
    assert!(card.out.contains("roll back by back, automatically at"), "{}", card.out);
    let restore = ["change", "restore", "release", "--server", &url];
    let run = |more: &[&str]| flyball(at, &[&restore[..], more].concat());
    let none = run(&[]);
    assert!(none.code == 2 && none.err.contains("nothing is suggested"), "{none:?}");
    let done = run(&["--action", "back", "--apply", "--role", "on_call"]);
    assert!(done.code == 0 && done.err.contains(": done, recorded as"), "{done:?}");
    let unsaid = run(&["--action", "back", "--apply"]);
    assert!(unsaid.code == 2 && unsaid.err.contains("--role"), "{unsaid:?}");
    let fix = ["change", "record", "--service", "shop", "--id", "mend", "--class", "fix"];
    assert_eq!(flyball(at, &[&fix[..], &["--server", &url]].concat()).code, 0);
    let told = flyball(at, &["change", "restore", "mend", "--action", "slow", "--server", &url]);
    assert!(told.code == 0 && told.out.contains("POST http://"), "{told:?}");
    assert!(told.err.contains("a dry run, nothing was changed"), "{told:?}");
    let verified = flyball(at, &["audit", "verify", "--server", &url]);
    assert_eq!(verified.code, 0, "{verified:?}");
    server.stop();
    assert!(hook.told.try_recv().is_err(), "nobody was asked");
}
