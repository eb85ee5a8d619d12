//! The board's lamp, kept at the colour it should have.

use std::time::Duration;

use bay::Colour;
use board::Lamp;
use module::error_chain;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

/// A board that was restarted is dark, so the colour is said again from time to time.
const SAY_AGAIN: Duration = Duration::from_secs(5);
/// The wait after the lamp could not be reached.
const TRY_AGAIN: Duration = Duration::from_millis(500);
/// How long the last colour may take when the module stops.
const LAST_COLOUR_WITHIN: Duration = Duration::from_secs(1);

/// Lets the lamp shine, in a task of its own, so that a board that hangs holds nobody up. Only the
/// newest colour counts.
#[derive(Debug)]
pub struct Painter {
    colour: watch::Sender<Colour>,
    shown: watch::Receiver<Shown>,
    task: JoinHandle<()>,
}

/// Whether the lamp shows its colour, and why not.
pub type Shown = Result<(), String>;

impl Painter {
    /// Starts with a dark lamp.
    pub fn start(lamp: impl Lamp + 'static) -> Self {
        let (colour, colours) = watch::channel(Colour::OFF);
        let (tell, shown) = watch::channel(Ok(()));
        Self {
            colour,
            shown,
            task: tokio::spawn(paint(lamp, colours, tell)),
        }
    }

    /// Lets the lamp shine in this colour from here on.
    pub fn shine(&self, colour: Colour) {
        self.colour.send_replace(colour);
    }

    /// Waits for the first attempt at the lamp, and then until it goes otherwise; `None` when the task has ended, which it
    /// does not by itself. Nothing is lost when the future is dropped.
    pub async fn shown(&mut self) -> Option<Shown> {
        self.shown.changed().await.ok()?;
        Some(self.shown.borrow_and_update().clone())
    }

    /// Leaves the lamp dark: a lamp that nobody drives any more must not go on saying "free".
    pub async fn stop(mut self) {
        let Self { colour, task, .. } = &mut self;
        colour.send_replace(Colour::OFF);
        // The task paints what it was told last before it sees that nobody is left to tell it more.
        drop(std::mem::replace(colour, watch::channel(Colour::OFF).0));
        if timeout(LAST_COLOUR_WITHIN, task).await.is_err() {
            warn!("the lamp could not be darkened");
        }
    }
}

impl Drop for Painter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn paint(
    mut lamp: impl Lamp,
    mut colours: watch::Receiver<Colour>,
    tell: watch::Sender<Shown>,
) {
    let mut known: Option<Shown> = None;
    loop {
        let colour = *colours.borrow_and_update();
        let shown = lamp.set(colour).await.map_err(|error| error_chain(&error));
        let again = if shown.is_ok() { SAY_AGAIN } else { TRY_AGAIN };
        if known.as_ref() != Some(&shown) {
            match &shown {
                Ok(()) if known.is_none() => {}
                Ok(()) => info!("the lamp can be reached again"),
                Err(error) => warn!(error, "the lamp cannot be reached"),
            }
            let _ = tell.send_replace(shown.clone());
            known = Some(shown);
        }
        tokio::select! {
            // An error means that nobody is left, and that there is no colour that was not painted.
            changed = colours.changed() => if changed.is_err() { return },
            () = sleep(again) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use board::BoardError;
    use tokio::time::Instant;

    use super::*;

    type Told = Arc<Mutex<Vec<(u128, Colour)>>>;

    /// A lamp that remembers what it was told and when, and fails at first as often as it should.
    struct Remembering {
        told: Told,
        failures: u32,
        start: Instant,
    }

    impl Lamp for Remembering {
        async fn set(&mut self, colour: Colour) -> Result<(), BoardError> {
            if self.failures > 0 {
                self.failures -= 1;
                return Err(BoardError::Fault {
                    reason: "no board".to_owned(),
                });
            }
            self.told
                .lock()
                .expect("no panic while told")
                .push((self.start.elapsed().as_millis(), colour));
            Ok(())
        }
    }

    fn painter(failures: u32) -> (Painter, Told) {
        let told = Told::default();
        (
            Painter::start(Remembering {
                told: Arc::clone(&told),
                failures,
                start: Instant::now(),
            }),
            told,
        )
    }

    #[tokio::test(start_paused = true)]
    async fn the_colour_is_said_again() {
        let (painter, told) = painter(0);
        sleep(Duration::from_secs(1)).await;
        painter.shine(Colour::RED);
        sleep(Duration::from_secs(7)).await;

        assert_eq!(
            *told.lock().expect("told"),
            [(0, Colour::OFF), (1000, Colour::RED), (6000, Colour::RED)]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_lamp_out_of_reach_gets_the_newest_colour_when_it_is_back() {
        let (painter, told) = painter(3);
        sleep(Duration::from_millis(100)).await;
        painter.shine(Colour::GREEN);
        sleep(Duration::from_millis(100)).await;
        painter.shine(Colour::RED);
        sleep(Duration::from_secs(1)).await;

        assert_eq!(*told.lock().expect("told"), [(700, Colour::RED)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_leaves_it_dark() {
        let (painter, told) = painter(0);
        painter.shine(Colour::GREEN);
        sleep(Duration::from_millis(1)).await;
        painter.stop().await;

        assert_eq!(
            told.lock().expect("told").last().map(|(_, colour)| *colour),
            Some(Colour::OFF)
        );
    }
}
