//! `List Blobs` and `Get Container Properties`.

use std::collections::BTreeMap;
use std::ops::Bound;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::Asked;
use super::answer::{Fault, element, http_date, put, xml};
use crate::blob::sas::Permission;
use crate::blob::{ACCOUNT, Blob};
use crate::rest::header_text;

/// Blobs in one answer, as Azure Storage limits them.
const MOST: usize = 5000;

/// What a page of a list is to hold.
#[derive(Debug)]
struct Wanted {
    prefix: String,
    /// Names before it were in an earlier page.
    marker: String,
    delimiter: String,
    most: usize,
    metadata: bool,
}

/// One entry of a page.
#[derive(Debug, PartialEq)]
enum Entry<'a, T> {
    Blob(&'a str, &'a T),
    /// All blobs whose names begin like this, up to the delimiter.
    Prefix(String),
}

impl Asked<'_> {
    pub(super) fn list(&self) -> Result<Response, Fault> {
        self.authorize(Permission::List)?;
        let wanted = self.wanted()?;
        let include_metadata = wanted.metadata;
        let host = header_text(self.parts, "host").unwrap_or(&self.hub.names.hub);
        let head = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ServiceEndpoint=\"https://{}/{ACCOUNT}/\" ContainerName=\"{}\">",
            host.replace(['"', '<', '&'], ""),
            self.container
        );
        let body = self.hub.container(self.container, |container| {
            let (entries, next) = page(&container.blobs, &wanted);
            let mut body = head;
            element(&mut body, "Prefix", &wanted.prefix);
            element(&mut body, "Marker", &wanted.marker);
            element(&mut body, "MaxResults", &wanted.most.to_string());
            element(&mut body, "Delimiter", &wanted.delimiter);
            body.push_str("<Blobs>");
            for entry in entries {
                match entry {
                    Entry::Blob(name, blob) => write(&mut body, name, blob, include_metadata),
                    Entry::Prefix(name) => {
                        body.push_str("<BlobPrefix>");
                        element(&mut body, "Name", &name);
                        body.push_str("</BlobPrefix>");
                    }
                }
            }
            body.push_str("</Blobs>");
            element(&mut body, "NextMarker", &next);
            body.push_str("</EnumerationResults>");
            body
        })?;
        Ok(xml(StatusCode::OK, body))
    }

    pub(super) fn container_properties(&self) -> Result<Response, Fault> {
        self.authorize(Permission::Read)
            .or_else(|_| self.authorize(Permission::List))?;
        let made = self.hub.container(self.container, |c| c.made)?;
        let mut response = StatusCode::OK.into_response();
        put(&mut response, "last-modified", &http_date(made));
        let etag = format!("\"0x8D{:013X}\"", made.as_millisecond());
        put(&mut response, "etag", &etag);
        Ok(response)
    }

    fn wanted(&self) -> Result<Wanted, Fault> {
        let most = match self.query("maxresults") {
            None => MOST,
            Some(text) => match text.parse::<usize>() {
                Ok(most @ 1..) => most.min(MOST),
                _ => {
                    return Err(Fault::parameter(
                        "maxresults",
                        "must be a whole number above 0",
                    ));
                }
            },
        };
        let include = self.query("include").unwrap_or_default();
        Ok(Wanted {
            prefix: self.query("prefix").unwrap_or_default(),
            marker: self.query("marker").unwrap_or_default(),
            delimiter: self.query("delimiter").unwrap_or_default(),
            metadata: include.split(',').any(|part| part.trim() == "metadata"),
            most,
        })
    }
}

/// A page, and the marker of the one after it; empty if there is none.
fn page<'a, T>(blobs: &'a BTreeMap<String, T>, wanted: &Wanted) -> (Vec<Entry<'a, T>>, String) {
    let from = wanted.prefix.as_str().max(wanted.marker.as_str());
    let mut entries = Vec::new();
    let range = (Bound::Included(from), Bound::Unbounded);
    for (name, blob) in blobs.range::<str, _>(range) {
        let Some(rest) = name.strip_prefix(&wanted.prefix) else {
            break;
        };
        let folder = match wanted.delimiter.as_str() {
            "" => None,
            delimiter => rest.find(delimiter).map(|at| at + delimiter.len()),
        };
        let entry = match folder {
            None => Entry::Blob(name.as_str(), blob),
            Some(end) => Entry::Prefix(format!("{}{}", wanted.prefix, &rest[..end])),
        };
        // Blobs of one folder follow one another.
        let same_folder = matches!((&entry, entries.last()),
            (Entry::Prefix(folder), Some(Entry::Prefix(last))) if folder == last);
        if same_folder {
            continue;
        }
        if entries.len() == wanted.most {
            return (entries, name.clone());
        }
        entries.push(entry);
    }
    (entries, String::new())
}

fn write(out: &mut String, name: &str, blob: &Blob, include_metadata: bool) {
    out.push_str("<Blob>");
    element(out, "Name", name);
    out.push_str("<Properties>");
    element(out, "Creation-Time", &http_date(blob.created));
    element(out, "Last-Modified", &http_date(blob.modified));
    element(out, "Etag", &blob.etag());
    element(out, "Content-Length", &blob.length().to_string());
    element(out, "Content-Type", blob.content_type());
    let header = |name: &str| blob.about.headers.get(name).map_or("", String::as_str);
    element(out, "Content-Encoding", header("content-encoding"));
    element(out, "Content-MD5", header("content-md5"));
    element(out, "BlobType", "BlockBlob");
    out.push_str("</Properties>");
    if include_metadata {
        out.push_str("<Metadata>");
        for (name, value) in &blob.about.metadata {
            element(out, name, value);
        }
        out.push_str("</Metadata>");
    }
    out.push_str("</Blob>");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(prefix: &str, delimiter: &str, most: usize) -> Vec<String> {
        let names = ["a", "b/1", "b/2", "b/c/3", "bee", "d/1"];
        let blobs: BTreeMap<String, ()> = names.map(|name| (name.to_owned(), ())).into();
        let mut wanted = Wanted {
            prefix: prefix.to_owned(),
            marker: String::new(),
            delimiter: delimiter.to_owned(),
            most,
            metadata: false,
        };
        let mut all = Vec::new();
        loop {
            let (entries, next) = page(&blobs, &wanted);
            assert!(entries.len() <= most);
            all.extend(entries.into_iter().map(|entry| match entry {
                Entry::Blob(name, ()) => name.to_owned(),
                Entry::Prefix(name) => format!("[{name}]"),
            }));
            if next.is_empty() {
                return all;
            }
            wanted.marker = next;
        }
    }

    #[test]
    fn a_list_is_the_same_in_pages_of_any_size() {
        for most in 1..=7 {
            let all = ["a", "b/1", "b/2", "b/c/3", "bee", "d/1"];
            assert_eq!(listed("", "", most), all, "{most}");
            assert_eq!(listed("b/", "", most), ["b/1", "b/2", "b/c/3"]);
            assert_eq!(listed("", "/", most), ["a", "[b/]", "bee", "[d/]"]);
            assert_eq!(listed("b/", "/", most), ["b/1", "b/2", "[b/c/]"]);
            assert!(listed("x", "", most).is_empty());
        }
    }
}
