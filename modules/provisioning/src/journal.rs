//! A change of identity in progress, on disk, so that a restart can finish it or undo it.
