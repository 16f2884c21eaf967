//! Logging in and out, and who somebody is.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use flyball_store::Identity;
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::administration::wait;
use super::cookies::Browsers;
use super::extract::Query;
use super::problem::Problem;
use crate::auth::{Caller, ControlError, Functions, Role, Scope};
use crate::listen::Peer;
use crate::login::{Login, LoginError, Returned};

/// Where people go on who did not say: there they see who they are.
const NEXT: &str = "/api/v1/me";

/// Where to go on after the login.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LoginQuery {
    /// A path of this server; `/api/v1/me` unless told.
    #[param(max_length = 2048)]
    next: Option<String>,
}

/// What the provider sends back; more than that is not looked at.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct CallbackQuery {
    /// Which login it was.
    #[serde(default)]
    state: String,
    /// What the person is to be had for.
    code: Option<String>,
    /// Why there is none.
    error: Option<String>,
    /// Who the provider is (RFC 9207).
    iss: Option<String>,
}

/// Who somebody is.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct Me {
    /// As in the audit log: `person:` and a subject, `token:` and an id, or `anyone`.
    actor: String,
    /// The person, where there is one.
    person: Option<PersonInfo>,
    /// What the token shown may be used for, where there is one.
    scopes: Option<Vec<Scope>>,
    /// The services that the token shown is for, none for all; or those of the person's roles.
    roles: Vec<RoleInfo>,
    /// What the token or person acts as in the company, by what was granted.
    functions: Vec<FunctionInfo>,
    /// The session, where the request is part of one.
    session: Option<SessionTimes>,
}

/// A person, as their provider says.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct PersonInfo {
    /// What the provider calls them by: its `sub`.
    subject: String,
    /// Their e-mail address, if the provider has verified it.
    email: Option<String>,
    /// What people call them.
    name: Option<String>,
    /// The groups that they were in at their last login.
    groups: Vec<String>,
}

/// A role for a service.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct RoleInfo {
    /// The service; `*` for all.
    service: String,
    /// The role.
    role: Role,
}

/// A function in the company for a service.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct FunctionInfo {
    /// The service; `*` for all.
    service: String,
    /// The function.
    #[serde(rename = "as")]
    function: String,
}

/// When a session ends.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct SessionTimes {
    /// What it is called by in the audit log.
    id: String,
    /// When it ends at the latest.
    expires: String,
    /// When it ends if it is not used.
    idle_until: String,
}

impl From<LoginError> for Problem {
    fn from(error: LoginError) -> Self {
        let status = match error {
            LoginError::Next | LoginError::Unknown => StatusCode::BAD_REQUEST,
            LoginError::Refused(_) | LoginError::Untrusted(_) => StatusCode::FORBIDDEN,
            LoginError::Unreachable(_) => StatusCode::SERVICE_UNAVAILABLE,
            LoginError::Busy => StatusCode::TOO_MANY_REQUESTS,
        };
        Self::new(status, &error.to_string())
    }
}

/// The way that people log in.
fn known(app: &App) -> Result<&Login, Problem> {
    app.login.as_deref().ok_or_else(|| {
        let said = "people cannot log in to this server; hint: start it with --oidc-issuer, or use \
                    a token";
        Problem::new(StatusCode::NOT_FOUND, said)
    })
}

fn counted(app: &App, error: LoginError) -> Problem {
    app.telemetry.login(error.name());
    error.into()
}

/// A redirect that a browser follows by GET, with cookies to keep.
fn see_other(
    to: &str,
    cookies: impl IntoIterator<Item = Option<HeaderValue>>,
) -> Result<Response, Problem> {
    let to = HeaderValue::try_from(to).map_err(|_| Problem::from(LoginError::Next))?;
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response();
    for cookie in cookies.into_iter().flatten() {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Sends a browser to the identity provider.
#[utoipa::path(
    get,
    path = "/login",
    tag = "people",
    params(LoginQuery),
    responses(
        (status = 303, description = "To the provider"),
        (status = 400, description = "`next` leads elsewhere, or a parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "People cannot log in to this server", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many people log in at once", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The provider cannot be asked", body = Problem, content_type = "application/problem+json"),
    ),
    security(())
)]
pub(super) async fn login(
    State(app): State<App>,
    Extension(Peer(address)): Extension<Peer>,
    Query(LoginQuery { next }): Query<LoginQuery>,
) -> Result<Response, Problem> {
    let login = known(&app)?;
    let begun = login.begin(next.as_deref().unwrap_or(NEXT), address).await;
    let begun = begun.map_err(|error| counted(&app, error))?;
    app.telemetry.login("begun");
    see_other(&begun.to, [Browsers::of(login).keep_login(Some(&begun.browser))])
}

/// Takes a browser back from the identity provider, and begins a session.
#[utoipa::path(
    get,
    path = "/login/callback",
    tag = "people",
    params(CallbackQuery),
    responses(
        (status = 303, description = "To where the person wanted to"),
        (status = 400, description = "No such login was begun in this browser", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The provider refuses, or cannot be trusted", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "People cannot log in to this server", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The person cannot be kept, or there are too many sessions", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many people log in at once", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The provider cannot be asked, or nothing can be written", body = Problem, content_type = "application/problem+json"),
    ),
    security(())
)]
pub(super) async fn callback(
    State(app): State<App>,
    headers: HeaderMap,
    Query(CallbackQuery { state, code, error, iss }): Query<CallbackQuery>,
) -> Result<Response, Problem> {
    let login = known(&app)?;
    let browsers = Browsers::of(login);
    let returned = Returned {
        state: &state,
        code: code.as_deref(),
        error: error.as_deref(),
        issuer: iss.as_deref(),
        browser: browsers.login(&headers),
    };
    let finished = login.finish(returned).await;
    let (identity, next) = finished.map_err(|error| counted(&app, error))?;
    let (at, gate, sessions) = (app.clock.now(), app.gate.clone(), app.sessions.clone());
    let subject = identity.subject.clone();
    let secret = wait::<_, ControlError>(move || {
        let secret = sessions.begin(&identity, at)?;
        gate.refresh()?;
        Ok(secret)
    });
    let secret = secret.await?;
    tracing::info!(subject, "a person has logged in");
    app.telemetry.login("done");
    see_other(&next, [browsers.keep_session(Some(&secret)), browsers.keep_login(None)])
}

/// Ends the session that the request is part of. At the provider the person stays logged in.
#[utoipa::path(
    post,
    path = "/logout",
    tag = "people",
    responses(
        (status = 204, description = "The browser is logged out"),
        (status = 503, description = "Nothing can be written", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["admin"]), ("session" = []))
)]
pub(super) async fn logout(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Problem> {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let Some(session) = caller.session() else { return Ok(response) };
    let (id, actor, at) = (session.id.clone(), caller.actor(), app.clock.now());
    let (gate, sessions) = (app.gate.clone(), app.sessions.clone());
    let ended = wait::<_, ControlError>(move || {
        sessions.end(&id, &actor, at)?;
        Ok(gate.refresh()?)
    });
    ended.await?;
    let forgotten = app.login.as_deref().and_then(|login| Browsers::of(login).keep_session(None));
    response.headers_mut().extend(forgotten.map(|cookie| (header::SET_COOKIE, cookie)));
    Ok(response)
}

/// Who asks, and what they may do where.
#[utoipa::path(
    get,
    path = "/api/v1/me",
    tag = "people",
    responses((status = 200, description = "Who it is", body = Me)),
    security(("token" = ["read"]), ("session" = []))
)]
pub(super) async fn me(Extension(caller): Extension<Caller>) -> Json<Me> {
    let person = caller.person().map(|(_, identity)| {
        let Identity { subject, email, name, groups, .. } = identity.clone();
        PersonInfo { subject, email, name, groups }
    });
    let role = |(service, role): (Option<&str>, Role)| {
        let service = service.unwrap_or("*").to_owned();
        RoleInfo { service, role }
    };
    let functions = caller.functions().into_iter().flat_map(Functions::iter);
    let functions = functions.map(|(function, service)| {
        let service = service.unwrap_or("*").to_owned();
        FunctionInfo { service, function: function.to_string() }
    });
    let session = match &caller {
        Caller::Session(open) => Some(open.times()),
        Caller::Anyone | Caller::Token(_) => None,
    };
    Json(Me {
        actor: caller.actor(),
        person,
        scopes: caller.token().map(|(_, scopes)| scopes.to_vec()),
        roles: caller.rights().into_iter().flat_map(|rights| rights.iter().map(role)).collect(),
        functions: functions.collect(),
        session: session.map(|(id, expires, idle_until)| {
            let (expires, idle_until) = (expires.to_string(), idle_until.to_string());
            SessionTimes { id: id.to_owned(), expires, idle_until }
        }),
    })
}
