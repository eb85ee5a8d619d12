//! Pinned below.
