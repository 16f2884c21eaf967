//! Descriptions of what protocols of others have in common: bodies that are bytes to us here, and
//! answers that several routes give.

use std::collections::BTreeMap;

use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{
    AllOfBuilder, AnyOfBuilder, KnownFormat, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::{Ref, RefOr, Required, Response, ResponseBuilder};
use utoipa::{IntoParams, IntoResponses, PartialSchema, ToSchema};

use super::problem::Problem;
use crate::auth::{GrantInfo, Role};

/// A message in its protocol's own encoding.
#[derive(Debug)]
pub(super) enum Binary {}

impl PartialSchema for Binary {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
            .into()
    }
}

impl ToSchema for Binary {}

/// A grant that can be made: for one service any role but that of an admin, who is one for all.
#[derive(Debug)]
pub(super) enum NewGrant {}

impl PartialSchema for NewGrant {
    fn schema() -> RefOr<Schema> {
        let only = |name: &str, values: Vec<&'static str>| {
            let value = ObjectBuilder::new().schema_type(SchemaType::AnyValue);
            ObjectBuilder::new().property(name, value.enum_values(Some(values)))
        };
        let others = Role::ALL.into_iter().filter(|role| *role != Role::Admin);
        let for_one = only("role", others.map(Role::name).collect());
        let possible = AnyOfBuilder::new().item(only("service", vec!["*"])).item(for_one);
        let grant = Ref::from_schema_name(GrantInfo::name());
        AllOfBuilder::new().item(grant).item(possible).into()
    }
}

impl ToSchema for NewGrant {}

/// What headers say of a body of telemetry.
#[derive(Debug)]
pub(super) enum BodyHeaders {}

impl IntoParams for BodyHeaders {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let text = || ObjectBuilder::new().schema_type(SchemaType::Type(Type::String));
        let encoding = text().pattern(Some("^(gzip|zstd|identity|)$"));
        let key = text().min_length(Some(1)).max_length(Some(255));
        let described = [
            ("Content-Encoding", "`gzip`, `zstd`, or none", encoding),
            (
                "Idempotency-Key",
                "Counts the request once; the same key with other content is refused",
                key,
            ),
        ];
        let parameters = described.map(|(name, said, schema)| {
            let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Header);
            let parameter = parameter.description(Some(said)).required(Required::False);
            parameter.schema(Some(schema)).build()
        });
        parameters.into()
    }
}

/// What else an answer may be: a description, with the forms that its body has.
type Answer = (&'static str, &'static str, Vec<(&'static str, RefOr<Schema>)>);

/// The answers of OTLP over HTTP: in the encoding of the request, `google.rpc.Status` for what is
/// refused.
#[derive(Debug)]
pub(super) enum OtlpAnswers {}

impl IntoResponses for OtlpAnswers {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let otlp =
            |json| vec![("application/x-protobuf", Binary::schema()), ("application/json", json)];
        let refused = || otlp(rpc_status());
        let mut media = refused();
        media.push(("application/problem+json", problem()));
        let success = "What could be read is on disk; `partial_success` says what could not";
        described(vec![
            ("200", success, otlp(export_response())),
            ("400", "It cannot be read and is not to be sent again", refused()),
            ("401", "A token is needed, or the one shown is not valid", refused()),
            ("403", "The token is for another scope, or for other services", refused()),
            ("408", "The body did not come", refused()),
            ("413", "The body is too large", refused()),
            ("415", "Not this media type, or not this compression", media),
            ("422", "The key was used for other content", refused()),
            ("429", "Too much at once; send it again after a moment", refused()),
            ("503", "Nothing can be written; send it again after a moment", refused()),
        ])
    }
}

/// The answers of OTLP over gRPC: how a call went is said by `grpc-status`, with status 200.
#[derive(Debug)]
pub(super) enum GrpcAnswers {}

impl IntoResponses for GrpcAnswers {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        described(vec![
            (
                "200",
                "The call's answer, with `grpc-status` in the headers or behind the body: 0 when what \
                 could be read is on disk, 3 for what cannot be read and for a key that was used for other content, 7 and 16 for a token that does \
                 not do, 8 for a body that is too large, 12 for another compression, 14 for what is to \
                 be sent again",
                vec![("application/grpc", Binary::schema())],
            ),
            ("415", "Not a call of gRPC", vec![("application/problem+json", problem())]),
        ])
    }
}

/// The answers of Prometheus remote write: what was written is counted in their headers.
#[derive(Debug)]
pub(super) enum WriteAnswers {}

impl IntoResponses for WriteAnswers {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let refused = || vec![("application/problem+json", problem())];
        let mut answers = described(vec![
            ("204", "Everything is on disk", Vec::new()),
            ("400", "Not everything could be written; not to be sent again", refused()),
            ("408", "The body did not come", refused()),
            ("413", "The body is too large", refused()),
            ("415", "Not this media type, message or compression", refused()),
            ("429", "Too much at once; send it again after a moment", refused()),
            ("503", "Nothing can be written; send it again after a moment", refused()),
        ]);
        for status in ["204", "400"] {
            let Some(RefOr::T(answer)) = answers.get_mut(status) else { continue };
            for what in ["Samples", "Histograms", "Exemplars"] {
                let count = ObjectBuilder::new().schema_type(SchemaType::Type(Type::Integer));
                let header = HeaderBuilder::new()
                    .schema(Some(count.minimum(Some(0))))
                    .description(Some(format!("{what} of the request that were written")));
                let name = format!("X-Prometheus-Remote-Write-{what}-Written");
                answer.headers.insert(name, header.build().into());
            }
        }
        answers
    }
}

/// What a hook answers to messages that it does not take.
#[derive(Debug)]
pub(super) enum HookRefusals {}

impl IntoResponses for HookRefusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        refusals(&[
            ("400", "The body is no JSON or broke off, or a parameter is wrong"),
            ("408", "The body did not come"),
            ("409", "It speaks of another change that is called the same"),
            ("413", "The body is too large"),
            ("422", "The message cannot be understood"),
            ("503", "Nothing can be written"),
        ])
    }
}

/// The same of a hook whose messages are signed.
#[derive(Debug)]
pub(super) enum SignedRefusals {}

impl IntoResponses for SignedRefusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut answers = HookRefusals::responses();
        answers.extend(refusals(&[
            ("403", "The signature is missing or wrong, or the server has no secret of the hook"),
            ("429", "Too many messages come at once"),
        ]));
        answers
    }
}

/// What decisions by hand are refused for.
#[derive(Debug)]
pub(super) enum ActRefusals {}

impl IntoResponses for ActRefusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        refusals(&[
            ("400", "The request cannot be read"),
            ("404", "Nothing is known of such a service"),
            ("408", "The body did not come"),
            ("409", "The service's tier names a policy that is not there"),
            ("413", "The body is too large"),
            ("503", "Nothing can be written"),
        ])
    }
}

/// The same of decisions about something that was made before.
#[derive(Debug)]
pub(super) enum KnownActRefusals {}

impl IntoResponses for KnownActRefusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut answers = ActRefusals::responses();
        answers.extend(refusals(&[(
            "404",
            "Nothing is known of such a service, or it has none of this id",
        )]));
        answers
    }
}

/// What is said of incidents is refused for, and of what is learnt from them.
#[derive(Debug)]
pub(super) enum IncidentRefusals {}

impl IntoResponses for IncidentRefusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        refusals(&[
            ("400", "The request cannot be read"),
            ("404", "There is none, or it is of services that the caller may not see"),
            ("408", "The body did not come"),
            ("413", "The body is too large"),
            ("503", "Nothing can be written"),
        ])
    }
}

/// The refusals of what people make of rotas.
#[derive(Debug)]
pub(super) enum ExceptionRefusals {}

impl IntoResponses for ExceptionRefusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        refusals(&[
            ("400", "The request cannot be read"),
            ("404", "There is no such rota"),
            ("408", "The body did not come"),
            ("413", "The body is too large"),
            ("422", "The rota does not take it"),
            ("503", "Nothing can be written"),
        ])
    }
}

/// The same of what was made before.
#[derive(Debug)]
pub(super) enum KnownExceptionRefusals {}

impl IntoResponses for KnownExceptionRefusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut answers = ExceptionRefusals::responses();
        answers.extend(refusals(&[
            ("404", "There is no such rota, or it has no exception of this id"),
            ("422", "It is over, or not theirs to end"),
        ]));
        answers
    }
}

/// The answers to alerts of other systems.
#[derive(Debug)]
pub(crate) enum ForeignAnswers {}

impl IntoResponses for ForeignAnswers {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let taken = "They are taken; those that had no room are counted";
        let mut answers = described(vec![("200", taken, Vec::new())]);
        answers.extend(refusals(&[
            ("400", "They cannot be read; none is taken"),
            ("403", "One is of another service than the token is for"),
            ("408", "The body did not come"),
            ("413", "The body is too large"),
        ]));
        answers
    }
}

/// Answers that are problems, with their statuses.
fn refusals(answers: &[(&'static str, &'static str)]) -> BTreeMap<String, RefOr<Response>> {
    let refused = || vec![("application/problem+json", problem())];
    described(answers.iter().map(|(status, said)| (*status, *said, refused())).collect())
}

fn described(answers: Vec<Answer>) -> BTreeMap<String, RefOr<Response>> {
    let answers = answers.into_iter().map(|(status, description, forms)| {
        let mut answer = ResponseBuilder::new().description(description);
        for (media, schema) in forms {
            answer = answer.content(media, ContentBuilder::new().schema(Some(schema)).build());
        }
        (status.to_owned(), RefOr::T(answer.build()))
    });
    answers.collect()
}

fn problem() -> RefOr<Schema> {
    RefOr::Ref(utoipa::openapi::Ref::from_schema_name(Problem::name()))
}

/// `google.rpc.Status` in JSON.
fn rpc_status() -> RefOr<Schema> {
    let (code, message) = (Type::Integer, Type::String);
    let of = |kind| ObjectBuilder::new().schema_type(SchemaType::Type(kind));
    ObjectBuilder::new()
        .property("code", of(code))
        .property("message", of(message))
        .required("code")
        .required("message")
        .into()
}

/// `Export…ServiceResponse` in JSON, for all signals.
fn export_response() -> RefOr<Schema> {
    let text = || ObjectBuilder::new().schema_type(SchemaType::Type(Type::String));
    let mut partial = ObjectBuilder::new().property("errorMessage", text());
    for rejected in ["rejectedSpans", "rejectedLogRecords", "rejectedDataPoints"] {
        partial = partial.property(rejected, text());
    }
    ObjectBuilder::new().property("partialSuccess", partial).into()
}
