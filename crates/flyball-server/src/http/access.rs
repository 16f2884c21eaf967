//! What each route needs, and the guard before all of them.
//!
//! A token's scope and a person's role stand in a route's `OpenAPI` description, as its security
//! requirements: what is documented is what is enforced. A route that names none is for admins.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use flyball_govern::policy::Role as Function;
use serde_json::{Map, Value, json};

use super::cookies::Browsers;
use super::metered::Meter;
use super::problem::Problem;
use super::{grpc, otlp};
use crate::auth::{Caller, Denied, Gate, Needs, NotHeld, Role, Scope, Shown};
use crate::limits::Limits;
use crate::telemetry::Telemetry;

/// The names of the security schemes in the `OpenAPI` document.
const TOKEN: &str = "token";
const SESSION: &str = "session";

/// What a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Nothing.
    Open,
    /// A token with a scope, or a person with a role.
    Needs(Needs),
}

/// What all routes need.
#[derive(Debug, Default)]
pub(super) struct Table(HashMap<(String, Method), Access>);

impl Table {
    /// What the operations of an `OpenAPI` document need.
    pub(super) fn of(document: &Value) -> Self {
        let mut table = Self::default();
        for (path, method, operation) in operations(document) {
            if let (Ok(method), Some(access)) =
                (method.to_ascii_uppercase().parse(), stated(operation))
            {
                table.0.insert((path.clone(), method), access);
            }
        }
        table
    }

    /// What the route needs; admin when nobody said.
    fn needs(&self, path: &str, method: &Method) -> Access {
        // The answer to HEAD is that to GET without its body.
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        let known = self.0.get(&(path.to_owned(), method.clone()));
        known.copied().unwrap_or(Access::Needs(Needs::ADMIN))
    }
}

/// The operations of a document: path, method, description.
fn operations(document: &Value) -> impl Iterator<Item = (&String, &String, &Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, item)| {
        let item = item.as_object().into_iter().flatten();
        item.filter(|(_, operation)| operation["responses"].is_object())
            .map(move |(method, operation)| (path, method, operation))
    })
}

/// What an operation says that it needs; `None` when it says nothing that can be understood. Whoever is
/// not named, tokens or people, must be an admin.
fn stated(operation: &Value) -> Option<Access> {
    let requirements = operation["security"].as_array()?;
    if requirements.iter().all(|one| one.as_object().is_some_and(serde_json::Map::is_empty)) {
        return (!requirements.is_empty()).then_some(Access::Open);
    }
    let mut needs = Needs::ADMIN;
    for requirement in requirements {
        if let Some(scopes) = requirement.get(TOKEN) {
            needs.scope = Scope::named(scopes.get(0)?.as_str()?)?;
        } else {
            needs.role = match requirement.get(SESSION)?.get(0) {
                Some(role) => Some(Role::named(role.as_str()?)?),
                None => None,
            };
        }
    }
    Some(Access::Needs(needs))
}

/// Adds to a document what all routes that need a token have in common: how it is shown, and how
/// it is refused.
pub(super) fn describe(document: &mut Value) {
    document["components"]["securitySchemes"] = json!({
        TOKEN: {
            "type": "http",
            "scheme": "bearer",
            "description": "A token of the server. The roles named are its scopes; admin means all. \
                            Clients that know users and passwords only show it as the password. While the server has no token at all and people cannot log in, none is \
                            needed.",
        },
        SESSION: {
            "type": "apiKey",
            "in": "cookie",
            "name": "__Host-flyball_session",
            "description": "The session of a person who has logged in at /login. The role named is the \
                            least that they must have for a service; without one it is enough to have \
                            logged in. What changes something must also show that it was meant: by the \
                            header Origin or Sec-Fetch-Site as browsers send it, or by X-Flyball-Request. \
                            Over unencrypted HTTP the cookie is called flyball_session.",
        },
    });
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    for (_, item) in paths {
        for (_, operation) in item.as_object_mut().into_iter().flatten() {
            let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
            parameters.into_iter().flatten().for_each(without_null);
            let needs_token = matches!(stated(operation), Some(Access::Needs(_)));
            let Some(answers) = operation["responses"].as_object_mut() else { continue };
            if needs_token {
                refusals(answers);
            }
            headers(answers);
        }
    }
}

/// A parameter that may be left out is no null: `null` would be a text.
fn without_null(parameter: &mut Value) {
    let schema = &mut parameter["schema"];
    if let Some(kinds) = schema.get("type").and_then(Value::as_array) {
        let other = kinds.iter().find(|kind| *kind != "null").cloned();
        schema["type"] = other.unwrap_or_default();
    }
}

/// How a caller is refused, where the operation does not say that otherwise.
fn refusals(answers: &mut Map<String, Value>) {
    let refused = [
        ("401", "A token or session is needed, or the one shown is not valid"),
        (
            "403",
            "The token lacks the scope, or the person the role, or they have it for other services",
        ),
        ("429", "The caller asks for too much; send it again after the time in Retry-After"),
    ];
    for (status, description) in refused {
        let reference = json!({ "$ref": "#/components/schemas/Problem" });
        let content = json!({ "application/problem+json": { "schema": reference } });
        let answer = json!({ "description": description, "content": content });
        answers.entry(status).or_insert(answer);
    }
}

/// The headers that answers of a status always have.
fn headers(answers: &mut Map<String, Value>) {
    for (status, answer) in answers {
        let (name, said, kind) = match status.as_str() {
            "401" => ("WWW-Authenticate", "How to show a token", "string"),
            "429" | "503" => ("Retry-After", "Seconds until it may go better", "integer"),
            _ => continue,
        };
        let schema = json!({ "type": kind });
        answer["headers"][name] =
            json!({ "description": said, "required": true, "schema": schema });
    }
}

/// What the guard works with.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    pub(super) table: Arc<Table>,
    pub(super) gate: Arc<Gate>,
    /// What of browsers is ours, where people can log in.
    pub(super) browsers: Option<Browsers>,
    pub(super) meter: Meter,
    pub(super) telemetry: Arc<Telemetry>,
}

impl Guard {
    pub(super) fn new(
        table: Table,
        gate: Arc<Gate>,
        browsers: Option<Browsers>,
        limits: &Limits,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        Self { table: Arc::new(table), gate, browsers, meter: Meter::new(limits), telemetry }
    }

    /// Who sends such a request, if they may.
    fn pass(&self, access: Access, method: &Method, headers: &HeaderMap) -> Result<Caller, Denied> {
        let Access::Needs(needs) = access else { return Ok(Caller::Anyone) };
        let credentials = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
        let browsers = self.browsers.as_ref();
        let cookie = browsers.and_then(|browsers| browsers.session(headers));
        let caller = self.gate.pass(Shown { credentials, cookie }, needs)?;
        let is_ours = browsers.is_none_or(|browsers| browsers.is_own(method, headers));
        if caller.session().is_some() && !is_ours {
            return Err(Denied::Forged);
        }
        Ok(caller)
    }
}

/// Lets a request pass to its handler when its caller may. Nothing of its body is read before.
pub(super) async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let matched = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    // What is not there is told to everybody: it says nothing of what is.
    let Some(path) = matched else { return next.run(request).await };
    let access = guard.table.needs(&path, request.method());
    let caller = match guard.pass(access, request.method(), request.headers()) {
        Ok(caller) => caller,
        Err(denied) => {
            guard.telemetry.denied(denied.name());
            let response = refuse(&path, request.headers(), &denied);
            guard.telemetry.answered(&path, response.status().as_u16());
            return response;
        }
    };
    let (mut parts, body) = request.into_parts();
    parts.extensions.insert(caller.clone());
    if let Access::Needs(needs) = access {
        parts.extensions.insert(needs);
    }
    let (body, held) = guard.meter.measure(body, caller);
    let response = next.run(Request::from_parts(parts, body)).await;
    guard.telemetry.answered(&path, response.status().as_u16());
    // What was read is in memory until the handler has answered.
    drop(held);
    response
}

impl From<&Denied> for Problem {
    fn from(denied: &Denied) -> Self {
        let status = match denied {
            Denied::Missing | Denied::Invalid | Denied::Scheme | Denied::Over => {
                StatusCode::UNAUTHORIZED
            }
            Denied::Scope(_) | Denied::Role(_) | Denied::Forged => StatusCode::FORBIDDEN,
            Denied::Rate(_) => StatusCode::TOO_MANY_REQUESTS,
        };
        Self::new(status, &denied.to_string())
    }
}

/// The caller as they are after their body has come, which may have taken a minute: whoever has lost their
/// token, session or role meanwhile changes nothing.
///
/// # Errors
///
/// The problem that a new request would be refused with.
pub(super) fn still(gate: &Gate, caller: &Caller, needs: Needs) -> Result<Caller, Problem> {
    gate.still(caller, needs).map_err(|denied| Problem::from(&denied))
}

/// Refuses what needs `role` for `service`, unless the caller `may`.
///
/// # Errors
///
/// A problem with status 403.
pub(super) fn allowed(may: bool, role: Role, service: &str) -> Result<(), Problem> {
    if may {
        return Ok(());
    }
    let said = format!("that needs the role {role} for {service}; hint: an admin can grant it");
    Err(Problem::new(StatusCode::FORBIDDEN, &said))
}

/// What somebody does as a function in the company, such as a signature.
pub(super) trait Acting {
    /// As which; `None` where it is done as nobody in particular.
    fn function(&self) -> Option<&Function> {
        None
    }
}

/// Refuses to act as `function` for `service`, or for every service (`None`), where `caller` may not: as what somebody was
/// granted acts nobody else, and as `sre` who has that role, so that nobody hands a pager to those who have not agreed to
/// carry it. What nobody was granted owners say of themselves, and are believed.
///
/// # Errors
///
/// A problem with status 403.
pub(super) fn acts_as(
    gate: &Gate,
    caller: &Caller,
    function: &Function,
    service: Option<&str>,
) -> Result<(), Problem> {
    if function.name() == Role::Sre.name() {
        let may = service.map_or_else(
            || caller.may_everywhere(Role::Sre),
            |service| caller.may(Role::Sre, service),
        );
        return allowed(may, Role::Sre, service.unwrap_or("every service"));
    }
    let refused = |held: NotHeld| Problem::new(StatusCode::FORBIDDEN, &held.to_string());
    gate.acts(caller, function, service).map_err(refused)
}

/// The refusal in the words of the protocol that was asked in.
fn refuse(path: &str, headers: &HeaderMap, denied: &Denied) -> Response {
    let problem = Problem::from(denied);
    let mut response = if grpc::is_grpc(headers) {
        grpc::refusal(&problem)
    } else if otlp::is_path(path) {
        otlp::refusal(headers, &problem)
    } else {
        problem.into_response()
    };
    let challenge = match denied {
        Denied::Missing | Denied::Over => Some("Bearer realm=\"flyball\"".to_owned()),
        Denied::Invalid | Denied::Scheme => {
            Some("Bearer realm=\"flyball\", error=\"invalid_token\"".to_owned())
        }
        Denied::Scope(scope) => Some(format!(
            "Bearer realm=\"flyball\", error=\"insufficient_scope\", scope=\"{scope}\""
        )),
        Denied::Role(_) | Denied::Forged | Denied::Rate(_) => None,
    };
    if let Some(Ok(challenge)) = challenge.map(HeaderValue::try_from) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    if let Denied::Rate(wait) = denied {
        let seconds = wait.as_secs().saturating_add(1);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_of_the_document_names_what_it_needs() {
        let document: Value = serde_json::from_str(crate::openapi()).unwrap();
        let mut seen = 0;
        for (path, method, operation) in operations(&document) {
            assert!(stated(operation).is_some(), "{method} {path} names no scope");
            seen += 1;
        }
        assert!(seen >= 10, "{seen} operations");
        let table = Table::of(&document);
        assert_eq!(table.needs("/healthz", &Method::GET), Access::Open);
        let read = |role| Access::Needs(Needs { scope: Scope::Read, role });
        assert_eq!(table.needs("/metrics", &Method::HEAD), read(Some(Role::Viewer)));
        assert_eq!(table.needs("/api/v1/me", &Method::GET), read(None));
        for (path, method) in [("/metrics", Method::POST), ("/elsewhere", Method::GET)] {
            assert_eq!(table.needs(path, &method), Access::Needs(Needs::ADMIN));
        }
    }
}
