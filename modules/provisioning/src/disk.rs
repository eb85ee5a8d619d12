//! Replacing a file so that a power cut leaves the old one or the new one, whole.
