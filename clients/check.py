"""Starts a server and the clients, and compares what is counted with what was sent."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

from programs import HERE, free_port, run, until

COUNT = 1000
FAILED = COUNT // 10
#: What the server promises, and here keeps on itself.
OWN = HERE.parent / "deploy" / "own-slos"
#: How long counts may take to reach the budgets: samples wait half a minute for the other side.
SETTLE = 120


def slo(name, good, total, kind="flyball", key="where", side="good"):
    """A document that counts what one client sends."""
    source = lambda text: {"metricSource": {"type": kind, "spec": {key: text}}}
    return {
        "apiVersion": "openslo/v1",
        "kind": "SLO",
        "metadata": {"name": name},
        "spec": {
            "service": name,
            "indicator": {
                "metadata": {"name": name},
                "spec": {"ratioMetric": {"counter": True, side: source(good), "total": source(total)}},
            },
            "timeWindow": [{"duration": "1h", "isRolling": True}],
            "budgetingMethod": "Occurrences",
            "objectives": [{"target": 0.5}],
        },
    }


def events(name, service, more):
    return slo(name, "http.response.status_code < 500", f"service.name = '{service}' AND {more}")


def logs(name, service):
    return slo(name, "outcome = 'ok'", f"service.name = '{service}' AND outcome <> ''")


def counters(name, bad, total):
    return slo(name, bad, total, "prometheus", "query", "bad")


def get(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


def handled_by_prometheus(api, way):
    """The requests for labels that the scrapes of one job have seen."""
    query = f'sum(prometheus_http_requests_total{{handler="/api/v1/labels",way="{way}"}})'
    result = get(f"{api}/query?query={urllib.parse.quote(query)}")["data"]["result"]
    return float(result[0]["value"][1]) if result else 0


def grown(api, way):
    """What the counters of requests for labels have grown by since Prometheus knows them: from zero where
    the scrapes before saw their target without them, else from their first sample."""
    query = f'prometheus_http_requests_total{{way="{way}"}}[1h]'
    result = get(f"{api}/query?query={urllib.parse.quote(query)}")["data"]["result"]
    first = min(series["values"][0][0] for series in result)
    total = 0
    for series in result:
        if series["metric"]["handler"] == "/api/v1/labels":
            values = series["values"]
            total += int(values[-1][1]) - (int(values[0][1]) if values[0][0] == first else 0)
    return total


def check(flyball, directory, programs):
    port, prometheus, nginx = free_port(), free_port(), free_port()
    base = f"http://127.0.0.1:{port}"
    handled = 'handled_total{{job="{0}"{1}}}'
    documents, expected = [], {}

    def expect(document, valid, bad):
        documents.append(document)
        expected[document["metadata"]["name"]] = (valid, bad)

    for sdk, protocol in [("python", "grpc"), ("python", "http"),
                          ("node", "grpc"), ("node", "json"), ("node", "protobuf")]:
        service = f"{sdk}-{protocol}"
        expect(events(f"{service}-spans", service, "span.kind = 'SERVER'"), COUNT, FAILED)
        expect(logs(f"{service}-logs", service), COUNT, FAILED)
        failed = handled.format(service, ',outcome="failed"')
        expect(counters(f"{service}-counter", failed, handled.format(service, "")), COUNT, FAILED)
    expect(events("nginx", "nginx", "url.path <> ''"), COUNT, FAILED)
    # What Prometheus counts of itself: sent by it, and asked for.
    for way in ("sent", "asked"):
        own = f'prometheus_http_requests_total{{handler="/api/v1/labels",way="{way}"'
        documents.append(counters(f"prometheus-{way}", own + ',code=~"5.."}', own + "}"))
    slos = directory / "slos"
    slos.mkdir()
    for document in documents:
        (slos / f"{document['metadata']['name']}.json").write_text(json.dumps(document))

    scrape = lambda way: {
        "job_name": way, "static_configs": [{"targets": [f"127.0.0.1:{prometheus}"], "labels": {"way": way}}]}
    (directory / "prometheus.json").write_text(json.dumps({
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [scrape("sent"), scrape("asked"), {
            "job_name": "flyball", "static_configs": [{"targets": [f"127.0.0.1:{port}"], "labels": {"way": "sent"}}]}],
        "remote_write": [{
            "url": f"{base}/api/v1/write",
            "queue_config": {"batch_send_deadline": "1s"},
            "write_relabel_configs": [{"source_labels": ["way"], "regex": "sent", "action": "keep"}],
        }],
    }))
    (directory / "nginx.conf").write_text(f"""
        daemon off; pid {directory}/nginx.pid; error_log {directory}/nginx-error.log;
        events {{}}
        http {{
          access_log {directory}/access.log combined;
          {"".join(f"{kind}_temp_path {directory}/{kind};" for kind in
                   ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))}
          server {{ listen 127.0.0.1:{nginx};
            location / {{ return 200 "ok"; }} location /failed {{ return 503; }} }}
        }}""")

    def serve():
        programs.start("flyball", flyball, "serve", "--data", directory / "data", "--slo", slos, "--slo", OWN,
                       "--listen", f"127.0.0.1:{port}", "--tail", f"{directory}/access.log;service=nginx",
                       "--prometheus", f"http://127.0.0.1:{prometheus}")
        until("the server", lambda: urllib.request.urlopen(f"{base}/readyz", timeout=5))

    programs.start("prometheus", "prometheus", "--config.file", "prometheus.json", "--storage.tsdb.path",
                   directory / "tsdb", "--web.listen-address", f"127.0.0.1:{prometheus}")
    programs.start("nginx", "nginx", "-e", directory / "nginx-error.log", "-c", directory / "nginx.conf")
    api = f"http://127.0.0.1:{prometheus}/api/v1"
    # The first sample of a counter is what later ones are compared with.
    until("Prometheus", lambda: get(f"{api}/labels"))
    for way in ("sent", "asked"):
        until(f"the first scrape of {way}", lambda: handled_by_prometheus(api, way) >= 1)
    serve()

    for protocol in ("grpc", "http"):
        subprocess.run([sys.executable, HERE / "telemetry.py", protocol, base, f"python-{protocol}",
                        str(COUNT)], check=True)
    for protocol in ("grpc", "json", "protobuf"):
        subprocess.run(["node", HERE / "telemetry.js", protocol, base, f"node-{protocol}", str(COUNT)], check=True)

    # nginx's log is rotated twice while the server runs, and twice between its end and its next start.
    page = f"http://127.0.0.1:{nginx}"
    until("nginx", lambda: (directory / "nginx.pid").exists())
    for number in range(COUNT):
        try:
            urllib.request.urlopen(page + ("/failed" if number % 10 == 0 else "/"), timeout=5).read()
        except urllib.error.HTTPError as error:
            assert error.code == 503, error
        if number in (300, 550, 600, 700):
            until("nginx's log", (directory / "access.log").exists)
            (directory / "access.log").rename(directory / f"access.log.{number}")
            programs.running["nginx"].send_signal(signal.SIGUSR1)
        if number == 500:
            programs.end("flyball", signal.SIGKILL)
        if number == 650:
            serve()

    # What Prometheus counts of one handler of its own, which nobody else asks.
    before = handled_by_prometheus(api, "sent")
    for _ in range(50):
        get(f"{api}/labels")
    for way in ("sent", "asked"):
        until(f"the scrape of {way}", lambda: handled_by_prometheus(api, way) >= before + 50)
        # Both are asked for from before the server ran.
        expected[f"prometheus-{way}"] = (grown(api, way), 0)
    # The same again, given when its series are known already.
    late = counters("prometheus-late", own + ',code=~"5.."}', own + "}")
    expected["prometheus-late"] = expected["prometheus-asked"]
    (slos / "prometheus-late.json").write_text(json.dumps(late))
    until("the new document", lambda: get(f"{base}/api/v1/slos/prometheus-late"))

    wrong = 0
    for name, (valid, bad) in expected.items():

        def counted():
            objective = get(f"{base}/api/v1/slos/{name}")["objectives"][0]
            both = [objective["budget"], objective["newest"]]
            return tuple(sum(part[key] for part in both) for key in ("valid", "bad"))

        end = time.monotonic() + SETTLE
        while counted()[0] < valid and time.monotonic() < end:
            time.sleep(0.2)
        found = counted()
        is_right = found == (valid, bad)
        wrong += not is_right
        print(f"{'ok   ' if is_right else 'WRONG'} {name:22} sent {valid:5} bad {bad:4}, "
              f"counted {found[0]:5} bad {found[1]:4}")
    return wrong + watch_itself(base)


def watch_itself(base):
    """What the server says of itself, by way of Prometheus, has to reach its own budgets."""
    wrong = 0
    for name in ("flyball-intake", "flyball-acknowledgement", "flyball-counting", "flyball-answers"):

        def spent():
            objective = get(f"{base}/api/v1/slos/{name}")["objectives"][0]
            return objective["status"] != "no_data" and objective

        budget = until(f"a budget of {name}", spent, SETTLE)["budget"]
        # What is acknowledged or counted late depends on the machine; nothing was to be refused here.
        is_right = budget["bad"] == 0 or name in ("flyball-acknowledgement", "flyball-counting")
        wrong += not is_right
        print(f"{'ok   ' if is_right else 'WRONG'} {name:22} of itself: valid {budget['valid']}, bad {budget['bad']}")
    return wrong


run(check, "of them")
