"""SSP on the wire, as the open-source peer has it: what it writes, to the letter, and how it reads. SSP 4 to 9, 17."""

import base64
import hashlib
import xml.etree.ElementTree as ElementTree
from xml.sax.saxutils import escape, quoteattr

NAMESPACE = "http://www.openmobilealliance.org/DTD/WV-SSP1.3"
PRESENCE = "http://www.openmobilealliance.org/DTD/IMPS-PA1.3"
CONTENT_TYPE = "application/vnd.wv.ssp+xml"


# Reading: names without regard to case, at any depth, the first hit; attributes exactly.

def local(element):
    return element.tag.rsplit("}", 1)[-1].lower()


def every(element, name):
    """Everything of this name below an element."""
    return [one for one in element.iter() if one is not element and local(one) == name.lower()]


def first(element, name):
    found = every(element, name)
    return found[0] if found else None


def children(element, name):
    return [one for one in element if local(one) == name.lower()]


def text(element):
    return (element.text or "").strip() if element is not None else ""


def bare(address):
    """An address as two of them are compared: without `wv:`, in small letters."""
    address = (address or "").strip().lower()
    return address[3:] if address.startswith("wv:") else address


def domain_of(address):
    return bare(address).rsplit("@", 1)[-1]


def read(body):
    """The mode, the ID and the primitive of each transaction, and the session they are in."""
    root = ElementTree.fromstring(body)
    if local(root) != "wv-ssp-message":
        raise ValueError("no WV-SSP-Message")
    setup = first(root, "SetupTransaction")
    session = first(root, "Session")
    if setup is not None:
        return None, [transaction(setup)]
    if session is None:
        raise ValueError("neither a set-up nor a session")
    return session.get("sessionID", ""), [transaction(one) for one in every(session, "Transaction")]


def transaction(element):
    # Whatever is no Request is a Response.
    is_request = element.get("mode") == "Request"
    return is_request, element.get("transactionID", ""), element[0] if len(element) else None


def requestor(primitive):
    """Domain and user of MetaInfo."""
    meta = first(primitive, "MetaInfo")
    if meta is None:
        return "", ""
    asks = first(meta, "Requestor")
    user = first(meta, "User")
    domain = domain_of(asks.get("serviceID", "")) if asks is not None else ""
    return domain, bare(user.get("userID")) if user is not None else ""


def party(element):
    """Of Inviting, Invited, Recipient or Sender: a user's address, a group's, or a name and a group's."""
    if element is None:
        return ""
    for name in ("User", "UserID", "GroupID", "ScreenName"):
        found = first(element, name)
        if found is not None:
            return bare(found.get("userID") or found.get("groupID") or text(found))
    return ""


def status(primitive):
    found = primitive if local(primitive) == "status" else first(primitive, "Status")
    return int(found.get("code", "0")) if found is not None else None


def details(primitive):
    """Code by address."""
    return {bare(user.get("userID")): int(one.get("code", "0"))
            for one in every(primitive, "DetailedResult") for user in every(one, "UserID")}


def token(element):
    """The octets of a SecretToken: with any `encoding` they are in base64."""
    octets = text(element).encode()
    return base64.b64decode(octets) if element.get("encoding") is not None else octets


def content(primitive):
    data = first(primitive, "ContentData")
    if data is None:
        return ""
    octets = text(data).encode()
    return (base64.b64decode(octets) if data.get("encoding") is not None else octets).decode()


def attributes(primitive):
    """Names and values in a PresenceSubList."""
    found = first(primitive, "PresenceSubList")
    if found is None:
        return {}
    return {one.tag.rsplit("}", 1)[-1]: text(first(one, "PresenceValue")) for one in found}


# Writing.

def message(inside):
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<WV-SSP-Message xmlns="{NAMESPACE}">{inside}</WV-SSP-Message>'


def setup(is_request, identity, inside):
    mode = "Request" if is_request else "Response"
    return message(f'<SetupTransaction mode="{mode}" transactionID={quoteattr(identity)}>{inside}</SetupTransaction>')


def in_session(session, is_request, identity, inside):
    mode = "Request" if is_request else "Response"
    return message(f'<Session sessionID={quoteattr(session)}><Transaction mode="{mode}" '
                   f'transactionID={quoteattr(identity)}>{inside}</Transaction></Session>')


def send_secret_token(domain, secret):
    # The attribute is misspelt.
    return (f'<SendSecretToken serviceID="wv:@{domain}" protocol="WV-SSP" procotolVersion="1.3">'
            f'<SecretToken>{secret}</SecretToken></SendSecretToken>')


def digest_of(secret):
    return base64.b64encode(hashlib.md5(secret).digest()).decode()


def login_request(domain, received):
    return (f'<LoginRequest serviceID="wv:@{domain}" timeToLive="86400">'
            f'<PasswordDigest encoding="base64">{digest_of(received)}</PasswordDigest></LoginRequest>')


def login_response(session):
    return f'<LoginResponse sessionID={quoteattr(session)} timeToLive="86400"><Status code="200"/></LoginResponse>'


def meta(domain, user=None):
    if user is None:
        return f'<MetaInfo clientOriginated="No"><Requestor serviceID="wv:@{domain}"/></MetaInfo>'
    return (f'<MetaInfo clientOriginated="Yes"><Requestor serviceID="wv:@{domain}">{the_user(user)}</Requestor>'
            '</MetaInfo>')


def the_user(address):
    return f'<User userID={quoteattr("wv:" + bare(address))}/>'


def the_id(address, element="UserID"):
    return f'<{element} userID={quoteattr("wv:" + bare(address))}/>'


def the_group(address):
    return f'<GroupID groupID={quoteattr("wv:" + bare(address))}/>'


def the_name(name, group):
    return f'<ScreenName groupID={quoteattr("wv:" + bare(group))}>{escape(name)}</ScreenName>'


def is_group(address):
    return "/" in bare(address).rsplit("@", 1)[0]


def general(code, description="", failed=()):
    """Status; of users whom it concerns it writes the address without `wv:`, and of the description the text as it is."""
    said = f"<StatusDescription>{description}</StatusDescription>" if description else ""
    one = "".join(f'<DetailedResult code="{why}"><UserID userID={quoteattr(bare(user))}/></DetailedResult>'
                  for user, why in failed)
    return f'<Status code="{code}">{said}{one}</Status>' if said or one else f'<Status code="{code}"/>'


def message_info(number, recipients, sender, octets, name=None):
    to = "".join(f"<Recipient>{the_group(one) if is_group(one) else the_user(one)}</Recipient>" for one in recipients)
    by = the_user(sender) if name is None else (
        f"{the_group(sender)}<SenderDisplay>{the_name(name, sender)}</SenderDisplay>")
    return (f'<MessageInfo messageID={quoteattr(number)} contentType="text/plain" contentSize="{len(octets)}" '
            f'validity="86400">{to}<Sender>{by}</Sender>'
            '<DateTime format="iso8601">2026-01-31T12:00:00Z</DateTime></MessageInfo>')


def content_data(octets):
    return f'<ContentData contentType="text/plain" encoding="base64">{base64.b64encode(octets).decode()}</ContentData>'


def send_message_request(domain, user, number, recipients, said, report):
    octets = said.encode()
    asks = "Yes" if report else "No"
    return (f'<SendMessageRequest deliveryReport="{asks}">{meta(domain, user)}'
            f'{message_info(number, recipients, user, octets)}{content_data(octets)}</SendMessageRequest>')


def send_message_response(number, code, failed):
    return (f'<SendMessageResponse messageID={quoteattr(number)}>{general(code, failed=failed)}'
            '</SendMessageResponse>')


def delivery_status_report(domain, number, recipient, sender, code):
    return (f'<DeliveryStatusReport>{meta(domain)}<DeliveryResult><Status code="{code}"/></DeliveryResult>'
            f'<DeliveryTime>2026-01-31T12:00:05Z</DeliveryTime>{message_info(number, [recipient], sender, b"")}'
            '</DeliveryStatusReport>')


def attribute_list(names):
    inside = "".join(f"<{name}/>" for name in names)
    return (f'<AttributeList><PresenceSubList xmlns="{PRESENCE}">{inside}</PresenceSubList></AttributeList>'
            if names else "")


def about_users(primitive, domain, user, users, names=(), element="UserID"):
    """SubscribeRequest, UnsubscribeRequest, GetPresenceRequest: one message with many users."""
    listed = "".join(the_id(one, element) for one in users)
    return f"<{primitive}>{meta(domain, user)}{listed}{attribute_list(names)}</{primitive}>"


def presence_value(user, values):
    # The address without `wv:`.
    inside = "".join(f"<{name}><Qualifier>T</Qualifier><PresenceValue>{escape(value)}</PresenceValue></{name}>"
                     for name, value in values.items())
    return (f'<PresenceValue userID={quoteattr(bare(user))}><PresenceSubList xmlns="{PRESENCE}">{inside}'
            '</PresenceSubList></PresenceValue>')


def presence_notification(domain, watchers, user, values):
    told = "".join(the_user(one) for one in watchers)
    return f"<PresenceNotification>{meta(domain)}{told}{presence_value(user, values)}</PresenceNotification>"


def get_presence_response(shown):
    # Without a Status.
    return f"<GetPresenceResponse>{''.join(presence_value(*one) for one in shown)}</GetPresenceResponse>"


def yes(value):
    return "Yes" if value else "No"


def about_group(primitive, domain, user, group, inside="", flags=""):
    return (f'<{primitive} groupID={quoteattr("wv:" + bare(group))}{flags}>{meta(domain, user)}{inside}'
            f"</{primitive}>")


def join_group_request(domain, user, group, name, asks, watches):
    flags = f' joinedListRequest="{yes(asks)}" subscribeNotif="{yes(watches)}"'
    return about_group("JoinGroupRequest", domain, user, group, the_name(name, group) if name else "", flags)


def join_group_response(code, names, note):
    # Bare screen names, without user IDs.
    listed = "" if names is None else f"<JoinedList>{''.join(f'<Name>{escape(one)}</Name>' for one in names)}</JoinedList>"
    welcome = f"<WelcomeNote>{content_data(note.encode())}</WelcomeNote>" if note else ""
    return f"<JoinGroupResponse>{general(code)}{listed}{welcome}</JoinGroupResponse>"


def leave_group_indication(group, code, reason=""):
    why = f"<ReasonText>{reason}</ReasonText>" if reason else ""
    return f'<LeaveGroupIndication groupID={quoteattr("wv:" + bare(group))}>{general(code)}{why}</LeaveGroupIndication>'


def group_change_notice(domain, group, watchers, joined=(), left=()):
    told = "".join(the_user(one) for one in watchers)
    lists = "".join(f"<{element}>{''.join(f'<Name>{escape(one)}</Name>' for one in names)}</{element}>"
                    for element, names in (("Joined", joined), ("Left", left)) if names)
    return about_group("GroupChangeNotice", domain, None, group, told + lists)


def get_joined_users_response(joined):
    # `JoinedUser` and `userid`, where others have JoinedUsers and userID.
    mapped = "".join(f'<Mapping><SName>{escape(name)}</SName><UserID userid={quoteattr("wv:" + bare(user))}/></Mapping>'
                     for user, name in joined)
    return (f"<GetJoinedUsersResponse>{general(200)}<JoinedUser><UserMapList><UserMapping>{mapped}</UserMapping>"
            "</UserMapList></JoinedUser></GetJoinedUsersResponse>")


def get_group_member_response(members):
    listed = "".join(the_id(one) for one in members)
    return (f"<GetGroupMemberResponse>{general(200)}<OrdinaryUsers>{listed}</OrdinaryUsers>"
            "</GetGroupMemberResponse>")


def get_group_props_response(properties):
    inside = "".join(f"<Property><Name>{escape(name)}</Name><Value>{escape(value)}</Value></Property>"
                     for name, value in properties.items())
    return f"<GetGroupPropsResponse>{general(200)}<GroupProperties>{inside}</GroupProperties></GetGroupPropsResponse>"


def get_group_sub_status_response(group, watches):
    return (f'<GetGroupSubStatusResponse groupID={quoteattr("wv:" + bare(group))} subscribed="{yes(watches)}">'
            f"{general(200)}</GetGroupSubStatusResponse>")


def reject_list_response(rejected):
    listed = "".join(the_id(one) for one in rejected)
    return f"<RejectListResponse>{general(200)}<RejectList>{listed}</RejectList></RejectListResponse>"


def invite_request(domain, number, kind, inviting, invited, group, urls, note):
    inside = the_group(group) if group else ""
    if urls:
        inside += f"<ContentIDList>{''.join(f'<ContentID url={quoteattr(url)}/>' for url in urls)}</ContentIDList>"
    # What people write is not escaped.
    inside += f"<InviteNote>{note}</InviteNote>" if note else ""
    return (f'<InviteRequest inviteID={quoteattr(number)} inviteType="{kind}" validity="600">{meta(domain, inviting)}'
            f"<Inviting>{the_user(inviting)}</Inviting><Invited>{the_user(invited)}</Invited>{inside}</InviteRequest>")


def invite_response(number, accepts, inviting, responding, note):
    # No MetaInfo, and the parties swapped; a rejection has 404.
    said = f"<ResponseNote>{note}</ResponseNote>" if note else ""
    return (f'<InviteResponse inviteID={quoteattr(number)} acceptance="{yes(accepts)}">'
            f'{general(200 if accepts else 404)}<Inviting>{the_user(responding)}</Inviting>'
            f"<Responding>{the_user(inviting)}</Responding>{said}</InviteResponse>")


def cancel_invite_request(domain, number, canceling, canceled, group):
    # Not well-formed: an empty element stands where the end should be.
    inside = the_group(group) if group else ""
    return (f"<CancelInviteRequest inviteID={quoteattr(number)}>{meta(domain, canceling)}"
            f"<Canceling>{the_user(canceling)}</Canceling><Canceled>{the_user(canceled)}<Canceled/>{inside}"
            "</CancelInviteRequest>")
