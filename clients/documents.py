"""Documents of Sloth and Pyrra as they are, on servers that ask a Prometheus and that it writes to.

Services are scraped that show the counters, buckets and gauges which the documents mean. One server has the
documents before the first sample; the other is given them when there is a past. Services go on, fail for
the first time, and start anew. Both servers have to count what the services did since they were scraped
first, and each sample of the probe that Prometheus has.
"""

import http.server
import json
import subprocess
import threading
import time
import urllib.parse
import urllib.request

from programs import HERE, free_port, run, until

DATA = HERE.parent / "crates" / "flyball-spec" / "tests" / "data"
SLOTH, PYRRA = DATA / "sloth" / "examples", DATA / "pyrra"
#: Examples of the tools' own by the SLOs that they define, each with the job that it means.
DOCUMENTS = {
    "myservice-requests-availability": (SLOTH / "getting-started.yml", "myservice"),
    "monitoring-pyrra-connect-errors": (PYRRA / "pyrra-connect-errors.yaml", "pyrra"),
    "caddy-response-latency": (PYRRA / "caddy-response-latency.yaml", "caddy"),
    "prometheus-blackbox-probe-success": (PYRRA / "prometheus-probe-success.yaml", "probe"),
}
#: How long counts may take to reach the budgets: samples wait half a minute for the other side.
SETTLE = 150


class Service:
    """What one job scrapes: values of series."""

    def __init__(self):
        self.port, self.values = free_port(), {}
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                lines = [f"{series} {value}\n" for series, value in sorted(service.values.items())]
                self.wfile.write("".join(lines).encode())

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def count(self, metric, times, **labels):
        """Counts `times` more."""
        series = metric + "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}"
        self.values[series] = self.values.get(series, 0) + times


def get(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


def query(api, text):
    return get(f"{api}/query?query={urllib.parse.quote(text)}")["data"]["result"]


def check(flyball, directory, programs):
    prometheus = free_port()
    api = f"http://127.0.0.1:{prometheus}/api/v1"
    services = {job: Service() for _, job in DOCUMENTS.values()}
    ports = {"written": free_port(), "asking": free_port()}
    base = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}

    def serve(name, *more):
        programs.start(name, flyball, "serve", "--data", directory / name, "--listen",
                       f"127.0.0.1:{ports[name]}", *more)
        until(f"the server that is {name}", lambda: urllib.request.urlopen(f"{base[name]}/readyz", timeout=5))
        files = [part for file, _ in DOCUMENTS.values() for part in ("-f", file)]
        subprocess.run([flyball, "apply", *files, "--yes", "--server", base[name]], check=True,
                       stdout=subprocess.DEVNULL)

    def scraped(job):
        """Whether Prometheus has what a job shows now."""
        names = {series.split("{")[0] for series in services[job].values}
        found = [float(one["value"][1]) for name in names for one in query(api, f'{name}{{job="{job}"}}')]
        return sorted(found) == sorted(services[job].values.values())

    def all_scraped():
        for job in services:
            until(f"a scrape of {job}", lambda: scraped(job))

    def requests(code, times):
        services["myservice"].count("http_request_duration_seconds_count", times, code=code)

    def calls(method, code, times):
        labels = {"service": "objectives.v1alpha1.ObjectiveService", "method": method, "code": code}
        services["pyrra"].count("connect_server_requests_total", times, **labels)

    def responses(fast, slow):
        labels = {"handler": "subroute", "code": "200"}
        name = "caddy_http_response_duration_seconds"
        for bound, times in (("0.01", fast), ("0.05", fast), ("0.1", fast + slow), ("+Inf", fast + slow)):
            services["caddy"].count(f"{name}_bucket", times, **labels, le=bound)
        services["caddy"].count(f"{name}_count", fast + slow, **labels)

    # What was counted before anybody looked is no part of any budget.
    requests("200", 1_000)
    calls("List", "ok", 50)
    responses(2_000, 10)
    # Who is written to has the definitions before the first sample: there is no past to be asked for.
    serve("written")
    target = lambda job, service: {
        "job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{service.port}"]}]}
    (directory / "prometheus.json").write_text(json.dumps({
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [target(job, service) for job, service in services.items()],
        "remote_write": [{
            "url": f"{base['written']}/api/v1/write", "queue_config": {"batch_send_deadline": "1s"}}],
    }))
    programs.start("prometheus", "prometheus", "--config.file", "prometheus.json", "--storage.tsdb.path",
                   directory / "tsdb", "--web.listen-address", f"127.0.0.1:{prometheus}")
    until("Prometheus", lambda: get(f"{api}/labels"))
    all_scraped()

    # The past of who asks: requests, and the first failures.
    requests("200", 400)
    requests("500", 3)
    calls("List", "ok", 90)
    responses(300, 20)
    services["probe"].values["probe_success"] = 1
    all_scraped()
    serve("asking", "--prometheus", f"http://127.0.0.1:{prometheus}")
    # The present: more of all, other failures, and a service that starts anew.
    requests("200", 500)
    requests("429", 7)
    calls("List", "internal", 4)
    calls("GetStatus", "not_found", 6)
    responses(100, 5)
    services["probe"].values["probe_success"] = 0
    all_scraped()
    services["myservice"].values.clear()
    requests("200", 60)
    requests("500", 2)
    services["probe"].values["probe_success"] = 1
    all_scraped()
    services["probe"].values.clear()
    gone = lambda: not query(api, "probe_success")
    until("the end of the probe", gone)

    [probe] = query(api, "probe_success[1h]")
    probes = [value for _, value in probe["values"]]
    expected = {
        "myservice": (400 + 3 + 500 + 7 + 60 + 2, 3 + 7 + 2),
        "pyrra": (90 + 4 + 6, 4),
        "caddy": (300 + 20 + 100 + 5, 20 + 5),
        "probe": (len(probes), probes.count("0")),
    }
    # Pyrra's groups are slices.
    methods = {"List": (90 + 4, 4), "GetStatus": (6, 0)}
    wrong = 0
    for slo, (_, job) in DOCUMENTS.items():
        for name in base:

            def counted():
                objective = get(f"{base[name]}/api/v1/slos/{slo}")["objectives"][0]
                both = [objective["budget"], objective["newest"]]
                whole = tuple(sum(part[key] for part in both) for key in ("valid", "bad"))
                of = lambda slice: (slice["budget"]["valid"], slice["budget"]["bad"])
                slices = {slice["attributes"].get("method"): of(slice) for slice in objective["slices"]}
                return whole, slices if job == "pyrra" else {}

            right = (expected[job], methods if job == "pyrra" else {})
            end = time.monotonic() + SETTLE
            while counted() != right and time.monotonic() < end:
                time.sleep(0.5)
            found = counted()
            wrong += found != right
            print(f"{'ok   ' if found == right else 'WRONG'} {slo:34} {name:8} is {right}, counted {found}")
    return wrong


run(check, "of the documents")
