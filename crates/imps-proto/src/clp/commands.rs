//! The table of commands (CLP 6): keywords, short forms, arguments, usage, and the service call behind each.

use crate::element::Element;

/// What an argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arg {
    /// The number of an item: `#12`, or `12`.
    Item,
    /// The number of an item, or a user.
    ItemOrUser,
    /// Users, lists, groups, screen names and items, with commas between.
    Targets,
    /// One of these.
    Target,
    /// Users, with commas between.
    Users,
    /// One user.
    User,
    /// Users and contact lists, with commas between.
    People,
    /// The same, or the word `default`.
    Holders,
    /// A contact list: `~name`.
    List,
    /// A group.
    Group,
    /// A group, or the word `presence`.
    Occasion,
    /// Words for presence attributes, with commas between.
    Attributes,
    /// One word.
    Word,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Any number of `key=value`.
    Pairs,
    /// Any number of `+user` and `-user`.
    Changes,
    /// One URL or several.
    Urls,
    /// The rest of the line, as it stands there.
    Text,
    /// The rest of the line: a name, perhaps in quotes.
    Name,
}

/// Whether an argument may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It must be there.
    Must,
    /// It may be left out.
    May,
}

/// An argument in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param {
    /// What it is.
    pub arg: Arg,
    /// Whether it must be there.
    pub need: Need,
}

/// The arguments of a command in their order.
pub type Shape = &'static [Param];

/// The sections of CLP 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// 6.1
    Access,
    /// 6.2
    Presence,
    /// 6.3
    Lists,
    /// 6.4
    Messages,
    /// 6.5
    Groups,
    /// 6.6
    Invitations,
}

impl Section {
    /// All of them, in order.
    pub const ALL: &'static [Self] =
        &[Self::Access, Self::Presence, Self::Lists, Self::Messages, Self::Groups, Self::Invitations];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Presence => "presence",
            Self::Lists => "lists",
            Self::Messages => "messages",
            Self::Groups => "groups",
            Self::Invitations => "invitations",
        }
    }
}

/// A command as the table has it.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Which it is.
    pub command: Command,
    /// Its keyword.
    pub keyword: &'static str,
    /// Its short forms.
    pub short: &'static [&'static str],
    /// Its arguments.
    pub shape: Shape,
    /// How it is used, without the keyword.
    pub usage: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// Where it stands in CLP 6.
    pub section: Section,
    /// The primitive that asks for the same in the Client-Server Protocol, if one does. By it is decided who may.
    pub imps: Option<Element>,
    /// Whether it is there before log-in (CLP 7).
    pub before_login: bool,
}

impl Row {
    /// The line of usage, as help and errors show it.
    pub fn line(&self) -> String {
        if self.usage.is_empty() { self.keyword.to_owned() } else { format!("{} {}", self.keyword, self.usage) }
    }
}

const fn must(arg: Arg) -> Param {
    Param { arg, need: Need::Must }
}

const fn may(arg: Arg) -> Param {
    Param { arg, need: Need::May }
}

macro_rules! commands {
    ($($section:ident { $($command:ident $keyword:literal [$($short:literal)*] ($($need:ident $arg:expr),*)
        $usage:literal $about:literal $($imps:ident)? $(/ $before:ident)?;)* })*) => {
        /// What a line asks for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Command { $($(#[doc = concat!("`", $keyword, " ", $usage, "`: ", $about)] $command,)*)* }

        /// Every command, in the order of CLP 6.
        pub const COMMANDS: &[Row] = &[$($(Row {
            command: Command::$command,
            keyword: $keyword,
            short: &[$($short),*],
            shape: &[$($need($arg)),*],
            usage: $usage,
            about: $about,
            section: Section::$section,
            imps: commands!(@imps $($imps)?),
            before_login: false $(|| commands!(@$before))?,
        },)*)*];
    };
    (@imps) => {
        None
    };
    (@imps $imps:ident) => {
        Some(Element::$imps)
    };
    (@before_login) => {
        true
    };
}

const ON_OFF: Arg = Arg::Choice(&["on", "off"]);
const MOODS: &[&str] =
    &["HAPPY", "SAD", "ANGRY", "JEALOUS", "ASHAMED", "INVINCIBLE", "IN_LOVE", "SLEEPY", "BORED", "EXCITED", "ANXIOUS"];

commands! {
    Access {
        // command   keyword     short forms    arguments   usage   what it is for   IMPS
        Login "LOGIN" ["LI"] (may Arg::Word, may Arg::Word) "user password" "log in" LoginRequest / before_login;
        Logout "LOGOUT" ["LO" "BYE" "QUIT"] () "" "log out and hang up" LogoutRequest / before_login;
        WhoAmI "WHOAMI" ["ME"] () "" "who you are, and what waits";
        Help "HELP" ["H" "?"] (may Arg::Word) "[command]" "this list, or how a command is used" / before_login;
        Set "SET" [] (may Arg::Word, may Arg::Word) "[key value]"
            "push report on/off, page N, lang xx; of short messages only: codes auto presence on/off, pages N, quiet 22-7" ClientCapabilityRequest;
        More "MORE" ["M"] () "" "the next page";
        Info "INFO" [] () "" "who runs this service" GetSpInfoRequest / before_login;
        Pass "PASS" [] (must Arg::Word, must Arg::Word) "old new" "change your password";
        Ping "PING" [] () "" "is the server there?" KeepAliveRequest / before_login;
    }
    Presence {
        On "ON" [] (may Arg::Text) "[text]" "be available" UpdatePresenceRequest;
        Away "AWAY" ["AW"] (may Arg::Text) "[text]" "be there, but discreet" UpdatePresenceRequest;
        Hide "HIDE" ["DND"] (may Arg::Text) "[text]" "not be available" UpdatePresenceRequest;
        Text "TEXT" ["TX"] (may Arg::Text) "[text]" "say what you do; nothing takes it away" UpdatePresenceRequest;
        Mood "MOOD" [] (may Arg::Choice(MOODS)) "[word]"
            "HAPPY SAD ANGRY JEALOUS ASHAMED INVINCIBLE IN_LOVE SLEEPY BORED EXCITED ANXIOUS" UpdatePresenceRequest;
        At "AT" [] (may Arg::Text) "[text]" "say where you are" UpdatePresenceRequest;
        Alias "ALIAS" [] (may Arg::Text) "[text]" "say what you are called" UpdatePresenceRequest;
        Prefer "PREFER" [] (must Arg::Choice(&["IM", "SMS", "CALL", "MMS", "EMAIL"])) "IM/SMS/CALL/MMS/EMAIL"
            "how you want to be reached" UpdatePresenceRequest;
        Show "SHOW" ["S" "WHO"] (may Arg::People, may Arg::Attributes) "[user/list] [attr,...]"
            "how others are; your default list if you name nobody" GetPresenceRequest;
        Sub "SUB" ["SB"] (must Arg::People, may Arg::Attributes) "user/list [attr,...]"
            "be told when their presence changes" SubscribePresenceRequest;
        Unsub "UNSUB" ["US"] (must Arg::People) "user/list" "be told no longer" UnsubscribePresenceRequest;
        Watchers "WATCHERS" ["WA"] () "" "who is told of your presence" GetWatcherListRequest;
        Allow "ALLOW" ["AL"] (must Arg::ItemOrUser, may Arg::Attributes) "n/user [attr,...]"
            "let somebody see your presence" PresenceAuthUser;
        Deny "DENY" ["DN"] (must Arg::ItemOrUser, may Arg::Attributes) "n/user [attr,...]"
            "do not let him" PresenceAuthUser;
        Unallow "UNALLOW" ["UA"] (must Arg::User) "user" "forget what you decided" CancelAuthRequest;
        Give "GIVE" [] (must Arg::Holders, must Arg::Attributes) "user/list/default attr,..."
            "who sees what of you without asking" CreateAttributeListRequest;
        Take "TAKE" [] (must Arg::Holders) "user/list/default" "take that back" DeleteAttributeListRequest;
        Given "GIVEN" [] (may Arg::Holders) "[user/list/default]" "what you gave" GetAttributeListRequest;
    }
    Lists {
        Lists "LISTS" ["LS"] () "" "your contact lists" GetListRequest;
        List "LIST" ["L"] (may Arg::List) "[~name]" "who is in a list" ListManageRequest;
        NewList "NEWLIST" ["NL"] (must Arg::List, may Arg::Name) "~name [\"Shown name\"]" "make a list" CreateListRequest;
        DelList "DELLIST" ["DL"] (must Arg::List) "~name" "delete a list" DeleteListRequest;
        Add "ADD" ["A"] (may Arg::List, must Arg::User, may Arg::Name) "[~name] user [\"Nick\"]"
            "put somebody into a list" ListManageRequest;
        Rem "REM" ["R"] (may Arg::List, must Arg::User) "[~name] user" "take him out" ListManageRequest;
        NameList "NAMELIST" [] (must Arg::List, must Arg::Name) "~name \"Shown\"" "rename a list" ListManageRequest;
        DefList "DEFLIST" [] (must Arg::List) "~name" "make it the default list" ListManageRequest;
    }
    Messages {
        Msg "MSG" ["T"] (must Arg::Targets, must Arg::Text) "who text" "send a message" SendMessageRequest;
        MsgR "MSGR" ["TR"] (must Arg::Targets, must Arg::Text) "who text"
            "the same, and be told when it was delivered" SendMessageRequest;
        Reply "REPLY" ["RE"] (may Arg::Item, must Arg::Text) "[n] text" "answer a message, the last one without n" SendMessageRequest;
        Talk "TALK" [] (may Arg::Target) "[who]" "all lines go there; .TALK ends" SendMessageRequest;
        Inbox "INBOX" ["IN"] () "" "messages that wait" GetMessageListRequest;
        Read "READ" ["RD"] (may Arg::Item) "[n]" "read one" GetMessageRequest;
        Fwd "FWD" ["FW"] (must Arg::Item, must Arg::Targets) "n who" "send it on" ForwardMessageRequest;
        Drop "DROP" ["DR"] (must Arg::Item) "n" "reject a message unread" RejectMessageRequest;
        Block "BLOCK" ["BL"] (must Arg::Users) "user[,...]" "hear nothing from him" BlockEntityRequest;
        Unblock "UNBLOCK" ["UB"] (must Arg::Users) "user[,...]" "hear from him again" BlockEntityRequest;
        Grant "GRANT" ["GR"] (must Arg::Users) "user[,...]" "hear from him while the grant list is on" BlockEntityRequest;
        Ungrant "UNGRANT" ["UG"] (must Arg::Users) "user[,...]" "take that back" BlockEntityRequest;
        Blocks "BLOCKS" [] (may Arg::Choice(&["block", "grant"]), may ON_OFF) "[block/grant on/off]"
            "show these lists, or use them or not" GetBlockedListRequest;
        Push "PUSH" [] (must ON_OFF) "on/off" "get messages, or be told that they wait" SetDeliveryMethodRequest;
    }
    Groups {
        Groups "GROUPS" ["GS"] () "" "groups you are in, and your own" SearchRequest;
        NewGroup "NEWGROUP" ["NG"] (must Arg::Group, may Arg::Pairs) "/name [key=value...]"
            "make a group: name topic open searchable max private-msg welcome as" CreateGroupRequest;
        DelGroup "DELGROUP" [] (must Arg::Group) "/name" "delete a group" DeleteGroupRequest;
        Join "JOIN" ["J"] (must Arg::Group, may Arg::Name) "/group [nick]" "go into a group" JoinGroupRequest;
        Leave "LEAVE" ["LV"] (must Arg::Group) "/group" "go out of it" LeaveGroupRequest;
        Say "SAY" [] (must Arg::Group, must Arg::Text) "/group text" "say something there" SendMessageRequest;
        Users "USERS" ["U"] (must Arg::Group) "/group" "who is in it now" GetJoinedUsersRequest;
        Members "MEMBERS" ["MB"] (must Arg::Group) "/group" "who belongs to it" GetGroupMembersRequest;
        Member "MEMBER" [] (must Arg::Group, must Arg::Changes) "/group +user -user" "change that" AddGroupMembersRequest;
        Role "ROLE" [] (must Arg::Group, must Arg::User, must Arg::Choice(&["admin", "mod", "user"]))
            "/group user admin/mod/user" "what a member may do" MemberAccessRequest;
        Props "PROPS" ["PR"] (must Arg::Group, may Arg::Pairs) "/group [key=value...]" "how it is set up" SetGroupPropsRequest;
        Topic "TOPIC" [] (must Arg::Group, must Arg::Text) "/group text" "what it talks about" SetGroupPropsRequest;
        Ban "BAN" [] (must Arg::Group, must Arg::User) "/group user" "keep somebody out" RejectListRequest;
        Unban "UNBAN" [] (must Arg::Group, must Arg::User) "/group user" "let him in again" RejectListRequest;
        Bans "BANS" [] (must Arg::Group) "/group" "who is kept out" RejectListRequest;
        Watch "WATCH" [] (must Arg::Group) "/group" "be told who comes and goes" SubscribeGroupNoticeRequest;
        Unwatch "UNWATCH" [] (must Arg::Group) "/group" "be told no longer" SubscribeGroupNoticeRequest;
    }
    Invitations {
        Invite "INVITE" ["I"] (must Arg::Users, must Arg::Occasion, may Arg::Text) "user[,...] /group/presence [note]"
            "invite to a group, or to share presence" InviteRequest;
        Share "SHARE" ["SH"] (must Arg::Targets, must Arg::Urls, may Arg::Text) "user/list/group url [url...] [note]"
            "show somebody what lies at a URL" InviteRequest;
        Accept "ACCEPT" ["Y"] (may Arg::Item, may Arg::Text) "[n] [note]" "accept, the last one without n" InviteUserResponse;
        Reject "REJECT" ["N"] (may Arg::Item, may Arg::Text) "[n] [note]" "say no" InviteUserResponse;
        Uninvite "UNINVITE" [] (must Arg::Item, may Arg::Text) "n [note]" "take an invitation back" CancelInviteRequest;
        Unshare "UNSHARE" [] (must Arg::Item, may Arg::Text) "n [note]" "take back what you shared" CancelInviteRequest;
        Invites "INVITES" [] () "" "invitations that are open, in and out";
        Find "FIND" ["F"] (may Arg::Choice(&["user", "group"]), must Arg::Pairs) "[user/group] key=value..."
            "users by id first last mail alias online, groups by id name topic owner user" SearchRequest;
        Stop "STOP" [] () "" "end a search" StopSearchRequest;
    }
}

impl Command {
    /// Its row of the table.
    pub fn row(self) -> &'static Row {
        // The table is made of the same rows as the enumeration, in the same order.
        #[expect(clippy::indexing_slicing, reason = "one row for each, made by the same macro")]
        &COMMANDS[self as usize]
    }

    /// The command that a word means: an exact keyword or short form, or the beginning of one keyword alone that has three
    /// letters or more.
    pub fn of_word(word: &str) -> Option<Self> {
        let is_exact = |row: &&Row| {
            row.keyword.eq_ignore_ascii_case(word) || row.short.iter().any(|one| one.eq_ignore_ascii_case(word))
        };
        if let Some(row) = COMMANDS.iter().find(is_exact) {
            return Some(row.command);
        }
        let begins =
            |row: &&Row| row.keyword.get(..word.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(word));
        let mut rows = COMMANDS.iter().filter(|_| word.len() >= 3).filter(begins);
        match (rows.next(), rows.next()) {
            (Some(row), None) => Some(row.command),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_keyword_and_short_form_is_there_once() {
        let mut words: Vec<&str> =
            COMMANDS.iter().flat_map(|row| row.short.iter().copied().chain([row.keyword])).collect();
        for word in &words {
            assert!(word.len() <= 16 && (*word == "?" || word.bytes().all(|byte| byte.is_ascii_uppercase())), "{word}");
        }
        let count = words.len();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), count);
    }

    #[test]
    fn every_row_is_at_its_place_and_short() {
        for (index, row) in COMMANDS.iter().enumerate() {
            assert_eq!(row.command as usize, index);
            assert_eq!(row.command.row().keyword, row.keyword);
            assert!(row.line().chars().count() + 7 <= crate::clp::STATUS_TEXT_MAX, "{}", row.line());
            assert!(row.shape.len() <= 4);
            // What takes the rest of a line stands at its end.
            let ends = |param: &&Param| matches!(param.arg, Arg::Text | Arg::Pairs | Arg::Changes);
            assert!(row.shape.iter().rev().skip(1).all(|param| !ends(&param)), "{}", row.keyword);
        }
    }

    #[test]
    fn every_call_is_one_of_the_catalogue() {
        for element in COMMANDS.iter().filter_map(|row| row.imps) {
            assert!(crate::csp::catalogue::Row::of_client(element).is_some(), "{}", element.name());
        }
    }

    #[test]
    fn beginnings_mean_what_is_theirs_alone() {
        assert_eq!(Command::of_word("member"), Some(Command::Member));
        assert_eq!(Command::of_word("MEMBERS"), Some(Command::Members));
        assert_eq!(Command::of_word("memb"), None);
        assert_eq!(Command::of_word("prop"), Some(Command::Props));
        assert_eq!(Command::of_word("pr"), Some(Command::Props));
        assert_eq!(Command::of_word("wh"), None);
        assert_eq!(Command::of_word("who"), Some(Command::Show));
        assert_eq!(Command::of_word("whoa"), Some(Command::WhoAmI));
        assert_eq!(Command::of_word(""), None);
        assert_eq!(Command::of_word("loginn"), None);
        assert_eq!(Command::of_word("lög"), None);
        for row in COMMANDS {
            assert_eq!(Command::of_word(&row.keyword.to_lowercase()), Some(row.command));
            assert!(row.short.iter().all(|short| Command::of_word(short) == Some(row.command)));
        }
    }
}
