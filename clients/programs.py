"""Programs that run for a while, and waiting for what they do."""

import contextlib
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent


def free_ports(count):
    """Ports on which nobody listens, each another one."""
    with contextlib.ExitStack() as held:
        listeners = [held.enter_context(socket.socket()) for _ in range(count)]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in listeners]


def free_port():
    return free_ports(1)[0]


class Programs:
    """Programs that are ended with this one."""

    def __init__(self, directory):
        self.directory = directory
        self.running = {}

    def start(self, name, *command):
        log = open(self.directory / f"{name}.log", "ab")
        self.running[name] = subprocess.Popen(
            [str(part) for part in command], stdout=log, stderr=log, cwd=self.directory)

    def end(self, name, with_signal=signal.SIGTERM):
        self.running[name].send_signal(with_signal)
        code = self.running.pop(name).wait()
        if with_signal == signal.SIGTERM and code not in (0, -signal.SIGTERM):
            raise SystemExit(f"clients: {name} ended with {code}")

    def end_all(self):
        for name in list(self.running):
            self.end(name)


def run(check, what):
    """Has `check` try the program that the first argument names, in a directory of its own. It answers how many
    `what` were counted wrongly; what its programs have said is shown when it breaks off."""
    with tempfile.TemporaryDirectory() as directory:
        directory = pathlib.Path(directory)
        programs = Programs(directory)
        try:
            wrong = check(sys.argv[1], directory, programs)
        except BaseException:
            for log in sorted(directory.rglob("*.log")):
                print(f"--- {log.relative_to(directory)}\n{log.read_text()[-3000:]}", file=sys.stderr)
            raise
        finally:
            programs.end_all()
    if wrong:
        raise SystemExit(f"clients: {wrong} {what} were counted wrongly")


def until(what, look, most=60):
    """Looks again until there is something, and says what was awaited when it does not come."""
    end = time.monotonic() + most
    while True:
        try:
            found = look()
        except OSError:
            found = None
        if found:
            return found
        if time.monotonic() > end:
            raise SystemExit(f"clients: {what} did not come within {most} s")
        time.sleep(0.1)
