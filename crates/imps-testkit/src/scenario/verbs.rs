//! The verbs of scenarios: one table, which the README repeats and a test compares.

use super::parse::Word;

macro_rules! verbs {
    ($($verb:ident $phrase:literal $arguments:literal $about:literal;)*) => {
        /// What somebody does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Verb {
            $(#[doc = $about] $verb,)*
        }

        /// The verb, its words, its arguments, and what it does.
        pub const VERBS: &[(Verb, &str, &str, &str)] = &[$((Verb::$verb, $phrase, $arguments, $about),)*];
    };
}

verbs! {
    LogsIn "logs in" "{ password PW | ttl SECONDS | resuming ID | answering ID OPTION | application ID }" "Login-Request with the password in clear";
    LogsInWithDigest "logs in with digest" "{ SCHEMA | password PW | ttl SECONDS | answering ID OPTION }" "both steps of the 4-way login; MD5 unless schemas are named";
    LogsInByNumber "logs in by number" "" "Login-Request without user and password: the network names him, 1.3";
    AsksForNonce "asks for a nonce" "{ SCHEMA }" "the first step only; expects 401";
    AnswersNonce "answers the nonce" "{ password PW | ttl SECONDS | given NONCE | answering ID OPTION }" "the second step only, with the last nonce or a given one";
    Registers "registers" "{ password PW | code CODE }" "POST /account/register; expects HTTP 201; logs in with the phone password that it gets";
    ChangesPassword "changes password" "{ password PW | to PW | phone }" "POST /account/password; expects HTTP 200; `phone`: a new phone password";
    LogsOut "logs out" "" "Logout-Request";
    KeepsAlive "keeps alive" "[ ttl SECONDS ]" "KeepAlive-Request";
    Polls "polls" "" "one Polling-Request; `-> nothing`, `-> something` or a status";
    AsksForServiceInfo "asks for service info" "[ outband ]" "GetSPInfo-Request";
    DiscoversVersions "discovers versions" "{ VERSION }" "version discovery, naming versions or none";
    NegotiatesCapabilities "negotiates capabilities" "{ NAME VALUE }" "ClientCapability-Request: the usual ones, with some said otherwise";
    NegotiatesServices "negotiates services" "{ PATH } [ all ]" "Service-Request for PresenceFeat/ContListFunc and the like; `all`: AllFunctionsRequest T";
    CreatesList "creates list" "NAME [ with CONTACT.. ] { property NAME VALUE }" "CreateList-Request; a contact is `bob` or `bob \"Nick\"`";
    DeletesList "deletes list" "NAME" "DeleteList-Request";
    AsksForLists "asks for lists" "" "GetList-Request";
    AsksForList "asks for list" "NAME" "ListManage-Request without a change";
    Adds "adds" "CONTACT.. to list NAME [ receive T|F ]" "ListManage-Request with AddNickList";
    Removes "removes" "USER.. from list NAME [ receive T|F ]" "ListManage-Request with RemoveNickList";
    SetsList "sets list" "NAME { property NAME VALUE } [ receive T|F ]" "ListManage-Request with ContactListProperties";
    CreatesAttributeList "creates attribute list" "for TARGET.. [ of ATTRIBUTE.. ]" "CreateAttributeList-Request; a target is a user, `list NAME` or `everybody`; without attributes nothing is authorized";
    DeletesAttributeList "deletes attribute list" "for TARGET.." "DeleteAttributeList-Request";
    AsksForAttributeLists "asks for attribute lists" "[ for TARGET.. ]" "GetAttributeList-Request; without targets for the default, DefaultList T";
    Subscribes "subscribes" "TARGET.. [ of ATTRIBUTE.. ] [ automatically ]" "SubscribePresence-Request";
    Unsubscribes "unsubscribes" "TARGET.." "UnsubscribePresence-Request";
    AsksForPresence "asks for presence" "TARGET.. [ of ATTRIBUTE.. ]" "GetPresence-Request";
    UpdatesPresence "updates presence" "{ PATH VALUE | ATTRIBUTE none | ATTRIBUTE empty }" "UpdatePresence-Request; `none`: Qualifier F; `empty`: an element with nothing in it";
    Sends "sends" "TARGET.. TEXT { option }" "SendMessage-Request; a target may be `group GROUP`, or `name SCREENNAME in GROUP`; options: report, validity SECONDS, type MIME, from ADDRESS, as SCREENNAME in GROUP, times COUNT (the text so often), and for bytes instead of text: bytes HEX, opaque HEX";
    SetsDeliveryMethod "sets delivery method" "P|N [ limit BYTES ] [ of GROUP ]" "SetDeliveryMethod-Request";
    AsksForMessages "asks for messages" "[ count N ] [ of GROUP ]" "GetMessageList-Request; of a group: its history";
    Fetches "fetches" "ID" "GetMessage-Request";
    Confirms "confirms" "ID" "MessageDelivered as a request";
    Rejects "rejects" "ID.." "RejectMessage-Request";
    Forwards "forwards" "ID to TARGET.." "ForwardMessage-Request";
    Downloads "downloads" "URL [ TEXT [ times COUNT ] | bytes HEX ] [ type MIME ]" "GET of a content by its URL, which must be this; `-> HTTP CODE` for another answer than 200";
    ChangesBlockList "changes block list" "[ in use T|F ] { add ENTITY.. | remove ENTITY.. }" "BlockEntity-Request; an entity is a user, `list NAME`, `group ID`, `name NAME in ID`, `application ID` or `domain NAME`";
    ChangesGrantList "changes grant list" "[ in use T|F ] { add ENTITY.. | remove ENTITY.. }" "BlockEntity-Request for the other list";
    AsksForBlockedList "asks for blocked list" "" "GetBlockedList-Request";
    CreatesGroup "creates group" "NAME [ as SCREENNAME ] { property NAME VALUE | own NAME VALUE | note TEXT | silently }" "CreateGroup-Request for a group of one's own; with a screen name JoinGroup T, and SubscribeNotification T unless `silently`";
    DeletesGroup "deletes group" "GROUP" "DeleteGroup-Request; a group is `bob/party` or `/lobby`, or whole";
    JoinsGroup "joins group" "GROUP [ as SCREENNAME ] { own NAME VALUE | silently }" "JoinGroup-Request with JoinedRequest T, and SubscribeNotification T unless `silently`";
    LeavesGroup "leaves group" "GROUP" "LeaveGroup-Request";
    SetsGroup "sets group" "GROUP { property NAME VALUE | own NAME VALUE | note TEXT }" "SetGroupProps-Request";
    AsksForGroup "asks for group" "GROUP" "GetGroupProps-Request";
    AddsMembers "adds members" "USER.. to GROUP" "AddGroupMembers-Request; here and below `name SCREENNAME` is somebody in the group";
    RemovesMembers "removes members" "USER.. from GROUP" "RemoveGroupMembers-Request";
    AsksForMembers "asks for members" "of GROUP" "GetGroupMembers-Request";
    GivesAccess "gives access" "in GROUP { admin USER.. | mod USER.. | user USER.. }" "MemberAccess-Request";
    ChangesRejectList "changes reject list" "of GROUP { add USER.. | remove USER.. }" "RejectList-Request; with neither it is just read";
    AsksForJoinedUsers "asks for joined users" "of GROUP" "GetJoinedUsers-Request";
    SubscribesChanges "subscribes changes" "of GROUP" "SubscribeGroupNotice-Request S";
    UnsubscribesChanges "unsubscribes changes" "of GROUP" "SubscribeGroupNotice-Request U";
    AsksForSubscription "asks for subscription" "of GROUP" "SubscribeGroupNotice-Request G";
    Listens "listens" "by tcp|udp|http [ as SESSION ]" "goes onto a CIR channel, where the last capability negotiation said; udp: opens a port, which is `UDPPort own` in the negotiation after it";
    StopsListening "stops listening" "[ by tcp|udp|http ]" "goes off one CIR channel, or all";
    IsCalled "is called" "[ by tcp|udp|http ]" "a CIR message with its cookie comes, and nothing else";
    IsNotCalled "is not called" "" "no CIR message comes for a while";
    Pings "pings" "" "PING on the TCP connection of CIR is answered with OK";
    IsHungUp "is hung up on" "" "the server ends the TCP connection of CIR";
    LosesConnection "loses its connection" "" "the data connection ends without a word; the next request opens another";
    Requests "requests" "PRIMITIVE { PATH VALUE }" "any other request, built from paths; it need not be in order";
    IsTold "is told" "PRIMITIVE { FIELD VALUE }" "what the last response says";
    IsToldToPoll "is told to poll" "" "the last message had Poll T";
    IsNotToldToPoll "is not told to poll" "" "the last message had Poll F";
    Sees "sees" "USER { FIELD VALUE }" "what was notified of a user's presence so far, polling until it is so";
    FallsSilent "falls silent" "" "acknowledges nothing from now on";
    SpeaksAgain "speaks again" "" "acknowledges everything from now on";
    SpeaksInPieces "speaks in pieces of" "BYTES" "requests that are larger go out in pieces from now on";
    LeavesPieces "leaves pieces alone" "" "does not fetch the rest of a message of which a piece came";
    Acknowledges "acknowledges" "[ CODE ]" "answers what it got last, with Status CODE if one is given";
    Gathers "gathers" "" "requests are kept from now on";
    SendsGathered "sends what it gathered" "" "all of them in one message; expects as many status codes";
    Repeats "repeats the last request" "[ with the same answer ]" "the same bytes again";
    ReusesTransaction "reuses the TransactionID" "" "the next request has the TransactionID of the last";
}

/// The verb that these words begin with, and how many words it has. The longest one counts.
pub fn find(words: &[Word]) -> Option<(Verb, usize)> {
    let is_here = |phrase: &str| {
        let mut rest = words.iter();
        phrase.split(' ').all(|word| rest.next().is_some_and(|here| !here.is_quoted && here.text == word))
    };
    VERBS
        .iter()
        .filter(|row| is_here(row.1))
        .map(|row| (row.0, row.1.split(' ').count()))
        .max_by_key(|(_, length)| *length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_lists_every_verb() {
        let readme = include_str!("../../scenarios/README.md");
        for (_, phrase, arguments, about) in VERBS {
            let line = format!("{phrase} {arguments}");
            let line = format!("- `{}`: {about}.", line.trim());
            assert!(readme.contains(&line), "scenarios/README.md lacks the line\n{line}");
        }
    }
}
