//! street-tests
