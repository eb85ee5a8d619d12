use super::*;

#[tokio::test]
async fn a_signature_opens_no_more_than_it_says() {
    let bench = Bench::new(None);
    bench.put("/a", "1").await;
    let ask = async |method: &str, blob: &str, query: &str| {
        let kind = [("x-ms-blob-type", "BlockBlob")];
        let path = format!("/blob/files{blob}{query}");
        bench.send(method, &path, &kind, "2").await
    };
    let read = bench.signed(Some("a"), "r");
    assert_eq!(ask("GET", "/a", &read).await.status, 200);
    for (method, blob, query, code) in [
        (
            "PUT",
            "/a",
            read.as_str(),
            "AuthorizationPermissionMismatch",
        ),
        ("DELETE", "/a", &read, "AuthorizationPermissionMismatch"),
        ("GET", "/b", &read, "AuthenticationFailed"),
        ("GET", "/a", "", "AuthenticationFailed"),
        (
            "GET",
            "/a",
            "?sv=2020-12-06&sr=b&sp=r&se=2099-01-01&sig=AAAA",
            "AuthenticationFailed",
        ),
        (
            "PUT",
            "/a?comp=block&blockid=QQ==",
            &read.replacen('?', "&", 1),
            "AuthorizationPermissionMismatch",
        ),
    ] {
        let refused = ask(method, blob, query).await;
        assert_eq!(
            (refused.status, refused.code()),
            (403, code),
            "{method} {blob}{query}"
        );
    }
    let create = bench.signed(Some("a"), "c");
    assert_eq!(
        ask("PUT", "/a", &create).await.status,
        403,
        "it would overwrite"
    );
    let list = format!(
        "?restype=container&comp=list{}",
        bench.signed(None, "r").replacen('?', "&", 1)
    );
    assert_eq!(ask("GET", "", &list).await.status, 403);
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let bench = Bench::new(None);
    let kind = |kind| [("x-ms-blob-type", kind)];
    let page = kind("PageBlob");
    for (method, blob, query, headers, status, code) in [
        ("PUT", "/a", "", &page[..], 400, "InvalidHeaderValue"),
        ("PUT", "/a", "", &[], 400, "MissingRequiredHeader"),
        (
            "PUT",
            "/a",
            "comp=block",
            &[],
            400,
            "InvalidQueryParameterValue",
        ),
        (
            "PUT",
            "/a",
            "comp=block&blockid=!",
            &[],
            400,
            "InvalidQueryParameterValue",
        ),
        (
            "PUT",
            "/a",
            "comp=blocklist",
            &[],
            400,
            "InvalidXmlDocument",
        ),
        (
            "PUT",
            "/a",
            "comp=lease",
            &[],
            400,
            "UnsupportedQueryParameter",
        ),
        (
            "PUT",
            "/a",
            "",
            &[("x-ms-blob-type", "BlockBlob"), ("x-ms-meta-1a", "x")],
            400,
            "InvalidMetadata",
        ),
        ("POST", "/a", "", &[], 405, "UnsupportedHttpVerb"),
        (
            "GET",
            "",
            "restype=container&comp=list&maxresults=x",
            &[],
            400,
            "InvalidQueryParameterValue",
        ),
        (
            "GET",
            "/a",
            "comp=blocklist&blocklisttype=x",
            &[],
            400,
            "InvalidQueryParameterValue",
        ),
    ] {
        let answer = bench.ask_with(method, blob, query, headers, "x").await;
        assert_eq!(
            (answer.status, answer.code()),
            (status, code),
            "{method} {query}"
        );
    }
    for path in ["/blob", "/blob/", "/blob/A", "/blob/files/%FF"] {
        assert_eq!(bench.send("GET", path, &[], "").await.status, 400, "{path}");
    }
    let elsewhere = bench.send("GET", "/blob/elsewhere/a", &[], "").await;
    assert_eq!(elsewhere.status, 403);
}
