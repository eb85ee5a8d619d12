//! hub-proto
