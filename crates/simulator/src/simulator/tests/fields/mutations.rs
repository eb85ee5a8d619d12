//! The ways in which a request is put wrong.

use serde_json::{Map, Value, json};

use super::{Asked, bytes};

/// Texts that are no id, number, tag, date or anything else; as they stand in a path, a query or a header.
const TEXTS: [&str; 34] = [
    "",
    "%20",
    "null",
    "true",
    "0",
    "-1",
    "1.5",
    "1e999",
    "99999999999999999999",
    "NaN",
    "%",
    "%zz",
    "%00",
    "%2F",
    "%2e%2e",
    "..",
    "$",
    "$version",
    "*",
    "\"",
    "\"\"",
    "{}",
    "[]",
    "a%0D%0Ab",
    "%F0%9F%92%A5",
    "%E2%80%AE",
    "%ff",
    "%25",
    "a.b",
    "'",
    ";",
    "=",
    "2021-13-45",
    "-preview",
];

/// A part of a request that can be wrong.
#[derive(Debug, Clone)]
pub(super) enum Part {
    Method,
    Segment(usize),
    Parameter(usize),
    Header(usize),
    /// The body as a whole.
    Bytes,
    /// A node of it, as the way to it.
    Node(Vec<Value>),
}

/// All parts of a request.
pub(super) fn parts(asked: &Asked) -> Vec<Part> {
    let mut parts = vec![Part::Method, Part::Bytes];
    parts.extend((0..asked.path.len()).map(Part::Segment));
    parts.extend((0..asked.query.len()).map(Part::Parameter));
    parts.extend((0..asked.headers.len()).map(Part::Header));
    if let Ok(body) = serde_json::from_slice::<Value>(&asked.body) {
        let mut places = Vec::new();
        walk(&body, &mut Vec::new(), &mut places);
        parts.extend(places.into_iter().map(Part::Node));
    }
    parts
}

/// The request with one part of it wrong, in each way that there is.
pub(super) fn ways(valid: &Asked, part: &Part) -> Vec<Asked> {
    let mut all = Vec::new();
    let mut put = |change: &dyn Fn(&mut Asked)| {
        let mut asked = valid.clone();
        change(&mut asked);
        all.push(asked);
    };
    let texts = TEXTS.iter().map(|text| (*text).to_owned());
    let texts = texts.chain(["a".repeat(129), "a".repeat(5000), "%C3%A4".repeat(300)]);
    match *part {
        Part::Method => {
            for method in [
                "GET", "PUT", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS", "QUERY",
            ] {
                put(&|asked| asked.method = method.to_owned());
            }
        }
        Part::Segment(at) => {
            put(&|asked| drop(asked.path.remove(at)));
            put(&|asked| asked.path[at].make_ascii_uppercase());
            put(&|asked| asked.path.insert(at, "modules".to_owned()));
            for text in texts {
                put(&|asked| asked.path[at].clone_from(&text));
            }
        }
        Part::Parameter(at) => {
            put(&|asked| drop(asked.query.remove(at)));
            put(&|asked| asked.query.push(asked.query[at].clone()));
            for text in texts {
                put(&|asked| asked.query[at].1.clone_from(&text));
            }
        }
        Part::Header(at) => {
            put(&|asked| drop(asked.headers.remove(at)));
            put(&|asked| asked.headers.push(asked.headers[at].clone()));
            for text in texts {
                put(&|asked| asked.headers[at].1 = text.clone().into_bytes());
            }
            // The first half of a valid one, e.g. of a token or a continuation.
            put(&|asked| {
                let half = asked.headers[at].1.len() / 2;
                asked.headers[at].1.truncate(half);
            });
            put(&|asked| {
                let header = &mut asked.headers[at].1;
                header.extend_from_slice("\u{e4}\u{1f4a5}".as_bytes());
            });
        }
        Part::Bytes => {
            for body in no_json(&valid.body) {
                put(&|asked| asked.body.clone_from(&body));
            }
        }
        Part::Node(ref place) => {
            for body in with_node(&valid.body, place) {
                put(&|asked| asked.body.clone_from(&body));
            }
        }
    }
    all
}

/// What is no JSON, or none that anybody should take.
fn no_json(valid: &[u8]) -> Vec<Vec<u8>> {
    let texts = [
        "",
        "{",
        "nul",
        "\"",
        "{}x",
        "{\"a\":1,}",
        "NaN",
        "1e999",
        "{\"a\":1,\"a\":2}",
        "\u{feff}{}",
    ];
    let mut all: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    all.push(vec![0xff, 0xfe, 0x00]);
    all.push("[".repeat(100_000).into_bytes());
    all.push("{\"a\":".repeat(100_000).into_bytes());
    all.push(valid[..valid.len() / 2].to_vec());
    all
}

/// The body with one node of it wrong.
fn with_node(valid: &[u8], place: &[Value]) -> Vec<Vec<u8>> {
    let Ok(valid) = serde_json::from_slice::<Value>(valid) else {
        return Vec::new();
    };
    let mut all: Vec<Value> = values()
        .into_iter()
        .map(|value| replaced(&valid, place, |node| *node = value))
        .collect();
    if let Some((last, parent)) = place.split_last() {
        all.push(replaced(&valid, parent, |node| remove(node, last)));
    }
    // What no field is called, beside those that are there.
    for name in ["$version", "$", "", "a.b", "unknown", "\u{0}", "\u{1f4a5}"] {
        all.push(replaced(&valid, place, |node| {
            if let Value::Object(object) = node {
                object.insert(name.to_owned(), json!({"$a": null}));
            }
        }));
    }
    all.push(replaced(&valid, place, |node| {
        if let Value::Array(items) = node
            && let Some(first) = items.first().cloned()
        {
            items.resize(150, first);
        }
    }));
    all.retain(|body| *body != valid);
    all.iter().map(bytes_of).collect()
}

fn bytes_of(value: &Value) -> Vec<u8> {
    match value {
        Value::Null => b"null".to_vec(),
        value => bytes(value),
    }
}

/// Values of every kind, at the ends of their range and beyond.
fn values() -> Vec<Value> {
    let mut values: Vec<Value> = vec![
        Value::Null,
        true.into(),
        0.into(),
        (-1).into(),
        1.5.into(),
        1e308.into(),
        u64::MAX.into(),
        i64::MIN.into(),
        (u64::from(u32::MAX) + 1).into(),
        json!([]),
        json!([null]),
        json!(["a", 1, {}]),
        json!({}),
        json!({"$a": 1}),
        json!({"": null}),
        json!({"a.b": {"c d": []}}),
    ];
    let long = "x".repeat(5000);
    let texts = [
        "",
        " ",
        "a",
        "*",
        "0",
        "-1",
        "NaN",
        "true",
        "$version",
        "../..",
        "\u{0}",
        "\u{7f}",
        "\u{202e}\u{1f4a5}",
        "%",
        "a;b",
        "SELECT * FROM devices",
        "2026-02-30T25:61:00Z",
        "9999-12-31T23:59:59.9999999Z",
        "-000001-01-01T00:00:00Z",
        "AAAA",
        "http://127.0.0.1:1/",
        &long,
    ];
    values.extend(texts.map(Value::from));
    let deep = (0..100).fold(json!(1), |inner, _| json!({"a": inner}));
    let nested = (0..100).fold(json!(1), |inner, _| json!([inner]));
    let wide: Map<String, Value> = (0..300).map(|n| (format!("k{n}"), n.into())).collect();
    values.extend([deep, nested, wide.into()]);
    values
}

/// The places of all nodes, each as the way to it.
fn walk(node: &Value, way: &mut Vec<Value>, places: &mut Vec<Vec<Value>>) {
    places.push(way.clone());
    let mut enter = |name: Value, child: &Value| {
        way.push(name);
        walk(child, way, places);
        way.pop();
    };
    match node {
        Value::Object(object) => object
            .iter()
            .for_each(|(name, child)| enter(name.as_str().into(), child)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(at, child)| enter(at.into(), child)),
        _ => {}
    }
}

fn replaced(root: &Value, place: &[Value], change: impl FnOnce(&mut Value)) -> Value {
    let mut root = root.clone();
    let mut node = &mut root;
    for step in place {
        node = match step {
            Value::String(name) => &mut node[name.as_str()],
            at => &mut node[at.as_u64().expect("an index") as usize],
        };
    }
    change(node);
    root
}

fn remove(node: &mut Value, name: &Value) {
    match (node, name) {
        (Value::Object(object), Value::String(name)) => drop(object.shift_remove(name)),
        (Value::Array(items), at) => drop(items.remove(at.as_u64().expect("an index") as usize)),
        _ => {}
    }
}
