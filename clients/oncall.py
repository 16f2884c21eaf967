"""Calendars of rotas, as PyPI's icalendar reads them, against the shifts that the API tells.

A rota with two layers, days of rest and an override of each kind is asked for as iCalendar, with a token as the password
as programs for calendars show it. Each event has to be valid, to be known by an id of its own that stays, and to be a
shift; a person's calendar is their part of it.
"""

import base64
import datetime
import json
import subprocess
import urllib.parse
import urllib.request

import icalendar
from programs import free_port, run, until

MEMBERS = ["Ada Byron", "Bo; Diddley", "Cäcilie, die Dritte mit einem Namen, der länger als eine Zeile eines Kalenders ist"]
START = "2026-01-05T09:00"
ROTA = {
    "apiVersion": "flyball.dev/v1", "kind": "Rota", "metadata": {"name": "payments"},
    "spec": {
        "timeZone": "Europe/Berlin",
        "members": [{"name": name, "side": "developers", "rest": [{"days": ["sun"]}] if at == 1 else []}
                    for at, name in enumerate(MEMBERS)],
        "layers": [
            {"name": "first", "members": MEMBERS, "rotation": {"unit": "week", "start": START}},
            {"name": "second", "members": MEMBERS, "rotation": {"unit": "day", "start": START}},
        ],
    },
}


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


class Server:
    def __init__(self, base, token):
        self.base, self.token = base, token

    def get(self, path):
        shown = base64.b64encode(f"calendar:{self.token}".encode()).decode()
        request = urllib.request.Request(self.base + path, headers={"Authorization": f"Basic {shown}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read().decode()

    def post(self, path, body):
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.base + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)


def events(text):
    """The events of a calendar by id; each line, id and time is checked."""
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n")), "a line is too long"
    calendar = icalendar.Calendar.from_ical(text)
    assert calendar["VERSION"] == "2.0" and not calendar.errors, calendar.errors
    found = {}
    for event in calendar.walk("VEVENT"):
        assert not event.errors, event.errors
        uid = str(event["UID"])
        assert uid not in found, f"two events are called {uid}"
        found[uid] = (event.decoded("DTSTART"), event.decoded("DTEND"), str(event["SUMMARY"]))
        assert event.walk("VALARM"), "nobody is reminded"
    assert icalendar.Calendar.from_ical(calendar.to_ical()) == calendar
    return found


def check(flyball, directory, programs):
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    (directory / "rota.yaml").write_text(json.dumps(ROTA))
    made = subprocess.run([flyball, "token", "create", "--name", "calendar", "--scope", "admin", "--data", directory / "data"],
                          check=True, capture_output=True, text=True)
    server = Server(base, made.stdout.split()[-1])
    programs.start("flyball", flyball, "serve", "--slo", directory / "rota.yaml", "--data", directory / "data",
                   "--listen", f"127.0.0.1:{port}")
    until("the server", lambda: server.get("/api/v1/on-call/rotas"))
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    later = [(now + datetime.timedelta(days=days)).isoformat() for days in (1, 2, 3, 4)]
    rota = "/api/v1/on-call/rotas/payments"
    server.post(f"{rota}/overrides", {"start": later[0], "end": later[1], "add": MEMBERS[2], "why": "a sale"})
    server.post(f"{rota}/temporary-schedules", {"start": later[2], "end": later[3], "why": "a fair", "shifts": [
        {"layer": "first", "who": MEMBERS[0], "start": later[2], "end": later[3]}]})

    text = server.get(f"{rota}/calendar.ics")
    found, again = events(text), events(server.get(f"{rota}/calendar.ics"))
    # The window moves with the clock: ids stay but for what it has cut.
    wrong = len(set(found) ^ set(again)) > 2
    ends = [end for _, end, _ in found.values()]
    first, last = min(start for start, _, _ in found.values()), max(ends)
    asked = urllib.parse.urlencode({"from": first.isoformat(), "to": last.isoformat(), "limit": 10000})
    shifts = json.loads(server.get(f"{rota}/shifts?{asked}"))["shifts"]
    seconds = lambda text: moment(text).replace(microsecond=0)
    told = sorted((seconds(shift["start"]), seconds(shift["end"]), shift["who"]) for shift in shifts)
    heard = sorted((start, end, next(who for who in MEMBERS if summary.startswith(who)))
                   for start, end, summary in found.values())
    wrong += told != heard
    for who in MEMBERS:
        own = events(server.get(f"/api/v1/on-call/people/{urllib.parse.quote(who)}/calendar.ics"))
        wrong += sorted(of[2] for of in own.values()) != sorted(of[2] for of in found.values() if of[2].startswith(who))
    print(f"oncall: {len(found)} shifts of {len(MEMBERS)} people read by icalendar {icalendar.__version__}")
    return wrong


run(check, "calendars")
