//! *GetWatcherList-Request*: who watches the user. CSP 10.

use imps_proto::csp::{GetWatcherListRequest, GetWatcherListResponse};
use imps_service::Error;
use imps_types::element::{Watcher, WatcherStatus};
use imps_types::{Address, UserId};

use super::{Cx, Reply, Transaction};

impl Transaction for GetWatcherListRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let presence = cx.services.presence();
        let list = presence.watcher_list(cx.session()?, self.history_period, self.max_watcher_list).await?;
        let watcher = |(user, status): (UserId, WatcherStatus)| Watcher {
            user_id: Address::from(&user),
            friendly_name: None,
            status: Some(status),
        };
        Ok(GetWatcherListResponse {
            history_period: list.history_period,
            watcher_count: u32::try_from(list.count).ok(),
            watchers: list.watchers.into_iter().map(watcher).collect(),
        }
        .into())
    }
}
