//! What numbers of queries may be: those that the description allows are taken, the next ones are refused. And how long
//! texts of requests may be: longer ones than the description allows are refused.

use serde_json::{Value, json};

use super::table::{Route, described};
use super::world::World;

/// The bounds of a number, where a parameter of a query is one: the least and the largest that the description allows.
fn bounds(parameter: &Value) -> Option<(i128, i128)> {
    let schema = &parameter["schema"];
    let kind = &schema["type"];
    let is_integer =
        kind == "integer" || kind.as_array().is_some_and(|kinds| kinds.contains(&"integer".into()));
    let least = schema["minimum"].as_i64().map_or(i128::MIN, i128::from);
    let largest = match (schema["maximum"].as_u64(), schema["format"].as_str()) {
        (Some(largest), _) => i128::from(largest),
        (None, Some("int32")) => i128::from(u32::MAX),
        (None, Some("int64")) => i128::from(i64::MAX),
        (None, _) => i128::from(u64::MAX),
    };
    (parameter["in"] == "query" && is_integer).then_some((least, largest))
}

/// `address` where its query says nothing of `name` but `value`.
fn with(address: &str, name: &str, value: i128) -> String {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let is_other = |pair: &&str| !pair.is_empty() && pair.split('=').next() != Some(name);
    let others: Vec<&str> = query.split('&').filter(is_other).collect();
    format!("{path}?{}{}{name}={value}", others.join("&"), if others.is_empty() { "" } else { "&" })
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_of_queries_are_bounded_as_they_are_described() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::start(home.path()).await;
    let (own, described) = (world.ada.clone(), described());
    let (mut asked, mut faults) = (0, Vec::new());
    for route in Route::all().iter().filter(|route| route.method == "GET") {
        let operation = &described[&("GET".to_owned(), route.path.clone())];
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        for (parameter, (least, largest)) in parameters.filter_map(|of| Some((of, bounds(of)?))) {
            let [address] = world.filled([&route.address], &own).await;
            let name = parameter["name"].as_str().unwrap();
            for value in [least.saturating_sub(1), least, largest, largest + 1] {
                let is_right = (least..=largest).contains(&value);
                let address = with(&address, name, value);
                let answer = world.request(&own, "GET", &address).send().await.unwrap();
                let (status, said) = (answer.status().as_u16(), answer.text().await.unwrap());
                asked += 1;
                // What is right may still not be meant, as one of three that go together.
                let answers = if is_right { [route.status, 422] } else { [400, 422] };
                if !answers.contains(&status) {
                    faults.push(format!("{address}: {status} {said}"));
                }
            }
        }
    }
    assert!(faults.is_empty() && asked > 200, "{asked} asked; {}", faults.join("\n"));
    world.site.running.server.stop().await;
}

/// The texts of a request that the description bounds, with how long they may be.
fn texts(operation: &Value, document: &Value) -> Vec<(String, usize)> {
    let mut schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    while let Some(name) = schema["$ref"].as_str() {
        schema = document.pointer(name.trim_start_matches('#')).unwrap();
    }
    let fields = schema["properties"].as_object().into_iter().flatten();
    let bounded = fields.filter_map(|(name, schema)| {
        let most = usize::try_from(schema["maxLength"].as_u64()?).unwrap();
        Some((name.clone(), most))
    });
    bounded.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_that_are_longer_than_described_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::start(home.path()).await;
    let document: Value = serde_json::from_str(flyball_server::openapi()).unwrap();
    let (own, described) = (world.ada.clone(), described());
    let (mut asked, mut faults) = (0, Vec::new());
    for route in Route::all() {
        let operation = &described[&(route.method.to_owned(), route.path.clone())];
        let Some(body) = route.body else { continue };
        for (field, most) in texts(operation, &document) {
            let [address, body] = world.filled([&route.address, body], &own).await;
            let mut body: Value = serde_json::from_str(&body).unwrap();
            body[&field] = json!("x".repeat(most + 1));
            let request = world.request(&own, route.method, &address).json(&body);
            let answer = request.send().await.unwrap();
            let (status, said) = (answer.status().as_u16(), answer.text().await.unwrap());
            asked += 1;
            if ![400, 413, 422].contains(&status) {
                faults.push(format!(
                    "{} {address}: {field} {most}: {status} {said:.200}",
                    route.method
                ));
            }
        }
    }
    assert!(faults.is_empty() && asked > 30, "{asked} asked; {}", faults.join("\n"));
    world.site.running.server.stop().await;
}
