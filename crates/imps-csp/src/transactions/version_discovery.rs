//! *WV-CSP-VersionDiscovery-Request*: which versions are spoken here. CSP 3.

use imps_proto::Space;
use imps_proto::csp::{VersionDiscoveryRequest, VersionDiscoveryResponse, VersionList};
use imps_proto::wire::Namespace;
use imps_service::Error;
use imps_types::Version;

use super::{Cx, Reply, Transaction};

const VERSIONS: [Version; 3] = [Version::V1_1, Version::V1_2, Version::V1_3];

impl Transaction for VersionDiscoveryRequest {
    async fn run(self, _: &Cx<'_>) -> Result<Reply, Error> {
        let wished = self.version_list;
        let known = |space: Space, wished: Option<&Vec<Box<str>>>| -> Vec<Box<str>> {
            let names = VERSIONS.iter().map(|version| Namespace::of(space, *version).to_string().into());
            match wished {
                None => names.collect(),
                Some(wished) => names.filter(|name| wished.contains(name)).collect(),
            }
        };
        let version_list = VersionList {
            session: known(Space::Csp, wished.as_ref().map(|list| &list.session)),
            transaction: known(Space::Trc, wished.as_ref().map(|list| &list.transaction)),
            presence: known(Space::Pa, wished.as_ref().map(|list| &list.presence)),
        };
        Ok(Reply::Discovery(VersionDiscoveryResponse { version_list, other_servers: Vec::new() }))
    }
}
