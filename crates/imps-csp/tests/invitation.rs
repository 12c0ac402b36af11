//! Invitations as they go over the wire where no phone of the scenarios does so.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod world;

use std::time::Duration;

use world::{World, code};

const INVITE: &str = "<Invite-Request><InviteID>1</InviteID><InviteType>IM</InviteType><Recipient><User>\
    <UserID>wv:bob</UserID></User></Recipient></Invite-Request>";

/// Some phones answer in the transaction of the invitation itself, where others say Status first.
#[tokio::test]
async fn an_invitation_is_answered_in_its_own_transaction() {
    let world = World::new().await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    assert_eq!(code(&alice.ask("2", INVITE).await), "200");
    let invited = bob.poll().await;
    assert!(invited.contains("<InviteUser-Request><InviteID>1</InviteID>"), "{invited}");
    let answer = "<InviteUser-Response><InviteID>1</InviteID><Acceptance>T</Acceptance></InviteUser-Response>";
    assert_eq!(bob.answer(&invited, answer).await, "");
    let answered = alice.poll().await;
    assert!(answered.contains("<Invite-Response><InviteID>1</InviteID><Acceptance>T</Acceptance>"), "{answered}");
    world.csp.services().clock.advance(Duration::from_secs(61));
    assert_eq!(bob.poll().await, "", "it was heard");
    // One that is about nothing is told so.
    let wrong = answer.replace("<InviteID>1<", "<InviteID>2<");
    assert_eq!(code(&bob.answer(&invited, &wrong).await), "423");
}

/// Who was shown an invitation and did not acknowledge it is not shown it again once it is cancelled.
#[tokio::test]
async fn a_cancelled_invitation_is_not_repeated() {
    let world = World::new().await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    alice.ask("2", INVITE).await;
    assert!(bob.poll().await.contains("<InviteUser-Request>"));
    let cancel = "<CancelInvite-Request><InviteID>1</InviteID></CancelInvite-Request>";
    assert_eq!(code(&alice.ask("3", cancel).await), "200");
    assert!(bob.poll().await.contains("<CancelInviteUser-Request>"));
    world.csp.services().clock.advance(Duration::from_secs(61));
    assert!(bob.poll().await.contains("<CancelInviteUser-Request>"), "that it is over is repeated");
    assert_eq!(bob.poll().await, "");
}
