//! One indivisible term of a predicate, such as `duration_ms <= 300`, over a batch.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, new_null_array};
use arrow::compute::kernels::zip::zip;
use arrow::compute::{cast, concat, is_not_null};
use arrow::datatypes::{DataType, Field, Schema, UInt32Type};
use arrow::error::ArrowError;
use datafusion::common::{DFSchema, DataFusionError};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{ColumnarValue, Expr};
use datafusion::optimizer::simplify_expressions::{ExprSimplifier, SimplifyContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::sql::sqlparser::ast::{Expr as SqlExpr, ExprWithAlias};
use flyball_events::TWIN_SUFFIX;

use crate::coerce::{Clash, coerce};
use crate::compare::Comparison;
use crate::error::{PredicateError, QueryError};
use crate::truth::Truth;

/// A term without AND, OR or NOT at its top, with its compiled forms by attribute types.
#[derive(Debug)]
pub(crate) struct Leaf {
    text: String,
    sql: SqlExpr,
    /// The attributes it reads, sorted.
    pub(crate) attributes: Vec<String>,
    compiled: HashMap<Vec<Option<DataType>>, Arc<Compiled>>,
    /// A comparison that could mean nothing with the types of some batch.
    clash: Option<Clash>,
    /// Whether the types of some batch gave every comparison a meaning.
    fits: bool,
}

#[derive(Debug)]
struct Compiled {
    schema: Arc<Schema>,
    /// For each column of `schema` the index of its attribute.
    columns: Vec<usize>,
    expr: Arc<dyn PhysicalExpr>,
    /// What `expr` is, if it reads the first attribute only and merely compares it.
    comparison: Option<Comparison>,
    clash: Option<Clash>,
}

impl Leaf {
    pub(crate) fn new(text: String, sql: SqlExpr, attributes: Vec<String>) -> Self {
        Self { text, sql, attributes, compiled: HashMap::new(), clash: None, fits: false }
    }

    /// What is wrong with the term after all batches: it compares with a text what never was one.
    pub(crate) fn fault(&self) -> Option<PredicateError> {
        let Clash { compared, literal, is_boolean } = self.clash.as_ref().filter(|_| !self.fits)?;
        let (what, hint) = if *is_boolean {
            (
                "true or false",
                format!("write TRUE or FALSE without quotes, as in `{compared} = TRUE`"),
            )
        } else {
            ("a number", "write a number without quotes, or LIKE for a pattern".to_owned())
        };
        Some(PredicateError {
            message: format!("`{compared}` is {what} in every event, and '{literal}' is not"),
            line: None,
            column: None,
            hint: Some(hint),
        })
    }

    pub(crate) fn sql(&self) -> &SqlExpr {
        &self.sql
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Compiles the term as if no attribute had a type yet: finds unknown functions, wrong
    /// numbers of arguments and results that can never be a truth value.
    pub(crate) fn check(&mut self, state: &SessionState) -> Result<(), QueryError> {
        let types = vec![None; self.attributes.len()];
        self.compile(state, &types).map(|_| ())
    }

    /// The truth of the term for each row of `batch`.
    pub(crate) fn evaluate(
        &mut self,
        state: &SessionState,
        batch: &RecordBatch,
    ) -> Result<Truth, QueryError> {
        let columns: Vec<Option<&ArrayRef>> =
            self.attributes.iter().map(|name| batch.column_by_name(name)).collect();
        let twins: Vec<Option<&ArrayRef>> = self
            .attributes
            .iter()
            .map(|name| batch.column_by_name(&format!("{name}{TWIN_SUFFIX}")))
            .collect();
        // A term over one dictionary-coded attribute is decided once per distinct value.
        if let ([Some(column)], [None]) = (&columns[..], &twins[..])
            && let Some(dictionary) = column.as_dictionary_opt::<UInt32Type>()
        {
            let values = dictionary.values();
            let null = new_null_array(values.data_type(), 1);
            let entries = concat(&[values.as_ref(), null.as_ref()]).map_err(|e| self.failed(&e))?;
            let truth = self.evaluate_columns(state, &[Some(entries)], values.len() + 1)?;
            let keys = dictionary.keys();
            let null_code = values.len();
            return Ok(if keys.null_count() == 0 {
                truth.spread(keys.values().iter().map(|key| *key as usize))
            } else {
                truth.spread((0..keys.len()).map(|row| {
                    if keys.is_null(row) { null_code } else { keys.value(row) as usize }
                }))
            });
        }
        let mut own: Vec<Option<ArrayRef>> = Vec::with_capacity(columns.len());
        for column in &columns {
            own.push(match column {
                Some(column) => Some(plain_array(column).map_err(|e| self.failed(&e))?),
                None => None,
            });
        }
        let rows = batch.num_rows();
        if twins.iter().all(Option::is_none) {
            return self.evaluate_columns(state, &own, rows);
        }
        self.evaluate_mixed(state, own, &twins, rows)
    }

    /// The truth where some attributes hold values of several types: an event whose own value is
    /// in the twin is judged as if the whole column were text. So what it counts as does not depend
    /// on which events share its batch.
    fn evaluate_mixed(
        &mut self,
        state: &SessionState,
        own: Vec<Option<ArrayRef>>,
        twins: &[Option<&ArrayRef>],
        rows: usize,
    ) -> Result<Truth, QueryError> {
        let mut truth = self.evaluate_columns(state, &own, rows)?;
        let mut texts = own;
        let mut is_other = vec![false; rows];
        for (column, twin) in texts.iter_mut().zip(twins) {
            let Some(twin) = twin else { continue };
            for (row, is_other) in is_other.iter_mut().enumerate() {
                *is_other |= !twin.is_null(row);
            }
            *column = Some(match &*column {
                Some(own) => text_of_both(own, twin).map_err(|e| self.failed(&e))?,
                None => Arc::clone(twin),
            });
        }
        // A term that takes no text at all, such as one with arithmetic, has no answer there.
        let other =
            self.evaluate_columns(state, &texts, rows).unwrap_or_else(|_| Truth::unknown(rows));
        truth.replace(&other, &is_other);
        Ok(truth)
    }

    /// `columns` holds an array per attribute.
    fn evaluate_columns(
        &mut self,
        state: &SessionState,
        columns: &[Option<ArrayRef>],
        rows: usize,
    ) -> Result<Truth, QueryError> {
        let types: Vec<Option<DataType>> =
            columns.iter().map(|c| c.as_ref().map(|c| c.data_type().clone())).collect();
        let compiled = self.compile(state, &types)?;
        if self.clash.is_none() {
            self.clash.clone_from(&compiled.clash);
        }
        let is_complete = || columns.iter().all(Option::is_some);
        self.fits |= compiled.clash.is_none() && is_complete();
        if let Some(comparison) = compiled.comparison
            && let Some(Some(column)) = columns.first()
            && let Some(answers) = comparison.evaluate(column)
        {
            return Ok(Truth::from_array(&answers));
        }
        let arrays: Vec<ArrayRef> =
            compiled.columns.iter().filter_map(|attribute| columns[*attribute].clone()).collect();
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(compiled.schema.clone(), arrays, &options)
            .map_err(|e| self.failed(&e))?;
        match compiled.expr.evaluate(&batch) {
            Ok(value) => return self.truth(&value, rows),
            Err(error) if is_about_values(&error) => {}
            Err(error) => return Err(self.failed(&error)),
        }
        // One row (a division by zero, say) must not decide over its batch: that row is unknown.
        let mut answers = Vec::with_capacity(rows);
        for row in 0..rows {
            let answer = match compiled.expr.evaluate(&batch.slice(row, 1)) {
                Ok(value) => value.into_array(1).ok().and_then(|array| {
                    let array = array.as_boolean_opt()?;
                    (!array.is_null(0)).then(|| array.value(0))
                }),
                Err(_) => None,
            };
            answers.push(answer);
        }
        Ok(Truth::from_array(&BooleanArray::from(answers)))
    }

    fn truth(&self, value: &ColumnarValue, rows: usize) -> Result<Truth, QueryError> {
        let array = value.to_array(rows).map_err(|e| self.failed(&e))?;
        match array.as_boolean_opt() {
            Some(array) => Ok(Truth::from_array(array)),
            None if array.data_type() == &DataType::Null => Ok(Truth::unknown(rows)),
            None => Err(self.not_boolean(array.data_type())),
        }
    }

    fn compile(
        &mut self,
        state: &SessionState,
        types: &[Option<DataType>],
    ) -> Result<Arc<Compiled>, QueryError> {
        if let Some(compiled) = self.compiled.get(types) {
            return Ok(Arc::clone(compiled));
        }
        // An attribute the batch does not have is null of no type; a function that insists on a
        // type gets a null text instead.
        let compiled = self
            .compile_with(state, types, &DataType::Null)
            .or_else(|_| self.compile_with(state, types, &DataType::Utf8))
            .map_err(|error| self.failed(&error))?;
        let data_type =
            compiled.expr.data_type(&compiled.schema).map_err(|error| self.failed(&error))?;
        if !matches!(data_type, DataType::Boolean | DataType::Null) {
            return Err(self.not_boolean(&data_type));
        }
        // Types per attribute are few, so the cache stays small.
        let compiled = Arc::new(compiled);
        self.compiled.insert(types.to_vec(), Arc::clone(&compiled));
        Ok(compiled)
    }

    fn compile_with(
        &self,
        state: &SessionState,
        types: &[Option<DataType>],
        absent: &DataType,
    ) -> Result<Compiled, DataFusionError> {
        let mut fields = Vec::new();
        let mut columns = Vec::new();
        let mut planned = Vec::new();
        for (at, (name, data_type)) in self.attributes.iter().zip(types).enumerate() {
            planned.push(Field::new(name, data_type.clone().unwrap_or(absent.clone()), true));
            if let Some(data_type) = data_type {
                fields.push(Field::new(name, data_type.clone(), true));
                columns.push(at);
            }
        }
        let planned = DFSchema::try_from(Schema::new(planned))?;
        let sql = ExprWithAlias { expr: self.sql.clone(), alias: None };
        let expr = state.create_logical_expr_from_sql_expr(sql, &planned)?;
        let absent: HashMap<&str, &DataType> = self
            .attributes
            .iter()
            .zip(types)
            .filter(|(_, data_type)| data_type.is_none())
            .map(|(name, _)| (name.as_str(), absent))
            .collect();
        let (expr, clash) = coerce(expr, &planned)?;
        let expr = crate::predicate::replace_absent(expr, &absent)?;
        let schema = Arc::new(Schema::new(fields));
        let expr = physical(state, expr, &schema).map_err(|error| match &clash {
            // The engine's words would be about a cast that nobody wrote.
            Some(Clash { compared, literal, .. }) => {
                DataFusionError::Plan(format!("`{compared}` is a number, and '{literal}' is not"))
            }
            None => error,
        })?;
        let comparison = Comparison::of(&expr).filter(|_| columns == [0]);
        Ok(Compiled { schema, columns, expr, comparison, clash })
    }

    fn failed(&self, error: &dyn std::fmt::Display) -> QueryError {
        QueryError::Predicate { predicate: self.text.clone(), message: first_line(error) }
    }

    fn not_boolean(&self, data_type: &DataType) -> QueryError {
        QueryError::Predicate {
            predicate: self.text.clone(),
            message: format!(
                "yields {data_type}, not true or false\nhint: compare it, as in `{} = 1`",
                self.text
            ),
        }
    }
}

/// The expression as the engine evaluates it over batches of `schema`.
fn physical(
    state: &SessionState,
    expr: Expr,
    schema: &Arc<Schema>,
) -> Result<Arc<dyn PhysicalExpr>, DataFusionError> {
    let actual = DFSchema::try_from(schema.as_ref().clone())?;
    let context = SimplifyContext::builder()
        .with_schema(Arc::new(actual.clone()))
        .with_config_options(Arc::clone(state.config_options()))
        .build();
    // Some functions exist only until they are simplified away (coalesce becomes CASE).
    let simplifier = ExprSimplifier::new(context);
    let expr = simplifier.simplify(simplifier.coerce(expr, &actual)?)?;
    state.create_physical_expr(expr, &actual)
}

/// True for an error that one value causes and another would not.
fn is_about_values(error: &DataFusionError) -> bool {
    match error {
        DataFusionError::ArrowError(error, _) => matches!(
            **error,
            ArrowError::DivideByZero
                | ArrowError::ArithmeticOverflow(_)
                | ArrowError::CastError(_)
                | ArrowError::ComputeError(_)
                | ArrowError::ParseError(_)
        ),
        DataFusionError::Execution(_) => true,
        DataFusionError::Context(_, inner) => is_about_values(inner),
        _ => false,
    }
}

/// The first line of an engine's error, without its own prefixes.
pub(crate) fn first_line(error: &dyn std::fmt::Display) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.trim_start_matches("Error during planning: ")
        .trim_start_matches("SQL error: ")
        .trim_start_matches("Schema error: ")
        .trim_start_matches("Arrow error: ")
        .trim_start_matches("Cast error: ")
        .to_owned()
}

/// A column's values as text, those of its twin included.
fn text_of_both(own: &ArrayRef, twin: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    zip(&is_not_null(twin)?, twin, &cast(own, &DataType::Utf8)?)
}

/// Dictionary-coded text as plain text; anything else as it is.
fn plain_array(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match array.data_type() {
        DataType::Dictionary(_, values) => cast(array, values),
        _ => Ok(Arc::clone(array)),
    }
}
