//! Which times the filters of a query can be met at, as far as that is easy to say.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::Between;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use flyball_events::TIME_COLUMN;
use flyball_model::Timestamp;

/// The first and the last moment that all of `filters` allow; nothing may lie between them. Whatever
/// is not a comparison of the time with a moment allows every time.
pub(super) fn range(filters: &[Expr]) -> (Timestamp, Timestamp) {
    let mut range = (Timestamp::MIN, Timestamp::MAX);
    for filter in filters {
        narrow(filter, &mut range);
    }
    range
}

fn narrow(filter: &Expr, range: &mut (Timestamp, Timestamp)) {
    let (from, to) = &mut *range;
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            narrow(left, range);
            narrow(right, range);
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let (op, at) = match (is_time(left), moment(right), is_time(right), moment(left)) {
                (true, Some(at), ..) => (*op, at),
                (_, _, true, Some(at)) => (op.swap().unwrap_or(*op), at),
                _ => return,
            };
            match op {
                // A moment more than is allowed does no harm.
                Operator::Gt | Operator::GtEq => *from = (*from).max(at),
                Operator::Lt | Operator::LtEq => *to = (*to).min(at),
                Operator::Eq => (*from, *to) = ((*from).max(at), (*to).min(at)),
                _ => {}
            }
        }
        Expr::Between(Between { expr, negated: false, low, high }) if is_time(expr) => {
            *from = moment(low).map_or(*from, |low| low.max(*from));
            *to = moment(high).map_or(*to, |high| high.min(*to));
        }
        _ => {}
    }
}

fn is_time(expr: &Expr) -> bool {
    matches!(expr, Expr::Column(column) if column.name == TIME_COLUMN)
}

fn moment(expr: &Expr) -> Option<Timestamp> {
    match expr {
        Expr::Literal(ScalarValue::TimestampNanosecond(Some(nanos), _), _) => {
            Some(Timestamp::from_nanos(*nanos))
        }
        _ => None,
    }
}
