//! Imports and exports that are refused, by the hub or by the container.

use super::*;

#[tokio::test]
async fn a_container_that_cannot_be_used_fails_the_job_and_not_the_request() {
    let (storage, bench) = (Storage::open().await, Bench::new());
    let _stop = bench.employ();
    let missing = bench.transferred(import(&storage)).await;
    assert_eq!(missing["status"], "failed");
    let reason = missing["failureReason"].as_str().expect("text");
    assert!(
        reason.starts_with("BlobContainerValidationError: cannot read devices.txt: "),
        "{reason}"
    );
    assert!(
        reason.ends_with("answered 404 Not Found (BlobNotFound)"),
        "{reason}"
    );
    for uri in [
        storage.uri.replace("s3cret", "wrong"),
        "http://127.0.0.1:1/container?sig=s3cret".to_owned(),
        "https://127.0.0.1:1/container?sig=s3cret".to_owned(),
    ] {
        let job = json!({"type": "export", "outputBlobContainerUri": uri});
        let failed = bench.transferred(job).await;
        assert_eq!(failed["status"], "failed");
        assert!(!failed.to_string().contains("sig="), "{failed}");
    }
    let listed = bench.ask("GET", "/jobs", Value::Null).await.body;
    assert_eq!(listed.as_array().map(Vec::len), Some(4));
    assert_eq!(listed[3]["type"], "import");
    // Of a job of this kind the other face knows that it is one.
    let id = missing["jobId"].as_str().expect("an id");
    let other = bench
        .ask("GET", &format!("/jobs/v2/{id}"), Value::Null)
        .await;
    assert_eq!(other.body["status"], "unknown");
}

#[tokio::test]
async fn what_is_wrong_with_a_transfer_is_named() {
    let bench = Bench::new();
    let uri = "https://localhost/container?sig=s3cret";
    let good =
        json!({"type": "import", "inputBlobContainerUri": uri, "outputBlobContainerUri": uri});
    for (name, value) in [
        ("type", json!(null)),
        ("type", json!("backup")),
        ("type", json!(1)),
        ("inputBlobContainerUri", json!(null)),
        ("inputBlobContainerUri", json!("ftp://x/?sig=s3cret")),
        ("outputBlobContainerUri", json!("")),
        ("outputBlobContainerUri", json!({})),
        ("outputBlobContainerUri", json!("container?sig=s3cret")),
        ("inputBlobName", json!(1)),
        ("outputBlobName", json!("x".repeat(1025))),
        ("excludeKeysInExport", json!("yes")),
        ("includeConfigurations", json!(1)),
        ("configurationsBlobName", json!([])),
        ("storageAuthenticationType", json!("identityBased")),
    ] {
        let mut job = good.clone();
        job[name] = value;
        let refused = bench.ask("POST", "/jobs/create", job).await;
        assert_eq!(refused.refused(), 400_004);
        let message = refused.body["Message"].as_str().expect("text");
        assert!(message.contains(&format!(": {name} ")), "{message}");
        assert!(!message.contains("s3cret"), "{message}");
    }
}
