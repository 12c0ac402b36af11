//! Who may do what in a group (CSP 13.2): one row for each act.

use imps_types::element::Role;

/// Something that not everybody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// *DeleteGroup-Request*.
    Delete,
    /// *GetGroupMembers-Request*.
    ReadMembers,
    /// *AddGroupMembers-Request*.
    AddMembers,
    /// *RemoveGroupMembers-Request*.
    RemoveMembers,
    /// *MemberAccess-Request* that makes somebody an administrator, or changes one.
    SetAdmins,
    /// *MemberAccess-Request* among moderators and users.
    SetModerators,
    /// *RejectList-Request*.
    RejectList,
    /// To see whose a screen name is, though he does not show it.
    SeeAddresses,
}

/// The least role for each. Properties say themselves who may set them.
const RIGHTS: &[(Act, Role)] = &[
    (Act::Delete, Role::Admin),
    (Act::ReadMembers, Role::Mod),
    (Act::AddMembers, Role::Mod),
    (Act::RemoveMembers, Role::Mod),
    (Act::SetAdmins, Role::Admin),
    (Act::SetModerators, Role::Mod),
    (Act::RejectList, Role::Mod),
    (Act::SeeAddresses, Role::Mod),
];

/// Whether this role is enough.
pub(super) fn may(role: Role, act: Act) -> bool {
    RIGHTS.iter().any(|(one, least)| *one == act && role >= *least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_read_moderators_manage_people_and_administrators_do_all() {
        for (act, _) in RIGHTS {
            assert!(!may(Role::User, *act) && may(Role::Admin, *act), "{act:?}");
        }
        assert!(may(Role::Mod, Act::RejectList) && may(Role::Mod, Act::SetModerators));
        assert!(!may(Role::Mod, Act::Delete) && !may(Role::Mod, Act::SetAdmins));
    }
}
