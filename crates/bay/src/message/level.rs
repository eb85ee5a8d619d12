use serde::{Deserialize, Serialize};

use crate::Alarm;

/// Output `level` of battery, and the answer of its method `getBatteryLevel`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LevelReport {
    /// Charge left, 0 to 100; `null` when the gauge gave no plausible reading.
    pub charge_percent: Option<u8>,
    /// Voltage of the whole pack.
    pub voltage_mv: Option<u32>,
    /// Current into the pack: negative while it feeds the board.
    pub current_ma: Option<i32>,
    /// Time left at this current; `null` while charging or when the gauge does not know.
    pub minutes_to_empty: Option<u32>,
    /// The share of the last attempts at the gauge that gave a plausible reading, 0 to 1.
    pub quality: f64,
    /// Whether somebody should come.
    pub alarm: Alarm,
}

impl LevelReport {
    /// The output's name, and its value of the `kind` property.
    pub const OUTPUT: &'static str = "level";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_on_the_wire() {
        let body = r#"{"chargePercent":87,"voltageMv":7420,"currentMa":-310,"minutesToEmpty":412,"quality":1.0,"alarm":"none"}"#;
        let report: LevelReport = serde_json::from_str(body).expect("the body of design 4.1");

        assert_eq!(report.current_ma, Some(-310));
        assert_eq!(serde_json::to_string(&report).expect("a report"), body);
    }
}
