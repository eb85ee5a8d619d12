//! Every route there is, asked by everybody. The routes are the running router's own, so one that is added tomorrow is
//! walked, or fails the walk.

pub(super) mod harbour;
mod streams;
pub(super) mod table;

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{Method, Request, header};
use serde_json::Value;

use self::harbour::{Harbour, MARK};
use self::table::{API, PAGES, Page, Who};
use crate::people::Role;
use crate::testing::{Answer, Site, Somebody};

async fn document(site: &Site, who: &Somebody) -> Value {
    site.get(who, "/api/openapi.json").await.json()
}

/// Every operation of the description, those that take something away last.
fn operations(document: &Value) -> Vec<(Method, String)> {
    let mut all = Vec::new();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for method in operations.as_object().expect("operations").keys() {
            let method: Method = method.to_uppercase().parse().expect("a method");
            all.push((method, path.clone()));
        }
    }
    let ends_something = |method: &Method, path: &str| {
        *method == Method::DELETE || path.ends_with("/close") || path.ends_with("/cancel")
    };
    all.sort_by_key(|(method, path)| ends_something(method, path));
    all
}

fn is_stream(document: &Value, method: &Method, path: &str) -> bool {
    let operation = &document["paths"][path][method.as_str().to_lowercase()];
    operation["responses"]["200"]["content"]["text/event-stream"].is_object()
}

/// Who somebody is not, or what is not theirs.
fn is_refused(answer: &Answer) -> bool {
    let document = answer.json();
    let code = document["code"].as_str().unwrap_or_default();
    // A stream's refusal is not read.
    let is_unread = answer.text.is_empty() && matches!(answer.status.as_u16(), 401 | 403 | 404);
    is_unread || matches!(code, "unauthenticated" | "forbidden" | "not-found")
}

#[tokio::test]
async fn every_route_is_in_the_walk() {
    let site = Site::new().await;
    let who = site.somebody(Role::Driver, None).await;
    // The only place where a router tells its paths.
    let told = format!("{:?}", crate::web::router(site.app.clone()));
    let served: BTreeSet<&str> = told
        .split('"')
        .filter(|text| text.starts_with('/'))
        .collect();
    assert!(served.contains("/approve"), "{served:?}");
    let document = document(&site, &who).await;
    let described = document["paths"].as_object().expect("paths");
    let mut walked: BTreeSet<&str> = described.keys().map(String::as_str).collect();
    for page in PAGES {
        walked.insert(page.route());
    }
    let private = |path: &&&str| !path.contains("__private__");
    let missing: Vec<_> = served.difference(&walked).filter(private).collect();
    assert!(missing.is_empty(), "not in the walk: {missing:?}");
    let gone: Vec<_> = walked.difference(&served).collect();
    assert!(gone.is_empty(), "not served any more: {gone:?}");
    let described: BTreeSet<String> = operations(&document)
        .iter()
        .map(|(method, path)| format!("{method} {path}"))
        .collect();
    let listed: BTreeSet<String> = API
        .iter()
        .map(|(method, path, _)| format!("{method} {path}"))
        .collect();
    assert_eq!(described, listed);
}

#[tokio::test]
async fn each_role_may_what_the_table_says() {
    let harbour = Harbour::new().await;
    let site = &harbour.site;
    let mut own = Vec::new();
    let mut house = Vec::new();
    for role in Role::ALL {
        own.push(match role {
            Role::Driver => harbour.driver.clone(),
            role => site.somebody(role, Some(&harbour.customer)).await,
        });
        house.push(site.somebody(role, None).await);
    }
    let document = document(site, &house[0]).await;
    for (method, path) in operations(&document) {
        let listed = API
            .iter()
            .find(|(m, p, _)| *m == method.as_str() && *p == path);
        let Some((.., who)) = listed else {
            panic!("{method} {path} is not in the table");
        };
        let ask = async |somebody: Option<&Somebody>| {
            let (request, body) = harbour.request(somebody, (&method, &path), &document);
            let what = format!("{method} {} {body}", harbour.fill(&path));
            let answer = if is_stream(&document, &method, &path) {
                site.begin(request).await
            } else {
                site.send(request).await
            };
            (answer, what)
        };
        let (answer, what) = ask(None).await;
        assert_eq!(
            answer.status == 401,
            *who != Who::Anybody,
            "nobody: {what}: {answer:?}"
        );
        for (role, (own, house)) in Role::ALL.into_iter().zip(own.iter().zip(&house)) {
            let (may_own, may_house, least) = match *who {
                Who::Anybody => (true, true, Role::Driver),
                Who::Device => (false, false, Role::Driver),
                Who::Somebody(least) => (role >= least, role >= least, least),
                Who::Owner => {
                    let may = role >= Role::Operator;
                    (may || role == Role::Driver, may, Role::Driver)
                }
                Who::House(least) => (false, role >= least, least),
            };
            // What is done once may not be there for the next, so only the least who may do it do it.
            let do_it = method == Method::GET || role == least;
            for (may, somebody) in [(may_own, own), (may_house && !may_own, house)] {
                if may && do_it {
                    let (answer, what) = ask(Some(somebody)).await;
                    assert!(!is_refused(&answer), "{role:?} may {what}: {answer:?}");
                }
            }
            for (may, somebody) in [(may_own, own), (may_house, house)] {
                if !may {
                    let (answer, what) = ask(Some(somebody)).await;
                    assert!(is_refused(&answer), "{role:?} may not {what}: {answer:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn nobody_reads_or_changes_what_is_anothers() {
    let harbour = Harbour::new().await;
    let site = &harbour.site;
    let town = site.customer("Town").await;
    let mut strangers = Vec::new();
    for role in Role::ALL {
        strangers.push((role, site.somebody(role, Some(&town)).await));
    }
    let house = site.somebody(Role::Administrator, None).await;
    let document = document(site, &house).await;
    for (method, path) in operations(&document) {
        let asked = harbour.fill(&path);
        for (role, stranger) in &strangers {
            let (request, body) = harbour.request(Some(stranger), (&method, &path), &document);
            // What streams tell is tested where they are.
            let answer = if is_stream(&document, &method, &path) {
                site.begin(request).await
            } else {
                site.send(request).await
            };
            let status = answer.status.as_u16();
            let what = format!("{role:?}: {method} {asked} {body}: {answer:?}");
            assert!(status < 500, "{what}");
            // What somebody wrote may be said back to them.
            let told = answer.text.to_lowercase();
            let told = told.replace(&asked.to_lowercase(), "");
            assert!(
                !told.replace("harbour-board-1", "").contains(MARK),
                "{what}"
            );
            let is_about_harbour = path.contains('{') || body.contains(&harbour.customer);
            if is_about_harbour && !path.starts_with("/api/me") {
                assert!(status >= 400, "{what}");
            }
        }
    }
    // The same requests are answered to whoever may ask, so the ids are the right ones.
    for word in [
        "customers",
        "projects",
        "orders",
        "devices",
        "users",
        "bays",
        "bookings",
    ] {
        let path = format!("/api/{word}/{}", harbour.id(word));
        let answer = site.get(&house, &path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert!(
            answer.text.to_lowercase().contains(MARK),
            "{path}: {answer:?}"
        );
    }
}

async fn open(site: &Site, who: Option<&Somebody>, path: &str) -> Answer {
    let mut request = Request::get(path).header(header::ACCEPT, "text/html");
    if let Some(who) = who {
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", who.token));
    }
    let request = request.body(Body::empty()).expect("a request");
    if path == "/live" {
        return site.begin(request).await;
    }
    site.send(request).await
}

#[tokio::test]
async fn pages_show_each_what_the_table_says_and_nobody_what_is_anothers() {
    let harbour = Harbour::new().await;
    let site = &harbour.site;
    let town = site.customer("Town").await;
    let mut everybody = Vec::new();
    for role in Role::ALL {
        let own = match role {
            Role::Driver => harbour.driver.clone(),
            role => site.somebody(role, Some(&harbour.customer)).await,
        };
        everybody.push((
            role,
            own,
            site.somebody(role, None).await,
            site.somebody(role, Some(&town)).await,
        ));
    }
    for Page {
        path,
        who,
        shows_harbour,
    } in PAGES
    {
        let is_one = path.contains('{');
        let path = harbour.fill(path);
        let nobody = open(site, None, &path).await;
        let is_brought_in =
            nobody.status == 303 && nobody.header("location").starts_with("/sign-in");
        assert_eq!(
            is_brought_in || nobody.status == 401,
            *who != Who::Anybody,
            "{path}: {nobody:?}"
        );
        for (role, own, house, stranger) in &everybody {
            let (may_own, may_house) = match *who {
                Who::Anybody => (true, true),
                Who::Device | Who::Owner => (false, false),
                Who::Somebody(least) => (*role >= least, *role >= least),
                Who::House(least) => (false, *role >= least),
            };
            for (may, somebody) in [(may_own, own), (may_house, house)] {
                let answer = open(site, Some(somebody), &path).await;
                let status = answer.status.as_u16();
                let what = format!("{role:?}: {path}: {answer:?}");
                if *who == Who::Anybody {
                    // Links that are none, and files that are not there.
                    assert!(matches!(status, 200 | 303 | 404 | 405 | 410), "{what}");
                } else if may {
                    assert!(matches!(status, 200 | 303), "{what}");
                } else {
                    assert!(matches!(status, 403 | 404), "{what}");
                }
                let shows = answer.text.to_lowercase().contains(MARK);
                if may && shows_harbour.is_some_and(|least| *role >= least) {
                    assert!(shows, "{what}");
                }
            }
            let answer = open(site, Some(stranger), &path).await;
            let what = format!("a stranger, {role:?}: {path}: {answer:?}");
            let told = answer.text.to_lowercase().replace("harbour-board-1", "");
            assert!(!told.contains(MARK), "{what}");
            if is_one && *who != Who::Anybody {
                assert!(matches!(answer.status.as_u16(), 403 | 404), "{what}");
            }
        }
    }
}
