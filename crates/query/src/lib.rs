//! IoT Hub's query language: `SELECT … FROM … WHERE … GROUP BY … ORDER BY …` over JSON documents.
//!
//! [`Query::parse`] compiles a text once, or says where it is wrong and what to write instead. [`Query::page`] gives the
//! results over any collection of [`Document`]s, a page at a time, and [`Query::paging`] is for those who cannot hold
//! theirs still that long; [`Query::matches`] asks about one. Documents are looked into by reference, so one that does
//! not match is never copied, nor even put together where a [`Document`] finds its fields without.
//! [`Query::values_of`] tells which devices alone can match, for those who keep an index.
//!
//! The language is what Azure's documentation describes; where that is silent, a comment at the place says what was
//! chosen and why. In short: keywords, functions and the document's own fields (`deviceId`, `lastActivityTime`) are read
//! in any case, names below them as they are written; what is not there is *undefined*, which is not null; conditions
//! have three values, and a document belongs to the result when the condition is true.
//!
//! It is *not* a database: it stores and sorts nothing between pages, and knows no collection but those it is told of.
//! Nor is it the language of message routes, which is in `manifest::route`.
//!
//! **Invariant:** no text makes it panic or exhaust the stack, and walking the pages of an unchanged collection gives
//! every result once, in an order that does not depend on the pages' length.
//!
//! ```
//! use query::{Collection, Query};
//! use serde_json::json;
//!
//! let text = "SELECT deviceId, tags.site AS site FROM devices WHERE properties.reported.level < 20";
//! let query = Query::parse(text, &[Collection::DEVICES]).expect("the query is well formed");
//! let twins = [
//!     ("bay-1", json!({"deviceId": "bay-1", "tags": {"site": "north"}, "properties": {"reported": {"level": 12}}})),
//!     ("bay-2", json!({"deviceId": "bay-2", "tags": {"site": "north"}, "properties": {"reported": {"level": 80}}})),
//! ];
//! let page = query.page(twins.iter().map(|(id, twin)| (*id, twin)), None, std::num::NonZeroUsize::MIN);
//! assert_eq!(page.items, [json!({"deviceId": "bay-1", "site": "north"})]);
//! assert!(page.next.is_none());
//! ```

mod advice;
mod aggregate;
mod bound;
mod document;
mod error;
mod evaluate;
mod expression;
mod function;
mod grouping;
mod number;
mod page;
mod paging;
mod parse;
mod path;
mod query;
mod token;
mod value;

pub use self::document::Document;
pub use self::error::QueryError;
pub use self::page::{Page, Resume};
pub use self::paging::{Outcome, Paging};
pub use self::path::{Path, Step};
pub use self::query::{Collection, Query};
