//! GitHub's custom deployment protection rules: asked by a signed webhook, answered at GitHub.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use flyball_connect::github_protection;
use flyball_govern::gate::{Decision, Lift, Outcome};
use utoipa::{IntoParams, ToSchema};

use super::super::App;
use super::super::described::SignedRefusals;
use super::super::extract::Query;
use super::super::hooks::{believed, room};
use super::super::problem::Problem;
use super::{heard_of, judged, keep, question};
use crate::auth::Caller;
use crate::changes::Signed;
use crate::gate::{AnswerError, Decided};

/// What the address of the hook says of its questions.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct ProtectionQuery {
    /// The service that is to change, whatever the deployment calls it; else the deployment's payload names
    /// it, or it is the repository's name.
    service: Option<String>,
    /// The class of its changes, whatever the deployment says.
    class: Option<String>,
}

/// What GitHub was answered.
#[derive(Debug, Default, serde::Serialize, ToSchema)]
pub(in crate::http) struct ProtectionAnswered {
    /// What the decision is known by; null for a message that asks nothing, and for one about a service that nothing is
    /// known of, which is told as `rejected`.
    decision: Option<String>,
    /// `allow`, `warn`, `deny` or `undecidable`; the latter two are told as `rejected`.
    #[schema(value_type = Option<String>)]
    outcome: Option<Outcome>,
}

impl From<AnswerError> for Problem {
    fn from(error: AnswerError) -> Self {
        let status = match error {
            AnswerError::NoApp => StatusCode::SERVICE_UNAVAILABLE,
            AnswerError::Elsewhere(_) => StatusCode::UNPROCESSABLE_ENTITY,
            AnswerError::Key(_) | AnswerError::Refused { .. } | AnswerError::Unreachable(_) => {
                StatusCode::BAD_GATEWAY
            }
        };
        Self::new(status, &error.to_string())
    }
}

/// How the deployment is approved, where that would change the answer; first, since long comments are cut.
fn approving(decision: &Decision) -> String {
    let lifts = decision.reasons.iter().flat_map(|reason| &reason.lifts);
    let commands = lifts.filter_map(|lift| match lift {
        Lift::Approval { command, .. } => command.as_deref(),
        _ => None,
    });
    let told = |command| format!("Approve it by `{command}` and run the job again.\n\n");
    commands.map(told).collect()
}

/// A webhook of a GitHub App, event `deployment_protection_rule`: decides whether the deployment may go on,
/// keeps the decision, and tells GitHub `approved` or `rejected` before this is answered. What cannot be told
/// is rejected, too, and so is what is asked of a service that nothing is known of, without a decision. Other events
/// ask nothing.
#[utoipa::path(
    post,
    path = "/api/v1/hooks/github/gate",
    tag = "changes",
    params(ProtectionQuery),
    request_body(content = Object, content_type = "application/json"),
    responses(
        (status = 200, description = "GitHub knows the answer, or nothing was asked", body = ProtectionAnswered),
        (status = 502, description = "GitHub does not take the answer; send the message again", body = Problem, content_type = "application/problem+json"),
        SignedRefusals,
    ),
    security(())
)]
pub(in crate::http) async fn protection(
    State(app): State<App>,
    Query(ProtectionQuery { service, class }): Query<ProtectionQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ProtectionAnswered>, Problem> {
    let hooks = Arc::clone(&app.hooks);
    let room = room(&app, &hooks, Signed::GitHub)?;
    let (shown, body) = believed(&app, Signed::GitHub, &headers, body).await?;
    let hook = flyball_connect::Hook { service, ..flyball_connect::Hook::new(app.clock.now()) };
    let Some(asks) = github_protection(&shown, &body, &hook)? else {
        return Ok(Json(ProtectionAnswered::default()));
    };
    // Other messages need not wait for what GitHub says.
    drop(room);
    let mut asked = asks.asked.clone();
    asked.class = class.or(asked.class);
    let question = question(asked, asks.service.clone(), None, app.clock.now())?;
    // Before anything is decided: who could not be told asks in vain.
    let callback = app.github.callback(&asks)?;
    let (looked, known) = judged(&app, &question).await?;
    // What services there are is not for whoever reads comments.
    match heard_of(&app, &Caller::Anyone, &question, &known).await {
        Ok(()) => {}
        Err(problem) if problem.status == 404 => {
            let answer = asks.answer(false, &format!("Nothing is decided: {}.", problem.detail));
            app.github.answer(asks.installation, &callback, &answer, app.clock.now()).await?;
            return Ok(Json(ProtectionAnswered::default()));
        }
        Err(problem) => return Err(problem),
    }
    let Decided { id, decision, .. } =
        keep(&app, question, (known, looked), "hook:github".to_owned()).await?;
    let outcome = decision.outcome;
    let comment = format!("{}{decision}\n\nDecision {id}", approving(&decision));
    let answer = asks.answer(outcome.passes(), &comment);
    app.github.answer(asks.installation, &callback, &answer, app.clock.now()).await?;
    Ok(Json(ProtectionAnswered { decision: Some(id), outcome: Some(outcome) }))
}
