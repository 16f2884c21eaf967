"""Debian's Alertmanager is told of a burning budget, and Prometheus tells of its own alerts."""

import json
import time
import urllib.request

from programs import free_port, run, until

SLO = {
    "apiVersion": "openslo/v1",
    "kind": "SLO",
    "metadata": {"name": "checkout", "annotations": {"flyball.dev/alerting": "quick"}},
    "spec": {
        "service": "shop",
        "indicator": {
            "metadata": {"name": "checkout"},
            "spec": {"ratioMetric": {
                "counter": True,
                "good": {"metricSource": {"type": "flyball", "spec": {"where": "status < 500"}}},
                "total": {"metricSource": {"type": "flyball", "spec": {
                    "where": "service.name = 'shop'", "by": ["region"]}}},
            }},
        },
        "timeWindow": [{"duration": "1h", "isRolling": True}],
        "budgetingMethod": "Occurrences",
        "objectives": [{"target": 0.9}],
    },
}
STRATEGY = {
    "apiVersion": "flyball.dev/v1", "kind": "AlertStrategy", "metadata": {"name": "quick"},
    "spec": {"rules": [{"name": "fast", "severity": "page", "burn": {"factor": 5, "long": "30m"}}]},
}


def target(manager):
    return {"apiVersion": "flyball.dev/v1", "kind": "AlertTarget", "metadata": {"name": "manager"},
            "spec": {"alertmanager": {"url": manager}}}


def get(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


def post(url, body, kind="application/json"):
    request = urllib.request.Request(url, body.encode(), {"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=30) as answer:
        text = answer.read()
        return json.loads(text) if text else None


def send(base, region, count, status):
    line = json.dumps({"time": time.time() - 60, "service.name": "shop", "region": region, "status": status})
    post(f"{base}/api/v1/events", "\n".join([line] * count), "application/x-ndjson")


def check(flyball, directory, programs):
    port, manager, prometheus = free_port(), free_port(), free_port()
    base, managed = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{manager}"
    (directory / "slos").mkdir()
    for name, document in (("slo", SLO), ("strategy", STRATEGY), ("target", target(managed))):
        (directory / "slos" / f"{name}.json").write_text(json.dumps(document))
    (directory / "alertmanager.json").write_text(json.dumps({
        "route": {"receiver": "back", "group_by": ["service"], "group_wait": "1s", "group_interval": "1s"},
        "receivers": [{"name": "back", "webhook_configs": [
            {"url": f"{base}/api/v1/alerts/alertmanager", "send_resolved": True}]}],
    }))
    (directory / "rules.json").write_text(json.dumps({"groups": [{"name": "all", "rules": [
        {"alert": "Always", "expr": "vector(7)", "labels": {"service": "shop"}}]}]}))
    (directory / "prometheus.json").write_text(json.dumps({
        "global": {"evaluation_interval": "1s"},
        "rule_files": ["rules.json"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}]},
    }))
    programs.start("alertmanager", "prometheus-alertmanager", "--config.file", "alertmanager.json", "--storage.path",
                   directory / "alertmanager", "--web.listen-address", f"127.0.0.1:{manager}",
                   "--cluster.listen-address", "")
    programs.start("flyball", flyball, "serve", "--data", directory / "data", "--slo", directory / "slos",
                   "--listen", f"127.0.0.1:{port}")
    until("the server", lambda: urllib.request.urlopen(f"{base}/readyz", timeout=5))
    programs.start("prometheus", "prometheus", "--config.file", "prometheus.json", "--storage.tsdb.path",
                   directory / "tsdb", "--web.listen-address", f"127.0.0.1:{prometheus}")
    until("Alertmanager", lambda: urllib.request.urlopen(f"{managed}/-/ready", timeout=5))

    wrong = 0

    def right(what, is_right):
        nonlocal wrong
        wrong += not is_right
        print(f"{'ok   ' if is_right else 'WRONG'} {what}")

    # The whole and two of three slices burn: one group of three alerts.
    for region in ("eu", "us"):
        send(base, region, 100, 500)
    send(base, "ap", 10, 200)
    alerts = until("three alerts in Alertmanager",
                   lambda: len(found := get(f"{managed}/api/v2/alerts")) == 3 and found)
    slices = sorted(alert["labels"].get("slice", "") for alert in alerts)
    right(f"Alertmanager has the whole and its slices: {slices}", [bool(one) for one in slices] == [False, True, True])
    ours = get(f"{base}/api/v1/alerts?state=firing")["alerts"]
    right("as many fire here", len(ours) == 3 and all(alert["told"] == ["manager"] for alert in ours))
    groups = get(f"{managed}/api/v2/alerts/groups")
    right("they are one group", [group["labels"] for group in groups] == [{"service": "shop"}])

    # A silence that somebody makes there covers them there.
    now = time.time()
    moment = lambda at: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
    silence = post(f"{managed}/api/v2/silences", json.dumps({
        "matchers": [{"name": "slo", "value": "checkout", "isRegex": False}], "startsAt": moment(now),
        "endsAt": moment(now + 3600), "createdBy": "clients", "comment": "known"}))["silenceID"]
    until("the silence", lambda: all(alert["status"]["silencedBy"] == [silence]
                                     for alert in get(f"{managed}/api/v2/alerts")))
    right("its silence covers them", True)
    urllib.request.urlopen(urllib.request.Request(f"{managed}/api/v2/silence/{silence}", method="DELETE"), timeout=30)

    # What others tell us: Prometheus of its own alert, Alertmanager of ours.
    named = lambda: {alert["labels"]["alertname"] for alert in get(f"{base}/api/v1/alerts/foreign")["alerts"]}
    until("alerts of others", lambda: named() == {"Always", "ErrorBudgetBurn"})
    right("Prometheus and Alertmanager have told of theirs", True)

    # The end: all of them are over in both places.
    for region in ("eu", "us"):
        send(base, region, 2000, 200)
    until("the end in Alertmanager", lambda: get(f"{managed}/api/v2/alerts") == [])
    until("the end here", lambda: get(f"{base}/api/v1/alerts?state=firing")["alerts"] == [])
    until("the end by the webhook", lambda: named() == {"Always"})
    right("all is over in both", True)
    return wrong


run(check, "alerts")
