//! Conditions and selections over a small fleet: what the documentation shows, in other words, and what it leaves open.

use std::num::NonZeroUsize;

use query::{Collection, Query};
use serde_json::{Value, json};

const ALL: &[Collection] = &[Collection::DEVICES, Collection::MODULES, Collection::JOBS];

/// Four bays. What differs is what a query can be wrong about: what is absent, null, of another type, or an object.
fn fleet() -> Vec<Value> {
    vec![
        json!({
            "deviceId": "bay-1", "status": "enabled", "connectionState": "Connected", "version": 4,
            "lastActivityTime": "2026-03-01T10:00:00Z", "capabilities": {"iotEdge": true},
            "tags": {"site": "north", "level": 2, "my-tag": "x", "floors": ["a", "b"], "from": "here", "Site": "N"},
            "properties": {
                "desired": {"interval": 10, "$version": 3},
                "reported": {"interval": 10, "state": "ok", "echoes": [10, 20], "net": {"type": "wifi"}, "$version": 7}
            },
            "configurations": {"my config": {"status": "Applied"}}
        }),
        json!({
            "deviceId": "bay-2", "status": "enabled", "connectionState": "Disconnected", "version": 1,
            "lastActivityTime": "2026-02-01T10:00:00Z", "capabilities": {"iotEdge": false},
            "tags": {"site": "south", "level": -3.5, "owner": null},
            "properties": {
                "desired": {"interval": 60, "$version": 1},
                "reported": {"interval": 10, "state": "ok", "$version": 2}
            }
        }),
        json!({
            "deviceId": "bay-3", "status": "disabled", "connectionState": "Disconnected", "version": 9,
            "capabilities": {"iotEdge": false},
            "tags": {"site": "north", "level": "2", "owner": "it's \"ours\" \\ é"},
            "properties": {"desired": {"interval": 60, "$version": 1}, "reported": {"state": "low", "$version": 1}}
        }),
        json!({
            "deviceId": "bay-4", "status": "enabled", "connectionState": "Connected", "version": 2,
            "capabilities": {"iotEdge": false}, "tags": {},
            "properties": {"desired": {"$version": 1}, "reported": {"$version": 1}}
        }),
    ]
}

fn run(text: &str) -> Vec<Value> {
    let query =
        Query::parse(text, ALL).unwrap_or_else(|error| panic!("{text}: {error}; {}", error.help));
    let page = query.page(fleet().iter().enumerate(), None, NonZeroUsize::MAX);
    assert_eq!(page.next, None, "{text}");
    page.items
}

/// The numbers of the bays that fulfil a condition.
fn bays(condition: &str) -> String {
    let found = run(&format!("SELECT * FROM devices WHERE {condition}"));
    let ids = found.iter().filter_map(|twin| twin["deviceId"].as_str());
    ids.filter_map(|id| id.strip_prefix("bay-")).collect()
}

#[test]
fn conditions() {
    let cases = [
        // Comparisons, in any case where the service's words are concerned.
        ("deviceId = 'bay-2'", "2"),
        ("DEVICEID = 'bay-2'", "2"),
        ("tags.site = 'north'", "13"),
        ("tags.Site = 'N'", "1"),
        ("TAGS.SITE = 'north'", ""),
        ("tags.site='north' and STATUS='enabled'", "1"),
        (
            "tags.site = 'north' AND properties.reported.interval >= 10",
            "1",
        ),
        (
            "properties.desired.interval = properties.reported.interval",
            "1",
        ),
        (
            "properties.desired.interval <> properties.reported.interval",
            "2",
        ),
        ("lastActivityTime > '2026-02-15'", "1"),
        ("version > 1 AND version <= 4", "14"),
        ("capabilities.iotEdge = true", "1"),
        ("capabilities.iotEdge", "1"),
        ("status < 'e'", "3"),
        ("capabilities.iotEdge > false", "1"),
        // What is not there is undefined, and neither equal nor unequal; null is a value.
        ("tags.site != 'north'", "2"),
        ("NOT tags.site = 'north'", "2"),
        ("NOT (tags.site = 'north')", "2"),
        ("tags.owner = null", "2"),
        ("tags.owner != null", "3"),
        ("tags.owner = undefined", ""),
        ("is_defined(tags.owner)", "23"),
        ("NOT IS_DEFINED(tags.owner)", "14"),
        ("IS_NULL(tags.owner)", "2"),
        // Types do not mix: unequal, and without an order.
        ("tags.level = 2", "1"),
        ("tags.level = '2'", "3"),
        ("tags.level != '2'", "12"),
        ("tags.level < 100", "12"),
        ("tags.level < 'zzz'", "3"),
        ("properties.reported.net = 'wifi'", ""),
        ("properties.reported.net != 'wifi'", ""),
        // Three values.
        ("tags.site = 'north' OR tags.nothing = 1", "13"),
        ("NOT (tags.site = 'north' AND tags.nothing = 1)", "2"),
        ("tags.nothing = 1 AND tags.nothing = 1", ""),
        ("NOT tags.nothing", ""),
        ("tags.site", ""),
        ("1", ""),
        ("true", "1234"),
        ("null OR true", "1234"),
        ("NOT null", ""),
        // Lists.
        ("tags.site IN ['north', 'east']", "13"),
        ("tags.site NIN ['north', 'east']", "2"),
        ("NOT tags.site IN ['north', 'east']", "2"),
        ("tags.level IN [2, 'x', null, -3.5]", "12"),
        ("tags.site IN []", ""),
        ("tags.site NIN []", "123"),
        ("'b' IN tags.floors", "1"),
        ("'c' NIN tags.floors", "1"),
        ("1 + 1 in [2] and deviceId = 'bay-1'", "1"),
        // Arithmetic and what binds tighter.
        ("version + 1 = 5", "1"),
        ("version * 2 - 1 = 7", "1"),
        ("-version = -(3 + 1)", "1"),
        ("version % 4 = 1", "23"),
        ("1 / 0 > 5", "1234"),
        ("0 / 0 = 0 / 0", ""),
        ("tags.site + 1 = 2", ""),
        ("2 + 3 * 4 = 14", "1234"),
        ("(2 + 3) * 4 = 20 AND 7 - 2 - 1 = 4", "1234"),
        ("version = 4 OR version = 1 AND false", "1"),
        ("NOT status = 'enabled' OR version = 2", "34"),
        ("version = 0x9", "3"),
        ("version = 9.0e0", "3"),
        // Paths.
        ("configurations.[[my config]].status = 'Applied'", "1"),
        ("configurations[[my config]].status = 'Applied'", "1"),
        ("tags['my-tag'] = 'x'", "1"),
        ("tags.[[my-tag]] = 'x'", "1"),
        ("[[tags]].site = 'south'", "2"),
        ("tags.from = 'here'", "1"),
        ("properties.reported.echoes[1] = 20", "1"),
        ("properties.reported.echoes[2] = 20", ""),
        ("properties.reported.echoes.1 = 20", ""),
        ("properties.desired.$version >= 3", "1"),
        ("devices.deviceId = 'bay-4'", "4"),
        ("/* all of them */ status = 'disabled' /* or not */", "3"),
        // Strings.
        (r#"tags.owner = "it's \"ours\" \\ \u00e9""#, "3"),
        (r#"tags.owner = 'it\'s "ours" \\ é'"#, "3"),
        // Functions.
        (
            "STARTSWITH(deviceId, 'bay-') AND ends_with(deviceId, '3')",
            "3",
        ),
        (
            "STARTS_WITH(tags.site, 'nor') AND contains(tags.owner, 'ours')",
            "3",
        ),
        ("NOT CONTAINS(tags.site, 'nor')", "2"),
        ("LENGTH(tags.site) = 5", "123"),
        ("UPPER(tags.site) = 'SOUTH' AND lower('ÄB') = 'äb'", "2"),
        ("SUBSTRING(deviceId, 4) = '1'", "1"),
        ("SUBSTRING(deviceId, 0, 3) = 'bay'", "1234"),
        ("INDEX_OF(tags.site, 'th') = 3", "123"),
        ("INDEX_OF(tags.site, 'x') = -1", "123"),
        ("CONCAT(tags.site, '/', deviceId) = 'south/bay-2'", "2"),
        ("ABS(tags.level) = 3.5", "2"),
        ("FLOOR(tags.level) = -4 AND CEILING(tags.level) = -3", "2"),
        ("SIGN(tags.level) = -1 AND SQUARE(tags.level) = 12.25", "2"),
        (
            "POWER(version, 2) = 16 AND SQRT(version) = 2 AND EXP(0) = 1",
            "1",
        ),
        ("AS_NUMBER(tags.level) = 2", "13"),
        ("AS_NUMBER(tags.site) = 2", ""),
        ("IS_NUMBER(tags.level)", "12"),
        ("IS_STRING(tags.level)", "3"),
        (
            "IS_BOOL(capabilities.iotEdge) AND NOT IS_BOOL(tags.site)",
            "1234",
        ),
        ("IS_OBJECT(properties.reported.net)", "1"),
        ("IS_ARRAY(tags.floors)", "1"),
        ("IS_PRIMITIVE(tags.owner)", "23"),
        ("IS_PRIMITIVE(tags)", ""),
    ];
    for (condition, expected) in cases {
        assert_eq!(bays(condition), expected, "{condition}");
    }
}

#[test]
fn selections() {
    let cases = [
        ("SELECT COUNT() AS n FROM devices", json!([{"n": 4}])),
        (
            "SELECT COUNT() FROM devices WHERE false",
            json!([{"$1": 0}]),
        ),
        (
            "SELECT DeviceId, LastActivityTime FROM devices WHERE status = 'enabled' AND connectionState = 'Disconnected'",
            json!([{"deviceId": "bay-2", "lastActivityTime": "2026-02-01T10:00:00Z"}]),
        ),
        (
            "SELECT deviceId AS id, tags.owner, properties.reported.net FROM devices WHERE tags.site IN ['north','south']",
            json!([
                {"id": "bay-1", "net": {"type": "wifi"}},
                {"id": "bay-2", "owner": null},
                {"id": "bay-3", "owner": "it's \"ours\" \\ é"}
            ]),
        ),
        (
            "SELECT TOP 2 deviceId FROM devices",
            json!([{"deviceId": "bay-1"}, {"deviceId": "bay-2"}]),
        ),
        (
            "SELECT properties.reported.state AS status, COUNT() AS numberOfDevices FROM devices \
             GROUP BY properties.reported.state",
            json!([
                {"status": "ok", "numberOfDevices": 2},
                {"status": "low", "numberOfDevices": 1},
                {"numberOfDevices": 1}
            ]),
        ),
        (
            "SELECT AVG(version) AS mean, SUM(version) AS sum, MIN(version) AS least, MAX(version) AS most, \
             MIN(deviceId) AS first, MAX(lastActivityTime) AS last FROM devices",
            json!([{
                "mean": 4, "sum": 16, "least": 1, "most": 9, "first": "bay-1", "last": "2026-03-01T10:00:00Z"
            }]),
        ),
        // A text among the numbers leaves no sum; what is absent does not count; what nobody has has no mean.
        (
            "SELECT SUM(tags.level), AVG(properties.reported.interval) AS mean, AVG(tags.nothing) AS none, \
             MIN(tags.level) AS least, MAX(tags.level) AS most, MAX(properties.reported.net) AS net FROM devices",
            json!([{"mean": 10, "least": -3.5, "most": "2"}]),
        ),
        (
            "SELECT COUNT(), AVG(version) FROM devices GROUP BY status",
            json!([{"$1": 3, "$2": 7.0 / 3.0}, {"$1": 1, "$2": 9}]),
        ),
        (
            "SELECT status, connectionState AS link, COUNT() AS n FROM devices GROUP BY status, connectionState \
             ORDER BY n DESC, link",
            json!([
                {"status": "enabled", "link": "Connected", "n": 2},
                {"status": "enabled", "link": "Disconnected", "n": 1},
                {"status": "disabled", "link": "Disconnected", "n": 1}
            ]),
        ),
        (
            "SELECT tags.site FROM devices GROUP BY tags.site ORDER BY tags.site",
            json!([{}, {"site": "north"}, {"site": "south"}]),
        ),
        (
            "SELECT deviceId, tags.level AS level FROM devices ORDER BY level DESC, deviceId",
            json!([
                {"deviceId": "bay-3", "level": "2"},
                {"deviceId": "bay-1", "level": 2},
                {"deviceId": "bay-2", "level": -3.5},
                {"deviceId": "bay-4"}
            ]),
        ),
        (
            "SELECT devices.tags.from AS from FROM devices WHERE devices.deviceId = 'bay-1'",
            json!([{"from": "here"}]),
        ),
        (
            "select top 1 deviceId from devices order by version desc",
            json!([{"deviceId": "bay-3"}]),
        ),
        (
            "SELECT deviceId FROM Devices.Modules WHERE devices.modules.version = 9",
            json!([{"deviceId": "bay-3"}]),
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(Value::from(run(text)), expected, "{text}");
    }
    assert_eq!(
        run("SELECT * FROM devices.jobs WHERE devices.jobs.deviceId = 'bay-2'"),
        fleet()[1..2]
    );
    assert_eq!(run("SELECT * FROM devices"), fleet());
}

#[test]
fn an_index_of_ids_can_answer() {
    let cases: [(&str, Option<&[&str]>); 12] = [
        ("deviceId = 'a'", Some(&["a"])),
        ("'a' = DeviceID", Some(&["a"])),
        ("devices.deviceId IN ['a', 'b']", Some(&["a", "b"])),
        ("deviceId = 'a' AND tags.site = 'x'", Some(&["a"])),
        (
            "tags.site = 'x' AND (deviceId = 'a' OR deviceId = 'b')",
            Some(&["a", "b"]),
        ),
        (
            "deviceId IN ['a', 'b'] AND deviceId IN ['b', 'c']",
            Some(&["b"]),
        ),
        ("deviceId = 'a' AND deviceId = 'b'", Some(&[])),
        ("deviceId = 'a' OR tags.site = 'x'", None),
        ("NOT deviceId = 'a'", None),
        ("deviceId NIN ['a']", None),
        ("tags.deviceId = 'a'", None),
        ("deviceId >= 'a'", None),
    ];
    for (condition, expected) in cases {
        let text = format!("SELECT * FROM devices WHERE {condition}");
        let query = Query::parse(&text, ALL).expect("it is well formed");
        let found = query.values_of("deviceId");
        let found: Option<Vec<&str>> = found.map(|ids| ids.into_iter().collect());
        assert_eq!(found.as_deref(), expected, "{condition}");
    }
    let all = Query::parse("SELECT * FROM devices", ALL).expect("it is well formed");
    assert_eq!(all.values_of("deviceId"), None);
}

#[test]
fn a_condition_stands_alone() {
    let targets = |text: &str| -> Vec<usize> {
        let query = Query::parse_condition(text, Collection::DEVICES).expect("it is well formed");
        let twins = fleet().into_iter().zip(1..);
        twins
            .filter(|(twin, _)| query.matches(twin))
            .map(|(_, number)| number)
            .collect()
    };
    assert_eq!(targets("tags.site='north' AND devices.version > 4"), [3]);
    assert_eq!(targets(" * "), [1, 2, 3, 4]);
    for (text, error) in [
        ("", "1:1: the query ends too early"),
        ("a = 1 GROUP BY a", "1:7: `GROUP` does not belong here"),
        ("WHERE a = 1", "1:1: `WHERE` does not belong here"),
    ] {
        let refused = Query::parse_condition(text, Collection::DEVICES).err();
        assert_eq!(
            refused.map(|refused| refused.to_string()).as_deref(),
            Some(error)
        );
    }
}
