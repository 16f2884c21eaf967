"""Features that made users fail are switched off by the admin API of an Unleash, and its client sees that.

Unleash runs with a PostgreSQL of its own, and nothing is asked of it but what its users ask. One feature is switched
off by the server, one while Unleash is down, one is not there, and one is asked for with the wrong tokens first."""

import contextlib
import logging
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from UnleashClient import UnleashClient

from flagged import USERS, Flagged, action, ask
from programs import free_ports, run, until

#: Whoever may administrate Unleash. It is made so when it starts for the first time.
ADMIN = "*:*.a-token-of-the-administrator"
#: The services by their features, of which the last is not there.
FEATURES = {"cart": "new-cart", "search": "new-search", "ranks": "new-ranks", "pay": "new-pay"}
ABSENT = "pay"
SERVER = pathlib.Path(os.environ["NODE_PATH"]) / "unleash-server" / "dist" / "server.js"


class Database:
    """A PostgreSQL with a directory of its own. It refuses to be run by root, so whom its package made for that runs it
    there."""

    def __init__(self, port, programs):
        self.programs, self.directory, who = programs, tempfile.mkdtemp(), []
        if os.getuid() == 0:
            who = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
            shutil.chown(self.directory, "postgres", "postgres")
        [*_, binaries] = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))
        cluster = f"{self.directory}/cluster"
        subprocess.run([*who, binaries / "initdb", "-D", cluster, "-U", "unleash", "--auth=trust", "--encoding=UTF8",
                        "--locale=C.UTF-8", "--no-sync"], check=True, cwd=self.directory, stdout=subprocess.DEVNULL)
        programs.start("postgres", *who, binaries / "postgres", "-D", cluster, "-p", port, "-c",
                       "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off")
        self.url = f"postgres://unleash@127.0.0.1:{port}/postgres"

    def close(self):
        # Whoever is connected still is not waited for.
        self.programs.end("postgres", signal.SIGINT)
        shutil.rmtree(self.directory)


class Unleash:
    """Unleash, which asks nobody outside for news and tells nobody of its use."""

    def __init__(self, port, database, programs):
        self.port, self.database, self.programs = port, database, programs
        self.base = f"http://127.0.0.1:{port}"

    def start(self):
        settings = {"DATABASE_URL": self.database.url, "DATABASE_SSL": "false", "HTTP_HOST": "127.0.0.1",
                    "PORT": self.port, "INIT_ADMIN_API_TOKENS": ADMIN, "CHECK_VERSION": "false",
                    "SEND_TELEMETRY": "false"}
        settings = [f"{name}={value}" for name, value in settings.items()]
        self.programs.start("unleash", "env", *settings, "node", SERVER)
        until("Unleash", lambda: ask(f"{self.base}/health"))

    def stop(self):
        if "unleash" in self.programs.running:
            self.programs.end("unleash")

    def admin(self, path, body=None):
        return ask(f"{self.base}/api/admin/{path}", body, ADMIN)

    def feature(self, name):
        """Makes a feature that is on for users who pay, in both environments."""
        self.admin("projects/default/features", {"name": name, "type": "release"})
        for environment in ("development", "production"):
            own = f"projects/default/features/{name}/environments/{environment}"
            self.admin(f"{own}/strategies", {
                "name": "flexibleRollout",
                "parameters": {"rollout": "100", "stickiness": "default", "groupId": name},
                "constraints": [{"contextName": "plan", "operator": "IN", "values": ["paid"]}]})
            self.admin(f"{own}/on", {})

    def token(self, environment):
        """A token with which clients ask for the features of an environment."""
        asked = {"tokenName": environment, "type": "client", "environment": environment, "projects": ["default"]}
        return self.admin("api-tokens", asked)["secret"]

    def switched_off(self):
        """Each feature that was switched off, where and by whom, as Unleash itself has kept it."""
        events = self.admin("events")["events"]
        return sorted((one["featureName"], one["environment"], one["createdBy"]) for one in events
                      if one["type"] == "feature-environment-disabled")


def check(flyball, directory, programs):
    database_port, port = free_ports(2)
    with contextlib.closing(Database(database_port, programs)) as database:
        unleash = Unleash(port, database, programs)
        until("PostgreSQL", lambda: "ready to accept" in (directory / "postgres.log").read_text())
        try:
            unleash.start()
            return go(flyball, directory, programs, unleash)
        finally:
            unleash.stop()


def go(flyball, directory, programs, unleash):
    shop = Flagged(flyball, directory, programs, [
        action(service, service != "ranks", unleash={
            "url": unleash.base, "project": "default", "environment": "production", "flag": feature,
            "token": f"file:{'ranks' if service == 'ranks' else 'admin'}"})
        for service, feature in FEATURES.items()])
    (shop.secrets / "admin").write_text(f"{ADMIN}\n")
    (shop.secrets / "ranks").write_text("*:*.a-token-of-nobody\n")
    present = {service: feature for service, feature in FEATURES.items() if service != ABSENT}
    for feature in [*present.values(), "banner"]:
        unleash.feature(feature)
    # It says at length that nobody answers, when nobody does.
    logging.getLogger("UnleashClient").disabled = True
    clients, tokens = {}, {where: unleash.token(where) for where in ("development", "production")}
    for where, token in tokens.items():
        clients[where] = UnleashClient(
            f"{unleash.base}/api", f"shop in {where}", refresh_interval=1, disable_metrics=True,
            disable_registration=True, cache_directory=str(directory / where),
            custom_headers={"Authorization": token})
        clients[where].initialize_client()

    def users_of(feature, where="production"):
        """Whoever has the feature on, as the client decides it."""
        return {user["id"] for user in USERS
                if clients[where].is_enabled(feature, {"userId": user["id"], "properties": {"plan": user["plan"]}})}

    def enabled(where="production"):
        """The features that clients are told are on."""
        found = ask(f"{unleash.base}/api/client/features", token=tokens[where])["features"]
        return {one["name"] for one in found if one["enabled"]}

    def fails(service):
        on = users_of(FEATURES[service])
        return lambda user: user["id"] in on

    def gone(service):
        feature = FEATURES[service]
        on.discard(feature)
        # Clients are told a moment later.
        until(f"that {feature} is off", lambda: enabled() == on and users_of(feature) == set())
        shop.right(f"clients are told that {feature} is off and the others are on, and give it to nobody", True)

    paid = {user["id"] for user in USERS if user["plan"] == "paid"}
    on = {*present.values(), "banner"}
    until("that all features are on", lambda: enabled() == enabled("development") == on and all(
        users_of(one, where) == paid for one in on for where in clients))
    shop.right("all features are on for users who pay", True)

    # By itself.
    shop.flipped("cart", "new-cart", fails("cart"))
    done = shop.restored("cart", "done")
    shop.right("new-cart is switched off by the server, at the first attempt",
               (done["by"], done["automatic"], done["attempts"]) == ("server", True, 0) and shop.recorded("cart", done))
    gone("cart")
    shop.right("it is on where nobody asked", users_of("new-cart", "development") == paid)

    # While Unleash is down.
    failing = fails("search")
    unleash.stop()
    shop.flipped("search", "new-search", failing)
    begun = until("an attempt that meets nobody", lambda: (one := shop.restored("search", "begun"))["attempts"] and one)
    shop.right(f"what cannot be asked is said: {begun['problem']}", "refused" in begun["problem"].lower())
    unleash.start()
    done = shop.restored("search", "done")
    shop.right("new-search is switched off when Unleash is back",
               done["attempts"] > 0 and shop.recorded("search", done))
    gone("search")

    # What is not there, and tokens that may not.
    shop.flipped(ABSENT, FEATURES[ABSENT], lambda user: user["id"] in paid)
    failed = shop.restored(ABSENT, "failed")
    shop.right(f"of what is not there Unleash's words are kept: {failed['problem']}",
               "404" in failed["problem"] and 'no feature named \\"new-pay\\"' in failed["problem"])
    code, said = shop.command(ABSENT, "--action", f"kill-{ABSENT}", "--apply", "--role", "on_call")
    shop.right("a person is told them too", code == 2 and "no feature named" in said)
    shop.flipped("ranks", "new-ranks", fails("ranks"))
    shop.restored("ranks", "planned")
    apply = ("ranks", "--apply", "--role", "on_call")
    code, said = shop.command(*apply)
    failed = shop.restored("ranks", "failed")
    shop.right(f"so are they of a token that is none: {failed['problem']}",
               code == 2 and "401" in failed["problem"] and "You must log in" in said)
    shop.right("it is on still", users_of("new-ranks") == paid and enabled() == on)
    # A token of clients is known, and may not do that.
    (shop.secrets / "ranks").write_text(tokens["production"])
    code, said = shop.command(*apply)
    failed = shop.restored("ranks", "failed")
    shop.right(f"so are they of one that may only read: {failed['problem']}",
               code == 2 and "403" in failed["problem"] and enabled() == on)
    (shop.secrets / "ranks").write_text(ADMIN)
    code, said = shop.command(*apply)
    done = shop.restored("ranks", "done")
    shop.right("with the right one it is switched off", code == 0 and shop.recorded("ranks", done))
    gone("ranks")

    shop.right("a feature that nobody complained of is on", users_of("banner") == paid)
    found = unleash.switched_off()
    shop.right(f"Unleash has kept each, once: {found}", [one[:2] for one in found] == [
        (feature, "production") for feature in sorted(present.values())])
    told = ask(f"{shop.base}/api/v1/audit"), [shop.change(service) for service in FEATURES]
    secret = [word for word in (ADMIN, *tokens.values(), "of-nobody") if word in f"{told}"]
    shop.right("no token is told", secret == [])
    for client in clients.values():
        client.destroy()
    return shop.wrong


run(check, "features")
