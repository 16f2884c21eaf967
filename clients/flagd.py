"""Flags that made users fail are switched off in a file that flagd's own providers evaluate.

The providers of OpenFeature for Python and JavaScript read the file in their own processes, as services do that have no
flagd beside them, and say for each user whether they fail. Both have to see each change, and have to agree."""

import json

from openfeature import api
from openfeature.contrib.provider.flagd import FlagdProvider
from openfeature.contrib.provider.flagd.config import ResolverType
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEvent

from flagged import USERS, Flagged, action, ask
from programs import HERE, free_port, run, until

#: The flags while all is well. `banner` is nobody's concern.
WELL = """{
  "$schema": "https://flagd.dev/schema/v0/flags.json",
  "metadata": {"flagSetId": "shop"},
  "flags": {
    "banner": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off",
      "targeting": {"if": [{"$ref": "pays"}, "off", "on"]}},
    "new-cart": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off"},
    "new-search": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off"},
    "ranking": {"state": "ENABLED", "variants": {"learned": "learned", "classic": "classic"},
      "defaultVariant": "classic"}
  },
  "$evaluators": {"pays": {"==": [{"var": "plan"}, "paid"]}}
}
"""
#: What somebody does to them: lets some users in, takes a flag away that is on in the code, tries a variant with some
#: and leaves the default to the code.
CHANGES = {
    "new-cart": {"targeting": {"if": [{"$ref": "pays"}, "on"]}},
    "new-search": {"state": "DISABLED"},
    "ranking": {"defaultVariant": None, "targeting": {
        "if": [{"starts_with": [{"var": "targetingKey"}, "user-1"]}, "learned"]}},
}
#: The services by their flags, what stands in their code, and what users are given who do not fail.
SERVICES = {"cart": ("new-cart", False, False), "search": ("new-search", True, False),
            "ranks": ("ranking", "classic", "classic")}


def in_python(flag, otherwise):
    client, ask = api.get_client(), {bool: "get_boolean_details", str: "get_string_details"}[type(otherwise)]
    contexts = [EvaluationContext(user["id"], {"plan": user["plan"]}) for user in USERS]
    details = [getattr(client, ask)(flag, otherwise, context) for context in contexts]
    return [[one.value, str(one.reason)] for one in details]


def check(flyball, directory, programs):
    shop = Flagged(flyball, directory, programs, [
        action("cart", True, flagd={"file": "shop.json"}),
        action("search", False, flagd={"file": "shop.json"}),
        action("ranks", True, flagd={"file": "shop.json", "off": "classic"}),
    ])
    file, errors, port = shop.flags / "shop.json", [], free_port()
    file.write_text(WELL)
    programs.start("flagd.js", "node", HERE / "flagd.js", file, port)
    api.add_handler(ProviderEvent.PROVIDER_ERROR, errors.append)
    api.set_provider(FlagdProvider(resolver_type=ResolverType.FILE, offline_flag_source_path=str(file)))

    def in_node(flag, otherwise):
        return ask(f"http://127.0.0.1:{port}", {"flag": flag, "otherwise": otherwise, "users": USERS})

    def given(service):
        """What each user of a service is given and why, once both providers say the same and something is new."""
        flag, otherwise, _ = SERVICES[service]
        return lambda: (found := in_python(flag, otherwise)) == in_node(flag, otherwise)["answers"] and found

    def fine(service):
        return [[SERVICES[service][2], "STATIC"]] * len(USERS)

    def all_are(service, what):
        until(f"that users of {service} are given what they were", lambda: given(service)() == fine(service))
        shop.right(what, True)

    until("the provider in JavaScript", lambda: in_node("banner", False))
    shop.right("both providers say that all flags are off", all(given(one)() == fine(one) for one in SERVICES))
    banner = in_python("banner", False)
    document = json.loads(WELL)
    for flag, change in CHANGES.items():
        document["flags"][flag].update(change)
    before = json.dumps(document, indent=1)
    file.write_text(before)
    worse = {service: until(f"the change of {service}", lambda: (found := given(service)()) != fine(service) and found)
             for service in SERVICES}
    counts = {service: sum(value != SERVICES[service][2] for value, _ in answers)
              for service, answers in worse.items()}
    shop.right(f"both say that they are not, for so many of {len(USERS)} users: {counts}",
               counts["cart"] == len(USERS) / 2 and counts["search"] == len(USERS) > counts["ranks"] > 0)
    reasons = {service: {reason for _, reason in answers} for service, answers in worse.items()}
    shop.right("one since targeting lets users through, one since it is disabled",
               (reasons["search"], "TARGETING_MATCH" in reasons["cart"]) == ({"DISABLED"}, True))

    # What a person is told changes nothing.
    failing = {service: {user["id"] for user, (value, _) in zip(USERS, answers) if value != SERVICES[service][2]}
               for service, answers in worse.items()}
    shop.flipped("search", "new-search", lambda user: user["id"] in failing["search"])
    shop.restored("search", "planned")
    code, said = shop.command("search")
    shop.right("a person is told what would differ", code == 0 and "+ /flags/new-search/state: \"ENABLED\"" in said
               and file.read_text() == before)

    # What is automatic is done without anybody.
    for service in ("cart", "ranks"):
        shop.flipped(service, SERVICES[service][0], lambda user: user["id"] in failing[service])
        done = shop.restored(service, "done")
        shop.right(f"the flag of {service} is switched off by the server", (done["by"], done["automatic"]) == (
            "server", True) and shop.recorded(service, done))
        all_are(service, f"both providers say that the flag of {service} is off for all users")
    shop.right("that of search is disabled still", given("search")() == worse["search"])
    code, said = shop.command("search", "--apply", "--role", "on_call")
    done = shop.restored("search", "done")
    shop.right("a person has it switched off", code == 0 and not done["automatic"] and shop.recorded("search", done))
    all_are("search", "both providers say that the flag of search is off where the code says on")

    expected = json.loads(before)
    for flag, off in (("new-cart", "off"), ("new-search", "off"), ("ranking", "classic")):
        expected["flags"][flag].update(state="ENABLED", defaultVariant=off)
        if "targeting" in expected["flags"][flag]:
            expected["flags"][flag]["targeting"] = {}
    shop.right("the file says just that", json.loads(file.read_text()) == expected)
    shop.right("a flag that nobody complained of is as it was",
               in_python("banner", False) == in_node("banner", False)["answers"] == banner)
    code, said = shop.command("cart", "--action", "kill-cart", "--apply", "--role", "on_call")
    shop.right("what was done is not done again", code == 0 and json.loads(file.read_text()) == expected)
    troubles = errors + in_node("banner", False)["errors"]
    shop.right(f"no provider met half a file, or one that it cannot read: {troubles}", troubles == [])
    api.shutdown()
    return shop.wrong


run(check, "flags")
