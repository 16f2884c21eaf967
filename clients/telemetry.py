"""Sends COUNT spans, log records and increments of a counter by OpenTelemetry's SDK.

python telemetry.py PROTOCOL ENDPOINT SERVICE COUNT; every tenth one failed.
"""

import logging
import sys

from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind

protocol, endpoint, service, count = sys.argv[1:]
if protocol == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    exporters = [exporter(endpoint=endpoint, insecure=True)
                 for exporter in (OTLPSpanExporter, OTLPLogExporter, OTLPMetricExporter)]
else:
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    paths = ((OTLPSpanExporter, "traces"), (OTLPLogExporter, "logs"), (OTLPMetricExporter, "metrics"))
    exporters = [exporter(endpoint=f"{endpoint}/v1/{path}", compression=Compression.Gzip)
                 for exporter, path in paths]
spans, logs, metrics = exporters

resource = Resource.create({"service.name": service, "service.instance.id": protocol})
tracers = TracerProvider(resource=resource)
tracers.add_span_processor(BatchSpanProcessor(spans, max_queue_size=100_000))
loggers = LoggerProvider(resource=resource)
loggers.add_log_record_processor(BatchLogRecordProcessor(logs, max_queue_size=100_000))
meters = MeterProvider(resource=resource, metric_readers=[PeriodicExportingMetricReader(metrics)])
logger = logging.getLogger("clients")
logger.addHandler(LoggingHandler(logger_provider=loggers))
logger.setLevel(logging.INFO)
logger.propagate = False

counter = meters.get_meter("clients").create_counter("handled")
for outcome in ("ok", "failed"):
    # The first sample of a counter is what later ones are compared with.
    counter.add(0, {"outcome": outcome})
meters.force_flush()
tracer = tracers.get_tracer("clients")
for number in range(int(count)):
    failed = number % 10 == 0
    status = 503 if failed else 200
    attributes = {"http.response.status_code": status}
    with tracer.start_as_current_span("GET /", kind=SpanKind.SERVER, attributes=attributes):
        outcome = "failed" if failed else "ok"
        logger.info("handled", extra={"outcome": outcome})
        counter.add(1, {"outcome": outcome})
for provider in (tracers, loggers, meters):
    provider.shutdown()
