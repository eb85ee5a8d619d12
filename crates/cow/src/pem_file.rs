//! Certificates in files.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};

/// The text of a PEM file that holds a certificate. Whether it is any good, the simulator says; whether it is the right
/// file, in the first place that it holds no key, has to be said before it is sent.
pub(crate) fn read(path: &Path) -> anyhow::Result<String> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read the certificate {}", path.display()))?;
    if !text.contains("-----BEGIN CERTIFICATE-----") {
        bail!("{} holds no certificate in PEM", path.display());
    }
    if text.contains("PRIVATE KEY-----") {
        bail!(
            "{} holds a private key, which belongs to the device: give its certificate alone",
            path.display()
        );
    }
    Ok(text)
}
