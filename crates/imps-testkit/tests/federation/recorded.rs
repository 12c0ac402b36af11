//! What went over the wire in a test, for the table of conformance (`cargo xtask generate`).

use std::collections::BTreeSet;
use std::path::Path;

use imps_proto::ssp::NAMES;

use super::between::Wire;

/// The domain that is no server of ours.
const PYTHON: &str = "b.example";
const OF_PYTHON: &str = "baraza";

/// Leaves which primitives servers of ours sent and received in a test.
pub(super) fn record(test: &str, wire: &Wire) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ssp");
    std::fs::create_dir_all(&folder).expect("a folder for what went over the wire");
    let known = |name: &str| NAMES.iter().any(|one| one.as_str() == name);
    let is_ours = |domain: &str| !(test.starts_with(OF_PYTHON) && domain == PYTHON);
    let mut rows = BTreeSet::new();
    for posted in wire.since(0) {
        for name in posted.names().into_iter().filter(|name| known(name)) {
            rows.extend((is_ours(&posted.from) && !posted.is_forged).then(|| format!("sent\t{name}\n")));
            rows.extend(is_ours(&posted.to).then(|| format!("received\t{name}\n")));
        }
    }
    std::fs::write(folder.join(format!("{test}.txt")), rows.into_iter().collect::<String>()).expect("the recording");
    let name = |name: &imps_proto::ssp::Name| {
        let row = name.row();
        let service = row.service.map_or("\u{2013}", |service| service.as_str());
        format!("{name}\t{:?}\t{service}\t{:?}\n", row.kind, row.source)
    };
    let names: String = NAMES.iter().map(name).collect();
    // Several tests may write it at once, each the same: never half of it.
    let (whole, half) = (folder.join("names.txt"), folder.join(format!("{test}.half")));
    std::fs::write(&half, names).and_then(|()| std::fs::rename(&half, &whole)).expect("the names");
}
