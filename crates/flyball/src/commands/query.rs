//! `flyball query`: SQL over the same inputs that a replay reads.

mod remote;

use std::io::{IsTerminal, Write};
use std::ops::ControlFlow;
use std::sync::Arc;

use anyhow::{Context, bail};
use arrow::array::RecordBatch;
use arrow::util::display::FormatOptions;
use arrow::util::pretty::pretty_format_batches_with_options;
use flyball_events::{Input, Projection, ReadOptions, TWIN_SUFFIX, TimeRule, read};
use flyball_query::sql::{self, Answered, EventSource};
use reqwest::Url;

use crate::input::{Bar, InputArgs};
use crate::output::words;
use crate::remote::{SERVER_ENV, ServerArgs, server_url};
use crate::replay::tell_unread;
use crate::{Exit, talk};

/// Rows of a table on the screen; a result for reading on is NDJSON or CSV.
const TABLE_ROWS_MAX: usize = 1_000;

/// Run SQL over events; they are the table `events`
///
/// Attribute names need no quotes, dots included. The inputs are read twice: once for the names
/// and types of their attributes, once for the rows.
///
/// Examples:
///   flyball query "SELECT count(*) FROM events" access.log
///   flyball query "SELECT url.path, count(*) AS n FROM events GROUP BY 1 ORDER BY n DESC" \
///     'logs/*.gz'
///   flyball query 'DESCRIBE events' access.log
///   flyball query -o csv "SELECT * FROM events WHERE duration_ms > 1000 LIMIT 10" events.ndjson
///   flyball query --server http://127.0.0.1:8480 "SELECT count(*) FROM events"
#[expect(clippy::doc_markdown, reason = "a shell would run what stands in backticks")]
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    mut_arg("inputs", |arg| arg.required(false))
)]
pub(crate) struct QueryArgs {
    /// One SELECT statement, or DESCRIBE events
    #[arg(value_name = "SQL")]
    sql: String,

    /// Ask a server for the events that it has stored, instead of reading files. Also `FLYBALL_SERVER`,
    /// where no inputs are named
    #[arg(long, value_name = "URL", value_parser = server_url, conflicts_with = "inputs")]
    server: Option<Url>,

    /// A token of the server
    #[arg(long, value_name = "TOKEN", env = "FLYBALL_TOKEN", hide_env_values = true)]
    token: Option<String>,

    #[command(flatten)]
    input: InputArgs,

    /// What to print
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: QueryForm,
}

/// How rows are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum QueryForm {
    /// A table for people, its first 1,000 rows
    #[default]
    Table,
    /// One JSON object a line
    Json,
    /// Comma-separated values with a header
    Csv,
}

/// Inputs that can be scanned again and again.
#[derive(Debug)]
struct Files {
    inputs: Vec<Input>,
    options: ReadOptions,
}

impl EventSource for Files {
    fn scan(
        &self,
        columns: Option<&[String]>,
        sink: &mut dyn FnMut(RecordBatch) -> bool,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let mut options = self.options.clone();
        if let Some(columns) = columns {
            options.projection = Projection::Only(columns.to_vec());
        }
        let mut bar = Bar::new(if columns.is_none() { "schema" } else { "rows" });
        let summary =
            read(&self.inputs, &options, &mut |progress| bar.show(progress), &mut |batch| {
                if sink(batch) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
        drop(bar);
        // The second pass meets the same.
        if columns.is_none() {
            tell_unread(&summary)?;
        }
        Ok(())
    }
}

pub(crate) fn run(args: &QueryArgs) -> anyhow::Result<Exit> {
    if let Some(server) = server(args)? {
        let server = ServerArgs::new(server, args.token.clone());
        return remote::run(&server, &args.sql, args.output);
    }
    let mut inputs = args.input.expand()?;
    // Standard input can be read once only, so it is kept in a file for the second pass.
    let spool = match inputs.iter().position(|input| *input == Input::Stdin) {
        Some(at) => {
            let mut file = tempfile::NamedTempFile::new().context("cannot keep standard input")?;
            std::io::copy(&mut std::io::stdin().lock(), &mut file)
                .context("cannot keep standard input")?;
            inputs[at] = Input::File(file.path().to_owned());
            Some(file)
        }
        None => None,
    };
    let options = args.input.options(Projection::All, TimeRule::Optional)?;
    let source: Arc<dyn EventSource> = Arc::new(Files { inputs, options });
    let mut out = std::io::stdout().lock();
    match args.output {
        QueryForm::Table => table(&args.sql, &source, &mut out)?,
        QueryForm::Json => {
            let mut writer = arrow::json::LineDelimitedWriter::new(&mut out);
            stream(&args.sql, &source, &mut |batch| Ok(writer.write(batch)?))?;
            writer.finish()?;
        }
        QueryForm::Csv => {
            let mut writer = arrow::csv::Writer::new(&mut out);
            stream(&args.sql, &source, &mut |batch| Ok(writer.write(batch)?))?;
        }
    }
    drop(spool);
    Ok(Exit::Met)
}

/// The server that is meant; `None` where inputs are named. Those go before the environment, which is set
/// for other commands, too.
fn server(args: &QueryArgs) -> anyhow::Result<Option<Url>> {
    if args.server.is_some() || !args.input.inputs.is_empty() {
        return Ok(args.server.clone());
    }
    match std::env::var(SERVER_ENV) {
        Ok(text) => match server_url(&text) {
            Ok(url) => Ok(Some(url)),
            Err(said) => bail!("{SERVER_ENV}: {said}"),
        },
        Err(_) => bail!(
            "nothing is named to be queried\nhint: name files, or a server by --server or {SERVER_ENV}"
        ),
    }
}

/// Passes every batch on; the first error stops the query and is returned.
fn stream(
    sql: &str,
    source: &Arc<dyn EventSource>,
    write: &mut dyn FnMut(&RecordBatch) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut result = Ok(());
    let answered = sql::query(sql, source, &mut |batch| {
        result = write(batch);
        result.is_ok()
    })?;
    tell_mixed(&answered);
    result
}

/// What of an attribute the answer may have left out.
fn tell_mixed(answered: &Answered) {
    for name in &answered.mixed {
        talk::note(&format!(
            "`{name}` holds values of several types: null in its column stands for those that are in \"{name}{TWIN_SUFFIX}\""
        ));
    }
}

fn table(sql: &str, source: &Arc<dyn EventSource>, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut batches: Vec<RecordBatch> = Vec::new();
    let mut rows = 0;
    let answered = sql::query(sql, source, &mut |batch| {
        let room = TABLE_ROWS_MAX + 1 - rows;
        batches.push(batch.slice(0, batch.num_rows().min(room)));
        rows += batch.num_rows().min(room);
        rows <= TABLE_ROWS_MAX
    })?;
    let is_cut = rows > TABLE_ROWS_MAX;
    if is_cut && let Some(last) = batches.last_mut() {
        *last = last.slice(0, last.num_rows() - 1);
    }
    if batches.is_empty() {
        batches.push(RecordBatch::new_empty(Arc::clone(&answered.schema)));
    }
    let format = FormatOptions::default().with_null("–");
    let table = pretty_format_batches_with_options(&batches, &format)?.to_string();
    writeln!(out, "{}", words::printable(&table))?;
    if is_cut {
        let hint = format!("… more than {TABLE_ROWS_MAX} rows; use -o json or -o csv for all");
        if std::io::stdout().is_terminal() {
            writeln!(out, "{hint}")?;
        } else {
            talk::note(&hint);
        }
    }
    tell_mixed(&answered);
    Ok(())
}
