//! hc-sr04
