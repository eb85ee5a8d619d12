//! The Edge configuration of a device: reading and changing the identity in it, and nothing else.
