use crate::BoardError;

/// The temperature of the air the sound travels through.
pub trait Thermometer: Send {
    /// Reads the temperature, in degrees Celsius.
    ///
    /// # Errors
    /// [`BoardError`] when there is no thermometer or it does not answer; the caller then works
    /// with an assumed temperature and says so.
    fn celsius(&mut self) -> impl Future<Output = Result<f32, BoardError>> + Send;
}
