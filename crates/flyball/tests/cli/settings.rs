//! `flyball serve --config`: options from a file, and files that are kept in step with the program.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use crate::process::{command, listening};
use crate::run::{Ran, directory, flyball, root};

/// What `flyball serve --print-config` prints, in an environment that says nothing.
fn printed(at: &Path, more: &[&str], env: &[(&str, &str)]) -> String {
    let mut command = command(at, &[&["serve", "--print-config"][..], more].concat());
    for name in ["CONFIG", "DATA", "PROMETHEUS", "TLS_CERT", "TLS_KEY"] {
        command.env_remove(format!("FLYBALL_{name}"));
    }
    let output = command.envs(env.iter().copied()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The lines of `file` that set something.
fn set(file: &str) -> Vec<&str> {
    file.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

fn refused(text: &str) -> Ran {
    let home = directory(&[("flyball.yaml", text.as_bytes())]);
    let ran = flyball(home.path(), &["serve", "--config", "flyball.yaml"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    ran
}

#[test]
fn what_is_kept_in_the_repository_is_what_the_program_says() {
    let home = directory(&[]);
    let at = home.path();
    let openapi = flyball(at, &["openapi"]).out;
    for (path, command, said) in [
        ("docs/openapi.json", "flyball openapi", openapi),
        ("deploy/flyball.yaml", "flyball serve --print-config", printed(at, &[], &[])),
    ] {
        let kept = std::fs::read_to_string(root().join(path)).unwrap_or_default();
        assert!(kept == said, "{path} is of another version; renew it: `{command} > {path}`");
    }
}

#[test]
fn what_cannot_be_listened_on_or_served_with_is_told_with_what_to_do() {
    let home = directory(&[("empty.pem", b"".as_slice())]);
    let said = |args: &[&str], expected: &str| {
        let ran = flyball(home.path(), args);
        let is_told = ran.err.contains("hint: ") && ran.err.contains(expected);
        assert!(ran.code == 2 && is_told, "{args:?}: {}", ran.err);
    };
    said(&["serve", "--listen", "localhost"], "127.0.0.1:8480");
    said(&["budget", "--server", "127.0.0.1:8480"], "http://HOST:PORT");
    for (certificate, expected) in
        [("missing.pem", "cannot read missing.pem"), ("empty.pem", "PEM")]
    {
        let args = ["serve", "--tls-cert", certificate, "--tls-key", "empty.pem"];
        said(&[&args[..], &["--data", "data", "--listen", "127.0.0.1:0"]].concat(), expected);
    }
    said(&["serve", "--tls-cert", "empty.pem"], "--tls-key");
}

#[test]
fn the_documented_defaults_are_the_defaults() {
    let home = directory(&[]);
    let usual = printed(home.path(), &[], &[]);
    assert_eq!(set(&usual), Vec::<&str>::new());
    // Every line in force; what has no default shows what to write in capital letters.
    let is_set = |line: &&str| line.starts_with('#') && !line.starts_with("# ") && *line != "#";
    let lines: Vec<&str> = usual.lines().filter(is_set).map(|line| &line[1..]).collect();
    let has_value = |line: &&&str| {
        !line.ends_with(|c: char| c.is_ascii_uppercase() || c == ']') || line.contains("127")
    };
    // A flag that is not set is as good as not said.
    let is_said = |line: &&&str| has_value(line) && !line.ends_with("false");
    let defaults: Vec<&str> = lines.iter().filter(is_said).copied().collect();
    assert!(lines.len() >= 13 && defaults.len() >= 8, "{usual}");
    std::fs::write(home.path().join("all.yaml"), defaults.join("\n")).unwrap();
    let read = printed(home.path(), &["--config", "all.yaml"], &[]);
    assert_eq!(set(&read), defaults);
}

#[test]
fn the_command_line_goes_before_the_environment_before_the_file() {
    let home = directory(&[(
        "flyball.yaml",
        b"data: of-file\ntoken-requests: 7\ntoken-bytes: 8\nlisten: ['[::1]:0', 127.0.0.1:0]\ndev: true\n\
          prometheus: http://file:9090\nkeep-keys: 2h\n",
    )]);
    let given = ["--config", "flyball.yaml", "--token-requests", "9", "--listen", "127.0.0.1:1"];
    let said = printed(home.path(), &given, &[("FLYBALL_PROMETHEUS", "http://env:9090")]);
    assert_eq!(
        set(&said),
        [
            "data: of-file",
            "listen: [127.0.0.1:1]",
            "prometheus: http://env:9090",
            "dev: true",
            "token-requests: 9",
            "token-bytes: 8",
            "keep-keys: 2h",
        ]
    );
}

#[test]
fn what_a_file_says_wrongly_has_its_place_and_a_hint() {
    let text = "data: x\nlisen: [127.0.0.1:0]\ntoken-requests: many\nkeep-keys: 2 moons\ndev: yes\n\
                tail: ['/var/log/x;format=nosuch']\ntls-cert: [a, b]\nprometheus:\n";
    let said = refused(text).err;
    for expected in [
        "flyball.yaml:2:1",
        "did you mean `listen`?",
        "flyball.yaml:3:17",
        "flyball.yaml:4:12",
        "flyball.yaml:5:6",
        "`yes` is neither true nor false",
        "flyball.yaml:6:8",
        "flyball.yaml:7:15",
        "`tls-cert` has one value",
        "flyball.yaml:8:",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert!(refused("- data\n").err.contains("mapping"));
    assert!(refused("tls-cert: a.pem\n").err.contains("--tls-key"));
    let home = directory(&[]);
    let missing = flyball(home.path(), &["serve", "--config", "none.yaml"]);
    assert!(missing.code == 2 && missing.err.contains("none.yaml"), "{missing:?}");
}

#[test]
fn a_password_is_shown_nowhere() {
    let home = directory(&[
        ("good.yaml", b"prometheus: http://ann:s3cret@file:9090\n"),
        ("bad.yaml", b"promethius: http://ann:s3cret@file:9090\n"),
    ]);
    let at = home.path();
    let url = ("FLYBALL_PROMETHEUS", "http://ann:s3cret@env:9090");
    for (more, env, shown) in [
        (&["--prometheus", "http://ann:s3cret@h:9090/x"][..], &[][..], "http://ann:***@h:9090/x"),
        (&["--config", "good.yaml"][..], &[][..], "http://ann:***@file:9090"),
        (&[][..], &[url][..], "http://ann:***@env:9090"),
    ] {
        let said = printed(at, more, env);
        assert_eq!(set(&said), [format!("prometheus: \"{shown}\"")]);
        assert!(said.contains("stands for a password") && !said.contains("s3cret"), "{said}");
    }
    let wrong = "http://ann:s3cret@h:port";
    let ran = flyball(at, &["serve", "--data", "data", "--prometheus", wrong]);
    assert!(ran.code == 2 && ran.err.contains("http://ann:***@h:port"), "{ran:?}");
    assert!(!ran.err.contains("s3cret"), "{ran:?}");
    let ran = flyball(at, &["serve", "--config", "bad.yaml"]);
    assert!(ran.code == 2 && ran.err.contains("did you mean `prometheus`?"), "{ran:?}");
    assert!(!ran.err.contains("s3cret"), "{ran:?}");
    let help = command(at, &["serve", "--help"]).env(url.0, url.1).output().unwrap();
    assert!(!String::from_utf8_lossy(&help.stdout).contains("s3cret"));
}

#[test]
fn systemd_is_told_when_it_serves_and_when_it_ends() {
    let home = directory(&[("flyball.yaml", b"data: data\nlisten: [127.0.0.1:0]\n")]);
    let socket = UnixDatagram::bind(home.path().join("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let told = || {
        let mut buffer = [0; 64];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let mut serve = command(home.path(), &["serve", "--config", "flyball.yaml"]);
    let (server, url) = listening(serve.env("NOTIFY_SOCKET", home.path().join("notify")));
    assert_eq!(told(), "READY=1");
    assert_eq!(flyball(home.path(), &["ready", "--server", &url]).code, 0);
    server.stop();
    assert_eq!(told(), "STOPPING=1");
    assert_eq!(flyball(home.path(), &["ready", "--server", &url]).code, 1);
}
