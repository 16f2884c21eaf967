//! Who carries the pager of a service, and how it changes hands.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use flyball_catalog::Catalog;
use flyball_govern::checklist::Stage;
use flyball_govern::custody::{
    Advice, Custody, CustodyError, CustodyRules, Decided, Ground, HandBack, HandBackOutcome,
    Holder, Move, Party, Signed, Transfer,
};
use flyball_govern::evidence::ServiceEvidence;
use flyball_govern::oncall::Switchboard;
use flyball_govern::policy::Role as Function;
use flyball_govern::service::{Funding, day};
use flyball_model::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::access::{Acting, acts_as, allowed};
use super::administration::wait;
use super::described::ActRefusals;
use super::evidence::{Known, known};
use super::extract::{Path, Sent};
use super::problem::Problem;
use super::services::{absent, is_there};
use super::{App, shapes};
use crate::auth::{Caller, Role};
use crate::custody::{CustodiesError, NewFinding};
use crate::gate::{Actor, GateError};
use crate::names::names;

impl From<CustodiesError> for Problem {
    fn from(error: CustodiesError) -> Self {
        let said = error.to_string();
        let status = match error {
            CustodiesError::Kept(error) => return error.into(),
            CustodiesError::Begun { .. } | CustodiesError::Proposed { .. } => StatusCode::CONFLICT,
            CustodiesError::Custody(_) | CustodiesError::Refused(_) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
        };
        Self::new(status, &said)
    }
}

/// Who carries the pager of a service, and what is to change about it.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct CustodyPage {
    /// The service.
    service: String,
    /// The moment of looking.
    #[schema(value_type = shapes::Instant)]
    at: Timestamp,
    /// Who carries it: `developers`, `shared` or `sre`; null when nothing is known of it, or the service is retired.
    #[schema(value_type = Option<String>)]
    holder: Option<Holder>,
    /// Since when; null when nothing is known of it.
    #[schema(value_type = Option<shapes::Instant>)]
    since: Option<Timestamp>,
    /// Whether somebody said or did something about it. Else it is its developers' since something is counted for one of
    /// its SLOs.
    is_kept: bool,
    /// Whether it is known since when: somebody said so, or it has changed hands. Else it is since something is counted for
    /// one of its SLOs.
    is_since_known: bool,
    /// Who is to be called, in this order: `developers`, `operations`, or `rota` for whoever's turn it is.
    #[schema(value_type = Vec<String>)]
    called: Vec<Party>,
    /// That its pages do not call them first, in a sentence; null when they do, or nobody is called.
    misrouted: Option<String>,
    /// Who advises the developers since it went back to them; null otherwise.
    #[schema(value_type = Option<Object>)]
    advice: Option<Advice>,
    /// The step that is proposed, and who has signed it; null without one.
    #[schema(value_type = Option<Object>)]
    transfer: Option<Transfer>,
    /// The notice that it goes back, until it did or was withdrawn; null without one.
    #[schema(value_type = Option<Object>)]
    notice: Option<HandBack>,
    /// When it goes back as things stand; null when it stays.
    #[schema(value_type = Option<shapes::Instant>)]
    returns: Option<Timestamp>,
    /// How it changed hands, the latest last; at most 64.
    #[schema(value_type = Vec<Object>)]
    moves: Vec<Move>,
    /// The rules that it goes by, and their version; null when the service names some that are not there.
    rules: Option<CustodyRulesUsed>,
    /// The next step towards SRE; null after the last.
    next: Option<CustodyNextStep>,
    /// What is reason to hand it back now.
    #[schema(value_type = Vec<Object>)]
    grounds: Vec<Ground>,
    /// That its team is not paid, or not for long; null while it is, or nobody says.
    funding_alarm: Option<String>,
    /// What those are called whom it knows by an id, as far as that is known: a token's name, a person's.
    people: BTreeMap<String, String>,
}

/// Rules of custody.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct CustodyRulesUsed {
    /// Their name.
    name: String,
    /// Their version.
    version: u32,
}

/// A step towards SRE.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct CustodyNextStep {
    /// To whom.
    #[schema(value_type = String)]
    to: Holder,
    /// What stands in the way, with what was seen; empty when it may be signed.
    unmet: Vec<String>,
    /// The roles whose signatures it needs.
    signers: Vec<String>,
}

/// Everything that is known where a pager is to change hands.
struct Scene {
    catalog: Arc<Catalog>,
    evidence: ServiceEvidence,
    approved: BTreeMap<Stage, String>,
}

impl Scene {
    fn rules(&self, service: &str) -> Result<&CustodyRules, CustodiesError> {
        let none = || {
            let said = "the service names rules of custody that are not there; hint: apply them, or name others in \
                        `custodyRules`";
            CustodiesError::Refused(said.to_owned())
        };
        self.catalog.governance.custody_rules(service).ok_or_else(none)
    }
}

/// What is known of `service`, and who carries its pager.
async fn scene(
    app: &App,
    caller: &Caller,
    service: &str,
) -> Result<(Scene, Option<Custody>), Problem> {
    let Known { catalog, evidence, custody } = known(app, caller, service).await?;
    let (reviews, of, at) = (app.reviews.clone(), service.to_owned(), evidence.at);
    // What was reviewed before the pager went back says nothing of the next time.
    let back = custody.as_ref().and_then(|custody| custody.handed_back(at));
    let approved = wait(move || reviews.approved(&of, back, at)).await?;
    Ok((Scene { catalog, evidence, approved }, custody))
}

impl CustodyPage {
    /// What there is to say of `custody`, of which somebody said or did something if `is_kept`; `board` says who is called,
    /// `people` what they are called.
    fn of(
        service: &str,
        (custody, is_kept): (Option<&Custody>, bool),
        scene: &Scene,
        board: &Switchboard,
        people: BTreeMap<String, String>,
    ) -> Self {
        let Scene { catalog, evidence, approved } = scene;
        let at = evidence.at;
        let rules = catalog.governance.custody_rules(service);
        let holder = custody.and_then(|custody| custody.holder(at));
        let next = holder.and_then(Holder::next).zip(rules).map(|(to, rules)| CustodyNextStep {
            to,
            unmet: rules.unmet(to, evidence, approved),
            signers: rules.entry(to).map_or_else(Vec::new, |entry| {
                entry.signers.iter().map(|role| role.name().to_owned()).collect()
            }),
        });
        let grounds =
            custody.zip(rules).map(|(custody, rules)| rules.grounds(custody, evidence, at));
        let notice = custody.and_then(Custody::notice);
        let alarm =
            catalog.governance.service(service).zip(custody).and_then(|(of, custody)| {
                custody.funding_alarm(Funding::of(&of.spec, day(at)), at)
            });
        Self {
            service: service.to_owned(),
            at,
            holder,
            since: custody.map(|custody| custody.since(at)),
            is_kept,
            is_since_known: custody.is_some_and(Custody::is_since_known),
            called: holder.map_or_else(Vec::new, |holder| holder.called().to_vec()),
            misrouted: board.misrouted(service),
            advice: custody.and_then(|custody| custody.advice(at)),
            transfer: custody.and_then(Custody::transfer).cloned(),
            notice: notice.cloned(),
            returns: notice
                .and_then(HandBack::returns)
                .filter(|_| holder != Some(Holder::Developers)),
            moves: custody.map_or_else(Vec::new, |custody| custody.moves().to_vec()),
            rules: rules.map(|rules| CustodyRulesUsed {
                name: rules.name().to_owned(),
                version: rules.spec().version,
            }),
            next,
            grounds: grounds.unwrap_or_default(),
            funding_alarm: alarm.map(|alarm| alarm.sentence),
            people,
        }
    }
}

/// What is reason to hand the pager of `service` back now.
///
/// # Errors
///
/// A problem where what is known of it cannot be read.
pub(crate) async fn grounds_of(
    app: &App,
    service: &str,
    custody: &Custody,
) -> Result<Vec<Ground>, Problem> {
    let Known { catalog, evidence, .. } = known(app, &Caller::Anyone, service).await?;
    let rules = catalog.governance.custody_rules(service);
    let holds = rules.map(|rules| rules.grounds(custody, &evidence, evidence.at));
    Ok(holds.unwrap_or_default())
}

/// Lets alerts call by who carries pagers now.
async fn route(app: &App) -> Result<(), Problem> {
    let (custodies, at) = (app.custodies.clone(), app.clock.now());
    let holders = wait(move || custodies.holders(at)).await?;
    app.evaluator.ask(move |evaluator| evaluator.carry(holders)).await?;
    Ok(())
}

/// Who carries the pager of a service, what stands in the way of the next step, and what is reason to hand it back.
#[utoipa::path(
    get,
    path = "/api/v1/custody/{service}",
    tag = "reviews",
    params(("service" = String, Path, description = "The service")),
    responses(
        (status = 200, description = "Who carries it", body = CustodyPage),
        (status = 400, description = "The name cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Nothing is known of such a service", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("session" = ["viewer"]))
)]
pub(super) async fn get(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(service): Path<String>,
) -> Result<Json<CustodyPage>, Problem> {
    if !caller.sees(&service) {
        return Err(absent(&app, &caller, &service).await?);
    }
    is_there(&app, &caller, &service).await?;
    let (scene, custody) = scene(&app, &caller, &service).await?;
    let (custodies, of) = (app.custodies.clone(), service.clone());
    let kept = wait(move || custodies.get(&of, None)).await?;
    let board = app.rotas.switchboard().await?;
    let people = people(&app, custody.as_ref()).await?;
    let custody = (custody.as_ref(), kept.is_some());
    Ok(Json(CustodyPage::of(&service, custody, &scene, &board, people)))
}

/// How a custody was found when somebody began to keep it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CustodyFindingRequest {
    /// Who carries the pager: `developers`, `shared` or `sre`.
    #[schema(value_type = String)]
    holder: Holder,
    /// Since when.
    #[schema(value_type = shapes::Instant)]
    since: Timestamp,
    /// How the caller knows it.
    #[schema(max_length = 4096)]
    why: String,
}

/// A step towards SRE.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CustodyStepRequest {
    /// To whom: `shared` or `sre`.
    #[schema(value_type = String)]
    to: Holder,
    /// Why, in a sentence.
    #[schema(max_length = 4096)]
    why: String,
}

/// As what the caller does it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CustodyRoleRequest {
    /// The role.
    #[schema(value_type = String)]
    role: Function,
}

/// Nothing more than that it is done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CustodyDropRequest {}

/// What comes of a notice.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CustodyDecisionRequest {
    /// As what the caller decides.
    #[schema(value_type = String)]
    role: Function,
    /// `returned`: the developers carry the pager once the notice is over; `blitz`: they mend it first; `staffed`: others
    /// help for a time; `retired`: it is switched off.
    outcome: CustodyDecisionWord,
    /// When the evidence is looked at again, or the service is switched off; not of `returned`.
    #[schema(value_type = Option<shapes::Instant>)]
    until: Option<Timestamp>,
    /// Who helps; of `staffed` alone.
    #[schema(max_length = 256)]
    by: Option<String>,
    /// Why, in a sentence.
    #[schema(max_length = 4096)]
    why: String,
}

/// What can come of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum CustodyDecisionWord {
    /// The developers carry it.
    Returned,
    /// They mend it first.
    Blitz,
    /// Others help.
    Staffed,
    /// It is switched off.
    Retired,
}

impl CustodyDecisionRequest {
    /// What is decided.
    ///
    /// # Errors
    ///
    /// [`CustodiesError::Refused`] without a time where one is needed, and for what is not of the outcome.
    fn outcome(&self) -> Result<HandBackOutcome, CustodiesError> {
        let refused = |said: &str| CustodiesError::Refused(said.to_owned());
        let until = || {
            self.until.ok_or_else(|| refused("that lasts for some time; hint: say `until` when"))
        };
        if self.by.is_some() && self.outcome != CustodyDecisionWord::Staffed {
            return Err(refused("`by` says who helps; hint: leave it out, or decide `staffed`"));
        }
        Ok(match self.outcome {
            CustodyDecisionWord::Returned if self.until.is_some() => {
                let said = "it goes back when the notice is over; hint: leave `until` out";
                return Err(refused(said));
            }
            CustodyDecisionWord::Returned => HandBackOutcome::Returned,
            CustodyDecisionWord::Blitz => HandBackOutcome::Blitz { until: until()? },
            CustodyDecisionWord::Staffed => HandBackOutcome::Staffed {
                by: self.by.clone().unwrap_or_default(),
                until: until()?,
            },
            CustodyDecisionWord::Retired => HandBackOutcome::Retired { off: until()? },
        })
    }
}

/// Says who carries the pager of a service and since when, as it was found before anything was done about it here.
#[utoipa::path(
    post,
    path = "/api/v1/custody/{service}/finding",
    tag = "reviews",
    params(("service" = String, Path, description = "The service")),
    request_body = CustodyFindingRequest,
    responses(
        (status = 201, description = "It is kept", body = CustodyPage),
        (status = 409, description = "Something was done about it already", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "It is to come, or no reason is given", body = Problem, content_type = "application/problem+json"),
        ActRefusals,
    ),
    security(("token" = ["admin"]), ("session" = ["owner"]))
)]
pub(super) async fn find(
    State(app): State<App>,
    Path(service): Path<String>,
    sent: Sent,
) -> Result<(StatusCode, Json<CustodyPage>), Problem> {
    let (asked, caller): (CustodyFindingRequest, _) =
        sent.json_for(&app, "custody", (Role::Owner, &service)).await?;
    is_there(&app, &caller, &service).await?;
    if asked.holder != Holder::Developers {
        allowed(caller.may(Role::Sre, &service), Role::Sre, &service)?;
    }
    let (scene, _) = scene(&app, &caller, &service).await?;
    let (actor, at, routed) = (actor(&caller), app.clock.now(), app.clone());
    let found = wait(move || {
        let CustodyFindingRequest { holder, since, why } = asked;
        let new = NewFinding { service: service.clone(), holder, since, why };
        let custody = app.custodies.find(new, &actor, at)?;
        app.gatekeeper.knowing().forget();
        Ok::<_, CustodiesError>((custody, scene, service))
    });
    kept(&routed, found.await?).await
}

fn actor(caller: &Caller) -> Actor {
    Actor { name: caller.actor(), somebody: caller.somebody() }
}

/// What is done to a custody: by whom and when, by which rules, with what is known.
struct Act<'a> {
    rules: &'a CustodyRules,
    scene: &'a Scene,
    who: &'a str,
    at: Timestamp,
}

/// What the audit log says of an act, from what was asked and what the custody is then.
type Detail<T> = fn(&T, &Custody) -> Value;

impl Acting for CustodyRoleRequest {
    fn function(&self) -> Option<&Function> {
        Some(&self.role)
    }
}

impl Acting for CustodyDecisionRequest {
    fn function(&self) -> Option<&Function> {
        Some(&self.role)
    }
}

impl Acting for CustodyFindingRequest {}

impl Acting for CustodyStepRequest {}

impl Acting for CustodyDropRequest {}

/// Has `act` done to the custody of `service` by whoever may with `role`: what it is called in the audit log and what is
/// said of it there come from `detail`.
async fn done<T: DeserializeOwned + Acting + Send + 'static>(
    app: App,
    service: String,
    sent: Sent,
    role: Role,
    (action, detail): (&'static str, Detail<T>),
    act: fn(&mut Custody, &T, &Act<'_>) -> Result<(), CustodyError>,
) -> Result<(StatusCode, Json<CustodyPage>), Problem> {
    let (asked, caller): (T, _) = sent.json_for(&app, "custody", (role, &service)).await?;
    is_there(&app, &caller, &service).await?;
    act_as(app, (service, asked), &caller, (action, detail), act).await
}

/// As [`done`], for what was asked by `caller`.
async fn act_as<T: Acting + Send + 'static>(
    app: App,
    (service, asked): (String, T),
    caller: &Caller,
    (action, detail): (&'static str, Detail<T>),
    act: impl FnOnce(&mut Custody, &T, &Act<'_>) -> Result<(), CustodyError> + Send + 'static,
) -> Result<(StatusCode, Json<CustodyPage>), Problem> {
    if let Some(function) = asked.function() {
        acts_as(&app.gate, caller, function, Some(&service))?;
    }
    let (scene, custody) = scene(&app, caller, &service).await?;
    let (actor, at, routed) = (actor(caller), app.clock.now(), app.clone());
    let done = wait(move || {
        let rules = scene.rules(&service)?;
        // Of which nothing is known, its developers begin with it now.
        let usual = custody.unwrap_or_else(|| Custody::new(&service, at));
        let audited = (action, |custody: &Custody| detail(&asked, custody));
        let custody = app.custodies.act((&service, usual), &actor, at, audited, |custody| {
            act(custody, &asked, &Act { rules, scene: &scene, who: actor.who(), at })
        })?;
        app.gatekeeper.knowing().forget();
        Ok::<_, CustodiesError>((custody, scene, service))
    });
    kept(&routed, done.await?).await
}

/// What those are called whom `custody` knows by an id.
async fn people(app: &App, custody: Option<&Custody>) -> Result<BTreeMap<String, String>, Problem> {
    let who = custody.map(Custody::people).unwrap_or_default();
    let who: BTreeSet<String> = who.into_iter().map(str::to_owned).collect();
    let control = app.control.clone();
    wait(move || Ok::<_, GateError>(names(&control, &who.iter().map(String::as_str).collect())?))
        .await
}

/// What is answered once alerts call by a custody that was changed.
async fn kept(
    app: &App,
    (custody, scene, service): (Custody, Scene, String),
) -> Result<(StatusCode, Json<CustodyPage>), Problem> {
    route(app).await?;
    let board = app.rotas.switchboard().await?;
    let people = people(app, Some(&custody)).await?;
    let page = CustodyPage::of(&service, (Some(&custody), true), &scene, &board, people);
    Ok((StatusCode::CREATED, Json(page)))
}

/// Proposes the next step towards SRE: to a shared rota, or to SRE. It is taken with its last signature.
#[utoipa::path(
    post,
    path = "/api/v1/custody/{service}/step",
    tag = "reviews",
    params(("service" = String, Path, description = "The service")),
    request_body = CustodyStepRequest,
    responses(
        (status = 201, description = "It is proposed", body = CustodyPage),
        (status = 422, description = "It is not the next step, or something else is under way", body = Problem, content_type = "application/problem+json"),
        ActRefusals,
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(super) async fn propose(
    State(app): State<App>,
    Path(service): Path<String>,
    sent: Sent,
) -> Result<(StatusCode, Json<CustodyPage>), Problem> {
    let audited: (&str, Detail<CustodyStepRequest>) =
        ("custody.propose", |asked, _| json!({ "to": asked.to.word(), "why": asked.why }));
    done(app, service, sent, Role::Developer, audited, |custody, asked, act| {
        custody.propose(asked.to, act.who, &asked.why, act.at)
    })
    .await
}

/// Signs the proposed step as one of the roles that the rules ask for; with the last signature the pager changes hands. Whoever proposed it does not sign, and nobody signs as two roles.
#[utoipa::path(
    post,
    path = "/api/v1/custody/{service}/step/signatures",
    tag = "reviews",
    params(("service" = String, Path, description = "The service")),
    request_body = CustodyRoleRequest,
    responses(
        (status = 201, description = "It is signed", body = CustodyPage),
        (status = 422, description = "The evidence does not carry it, or the role is not asked for", body = Problem, content_type = "application/problem+json"),
        ActRefusals,
    ),
    security(("token" = ["admin"]), ("session" = ["owner"]))
)]
pub(super) async fn sign(
    State(app): State<App>,
    Path(service): Path<String>,
    sent: Sent,
) -> Result<(StatusCode, Json<CustodyPage>), Problem> {
    // What was seen and which review stood approved, so that it can be told later why the criteria held.
    let audited: (&str, Detail<CustodyRoleRequest>) = ("custody.sign", |asked, custody| {
        let signed = custody.signed_last();
        json!({
            "role": asked.role,
            "seen": signed.map(|signed| &signed.seen),
            "review": signed.and_then(|signed| signed.review.as_ref()),
        })
    });
    done(app, service, sent, Role::Owner, audited, |custody, asked, act| {
        let (who, at) = (act.who.to_owned(), act.at);
        let signed = Signed { role: asked.role.clone(), who, at, seen: Vec::new(), review: None };
        custody.sign(act.rules, signed, &act.scene.evidence, &act.scene.approved)
    })
    .await
}

/// Takes the proposed step back.
#[utoipa::path(
    post,
    path = "/api/v1/custody/{service}/step/end",
    tag = "reviews",
    params(("service" = String, Path, description = "The service")),
    request_body = CustodyDropRequest,
    responses(
        (status = 201, description = "Nothing is proposed any more", body = CustodyPage),
        (status = 422, description = "Nothing is proposed", body = Problem, content_type = "application/problem+json"),
        ActRefusals,
    ),
    security(("token" = ["deploy"]), ("session" = ["developer"]))
)]
pub(super) async fn drop_step(
    State(app): State<App>,
    Path(service): Path<String>,
    sent: Sent,
) -> Result<(StatusCode, Json<CustodyPage>), Problem> {
    let audited: (&str, Detail<CustodyDropRequest>) = ("custody.drop", |_, _| json!({}));
    done(app, service, sent, Role::Developer, audited, |custody, _, _| {
        custody.drop_step().map(|_| ())
    })
    .await
}

/// Gives notice that the pager goes back to the developers, for the reasons that the rules know and the evidence holds. If nobody decides on it, it goes back at the deadline.
#[utoipa::path(
    post,
    path = "/api/v1/custody/{service}/notice",
    tag = "reviews",
    params(("service" = String, Path, description = "The service")),
    request_body = CustodyRoleRequest,
    responses(
        (status = 201, description = "Notice is given", body = CustodyPage),
        (status = 422, description = "Nothing is reason to, or notice was given", body = Problem, content_type = "application/problem+json"),
        ActRefusals,
    ),
    security(("token" = ["admin"]), ("session" = ["owner"]))
)]
pub(super) async fn give_notice(
    State(app): State<App>,
    Path(service): Path<String>,
    sent: Sent,
) -> Result<(StatusCode, Json<CustodyPage>), Problem> {
    let audited: (&str, Detail<CustodyRoleRequest>) =
        ("custody.notice", |asked, _| json!({ "role": asked.role }));
    done(app, service, sent, Role::Owner, audited, |custody, asked, act| {
        let evidence = &act.scene.evidence;
        custody.give_notice(act.rules, evidence, &asked.role, act.who, act.at).map(|_| ())
    })
    .await
}

/// Takes a notice back that nobody has decided on.
#[utoipa::path(
    post,
    path = "/api/v1/custody/{service}/notice/end",
    tag = "reviews",
    params(("service" = String, Path, description = "The service")),
    request_body = CustodyRoleRequest,
    responses(
        (status = 201, description = "It is taken back", body = CustodyPage),
        (status = 422, description = "There is none that is to be decided", body = Problem, content_type = "application/problem+json"),
        ActRefusals,
    ),
    security(("token" = ["admin"]), ("session" = ["owner"]))
)]
pub(super) async fn take_back(
    State(app): State<App>,
    Path(service): Path<String>,
    sent: Sent,
) -> Result<(StatusCode, Json<CustodyPage>), Problem> {
    let audited: (&str, Detail<CustodyRoleRequest>) =
        ("custody.take_back", |asked, _| json!({ "role": asked.role }));
    done(app, service, sent, Role::Owner, audited, |custody, asked, act| {
        custody.take_back(act.rules, &asked.role, act.at).map(|_| ())
    })
    .await
}

/// Decides what comes of a notice: the pager goes back, the service is mended first, others help, or it is retired.
#[utoipa::path(
    post,
    path = "/api/v1/custody/{service}/notice/decision",
    tag = "reviews",
    params(("service" = String, Path, description = "The service")),
    request_body = CustodyDecisionRequest,
    responses(
        (status = 201, description = "It is decided", body = CustodyPage),
        (status = 422, description = "There is no notice to decide on, or not by this role, or not like this", body = Problem, content_type = "application/problem+json"),
        ActRefusals,
    ),
    security(("token" = ["admin"]), ("session" = ["owner"]))
)]
pub(super) async fn decide(
    State(app): State<App>,
    Path(service): Path<String>,
    sent: Sent,
) -> Result<(StatusCode, Json<CustodyPage>), Problem> {
    let (asked, caller): (CustodyDecisionRequest, _) =
        sent.json_for(&app, "custody", (Role::Owner, &service)).await?;
    is_there(&app, &caller, &service).await?;
    let outcome = asked.outcome()?;
    let detail: Detail<CustodyDecisionRequest> = |asked, _| {
        let CustodyDecisionRequest { role, outcome, until, by, why } = asked;
        json!({ "role": role, "outcome": outcome, "until": until, "by": by, "why": why })
    };
    let decide = move |custody: &mut Custody, asked: &CustodyDecisionRequest, act: &Act<'_>| {
        let (role, who, why) = (asked.role.clone(), act.who.to_owned(), asked.why.clone());
        custody.decide(act.rules, Decided { outcome, role, who, at: act.at, why })
    };
    act_as(app, (service, asked), &caller, ("custody.decide", detail), decide).await
}
