//! Finding what sessions made by its label, and removing it: at the end of one, and at the start of the next where one
//! was killed.
//!
//! Containers come first, because networks, volumes and images in use cannot be removed. What cannot be removed is
//! logged and left: the next start tries again.

use std::collections::HashMap;
use std::path::Path;

use bollard::Docker;
use bollard::errors::Error;
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListImagesOptionsBuilder, ListNetworksOptionsBuilder,
    ListVolumesOptionsBuilder, RemoveContainerOptionsBuilder, RemoveImageOptionsBuilder,
    RemoveVolumeOptionsBuilder,
};
use futures_util::future::join_all;

use super::OWNER;
use super::fault::{is_missing, reason};

type Labels = HashMap<String, String>;

/// Removes all of whose owner `is_meant`.
pub(super) async fn sweep(docker: &Docker, is_meant: impl Fn(&Path) -> bool) {
    let marked = HashMap::from([("label", vec![OWNER])]);
    let is_meant = |labels: &Labels| {
        labels
            .get(OWNER)
            .is_some_and(|owner| is_meant(Path::new(owner)))
    };

    let options = ListContainersOptionsBuilder::new().all(true);
    let listed = docker.list_containers(Some(options.filters(&marked).build()));
    let containers = found(listed.await, "containers").into_iter();
    let containers = containers.filter(|found| found.labels.as_ref().is_some_and(is_meant));
    let containers = containers.filter_map(|found| found.id);
    let forced = RemoveContainerOptionsBuilder::new().force(true).v(true);
    let forced = forced.build();
    join_all(containers.map(|id| {
        let forced = Some(forced.clone());
        async move { note(docker.remove_container(&id, forced).await, "container", &id) }
    }))
    .await;

    let options = ListVolumesOptionsBuilder::new().filters(&marked).build();
    let listed = docker.list_volumes(Some(options)).await;
    let volumes = found(
        listed.map(|list| list.volumes.unwrap_or_default()),
        "volumes",
    );
    for volume in volumes.iter().filter(|found| is_meant(&found.labels)) {
        let forced = RemoveVolumeOptionsBuilder::new().force(true).build();
        let removed = docker.remove_volume(&volume.name, Some(forced)).await;
        note(removed, "volume", &volume.name);
    }

    let options = ListNetworksOptionsBuilder::new().filters(&marked).build();
    let networks = found(docker.list_networks(Some(options)).await, "networks").into_iter();
    let networks = networks.filter(|found| found.labels.as_ref().is_some_and(is_meant));
    for id in networks.filter_map(|found| found.id) {
        note(docker.remove_network(&id).await, "network", &id);
    }

    let options = ListImagesOptionsBuilder::new().all(true).filters(&marked);
    let listed = docker.list_images(Some(options.build())).await;
    let images = found(listed, "images");
    for image in images.iter().filter(|found| is_meant(&found.labels)) {
        let forced = RemoveImageOptionsBuilder::new().force(true).build();
        let removed = docker.remove_image(&image.id, Some(forced), None).await;
        note(removed.map(drop), "image", &image.id);
    }
}

fn found<T>(listed: Result<Vec<T>, Error>, what: &str) -> Vec<T> {
    listed.unwrap_or_else(|error| {
        let error = reason(&error);
        tracing::warn!(
            what,
            error,
            "The container engine does not list what is there"
        );
        Vec::new()
    })
}

fn note(removed: Result<(), Error>, kind: &str, name: &str) {
    match removed {
        Ok(()) => tracing::debug!(kind, name, "Removed from the container engine"),
        // Somebody was quicker.
        Err(error) if is_missing(&error) => {}
        Err(error) => {
            let error = reason(&error);
            tracing::warn!(kind, name, error, "The container engine keeps something");
        }
    }
}
