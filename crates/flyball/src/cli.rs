//! The shape of the command line.

use clap::{Parser, Subcommand};

use crate::commands;

/// What the process answers to its caller; for the help of commands that decide something.
pub(crate) const EXIT_CODES: &str = "Exit codes: 0 met or success, 1 missed or failed, \
    2 wrong usage or input, 3 undecided: no data, or an SLO that was not evaluated.";

/// Closes the loop between production stability and delivery speed: exact error budgets from raw
/// events.
#[derive(Debug, Parser)]
#[command(name = "flyball", version, propagate_version = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Replay(commands::replay::ReplayArgs),
    Serve(Box<commands::serve::ServeArgs>),
    Apply(commands::apply::ApplyArgs),
    Get(commands::get::GetArgs),
    Budget(commands::budget::BudgetArgs),
    Alert(commands::alert::AlertArgs),
    Service(commands::service::ServiceArgs),
    Delivery(commands::delivery::DeliveryArgs),
    Report(commands::report::ReportArgs),
    Risk(commands::risk::RiskArgs),
    Change(commands::change::ChangeArgs),
    Gate(commands::gate::GateArgs),
    Policy(commands::policy::PolicyArgs),
    Review(commands::review::ReviewArgs),
    Custody(commands::custody::CustodyArgs),
    Oncall(Box<commands::oncall::OncallArgs>),
    Incident(commands::incident::IncidentArgs),
    Friction(commands::friction::FrictionArgs),
    Drill(commands::drill::DrillArgs),
    Tail(commands::tail::TailArgs),
    Query(commands::query::QueryArgs),
    /// Check, format, show, test and suggest SLOs, and ask a server how they stand
    Slo(commands::slo::SloArgs),
    Token(commands::token::TokenArgs),
    Grant(commands::grant::GrantArgs),
    Audit(commands::audit::AuditArgs),
    Ledger(commands::ledger::LedgerArgs),
    Doctor(commands::doctor::DoctorArgs),
    Backup(commands::backup::BackupArgs),
    Restore(commands::backup::RestoreArgs),
    Ready(commands::ready::ReadyArgs),
    DrillGuard(commands::drill_guard::DrillGuardArgs),
    Openapi(commands::openapi::OpenapiArgs),
    Completions(commands::generate::CompletionsArgs),
    Man(commands::generate::ManArgs),
}

#[cfg(test)]
mod tests {
    use std::process::Command as Process;

    /// The arguments that a shell makes of the examples in the help of `command` and below it.
    fn examples(command: &clap::Command, found: &mut Vec<Vec<String>>) {
        let about = command.get_long_about().map(ToString::to_string).unwrap_or_default();
        for line in about.replace("\\\n", " ").lines().filter(|line| line.contains("flyball ")) {
            if !line.starts_with("  ") {
                continue;
            }
            // Only `flyball` is asked for its arguments; what feeds it or reads it does nothing.
            let shell = format!(
                "set -f; flyball() {{ printf '%s\\n' flyball \"$@\" >&2; }}; jq() {{ :; }}; \
                 zcat() {{ :; }}; {}",
                line.replace(" > /", " > /dev/null # /")
            );
            let said = Process::new("bash").args(["-c", &shell]).output().unwrap();
            assert!(said.status.success(), "{line}");
            let said = String::from_utf8(said.stderr).unwrap();
            found.push(said.lines().map(str::to_owned).collect());
        }
        for below in command.get_subcommands() {
            examples(below, found);
        }
    }

    /// Every line of an example in the help of `command` and below it that is not there as it was written.
    fn broken(command: &clap::Command, found: &mut Vec<String>) {
        let about = command.get_long_about().map(ToString::to_string).unwrap_or_default();
        let help = command.clone().render_long_help().to_string();
        let lines: Vec<&str> = help.lines().collect();
        let examples = about.lines().filter(|line| line.starts_with("  "));
        found.extend(examples.filter(|line| !lines.contains(line)).map(str::to_owned));
        for below in command.get_subcommands() {
            broken(below, found);
        }
    }

    #[test]
    fn no_example_of_the_help_is_broken_over_lines() {
        let mut command = crate::command();
        command.build();
        let mut found = Vec::new();
        broken(&command, &mut found);
        assert_eq!(found, [""; 0]);
    }

    #[test]
    fn every_example_of_the_help_can_be_pasted_into_a_shell() {
        let mut found = Vec::new();
        examples(&crate::command(), &mut found);
        assert!(found.len() > 10, "{found:?}");
        for arguments in found {
            let read = crate::command().try_get_matches_from(&arguments);
            assert!(read.is_ok(), "{arguments:?}: {}", read.unwrap_err());
        }
    }
}
