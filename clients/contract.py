"""Runs schemathesis against a server that asks for tokens, and against one that is open to all."""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

from programs import HERE, Programs, free_port, until

#: Seconds for the server that asks for tokens, unless told; half of them for the one that is open.
SECONDS = int(os.environ.get("FLYBALL_CONTRACT_SECONDS", "60"))
#: What cases are drawn by, so that a run can be had again; other numbers draw others.
SEED = int(os.environ.get("FLYBALL_CONTRACT_SEED", "1"))
#: More than can be asked for in that time: rates are not what is looked at here.
RATE = 1_000_000


def flyball(*arguments):
    return subprocess.run([str(part) for part in arguments], check=True, capture_output=True, text=True).stdout


def send(base, token):
    """Events, so that there is something to answer with."""
    line = lambda number: json.dumps({"time": time.time(), "service.name": "checkout", "duration_ms": number,
                                      "http.response.status_code": 500 if number % 50 == 0 else 200})
    body = "\n".join(line(number) for number in range(1000)).encode()
    headers = {"Content-Type": "application/x-ndjson", "Authorization": f"Bearer {token}"}
    urllib.request.urlopen(urllib.request.Request(f"{base}/api/v1/events", body, headers), timeout=30)


def compare(program, directory, programs, has_token):
    name = "closed" if has_token else "open"
    data, port = directory / name, free_port()
    base = f"http://127.0.0.1:{port}"
    more, environment, token = [], dict(os.environ), ""
    seconds = SECONDS if has_token else SECONDS // 2
    if has_token:
        token = flyball(program, "token", "create", "--data", data, "--name", "contract", "--scope", "admin").strip()
        more = ["-H", f"Authorization: Bearer {token}"]
        environment["FLYBALL_CONTRACT_TOKEN"] = token.split("_")[1]
    else:
        # A server without tokens lets everybody in, and the first token would end that.
        more = ["--generation-with-security-parameters", "false", "--exclude-checks", "ignored_auth",
                "--exclude-name", "POST /api/v1/tokens"]
    programs.start(name, program, "serve", "--data", data, "--listen", f"127.0.0.1:{port}",
                   "--slo", HERE.parent / "examples" / "checkout.yaml",
                   "--token-requests", RATE, "--token-bytes", RATE * 1000)
    until("the server", lambda: urllib.request.urlopen(f"{base}/readyz", timeout=5))
    send(base, token)
    command = [pathlib.Path(sys.executable).parent / "schemathesis",
               "--config-file", HERE / "schemathesis.toml", "run", f"{base}/api/v1/openapi.json",
               "--max-time", seconds, "--seed", SEED, "--no-color", *more]
    environment["PYTHONPATH"] = str(HERE)
    found = subprocess.run([str(part) for part in command], cwd=directory, env=environment,
                           capture_output=True, text=True)
    lines = found.stdout.splitlines()
    if found.returncode != 0:
        print(found.stdout[-30000:], found.stderr[-3000:])
        raise SystemExit(f"contract: a server that is {name} is not as it is described (FLYBALL_CONTRACT_SEED={SEED})")
    # It must have lived through all of that, and end in order.
    programs.end(name)
    cases = next((line.strip() for line in lines if re.match(r" +\d+ generated", line)), "no cases")
    print(f"ok    {name:22} {cases} in {seconds} s by seed {SEED}")


def main():
    with tempfile.TemporaryDirectory() as directory:
        directory = pathlib.Path(directory)
        programs = Programs(directory)
        try:
            for has_token in (True, False):
                compare(pathlib.Path(sys.argv[1]), directory, programs, has_token)
        finally:
            programs.end_all()


main()
