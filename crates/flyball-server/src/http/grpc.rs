//! OTLP over gRPC.
//!
//! Messages are passed on as bytes: what is in them is decoded straight into columns, never into
//! generated structs.

use std::future::Future;
use std::pin::Pin;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::{Buf, BufMut, Bytes};
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{Grpc, UnaryService};
use tonic::{Code, Status};

use super::App;
use super::otlp::{Signal, grpc_code, success};
use super::problem::Problem;
use crate::entry::Compression;
use crate::intake::Offer;

pub(super) async fn traces(State(app): State<App>, request: Request) -> Response {
    export(app, Signal::Traces, request).await
}

pub(super) async fn logs(State(app): State<App>, request: Request) -> Response {
    export(app, Signal::Logs, request).await
}

pub(super) async fn metrics(State(app): State<App>, request: Request) -> Response {
    export(app, Signal::Metrics, request).await
}

/// Whether a request is one of gRPC.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    media.is_some_and(|media| media.starts_with("application/grpc"))
}

/// The answer to a method that there is not.
pub(super) fn unimplemented() -> Response {
    Status::unimplemented("there is no such service here").into_http::<Body>()
}

async fn export(app: App, signal: Signal, request: Request) -> Response {
    let most = app.intake.limits().request_bytes_max;
    let mut grpc = Grpc::new(Raw)
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Zstd)
        .max_decoding_message_size(most);
    grpc.unary(Export { app, signal }, request).await.into_response()
}

/// One `Export` call.
struct Export {
    app: App,
    signal: Signal,
}

impl UnaryService<Bytes> for Export {
    type Response = Bytes;
    type Future =
        Pin<Box<dyn Future<Output = Result<tonic::Response<Bytes>, Status>> + Send + 'static>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let (app, signal) = (self.app.clone(), self.signal);
        Box::pin(async move {
            let key = request.metadata().get("idempotency-key");
            let key = key.and_then(|key| key.to_str().ok()).map(str::to_owned);
            let (content, body) = (signal.content(false), request.into_inner());
            let offer = Offer { key, ..Offer::new(content, Compression::None, body) };
            match app.intake.accept(offer).await {
                Ok(receipt) => Ok(tonic::Response::new(success(signal, false, &receipt).into())),
                Err(refusal) => {
                    let is_temporary = refusal.is_temporary();
                    let problem = Problem::from(refusal);
                    // What may be sent again must not be RESOURCE_EXHAUSTED, which without a delay
                    // tells clients to give up.
                    let code = match grpc_code(problem.status) {
                        _ if is_temporary => Code::Unavailable,
                        3 => Code::InvalidArgument,
                        8 => Code::ResourceExhausted,
                        _ => Code::Internal,
                    };
                    Err(Status::new(code, problem.detail))
                }
            }
        })
    }
}

/// Messages as their bytes.
#[derive(Debug, Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let length = from.remaining();
        Ok(Some(from.copy_to_bytes(length)))
    }
}
