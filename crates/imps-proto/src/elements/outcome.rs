//! `Result` and `DetailedResult`. CSP 3.

use crate::grammar::codec;
use imps_types::element::{DetailedResult, ResultInfo, ScreenName, SystemMessage};
use imps_types::{Address, Status};

codec! {
    ResultInfo {
        required status: Status = Code,
        optional description: Box<str> = Description,
        many detailed: DetailedResult = DetailedResult,
        list system_messages: SystemMessage = SystemMessageList since V1_3,
        optional try_again: u32 = TryAgainTimeout since V1_3,
    }
}

codec! {
    DetailedResult {
        required status: Status = Code,
        optional description: Box<str> = Description,
        many search_elements: Box<str> = SearchElement since V1_3,
        many user_ids: Address = UserId,
        many group_ids: Address = GroupId,
        many screen_names: ScreenName = ScreenName,
        many message_ids: Box<str> = MessageId since V1_2,
        many contact_lists: Address = ContactList since V1_2,
        many domains: Box<str> = Domain since V1_2,
    }
}
