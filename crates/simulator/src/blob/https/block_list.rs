//! Lists of blocks: the XML that puts a blob together, and the one that says what there is of it.

use std::fmt::Write;

use axum::http::StatusCode;
use axum::response::Response;
use thiserror::Error;

use super::Asked;
use super::answer::{Fault, element, put, xml};
use crate::blob::Part;
use crate::blob::sas::Permission;
use crate::hub::{Among, BlobFault};

/// Why a body is no list of blocks.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum ListFault {
    #[error("The block list is no UTF-8.")]
    Encoding,
    #[error("The body is no BlockList.")]
    NoList,
    #[error(
        "The block list has {0:?} where a block belongs: Latest, Committed or Uncommitted with an id."
    )]
    Element(String),
}

/// Reads `<BlockList><Latest>id</Latest>…</BlockList>`. It holds nothing but elements with ids, which are base64 and
/// need no escapes, so that no more of XML is understood here.
///
/// # Errors
/// What is not as it should be.
pub(super) fn parse(body: &[u8]) -> Result<Vec<(Among, String)>, ListFault> {
    let text = std::str::from_utf8(body).map_err(|_| ListFault::Encoding)?;
    let text = text.trim_start_matches('\u{feff}').trim();
    let text = match text.strip_prefix("<?xml") {
        Some(rest) => rest.split_once("?>").ok_or(ListFault::NoList)?.1.trim(),
        None => text,
    };
    if matches!(text, "<BlockList/>" | "<BlockList />") {
        return Ok(Vec::new());
    }
    let inner = text
        .strip_prefix("<BlockList>")
        .and_then(|rest| rest.strip_suffix("</BlockList>"))
        .ok_or(ListFault::NoList)?;
    let mut blocks = Vec::new();
    let mut rest = inner.trim();
    while !rest.is_empty() {
        let (block, after) =
            block(rest).ok_or_else(|| ListFault::Element(rest.chars().take(40).collect()))?;
        blocks.push(block);
        rest = after.trim_start();
    }
    Ok(blocks)
}

fn block(text: &str) -> Option<((Among, String), &str)> {
    let (name, rest) = text.strip_prefix('<')?.split_once('>')?;
    let among = match name {
        "Latest" => Among::Latest,
        "Committed" => Among::Committed,
        "Uncommitted" => Among::Uncommitted,
        _ => return None,
    };
    let (id, rest) = rest.split_once("</")?;
    let rest = rest.strip_prefix(name)?.strip_prefix('>')?;
    let id = id.trim();
    (!id.is_empty() && !id.contains(['<', '&'])).then(|| ((among, id.to_owned()), rest))
}

impl Asked<'_> {
    /// `Get Block List`
    pub(super) fn block_list(&self, name: &str) -> Result<Response, Fault> {
        self.authorize(Permission::Read)?;
        let kind = self.query("blocklisttype").unwrap_or_default();
        let (committed, uncommitted) = match kind.to_ascii_lowercase().as_str() {
            "" | "committed" => (true, false),
            "uncommitted" => (false, true),
            "all" => (true, true),
            _ => {
                let what = "must be committed, uncommitted or all";
                return Err(Fault::parameter("blocklisttype", what));
            }
        };
        let (body, length) = self.hub.container(self.container, |container| {
            let blob = container.blobs.get(name);
            let staged = container.staged.get(name);
            if blob.is_none() && staged.is_none() {
                return Err(BlobFault::NoBlob);
            }
            let mut body = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");
            if committed {
                let parts = blob.iter().flat_map(|blob| &blob.parts);
                // What was written whole has no blocks.
                let blocks = parts.filter(|part| !part.block.is_empty());
                write_blocks(&mut body, "CommittedBlocks", blocks);
            }
            if uncommitted {
                let blocks = staged.into_iter().flat_map(|blocks| blocks.values());
                write_blocks(
                    &mut body,
                    "UncommittedBlocks",
                    blocks.map(|block| &block.part),
                );
            }
            body.push_str("</BlockList>");
            Ok((body, blob.map_or(0, crate::blob::Blob::length)))
        })??;
        let mut response = xml(StatusCode::OK, body);
        put(
            &mut response,
            "x-ms-blob-content-length",
            &length.to_string(),
        );
        Ok(response)
    }
}

fn write_blocks<'a>(out: &mut String, name: &str, blocks: impl Iterator<Item = &'a Part>) {
    // Writing into a text cannot fail.
    let _ = write!(out, "<{name}>");
    for block in blocks {
        out.push_str("<Block>");
        element(out, "Name", &block.block);
        element(out, "Size", &block.length.to_string());
        out.push_str("</Block>");
    }
    let _ = write!(out, "</{name}>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_blocks_in_order() {
        let body = b"\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<BlockList>\n <Latest>QQ==</Latest><Committed>Qg==</Committed>\n <Uncommitted>Qw==</Uncommitted></BlockList>\n";
        let expected = [
            (Among::Latest, "QQ==".to_owned()),
            (Among::Committed, "Qg==".to_owned()),
            (Among::Uncommitted, "Qw==".to_owned()),
        ];
        assert_eq!(parse(body).as_deref(), Ok(&expected[..]));
        for empty in ["<BlockList/>", "<BlockList />", "<BlockList></BlockList>"] {
            assert_eq!(parse(empty.as_bytes()), Ok(Vec::new()), "{empty}");
        }
    }

    #[test]
    fn what_is_no_list_is_refused() {
        assert_eq!(parse(b"\xff"), Err(ListFault::Encoding));
        for body in ["", "<BlockList>", "<Blocks></Blocks>", "<?xml <BlockList/>"] {
            assert_eq!(parse(body.as_bytes()), Err(ListFault::NoList), "{body}");
        }
        for inner in [
            "<Latest></Latest>",
            "<Latest>QQ==</Committed>",
            "<Newest>QQ==</Newest>",
            "QQ==",
            "<Latest>Q<!-- -->Q==</Latest>",
            "<Latest>&amp;</Latest>",
        ] {
            let body = format!("<BlockList>{inner}</BlockList>");
            let refused = parse(body.as_bytes());
            assert!(matches!(refused, Err(ListFault::Element(_))), "{inner}");
        }
    }
}
