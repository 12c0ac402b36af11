"""What the peer does: its users, their presence, its groups and invitations; and the commands that they are moved by."""

import threading

import forms
from forms import bare, first, status

# What is told, and needs no reply: none is given.
TOLD = {"presencenotification", "groupchangenotice", "deliverystatusreport", "inviteresponse", "leavegroupindication"}


class Group:
    def __init__(self, owner):
        self.owner = owner
        # By user: the name he has there.
        self.joined = {}
        self.watchers = set()
        self.members = set()
        self.rejected = set()
        self.properties = {"Name": "A group"}
        self.note = "welcome"


class Refused(Exception):
    def __init__(self, code, description=""):
        super().__init__(description)
        self.code, self.description = code, description


class Services:
    def __init__(self, peer):
        self.peer, self.domain, self.event = peer, peer.domain, peer.event
        self.lock = threading.RLock()
        self.users = {}
        self.groups = {}
        # Attributes that a watcher has subscribed to, by publisher and watcher; none: all.
        self.watched = {}
        # Invitations that came: who invited whom, to what.
        self.invited = {}
        # Our own: whom.
        self.inviting = {}
        # Our messages, by transaction.
        self.sent = {}
        # Which primitive asked, by transaction.
        self.asked = {}
        self.count = 0

    def number(self, letter):
        self.count += 1
        return f"{letter}-{self.count}@{self.domain}"

    def user(self, address):
        address = bare(address)
        return address if "@" in address else f"{address}@{self.domain}"

    def is_here(self, address):
        return forms.domain_of(address) == self.domain

    # What other domains ask for. The answer, and what is done after it.

    def perform(self, domain, identity, said):
        name, then = forms.local(said), []
        handler = getattr(self, "do_" + name, None)
        with self.lock:
            try:
                if handler is None:
                    # What it has no function for, and what it cannot turn into anything.
                    known = ("creategrouprequest", "searchrequest", "stopsearchrequest")
                    raise Refused(501 if name in known else 405)
                # What is told may have no MetaInfo; what is asked must be for somebody of the session's domain.
                asks, user = forms.requestor(said)
                if name not in TOLD and (asks != domain or user and forms.domain_of(user) != domain):
                    raise Refused(901)
                answer = handler(domain, identity, user, said, then)
            except Refused as why:
                self.event("refused", primitive=name, code=why.code)
                answer = forms.general(why.code, why.description)
        return (None if name in TOLD else answer), then

    def do_sendmessagerequest(self, domain, identity, sender, said, then):
        info = first(said, "MessageInfo")
        # Its own spelling of the attributes; and the sender is not looked at.
        validity = info.get("validlity")
        number = info.get("messageID") or self.number("m")
        sender = first(info, "Sender")
        display = first(sender, "SenderDisplay")
        name = first(display, "ScreenName") if display is not None else None
        seen = {"of": forms.party(sender), "name": forms.text(name) if name is not None else None,
                "text": forms.content(said), "message": number, "transaction": identity, "validity": validity}
        failed, taken = [], []
        for recipient in forms.every(info, "Recipient"):
            to = forms.party(recipient)
            if not self.is_here(to):
                failed.append((to, 516))
            elif forms.is_group(to):
                failed += self.say_here(to, seen)
            elif to not in self.users:
                failed.append((to, 531))
            else:
                taken.append(to)
                self.event("message", to=to, **seen)
        if said.get("deliveryReport") == "Yes" and seen["of"]:
            for to in taken:
                report = forms.delivery_status_report(self.domain, number, to, seen["of"], 200)
                # As it wants them itself: in the form of an answer, under the ID of the message.
                then.append(lambda report=report: self.peer.request(domain, report, False, identity))
        everybody = len(forms.every(info, "Recipient"))
        code = 200 if not failed else failed[0][1] if len(failed) == everybody == 1 else 201 if taken else failed[0][1]
        return forms.send_message_response(number, code, failed)

    def say_here(self, address, seen):
        """A message to a group of ours: to those of our users who have joined, and to nobody else."""
        group = self.groups.get(address)
        if group is None:
            return [(address, 800)]
        name = seen["name"] or group.joined.get(seen["of"])
        if name is None:
            return [(address, 808)]
        for user in group.joined:
            if self.is_here(user) and user != seen["of"]:
                self.event("group message", to=user, group=address, **{**seen, "name": name})
        return []

    def do_deliverystatusreport(self, domain, identity, _user, said, then):
        # Only as an answer; this one is dropped.
        self.event("report dropped", transaction=identity)

    def do_subscriberequest(self, domain, identity, watcher, said, then):
        wanted = [bare(one.get("userID")) for one in forms.children(said, "UserID")]
        return self.watch(domain, watcher, wanted, list(forms.attributes(said)), then)

    def watch(self, domain, watcher, wanted, names, then):
        if any(not self.is_here(one) for one in wanted):
            raise Refused(516)
        failed = [(one, 531) for one in wanted if one not in self.users]
        for one in wanted:
            if one in self.users:
                self.watched[one, watcher] = names
                then.append(lambda one=one: self.notify(one, [watcher]))
        self.event("subscribed", by=watcher, to=wanted, attributes=names)
        if failed:
            return forms.general(531 if len(failed) == len(wanted) else 201, failed=failed)
        return forms.general(200)

    def do_unsubscriberequest(self, domain, identity, watcher, said, then):
        wanted = [bare(one.get("userID")) for one in forms.children(said, "UserID")]
        for one in wanted:
            self.watched.pop((one, watcher), None)
        self.event("unsubscribed", by=watcher, to=wanted)
        return forms.general(200)

    def view(self, user, names):
        return {name: value for name, value in self.users[user].items() if not names or name in names}

    def notify(self, user, watchers):
        """One notification for each domain and each set of attributes."""
        with self.lock:
            told = {}
            for watcher in watchers:
                names = tuple(self.watched[user, watcher])
                told.setdefault((forms.domain_of(watcher), names), []).append(watcher)
            posts = [(domain, forms.presence_notification(self.domain, users, user, self.view(user, names)))
                     for (domain, names), users in told.items()]
        for domain, notification in posts:
            self.peer.request(domain, notification)

    def do_presencenotification(self, domain, identity, _user, said, then):
        watchers = [bare(one.get("userID")) for one in forms.children(said, "User")]
        for value in forms.children(said, "PresenceValue"):
            self.event("presence", to=watchers, of=bare(value.get("userID")), values=forms.attributes(value))

    def do_getpresencerequest(self, domain, identity, watcher, said, then):
        wanted = [bare(one.get("userID")) for one in forms.children(said, "VerUserID")]
        if not wanted or any(not self.is_here(one) for one in wanted):
            raise Refused(516 if wanted else 405)
        shown = [(one, self.view(one, list(forms.attributes(said)))) for one in wanted if one in self.users]
        if not shown:
            raise Refused(531)
        return forms.get_presence_response(shown)

    # Groups.

    def group(self, said):
        address = bare(said.get("groupID"))
        if not self.is_here(address):
            raise Refused(516)
        if address not in self.groups:
            raise Refused(800)
        return address, self.groups[address]

    def do_joingrouprequest(self, domain, identity, user, said, then):
        address, group = self.group(said)
        if user in group.rejected:
            raise Refused(809)
        name = first(said, "ScreenName")
        name = forms.text(name) if name is not None else user.split("@")[0]
        if name in group.joined.values() and group.joined.get(user) != name:
            raise Refused(811)
        names = list(group.joined.values()) if said.get("joinedListRequest") == "Yes" else None
        self.enter(address, user, name, said.get("subscribeNotif") == "Yes", then)
        return forms.join_group_response(200, names, group.note)

    def enter(self, address, user, name, watches, then):
        group = self.groups[address]
        self.tell_change(address, then, joined=[name], but=user)
        group.joined[user] = name
        if watches:
            group.watchers.add(user)
        self.event("joined", group=address, of=user, name=name)

    def depart(self, address, user, then):
        group = self.groups[address]
        name = group.joined.pop(user, None)
        if name is None:
            raise Refused(808)
        group.watchers.discard(user)
        self.tell_change(address, then, left=[name], but=user)
        self.event("left", group=address, of=user, name=name)

    def tell_change(self, address, then, joined=(), left=(), but=None):
        domains = {}
        for user in self.groups[address].watchers - {but}:
            domains.setdefault(forms.domain_of(user), []).append(user)
        for domain, users in domains.items():
            if domain == self.domain:
                self.event("notice", to=users, group=address, joined=list(joined), left=list(left))
            else:
                notice = forms.group_change_notice(self.domain, address, sorted(users), joined, left)
                then.append(lambda domain=domain, notice=notice: self.peer.request(domain, notice))

    def do_leavegrouprequest(self, domain, identity, user, said, then):
        address, _ = self.group(said)
        self.depart(address, user, then)
        return forms.leave_group_indication(address, 200)

    def do_leavegroupindication(self, domain, identity, _user, said, then):
        self.event("thrown out", group=bare(said.get("groupID")), code=status(said))

    def do_getjoinedusersrequest(self, domain, identity, user, said, then):
        return forms.get_joined_users_response(self.group(said)[1].joined.items())

    def do_getgroupmemberrequest(self, domain, identity, user, said, then):
        return forms.get_group_member_response(sorted(self.group(said)[1].members))

    def do_addgroupmemberrequest(self, domain, identity, user, said, then):
        group = self.owned(said, user)
        group.members.update(bare(one.get("userID")) for one in forms.children(said, "UserID"))
        return forms.general(200)

    def do_removegroupmemberrequest(self, domain, identity, user, said, then):
        group = self.owned(said, user)
        group.members.difference_update(bare(one.get("userID")) for one in forms.children(said, "UserID"))
        return forms.general(200)

    def owned(self, said, user):
        group = self.group(said)[1]
        if group.owner != user:
            raise Refused(816)
        return group

    def do_deletegrouprequest(self, domain, identity, user, said, then):
        self.owned(said, user)
        del self.groups[bare(said.get("groupID"))]
        return forms.general(200)

    def do_memberaccessrequest(self, domain, identity, user, said, then):
        self.owned(said, user)
        return forms.general(200)

    def do_getgrouppropsrequest(self, domain, identity, user, said, then):
        return forms.get_group_props_response(self.group(said)[1].properties)

    def do_setgrouppropsrequest(self, domain, identity, user, said, then):
        group = self.owned(said, user)
        for one in forms.every(said, "Property"):
            group.properties[forms.text(first(one, "Name"))] = forms.text(first(one, "Value"))
        return forms.general(200)

    def do_rejectlistrequest(self, domain, identity, user, said, then):
        group = self.owned(said, user)
        for name, change in (("AddUsers", group.rejected.add), ("RemoveUsers", group.rejected.discard)):
            listed = first(said, name)
            for one in forms.every(listed, "UserID") if listed is not None else []:
                change(bare(one.get("userID")))
        return forms.reject_list_response(sorted(group.rejected))

    def do_subscribegroupchangerequest(self, domain, identity, user, said, then):
        group = self.group(said)[1]
        if user not in group.joined:
            raise Refused(808)
        group.watchers.add(user)
        return forms.general(200)

    def do_unsubscribegroupchangerequest(self, domain, identity, user, said, then):
        self.group(said)[1].watchers.discard(user)
        return forms.general(200)

    def do_getgroupsubstatusrequest(self, domain, identity, user, said, then):
        address, group = self.group(said)
        return forms.get_group_sub_status_response(address, user in group.watchers)

    def do_groupchangenotice(self, domain, identity, _user, said, then):
        names = {list_name: [forms.text(one) for one in forms.every(found, "Name")] if found is not None else []
                 for list_name in ("Joined", "Left") for found in [next(iter(forms.children(said, list_name)), None)]}
        watchers = sorted(bare(one.get("userID")) for one in forms.children(said, "User"))
        self.event("notice", to=watchers, group=bare(said.get("groupID")), joined=names["Joined"], left=names["Left"])

    # Invitations.

    def do_inviterequest(self, domain, identity, _user, said, then):
        whom = forms.party(first(said, "Invited"))
        if not self.is_here(whom):
            raise Refused(516)
        if whom not in self.users:
            raise Refused(531)
        number, group = said.get("inviteID"), first(said, "GroupID")
        self.invited[number] = (forms.party(first(said, "Inviting")), whom)
        self.event("invited", invitation=number, kind=said.get("inviteType"), to=whom, of=self.invited[number][0],
                   group=bare(group.get("groupID")) if group is not None else None,
                   urls=[one.get("url") for one in forms.every(said, "ContentID")],
                   note=forms.text(first(said, "InviteNote")))
        return forms.general(200)

    def do_inviteresponse(self, domain, identity, _user, said, then):
        # Matched by the ID.
        number = said.get("inviteID")
        if self.inviting.get(number) is None:
            return self.event("stray answer", invitation=number)
        return self.event("invitation answered", invitation=number, accepted=said.get("acceptance") == "Yes",
                          note=forms.text(first(said, "ResponseNote")), of=forms.party(first(said, "Responding")))

    def do_cancelinviterequest(self, domain, identity, _user, said, then):
        number = said.get("inviteID")
        if self.invited.pop(number, None) is None:
            raise Refused(423)
        self.event("invitation cancelled", invitation=number, note=forms.text(first(said, "CancelNote")))
        return forms.general(200)

    # What is answered to us.

    def answered(self, domain, identity, said):
        name = forms.local(said)
        if name == "deliverystatusreport":
            with self.lock:
                number = self.sent.get(identity)
            if number is None:
                self.event("stray report", transaction=identity)
                return
            about = first(said, "MessageInfo")
            self.event("report", message=number, code=status(first(said, "DeliveryResult")),
                       of=forms.party(first(about, "Recipient")))
            return
        with self.lock:
            asked = self.asked.get(identity)
        code = status(said)
        if name == "getpresenceresponse" and code != 200:
            # Without a Status it is not believed.
            self.event("ignored", primitive=name)
            return
        line = {"transaction": identity, "primitive": name, "code": code, "details": forms.details(said), "of": asked}
        if name == "getpresenceresponse":
            line["values"] = {bare(one.get("userID")): forms.attributes(one)
                              for one in forms.children(said, "PresenceValue")}
        if name == "joingroupresponse":
            listed = first(said, "JoinedList")
            line["joined"] = [forms.text(one) for one in forms.every(listed, "Name")] if listed is not None else None
            line["note"] = forms.content(said)
        if name == "getjoinedusersresponse":
            # It writes JoinedUser, and reads JoinedUsers; and administrators.
            line["joined"] = {forms.text(first(one, "SName")): forms.party(one)
                              for kind in ("JoinedAdmin", "JoinedUsers") for part in forms.children(said, kind)
                              for one in forms.every(part, "Mapping")}
        self.event("answer", **line)

    # Commands.

    def command(self, what, given):
        command = getattr(self, "on_" + what, None)
        if command is None:
            raise ValueError(f"no command {what}")
        then = []
        with self.lock:
            done = command(then=then, **given)
        for one in then:
            one()
        return done

    def ask(self, domain, inside):
        """Sends a request; its ID, under which the answer is an event."""
        identity = self.peer.request(domain, inside)
        self.asked[identity] = inside.split(None, 1)[0].strip("<>").split(">")[0]
        return identity

    def on_know(self, domain, url, then):
        """The SRV record of a domain."""
        self.peer.urls[domain] = url

    def on_open(self, domain, then):
        self.peer.open(domain)

    def on_add(self, user, then, **attributes):
        self.users[self.user(user)] = {"OnlineStatus": "T", **attributes}

    def on_say(self, user, to, text, then, report=True):
        """The ID of the message, and that of the last transaction for it."""
        user, number, identity = self.user(user), self.number("m"), None
        domains = {}
        for one in map(bare, to):
            domains.setdefault(forms.domain_of(one), []).append(one)
        for domain, recipients in domains.items():
            if domain == self.domain:
                for one in recipients:
                    self.say_here(one, {"of": user, "name": None, "text": text, "message": number})
                continue
            said = forms.send_message_request(self.domain, user, number, recipients, text, report)
            identity = self.ask(domain, said)
            self.sent[identity] = number
        return {"message": number, "transaction": identity}

    def on_raw(self, domain, inside, then):
        return self.ask(domain, inside)

    def on_octets(self, domain, body, then):
        """Posts octets as they are; the HTTP status."""
        return self.peer.post(domain, body, "raw")

    def on_claim(self, domain, service, then):
        """Sends a token in the name of another domain."""
        self.peer.post_setup(domain, True, "claimed", forms.send_secret_token(service, "00" * 16))

    def on_presence(self, user, then, **attributes):
        user = self.user(user)
        self.users[user].update(attributes)
        watchers = [watcher for publisher, watcher in self.watched if publisher == user]
        then.append(lambda: self.notify(user, watchers))

    def on_subscribe(self, user, to, then, attributes=()):
        domain = forms.domain_of(to[0])
        return self.ask(domain, forms.about_users("SubscribeRequest", self.domain, self.user(user), to, attributes))

    def on_unsubscribe(self, user, to, then):
        domain = forms.domain_of(to[0])
        return self.ask(domain, forms.about_users("UnsubscribeRequest", self.domain, self.user(user), to))

    def on_get_presence(self, user, to, then, attributes=()):
        inside = forms.about_users("GetPresenceRequest", self.domain, self.user(user), to, attributes, "VerUserID")
        return self.ask(forms.domain_of(to[0]), inside)

    def on_group(self, group, owner, then):
        self.groups[bare(group)] = Group(self.user(owner))

    def on_join(self, user, group, then, name=None, asks=True, watches=True):
        if self.is_here(group):
            return self.enter(bare(group), self.user(user), name, watches, then)
        inside = forms.join_group_request(self.domain, self.user(user), group, name, asks, watches)
        return self.ask(forms.domain_of(group), inside)

    def on_leave(self, user, group, then):
        if self.is_here(group):
            return self.depart(bare(group), self.user(user), then)
        inside = forms.about_group("LeaveGroupRequest", self.domain, self.user(user), group)
        return self.ask(forms.domain_of(group), inside)

    def on_of_group(self, primitive, user, group, then):
        return self.ask(forms.domain_of(group), forms.about_group(primitive, self.domain, self.user(user), group))

    def on_invite(self, user, to, kind, then, group=None, urls=(), note=None):
        """One transaction for each who is invited."""
        number, user = self.number("i"), self.user(user)
        self.inviting[number] = list(map(bare, to))
        for one in to:
            inside = forms.invite_request(self.domain, number, kind, user, one, group, urls, note)
            self.ask(forms.domain_of(one), inside)
        return number

    def on_answer(self, invitation, accepts, then, note=None):
        inviting, whom = self.invited[invitation]
        inside = forms.invite_response(invitation, accepts, inviting, whom, note)
        return self.ask(forms.domain_of(inviting), inside)

    def on_cancel(self, user, invitation, then, group=None):
        for one in self.inviting[invitation]:
            inside = forms.cancel_invite_request(self.domain, invitation, self.user(user), one, group)
            self.ask(forms.domain_of(one), inside)
