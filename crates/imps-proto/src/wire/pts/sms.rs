//! Messages that are longer than one SMS.
