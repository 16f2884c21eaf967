//! `flyball query --server`: the same SQL over what a server has stored.

use std::io::Write;
use std::sync::Arc;

use anyhow::Context;
use arrow::array::RecordBatch;
use arrow::json::ReaderBuilder;
use arrow::json::reader::infer_json_schema;
use arrow::util::display::FormatOptions;
use arrow::util::pretty::pretty_format_batches_with_options;
use flyball_server::choose_cryptography;

use super::QueryForm;
use crate::Exit;
use crate::output::words;

/// Rows that are read at once to be shown.
const ROWS_AT_ONCE: usize = 8_192;

/// Has `server` answer `sql`, and prints that.
pub(super) fn run(server: &str, sql: &str, form: QueryForm) -> anyhow::Result<Exit> {
    choose_cryptography();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let accept = if form == QueryForm::Csv { "text/csv" } else { "application/x-ndjson" };
    let text = runtime.block_on(ask(server, sql, accept))?;
    let mut out = std::io::stdout().lock();
    if form != QueryForm::Table {
        out.write_all(text.as_bytes())?;
        return Ok(Exit::Met);
    }
    let (schema, _) = infer_json_schema(text.as_bytes(), None)?;
    let schema = Arc::new(schema);
    let reader = ReaderBuilder::new(Arc::clone(&schema)).with_batch_size(ROWS_AT_ONCE);
    let rows = reader.build(text.as_bytes())?.collect::<Result<Vec<RecordBatch>, _>>()?;
    let format = FormatOptions::default().with_null("–");
    let table = pretty_format_batches_with_options(&rows, &format)?.to_string();
    writeln!(out, "{}", words::printable(&table))?;
    Ok(Exit::Met)
}

async fn ask(server: &str, sql: &str, accept: &str) -> anyhow::Result<String> {
    let url = format!("{}/api/v1/query", server.trim_end_matches('/'));
    let body = serde_json::json!({ "sql": sql });
    let asked = reqwest::Client::new().post(&url).header("accept", accept).json(&body).send();
    let answer = asked.await.with_context(|| format!("cannot ask {url}"))?;
    let status = answer.status();
    let text = answer.text().await.with_context(|| format!("the answer of {url} was cut off"))?;
    if status.is_success() {
        return Ok(text);
    }
    let problem: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let detail = problem["detail"].as_str().unwrap_or("no reason given");
    let hint = problem["hint"].as_str().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    anyhow::bail!("the server answered {status}: {detail}{hint}")
}
