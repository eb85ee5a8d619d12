use serde::{Deserialize, Serialize};

use crate::BoardError;

/// The bay's lamp: three channels, shining until told otherwise.
pub trait Lamp: Send {
    /// Shows `colour` from the moment this returns. Blinking is the caller's business.
    ///
    /// A board that was restarted is dark: whoever wants the colour to survive that says it again
    /// from time to time.
    ///
    /// # Errors
    /// [`BoardError`] when the lamp could not be reached; it then shows what it showed before.
    fn set(&mut self, colour: Colour) -> impl Future<Output = Result<(), BoardError>> + Send;
}

/// The brightness of the three channels, 0 (off) to 255 (full).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Colour {
    /// Red channel.
    pub red: u8,
    /// Green channel.
    pub green: u8,
    /// Blue channel.
    pub blue: u8,
}

impl Colour {
    /// All channels off.
    pub const DARK: Self = Self::new(0, 0, 0);

    /// A colour from its channels.
    pub const fn new(red: u8, green: u8, blue: u8) -> Self {
        Self { red, green, blue }
    }

    /// Whether every channel is off.
    pub const fn is_dark(self) -> bool {
        self.red == 0 && self.green == 0 && self.blue == 0
    }
}
