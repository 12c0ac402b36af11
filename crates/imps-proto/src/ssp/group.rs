//! Groups. SSP 9.7.

use super::content::{JoinedMap, Names, UserIds};
use super::grammar::primitive;
use imps_types::Address;
use imps_types::element::{GroupProperties, ResultInfo, ScreenName, User, UserList, WelcomeNote};

primitive! {
    /// A user makes a group.
    CreateGroupRequest (meta) [
        /// Its address.
        required group_id: Address = "groupID",
        /// Whether he joins it.
        optional join: bool = "joinGroup",
        /// Whether he is told of changes.
        optional subscribe: bool = "subscribeNotif",
    ] {
        /// Its properties.
        optional properties: GroupProperties = "GroupProperties",
        /// His own in it.
        optional own_properties: GroupProperties = "OwnProperties",
        /// How he wants to be called there.
        optional screen_name: ScreenName = "ScreenName" | "ScreenNames",
    }
}

macro_rules! about_group {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        primitive! {
            $(#[$doc])*
            $name (meta) [
                /// Which group.
                required group_id: Address = "groupID",
            ] {}
        }
    )*};
}

about_group! {
    /// A user removes a group.
    DeleteGroupRequest;
    /// A user leaves a group.
    LeaveGroupRequest;
    /// Who are the members?
    GetGroupMemberRequest;
    /// Who has joined?
    GetJoinedUsersRequest;
    /// What properties does it have?
    GetGroupPropsRequest;
    /// A user wants to know of changes.
    SubscribeGroupChangeRequest;
    /// And does no longer.
    UnsubscribeGroupChangeRequest;
    /// Does he?
    GetGroupSubStatusRequest;
}

primitive! {
    /// A user joins a group.
    JoinGroupRequest (meta) [
        /// Which.
        required group_id: Address = "groupID",
        /// Whether he wants to know who is there.
        optional joined_list: bool = "joinedListRequest",
        /// Whether he is told of changes.
        optional subscribe: bool = "subscribeNotif",
    ] {
        /// How he wants to be called there.
        optional screen_name: ScreenName = "ScreenName" | "ScreenNames",
        /// His own properties in it.
        optional own_properties: GroupProperties = "OwnProperties",
    }
}

primitive! {
    /// He has joined.
    JoinGroupResponse [] {
        /// How it went.
        required status: ResultInfo = "Status",
        /// Who is there, by name.
        optional joined: Names = "JoinedList",
        /// What the group shows to those who join.
        optional welcome_note: WelcomeNote = "WelcomeNote",
    }
}

primitive! {
    /// He has left, or was made to.
    LeaveGroupIndication (meta?) [
        /// Which group.
        required group_id: Address = "groupID",
    ] {
        /// How it went, or why.
        optional status: ResultInfo = "Status",
        /// Who was made to leave, where nobody had asked.
        many users: User = "User",
        /// Why, in words.
        optional reason: Box<str> = "ReasonText",
    }
}

primitive! {
    /// The members.
    GetGroupMemberResponse [] {
        /// How it went.
        required status: ResultInfo = "Status",
        /// Those with the most rights.
        optional admins: UserIds = "Admins",
        /// Those with some.
        optional moderators: UserIds = "Moderators",
        /// The others.
        optional users: UserIds = "OrdinaryUsers",
    }
}

primitive! {
    /// Who has joined.
    GetJoinedUsersResponse [] {
        /// How it went.
        required status: ResultInfo = "Status",
        /// Administrators.
        optional admins: JoinedMap = "JoinedAdmin" | "JoinedAdmins",
        /// All others.
        optional users: JoinedMap = "JoinedUsers" | "JoinedUser",
        /// Those who were blocked.
        optional blocked: JoinedMap = "JoinedBlocked",
    }
}

primitive! {
    /// Users become members.
    AddGroupMemberRequest (meta) [
        /// Of which group.
        required group_id: Address = "groupID",
    ] {
        /// Who.
        many user_ids: Address = "UserID" | "User",
    }
}

primitive! {
    /// Users are members no longer.
    RemoveGroupMemberRequest (meta) [
        /// Of which group.
        required group_id: Address = "groupID",
    ] {
        /// Who.
        many user_ids: Address = "UserID" | "User",
    }
}

primitive! {
    /// Members get other rights.
    MemberAccessRequest (meta) [
        /// In which group.
        required group_id: Address = "groupID",
    ] {
        /// Who gets the most.
        optional admins: UserIds = "Admins",
        /// Who gets some.
        optional moderators: UserIds = "Moderators",
        /// Who gets those that all have.
        optional users: UserIds = "OrdinaryUsers",
    }
}

primitive! {
    /// The properties.
    GetGroupPropsResponse [] {
        /// How it went.
        required status: ResultInfo = "Status",
        /// Those of the group.
        optional properties: GroupProperties = "GroupProperties",
        /// The user's own in it.
        optional own_properties: GroupProperties = "OwnProperties",
    }
}

primitive! {
    /// Properties change.
    SetGroupPropsRequest (meta) [
        /// Of which group.
        required group_id: Address = "groupID",
    ] {
        /// Those of the group.
        optional properties: GroupProperties = "GroupProperties",
        /// The user's own in it.
        optional own_properties: GroupProperties = "OwnProperties",
    }
}

primitive! {
    /// Who may not join changes, or is asked for.
    RejectListRequest (meta) [
        /// In which group.
        required group_id: Address = "groupID",
    ] {
        /// Who may no longer.
        optional add: UserIds = "AddUsers",
        /// Who may again.
        optional remove: UserIds = "RemoveUsers",
    }
}

primitive! {
    /// Who may not join.
    RejectListResponse [] {
        /// How it went.
        required status: ResultInfo = "Status",
        /// Who.
        optional rejected: UserIds = "RejectList",
    }
}

primitive! {
    /// Whether the user is told of changes.
    GetGroupSubStatusResponse [
        /// Of which group.
        optional group_id: Address = "groupID",
        /// Whether he is.
        optional subscribed: bool = "subscribed",
    ] {
        /// How it went.
        required status: ResultInfo = "Status",
    }
}

primitive! {
    /// A group changed.
    GroupChangeNotice (meta) [
        /// Which.
        required group_id: Address = "groupID",
    ] {
        /// Who is to know.
        many users: User = "User",
        /// Who joined, by name.
        optional joined: Names = "Joined",
        /// Who left, by name.
        optional left: Names = "Left",
        /// Who has joined but is blocked.
        optional joined_blocked: UserList = "JoinedBlocked",
        /// Who is blocked no longer.
        optional left_blocked: UserList = "LeftBlocked",
        /// Its properties as they are now.
        optional properties: GroupProperties = "GroupProperties",
        /// The user's own as they are now.
        optional own_properties: GroupProperties = "OwnProperties",
    }
}
