//! Policies for tests, read from the text of their documents.

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

use super::{BudgetPolicySpec, FOUR_WEEKS, Policy, PolicyError, QUARTERLY};

/// A document as plain values; only what the documents that ship use.
pub(crate) fn yaml(text: &str) -> Value {
    let mut events = Parser::new_from_str(text).map(|event| event.unwrap().0);
    loop {
        match events.next().expect("there is a document") {
            Event::StreamStart | Event::DocumentStart(_) => {}
            event => return node(event, &mut events),
        }
    }
}

fn node<'a>(event: Event<'a>, events: &mut impl Iterator<Item = Event<'a>>) -> Value {
    match event {
        Event::Scalar(text, ScalarStyle::Plain, ..) => match (text.parse::<u64>(), &*text) {
            (Ok(number), _) => Value::from(number),
            (_, "true" | "false") => Value::Bool(text == "true"),
            (_, text) => Value::from(text),
        },
        Event::Scalar(text, ..) => Value::from(&*text),
        Event::SequenceStart(..) => {
            let mut list = Vec::new();
            loop {
                match events.next().expect("the list ends") {
                    Event::SequenceEnd => return Value::Array(list),
                    event => list.push(node(event, events)),
                }
            }
        }
        Event::MappingStart(..) => {
            let mut object = Map::new();
            loop {
                match events.next().expect("the mapping ends") {
                    Event::MappingEnd => return Value::Object(object),
                    Event::Scalar(key, ..) => {
                        let value = events.next().expect("a key has a value");
                        object.insert(key.into_owned(), node(value, events));
                    }
                    event => panic!("{event:?} is no key"),
                }
            }
        }
        event => panic!("{event:?} is no value"),
    }
}

/// The policy of a whole document.
pub(crate) fn document(text: &str) -> Result<Policy, Vec<PolicyError>> {
    let document = yaml(text);
    assert_eq!(
        (&document["apiVersion"], &document["kind"]),
        (&"flyball.dev/v1".into(), &"BudgetPolicy".into())
    );
    let spec: BudgetPolicySpec = serde_json::from_value(document["spec"].clone()).unwrap();
    Policy::new(document["metadata"]["name"].as_str().unwrap(), spec)
}

/// A policy of the given levels and more, both as YAML in flow or block style.
pub(crate) fn levels(levels: &str, more: &str) -> Result<Policy, Vec<PolicyError>> {
    let text =
        format!("version: 1\napprovers: [sre]\nrevisit: 2100-01-01\n{more}\nlevels:\n{levels}\n");
    Policy::new("test", serde_json::from_value(yaml(&text)).unwrap())
}

/// The shipped four-week policy.
pub(crate) fn four_weeks() -> Policy {
    document(FOUR_WEEKS).unwrap()
}

/// The shipped quarterly policy.
pub(crate) fn quarterly() -> Policy {
    document(QUARTERLY).unwrap()
}
