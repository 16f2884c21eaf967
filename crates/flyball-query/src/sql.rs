//! Whole SQL queries over events.
//!
//! Events have no schema before they are read, and a query needs one: the source is scanned twice,
//! first for the names and types of all attributes, then for the rows, of which only the columns
//! the query reads are decoded. Memory is bounded by what the query itself must hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::DataFusionError;
use datafusion::dataframe::DataFrame;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use flyball_model::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};

use crate::error::QueryError;
use crate::leaf::first_line;
use crate::names::{listed, near_matches, tokens};

mod range;
mod schema;
mod size;

use schema::Discovery;

/// The name of the table that queries read.
pub const TABLE: &str = "events";
/// Batches that wait between the reader and the query.
const BATCHES_WAITING_MAX: usize = 2;
/// Threads a query runs on.
const THREADS: usize = 2;
/// The stack of each: a sum of thousands is visited by recursion. Bytes; what is not used is not taken.
const STACK_BYTES: usize = 32 << 20;

/// Something that can be scanned for events, more than once.
pub trait EventSource: Send + Sync {
    /// Gives every batch to `sink`, in order, until it answers `false`. `columns` limits what is
    /// decoded; `None` asks for all attributes. Batches may differ in their columns.
    ///
    /// # Errors
    ///
    /// Whatever keeps the source from being read.
    fn scan(
        &self,
        columns: Option<&[String]>,
        sink: &mut dyn FnMut(RecordBatch) -> bool,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;

    /// As [`Self::scan`]; events outside `from` to `to`, both included, may be left out.
    ///
    /// # Errors
    ///
    /// Whatever keeps the source from being read.
    fn scan_between(
        &self,
        columns: &[String],
        _times: (Timestamp, Timestamp),
        sink: &mut dyn FnMut(RecordBatch) -> bool,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.scan(Some(columns), sink)
    }

    /// Gives batches to `sink` that together have every column with all its types, and integers as
    /// large as any: the events themselves, unless the source knows a shorter way.
    ///
    /// # Errors
    ///
    /// Whatever keeps the source from being read.
    fn outline(
        &self,
        sink: &mut dyn FnMut(RecordBatch) -> bool,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.scan(None, sink)
    }
}

/// What a query may take.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// What its operators hold at once. Bytes; nothing is put on disk instead.
    pub memory_bytes_max: usize,
    /// How long it may run.
    pub time_max: std::time::Duration,
    /// The query is given up when the other end is dropped.
    pub wanted: watch::Receiver<()>,
    /// Given back when nothing of the query runs any more: planning goes on for a while after it was given
    /// up.
    pub place: Arc<OwnedSemaphorePermit>,
}

/// What is known of an answer beside its rows.
#[derive(Debug)]
pub struct Answered {
    /// Its columns.
    pub schema: SchemaRef,
    /// Attributes the statement names that hold values of several types: what is no number of them
    /// is null in their column, and kept in the one with [`flyball_events::TWIN_SUFFIX`].
    pub mixed: Vec<String>,
}

/// Runs one SELECT (or DESCRIBE) over `source`, whose rows are the table [`TABLE`], and gives each
/// batch of the result to `sink`, which answers `false` to stop early. Returns what else there is
/// to know.
///
/// # Errors
///
/// [`QueryError::Sql`] for a statement that is wrong, is no SELECT, or fails; [`QueryError::Read`]
/// when the source cannot be read.
pub fn query(
    sql: &str,
    source: &Arc<dyn EventSource>,
    sink: &mut dyn FnMut(&RecordBatch) -> bool,
) -> Result<Answered, QueryError> {
    run(sql, source, None, sink)
}

/// As [`query`], within `bounds`.
///
/// # Errors
///
/// As [`query`]; [`QueryError::Bound`] when it needs more, [`QueryError::GivenUp`] when nobody wants
/// the answer any more.
pub fn query_within(
    sql: &str,
    source: &Arc<dyn EventSource>,
    bounds: Bounds,
    sink: &mut dyn FnMut(&RecordBatch) -> bool,
) -> Result<Answered, QueryError> {
    run(sql, source, Some(bounds), sink)
}

/// Functions whose value may be as long as their arguments say.
const GROWING: [&str; 15] = [
    "replace",
    "regexp_replace",
    "translate",
    "overlay",
    "repeat",
    "lpad",
    "rpad",
    "array_repeat",
    "list_repeat",
    "array_resize",
    "list_resize",
    "generate_series",
    "gen_series",
    "range",
    "space",
];

fn run(
    sql: &str,
    source: &Arc<dyn EventSource>,
    bounds: Option<Bounds>,
    sink: &mut dyn FnMut(&RecordBatch) -> bool,
) -> Result<Answered, QueryError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_stack_size(STACK_BYTES)
        .enable_time()
        .build()
        .map_err(|error| QueryError::Sql { message: error.to_string() })?;
    let mut environment = RuntimeEnvBuilder::new();
    if let Some(bounds) = &bounds {
        let pool = GreedyMemoryPool::new(bounds.memory_bytes_max);
        let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
        environment = environment.with_memory_pool(Arc::new(pool)).with_disk_manager_builder(disk);
    }
    let environment =
        environment.build_arc().map_err(|error| QueryError::Sql { message: first_line(&error) })?;
    let is_given_up = Arc::new(AtomicBool::new(false));
    let (tell, mut told) = mpsc::channel(1);
    let asked = Asked {
        sql: sql.to_owned(),
        source: Arc::clone(source),
        environment,
        place: bounds.as_ref().map(|bounds| Arc::clone(&bounds.place)),
        is_given_up: Arc::clone(&is_given_up),
    };
    // On a thread of its own: planning is one step, which no bound on time would interrupt here.
    let answering = runtime.spawn(asked.answer(tell));
    let answer = async {
        let mut answered = None;
        while let Some(step) = told.recv().await {
            match step {
                Step::Begun(begun) => answered = Some(begun),
                Step::Rows(batch) if sink(&batch) => {}
                Step::Rows(_) => return answered.ok_or(QueryError::GivenUp),
            }
        }
        match answering.await {
            Ok(Ok(())) => answered.ok_or(QueryError::GivenUp),
            Ok(Err(error)) => Err(error),
            Err(error) => Err(QueryError::Sql { message: error.to_string() }),
        }
    };
    let outcome = runtime.block_on(async {
        let Some(Bounds { time_max, mut wanted, .. }) = bounds else { return answer.await };
        tokio::select! {
            answered = answer => answered,
            () = tokio::time::sleep(time_max) => {
                let seconds = time_max.as_secs();
                let message = format!(
                    "the query took longer than {seconds} s\nhint: narrow it by `time`, or count less at once"
                );
                Err(QueryError::Bound { message })
            }
            _ = wanted.changed() => Err(QueryError::GivenUp),
        }
    });
    // What still reads or computes ends at its next batch; nobody waits for it.
    is_given_up.store(true, Ordering::Relaxed);
    runtime.shutdown_background();
    outcome
}

/// What an answer consists of.
enum Step {
    /// What is known before its rows.
    Begun(Answered),
    /// Some rows.
    Rows(RecordBatch),
}

/// A statement that is to be answered.
struct Asked {
    sql: String,
    source: Arc<dyn EventSource>,
    environment: Arc<RuntimeEnv>,
    /// Given back at the end; where there is one, the query is bounded.
    place: Option<Arc<OwnedSemaphorePermit>>,
    is_given_up: Arc<AtomicBool>,
}

impl Asked {
    /// Plans and runs the statement, and tells `to` its rows for as long as they are wanted.
    async fn answer(self, to: mpsc::Sender<Step>) -> Result<(), QueryError> {
        let Self { sql, source, environment, place, is_given_up } = self;
        if place.is_some() {
            size::check_length(&sql)?;
        }
        // Faults that need no data are found before any is read.
        let statement = parse(&sql, &[])?;
        if place.is_some() {
            size::check_parts(&statement)?;
        }
        let discovery = outline(&source, &is_given_up).await?;
        let events = Arc::new(Events { source, schema: discovery.schema() });
        let names: Vec<String> =
            events.schema.fields().iter().map(|field| field.name().clone()).collect();
        let statement = parse(&sql, &names)?;
        let config = SessionConfig::new().with_target_partitions(THREADS);
        let context = SessionContext::new_with_config_rt(config, environment);
        if place.is_some() {
            // They make much of little before the pool is asked, in one step that nothing interrupts.
            for name in GROWING {
                context.deregister_udf(name);
            }
        }
        let is_bounded = place.is_some();
        let explain = |error: DataFusionError| {
            let removed = is_bounded.then(|| removed(&error)).flatten();
            removed.unwrap_or_else(|| explain(&error, &names))
        };
        context.register_table(TABLE, events).map_err(explain)?;
        let state = context.state();
        let plan = state.statement_to_plan(statement).await.map_err(explain)?;
        let frame = DataFrame::new(state, plan);
        let schema = Arc::clone(frame.schema().inner());
        let mut stream = frame.execute_stream().await.map_err(explain)?;
        let mixed = discovery.mixed().into_iter().filter(|name| sql.contains(name)).collect();
        // Whoever does not listen any more has seen enough.
        let mut is_heard = to.send(Step::Begun(Answered { schema, mixed })).await.is_ok();
        while is_heard && let Some(batch) = futures::StreamExt::next(&mut stream).await {
            is_heard = to.send(Step::Rows(batch.map_err(explain)?)).await.is_ok();
        }
        Ok(())
    }
}

/// What to say where a function is not there on purpose: others that are called alike would be no help.
fn removed(error: &DataFusionError) -> Option<QueryError> {
    let said = error.to_string();
    let (_, name) = said.split_once("Invalid function '")?;
    let (name, _) = name.split_once('\'')?;
    let name = GROWING.into_iter().find(|removed| removed.eq_ignore_ascii_case(name))?;
    let message = format!(
        "the function `{name}` is not there on a server: it can make long values of short ones\n\
         hint: do it with the answer, or run `flyball query` over files"
    );
    Some(QueryError::Sql { message })
}

/// What columns `source` has, on a thread that may wait; it ends early when that is given up.
async fn outline(
    source: &Arc<dyn EventSource>,
    is_given_up: &Arc<AtomicBool>,
) -> Result<Discovery, QueryError> {
    let (source, is_given_up) = (Arc::clone(source), Arc::clone(is_given_up));
    let read = tokio::task::spawn_blocking(move || {
        let mut discovery = Discovery::default();
        source.outline(&mut |batch| {
            discovery.add(&batch);
            !is_given_up.load(Ordering::Relaxed)
        })?;
        Ok(discovery)
    });
    read.await.unwrap_or_else(|error| Err(QueryError::Sql { message: error.to_string() }))
}

/// One SELECT, with dotted and mixed-case attribute names made identifiers.
fn parse(sql: &str, names: &[String]) -> Result<Statement, QueryError> {
    let known = |name: &str| names.iter().any(|known| known == name);
    let join = |parts: &[&str]| {
        let whole = parts.join(".");
        if known(&whole) {
            // One plain lower-case word needs no help, and may be a keyword or an alias.
            let is_plain = parts.len() == 1 && whole == whole.to_lowercase();
            return (!is_plain).then_some(0);
        }
        (parts.len() > 2 && known(&parts[1..].join("."))).then_some(1)
    };
    let wrong = |message: String| QueryError::Sql { message };
    let tokens = tokens(sql, join).map_err(|error| {
        let place = error.line.zip(error.column);
        let place = place.map_or(String::new(), |(line, column)| format!(" at {line}:{column}"));
        wrong(format!("{}{place}", error.message))
    })?;
    let mut statements = Parser::new(&GenericDialect {})
        .with_tokens_with_locations(tokens)
        .parse_statements()
        .map_err(|error| wrong(first_line(&error)))?;
    match (statements.pop(), statements.is_empty()) {
        (Some(statement @ (SqlStatement::Query(_) | SqlStatement::ExplainTable { .. })), true) => {
            Ok(Statement::Statement(Box::new(statement)))
        }
        (None, _) => {
            Err(wrong(format!("the query is empty\nhint: try \"SELECT count(*) FROM {TABLE}\"")))
        }
        (_, false) => Err(wrong("more than one statement\nhint: give one SELECT".to_owned())),
        (Some(_), true) => {
            Err(wrong(format!("only SELECT and DESCRIBE {TABLE} can be run; nothing is written")))
        }
    }
}

/// An engine error in words for people, with near matches for unknown names.
fn explain(error: &DataFusionError, names: &[String]) -> QueryError {
    match error.find_root() {
        DataFusionError::External(source) => {
            return QueryError::Sql { message: source.to_string() };
        }
        DataFusionError::ResourcesExhausted(_) => {
            let message = "the query needs more memory than it is given\nhint: narrow it by `time`, \
                           group by fewer values, or add a LIMIT to what is sorted";
            return QueryError::Bound { message: message.to_owned() };
        }
        _ => {}
    }
    let message = first_line(error);
    if let Some((_, rest)) = message.split_once("No field named ") {
        let name = rest.split(". ").next().unwrap_or(rest).replace('"', "");
        let name = name.trim_end_matches('.');
        let name = name.strip_prefix("events.").unwrap_or(name);
        let near = near_matches(name, names.iter().map(String::as_str));
        let hint = if near.is_empty() {
            format!("the events have: {}; text stands in single quotes: '{name}'", listed(names))
        } else {
            format!("did you mean {}?", near.join(" or "))
        };
        return QueryError::Sql {
            message: format!("no event has the attribute `{name}`\nhint: {hint}"),
        };
    }
    if message.contains("table '") && message.contains("not found") {
        return QueryError::Sql {
            message: format!("{message}\nhint: the events are the table `{TABLE}`"),
        };
    }
    if message.contains("Cannot cast string") {
        return QueryError::Sql {
            message: format!(
                "{message}\nhint: some values are no numbers; TRY_CAST(attribute AS DOUBLE) makes them null"
            ),
        };
    }
    QueryError::Sql { message }
}

/// The events of a source as a table.
struct Events {
    source: Arc<dyn EventSource>,
    schema: SchemaRef,
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events").field("schema", &self.schema).finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl TableProvider for Events {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> datafusion::common::Result<Vec<TableProviderFilterPushDown>> {
        // They are looked at for the time only, and evaluated again on what is read.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> datafusion::common::Result<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(columns) => Arc::new(self.schema.project(columns)?),
            None => Arc::clone(&self.schema),
        };
        let rows = Arc::new(Rows {
            source: Arc::clone(&self.source),
            schema: Arc::clone(&schema),
            times: range::range(filters),
        });
        Ok(Arc::new(StreamingTableExec::try_new(schema, vec![rows], None, [], false, limit)?))
    }
}

/// One scan for the columns of `schema`.
struct Rows {
    source: Arc<dyn EventSource>,
    schema: SchemaRef,
    /// The first and the last moment that rows are wanted of.
    times: (Timestamp, Timestamp),
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl PartitionStream for Rows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut stream =
            RecordBatchReceiverStream::builder(Arc::clone(&self.schema), BATCHES_WAITING_MAX);
        let (source, schema) = (Arc::clone(&self.source), Arc::clone(&self.schema));
        let times = self.times;
        let batches = stream.tx();
        // The reader is blocking and has threads of its own.
        stream.spawn_blocking(move || {
            let columns = schema::attributes(&schema);
            let mut failed = None;
            source
                .scan_between(&columns, times, &mut |batch| match schema::adapt(&batch, &schema) {
                    Ok(batch) => batches.blocking_send(Ok(batch)).is_ok(),
                    Err(error) => {
                        failed = Some(error);
                        false
                    }
                })
                .map_err(DataFusionError::External)?;
            failed.map_or(Ok(()), |error| Err(error.into()))
        });
        stream.build()
    }
}

#[cfg(test)]
mod tests;
