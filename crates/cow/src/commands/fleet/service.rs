//! The service itself, as one process.

use std::io;
use std::time::Instant;

use anyhow::Context;
use fleet::serve::Prepared;
use fleet::settings::{HubStrings, Settings};
use fleet::tiles::Tiles;
use tokio_util::sync::CancellationToken;
use transport::Trust;

use super::{Args, Ready};
use crate::output::{self, FAINT, GOOD, STRONG, paint};
use crate::stop::Stop;

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let begun = Instant::now();
    args.log.init();
    let mut stop = Stop::listen()?;
    let (json, until_input_ends, street) = (args.json, args.until_input_ends, args.street.clone());
    let prepared = Prepared::new(args.settings()?).await?;
    fleet::street::settle(prepared.app(), &street).await?;
    let ready = Ready {
        ready: true,
        fleet: prepared.url().to_owned(),
        administrator: fleet::people::first_link(prepared.app()).await?,
    };
    let stopping = CancellationToken::new();
    let mut running = tokio::spawn(prepared.run(stopping.clone()));
    if json.json {
        output::line(&serde_json::to_string(&ready)?)?;
    } else {
        let seconds = format!("({:.2} s)", begun.elapsed().as_secs_f64());
        let (word, page) = (paint("ready", GOOD), paint(&ready.fleet, STRONG));
        output::line(&format!("{word} {} {page}", paint(&seconds, FAINT)))?;
        if let Some(link) = &ready.administrator {
            output::line(&format!("first administrator, once: {link}"))?;
        }
    }
    if until_input_ends {
        watch_input(stopping.clone());
    }
    tokio::select! {
        () = stop.asked() => stopping.cancel(),
        () = stopping.cancelled() => {}
        ended = &mut running => return Ok(ended?),
    }
    running.await?;
    Ok(())
}

impl Args {
    fn settings(self) -> anyhow::Result<Settings> {
        let database = self
            .database
            .map_or("sqlite:fleet.db".to_owned(), |text| text.0);
        let tiles = self.tiles.map(|template| {
            let attribution = self.tiles_attribution.unwrap_or_default();
            Tiles::new(&template, &attribution, self.tiles_max_zoom)
                .with_context(|| format!("the address of map tiles, {template:?}, cannot be used"))
        });
        anyhow::ensure!(
            self.hub.len() == self.events.len(),
            "--hub is there {} times and --events {} times: each hub has its own, in the same order",
            self.hub.len(),
            self.events.len()
        );
        let hubs = self.hub.into_iter().zip(self.events);
        let hubs = hubs.map(|(service, events)| HubStrings {
            service: service.0,
            events: events.0,
        });
        Ok(Settings {
            listen: self.listen,
            public_url: self.public_url.unwrap_or_default(),
            behind_proxy: self.behind_proxy,
            database,
            hubs: hubs.collect(),
            provisioning: self.provisioning.0,
            id_scope: self.id_scope,
            consumer_group: self.consumer_group,
            trust: self.ca_file.map_or(Trust::System, Trust::File),
            stock_group: self.stock_group,
            silent_after_s: self.silent_after,
            reserved_soon_s: self.reserved_soon,
            no_show_after_s: self.no_show_after,
            country: self.country,
            history_days: self.history_days,
            tiles: tiles.transpose()?,
        })
    }
}

/// Tells when nobody holds the other end of standard input any more.
fn watch_input(ended: CancellationToken) {
    // A thread of its own, which the process does not wait for: nothing else reads without end.
    std::thread::spawn(move || {
        // However reading ends, nobody is there to ask for more.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        ended.cancel();
    });
}
