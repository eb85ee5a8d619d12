//! One import or export, from its first blob to its last.

use hub_proto::error::ErrorCode;

use super::blobs;
use crate::hub::{Errand, Hub, Lines};
use crate::registry::{Container, Direction, End, Transfer};
use crate::service::{read_configuration, read_device};
use crate::with_causes;

/// Where an import says what it could not do, a line for each.
const ERRORS_BLOB: &str = "importErrors.log";
/// Lines between which others have their turn at the hub.
const LINES_AT_ONCE: usize = 32;

/// Carries out transfers, each from where a restart left it, until none is open. How they ended is in the registry.
pub(super) async fn work(hub: &Hub, authority_pem: &str) {
    while let Some(errand) = hub.next_errand() {
        tokio::select! {
            biased;
            // What is dropped here may have got anywhere, but does not reach for anybody's blobs any more.
            () = errand.over.cancelled() => {}
            () = carry_out(hub, &errand, authority_pem) => {}
        }
    }
}

async fn carry_out(hub: &Hub, errand: &Errand, authority_pem: &str) {
    let transfer = &errand.transfer;
    let done = match &transfer.direction {
        Direction::Export { exclude_keys } => {
            export(hub, transfer, *exclude_keys, authority_pem).await
        }
        Direction::Import { input, .. } => import(hub, errand, input, authority_pem).await,
    };
    let (end, reason) = match done {
        Ok(()) => (End::Completed, None),
        Err(reason) => (End::Failed, Some(reason)),
    };
    hub.end_errand(errand, end, reason);
}

async fn export(
    hub: &Hub,
    transfer: &Transfer,
    exclude_keys: bool,
    authority_pem: &str,
) -> Result<(), String> {
    let mut devices = Vec::new();
    let mut last = None;
    while let Some(next) =
        hub.export_devices(last.as_deref(), exclude_keys, LINES_AT_ONCE, &mut devices)
    {
        last = Some(next);
        hub.give_way().await;
    }
    let output = &transfer.output;
    write(output, &transfer.devices_blob, devices, authority_pem).await?;
    if let Some(blob) = &transfer.configurations_blob {
        let configurations = hub.export_configurations().await;
        let configurations = configurations.map_err(|error| with_causes(&error))?;
        write(output, blob, configurations, authority_pem).await?;
    }
    Ok(())
}

async fn import(
    hub: &Hub,
    errand: &Errand,
    input: &Container,
    authority_pem: &str,
) -> Result<(), String> {
    let Errand { id, transfer, .. } = errand;
    let devices = read(input, &transfer.devices_blob, authority_pem).await?;
    let configurations = match &transfer.configurations_blob {
        Some(blob) => read(input, blob, authority_pem).await?,
        None => String::new(),
    };
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(devices.as_bytes());
    checksum.update(configurations.as_bytes());
    let checksum = checksum.finalize();
    let devices: Vec<&str> = lines_of(&devices).collect();
    let configurations: Vec<&str> = lines_of(&configurations).collect();
    let of = devices.len() + configurations.len();
    let mut done = hub.import_progress(id, checksum, of)?;
    while done < of {
        let end = of.min(done + LINES_AT_ONCE);
        let read = (done..end).map(|at| match devices.get(at) {
            Some(line) => read_device(line, at + 1),
            None => {
                let at = at - devices.len();
                read_configuration(configurations[at], at + 1)
            }
        });
        done = end;
        let lines = Lines {
            read: read.collect(),
            checksum,
            done,
            of,
        };
        if !hub.import(errand, lines) {
            // Nothing may come of it any more.
            return Ok(());
        }
        hub.give_way().await;
    }
    let errors = hub.import_errors(id);
    write(&transfer.output, ERRORS_BLOB, errors, authority_pem).await
}

/// Lines that say something: files may end with a line's end, and begin with a mark.
fn lines_of(text: &str) -> impl Iterator<Item = &str> {
    text.trim_start_matches('\u{feff}')
        .lines()
        .filter(|line| !line.trim().is_empty())
}

async fn read(container: &Container, blob: &str, authority_pem: &str) -> Result<String, String> {
    let bytes = blobs::get(container, blob, authority_pem)
        .await
        .map_err(|fault| refused("read", blob, &fault))?;
    String::from_utf8(bytes.into()).map_err(|error| refused("read", blob, &error))
}

async fn write(
    container: &Container,
    blob: &str,
    body: Vec<u8>,
    authority_pem: &str,
) -> Result<(), String> {
    blobs::put(container, blob, body, authority_pem)
        .await
        .map_err(|fault| refused("write", blob, &fault))
}

/// As a job says why it failed.
fn refused(action: &str, blob: &str, fault: &dyn std::error::Error) -> String {
    let code = ErrorCode::BlobContainerValidationError.name();
    format!("{code}: cannot {action} {blob}: {}", with_causes(fault))
}
