//! Values of every element, by dice: what the round trips are made of.

use super::carried::{Answered, Asked};
use super::common::{DomainName, MetaInfo, Party, Route};
use super::content::{ContentData, JoinedMap};
use super::im::DeliveryTime;
use super::invitation::Application;
use super::service::{AgreementId, Mark};
use super::session::{PasswordDigest, Token};
use crate::csp;
use crate::grammar::Decode;
use crate::wire::{Limits, Reader, XmlReader};
use imps_types::element::{
    Content, DetailedResult, Group, GroupProperties, InviteType, Mapping, MessageInfo, Property, Recipient, ResultInfo,
    ScreenName, Sender, User, UserList, WelcomeNote,
};
use imps_types::presence::PresenceSubList;
use imps_types::{Address, ClientId, DateTime, Secret, Status};

/// Numbers that look thrown, the same for the same seed.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Less than `sides`.
    pub(super) fn throw(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    /// Text with everything in it that might hurt, without white space at its ends.
    fn text(&mut self) -> String {
        const PIECES: &[&str] =
            &["a", "B7", "&", "<", ">", "\"", "'", "]]>", "ü", "漢", "😀", "wv:@", "/", "&amp;", "-"];
        let mut text = String::new();
        for _ in 0..=self.throw(5) {
            text.push_str(PIECES[usize::try_from(self.throw(PIECES.len() as u64)).unwrap()]);
            if self.throw(4) == 0 {
                text.push_str([" ", "\n", "\t"][usize::try_from(self.throw(3)).unwrap()]);
            }
        }
        text.push('z');
        text
    }
}

/// What can be thrown.
pub(super) trait Sample: Sized {
    fn sample(dice: &mut Dice) -> Self;
}

impl Sample for Box<str> {
    fn sample(dice: &mut Dice) -> Self {
        dice.text().into()
    }
}

impl Sample for AgreementId {
    fn sample(dice: &mut Dice) -> Self {
        Self(dice.text().into())
    }
}

impl Sample for Address {
    fn sample(dice: &mut Dice) -> Self {
        Self::new(&dice.text())
    }
}

impl Sample for u32 {
    fn sample(dice: &mut Dice) -> Self {
        [0, 1, 86_400, u32::MAX][usize::try_from(dice.throw(4)).unwrap()]
    }
}

impl Sample for bool {
    fn sample(dice: &mut Dice) -> Self {
        dice.throw(2) == 0
    }
}

impl Sample for DateTime {
    fn sample(dice: &mut Dice) -> Self {
        Self::from_unix(1_700_000_000 + dice.throw(1 << 24))
    }
}

impl Sample for InviteType {
    fn sample(dice: &mut Dice) -> Self {
        Self::ALL[usize::try_from(dice.throw(Self::ALL.len() as u64)).unwrap()]
    }
}

impl<T: Sample> Sample for Option<T> {
    fn sample(dice: &mut Dice) -> Self {
        (dice.throw(3) > 0).then(|| T::sample(dice))
    }
}

impl<T: Sample> Sample for Vec<T> {
    fn sample(dice: &mut Dice) -> Self {
        (0..dice.throw(4)).map(|_| T::sample(dice)).collect()
    }
}

impl Sample for Status {
    fn sample(dice: &mut Dice) -> Self {
        [Self::SUCCESSFUL, Self::PARTIALLY_SUCCESSFUL, Self::TIMEOUT, Self::new(999)]
            [usize::try_from(dice.throw(4)).unwrap()]
    }
}

impl Sample for User {
    fn sample(dice: &mut Dice) -> Self {
        let client_id = match dice.throw(3) {
            0 => None,
            1 => Some(ClientId::of_url(&dice.text())),
            _ => Some(ClientId { url: None, msisdn: Some("+491701234567".into()) }),
        };
        // A number has no place beside an application.
        let numbered = client_id.as_ref().is_some_and(|it| it.msisdn.is_some());
        let application_id = if numbered { None } else { Sample::sample(dice) };
        Self { user_id: Sample::sample(dice), friendly_name: Sample::sample(dice), client_id, application_id }
    }
}

impl Sample for ScreenName {
    fn sample(dice: &mut Dice) -> Self {
        Self { name: Sample::sample(dice), group_id: Sample::sample(dice) }
    }
}

impl Sample for Party {
    fn sample(dice: &mut Dice) -> Self {
        match dice.throw(3) {
            0 => Self::User(Sample::sample(dice)),
            1 => Self::Group(Sample::sample(dice)),
            _ => Self::ScreenName(Sample::sample(dice)),
        }
    }
}

impl Sample for Route {
    fn sample(dice: &mut Dice) -> Self {
        Self {
            id: Sample::sample(dice),
            hops_left: Sample::sample(dice),
            ms_left: Sample::sample(dice),
            via: Sample::sample(dice),
        }
    }
}

impl Sample for DomainName {
    fn sample(dice: &mut Dice) -> Self {
        Self(Sample::sample(dice))
    }
}

impl Sample for Application {
    fn sample(dice: &mut Dice) -> Self {
        Self(Sample::sample(dice))
    }
}

impl Sample for Mark {
    fn sample(_: &mut Dice) -> Self {
        Self
    }
}

impl Sample for DeliveryTime {
    fn sample(dice: &mut Dice) -> Self {
        Self(Sample::sample(dice))
    }
}

impl Sample for ResultInfo {
    fn sample(dice: &mut Dice) -> Self {
        Self {
            description: Sample::sample(dice),
            detailed: Sample::sample(dice),
            try_again: Sample::sample(dice),
            ..Self::of(Sample::sample(dice))
        }
    }
}

impl Sample for DetailedResult {
    fn sample(dice: &mut Dice) -> Self {
        Self {
            description: Sample::sample(dice),
            user_ids: Sample::sample(dice),
            group_ids: Sample::sample(dice),
            screen_names: Sample::sample(dice),
            domains: Sample::sample(dice),
            message_ids: Sample::sample(dice),
            ..Self::of(Sample::sample(dice))
        }
    }
}

impl Sample for Sender {
    fn sample(dice: &mut Dice) -> Self {
        match Party::sample(dice) {
            Party::User(user) => Self::User(user),
            Party::Group(id) => Self::Group(Group::Id(id)),
            Party::ScreenName(name) => Self::Group(Group::ScreenName(name)),
        }
    }
}

impl Sample for Group {
    fn sample(dice: &mut Dice) -> Self {
        if dice.throw(2) == 0 { Self::Id(Sample::sample(dice)) } else { Self::ScreenName(Sample::sample(dice)) }
    }
}

impl Sample for MessageInfo {
    fn sample(dice: &mut Dice) -> Self {
        let recipient =
            Recipient { users: Sample::sample(dice), groups: Sample::sample(dice), contact_lists: Vec::new() };
        Self {
            message_id: Sample::sample(dice),
            message_uri: Sample::sample(dice),
            content_type: Sample::sample(dice),
            content_name: Sample::sample(dice),
            content_size: Sample::sample(dice),
            recipient,
            sender: Sample::sample(dice),
            date_time: Sample::sample(dice),
            validity: Sample::sample(dice),
            ..Self::default()
        }
    }
}

impl Sample for ContentData {
    fn sample(dice: &mut Dice) -> Self {
        match dice.throw(2) {
            0 => Self {
                content_type: Some("text/plain".into()),
                content: Content { data: dice.text().into(), binary: false },
            },
            _ => {
                let data: Vec<u8> = (0..dice.throw(40)).map(|_| u8::try_from(dice.throw(256)).unwrap()).collect();
                Self { content_type: Some("image/png".into()), content: Content { data: data.into(), binary: true } }
            }
        }
    }
}

impl Sample for WelcomeNote {
    fn sample(dice: &mut Dice) -> Self {
        let data = ContentData::sample(dice);
        Self { content_type: data.content_type.unwrap_or_default(), content: data.content }
    }
}

impl Sample for GroupProperties {
    fn sample(dice: &mut Dice) -> Self {
        let property = |dice: &mut Dice| Property { name: Sample::sample(dice), value: Sample::sample(dice) };
        let properties = (0..dice.throw(4)).map(|_| property(dice)).collect();
        Self { properties, welcome_note: Sample::sample(dice) }
    }
}

impl Sample for JoinedMap {
    fn sample(dice: &mut Dice) -> Self {
        let mapping = |dice: &mut Dice| Mapping { name: Sample::sample(dice), user_id: Sample::sample(dice) };
        Self((0..dice.throw(4)).map(|_| mapping(dice)).collect())
    }
}

impl Sample for UserList {
    fn sample(dice: &mut Dice) -> Self {
        Self { users: Sample::sample(dice), screen_names: Sample::sample(dice) }
    }
}

impl Sample for Token {
    fn sample(dice: &mut Dice) -> Self {
        let octets: Vec<u8> = (0..=dice.throw(40)).map(|_| u8::try_from(dice.throw(256)).unwrap()).collect();
        Self(Secret::new(octets.into()))
    }
}

impl Sample for PasswordDigest {
    fn sample(dice: &mut Dice) -> Self {
        let octets: Vec<u8> = (0..16).map(|_| u8::try_from(dice.throw(256)).unwrap()).collect();
        Self { scheme: Sample::sample(dice), octets: octets.into() }
    }
}

impl<B: Sample> Sample for Asked<B> {
    fn sample(dice: &mut Dice) -> Self {
        Self { meta: MetaInfo::sample(dice), body: B::sample(dice) }
    }
}

impl<B: Sample> Sample for Answered<B> {
    fn sample(dice: &mut Dice) -> Self {
        let status = ResultInfo::sample(dice);
        let body = status.status.is_success().then(|| B::sample(dice));
        Self { status, body }
    }
}

/// Reads one from what it looks like in CSP.
fn of_csp<T: Decode>(text: &str) -> T {
    let mut reader = XmlReader::new(text.as_bytes(), &Limits::default()).unwrap();
    reader.next().unwrap();
    T::decode(&mut reader).unwrap()
}

macro_rules! from_csp {
    ($($type:ty = $text:literal;)*) => {$(
        impl Sample for $type {
            fn sample(_: &mut Dice) -> Self {
                of_csp($text)
            }
        }
    )*};
}

from_csp! {
    PresenceSubList = "<PresenceSubList><OnlineStatus><Qualifier>T</Qualifier><PresenceValue>T</PresenceValue>\
        </OnlineStatus><StatusText><Qualifier>T</Qualifier><PresenceValue>a &lt; b</PresenceValue></StatusText>\
        </PresenceSubList>";
    csp::GetListRequest = "<GetList-Request/>";
    csp::GetListResponse = "<GetList-Response><ContactListIDList><ContactList>wv:a/~f@b.c</ContactList>\
        </ContactListIDList><DefaultContactList>wv:a/~d@b.c</DefaultContactList></GetList-Response>";
    csp::CreateListRequest = "<CreateList-Request><ContactList>wv:a/~f@b.c</ContactList><NickList><NickName>\
        <Name>Al</Name><UserID>wv:al@b.c</UserID></NickName></NickList></CreateList-Request>";
    csp::DeleteListRequest = "<DeleteList-Request><ContactList>wv:a/~f@b.c</ContactList></DeleteList-Request>";
    csp::ListManageRequest = "<ListManage-Request><ContactList>wv:a/~f@b.c</ContactList><RemoveNickList>\
        <UserID>wv:al@b.c</UserID></RemoveNickList><ReceiveList>T</ReceiveList></ListManage-Request>";
    csp::ListManageResponse = "<ListManage-Response><Result><Code>200</Code></Result></ListManage-Response>";
    csp::CreateAttributeListRequest = "<CreateAttributeList-Request><PresenceSubList><OnlineStatus/></PresenceSubList>\
        <UserIDList><UserID>wv:al@b.c</UserID></UserIDList><DefaultList>F</DefaultList></CreateAttributeList-Request>";
    csp::DeleteAttributeListRequest = "<DeleteAttributeList-Request><DefaultList>T</DefaultList>\
        </DeleteAttributeList-Request>";
    csp::GetAttributeListRequest = "<GetAttributeList-Request><DefaultList>T</DefaultList></GetAttributeList-Request>";
    csp::GetAttributeListResponse = "<GetAttributeList-Response><Result><Code>200</Code></Result><Presence>\
        <UserID>wv:al@b.c</UserID><PresenceSubList><OnlineStatus/></PresenceSubList></Presence>\
        </GetAttributeList-Response>";
    csp::GetWatcherListRequest = "<GetWatcherList-Request><HistoryPeriod>60</HistoryPeriod></GetWatcherList-Request>";
    csp::GetWatcherListResponse = "<GetWatcherList-Response><Watcher><UserID>wv:al@b.c</UserID>\
        <WatcherStatus>CURRENT_SUBSCRIBER</WatcherStatus></Watcher></GetWatcherList-Response>";
    csp::GetMessageListRequest = "<GetMessageList-Request><GroupID>wv:/g@b.c</GroupID><MessageCount>3</MessageCount>\
        </GetMessageList-Request>";
    csp::GetMessageListResponse = "<GetMessageList-Response><MessageInfoList><MessageInfo><MessageID>m1</MessageID>\
        <ContentSize>3</ContentSize><Recipient><User><UserID>wv:al@b.c</UserID></User></Recipient></MessageInfo>\
        </MessageInfoList></GetMessageList-Response>";
    csp::RejectMessageRequest = "<RejectMessage-Request><MessageID>m1</MessageID><MessageID>m2</MessageID>\
        </RejectMessage-Request>";
    csp::ForwardMessageRequest = "<ForwardMessage-Request><MessageID>m1</MessageID><Recipient><User>\
        <UserID>wv:al@b.c</UserID></User></Recipient></ForwardMessage-Request>";
    csp::SetDeliveryMethodRequest = "<SetDeliveryMethod-Request><DeliveryMethod>P</DeliveryMethod>\
        </SetDeliveryMethod-Request>";
    csp::GetBlockedListRequest = "<GetBlockedList-Request/>";
    csp::GetBlockedListResponse = "<GetBlockedList-Response><BlockList><InUse>T</InUse><EntityList>\
        <UserID>wv:al@b.c</UserID></EntityList></BlockList></GetBlockedList-Response>";
    csp::BlockEntityRequest = "<BlockEntity-Request><BlockList><InUse>T</InUse><AddList><UserID>wv:al@b.c</UserID>\
        </AddList></BlockList></BlockEntity-Request>";
    csp::GetPublicProfileRequest = "<GetPublicProfile-Request><UserID>wv:al@b.c</UserID></GetPublicProfile-Request>";
    csp::GetPublicProfileResponse = "<GetPublicProfile-Response><Result><Code>200</Code></Result><PublicProfile>\
        <UserID>wv:al@b.c</UserID></PublicProfile></GetPublicProfile-Response>";
    csp::UpdatePublicProfileRequest = "<UpdatePublicProfile-Request><ClearPublicProfile>T</ClearPublicProfile>\
        </UpdatePublicProfile-Request>";
    csp::GetSpInfoRequest = "<GetSPInfo-Request/>";
    csp::GetSpInfoResponse = "<GetSPInfo-Response><Name>Home</Name><URL>http://a.example/</URL></GetSPInfo-Response>";
}
