//! Which children an element may have several of. CSP 3 to 13, in whichever version.
//!
//! XML and WBXML do not need to know: there, several are just several. JSON writes such a child as a list, also when
//! there is one of it, so that the shape of a message never depends on a count.
//!
//! What might surprise: 1.3 lets one SearchPairList hold several criteria, one behind the other. As lists side by side
//! they would fall apart, so in JSON each criterion is a SearchPairList of its own, which means the same.

use crate::element::Element;

macro_rules! repeats {
    ($($parent:ident: $($child:ident)*;)*) => {
        const ROWS: &[(Element, &[Element])] = &[$((Element::$parent, &[$(Element::$child),*]),)*];
    };
}

repeats! {
    // parent: children
    Session: Transaction;
    Transaction: ExtBlock;
    WvCspVersionDiscoveryRequest: ExtendedData;
    WvCspVersionDiscoveryResponse: OtherServer ExtendedData;
    VersionList: SessionNsName TransactionNsName PresenceAttributeNsName;
    Result: DetailedResult;
    DetailedResult: UserId GroupId ScreenName MessageId ContactList Domain SearchElement;
    Recipient: User Group ContactList;
    UrlList: Url;
    GroupList: GroupId;
    UserList: User ScreenName;
    UserIdList: UserId;
    ContactListIdList: ContactList;
    IdList: UserId ContactList GroupId ScreenName Domain;
    LoginRequest: DigestSchema;
    CapabilityList: AcceptedCharset AcceptedContentType AcceptedTransferEncoding SupportedBearer SupportedCirMethod
        PlainTextCharset SupportedOfflineBearer;
    AgreedCapabilityList: SupportedBearer SupportedCirMethod AcceptedContentType AcceptedTransferEncoding
        SupportedOfflineBearer;
    SystemMessageList: SystemMessage;
    SystemMessageResponseList: SystemMessageResponse;
    AnswerOptions: AnswerOption;
    NotificationTypeList: NotificationType;
    GetPublicProfileRequest: UserId;
    GetPublicProfileResponse: PublicProfile;
    PublicProfile: Property;
    SearchRequest: SearchPairList;
    SearchPairList: SearchPair;
    GetListResponse: ContactList;
    NickList: NickName UserId;
    AddNickList: NickName UserId;
    RemoveNickList: UserId;
    ContactListProperties: Property;
    CreateAttributeListRequest: UserId ContactList;
    DeleteAttributeListRequest: UserId ContactList;
    GetAttributeListRequest: ContactList User;
    GetAttributeListResponse: Presence;
    DefaultAttributeList: PresenceSubList;
    SubscribePresenceRequest: User ContactList;
    UnsubscribePresenceRequest: User ContactList;
    PresenceNotificationRequest: Presence;
    Presence: PresenceSubList;
    GetWatcherListResponse: User Watcher;
    GetPresenceRequest: User ContactList;
    GetPresenceResponse: Presence;
    GetReactiveAuthStatusRequest: UserId;
    ReactiveAuthStatusList: ReactiveAuthStatus;
    GetMessageListResponse: MessageInfo;
    MessageInfoList: MessageInfo;
    RejectMessageRequest: MessageId;
    MessageInfo: ExtBlockEtem;
    Font: Style;
    EntityList: UserId ScreenName GroupId ContactList ApplicationId Domain;
    AddList: UserId ScreenName GroupId ContactList ApplicationId Domain;
    RemoveList: UserId ScreenName GroupId ContactList ApplicationId Domain;
    GroupProperties: Property;
    OwnProperties: Property;
    AdminMapping: Mapping;
    ModMapping: Mapping;
    UserMapping: Mapping;
    PresenceSubList: OnlineStatus Registration ClientInfo TimeZone GeoLocation Address FreeTextLocation Plmn CommCap;
    ClientContentLimit: AcceptedContentType AcceptedTransferEncoding PlainTextCharset;
    CommCap: CommC;
    PreferredContacts: AddrPref;
    InfoLink: InfLink;
}

/// By the parent's number.
static CHILDREN: [&[Element]; Element::ALL.len()] = {
    let mut children: [&[Element]; Element::ALL.len()] = [&[]; Element::ALL.len()];
    let mut i = 0;
    while i < ROWS.len() {
        children[ROWS[i].0 as usize] = ROWS[i].1;
        i += 1;
    }
    children
};

impl Element {
    /// Whether some version lets `parent` have several of it.
    #[inline]
    pub fn repeats_in(self, parent: Self) -> bool {
        CHILDREN.get(parent as usize).is_some_and(|children| children.contains(&self))
    }
}
