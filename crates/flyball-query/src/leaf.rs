//! One indivisible term of a predicate, such as `duration_ms <= 300`, over a batch.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, new_null_array};
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, Field, Schema, UInt32Type};
use arrow::error::ArrowError;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, DataFusionError, ScalarValue};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{ColumnarValue, Expr, ExprSchemable, lit};
use datafusion::optimizer::simplify_expressions::{ExprSimplifier, SimplifyContext};
use datafusion::physical_expr::{PhysicalExpr, expressions};
use datafusion::sql::sqlparser::ast::{Expr as SqlExpr, ExprWithAlias};
use flyball_events::TWIN_SUFFIX;

use crate::coerce::coerce;
use crate::compare::Comparison;
use crate::error::{PredicateError, QueryError};
use crate::outline::{Held, Shape};
use crate::predicate::refuse_unfit;
use crate::truth::Truth;
use crate::value::{Kind, either, number_of, text_of, texts, truth_of, with_plain_doubles};

/// A term without AND, OR or NOT at its top, with its compiled forms by attribute types.
#[derive(Debug)]
pub(crate) struct Leaf {
    text: String,
    sql: SqlExpr,
    /// The attributes it reads, sorted.
    pub(crate) attributes: Vec<String>,
    compiled: HashMap<Vec<Option<DataType>>, Arc<Compiled>>,
    /// What is wrong with the term over the types of some batch.
    fault: Option<PredicateError>,
    /// Whether it has a meaning over those of another.
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
    fault: Option<PredicateError>,
}

impl Compiled {
    /// A term that says nothing, because of `fault`.
    fn unknown(fault: PredicateError) -> Self {
        let schema = Arc::new(Schema::empty());
        let expr = expressions::lit(ScalarValue::Boolean(None));
        Self { schema, columns: Vec::new(), expr, comparison: None, fault: Some(fault) }
    }
}

/// What a term takes the attributes of a batch for.
#[derive(Debug, Clone, Copy)]
enum Reading {
    /// What they are; an attribute that the batch does not have is null of this type.
    Own(&'static DataType),
    /// Texts, for a function of texts.
    Texts,
    /// Numbers where they are texts, for a function of numbers.
    Numbers,
}

impl Reading {
    /// In the order they are tried.
    const ALL: [Self; 4] =
        [Self::Own(&DataType::Null), Self::Own(&DataType::Utf8), Self::Texts, Self::Numbers];

    /// The type that an attribute of type `own` is taken for.
    fn data_type(self, own: Option<&DataType>) -> DataType {
        let Some(own) = own else {
            return match self {
                Self::Own(absent) => absent.clone(),
                Self::Texts => DataType::Utf8,
                Self::Numbers => DataType::Float64,
            };
        };
        match (self, Kind::of(own)) {
            (Self::Texts, Kind::Number | Kind::Truth) => DataType::Utf8,
            (Self::Numbers, Kind::Text) => DataType::Float64,
            _ => own.clone(),
        }
    }
}

impl Leaf {
    pub(crate) fn new(text: String, sql: SqlExpr, attributes: Vec<String>) -> Self {
        Self { text, sql, attributes, compiled: HashMap::new(), fault: None, fits: false }
    }

    /// Takes note of whether the term means something over attributes as in `shape`.
    pub(crate) fn meet(&mut self, state: &SessionState, shape: &Shape) {
        // Once is enough.
        if self.fits {
            return;
        }
        let held = |name: &String| shape.get(name).cloned().unwrap_or_default();
        let held: Vec<_> = self.attributes.iter().map(held).collect();
        let own: Vec<_> = held.iter().map(|held| held.own.clone()).collect();
        self.judge(state, &own);
        if held.iter().any(|held| held.has_others) {
            // As events are judged whose own value is of another type than the column's.
            let as_texts =
                |held: Held| if held.has_others { Some(DataType::Utf8) } else { held.own };
            let as_texts: Vec<_> = held.into_iter().map(as_texts).collect();
            self.judge(state, &as_texts);
        }
    }

    /// What is wrong with the term after all batches: it had a meaning over none.
    pub(crate) fn fault(&self) -> Option<PredicateError> {
        self.fault.clone().filter(|_| !self.fits)
    }

    pub(crate) fn sql(&self) -> &SqlExpr {
        &self.sql
    }

    /// Compiles the term as if no attribute had a type yet: finds unknown functions, wrong
    /// numbers of arguments and results that can never be a truth value.
    pub(crate) fn check(&mut self, state: &SessionState) -> Result<(), PredicateError> {
        let types = vec![None; self.attributes.len()];
        let compiled = self.compile(state, &types);
        match &compiled.fault {
            None => Ok(()),
            Some(fault) => Err(fault.clone()),
        }
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
        let mut as_texts = own;
        let mut is_other = vec![false; rows];
        for (column, twin) in as_texts.iter_mut().zip(twins) {
            let Some(twin) = twin else { continue };
            for (row, is_other) in is_other.iter_mut().enumerate() {
                *is_other |= !twin.is_null(row);
            }
            let own = column.as_ref().map(texts).transpose();
            *column = own
                .and_then(|own| either(Some(Arc::clone(twin)), own))
                .map_err(|error| self.failed(&error))?;
        }
        truth.replace(&self.evaluate_columns(state, &as_texts, rows)?, &is_other);
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
        let compiled = self.judge(state, &types);
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
        Ok(array.as_boolean_opt().map_or_else(|| Truth::unknown(rows), Truth::from_array))
    }

    /// The term over attributes of `types`, after taking note of whether it means something over them.
    fn judge(&mut self, state: &SessionState, types: &[Option<DataType>]) -> Arc<Compiled> {
        let compiled = self.compile(state, types);
        if self.fault.is_none() {
            self.fault.clone_from(&compiled.fault);
        }
        self.fits |= compiled.fault.is_none() && types.iter().all(Option::is_some);
        compiled
    }

    /// The term over attributes of `types`. One that has no meaning over them is unknown of every
    /// event, and says why.
    fn compile(&mut self, state: &SessionState, types: &[Option<DataType>]) -> Arc<Compiled> {
        if let Some(compiled) = self.compiled.get(types) {
            return Arc::clone(compiled);
        }
        let mut first = None;
        let compiled = Reading::ALL.into_iter().find_map(|reading| {
            self.compile_as(state, types, reading).map_err(|error| first.get_or_insert(error)).ok()
        });
        let compiled = match (compiled, first) {
            (Some(compiled), _) => compiled,
            (None, error) => {
                let error = error.map_or(String::new(), |error| first_line(&error));
                Compiled::unknown(PredicateError::of_term(&self.text, &error))
            }
        };
        // Types per attribute are few, so the cache stays small.
        let compiled = Arc::new(compiled);
        self.compiled.insert(types.to_vec(), Arc::clone(&compiled));
        compiled
    }

    fn compile_as(
        &self,
        state: &SessionState,
        types: &[Option<DataType>],
        reading: Reading,
    ) -> Result<Compiled, DataFusionError> {
        let mut fields = Vec::new();
        let mut columns = Vec::new();
        let mut planned = Vec::new();
        for (at, (name, own)) in self.attributes.iter().zip(types).enumerate() {
            planned.push(Field::new(name, reading.data_type(own.as_ref()), true));
            if let Some(own) = own {
                fields.push(Field::new(name, own.clone(), true));
                columns.push(at);
            }
        }
        let planned = DFSchema::try_from(Schema::new(planned))?;
        let sql = ExprWithAlias { expr: self.sql.clone(), alias: None };
        let expr = state.create_logical_expr_from_sql_expr(sql, &planned)?;
        refuse_unfit(&expr)?;
        let (expr, mut fault) = coerce(expr, &planned)?;
        let (expr, not_boolean) = self.as_truth(expr, types, &planned)?;
        fault = fault.or(not_boolean);
        let schema = Arc::new(Schema::new(fields));
        let actual = DFSchema::try_from(schema.as_ref().clone())?;
        let expr = replace_columns(expr, &planned, &actual)?;
        let expr = physical(state, expr, &actual)?;
        let comparison = Comparison::of(&expr).filter(|_| columns == [0]);
        Ok(Compiled { schema, columns, expr, comparison, fault })
    }

    /// `expr` as a condition, and what is wrong if it is none.
    fn as_truth(
        &self,
        expr: Expr,
        types: &[Option<DataType>],
        schema: &DFSchema,
    ) -> Result<(Expr, Option<PredicateError>), DataFusionError> {
        let data_type = expr.get_type(schema)?;
        let is_fault = match Kind::of(&data_type) {
            Kind::Truth | Kind::Null => return Ok((expr, None)),
            // Texts may be truth values, if there are any.
            Kind::Text => types.iter().all(Option::is_none),
            Kind::Number | Kind::Other => true,
        };
        let fault = is_fault.then(|| {
            let what = format!("yields {data_type}, not true or false");
            let hint = format!("compare it, as in `{} = 1`", self.text);
            PredicateError::of_term(&self.text, &format!("{what}\nhint: {hint}"))
        });
        Ok((truth_of(expr, schema)?, fault))
    }

    fn failed(&self, error: &dyn std::fmt::Display) -> QueryError {
        QueryError::Predicate { predicate: self.text.clone(), message: first_line(error) }
    }
}

/// Puts what a batch has in the place of what a term was planned with: nulls where it has nothing,
/// its columns as what they were taken for.
fn replace_columns(
    expr: Expr,
    planned: &DFSchema,
    actual: &DFSchema,
) -> Result<Expr, DataFusionError> {
    let replace = |expr| {
        let Expr::Column(column) = &expr else { return Ok(Transformed::no(expr)) };
        let wanted = planned.field_with_unqualified_name(&column.name)?.data_type();
        Ok(match actual.field_with_unqualified_name(&column.name) {
            Err(_) => Transformed::yes(lit(ScalarValue::try_from(wanted)?)),
            Ok(own) if own.data_type() == wanted => Transformed::no(expr),
            Ok(_) if *wanted == DataType::Utf8 => Transformed::yes(text_of(expr, actual)?),
            Ok(_) => Transformed::yes(number_of(expr, actual)?),
        })
    };
    expr.transform_up(replace).map(|transformed| transformed.data)
}

/// The expression as the engine evaluates it over batches of `schema`.
fn physical(
    state: &SessionState,
    expr: Expr,
    schema: &DFSchema,
) -> Result<Arc<dyn PhysicalExpr>, DataFusionError> {
    let context = SimplifyContext::builder()
        .with_schema(Arc::new(schema.clone()))
        .with_config_options(Arc::clone(state.config_options()))
        .build();
    // Some functions exist only until they are simplified away (coalesce becomes CASE).
    let simplifier = ExprSimplifier::new(context);
    let expr = with_plain_doubles(simplifier.coerce(expr, schema)?, schema)?;
    state.create_physical_expr(simplifier.simplify(expr)?, schema)
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

/// An engine's error in one line, without its own prefixes, and a line with a hint where it has one.
pub(crate) fn first_line(error: &dyn std::fmt::Display) -> String {
    let text = error.to_string();
    let (line, more) = text.split_once('\n').unwrap_or((&text, ""));
    // Of the ways a function could have been called, the first says enough.
    let line = line.split_once(", errors: ").map_or(line, |(_, ways)| {
        ways.split_once(",Error during").map_or(ways, |(first, _)| first)
    });
    if line.contains("Unsupported ast node") {
        return "this part of SQL cannot be used here".to_owned();
    }
    let line = [
        "Internal error: ",
        "Error during planning: ",
        "SQL error: ",
        "Schema error: ",
        "Arrow error: ",
        "Cast error: ",
    ]
    .iter()
    .fold(line, |line, prefix| line.trim_start_matches(prefix));
    match more.lines().next().and_then(|more| more.strip_prefix("Did you mean ")) {
        Some(near) => format!("{line}\nhint: did you mean {near}"),
        None => line.to_owned(),
    }
}

/// Dictionary-coded text as plain text; anything else as it is.
fn plain_array(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match array.data_type() {
        DataType::Dictionary(_, values) => cast(array, values),
        _ => Ok(Arc::clone(array)),
    }
}
