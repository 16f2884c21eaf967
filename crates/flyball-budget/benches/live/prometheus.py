"""Measures what Debian's Prometheus needs for the same objectives: SLOs of 30 days over counters
sampled every 30 s, by the recording rules that Sloth generates and by the exact form.

    python3 prometheus.py SLOS DIRECTORY

Prints `rules`, `exact` (CPU milliseconds of the server for one SLO and one evaluation), `disk`
and `memory` (bytes for one SLO; what an empty server needs does not count). Needs `prometheus`.
"""

import json
import os
import random
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

STEP = 30
DAYS = 30
WINDOWS = ["5m", "30m", "1h", "2h", "6h", "1d", "3d"]
# Evaluations of which the cheapest counts.
ROUNDS = 5


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def series(labels, samples):
    """A `TimeSeries` of remote write: labels 1 (name 1, value 2), samples 2 (value 1, time 2)."""
    pairs = sorted(labels.items())
    head = b"".join(field(1, field(1, k.encode()) + field(2, v.encode())) for k, v in pairs)
    points = (b"\x09" + struct.pack("<d", value) + b"\x10" + varint(at * 1_000) for value, at in samples)
    return field(1, head + b"".join(field(2, point) for point in points))


def literal(payload):
    """A snappy block that compresses nothing."""
    return varint(len(payload)) + b"\xfc" + struct.pack("<I", len(payload) - 1) + payload


def hours(slos, end):
    """Counters of good and bad events of each SLO and the ratio that Sloth's first rule records, as
    requests of remote write, one for each hour."""
    numbers = random.Random(7)
    counted = [[0, 0] for _ in range(slos)]
    for hour in range(end - DAYS * 86_400, end, 3_600):
        request = []
        for slo, count in enumerate(counted):
            goods, bads, ratios = [], [], []
            for at in range(hour, hour + 3_600, STEP):
                more = numbers.randrange(60, 360)
                worse = numbers.randrange(0, 3) if numbers.random() < 0.3 else 0
                count[0] += more - worse
                count[1] += worse
                goods.append((count[0], at))
                bads.append((count[1], at))
                ratios.append((worse / more, at))
            name = {"job": f"slo-{slo}", "__name__": "requests_total"}
            request.append(series(name | {"code": "200"}, goods))
            request.append(series(name | {"code": "500"}, bads))
            recorded = {"__name__": "slo:sli_error:ratio_rate5m", "sloth_id": f"slo-{slo}"}
            request.append(series(recorded, ratios))
        yield literal(b"".join(request))


def rules(slo):
    """What Sloth has Prometheus evaluate for one SLO, without its constants."""
    total = f'requests_total{{job="slo-{slo}"}}'
    bad = f'requests_total{{job="slo-{slo}",code=~"(5..|429)"}}'
    recorded = f'slo:sli_error:ratio_rate5m{{sloth_id="slo-{slo}"}}[{DAYS}d]'
    for window in WINDOWS:
        yield f"(sum(rate({bad}[{window}]))) / (sum(rate({total}[{window}])))"
    yield f"sum_over_time({recorded}) / count_over_time({recorded})"


def exact(slo):
    """The share of bad events, without a mean of ratios."""
    bad = f'requests_total{{job="slo-{slo}",code=~"(5..|429)"}}'
    total = f'requests_total{{job="slo-{slo}"}}'
    return f"sum(increase({bad}[{DAYS}d])) / sum(increase({total}[{DAYS}d]))"


class Server:
    def __init__(self, data, config):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        command = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={data}"]
        command += ["--storage.tsdb.retention.time=90d", f"--web.listen-address={self.address}"]
        command += ["--web.enable-remote-write-receiver"]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if "Server is ready to receive web requests" in line:
                break
        else:
            sys.exit("prometheus did not start")
        # What else it says must not fill the pipe.
        rest = self.process.stderr
        threading.Thread(target=lambda: all(True for _ in rest), daemon=True).start()

    def cpu(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmRSS"))

    def write(self, body):
        request = urllib.request.Request(f"http://{self.address}/api/v1/write", body)
        request.add_header("Content-Type", "application/x-protobuf")
        request.add_header("Content-Encoding", "snappy")
        urllib.request.urlopen(request).close()

    def ask(self, query, at):
        question = urllib.parse.urlencode({"query": query, "time": at})
        with urllib.request.urlopen(f"http://{self.address}/api/v1/query?{question}") as answer:
            result = json.load(answer)["data"]["result"]
        if len(result) != 1:
            sys.exit(f"no answer to {query}")

    def measure(self, queries, at):
        """CPU seconds of the cheapest round: others share them with the compaction of blocks."""
        took = []
        for _ in range(ROUNDS):
            begun = self.cpu()
            for query in queries:
                self.ask(query, at)
            took.append(self.cpu() - begun)
        return min(took)


def main():
    slos, directory = int(sys.argv[1]), Path(sys.argv[2])
    end = int(time.time()) // 7_200 * 7_200
    data, config = directory / "prometheus", directory / "prometheus.yml"
    config.write_text("global: {scrape_interval: 30s}\n")
    server = Server(data, config)
    begun = server.resident()
    try:
        for hour in hours(slos, end):
            server.write(hour)
        end -= STEP
        empty = server.measure(["vector(1)"] * 100, end) / 100
        shapes = [rule for slo in range(slos) for rule in rules(slo)]
        ruled = server.measure(shapes, end) - empty * len(shapes)
        exactly = server.measure([exact(slo) for slo in range(slos)], end) - empty * slos
        memory = server.resident() - begun
    finally:
        server.process.terminate()
        server.process.wait()
    disk = sum(file.stat().st_size for file in data.rglob("*") if file.is_file())
    print("rules", ruled / slos * 1e3)
    print("exact", exactly / slos * 1e3)
    print("disk", disk / slos)
    print("memory", memory / slos)


main()
