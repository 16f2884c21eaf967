"""Drills with a real Envoy, and with a server of Toxiproxy's API before an nginx.

Users ask at a steady rate, and what they are answered reaches a server by access logs. One drill stops at its line, one is
stopped by somebody, and during the others the server is killed: one is an experiment that Chaos Toolkit runs, one is done by
headers that users send to Envoy. Both systems are gone through at the same time."""

import collections
import concurrent.futures
import datetime
import http.client
import http.server
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

from programs import Programs, free_ports, run, until

#: Where `clients/run` has put programs.
TOOLS = pathlib.Path(sys.executable).parents[2]
os.environ["PATH"] = f"{TOOLS}/python/bin:{TOOLS}/toxiproxy/debug:{os.environ['PATH']}"
#: Requests of users in a second, and how many may wait for their answers at a time.
RATE, USERS = 60, 128
#: Seconds between two questions which headers to send.
PACE = 0.5
#: The hour before, in which nothing failed: what pays.
HOUR = 3_600
#: Events that are sent at once.
BATCH = 12_000
#: The share of good that is promised, of the budget that stays, and of it that one run may spend.
TARGET, RESERVE, DOSE = 0.98, 0.2, 0.15
#: How far what is burned may be from what was dosed, and how long a fault may outlive its server. Seconds.
WITHIN, WHOLE_WITHIN = 0.1, 5
#: From when on an answer is slow. Seconds; a busy machine takes long as well.
SLOW = 1
#: What a drill waits for at most, on a busy machine. Seconds.
MOST = 120
#: What proxies write of each request.
LINE = re.compile(r'(\d+\.\d+) "GET /buy\?\d+ HTTP/1\.1" (\d+)\n')
#: Ports of one system.
PORTS = 6


def own(kind, name, **spec):
    return {"apiVersion": "flyball.dev/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def promise():
    """What users of the shop are promised. It calls somebody who is not to be called by a drill."""
    source = lambda where: {"metricSource": {"type": "flyball", "spec": {"where": where}}}
    return {
        "apiVersion": "openslo/v1", "kind": "SLO",
        "metadata": {"name": "shop", "annotations": {"flyball.dev/alerting": "quick"}},
        "spec": {
            "service": "shop",
            "indicator": {"metadata": {"name": "shop"}, "spec": {"ratioMetric": {
                "counter": True,
                "good": source("http.response.status_code < 500"),
                "total": source("service.name = 'shop'"),
            }}},
            "timeWindow": [{"duration": "1d", "isRolling": True}],
            "budgetingMethod": "Occurrences",
            "objectives": [{"target": TARGET}],
        },
    }


def drill(name, fault, reaches, goes_bad, via):
    # Whole days, which do not end while this goes on.
    edge = "12:00" if time.gmtime().tm_hour in (22, 23) else "00:00"
    return own(
        "Drill", name, description="Nobody is to lean on the shop.", service="shop", slo="shop", reserve=f"{RESERVE:.0%}",
        dose=f"{DOSE:.0%}", longest="2m", blastRadius=reaches, goesBad=goes_bad, fault=fault, via=via, notice="0s",
        hours={"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "from": edge, "to": edge, "timeZone": "UTC"})


class Users:
    """People who ask at a steady rate, whoever else still waits."""

    def __init__(self, port, base, seed):
        self.port, self.base, self.random = port, base, random.Random(seed)
        self.asked, self.over, self.lease = [], threading.Event(), ({}, 0)
        self.threads = [threading.Thread(target=self.come), threading.Thread(target=self.learn)]

    def arrive(self):
        for thread in self.threads:
            thread.start()

    def learn(self):
        """Asks which headers to send, and until when."""
        while not self.over.wait(PACE):
            try:
                said = ask(f"{self.base}/api/v1/drill-headers?service=shop")
            except (OSError, http.client.HTTPException):
                continue
            self.lease = said["headers"], at(said["until"])

    def come(self):
        begun, number = time.monotonic(), 0
        with concurrent.futures.ThreadPoolExecutor(USERS) as pool:
            while not self.over.wait(max(0, begun + number / RATE - time.monotonic())):
                pool.submit(self.ask, self.random.randrange(1_000))
                number += 1

    def ask(self, what):
        """Keeps when one asked, and whether it failed or took long."""
        begun = time.time()
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            headers, until_when = self.lease
            sent = headers if begun < until_when else {}
            connection.request("GET", f"/buy?{what}", headers={"Connection": "close", **sent})
            status = connection.getresponse().status
            connection.close()
        except (OSError, http.client.HTTPException):
            status = 599
        took = time.time() - begun
        self.asked.append((begun, status >= 500, took >= SLOW))

    def ill(self, since, is_slow=False):
        """When those asked who were not well, from a moment on: who failed, or waited long where the fault is that."""
        return [begun for begun, has_failed, took_long in list(self.asked)
                if begun >= since and (has_failed or is_slow and took_long)]

    def go_on(self, count):
        """Waits for so many more answers."""
        enough = len(self.asked) + count
        until("answers", lambda: len(self.asked) >= enough, MOST)

    def leave(self):
        self.over.set()
        for thread in self.threads:
            if thread.ident:
                thread.join()


class Envoy:
    """Users, an Envoy with a fault filter, and nginx."""

    name = "envoy"
    log_format = '%START_TIME(%s.%3f)% "%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL%" %RESPONSE_CODE%\n'
    #: What is broken in each run, whom it reaches, and what goes bad of that.
    runs = {
        "burned": ({"kind": "abort", "status": 503}, "50%", "50%"),
        "stopped": ({"kind": "delay", "by": "2s"}, "100%", "100%"),
        "killed": ({"kind": "abort", "status": 500}, "100%", "100%"),
        "experiment": ({"kind": "abort", "status": 502}, "100%", "100%"),
        "headers": ({"kind": "abort", "status": 504}, "50%", "100%"),
    }

    def __init__(self, directory, ports):
        self.directory, (self.front, self.back, self.admin, _) = directory, ports
        self.via = {"kind": "envoy", "url": f"http://127.0.0.1:{self.admin}", "runtime": "flyball.shop"}

    def start(self, programs):
        nginx(self.directory, f"server {{ listen 127.0.0.1:{self.back}; access_log off; location / {{ return 200 'bought'; }} }}",
              programs)
        typed = lambda of, **more: {"@type": f"type.googleapis.com/envoy.extensions.{of}", **more}
        at = lambda port: {"socket_address": {"address": "127.0.0.1", "port_value": port}}
        nothing = {"numerator": 0, "denominator": "MILLION"}
        route = {"match": {"prefix": "/"}, "route": {"cluster": "shop", "timeout": "10s"}}
        manager = typed(
            "filters.network.http_connection_manager.v3.HttpConnectionManager", stat_prefix="shop",
            route_config={"virtual_hosts": [{"name": "shop", "domains": ["*"], "routes": [route]}]},
            access_log=[{"name": "file", "typed_config": typed(
                "access_loggers.file.v3.FileAccessLog", path=f"{self.directory}/access.log",
                log_format={"text_format_source": {"inline_string": self.log_format}})}],
            http_filters=[
                {"name": "fault", "typed_config": typed(
                    "filters.http.fault.v3.HTTPFault",
                    abort={"http_status": 503, "percentage": nothing}, abort_percent_runtime="flyball.shop.abort_percent",
                    abort_http_status_runtime="flyball.shop.abort_status",
                    delay={"fixed_delay": "1s", "percentage": nothing}, delay_percent_runtime="flyball.shop.delay_percent",
                    delay_duration_runtime="flyball.shop.delay_ms")},
                {"name": "headers", "typed_config": typed(
                    "filters.http.fault.v3.HTTPFault",
                    abort={"header_abort": {}, "percentage": {"numerator": 100, "denominator": "HUNDRED"}})},
                {"name": "router", "typed_config": typed("filters.http.router.v3.Router")},
            ])
        (self.directory / "envoy.json").write_text(json.dumps({
            "admin": {"address": at(self.admin)},
            "layered_runtime": {"layers": [{"name": "admin", "admin_layer": {}}]},
            "static_resources": {
                "listeners": [{"address": at(self.front), "filter_chains": [
                    {"filters": [{"name": "http", "typed_config": manager}]}]}],
                "clusters": [{"name": "shop", "connect_timeout": "1s", "load_assignment": {
                    "cluster_name": "shop", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": at(self.back)}}]}]}}],
            },
        }))
        programs.start("envoy", "envoy", "-c", "envoy.json", "--use-dynamic-base-id", "--concurrency", 1,
                       "--file-flush-interval-msec", 100, "--log-level", "warning")
        until("Envoy", lambda: urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/ready", timeout=5), MOST)

    def experiment(self):
        """What an experiment does, and what undoes it: two requests."""
        keys = lambda share, status: {
            "method": "POST", "url": f"{self.via['url']}/runtime_modify?flyball.shop.abort_percent={share}"
                                     f"&flyball.shop.abort_status={status}"}
        return keys(100, 502), keys("", "")

    def is_broken(self):
        """Whether the fault is there, as the system says it."""
        return bool(ask(f"http://127.0.0.1:{self.admin}/runtime").get("entries"))


class Toxiproxy:
    """Users, an nginx, a proxy that obeys Toxiproxy's API, and the nginx behind it."""

    name = "toxiproxy"
    runs = {
        "burned": ({"kind": "delay", "by": "2s"}, "50%", "50%"),
        "stopped": ({"kind": "hang"}, "50%", "100%"),
        "killed": ({"kind": "down"}, "100%", "100%"),
        "experiment": ({"kind": "delay", "by": "2s"}, "100%", "100%"),
    }

    def __init__(self, directory, ports):
        self.directory, (self.front, self.between, self.back, self.api) = directory, ports
        self.via = {"kind": "toxiproxy", "url": f"http://127.0.0.1:{self.api}", "proxy": "shop"}

    def start(self, programs):
        # A connection for each request: toxics choose among connections.
        nginx(self.directory, f"""
            log_format shop '$msec "$request" $status';
            server {{ listen 127.0.0.1:{self.front}; access_log {self.directory}/access.log shop;
              location / {{ proxy_pass http://127.0.0.1:{self.between}; proxy_read_timeout 500ms;
                proxy_http_version 1.1; proxy_set_header Connection ""; }} }}
            server {{ listen 127.0.0.1:{self.back}; access_log off; location / {{ return 200 'bought'; }} }}""", programs)
        programs.start("toxiproxy", "flyball-toxiproxy", f"127.0.0.1:{self.api}")
        made = {"name": "shop", "listen": f"127.0.0.1:{self.between}", "upstream": f"127.0.0.1:{self.back}"}
        until("the proxy", lambda: ask(f"http://127.0.0.1:{self.api}/proxies", made), MOST)

    def experiment(self):
        toxics = f"{self.via['url']}/proxies/shop/toxics"
        slow = {"name": "slow", "type": "latency", "stream": "downstream", "attributes": {"latency": 2_000}}
        return {"method": "POST", "url": toxics, "arguments": slow}, {"method": "DELETE", "url": f"{toxics}/slow"}

    def is_broken(self):
        proxy = ask(f"http://127.0.0.1:{self.api}/proxies/shop")
        return bool(proxy["toxics"]) or not proxy["enabled"]


def nginx(directory, servers, programs):
    temporary = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    (directory / "nginx.conf").write_text(f"""
        daemon off; worker_processes 1;
        pid {directory}/nginx.pid; error_log {directory}/nginx-error.log;
        events {{}}
        http {{ {"".join(f"{kind}_temp_path {directory}/{kind};" for kind in temporary)} {servers} }}""")
    programs.start("nginx", "nginx", "-e", directory / "nginx-error.log", "-c", directory / "nginx.conf")
    until("nginx", (directory / "nginx.pid").exists, MOST)


class Receiver(http.server.ThreadingHTTPServer):
    """Whoever is called."""

    def __init__(self, port):
        self.calls = []
        super().__init__(("127.0.0.1", port), Called)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Called(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.calls.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def ask(url, body=None):
    """What a server answers in JSON."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def at(text):
    """The seconds since 1970 of a moment in RFC 3339."""
    return datetime.datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text)).timestamp()


class Drilled:
    """One system, gone through."""

    def __init__(self, flyball, directory, kind, ports, seed):
        self.flyball, self.directory, self.programs = flyball, directory, Programs(directory)
        self.port, receiver, *others = ports
        self.base, self.system = f"http://127.0.0.1:{self.port}", kind(directory, others)
        self.receiver = Receiver(receiver)
        self.users = Users(self.system.front, self.base, seed)
        self.facts, self.figures = [], {}
        documents = [
            promise(),
            own("AlertStrategy", "quick", rules=[
                {"name": "fast", "severity": "page", "burn": {"factor": 4, "long": "1m", "short": "10s"}}]),
            own("AlertTarget", "receiver", webhook={"url": f"http://127.0.0.1:{receiver}", "secret": "file:webhook"}),
            *(drill(name, *what, self.via(name)) for name, what in self.system.runs.items()),
        ]
        for name, text in (("secrets/webhook", "a secret of the webhook"), ("experiments/shop.json", self.chaos())):
            (directory / name).parent.mkdir()
            (directory / name).write_text(text)
        (directory / "shop.yaml").write_text("\n---\n".join(json.dumps(one) for one in documents))

    def via(self, name):
        if name == "experiment":
            return {"kind": "chaosToolkit", "experiment": "shop.json"}
        return {"kind": "envoyHeaders"} if name == "headers" else self.system.via

    def chaos(self):
        """An experiment that breaks the shop for a minute; the shop behind has to be well before and meanwhile."""
        activity = lambda name, kind, request, **more: {
            "type": kind, "name": name, "provider": {
                "type": "http", "headers": {"Content-Type": "application/json"}, "timeout": 3, **request}, **more}
        begin, end = self.system.experiment()
        behind = activity("the shop sells", "probe", {"url": f"http://127.0.0.1:{self.system.back}/"}, tolerance=200)
        return json.dumps({
            "version": "1.0.0", "title": "the shop is broken", "description": "Nobody is to lean on the shop.",
            "steady-state-hypothesis": {"title": "what is behind is well", "probes": [behind]},
            "method": [activity("break", "action", begin, pauses={"after": 60})],
            "rollbacks": [activity("make whole", "action", end)],
        })

    def right(self, what, is_right):
        self.facts.append((what, bool(is_right)))

    def get(self, path):
        return ask(f"{self.base}/api/v1/{path}")

    def command(self, *arguments):
        """Exit code, output and talk of a command."""
        environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        done = subprocess.run([self.flyball, *arguments, "--server", self.base], env=environment, cwd=self.directory,
                              capture_output=True, text=True)
        with open(self.directory / "commands.log", "a") as log:
            log.write(f"{' '.join(arguments)}\n{done.stdout}{done.stderr}exit code {done.returncode}\n")
        return done.returncode, done.stdout, done.stderr

    def serve(self):
        self.programs.start(
            "flyball", self.flyball, "serve", "--data", self.directory / "data", "--listen", f"127.0.0.1:{self.port}",
            "--slo", self.directory / "shop.yaml", "--settle", "1s", "--secrets", self.directory / "secrets",
            "--experiments", self.directory / "experiments",
            "--tail", f"{self.directory}/access.log;format=nginx:$msec \"$request\" $status;service=shop")
        until("the server", lambda: urllib.request.urlopen(f"{self.base}/readyz", timeout=5), MOST)

    def go(self):
        try:
            self.start()
            for name in self.system.runs:
                getattr(self, name)()
            self.accounts()
        finally:
            self.users.leave()
            self.programs.end_all()

    def report(self):
        """What was found, a line each."""
        lines = [f"{'ok   ' if is_right else 'WRONG'} {what}" for what, is_right in self.facts]
        figures = ", ".join(f"{name} {value}" for name, value in self.figures.items())
        return "\n".join([f"A drill with {self.system.name}", *lines, f"      {figures}", ""])

    def wrong(self):
        return sum(not is_right for _, is_right in self.facts)

    def start(self):
        """An hour in which all was well, and users who go on."""
        self.system.start(self.programs)
        self.serve()
        now = int(time.time())
        line = lambda number: json.dumps({
            "time": f"{datetime.datetime.fromtimestamp(now - HOUR + number / RATE, datetime.timezone.utc):%Y-%m-%dT%H:%M:%S.%fZ}",
            "service.name": "shop", "http.response.status_code": 200})
        for begin in range(0, HOUR * RATE, BATCH):
            body = "\n".join(line(number) for number in range(begin, begin + BATCH)).encode()
            request = urllib.request.Request(f"{self.base}/api/v1/events", data=body,
                                             headers={"Content-Type": "application/x-ndjson"})
            urllib.request.urlopen(request, timeout=60).read()
        self.users.arrive()
        valid = lambda: self.get("slos/shop")["objectives"][0]["budget"]["valid"]
        until("the hour before", lambda: valid() > HOUR * RATE, MOST)
        self.began = now

    def begin(self, name):
        """Has a drill begun when it may, and waits until users are not well."""
        may = lambda: self.get(f"drills/{name}")["may_begin"]
        until(f"that `{name}` may begin", may, MOST)
        code, *said = self.command("drill", "begin", name, "--apply")
        self.right(f"{name}: it is begun", code == 0)
        [run] = self.runs(1)
        self.right(f"{name}: users notice it", until("a fault", lambda: self.ill(name, at(run["planned"])), MOST))
        return run["key"]

    def ill(self, name, since):
        """When users asked who were not well, from a moment on."""
        return self.users.ill(since, is_slow=self.system.runs[name][0]["kind"] == "delay")

    def runs(self, count):
        return self.get(f"drill-runs?limit={count}")["runs"]

    def run(self, key):
        return self.get(f"drill-runs/{key}")

    def ended(self, key):
        """The run with its report, once all of it is counted."""
        of = until(f"the end of {key}", lambda: (one := self.run(key))["run"]["measured"] and one, MOST)
        self.right(f"{key.split('-', 1)[1]}: nothing is broken any more", not self.system.is_broken())
        return of["run"], of["report"]

    def log(self):
        """When each request was answered, and whether well, as proxies have written it."""
        return [(float(when), int(status) < 500) for when, status in LINE.findall(
            (self.directory / "access.log").read_text())]

    def burned(self):
        """It spends what was dosed and stops by itself, though its document says that half as many go bad."""
        key = self.begin("burned")
        run, report = self.ended(key)
        why, dosed, burned = report["why"]["reason"], report["dosed"], report["burned"]
        off = burned / dosed - 1
        self.right(f"burned: it stopped at its line: {why}", why == "dosed")
        self.right(f"burned: {burned} of {dosed} dosed bad events are burned, {off:+.1%}", abs(off) <= WITHIN)
        self.right("burned: the report says so", report["as_dosed"] is True)
        bad = sum(not is_well for when, is_well in self.log() if when >= at(run["planned"]))
        self.right(f"burned: the ledger has what the proxy wrote, {bad}", abs(bad - burned) <= 1)
        self.figures["dosed"], self.figures["burned"], self.figures["off"] = dosed, burned, f"{off:+.1%}"
        lasted = [at(report["during"][end]) for end in ("start", "end")]
        self.figures["lasted"] = f"{lasted[1] - lasted[0]:.1f} s"
        self.right(f"burned: an alert would have called somebody after {report['detect']}", report["detect"])

    def stopped(self):
        """Anyone stops it."""
        key = self.begin("stopped")
        self.users.go_on(2 * RATE)
        asked = time.time()
        code, *_ = self.command("drill", "stop")
        self.right("stopped: somebody stops it", code == 0)
        self.users.go_on(2 * RATE)
        run, report = self.ended(key)
        self.right("stopped: it says who did", report["why"]["reason"] == "asked")
        self.right("stopped: it was stopped before it was dosed", report["as_dosed"] is None)
        whole = max([0, *(when - asked for when in self.ill("stopped", asked))])
        self.figures["stopped: users well"] = f"{whole:.3f} s"
        self.right(f"stopped: users are well within {WHOLE_WITHIN} s", whole < WHOLE_WITHIN)

    def killed(self):
        """The server is killed while the fault is on; its guard ends it."""
        self.kill("killed")

    def experiment(self):
        """Chaos Toolkit breaks the same, and makes it whole when the server is killed."""
        self.kill("experiment")

    def headers(self):
        """Users send headers that ask for the fault, until nobody tells them so any more."""
        self.kill("headers")

    def kill(self, name):
        """Kills the server while the fault is on, and measures for how long users are not well then."""
        key = self.begin(name)
        self.users.go_on(2 * RATE)
        died = time.time()
        self.programs.end("flyball", signal.SIGKILL)
        until("a system that is whole", lambda: not self.system.is_broken(), MOST)
        undone = time.time() - died
        self.users.go_on((WHOLE_WITHIN + 1) * RATE)
        well = max([0, *(when - died for when in self.ill(name, died))])
        self.figures[f"{name}: undone"], self.figures[f"{name}: users well"] = f"{undone:.3f} s", f"{well:.3f} s"
        self.right(f"{name}: users are well within {WHOLE_WITHIN} s of its death", max(well, undone) < WHOLE_WITHIN)
        self.serve()
        run, report = self.ended(key)
        self.right(f"{name}: it is told as ended since the server died", report["why"]["reason"] == "died")
        self.right(f"{name}: the report says what it burned, {report['burned']}", report["burned"])

    def accounts(self):
        """Attribution names the drills, and they were planned."""
        self.users.leave()
        bad = lambda: sum(not is_well for _, is_well in self.log())
        until("the end of counting", lambda: self.get("slos/shop")["objectives"][0]["newest"]["valid"] == 0, MOST)
        code, text, _ = self.command("budget", "shop", "--by-cause", "-o", "json")
        [of] = json.loads(text)["objectives"]
        spent = {cause["id"]: cause["spent"] for cause in of["causes"]}
        runs = {run["change"]: run["key"].split("-", 1)[1] for run in self.runs(100)}
        named = collections.Counter()
        for cause, count in spent.items():
            named[runs.get(cause, cause)] += count
        self.right(f"what was spent is put down to drills: {dict(named)} of {of['spent']}",
                   code == 0 and set(spent) <= set(runs) and of["spent"] == bad())
        self.right("nobody was called", not any(call["event"].startswith("alert.") for call in self.receiver.calls))
        self.right("the audit log is whole", self.command("audit", "verify")[0] == 0)


def check(flyball, directory, _):
    kinds = [Envoy, Toxiproxy]
    ports = free_ports(PORTS * len(kinds))

    def go(number):
        mine = directory / kinds[number].name
        mine.mkdir()
        one = Drilled(flyball, mine, kinds[number], ports[PORTS * number:PORTS * (number + 1)], number)
        try:
            one.go()
        finally:
            print(one.report(), end="", flush=True)
        return one.wrong()

    with concurrent.futures.ThreadPoolExecutor(len(kinds)) as pool:
        return sum(pool.map(go, range(len(kinds))))


run(check, "facts")
