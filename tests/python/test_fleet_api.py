"""The operator's service, asked by everybody for everything its description allows and for what it does not: schemathesis
makes the requests, and holds every answer against the description.

COW_FUZZ_SECONDS=600 asks for so long, in place of a few examples of each operation. COW_FLEET_POSTGRES, as
`tests/postgres` gives it, asks a service on PostgreSQL too."""

import json
import os
import re
import subprocess
import sys
import time

import pytest

from fleet import Fleet, settle
from simulator import Simulator

SECONDS = int(os.environ.get("COW_FUZZ_SECONDS", "0"))
# Ends what hangs; nothing takes so long.
BOUND = SECONDS + 300
# What an answer of 5xx is: a device that restarts when it is asked is silent, and that is no failure of the service.
SILENT = "504"
# How an answer says that a request was wrong, here besides what schemathesis expects by itself: 410 is a link that is
# over, 412 an old entity tag, 413 a body that is too long.
REFUSED = ["400", "401", "403", "404", "405", "406", "409", "410", "412", "413", "415", "422", "429"]

# An administrator, an operator, an installer and a driver; and an administrator of a customer that has nothing.
PEOPLE = ["ada", "olga", "ines", "dora", "vera"]
# Who owns what stands in a body or behind a question mark.
FIELDS = {
    "customerId": "customers",
    "projectId": "projects",
    "deviceId": "devices",
    "bayId": "bays",
    "userId": "users",
    "registrationId": "registrations",
    "enrollmentGroupId": "groups",
}


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def fleet(request, tmp_path_factory):
    if request.param == "sqlite":
        database = f"sqlite:{tmp_path_factory.mktemp('fleet')}/fleet.db"
    elif server := os.environ.get("COW_FLEET_POSTGRES"):
        database = f"{server.rstrip('/')}/postgres"
    else:
        pytest.skip("the service's API is NOT fuzzed on PostgreSQL: COW_FLEET_POSTGRES names no server")
    with Simulator("--stock", "--bays", "2", command="up") as street, Fleet(street, database) as fleet:
        fleet.engine, fleet.ids = request.param, settle(fleet)
        yield fleet


def configuration(fleet):
    """Ids that are there in more than half of the requests: what is not there is answered by the first line of a handler."""
    ids = fleet.ids | {"tags": ["*", '"1"', '"2"', '"3"']}
    lines = [
        "max-redirects = 0",
        "request-timeout = 60",
        "[generation]",
        'database = "none"',
        "[checks]",
        # What a name or a number plate may hold is said in words, so that not all the description allows is accepted.
        "positive_data_acceptance.enabled = false",
        f"negative_data_rejection.expected-statuses = {json.dumps(REFUSED)}",
        f"not_a_server_error.expected-statuses = {json.dumps(['2xx', '3xx', '4xx', SILENT])}",
    ]
    for name, values in ids.items():
        lines += [f"[dictionaries.{name}]", f"values = {json.dumps(values)}"]
    lines.append("[parameters]")
    lines += [f'"{place}.{field}" = {often(name)}' for field, name in FIELDS.items() for place in ("body", "query")]
    lines += [f'"body.deviceIds[*]" = {often("devices")}', f'"header.If-Match" = {often("tags")}']
    # A stream has no end; what streams tell is tested where they are.
    lines += ["[[operations]]", 'include-path-regex = "/live$"', "enabled = false"]
    # Nobody takes a role or a token away from those who ask on: these two and their customer are there to lose theirs.
    instead = {"users": "vito", "tokens": "tess"}
    for name in fleet.ids:
        lines += ["[[operations]]", f'include-path-regex = "^/(api/)?{name}/[{{]id"', f'parameters."path.id" = {often(name)}']
        if name in instead:
            lines.append(as_somebody(fleet, instead[name]))
    lines += ["[[operations]]", 'include-path-regex = "^/api/me"', as_somebody(fleet, "tess")]
    return "\n".join(lines) + "\n"


def often(dictionary):
    return f'{{ dictionary = "{dictionary}", probability = 0.6 }}'


def as_somebody(fleet, who):
    return f'headers = {{ Authorization = "Bearer {fleet.people[who]}" }}'


def test_whatever_is_asked_is_answered_as_described(fleet, tmp_path):
    (tmp_path / "schemathesis.toml").write_text(configuration(fleet))
    # Who may what is not the database's to say, so in a short run one asks on each.
    for who in PEOPLE if SECONDS or fleet.engine == "sqlite" else PEOPLE[:1]:
        arguments = [sys.executable, "-m", "schemathesis.cli", "--no-color", "run", f"{fleet.url}/api/openapi.json"]
        arguments += ["--header", f"Authorization: Bearer {fleet.people[who]}", "--seed", "1", "--continue-on-failure"]
        if SECONDS:
            arguments += ["--phases", "coverage,fuzzing,stateful", "--max-time", str(SECONDS)]
        elif who == "ada":
            arguments += ["--phases", "coverage,fuzzing", "--max-examples", "3", "--no-shrink"]
        else:
            # The others are mostly refused, and that is soon seen.
            arguments += ["--phases", "fuzzing", "--max-examples", "1", "--no-shrink"]
        begun = time.monotonic()
        run = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, timeout=BOUND)
        print(f"{who}: {time.monotonic() - begun:.0f} s: {asked(run.stdout)}")
        assert run.returncode == 0, run.stdout + run.stderr
        # Else all of it was asked by nobody.
        fleet.ask(who, "GET", "/api/me")
    assert fleet.ask("ada", "GET", "/api/me")["role"] == "administrator"
    assert " ERROR " not in fleet.logged(), fleet.logged()


def asked(output):
    found = re.search(r"^ *(\d+ generated.*)$", output, re.MULTILINE)
    return found[1] if found else output
