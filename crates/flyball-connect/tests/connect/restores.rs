//! What other systems are asked to do so that a service is restored.

use flyball_connect::Format;
use flyball_connect::notify::{Secret, signature};
use flyball_connect::restore::{
    FlagError, Order, change_id, hook_request, switch_off, unleash_address, unleash_request,
};
use flyball_model::{HookPurpose, Timestamp};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::{change, now, told};

/// Reads `flag` as flagd's documentation says: `None` stands for the default in the caller's code.
fn evaluated(file: &str, flag: &str) -> Option<Value> {
    let file: Value = serde_json::from_str(file).unwrap();
    let flag = &file["flags"][flag];
    if flag["state"] == "DISABLED" {
        return None;
    }
    // Rules that are there decide. Those of these tests serve everybody the first variant.
    let rules = flag["targeting"].as_object().is_some_and(|rules| !rules.is_empty());
    let variants = flag["variants"].as_object()?;
    if rules {
        return variants.values().next().cloned();
    }
    variants.get(flag["defaultVariant"].as_str()?).cloned()
}

const FLAGS: &str = r##"{
	"$schema": "https://flagd.dev/schema/v0/flags.json",
  "flags": {
    "new-cart": {"state": "ENABLED",  "variants": {"on": true, "off": false},
      "defaultVariant": "on", "targeting": {"if": [true, "on"]}, "metadata": {"owner": "shop", "n": 1e2}},
    "dead": {"state":"DISABLED","variants":{"yes":true,"no":false},"defaultVariant":"yes"},
    "colour": {"state": "ENABLED", "variants": {"red": "#f00", "off": "#000"}, "defaultVariant": "red"},
    "size": {"state": "ENABLED", "variants": {"s": 1, "l": 2}, "defaultVariant": "l"},
    "a/b~c": {"variants": {"x": true, "y": false}},
    "off": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off", "targeting": {}}
  },
  "$evaluators": {"staff": {"in": ["@shop.example", {"var": "email"}]}}
}
"##;

#[test]
fn a_flag_that_is_switched_off_is_off_to_flagd_and_nothing_else_changes() {
    assert_eq!(evaluated(FLAGS, "new-cart"), Some(json!(true)));
    let off = switch_off(FLAGS, "new-cart", None).unwrap();
    assert_eq!(evaluated(&off.text, "new-cart"), Some(json!(false)));
    let expected = FLAGS.replacen(
        r#""defaultVariant": "on", "targeting": {"if": [true, "on"]}"#,
        r#""defaultVariant": "off", "targeting": {}"#,
        1,
    );
    assert_eq!(off.text, expected, "to the byte");
    let edits = serde_json::to_value(&off.edits).unwrap();
    let said = json!([
        {"pointer": "/flags/new-cart/defaultVariant", "from": "on", "to": "off"},
        {"pointer": "/flags/new-cart/targeting", "from": {"if": [true, "on"]}, "to": {}},
    ]);
    assert_eq!(edits, said);
    let again = switch_off(&off.text, "new-cart", None).unwrap();
    assert_eq!((again.text, again.edits.len()), (off.text, 0));

    // What is disabled has the default of the code, which may be on.
    assert_eq!(evaluated(FLAGS, "dead"), None);
    let off = switch_off(FLAGS, "dead", None).unwrap();
    assert_eq!(evaluated(&off.text, "dead"), Some(json!(false)));
    let off = switch_off(FLAGS, "colour", None).unwrap();
    assert_eq!(evaluated(&off.text, "colour"), Some(json!("#000")));
    let off = switch_off(FLAGS, "size", Some("s")).unwrap();
    assert_eq!(evaluated(&off.text, "size"), Some(json!(1)));
    let off = switch_off(FLAGS, "a/b~c", None).unwrap();
    assert_eq!(evaluated(&off.text, "a/b~c"), Some(json!(false)), "it had no default");
    assert_eq!(off.edits[0].pointer, "/flags/a~1b~0c/defaultVariant");
    assert_eq!(switch_off(FLAGS, "off", None).unwrap().text, FLAGS);
}

#[test]
fn what_cannot_be_switched_off_is_refused_with_what_there_is() {
    let refused =
        |text: &str, flag: &str, off| switch_off(text, flag, off).unwrap_err().to_string();
    let unknown = refused(FLAGS, "new-card", None);
    assert!(unknown.contains("no flag `new-card`") && unknown.contains("`new-cart`"), "{unknown}");
    let unclear = refused(FLAGS, "size", None);
    assert!(unclear.contains("`off:`") && unclear.contains("`s`, `l`"), "{unclear}");
    let wrong = refused(FLAGS, "size", Some("m"));
    assert!(wrong.contains("no variant `m`"), "{wrong}");
    let two =
        r#"{"flags": {"a": {"variants": {"off": false, "none": false}, "defaultVariant": "off"}}}"#;
    assert!(matches!(switch_off(two, "a", None), Err(FlagError::Ambiguous { .. })));
    assert_eq!(switch_off(two, "a", Some("none")).unwrap().edits.len(), 1);
    assert!(matches!(switch_off("{", "a", None), Err(FlagError::Json(_))));
    assert!(matches!(switch_off("[]", "a", None), Err(FlagError::NoFlags)));
    assert!(matches!(switch_off(r#"{"flags":{"a":1}}"#, "a", None), Err(FlagError::NoFlag { .. })));
}

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z\"\\\\{}\\[\\]:, é\n]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-z\"\\\\{}]{0,6}", inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn all_that_stands_beside_stays(
        (other, meta, name) in (document(), document(), "[a-z\"\\\\/~ é]{1,8}"),
        is_pretty in any::<bool>(),
    ) {
        let flag = json!({
            "metadata": meta, "state": "DISABLED", "targeting": {"if": [other.clone()]},
            "variants": {"b": true, "a": false}, "defaultVariant": "b",
        });
        let mut flags = Map::new();
        flags.insert(format!("{name}1"), other.clone());
        flags.insert(name.clone(), flag);
        let mut file = json!({ "other": other, "flags": flags, "last": meta });
        let text = if is_pretty { format!("{file:#}") } else { file.to_string() };
        let off = switch_off(&text, &name, None).unwrap();
        let is: Value = serde_json::from_str(&off.text).unwrap();
        let of = &mut file["flags"][&name];
        of["state"] = json!("ENABLED");
        of["defaultVariant"] = json!("a");
        of["targeting"] = json!({});
        prop_assert_eq!(&is, &file);
        prop_assert_eq!(is.to_string(), file.to_string(), "in the same order");
    }
}

#[test]
fn a_hook_is_told_what_the_schema_says_under_its_key() {
    let schema = include_str!("../../../../docs/format/restore-v1.schema.json");
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    compiler.add_resource("restore.json", serde_json::from_str(schema).unwrap()).unwrap();
    let index = compiler.compile("restore.json", &mut schemas).unwrap();
    let own = r#"{"id":"release-14","service":"shop","version":"1.4.0"}"#;
    let bad = change(told(&Format::Own, own).unwrap());
    let key = "0f".repeat(32);
    let order = Order {
        key: &key,
        action: "back",
        purpose: HookPurpose::Rollback,
        change: &bad,
        to: None,
        slice: None,
        objectives: vec!["checkout"],
        by: "server",
        automatic: true,
        at: now(),
    };
    let drain = Order {
        purpose: HookPurpose::Drain,
        to: Some(&bad),
        slice: Some(("cloud.region", "eu-1")),
        ..order.clone()
    };
    for order in [&order, &drain] {
        let body: Value = serde_json::from_str(&order.body()).unwrap();
        if let Err(error) = schemas.validate(&body, index) {
            panic!("{error:#}\n{body:#}");
        }
        assert_eq!(body["record"], change_id(&key));
    }
    let (url, secret) = (Secret::new("http://h/back"), Secret::new("hush"));
    let of = |at| hook_request((&url, &secret), HookPurpose::Drain, &key, &drain.body(), at);
    let (first, again) = (of(now()), of(Timestamp::from_seconds(9)));
    assert_eq!(first.body, again.body);
    let header = |name: &str| {
        let mut headers = first.headers.iter();
        headers.find(|(header, _)| *header == name).map(|(_, value)| value.as_str())
    };
    assert_eq!(header("idempotency-key"), Some(key.as_str()));
    assert_eq!(header("flyball-event"), Some("restore.drain"));
    let signed = signature(&secret, now(), &first.body);
    assert_eq!(header("flyball-signature"), Some(signed.as_str()));
}

#[test]
fn unleash_is_asked_in_its_own_words() {
    let address = unleash_address("https://unleash.example/base/", "default", "a b/c", "cart?x");
    assert_eq!(
        address,
        "https://unleash.example/base/api/admin/projects/default/features/cart%3Fx/environments/a%20b%2Fc/off"
    );
    let request = unleash_request(&address, &Secret::new("*:*.unleash-token\n"));
    assert_eq!(request.headers, [("authorization", "*:*.unleash-token".to_owned())]);
    assert!(request.body.is_empty());
}
