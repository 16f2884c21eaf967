//! The forms in which a replay is shown.

pub(crate) mod alerts;
pub(crate) mod attribution;
pub(crate) mod grid;
pub mod html;
pub(crate) mod live;
mod markdown;
pub(crate) mod page;
mod rows;
mod table;
pub(crate) mod words;

use crate::replay::Replayed;

/// A form of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Form {
    /// A table for people
    #[default]
    Table,
    /// The whole report, schema flyball.dev/replay/v1
    Json,
    /// The same as YAML
    Yaml,
    /// For a pull request or a wiki
    Markdown,
    /// One self-contained page with charts
    Html,
}

/// A replay in the asked form, with a newline at its end.
///
/// # Errors
///
/// A number that the form cannot hold; none is known.
pub fn render(replayed: &Replayed, form: Form) -> anyhow::Result<String> {
    Ok(match form {
        Form::Table => table::render(&replayed.report),
        Form::Json => serde_json::to_string_pretty(&replayed.report)? + "\n",
        Form::Yaml => {
            // Through the JSON value, so that both forms hold the same keys and numbers.
            serde_saphyr::to_string(&serde_json::to_value(&replayed.report)?)?
        }
        Form::Markdown => markdown::render(&replayed.report),
        Form::Html => html::render(replayed),
    })
}
