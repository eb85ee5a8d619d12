use bay::Colour;

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
