//! The options of `flyball serve` from a file, and a file of all of them.
//!
//! Names, meanings and defaults are those of the command line; nothing is said twice. A file's values
//! become arguments, where neither the command line nor the environment says something else.

use std::error::Error;
use std::ffi::OsString;
use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, bail};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command};
use flyball_server::masked;
use flyball_spec::{Diagnostic, Setting, SettingValue, Settings, Source, split_hint};

use super::ServeArgs;
use crate::talk;

/// Where the options of `flyball serve` stand in a command line: behind the program and the command.
const OPTIONS_BEGIN: usize = 2;
/// The width of a file of settings. Characters.
const WIDTH: usize = 100;

const HEADER: &str = "\
# Settings of `flyball serve`: every option, with what it is unless told. `flyball serve --config FILE`
# reads such a file, `flyball serve --print-config` writes it as things stand.
#
# What the command line says goes first, then the environment, then this file.
";

/// What `arguments`, the whole command line, say together with the file that they name.
///
/// # Errors
///
/// A file that cannot be read, and one with anything that cannot be meant, told with its places.
pub(super) fn resolve(arguments: &[OsString]) -> anyhow::Result<ArgMatches> {
    let given = read(arguments)?;
    let Some(path) = given.get_one::<std::path::PathBuf>("config") else { return Ok(given) };
    let mut all = arguments.to_vec();
    all.splice(OPTIONS_BEGIN..OPTIONS_BEGIN, from_file(path, &given)?);
    read(&all)
}

/// All options as a file: those that are as usual commented out.
pub(super) fn file(matches: &ArgMatches) -> String {
    let mut text = HEADER.to_owned();
    for (name, option) in options(&ServeArgs::augment_args(Command::new("serve"))) {
        text.push('\n');
        let help = option.get_help().map(ToString::to_string).unwrap_or_default();
        let also = option.get_env().map(|env| format!(". Also {}", env.display()));
        for line in wrapped(&(help + &also.unwrap_or_default() + "."), WIDTH - 2) {
            let _ = writeln!(text, "# {line}");
        }
        let id = option.get_id().as_str();
        let source = matches.value_source(id);
        let mut is_hidden = false;
        let is_url = option.get_value_names().is_some_and(|names| names == ["URL"]);
        let values: Vec<String> = matches.get_raw(id).map_or_else(
            || {
                option
                    .get_value_names()
                    .unwrap_or_default()
                    .iter()
                    .map(ToString::to_string)
                    .collect()
            },
            |raw| {
                let shown = raw.map(|value| {
                    let value = value.to_string_lossy();
                    let shown = if is_url { masked(&value).into() } else { value.clone() };
                    is_hidden |= shown != value;
                    scalar(&shown)
                });
                shown.collect()
            },
        );
        if is_hidden {
            text.push_str("# `***` stands for a password, which is not shown: write it here.\n");
        }
        let is_list = matches!(option.get_action(), ArgAction::Append);
        let value = if is_list { format!("[{}]", values.join(", ")) } else { values.concat() };
        let is_usual = matches!(source, None | Some(ValueSource::DefaultValue));
        let _ = writeln!(text, "{}{name}: {value}", if is_usual { "#" } else { "" });
    }
    text
}

/// The matches of `serve` in a whole command line.
fn read(arguments: &[OsString]) -> anyhow::Result<ArgMatches> {
    let mut all = crate::command().try_get_matches_from(arguments)?;
    all.remove_subcommand().map(|(_, matches)| matches).context("no command is named")
}

/// The options that a file can set, with their names there.
fn options(command: &Command) -> impl Iterator<Item = (&str, &Arg)> {
    let all = command
        .get_arguments()
        .filter(|arg| !matches!(arg.get_id().as_str(), "config" | "print_config"));
    all.filter_map(|arg| Some((arg.get_long()?, arg)))
}

/// The arguments that the file at `path` adds to what was `given`.
fn from_file(path: &Path, given: &ArgMatches) -> anyhow::Result<Vec<OsString>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the settings in {}", path.display()))?;
    let name = path.display().to_string();
    if let Ok(arguments) = arguments_of(&Source::new(&name, &text), given) {
        return Ok(arguments);
    }
    // Findings show lines of the file, and those may hold passwords.
    if let Err(found) = arguments_of(&Source::new(&name, hidden(&text)), given) {
        talk::diagnostics(&found);
    }
    bail!("the settings in {name} cannot be used")
}

/// `text` with `*` for every character of the user and password in a URL, so that all else keeps its
/// place.
fn hidden(text: &str) -> String {
    let words = text.split_inclusive(char::is_whitespace);
    let shown = words.map(|word| match (word.find("://"), word.rfind('@')) {
        (Some(scheme), Some(end)) if scheme + 3 < end => {
            let (before, secret) = word[..end].split_at(scheme + 3);
            format!("{before}{}{}", "*".repeat(secret.chars().count()), &word[end..])
        }
        _ => word.to_owned(),
    });
    shown.collect()
}

/// The arguments that `source` adds to what was `given`, or what is wrong with it.
fn arguments_of(source: &Source, given: &ArgMatches) -> Result<Vec<OsString>, Vec<Diagnostic>> {
    let command = ServeArgs::augment_args(Command::new("serve"));
    let names: Vec<&str> = options(&command).map(|(name, _)| name).collect();
    let mut settings = Settings::read(source, &names);
    let mut arguments = Vec::new();
    for setting in settings.found().to_vec() {
        let Some((_, option)) = options(&command).find(|(name, _)| *name == setting.name) else {
            continue;
        };
        let is_said = matches!(
            given.value_source(option.get_id().as_str()),
            Some(ValueSource::CommandLine | ValueSource::EnvVariable)
        );
        match as_arguments(option, &setting) {
            Ok(more) if !is_said => arguments.extend(more),
            Ok(_) => {}
            Err((value, said, hint)) => settings.refuse(&setting.name, value, said, hint),
        }
    }
    let found = settings.into_diagnostics();
    if found.is_empty() { Ok(arguments) } else { Err(found) }
}

/// Why a value cannot be used: which one, what is wrong, what to do.
type Refused<'s> = (&'s SettingValue, String, Option<String>);

/// A setting as arguments.
fn as_arguments<'s>(option: &Arg, setting: &'s Setting) -> Result<Vec<OsString>, Refused<'s>> {
    let Setting { name, values } = setting;
    if let (ArgAction::Set | ArgAction::SetTrue, Some(second)) =
        (option.get_action(), values.get(1))
    {
        return Err((second, format!("`{name}` has one value"), None));
    }
    let mut arguments = Vec::new();
    for value in values {
        if matches!(option.get_action(), ArgAction::SetTrue) {
            match value.text.as_str() {
                "true" => arguments.push(format!("--{name}").into()),
                "false" => {}
                _ => {
                    return Err((
                        value,
                        format!("`{}` is neither true nor false", value.text),
                        None,
                    ));
                }
            }
            continue;
        }
        let argument = format!("--{name}={}", value.text);
        if let Err((said, hint)) = check(&argument) {
            return Err((value, said, hint));
        }
        arguments.push(argument.into());
    }
    Ok(arguments)
}

/// What the command line has against one argument, and what to do.
fn check(argument: &str) -> Result<(), (String, Option<String>)> {
    let alone = ServeArgs::augment_args(Command::new("serve")).no_binary_name(true);
    let Err(error) = alone.try_get_matches_from([argument]) else { return Ok(()) };
    let said = match (error.kind(), error.source()) {
        (ErrorKind::ValueValidation, Some(cause)) => cause.to_string(),
        (kind, _) => kind.as_str().unwrap_or("it cannot be used").to_owned(),
    };
    let (said, hint) = split_hint(&said);
    Err((said.to_owned(), hint.map(str::to_owned)))
}

/// `text` as YAML that is read as it is: in quotes unless it is plain in every reader's eyes.
fn scalar(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-:".contains(c);
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/');
    if begins && text.chars().all(is_plain) && !text.ends_with(':') && text != "null" {
        return text.to_owned();
    }
    serde_json::Value::from(text).to_string()
}

/// The words of `text` in lines of at most `width` characters.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
