"""The whole loop with real programs: nginx gets a bad configuration, a page reaches Alertmanager, the gate denies,
what was deployed is judged and rolled back, and budget and delivery say what it has cost.

It is gone through nine times at once: undisturbed, and with the server killed in each of eight phases while users
go on."""

import collections
import concurrent.futures
import datetime
import hashlib
import hmac
import http.server
import json
import os
import re
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from programs import Programs, free_ports, run, until

#: What the server is killed in, in this order.
PHASES = ["good traffic", "deployment", "page", "gate", "verdict", "rollback", "end of the page", "accounts"]
#: Seconds between two requests of a user.
PACE = 0.1
#: Requests that are answered by nginx before anything is changed, and while the server is down.
BEFORE, DOWN = 200, 40
#: Seconds that a phase may take on a busy machine. A verdict takes two whole minutes.
MOST = 300
#: Ports of one loop.
PORTS = 5
SECRET = b"a secret of the webhook"
#: What nginx writes of each request; `version` is a variable of its configuration.
LOG_FORMAT = '$msec "$request" $status $version'
LINE = re.compile(r'(\d+\.\d+) "GET /pay HTTP/1\.1" (\d+) (\d)\n')


def slo(name, annotations, by):
    """A promise about what nginx's users are answered."""
    source = lambda **spec: {"metricSource": {"type": "flyball", "spec": spec}}
    return {
        "apiVersion": "openslo/v1", "kind": "SLO", "metadata": {"name": name, "annotations": annotations},
        "spec": {
            "service": "shop",
            "indicator": {"metadata": {"name": name}, "spec": {"ratioMetric": {
                "counter": True,
                "good": source(where="http.response.status_code < 500"),
                "total": source(where="service.name = 'shop'", **by),
            }}},
            "timeWindow": [{"duration": "1h", "isRolling": True}],
            "budgetingMethod": "Occurrences",
            "objectives": [{"target": 0.9}],
        },
    }


def own(kind, name, **spec):
    return {"apiVersion": "flyball.dev/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def documents(manager, receiver):
    """Promises and rules of the shop. One promise calls people, the other tells versions apart."""
    return [
        slo("shop", {"flyball.dev/alerting": "quick"}, {}),
        slo("shop-by-version", {"flyball.dev/alerting": "none"}, {"by": ["version"]}),
        own("AlertStrategy", "quick", rules=[
            {"name": "fast", "severity": "page", "burn": {"factor": 2, "long": "1m", "short": "10s"}}]),
        own("AlertTarget", "manager", alertmanager={"url": manager}),
        own("AlertTarget", "receiver", webhook={"url": receiver, "secret": "file:webhook"}),
        own("BudgetPolicy", "shop", version=1, approvers=["product_manager"], revisit="2099-01-01", levels=[
            {"name": "overspent", "when": "budget.exhausted", "say": "The budget is overspent.",
             "deploys": {"deny": ["feature", "maintenance"]}},
            {"name": "within"}]),
        own("Tier", "shop", target="90%", window="1h", alerting="quick", policy="shop"),
        own("Service", "shop", tier="shop", team="payments", accountable={"who": "Ada Byron"},
            delivery={"targets": {"leadTime": "1d", "recovery": "1h", "changeFailure": "15%"}}),
    ]


def moment(seconds):
    """The same moment in RFC 3339, in UTC."""
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).isoformat()


def seconds(text):
    """A length of time as the server writes it."""
    number, unit = re.fullmatch(r"([\d.]+)([smhdw])", text).groups()
    return float(number) * {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}[unit]


def at(text):
    """The seconds since 1970 of a moment in RFC 3339."""
    return datetime.datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text)).timestamp()


class Receiver(http.server.ThreadingHTTPServer):
    """A webhook that keeps what comes, as it comes."""

    def __init__(self, port):
        self.notices, self.forged, self.interrupt = [], 0, {}
        super().__init__(("127.0.0.1", port), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        signature = dict(part.split("=", 1) for part in self.headers["Flyball-Signature"].split(","))
        expected = hmac.new(SECRET, signature["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
        notice = json.loads(body)
        key = self.headers["Idempotency-Key"]
        if not hmac.compare_digest(expected, signature["v1"]) or key != notice["delivery"]:
            self.server.forged += 1
        self.server.notices.append((key, notice))
        interrupt = self.server.interrupt.pop(notice["event"], None)
        if interrupt:
            # The server never sees the answer.
            interrupt()
            self.close_connection = True
        else:
            self.send_response(204)
            self.end_headers()

    def log_message(self, *_):
        pass


class Shop:
    """nginx with users who ask for the same page again and again."""

    def __init__(self, directory, programs, front, back):
        self.directory, self.programs, self.front, self.back = directory, programs, front, back
        self.answers, self.over = collections.Counter(), threading.Event()
        self.users = threading.Thread(target=self.ask)

    def open(self):
        self.configure("* 1;")
        self.programs.start("nginx", "nginx", "-e", self.directory / "nginx-error.log", "-c",
                            self.directory / "nginx.conf")
        until("nginx", lambda: (self.directory / "nginx.pid").exists() and self.workers())
        self.users.start()

    def configure(self, versions):
        temporary = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        # The second release is said to be where nobody listens.
        (self.directory / "nginx.conf").write_text(f"""
            daemon off; worker_processes 1;
            pid {self.directory}/nginx.pid; error_log {self.directory}/nginx-error.log;
            events {{}}
            http {{
              {"".join(f"{kind}_temp_path {self.directory}/{kind};" for kind in temporary)}
              log_format shop '{LOG_FORMAT}';
              split_clients $request_id $version {{ {versions} }}
              map $version $release {{ 1 127.0.0.1:{self.back}; 2 127.0.0.1:1; }}
              server {{ listen 127.0.0.1:{self.front}; access_log {self.directory}/access.log shop;
                location / {{ proxy_pass http://$release; }} }}
              server {{ listen 127.0.0.1:{self.back}; access_log off; location / {{ return 200 "paid"; }} }}
            }}""")

    def workers(self):
        master = self.programs.running["nginx"].pid
        with open(f"/proc/{master}/task/{master}/children") as children:
            return children.read().split()

    def deploy(self, versions):
        """Has nginx read another configuration; no worker has the one before when it is done."""
        before = self.workers()
        self.configure(versions)
        self.programs.running["nginx"].send_signal(signal.SIGHUP)
        until("nginx's new worker", lambda: len(now := self.workers()) == 1 and now != before)

    def ask(self):
        while not self.over.wait(PACE):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.front}/pay", timeout=30) as answer:
                    self.answers[answer.status] += 1
            except urllib.error.HTTPError as error:
                self.answers[error.code] += 1

    def go_on(self, count):
        """Waits for so many more answers."""
        enough = self.answers.total() + count
        until("answers of nginx", lambda: self.answers.total() >= enough, MOST)

    def close(self):
        self.over.set()
        if self.users.ident:
            self.users.join()

    def log(self):
        """What nginx has written: time, status, version of each request."""
        text = (self.directory / "access.log").read_text()
        lines = LINE.findall(text)
        assert len(lines) == text.count("\n"), "a line of nginx's log is another"
        return [(float(time), int(status), version) for time, status, version in lines]


class Loop:
    """The loop gone through once, in a directory of its own. `killed` is the phase in which the server is killed."""

    def __init__(self, flyball, directory, ports, killed):
        self.flyball, self.directory, self.killed = flyball, directory, killed
        self.port, self.manager, receiver, front, back = ports
        self.base, self.managed = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{self.manager}"
        self.programs, self.facts, self.figures, self.asked = Programs(directory), [], {}, []
        self.began = time.time() - 60
        self.data, self.repository = directory / "data", directory / "repository"
        (directory / "secrets").mkdir()
        (directory / "secrets" / "webhook").write_bytes(SECRET)
        (directory / "alertmanager.json").write_text(json.dumps(
            {"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]}))
        self.receiver = Receiver(receiver)
        texts = [json.dumps(one) for one in documents(self.managed, f"http://127.0.0.1:{receiver}")]
        (directory / "shop.yaml").write_text("\n---\n".join(texts))
        self.tokens = {}
        self.tokens["admin"] = self.token("--name", "admin", "--scope", "admin")
        self.tokens["pipeline"] = self.token("--name", "pipeline", "--scope", "deploy", "--scope", "read")
        self.shop = Shop(directory, self.programs, front, back)

    def right(self, what, is_right):
        self.facts.append((what, bool(is_right)))

    def note(self, what):
        """Keeps how long it is since nginx was changed."""
        self.figures[what] = f"{time.time() - self.done:.0f} s"

    def token(self, *arguments):
        return self.command("token", "create", "--data", self.data, *arguments)[1].split()[-1]

    def command(self, *arguments, who=None):
        """Exit code and output of a command, as a pipeline on this machine runs it."""
        environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        environment["FLYBALL_SERVER"] = self.base
        if who:
            environment["FLYBALL_TOKEN"] = self.tokens[who]
        done = subprocess.run([self.flyball, *map(str, arguments)], env=environment, cwd=self.directory,
                              capture_output=True, text=True)
        with open(self.directory / "commands.log", "a") as log:
            log.write(f"{' '.join(map(str, arguments))}\n{done.stderr}exit code {done.returncode}\n")
        return done.returncode, done.stdout

    def get(self, path, **query):
        request = urllib.request.Request(f"{self.base}/api/v1/{path}?{urllib.parse.urlencode(query)}",
                                         headers={"Authorization": f"Bearer {self.tokens['pipeline']}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def serve(self):
        log = self.directory / "access.log"
        self.programs.start(
            "flyball", self.flyball, "serve", "--data", self.data, "--listen", f"127.0.0.1:{self.port}",
            "--settle", "1s", "--secrets", self.directory / "secrets",
            "--tail", f"{log};format=nginx:{LOG_FORMAT};service=shop")
        until("the server", lambda: urllib.request.urlopen(f"{self.base}/readyz", timeout=5), MOST)

    def kill(self):
        self.programs.end("flyball", signal.SIGKILL)

    def come_back(self):
        """Starts the server again when users have met its absence."""
        self.shop.go_on(DOWN)
        self.serve()

    def survive(self, phase):
        if self.killed == phase:
            self.kill()
            self.come_back()

    def commit(self, text, age):
        """A commit of somebody who wrote it `age` seconds ago: its name, and when that was."""
        written = int(time.time()) - age
        dates = {"GIT_AUTHOR_DATE": f"@{written} +0000", "GIT_COMMITTER_DATE": f"@{written} +0000"}
        git = ["git", "-C", self.repository, "-c", "user.name=Ada Byron", "-c", "user.email=ada@shop.example"]
        subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", text], env={**os.environ, **dates}, check=True)
        name = subprocess.run([*git, "rev-parse", "HEAD"], check=True, stdout=subprocess.PIPE, text=True).stdout
        return name.strip(), written

    def record(self, *arguments):
        """Exit code and output of what a pipeline tells of a change."""
        return self.command("change", "record", "--service", "shop", "--repository", self.repository, *arguments,
                            who="pipeline")

    def gate(self, kind):
        """Exit code and decision on a change of this class."""
        code, text = self.command("gate", "shop", "--class", kind, "-o", "json", who="pipeline")
        answer = json.loads(text)
        self.asked.append(answer["id"])
        return code, answer["decision"]

    def budget(self):
        return self.get("slos/shop")["objectives"][0]["budget"]

    def alerts(self):
        with urllib.request.urlopen(f"{self.managed}/api/v2/alerts", timeout=30) as answer:
            return json.load(answer)

    def told(self, event):
        return [notice for _, notice in self.receiver.notices if notice["event"] == event]

    def go(self):
        try:
            self.start()
            for phase in (self.good, self.deployment, self.page, self.denial, self.verdict, self.rollback,
                          self.end_of_page, self.accounts, self.told_once, self.verified):
                phase()
        finally:
            self.shop.close()
            self.programs.end_all()

    def report(self):
        """What was found, a line each."""
        title = f"The server was {f'killed in: {self.killed}' if self.killed else 'not killed'}"
        lines = [f"{'ok   ' if is_right else 'WRONG'} {what}" for what, is_right in self.facts]
        figures = ", ".join(f"{name} {value}" for name, value in self.figures.items())
        return "\n".join([title, *lines, f"      {figures}", ""])

    def wrong(self):
        return sum(not is_right for _, is_right in self.facts)

    def start(self):
        self.shop.open()
        self.programs.start(
            "alertmanager", "prometheus-alertmanager", "--config.file", "alertmanager.json", "--storage.path",
            self.directory / "alertmanager", "--web.listen-address", f"127.0.0.1:{self.manager}",
            "--cluster.listen-address", "")
        self.serve()
        until("Alertmanager", lambda: urllib.request.urlopen(f"{self.managed}/-/ready", timeout=5), MOST)
        applied = self.command("apply", "--yes", "-f", "shop.yaml", who="admin")[0]
        signed = self.command("policy", "sign", "shop", "--role", "product_manager", who="admin")[0]
        self.right("definitions are applied, and the policy is signed", (applied, signed) == (0, 0))

    def good(self):
        """Users are well."""
        subprocess.run(["git", "init", "-q", self.repository], check=True)
        self.first = self.commit("release 1", 7 * 86_400)
        code, _ = self.record("--id", "release-1", "--version", "1", "--commits", "--planned", "true")
        self.right("the first release is recorded", code == 0)
        self.survive("good traffic")
        self.shop.go_on(BEFORE)
        until("a budget", lambda: self.budget()["valid"] >= BEFORE / 2, MOST)
        self.right("no budget is spent", self.budget()["bad"] == 0)

    def deployment(self):
        """The gate lets a feature pass; its configuration is bad."""
        code, decision = self.gate("feature")
        self.right("the gate allows a feature", (code, decision["outcome"]) == (0, "allow"))
        self.commits = [self.commit(text, age) for text, age in (("pay by card", 7_200), ("pay at once", 3_600))]
        release = ["--id", "release-2", "--version", "2", "--class", "feature", "--planned", "true", "--commits"]
        code, _ = self.record(*release, "--outcome", "underway", "--started", moment(time.time()))
        self.right("that it is underway is recorded", code == 0)
        self.end_change(release, "50% 2; * 1;", "deployment")

    def end_change(self, change, versions, phase):
        """Has nginx change, and tells of it: again when the server was not there."""
        if self.killed == phase:
            self.kill()
        self.shop.deploy(versions)
        self.done = time.time()
        change = [*change, "--outcome", "succeeded", "--finished", moment(self.done)]
        code, _ = self.record(*change)
        if self.killed == phase:
            self.right(f"{phase}: what is told to a server that is down is not recorded", code == 2)
            self.come_back()
            code, _ = self.record(*change)
        self.right(f"{phase}: its end is recorded", code == 0)

    def page(self):
        """Somebody is called."""
        died = self.interrupt("alert.open", "page")
        until("a page", lambda: self.told("alert.open"), MOST)
        self.note("paged after")
        self.restart_after(died)
        until("the alert in Alertmanager", self.alerts, MOST)
        self.right("Alertmanager has one alert, a page of the shop", self.is_one_page())
        ours = self.get("alerts", state="firing")["alerts"]
        self.right("one fires here", [one["slo"] for one in ours] == ["shop"])

    def is_one_page(self):
        return [(one["labels"]["slo"], one["labels"]["severity"]) for one in self.alerts()] == [("shop", "page")]

    def interrupt(self, event, phase):
        """Kills the server in `phase` with the next notice of this kind on its way."""
        if self.killed != phase:
            return None
        died = threading.Event()

        def kill():
            self.kill()
            died.set()

        self.receiver.interrupt[event] = kill
        return died

    def restart_after(self, died):
        if died:
            until("the end of the server", died.is_set, MOST)
            self.come_back()

    def denial(self):
        """The budget is overspent: features wait, going back does not."""
        until("an overspent budget", lambda: (now := self.budget())["bad"] * 10 > now["valid"], MOST)
        code, decision = self.gate("feature")
        self.right("the gate denies the next feature", (code, decision["outcome"]) == (1, "deny"))
        self.survive("gate")
        code, decision = self.gate("feature")
        until_when, now = decision["until"], time.time()
        self.right(f"it says until when: {until_when}",
                   code == 1 and until_when and now < at(until_when) < now + 2 * 3_600)
        code, decision = self.gate("rollback")
        self.right("a rollback may ship", (code, decision["outcome"]) == (0, "allow"))

    def release(self):
        return self.get("changes/release-2")

    def verdict(self):
        """What was deployed is held against the release beside it."""
        if self.killed == "verdict":
            until("a first look at the change", lambda: self.release()["verdict"], MOST)
            self.survive("verdict")
        change = until("a verdict", lambda: (one := self.release())["verdict"]
                       and one["verdict"]["answer"] != "undecided" and one, MOST)
        self.note("judged after")
        self.right("the release regressed", change["verdict"]["answer"] == "regressed")
        self.right("to roll back is suggested", change["suggestion"]["remedy"] == "roll_back")

    def rollback(self):
        """The good configuration is there again."""
        self.right("Alertmanager has the same one still", self.is_one_page())
        rollback = ["--id", "rollback-2", "--kind", "rollback", "--restores", "release-2", "--planned", "false",
                    "--version", "1", "--revision", self.first[0]]
        code, _ = self.record(*rollback, "--outcome", "underway", "--started", moment(time.time()))
        self.right("that it is rolled back is recorded", code == 0)
        self.end_change(rollback, "* 1;", "rollback")

    def end_of_page(self):
        """Whoever was called hears that it is over."""
        died = self.interrupt("alert.close", "end of the page")
        until("the end by the webhook", lambda: self.told("alert.close"), MOST)
        self.note("over after")
        self.restart_after(died)
        until("the end in Alertmanager", lambda: self.alerts() == [], MOST)
        self.right("all is over in both", self.get("alerts", state="firing")["alerts"] == [])

    def accounts(self):
        """What it has cost is known, and stays known."""
        until("the end of the observation", lambda: self.release()["verdict"]["is_over"], MOST)
        times = {"from": moment(self.began), "to": self.get("slos/shop")["complete_up_to"]}

        def told():
            measures = self.get("delivery", service="shop", **times)["measures"]
            # Users are still there, and five minutes of them are looked at together.
            del measures["availability"], measures["restore"]
            return self.get("slos/shop/attribution", **times), measures, self.release()["verdict"]

        before = told()
        self.survive("accounts")
        self.right("whoever asks twice is told the same", told() == before)
        self.users_leave()
        self.attribution()
        self.delivery()
        kept = [one["id"] for one in self.get("gate/shop/decisions")["decisions"]]
        self.right(f"all {len(kept)} decisions are kept, each once", sorted(kept) == sorted(self.asked))
        listed = [one["change"]["id"] for one in self.get("changes")["changes"]]
        self.right("the three changes are kept, each once",
                   sorted(listed) == ["release-1", "release-2", "rollback-2"])
        self.right("the audit log is whole", self.command("audit", "verify", who="admin")[0] == 0)

    def users_leave(self):
        """Nobody asks any more: what nginx has logged is compared with what users saw, and with the ledger."""
        self.shop.close()
        log = self.shop.log()
        self.right(f"nginx has logged what {len(log)} users saw",
                   collections.Counter(status for _, status, _ in log) == self.shop.answers)

        def counted():
            return (self.get("slos/shop")["objectives"][0], self.get("slos/shop-by-version")["objectives"][0])

        until("the end of counting", lambda: all(
            (of["budget"]["valid"], of["newest"]["valid"]) == (len(log), 0) for of in counted()), MOST)
        whole, split = counted()
        self.bad = sum(status >= 500 for _, status, _ in log)
        both = lambda of: (of["budget"]["valid"], of["budget"]["bad"])
        self.right(f"the ledger holds each request once, {self.bad} of them bad",
                   [both(whole), both(split)] == [(len(log), self.bad)] * 2)
        found = {of["attributes"]["version"]: both(of) for of in split["slices"]}
        expected = {version: (sum(one == version for _, _, one in log),
                              sum(one == version and status >= 500 for _, status, one in log)) for version in "12"}
        self.right(f"so do its slices: {expected}", found == expected)
        self.figures["requests"], self.figures["bad"] = len(log), self.bad

    def attribution(self):
        code, text = self.command("budget", "shop", "--by-cause", "-o", "json", who="pipeline")
        [of] = json.loads(text)["objectives"]
        causes = [(cause["kind"], cause["id"], cause["spent"]) for cause in of["causes"]]
        parts = of["usual"] + of["unexplained"] + sum(spent for *_, spent in causes)
        self.right("what was spent, by cause, adds up", (code, of["spent"], parts) == (0, self.bad, self.bad))
        # The page began an incident, which has nothing of its own: what was bad meanwhile is the release's.
        expected = [("change", "release-2", self.bad), ("incident", "alert:1", 0)]
        self.right(f"the release has spent all of it: {causes}", sorted(causes) == expected)

    def delivery(self):
        code, text = self.command("delivery", "shop", "-o", "json", who="pipeline")
        found = json.loads(text)["measures"]
        self.right("three deployments are counted", (code, found["frequency"]["deployments"]) == (0, 3))
        failed, least = found["change_failure"]["fates"], found["change_failure"]["at_least"]
        self.right("one of two releases has failed", (least["of"], least["out_of"]) == (1, 2)
                   and failed == {"healthy": 0, "failed": 1, "undecided": 1})
        live = {id: at(self.get(f"changes/{id}")["change"]["finished"]) for id in ("release-1", "release-2")}
        written = [(live["release-1"], self.first), *((live["release-2"], commit) for commit in self.commits)]
        lead = sorted(live - commit[1] for live, commit in written)
        spread = found["lead_time"]["commits"]
        self.right(f"lead times are those of its commits: {spread['min']}, {spread['median']}, {spread['max']}",
                   spread["count"] == 3 and all(abs(seconds(spread[key]) - expected) < 0.002 for key, expected
                                                in zip(("min", "median", "max"), lead)))
        [alert] = self.get("alerts")["alerts"]
        recovery = found["recovery"]["deployments"]
        expected = at(alert["resolved"]) - live["release-2"]
        self.right(f"recovery is from the release to the end of the page: {recovery['median']}",
                   recovery["count"] == 1 and abs(seconds(recovery["median"]) - expected) < 0.002)
        self.right("of one incident, and one deployment of three mended another",
                   (found["response"]["incidents"], found["rework"]["rate"]["of"]) == (1, 1))
        self.figures["recovery"] = recovery["median"]

    def told_once(self):
        """No step of an alert is lost, and none has two keys."""
        kept = list(self.receiver.notices)
        self.right("every notice is signed", self.receiver.forged == 0)
        [alert] = self.get("alerts")["alerts"]
        self.right("there was one alert, which fired and ended",
                   [one["kind"] for one in alert["transitions"]] == ["fired", "resolved"])
        steps = collections.defaultdict(list)
        for key, notice in kept:
            steps[notice["alert"]["id"], notice["number"], notice["event"]].append((key, notice["may_repeat"]))
        expected = [(alert["id"], one["number"], event)
                    for one, event in zip(alert["transitions"], ("alert.open", "alert.close"))]
        self.right("the webhook was told of each step, and of no other", sorted(steps) == sorted(expected))
        keys = [{key for key, _ in told} for told in steps.values()]
        self.right("each under one key of its own",
                   all(len(one) == 1 for one in keys) and len(set().union(*keys)) == len(steps))
        repeated = [may_repeat for told in steps.values() for _, may_repeat in told[1:]]
        self.right(f"{len(repeated)} came again, and said so", all(repeated))
        if self.killed in ("page", "end of the page"):
            self.right("what was on its way when the server died came again", len(repeated) >= 1)
        self.figures["notices"], self.figures["repeated"] = len(kept), len(repeated)

    def verified(self):
        """The ledger is what stored events count when they are counted again."""
        self.programs.end("flyball")
        code, _ = self.command("ledger", "verify", "--data", self.data)
        self.right("stored events counted again are the same", code == 0)


def check(flyball, directory, _):
    killed = [None, *PHASES]
    ports = free_ports(PORTS * len(killed))

    def loop(number):
        own = directory / str(number)
        own.mkdir()
        one = Loop(flyball, own, ports[PORTS * number:PORTS * (number + 1)], killed[number])
        try:
            one.go()
        finally:
            print(one.report(), end="", flush=True)
        return one.wrong()

    with concurrent.futures.ThreadPoolExecutor(len(killed)) as pool:
        return sum(pool.map(loop, range(len(killed))))


run(check, "facts")
