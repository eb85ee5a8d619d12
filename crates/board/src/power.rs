//! The machine's own power: restarting it.

mod logind;

use std::future::Future;

pub use logind::Logind;

use crate::BoardError;

/// The power of the machine a bay's modules run on.
pub trait Power: Send {
    /// Has the machine restart in order. It has begun to when this returns: the caller is stopped soon.
    ///
    /// # Errors
    /// [`BoardError`] when nobody who could do it was reached, or when they refused; the machine goes on then.
    fn reboot(&mut self) -> impl Future<Output = Result<(), BoardError>> + Send;
}
