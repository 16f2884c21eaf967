"""What schemathesis cannot know of the API: bodies in formats that OpenAPI does not describe."""

import json
import os
import time

import schemathesis
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


def span(number):
    """A request of OTLP with one span of now."""
    request = ExportTraceServiceRequest()
    made = request.resource_spans.add().scope_spans.add().spans.add()
    made.trace_id, made.span_id = number.to_bytes(16, "big"), number.to_bytes(8, "big")
    made.end_time_unix_nano = time.time_ns()
    made.start_time_unix_nano = made.end_time_unix_nano - 1_000_000
    return request.SerializeToString()


def framed(message, flag=0):
    """A message of gRPC."""
    return bytes([flag]) + len(message).to_bytes(4, "big") + message


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
moments = st.integers(-100_000, 100_000).map(lambda seconds: time.time() + seconds)
events = st.fixed_dictionaries({"time": moments | scalars}, optional={"status": scalars, "service.name": scalars})
lines = st.lists(events.map(json.dumps) | st.text(), max_size=5).map(lambda all: "\n".join(all).encode("utf-8", "replace"))
spans = st.integers(1, 2**63).map(span)
messages = spans | st.binary()
framed_messages = messages.map(framed) | st.builds(framed, messages, st.integers(0, 3)) | st.binary()

schemathesis.openapi.media_type("application/x-ndjson", lines | st.binary())
schemathesis.openapi.media_type("application/x-protobuf", messages)
schemathesis.openapi.media_type("application/grpc", framed_messages)


@schemathesis.hook
def filter_case(context, case):
    """Nobody revokes the token that all of this is done with."""
    return (case.path_parameters or {}).get("id") != os.environ.get("FLYBALL_CONTRACT_TOKEN", "")
