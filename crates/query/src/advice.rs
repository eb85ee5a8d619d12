//! What to write instead of what other languages have.

/// Advice on a word or symbol, wherever it stands.
pub(crate) fn on(word: &str) -> Option<&'static str> {
    const ADVICE: [(&str, &str); 21] = [
        ("==", "write `=`"),
        ("&&", "write `AND`"),
        ("&", "write `AND`"),
        ("||", "write `OR`, or `CONCAT(a, b)` to join texts"),
        ("|", "write `OR`"),
        ("!", "write `NOT`, or `!=`"),
        (";", "leave it out: a query needs no end"),
        ("--", "write comments as `/* … */`"),
        ("LIMIT", "write `SELECT TOP 10 …`"),
        (
            "OFFSET",
            "leave it out: results come in pages, and each leads to the next",
        ),
        (
            "SKIP",
            "leave it out: results come in pages, and each leads to the next",
        ),
        (
            "JOIN",
            "collections cannot be joined: ask for each on its own",
        ),
        (
            "HAVING",
            "groups cannot be filtered: filter the documents by WHERE, or the result yourself",
        ),
        ("DISTINCT", "write `SELECT a FROM … GROUP BY a`"),
        (
            "LIKE",
            "write `STARTS_WITH(a, 'x')`, `ENDS_WITH(a, 'x')` or `CONTAINS(a, 'x')`",
        ),
        ("BETWEEN", "write `a >= 1 AND a <= 9`"),
        (
            "IS",
            "write `IS_DEFINED(a)`, `IS_NULL(a)` or `NOT IS_DEFINED(a)`",
        ),
        ("EXISTS", "write `IS_DEFINED(a)`"),
        ("UNION", "ask twice"),
        (
            "CASE",
            "select the values themselves and decide in your program",
        ),
        ("VALUE", "select the property by name"),
    ];
    ADVICE
        .iter()
        .find(|(foreign, _)| foreign.eq_ignore_ascii_case(word))
        .map(|(_, advice)| *advice)
}

/// Advice on a function nobody knows.
pub(crate) fn on_function(name: &str) -> String {
    const ELSEWHERE: [(&str, &str); 6] = [
        ("LEN", "LENGTH"),
        ("TOLOWER", "LOWER"),
        ("TOUPPER", "UPPER"),
        ("CEIL", "CEILING"),
        ("ISDEFINED", "IS_DEFINED"),
        ("POW", "POWER"),
    ];
    let known = ELSEWHERE
        .iter()
        .find(|(other, _)| other.eq_ignore_ascii_case(name))
        .map(|(_, known)| *known)
        .or_else(|| manifest::closest(name, crate::function::names()));
    match known {
        Some(known) => format!("write `{known}`"),
        None => format!(
            "the functions are {}",
            crate::function::names().collect::<Vec<_>>().join(", ")
        ),
    }
}
