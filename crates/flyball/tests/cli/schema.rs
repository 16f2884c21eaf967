//! Checks reports against the published schema.

use std::sync::LazyLock;

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value;

use crate::run::root;

const NAME: &str = "replay-v1.schema.json";

static SCHEMA: LazyLock<(Schemas, SchemaIndex)> = LazyLock::new(|| {
    let text = std::fs::read_to_string(root().join("docs/format").join(NAME)).unwrap();
    let mut compiler = Compiler::new();
    compiler.enable_format_assertions();
    compiler.add_resource(NAME, serde_json::from_str(&text).unwrap()).unwrap();
    let mut schemas = Schemas::new();
    let index = compiler.compile(NAME, &mut schemas).unwrap();
    (schemas, index)
});

/// Panics where a report of a replay is not what the schema says.
pub(crate) fn check(report: &Value) {
    let (schemas, index) = &*SCHEMA;
    if let Err(error) = schemas.validate(report, *index) {
        panic!("{error:#}\n{report:#}");
    }
}

#[test]
#[should_panic(expected = "valid")]
fn a_count_that_is_no_integer_is_found() {
    check(&serde_json::json!({"schema": "flyball.dev/replay/v1", "slos": [{"objectives": []}]}));
}
