//! Queries that are refused: where, why, and what to write instead.

use query::{Collection, Query};

const ALL: &[Collection] = &[Collection::DEVICES, Collection::MODULES, Collection::JOBS];

#[test]
fn a_mistake_is_named_where_it_is_with_what_to_write_instead() {
    let cases = [
        (
            "",
            "1:1: the query ends too early",
            "`SELECT * FROM devices`",
        ),
        (
            "DELETE FROM devices",
            "1:1: `DELETE` does not belong here",
            "`SELECT`",
        ),
        ("SELECT", "1:7: the query ends too early", "`*`, a property"),
        (
            "SELECT FROM devices",
            "1:8: `FROM` does not belong here",
            "`*`, a property",
        ),
        (
            "SELECT *",
            "1:9: the query ends too early",
            "`FROM` and a collection",
        ),
        (
            "SELECT * WHERE a = 1",
            "1:10: `WHERE` does not belong here",
            "`FROM` and a collection",
        ),
        (
            "SELECT deviceId tags.site FROM devices",
            "1:17: `tags` does not belong here",
            "`,`",
        ),
        (
            "SELECT * FROM device",
            "1:15: there is no collection `device`",
            "write `devices`",
        ),
        (
            "SELECT * FROM devices.module",
            "1:15: there is no collection `devices.module`",
            "write `devices.modules`",
        ),
        (
            "SELECT * FROM twins",
            "1:15: there is no collection `twins`",
            "`devices`, `devices.modules`, `devices.jobs`",
        ),
        (
            "SELECT * FROM",
            "1:14: the query ends too early",
            "`devices`",
        ),
        (
            "SELECT * FROM devices d",
            "1:23: `d` does not belong here",
            "no other name",
        ),
        (
            "SELECT * FROM devices JOIN x",
            "1:23: `JOIN` does not belong here",
            "cannot be joined",
        ),
        (
            "SELECT * FROM devices LIMIT 5",
            "1:23: `LIMIT` does not belong here",
            "`SELECT TOP 10 …`",
        ),
        (
            "SELECT * FROM devices;",
            "1:22: `;` does not belong here",
            "leave it out",
        ),
        (
            "SELECT * FROM devices WHERE",
            "1:28: the query ends too early",
            "a value belongs here",
        ),
        (
            "SELECT * FROM devices\nWHERE tags.site == 'x'",
            "2:17: `==` does not belong here",
            "write `=`",
        ),
        (
            "SELECT * FROM devices WHERE a = 1 && b = 2",
            "1:35: `&&` does not belong here",
            "write `AND`",
        ),
        (
            "SELECT * FROM devices WHERE a IS NULL",
            "1:31: `IS` does not belong here",
            "`IS_NULL(a)`",
        ),
        (
            "SELECT * FROM devices WHERE a LIKE 'x%'",
            "1:31: `LIKE` does not belong here",
            "STARTS_WITH",
        ),
        (
            "SELECT * FROM devices WHERE a BETWEEN 1 AND 2",
            "1:31: `BETWEEN` does not belong here",
            "a >= 1 AND",
        ),
        (
            "SELECT * FROM devices WHERE a IN ('x', 'y')",
            "1:34: `(` does not belong here",
            "`['north', 'south']`",
        ),
        (
            "SELECT * FROM devices WHERE a = ['x']",
            "1:33: `[` does not belong here",
            "IN or NIN",
        ),
        (
            "SELECT * FROM devices WHERE a NOT IN ['x']",
            "1:31: `NOT` does not belong here",
            "an operator",
        ),
        (
            "SELECT * FROM devices WHERE tags.a-b. = 1",
            "1:39: `=` does not belong here",
            "`[[my-name]]`",
        ),
        (
            "SELECT * FROM devices WHERE a = 'x",
            "1:33: the text has no end",
            "same quote",
        ),
        (
            r"SELECT * FROM devices WHERE a = 'C:\x'",
            "1:36: this is no escape",
            r"write \\",
        ),
        (
            "SELECT * FROM devices WHERE a = 'it''s'",
            "1:37: `'s'` does not belong here",
            "an operator",
        ),
        (
            "SELECT * FROM devices WHERE a = 5kg",
            "1:33: `5kg` is no number",
            "`[[1st]]`",
        ),
        (
            "SELECT * FROM devices WHERE a = 1e999",
            "1:33: `1e999` does not belong here",
            "too large",
        ),
        (
            "SELECT * FROM devices WHERE tags.[[x] = 1",
            "1:34: the name in double brackets",
            "`[[name]]`",
        ),
        (
            "SELECT * FROM devices WHERE tags[x] = 1",
            "1:34: `x` does not belong here",
            "`list[0]`",
        ),
        (
            "SELECT * FROM devices WHERE tags[-1] = 1",
            "1:34: `-` does not belong here",
            "`list[0]`",
        ),
        (
            "SELECT * FROM devices WHERE (a = 1",
            "1:35: the query ends too early",
            "`)`",
        ),
        (
            "SELECT * FROM devices WHERE a = 1)",
            "1:34: `)` does not belong here",
            "an operator",
        ),
        (
            "SELECT * FROM devices WHERE a = from",
            "1:33: `from` does not belong here",
            "`[[from]]`",
        ),
        (
            "SELECT * FROM devices /* all",
            "1:23: the comment has no end",
            "`*/`",
        ),
        (
            "SELECT * FROM devices WHERE LEN(a) = 1",
            "1:29: there is no function `LEN`",
            "write `LENGTH`",
        ),
        (
            "SELECT * FROM devices WHERE startwith(a, 'x')",
            "1:29: there is no function `startwith`",
            "write `STARTSWITH`",
        ),
        (
            "SELECT * FROM devices WHERE now() > a",
            "1:29: there is no function `now`",
            "IS_DEFINED, ",
        ),
        (
            "SELECT * FROM devices WHERE COUNT() > 1",
            "1:29: `COUNT` is not for conditions",
            "behind SELECT",
        ),
        (
            "SELECT * FROM devices WHERE LENGTH(a, b) = 1",
            "1:29: `LENGTH` does not take 2 arguments",
            "`LENGTH(text)`",
        ),
        (
            "SELECT TOP 0 * FROM devices",
            "1:12: `0` does not belong here",
            "above 0",
        ),
        (
            "SELECT TOP many * FROM devices",
            "1:12: `many` does not belong here",
            "above 0",
        ),
        (
            "SELECT COUNT(*) FROM devices",
            "1:14: `*` does not belong here",
            "write `COUNT()`",
        ),
        (
            "SELECT AVG() FROM devices",
            "1:12: `)` does not belong here",
            "a property",
        ),
        (
            "SELECT AVG(a + 1) FROM devices",
            "1:14: `+` does not belong here",
            "no computation",
        ),
        (
            "SELECT UPPER(tags.site) FROM devices",
            "1:8: `UPPER` cannot be selected",
            "COUNT()",
        ),
        (
            "SELECT DISTINCT tags.site FROM devices",
            "1:17: `tags` does not belong here",
            "`,`",
        ),
        (
            "SELECT tags.list[0] FROM devices",
            "1:8: the result has no name",
            "AS name",
        ),
        (
            "SELECT tags.a, properties.desired.a FROM devices",
            "1:16: two results are called `a`",
            "AS other",
        ),
        (
            "SELECT * FROM devices GROUP BY status",
            "1:8: a group is no document",
            "COUNT() AS n",
        ),
        (
            "SELECT deviceId, COUNT() FROM devices",
            "1:8: `deviceId` differs within a group",
            "GROUP BY",
        ),
        (
            "SELECT a FROM devices GROUP status",
            "1:29: `status` does not belong here",
            "`BY` follows",
        ),
        (
            "SELECT COUNT() AS n FROM devices ORDER BY deviceId",
            "1:43: the groups have no such value",
            "ORDER BY n",
        ),
        (
            "SELECT * FROM devices GROUP BY a WHERE b = 1",
            "1:8: a group is no document",
            "select what is grouped",
        ),
        (
            "SELECT a FROM devices GROUP BY a WHERE b = 1",
            "1:34: `WHERE` does not belong here",
            "in this order",
        ),
        (
            "SELECT deviceId FROM devices.jobs",
            "1:8: `devices.jobs` gives whole documents only",
            "SELECT * FROM devices.jobs",
        ),
        (
            "SELECT * FROM devices WHERE devices[0] = 1",
            "1:29: the path does not begin with a name",
            "`tags`",
        ),
    ];
    for (text, error, help) in cases {
        let refused = Query::parse(text, ALL).err();
        let refused = refused.unwrap_or_else(|| panic!("{text:?} is accepted"));
        assert!(
            refused.to_string().starts_with(error),
            "{text:?}: {refused}, not {error}"
        );
        assert!(
            refused.help.contains(help),
            "{text:?}: {}, not {help}",
            refused.help
        );
    }
}

#[test]
fn a_query_has_a_length_and_a_depth() {
    let padded = |length: usize| format!("{:length$}", "SELECT * FROM devices");
    assert!(Query::parse(&padded(8192), ALL).is_ok());
    let error = Query::parse(&padded(8193), ALL).expect_err("it is too long");
    assert_eq!(
        error.to_string(),
        "1:8193: the query is longer than 8192 characters"
    );
    let deep = [
        format!("{}a{}", "(".repeat(200), ")".repeat(200)),
        format!("{}a", "NOT ".repeat(200)),
        format!("{}1 = 1", "- ".repeat(200)),
        format!("1{} = 1", "+1".repeat(400)),
    ];
    for condition in deep {
        let error = Query::parse(&format!("SELECT * FROM devices WHERE {condition}"), ALL);
        let error = error.expect_err("it is too deep");
        assert_eq!(
            error.message, "the condition is nested too deeply",
            "{condition}"
        );
    }
    // A chain is not deep, whatever its length.
    let long = format!("SELECT * FROM devices WHERE a=0{}", " OR a=1".repeat(1100));
    assert!(Query::parse(&long, ALL).is_ok());
}

/// On the stack of a server's thread, without optimisation.
#[test]
fn the_deepest_query_is_evaluated() {
    let nested = format!("{}-1{} = 1", "ABS(".repeat(98), ")".repeat(98));
    let chained = format!("1{} = 298", "+1".repeat(297));
    let both = (0..90).fold("0".to_owned(), |inner, _| format!("(1+1+{inner})"));
    for condition in [nested, chained, format!("{both} = 180")] {
        let text = format!("SELECT * FROM devices WHERE {condition}");
        let query = Query::parse(&text, ALL).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(query.matches(&serde_json::json!({})), "{text}");
    }
}
