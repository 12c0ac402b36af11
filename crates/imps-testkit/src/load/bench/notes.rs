//! What is said beside a figure.

use crate::load::Latencies;
use crate::load::server::stolen;

pub(super) fn stolen_since((stolen_before, all_before): (u64, u64)) -> f64 {
    let (stolen, all) = stolen();
    (stolen - stolen_before.min(stolen)) as f64 / (all.saturating_sub(all_before)).max(1) as f64
}

/// Worth saying only where it is a virtual machine that does not get all it asks for.
pub(super) fn stolen_note(share: f64) -> String {
    if share < 0.005 {
        return String::new();
    }
    format!("; {:.0} % of the processors were taken by the host of this virtual machine", share * 100.0)
}

pub(super) fn latency_note(what: &str, latencies: &Latencies) -> String {
    format!("{what}: p50 {:.2} ms, p99 {:.2} ms", latencies.at(0.5), latencies.at(0.99))
}
