"""A server with services that a change of a flag makes fail, and what it does about that."""

import json
import os
import subprocess
import time
import urllib.request

from programs import free_port, until

#: Seconds that a change of a flag is old when it is told of, and that all was well before.
AGE, BEFORE = 420, 3_600
#: Whoever asks: half of them pay.
USERS = [{"id": f"user-{number}", "plan": "paid" if number % 2 else "free"} for number in range(40)]


def slo(service):
    """A promise of a service to its users."""
    source = lambda where: {"metricSource": {"type": "flyball", "spec": {"where": where}}}
    return {
        "apiVersion": "openslo/v1", "kind": "SLO", "metadata": {"name": service},
        "spec": {
            "service": service,
            "indicator": {"metadata": {"name": service}, "spec": {"ratioMetric": {
                "counter": True, "good": source("status < 500"), "total": source(f"service.name = '{service}'")}}},
            "timeWindow": [{"duration": "2h", "isRolling": True}],
            "budgetingMethod": "Occurrences",
            "objectives": [{"target": 0.9}],
        },
    }


def action(service, automatic, **via):
    """What switches flags of a service off, and does so."""
    return {"apiVersion": "flyball.dev/v1", "kind": "RestoreAction", "metadata": {"name": f"kill-{service}"},
            "spec": {"service": service, "dryRun": False, "automatic": automatic, **via}}


def ask(url, body=None, token=None):
    """The answer to a request in JSON, which posts where there is a body."""
    headers = {"Content-Type": "application/json", **({"Authorization": token} if token else {})}
    body = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30) as answer:
        text = answer.read()
        return json.loads(text) if text else None


class Flagged:
    """A server with these restore actions, each of a service of its own, and the facts that were looked at."""

    def __init__(self, flyball, directory, programs, actions):
        self.flyball, self.directory, self.wrong = flyball, directory, 0
        port = free_port()
        self.base = f"http://127.0.0.1:{port}"
        self.flags, self.secrets = directory / "flags", directory / "secrets"
        for own in (self.flags, self.secrets):
            own.mkdir(exist_ok=True)
        documents = [*(slo(one["spec"]["service"]) for one in actions), *actions]
        (directory / "services.yaml").write_text("\n---\n".join(map(json.dumps, documents)))
        programs.start("flyball", flyball, "serve", "--data", directory / "data", "--listen", f"127.0.0.1:{port}",
                       "--slo", directory / "services.yaml", "--secrets", self.secrets, "--flag-files", self.flags)
        until("the server", lambda: urllib.request.urlopen(f"{self.base}/readyz", timeout=5))

    def right(self, what, is_right):
        self.wrong += not is_right
        print(f"{'ok   ' if is_right else 'WRONG'} {what}", flush=True)

    def flipped(self, service, flag, fails):
        """All was well until the flag of a service was changed; since then each user who `fails` does so."""
        change = time.time() - AGE
        lines = []
        for second in range(-BEFORE, AGE):
            user = USERS[second % len(USERS)]
            status = 503 if (fails(user) if second >= 0 else second % 100 == 0) else 200
            lines.append(json.dumps({"time": change + second, "service.name": service, "status": status}))
        request = urllib.request.Request(f"{self.base}/api/v1/events", "\n".join(lines).encode(),
                                         {"Content-Type": "application/x-ndjson"})
        urllib.request.urlopen(request, timeout=30).close()
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(change))
        ask(f"{self.base}/api/v1/changes", {"id": service, "service": service, "kind": "flag", "flag": flag,
                                            "finished": moment})

    def change(self, service):
        return ask(f"{self.base}/api/v1/changes/{service}")

    def restored(self, service, state):
        """What is done about the change of a service, as soon as it has come so far."""
        def look():
            return next((one for one in self.change(service)["restores"] if one["state"] == state), None)

        return until(f"what is {state} about the flag of {service}", look)

    def command(self, *arguments):
        """Exit code and output of `flyball change restore`."""
        environment = {**os.environ, "FLYBALL_SERVER": self.base}
        done = subprocess.run([self.flyball, "change", "restore", *arguments], env=environment, capture_output=True,
                              text=True)
        return done.returncode, done.stdout + done.stderr

    def recorded(self, service, restoring):
        """Whether what was done is a change that restored the service, after which nothing is suggested."""
        found = self.change(service)
        made = self.change(restoring["change"])["change"]
        return (made["kind"], made["restores"], found.get("suggestion")) == ("flag", service, None)
