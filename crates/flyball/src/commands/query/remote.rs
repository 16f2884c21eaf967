//! `flyball query --server`: the same SQL over what a server has stored.

use std::io::Write;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::json::ReaderBuilder;
use arrow::json::reader::infer_json_schema;
use arrow::util::display::FormatOptions;
use arrow::util::pretty::pretty_format_batches_with_options;

use super::QueryForm;
use crate::Exit;
use crate::output::words;
use crate::remote::{Remote, ServerArgs};

/// Rows that are read at once to be shown.
const ROWS_AT_ONCE: usize = 8_192;

/// Has `server` answer `sql`, and prints that.
pub(super) fn run(server: &ServerArgs, sql: &str, form: QueryForm) -> anyhow::Result<Exit> {
    let accept = if form == QueryForm::Csv { "text/csv" } else { "application/x-ndjson" };
    let body = serde_json::json!({ "sql": sql });
    let text = Remote::new(server)?.post_for_text(&["api", "v1", "query"], accept, &body)?;
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
