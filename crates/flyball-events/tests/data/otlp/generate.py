"""Writes the same spans and logs as OTLP JSON (as the collector writes it) and as protobuf in its three framings."""
import base64, json, struct, sys
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue, AnyValue
out = sys.argv[1]
def hexed(o):
    if isinstance(o, dict):
        return {k: (base64.b64decode(v).hex() if k in ("traceId","spanId","parentSpanId") else hexed(v)) for k, v in o.items()}
    if isinstance(o, list): return [hexed(x) for x in o]
    return o
def line(m): return json.dumps(hexed(MessageToDict(m, use_integers_for_enums=True)), separators=(",",":")) + "\n"
def kv(l, k, **v): l.append(KeyValue(key=k, value=AnyValue(**v)))
def varint(n):
    b = b""
    while n > 127: b += bytes([n & 127 | 128]); n >>= 7
    return b + bytes([n])
msgs = []
t0 = 1_700_000_000_000_000_000
for r in range(3):
    m = ExportTraceServiceRequest(); rs = m.resource_spans.add()
    kv(rs.resource.attributes, "service.name", string_value=f"svc-{r}")
    kv(rs.resource.attributes, "host.cpus", int_value=4)
    ss = rs.scope_spans.add(); ss.scope.name = "lib"; ss.scope.version = "1.2"
    kv(ss.scope.attributes, "scope.attr", bool_value=True)
    for i in range(20):
        s = ss.spans.add(); n = r * 20 + i
        s.trace_id = bytes([n + 1] * 16); s.span_id = bytes([n + 1] * 8)
        if i % 2: s.parent_span_id = bytes([n] * 8)
        s.name = f"GET /item/{i % 4}"; s.kind = i % 6
        s.start_time_unix_nano = t0 + n * 1_000_000_000; s.end_time_unix_nano = s.start_time_unix_nano + i * 1_234_567
        s.status.code = i % 3
        if i % 3 == 2: s.status.message = "bröken \"x\""
        kv(s.attributes, "http.status_code", int_value=500 if i % 3 == 2 else 200)
        kv(s.attributes, "http.method", string_value="GET")
        kv(s.attributes, "ratio", double_value=i / 7)
        kv(s.attributes, "big", int_value=(1 << 60) + i)
        kv(s.attributes, "cached", bool_value=bool(i % 2))
        kv(s.attributes, "raw", bytes_value=bytes([i, 255, 0]))
        a = s.attributes.add(); a.key = "tags"
        for x in ("a", "b\n"): a.value.array_value.values.add().string_value = x
        a.value.array_value.values.add().double_value = 2.0
        a = s.attributes.add(); a.key = "order"
        kv(a.value.kvlist_value.values, "id", int_value=i)
        b = a.value.kvlist_value.values.add(); b.key = "to"
        kv(b.value.kvlist_value.values, "city", string_value="Bern")
    msgs.append(m)
logs = []
for r in range(2):
    m = ExportLogsServiceRequest(); rl = m.resource_logs.add()
    kv(rl.resource.attributes, "service.name", string_value=f"svc-{r}")
    sl = rl.scope_logs.add(); sl.scope.name = "logger"
    for i in range(10):
        l = sl.log_records.add(); n = r * 10 + i
        if i % 3: l.time_unix_nano = t0 + n * 1_000_000_000
        l.observed_time_unix_nano = t0 + n * 1_000_000_000 + 5
        l.severity_number = 9 + 4 * (i % 3); l.severity_text = ["INFO","WARN","ERROR"][i % 3]
        if i % 4 == 3: kv(l.body.kvlist_value.values, "msg", string_value="x")
        else: l.body.string_value = f"line {n}"
        if i % 2: l.trace_id = bytes([n + 1] * 16); l.span_id = bytes([n + 1] * 8)
        if i == 5: l.event_name = "checkout.done"
        kv(l.attributes, "attempt", int_value=i)
    logs.append(m)
for name, ms in (("traces", msgs), ("logs", logs)):
    open(f"{out}/{name}.otlp.json", "w").write("".join(line(m) for m in ms))
    raw = [m.SerializeToString() for m in ms]
    whole = type(ms[0])()
    for m in ms: whole.MergeFrom(m)
    open(f"{out}/{name}.pb", "wb").write(whole.SerializeToString())
    open(f"{out}/{name}.be.pb", "wb").write(b"".join(struct.pack(">I", len(b)) + b for b in raw))
    open(f"{out}/{name}.varint.pb", "wb").write(b"".join(varint(len(b)) + b for b in raw))
m = ExportMetricsServiceRequest(); rm = m.resource_metrics.add(); kv(rm.resource.attributes, "service.name", string_value="svc")
x = rm.scope_metrics.add().metrics.add(); x.name = "requests"; d = x.sum.data_points.add(); d.as_int = 3; d.time_unix_nano = t0
open(f"{out}/metrics.pb", "wb").write(m.SerializeToString())
