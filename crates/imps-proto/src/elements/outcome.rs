//! `Result`, `DetailedResult`, and what a user answers to a system message. CSP 3, 4.9.

use crate::grammar::{codec, element};
use imps_types::element::{DetailedResult, ResultInfo, ScreenName};
use imps_types::{Address, Status};

codec! {
    ResultInfo {
        required status: Status = Code,
        optional description: Box<str> = Description,
        many detailed: DetailedResult = DetailedResult,
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

element! {
    /// What the user says to a system message (`SystemMessageResponse`), 1.3.
    SystemMessageResponse {
        /// Which message.
        default system_message_id: Box<str> = SystemMessageId,
        /// Which of its options.
        optional chosen_option_id: Box<str> = ChosenOptionId,
        /// What he read or computed to show that he is a person.
        optional verification_key: Box<str> = VerificationKey,
    }
}

impl crate::grammar::Decode for Vec<SystemMessageResponse> {
    fn decode(reader: &mut dyn crate::wire::Reader<'_>) -> Result<Self, crate::wire::DecodeError> {
        let mut responses = Self::new();
        let wanted = |element| element == crate::Element::SystemMessageResponse;
        crate::grammar::items(reader, &mut responses, wanted)?;
        Ok(responses)
    }
}

impl crate::grammar::Encode for Vec<SystemMessageResponse> {
    fn encode_content(&self, _: crate::Element, writer: &mut dyn crate::wire::Writer) {
        crate::grammar::Put::put(self, crate::Element::SystemMessageResponse, writer);
    }
}
