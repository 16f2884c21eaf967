// Sends COUNT server spans by OpenTelemetry's SDK: node spans.js PROTOCOL ENDPOINT SERVICE COUNT
// Every tenth one failed.
const { NodeTracerProvider, BatchSpanProcessor } = require('@opentelemetry/sdk-trace-node');
const { resourceFromAttributes } = require('@opentelemetry/resources');
const { SpanKind } = require('@opentelemetry/api');

const [protocol, endpoint, service, count] = process.argv.slice(2);
const exporters = {
  grpc: () => new (require('@opentelemetry/exporter-trace-otlp-grpc').OTLPTraceExporter)({ url: endpoint }),
  json: () => new (require('@opentelemetry/exporter-trace-otlp-http').OTLPTraceExporter)({ url: `${endpoint}/v1/traces` }),
  protobuf: () =>
    new (require('@opentelemetry/exporter-trace-otlp-proto').OTLPTraceExporter)({
      url: `${endpoint}/v1/traces`,
      compression: 'gzip',
    }),
};
const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({ 'service.name': service }),
  spanProcessors: [new BatchSpanProcessor(exporters[protocol](), { maxQueueSize: 100000 })],
});
const tracer = provider.getTracer('clients');
for (let i = 0; i < Number(count); i += 1) {
  const attributes = { 'http.response.status_code': i % 10 === 0 ? 503 : 200 };
  tracer.startSpan('GET /', { kind: SpanKind.SERVER, attributes }).end();
}
provider.shutdown();
