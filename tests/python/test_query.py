"""The official service SDK finds twins with queries."""

import pytest
from azure.iot.hub.models import QuerySpecification
from msrest.exceptions import HttpOperationError


@pytest.fixture(scope="module")
def site(simulator):
    """Five bays of a site that no other test has, and what a query needs to name it."""
    bays = [simulator.add_device(edge=number == 0, modules=["light"]) for number in range(5)]
    site = f"site-{bays[0].id}"
    for number, bay in enumerate(bays):
        tags = {"site": site, "row": number % 2, "number": number} | ({"owner": None} if number == 3 else {})
        desired = {"interval": 10 * number, "lamp": {"shown": "green"}}
        simulator.ask("PATCH", f"/control/twins/{bay.id}", {"tags": tags, "desired": desired})
        simulator.ask("PATCH", f"/control/twins/{bay.id}/modules/light", {"tags": {"site": site}})
    return site, sorted(bays, key=lambda bay: bay.id), bays


@pytest.fixture
def query(registry, trust):
    """Asks the way the SDK's users do: page after page, until there is no token."""

    def query(text, size=None):
        pages, token = [], None
        while True:
            page = registry.query_iot_hub(QuerySpecification(query=text), token, size)
            pages.append(page)
            token = page.continuation_token
            if token is None:
                return pages

    return query


def ids(pages):
    return [twin.device_id for page in pages for twin in page.items]


def rows(pages):
    """The SDK reads every result as a twin; what no twin has it keeps aside."""
    return [item.additional_properties for page in pages for item in page.items]


def test_whole_twins_come_in_pages(query, site):
    site, bays, _ = site
    pages = query(f"SELECT * FROM devices WHERE tags.site = '{site}'", size=2)
    assert [len(page.items) for page in pages] == [2, 2, 1]
    assert ids(pages) == [bay.id for bay in bays]
    assert {page.type for page in pages} == {"twin"}
    twin = pages[0].items[0]
    assert twin.tags["site"] == site
    assert twin.properties.desired["lamp"] == {"shown": "green"}
    assert twin.connection_state == "Disconnected"


def test_a_page_that_is_just_full_is_the_last(query, site):
    site, bays, _ = site
    [page] = query(f"SELECT * FROM devices WHERE tags.site = '{site}'", size=len(bays))
    assert len(page.items) == len(bays)


@pytest.mark.parametrize(
    "condition, numbers",
    [
        ("properties.desired.interval >= 20", {2, 3, 4}),
        ("properties.desired.lamp.shown IN ['green', 'blue'] AND tags.number NIN [0, 1]", {2, 3, 4}),
        ("capabilities.iotEdge = true", {0}),
        ("NOT capabilities.iotEdge AND tags.row = 0", {2, 4}),
        ("connectionState = 'Disconnected' AND STATUS = 'enabled' AND version > 0", {0, 1, 2, 3, 4}),
        ("lastActivityTime < '2001-01-01'", {0, 1, 2, 3, 4}),
        ("IS_DEFINED(tags.nothing) OR tags.number % 2 = 1", {1, 3}),
        ("properties.desired.$version = 1", set()),
    ],
)
def test_conditions_see_what_the_twin_shows(query, site, condition, numbers):
    site, _, bays = site
    pages = query(f"SELECT * FROM devices WHERE tags.site = '{site}' AND ({condition})")
    assert set(ids(pages)) == {bays[number].id for number in numbers}


def test_ids_are_looked_up(query, site):
    _, _, bays = site
    wanted = [bays[3].id, bays[1].id, "nobody"]
    pages = query(f"SELECT * FROM devices WHERE deviceId IN {wanted}", size=1)
    assert ids(pages) == sorted(wanted[:2])


def test_modules_have_twins_of_their_own(query, site):
    site, bays, _ = site
    pages = query(f"SELECT * FROM devices.modules WHERE tags.site = '{site}' AND moduleId = 'light'", size=3)
    assert ids(pages) == [bay.id for bay in bays]
    assert [len(page.items) for page in pages] == [3, 2]
    system = query(f"SELECT * FROM devices.modules WHERE deviceId = '{site[5:]}'")
    assert [twin.module_id for page in system for twin in page.items] == ["$edgeAgent", "$edgeHub", "light"]


def test_projections_and_aggregates_are_raw(query, site):
    site, _, bays = site
    pages = query(f"SELECT deviceId, tags.number AS n FROM devices WHERE tags.site = '{site}' ORDER BY n DESC")
    assert {page.type for page in pages} == {"raw"}
    assert ids(pages) == [bay.id for bay in reversed(bays)]
    assert [row["n"] for row in rows(pages)] == [4, 3, 2, 1, 0]
    [count] = rows(query(f"SELECT COUNT() AS n, AVG(tags.number) AS mean FROM devices WHERE tags.site = '{site}'"))
    assert count == {"n": 5, "mean": 2}
    groups = query(f"SELECT tags.row, COUNT() AS n FROM devices WHERE tags.site = '{site}' GROUP BY tags.row", size=1)
    assert len(groups) == 2
    assert {row["row"]: row["n"] for row in rows(groups)} == {0: 3, 1: 2}


def test_top_ends_the_pages(query, site):
    site, bays, _ = site
    pages = query(f"SELECT TOP 3 * FROM devices WHERE tags.site = '{site}'", size=2)
    assert ids(pages) == [bay.id for bay in bays[:3]]


@pytest.mark.parametrize(
    "text, size, told",
    [
        ("SELECT * FROM devices WHERE a == 1", None, "write `=`"),
        ("SELECT * FROM bays", None, "there is no collection `bays`"),
        ("SELECT * FROM devices", "0", "x-ms-max-item-count"),
        ("SELECT * FROM devices", "many", "x-ms-max-item-count"),
    ],
)
def test_a_mistake_is_told(query, text, size, told):
    with pytest.raises(HttpOperationError) as refused:
        query(text, size)
    assert refused.value.response.status_code == 400
    assert told in refused.value.response.json()["Message"]
