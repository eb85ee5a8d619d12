use serde::{Deserialize, Serialize};

use crate::BoardError;

/// The battery's fuel gauge.
pub trait Gauge: Send {
    /// Reads the registers once, without repeating and without judging what comes.
    ///
    /// Gauges on a bay's I2C bus fail often (the tool for the pi-top pack tries up to twenty
    /// times) and sometimes answer nonsense, so the caller retries, checks, and reports how well
    /// reading went.
    ///
    /// # Errors
    /// [`BoardError`] when this attempt failed; the next one may succeed.
    fn read(&mut self) -> impl Future<Output = Result<GaugeReading, BoardError>> + Send;
}

/// One reading of the registers, as the gauge gave them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GaugeReading {
    /// Voltage of the whole pack.
    pub voltage_mv: u32,
    /// Current into the pack: negative while it feeds the board. `None` from a gauge that measures none.
    pub current_ma: Option<i32>,
    /// Charge the gauge believes in. Not clamped: a broken gauge says 120.
    pub charge_percent: u8,
    /// Time left at this current; `None` while charging or when the gauge does not know.
    pub minutes_to_empty: Option<u32>,
}
