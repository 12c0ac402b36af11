//! What real clients do differently, by name. CSP 17, 18.
//!
//! Every deviation that a decoder allows for because of a real client is a row here, with its test below; one that needs
//! more than a wider row in a table has its function here too. What needs a session (a Status as a request, a repeated
//! TransactionID) is for the face that has one.

use imps_types::Address;
use imps_types::element::Property;

/// A deviation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quirk {
    /// What we call it.
    pub name: &'static str,
    /// Who does it.
    pub client: &'static str,
    /// What it does.
    pub what: &'static str,
    /// Where we allow for it.
    pub handled_in: &'static str,
}

macro_rules! quirks {
    ($($name:literal $client:literal $what:literal $handled_in:literal;)*) => {
        /// All of them.
        pub const QUIRKS: &[Quirk] = &[$(
            Quirk { name: $name, client: $client, what: $what, handled_in: $handled_in },
        )*];
    };
}

quirks! {
    "wrapped_user_id" "Android 1.x"
        "NickName in CreateList holds User(UserID) instead of UserID" "elements/people.rs, NickEntry";
    "property_as_user_id" "Android 1.x"
        "User holds Property(Name UserID, Value address) in UnsubscribePresence" "elements/people.rs, User";
    "lists_of_12_in_13" "Android 1.x"
        "1.3 messages hold User, UserList and bare ContactList" "elements/people.rs, Users, UserIds, ContactLists";
    "lists_of_13_in_12" "Android 1.x"
        "1.2 messages hold UserIDList and ContactListIDList" "elements/people.rs, Users, UserIds, ContactLists";
    "any_order" "Android 1.x, Colibria"
        "children come in an order of their own: Recipient before Sender, ReceiveList before AddNickList" "grammar.rs, decode!";
    "several_changes_at_once" "Android 1.x"
        "ListManage adds, removes and sets properties in one request" "csp/list_manage.rs";
    "sparse_capabilities" "Android 1.x"
        "CapabilityList lacks what the grammar requires" "elements/capability.rs";
    "comma_separated_schemas" "Nokia S60, Android 1.x"
        "one DigestSchema with a list between commas" "elements/words.rs, DigestSchemas";
    "empty_transaction_id" "Nokia S60, Colibria, Android 1.x"
        "Polling-Request with an empty TransactionID, or none" "csp/message.rs, Envelope";
    "ext_block" "Nokia S60"
        "ExtBlock with foreign markup after TransactionContent" "csp/message.rs, Envelope";
    "client_id_in_12" "Colibria"
        "ClientID in ClientCapability-Request and Service-Request, which 1.2 has not" "csp/client_capability.rs, csp/service.rs";
    "private_elements" "Colibria"
        "ColibriaExtensions among capabilities, ClientTypeDetail in a foreign namespace inside ClientInfo" "grammar.rs, next_child";
    "qualifier_alone" "Colibria"
        "OnlineStatus with a Qualifier and no value" "elements/presence.rs";
    "bare_client_id" "several"
        "text directly inside ClientID" "elements/people.rs, ClientId";
    "constant_content_size" "Colibria, Android 1.x"
        "ContentSize is a constant, or counts characters" "elements/message.rs, Message";
    "text_labelled_as_nothing" "Android 1.x"
        "SendMessage without ContentEncoding" "elements/message.rs, Message";
    "poll_tells_11" "InterVillage and other 1.1 clients without namespaces"
        "no xmlns at all: Poll in TransactionDescriptor or ClientID in Service-Request means 1.1" "csp/message.rs, Envelope";
    "names_of_one_source" "several"
        "other spellings: AcceptedCharSet, CName, Auto-Subscribe, PreferredContent, NSDiscovery" "element.rs";
    "spaces_without_quotes" "Android 1.x"
        "PTS: text with spaces in UV stands without quotes" "wire/pts/syntax.rs, Parser";
    "attribute_without_parentheses" "Android 1.x"
        "PTS: one attribute and its parts in PS lack the group around them" "wire/pts/reader.rs, names";
    "one_piece_of_one" "Android 1.x"
        "PTS: a message that just fills an SMS is split into one piece" "wire/pts/reader.rs, message";
}

/// The address in a Property that Android's helper puts into User (`property_as_user_id`).
pub(crate) fn user_id_of_property(property: &Property) -> Option<Address> {
    let is_user_id = property.name.eq_ignore_ascii_case("UserID");
    property.value.as_deref().filter(|_| is_user_id).map(Address::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Element;
    use crate::csp::{
        ClientCapabilityRequest, CreateAttributeListRequest, CreateListRequest, Envelope, ListManageRequest,
        LoginRequest, Mode, Request, SendMessageRequest, ServiceRequest, SubscribePresenceRequest,
        UnsubscribePresenceRequest, UpdatePresenceRequest,
    };
    use crate::grammar::Primitive;
    use crate::wire::{self, Form, Limits, PtsCodes, Tag, Token};
    use imps_types::Version;
    use imps_types::element::{DigestSchema, User};
    use imps_types::presence::Attribute;

    /// What a client's children of a primitive are read as.
    #[track_caller]
    fn read<T: Primitive>(children: &str) -> T {
        let xml = format!("<{0}>{children}</{0}>", T::ELEMENT.name());
        let mut reader = wire::reader(Form::Xml, xml.as_bytes(), &Limits::default()).unwrap();
        let Token::Start(start) = reader.as_dyn().next().unwrap() else { panic!("no start") };
        assert_eq!(start.tag, Tag::Known(T::ELEMENT));
        let value = T::decode(reader.as_dyn()).unwrap();
        assert_eq!(reader.as_dyn().next().unwrap(), Token::Eof, "all of it was read");
        value
    }

    const ENVELOPE_12: &str = r#"<WV-CSP-Message xmlns="http://www.openmobilealliance.org/DTD/WV-CSP1.2">"#;

    /// The only transaction of a message in an envelope that begins so, and the version it turns out to have.
    #[track_caller]
    fn read_message(envelope: &str, descriptor: &str, content: &str, after: &str) -> (String, Request, Version) {
        let xml = format!(
            "{envelope}<Session><SessionDescriptor><SessionType>Inband</SessionType><SessionID>s</SessionID>\
             </SessionDescriptor><Transaction><TransactionDescriptor><TransactionMode>Request</TransactionMode>\
             {descriptor}</TransactionDescriptor><TransactionContent>{content}</TransactionContent>{after}\
             </Transaction></Session></WV-CSP-Message>"
        );
        let mut reader = wire::reader(Form::Xml, xml.as_bytes(), &Limits::default()).unwrap();
        let mut envelope = Envelope::open(reader.as_dyn()).unwrap();
        let head = envelope.next_transaction().unwrap().unwrap();
        assert_eq!(head.mode, Mode::Request);
        let request = envelope.read_request().unwrap();
        assert_eq!(envelope.next_transaction().unwrap(), None);
        (head.transaction_id.as_str().to_owned(), request, envelope.version())
    }

    fn addresses(users: &[User]) -> Vec<&str> {
        users.iter().map(|user| user.user_id.as_str()).collect()
    }

    /// The request in a message in PTS.
    #[track_caller]
    fn read_pts(message: &str) -> Request {
        let form = Form::Pts(PtsCodes::Attested);
        let mut reader = wire::reader(form, message.as_bytes(), &Limits::default()).unwrap();
        let mut envelope = Envelope::open(reader.as_dyn()).unwrap();
        envelope.next_transaction().unwrap();
        envelope.read_request().unwrap()
    }

    /// A test for each row, and none forgotten.
    macro_rules! tests {
        ($($name:ident $body:block)*) => {
            $(#[test] fn $name() $body)*

            #[test]
            fn every_quirk_has_its_test() {
                let named: Vec<_> = QUIRKS.iter().map(|quirk| quirk.name).collect();
                assert_eq!(named, [$(stringify!($name)),*]);
            }
        };
    }

    tests! {
        wrapped_user_id {
            let request: CreateListRequest = read(
                "<ContactList>wv:a/l@e.org</ContactList><NickList><NickName><Name>Bob</Name>\
                 <User><UserID>wv:bob@e.org</UserID></User></NickName><UserID>wv:carol@e.org</UserID></NickList>",
            );
            let entries: Vec<_> =
                request.nick_list.iter().map(|entry| (entry.name.as_deref(), entry.user_id.as_str())).collect();
            assert_eq!(entries, [(Some("Bob"), "wv:bob@e.org"), (None, "wv:carol@e.org")]);
        }
        property_as_user_id {
            let request: UnsubscribePresenceRequest = read(
                "<User><Property><Name>UserID</Name><Value>wv:bob@e.org</Value></Property></User>\
                 <User><Property><Name>Colour</Name><Value>red</Value></Property><UserID>wv:carol@e.org</UserID></User>",
            );
            assert_eq!(addresses(&request.users), ["wv:bob@e.org", "wv:carol@e.org"]);
        }
        lists_of_12_in_13 {
            let request: SubscribePresenceRequest = read(
                "<User><UserID>wv:b@e.org</UserID></User><UserList><User><UserID>wv:c@e.org</UserID></User></UserList>\
                 <ContactList>wv:a/l@e.org</ContactList>",
            );
            assert_eq!(addresses(&request.users), ["wv:b@e.org", "wv:c@e.org"]);
            assert_eq!(request.contact_lists, ["wv:a/l@e.org".into()]);
        }
        lists_of_13_in_12 {
            let request: CreateAttributeListRequest = read(
                "<PresenceSubList/><UserIDList><UserID>wv:b@e.org</UserID><UserID>wv:c@e.org</UserID></UserIDList>\
                 <UserID>wv:d@e.org</UserID><ContactListIDList><ContactList>wv:a/l@e.org</ContactList>\
                 </ContactListIDList><DefaultList>F</DefaultList>",
            );
            let users: Vec<_> = request.user_ids.iter().map(Address::as_str).collect();
            assert_eq!(users, ["wv:b@e.org", "wv:c@e.org", "wv:d@e.org"]);
            assert_eq!(request.contact_lists, ["wv:a/l@e.org".into()]);
        }
        any_order {
            let request: SendMessageRequest = read(
                "<ContentData>hi</ContentData><MessageInfo><Recipient><User><UserID>wv:b@e.org</UserID></User>\
                 </Recipient><ContentSize>2</ContentSize><Sender><User><UserID>wv:a@e.org</UserID></User></Sender>\
                 <ContentType>text/plain</ContentType></MessageInfo><DeliveryReport>T</DeliveryReport>",
            );
            assert!(request.delivery_report);
            assert_eq!(addresses(&request.message.info.recipient.users), ["wv:b@e.org"]);
            assert_eq!(&*request.message.content.unwrap().data, b"hi");
        }
        several_changes_at_once {
            let request: ListManageRequest = read(
                "<ContactList>wv:a/l@e.org</ContactList><ReceiveList>T</ReceiveList>\
                 <AddNickList><NickName><Name>B</Name><UserID>wv:b@e.org</UserID></NickName></AddNickList>\
                 <RemoveNickList><UserID>wv:c@e.org</UserID></RemoveNickList>\
                 <ContactListProperties><Property><Name>Default</Name><Value>T</Value></Property></ContactListProperties>",
            );
            assert_eq!((request.add_nick_list.len(), request.properties.len()), (1, 1));
            assert_eq!((request.remove_nick_list, request.receive_list), (vec!["wv:c@e.org".into()], Some(true)));
        }
        sparse_capabilities {
            let request: ClientCapabilityRequest = read(
                "<CapabilityList><SupportedCIRMethod>STCP</SupportedCIRMethod><SupportedCIRMethod>PIGEON\
                 </SupportedCIRMethod><ServerPollMin>30</ServerPollMin><ParserSize/></CapabilityList>",
            );
            let list = request.capability_list;
            assert_eq!((list.cir_methods.len(), list.server_poll_min, list.parser_size), (1, Some(30), None));
        }
        comma_separated_schemas {
            let request: LoginRequest = read("<DigestSchema>PWD,SHA, MD5,MD7</DigestSchema>");
            let known = [DigestSchema::Pwd, DigestSchema::Sha, DigestSchema::Md5];
            // What nobody knows counts as what nobody computes: it was offered all the same.
            assert_eq!(request.digest_schemas, [known.as_slice(), &[DigestSchema::Md6]].concat());
        }
        empty_transaction_id {
            for descriptor in ["<TransactionID/>", "<TransactionID></TransactionID>", ""] {
                let (id, request, _) = read_message(ENVELOPE_12, descriptor, "<Polling-Request/>", "");
                assert_eq!((id.as_str(), request.element()), ("", Some(Element::PollingRequest)));
            }
        }
        ext_block {
            let after = r#"<ExtBlock xmlns="www.nokia.com/apiclient"><APIClient>chat</APIClient></ExtBlock>"#;
            let (id, request, _) = read_message(ENVELOPE_12, "<TransactionID>7</TransactionID>", "<GetList-Request/>", after);
            assert_eq!((id.as_str(), request.element()), ("7", Some(Element::GetListRequest)));
            let send = "<SendMessage-Request><MessageInfo/></SendMessage-Request>";
            let (_, request, _) = read_message(ENVELOPE_12, "<TransactionID>7</TransactionID>", send, after);
            let Request::SendMessage(send) = request else { panic!("{request:?}") };
            assert_eq!(send.message.info.ext_blocks[0].children[0].text.as_ref(), "chat");
        }
        client_id_in_12 {
            let client = "<ClientID><URL>c</URL></ClientID>";
            let (_, request, version) =
                read_message(ENVELOPE_12, "", &format!("<Service-Request>{client}</Service-Request>"), "");
            assert_eq!((request.element(), version), (Some(Element::ServiceRequest), Version::V1_2));
            let request: ClientCapabilityRequest = read(&format!("{client}<CapabilityList/>"));
            assert!(request.client_id.is_some());
        }
        private_elements {
            let request: ClientCapabilityRequest = read(
                r#"<CapabilityList><ColibriaExtensions xmlns="x"><A>1</A></ColibriaExtensions><MultiTrans>3</MultiTrans></CapabilityList>"#,
            );
            assert_eq!(request.capability_list.multi_trans, Some(3));
            let request: UpdatePresenceRequest = read(
                r#"<PresenceSubList><ClientInfo><Qualifier>T</Qualifier><ClientType>COMPUTER</ClientType>
                <ClientTypeDetail xmlns="http://imps.colibria.com/PA-ext-1.2">PC</ClientTypeDetail></ClientInfo>
                <Shoes><Qualifier>T</Qualifier></Shoes></PresenceSubList>"#,
            );
            let attributes = request.presence_sub_list.attributes;
            assert_eq!((attributes.len(), attributes[0].fields.len()), (1, 1));
        }
        qualifier_alone {
            let request: UpdatePresenceRequest =
                read("<PresenceSubList><OnlineStatus><Qualifier>T</Qualifier></OnlineStatus></PresenceSubList>");
            let one = &request.presence_sub_list.attributes[0];
            assert_eq!((one.attribute, one.qualifier, one.fields.len()), (Attribute::OnlineStatus, Some(true), 0));
        }
        bare_client_id {
            for content in ["JiMMY", "  JiMMY\n", "<URL>JiMMY</URL>"] {
                let request: LoginRequest = read(&format!("<ClientID>{content}</ClientID>"));
                let id = request.client_id.unwrap();
                assert_eq!((id.url.as_deref(), id.msisdn), (Some("JiMMY"), None));
            }
        }
        constant_content_size {
            let request: SendMessageRequest = read(
                "<MessageInfo><ContentSize>1000</ContentSize></MessageInfo><ContentData>\u{e4}\u{e4}\u{e4}</ContentData>",
            );
            assert_eq!(request.message.info.content_size, 6);
        }
        text_labelled_as_nothing {
            let request: SendMessageRequest =
                read("<MessageInfo><ContentSize>4</ContentSize></MessageInfo><ContentData>aGk= </ContentData>");
            assert_eq!(&*request.message.content.unwrap().data, b"aGk= ", "text, every character of it");
        }
        poll_tells_11 {
            let nameless = "<WV-CSP-Message>";
            let (_, _, version) = read_message(nameless, "<Poll>F</Poll>", "<Polling-Request/>", "");
            assert_eq!(version, Version::V1_1);
            let service = "<Service-Request><ClientID><URL>c</URL></ClientID></Service-Request>";
            let (_, _, version) = read_message(nameless, "", service, "");
            assert_eq!(version, Version::V1_1);
            let (_, _, version) = read_message(nameless, "", "<Polling-Request/>", "");
            assert_eq!(version, Version::V1_2);
            let (_, _, version) = read_message(ENVELOPE_12, "<Poll>F</Poll>", "<Polling-Request/>", "");
            assert_eq!(version, Version::V1_2, "a namespace says more");
        }
        names_of_one_source {
            let request: SubscribePresenceRequest = read("<Auto-Subscribe>T</Auto-Subscribe>");
            assert_eq!(request.auto_subscribe, Some(true));
            let request: ClientCapabilityRequest =
                read("<CapabilityList><AcceptedCharSet>106</AcceptedCharSet></CapabilityList>");
            assert_eq!(request.capability_list.charsets, [106]);
        }
        spaces_without_quotes {
            let Request::UpdatePresence(request) = read_pts("WV12UP7 SI=s17 UV=((ST,T,out to lunch))") else {
                panic!("no UpdatePresence")
            };
            assert_eq!(request.presence_sub_list.attributes[0].value(), Some("out to lunch"));
        }
        attribute_without_parentheses {
            let subscribe = |list: &str| read_pts(&format!("WV12SB7 SI=s17 PS={list}"));
            assert_eq!(subscribe("(CF,(CT,CV))"), subscribe("((CF,(CT,CV)))"));
            assert_ne!(subscribe("(CF,UA)"), subscribe("(CF,(UA))"));
        }
        one_piece_of_one {
            assert_eq!(read_pts("WV12KA7aa SI=s17 TL=60"), read_pts("WV12KA7 SI=s17 TL=60"));
        }
    }

    #[test]
    fn a_service_request_without_functions_names_none() {
        let request: ServiceRequest = read("<AllFunctionsRequest>T</AllFunctionsRequest>");
        assert_eq!((request.functions, request.all_functions_request), (None, true));
    }
}
