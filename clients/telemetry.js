// Sends COUNT server spans, log records and increments of a counter by OpenTelemetry's SDK:
// node telemetry.js PROTOCOL ENDPOINT SERVICE COUNT
// Every tenth one failed.
const { NodeTracerProvider, BatchSpanProcessor } = require('@opentelemetry/sdk-trace-node');
const { LoggerProvider, BatchLogRecordProcessor } = require('@opentelemetry/sdk-logs');
const { MeterProvider, PeriodicExportingMetricReader } = require('@opentelemetry/sdk-metrics');
const { resourceFromAttributes } = require('@opentelemetry/resources');
const { SpanKind } = require('@opentelemetry/api');

const [protocol, endpoint, service, count] = process.argv.slice(2);
const kinds = { grpc: 'grpc', json: 'http', protobuf: 'proto' };

/** The exporter of one signal by the protocol that was chosen. */
function exporter(signal, path, name) {
  const Exporter = require(`@opentelemetry/exporter-${signal}-otlp-${kinds[protocol]}`)[name];
  if (protocol === 'grpc') return new Exporter({ url: endpoint });
  const compression = protocol === 'protobuf' ? 'gzip' : 'none';
  return new Exporter({ url: `${endpoint}/v1/${path}`, compression });
}

async function send() {
  const resource = resourceFromAttributes({ 'service.name': service, 'service.instance.id': protocol });
  const queue = { maxQueueSize: 100000 };
  const spans = exporter('trace', 'traces', 'OTLPTraceExporter');
  const tracers = new NodeTracerProvider({ resource, spanProcessors: [new BatchSpanProcessor(spans, queue)] });
  const logs = exporter('logs', 'logs', 'OTLPLogExporter');
  const loggers = new LoggerProvider({
    resource,
    processors: [new BatchLogRecordProcessor({ exporter: logs, ...queue })],
  });
  const metrics = exporter('metrics', 'metrics', 'OTLPMetricExporter');
  const meters = new MeterProvider({
    resource,
    readers: [new PeriodicExportingMetricReader({ exporter: metrics })],
  });

  const counter = meters.getMeter('clients').createCounter('handled');
  // The first sample of a counter is what later ones are compared with.
  for (const outcome of ['ok', 'failed']) counter.add(0, { outcome });
  await meters.forceFlush();
  const tracer = tracers.getTracer('clients');
  const logger = loggers.getLogger('clients');
  for (let i = 0; i < Number(count); i += 1) {
    const failed = i % 10 === 0;
    const outcome = failed ? 'failed' : 'ok';
    const attributes = { 'http.response.status_code': failed ? 503 : 200 };
    const span = tracer.startSpan('GET /', { kind: SpanKind.SERVER, attributes });
    logger.emit({ body: 'handled', attributes: { outcome } });
    counter.add(1, { outcome });
    span.end();
  }
  for (const provider of [tracers, loggers, meters]) await provider.shutdown();
}

send().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
