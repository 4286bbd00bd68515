//! Calls over TCP.
