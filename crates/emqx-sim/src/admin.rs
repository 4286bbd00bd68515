//! The port for tests, never part of EMQX: faults, numbers of clients, loss of the volume.
