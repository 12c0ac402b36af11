"""A peer that speaks the wire form of the open-source server of the chapter, with its oddities. Standard library only.

    python3 peer.py DOMAIN

Commands come as lines of JSON on standard input, {"id": 1, "do": "say", ...}; each is answered by a line {"id": 1, ...}, and
what happens otherwise is a line {"event": ..., ...}. The first line says where it listens.
"""

import http.client
import http.server
import json
import queue
import secrets
import sys
import threading
import time
import traceback
import urllib.parse
import xml.etree.ElementTree as ElementTree

import forms
import services

# The row of a set-up is committed so long after its second step was posted: whoever is quicker is hung up on.
LATE = 0.2
# Between attempts, times their number; the original waits ten seconds.
RETRY = 0.5
ATTEMPTS = 40


class HangUp(Exception):
    """The connection is closed without an answer."""


class Row:
    """A set-up, and the session that it led to."""

    def __init__(self, domain, identity, is_ours, mine, theirs=b""):
        self.domain, self.identity, self.is_ours = domain, identity, is_ours
        self.mine, self.theirs = mine, theirs
        self.is_verified = False
        self.own_id = self.their_id = None

    @property
    def is_up(self):
        return self.own_id is not None and self.their_id is not None


class Peer:
    def __init__(self, domain):
        self.domain = domain
        self.urls = {}
        self.rows = []
        self.lock = threading.RLock()
        self.numbers = iter(range(42, 1 << 40))
        self.output = threading.Lock()
        # What waits for a session, by domain, and what goes out now.
        self.waiting = {}
        self.posts = queue.Queue()
        self.services = services.Services(self)
        threading.Thread(target=self.post_all, daemon=True).start()

    # Standard output.

    def print(self, **line):
        with self.output:
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()

    def event(self, event, **line):
        self.print(event=event, **line)

    # The way out: one after the other.

    def post_all(self):
        while True:
            work = self.posts.get()
            try:
                work()
            except Exception:
                traceback.print_exc()

    def post(self, domain, body, identity, session=None):
        """The HTTP status; none: there was no answer."""
        url = urllib.parse.urlsplit(self.urls[domain])
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        connection = kind(url.hostname, url.port, timeout=10)
        headers = {"Content-Type": forms.CONTENT_TYPE, "User-Agent": "Baraza-like", "x-wv-transactionid": identity}
        if session is not None:
            headers["x-wv-sessionid"] = session
        try:
            connection.request("POST", url.path or "/", body.encode(), headers)
            answer = connection.getresponse()
            # Whatever is in the answer is ignored: replies are POSTs of their own.
            answer.read()
            return answer.status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def post_setup(self, domain, is_request, identity, inside, then=None):
        body = forms.setup(is_request, identity, inside)

        def work():
            if self.post(domain, body, identity) == 200:
                if then is not None:
                    then()
            else:
                self.failed(domain, identity)

        self.posts.put(work)

    def failed(self, domain, identity):
        """A step was not taken: the set-up begins anew if something waits."""
        with self.lock:
            self.rows = [row for row in self.rows if row.identity != identity or row.domain != domain or row.is_up]
        self.event("set-up failed", peer=domain)
        again = threading.Timer(RETRY, lambda: self.open_if_wanted(domain))
        again.daemon = True
        again.start()

    def open_if_wanted(self, domain):
        with self.lock:
            if self.waiting.get(domain) and not any(row.domain == domain for row in self.rows):
                self.open(domain)

    def reply(self, row, identity, inside):
        # The header names the session by the ID that the request came under.
        body = forms.in_session(row.own_id, False, identity, inside)
        self.posts.put(lambda: self.post(row.domain, body, identity, row.their_id))

    def request(self, domain, inside, is_request=True, identity=None):
        """Sends a transaction when there is a session; its ID."""
        if domain not in self.urls:
            raise ValueError(f"no SRV record of {domain}")
        identity = identity or f"{next(self.numbers):010}-0"
        with self.lock:
            self.waiting.setdefault(domain, []).append((identity, inside, is_request))
        self.open_if_wanted(domain)
        self.flush(domain)
        return identity

    def flush(self, domain):
        with self.lock:
            if any(row.is_up and row.domain == domain for row in self.rows):
                for one in self.waiting.pop(domain, []):
                    self.posts.put(lambda one=one: self.attempt(domain, one, 0))

    def attempt(self, domain, one, tries):
        identity, inside, is_request = one
        with self.lock:
            up = [row for row in self.rows if row.is_up and row.domain == domain]
        # It takes any session that is there: the oldest first.
        row = up[tries % len(up)] if up else None
        if row is not None:
            code = self.post(domain, forms.in_session(row.own_id, is_request, identity, inside), identity, row.own_id)
            if code == 200:
                return
            self.event("not taken", transaction=identity, http=code)
            if code in (400, 415):
                return
        if tries < ATTEMPTS:
            again = threading.Timer(RETRY * (tries + 1),
                                    lambda: self.posts.put(lambda: self.attempt(domain, one, tries + 1)))
            again.daemon = True
            again.start()

    # Set-up. SSP 6.1.

    def open(self, domain):
        identity, mine = str(next(self.numbers)), secrets.token_hex(16)
        with self.lock:
            self.rows.append(Row(domain, identity, True, mine.encode()))
        self.post_setup(domain, True, identity, forms.send_secret_token(self.domain, mine))

    def row_of(self, identity, domain, is_ours):
        with self.lock:
            for row in self.rows:
                if row.identity == identity and row.is_ours == is_ours and domain in (None, row.domain):
                    return row
        raise HangUp(f"no set-up {identity}")

    def drop(self, row, why):
        with self.lock:
            self.rows.remove(row)
        raise HangUp(why)

    def take_setup(self, is_request, identity, said):
        step = (forms.local(said) if said is not None else "", is_request)
        domain = forms.domain_of(said.get("serviceID", "")) if said is not None else ""
        if step == ("sendsecrettoken", True):
            if domain not in self.urls:
                raise HangUp(f"no SRV record of {domain}")
            theirs, mine = forms.token(forms.first(said, "SecretToken")), secrets.token_hex(16)
            row = Row(domain, identity, False, mine.encode(), theirs)

            def commit():
                with self.lock:
                    self.rows.append(row)

            def later():
                timer = threading.Timer(LATE, commit)
                timer.daemon = True
                timer.start()

            # Under an ID of its own.
            own = str(next(self.numbers))
            self.post_setup(domain, False, own, forms.send_secret_token(self.domain, mine), later)
        elif step == ("sendsecrettoken", False):
            with self.lock:
                rows = [row for row in self.rows if row.is_ours and row.domain == domain and not row.theirs]
            if not rows:
                raise HangUp("no set-up under way")
            rows[-1].theirs = forms.token(forms.first(said, "SecretToken"))
            self.post_setup(domain, True, rows[-1].identity, forms.login_request(self.domain, rows[-1].theirs))
        elif step == ("loginrequest", True):
            row = self.row_of(identity, domain, False)
            self.check(row, said)
            self.post_setup(domain, False, identity, forms.login_request(self.domain, row.theirs))
        elif step == ("loginrequest", False):
            row = self.row_of(identity, domain, True)
            self.check(row, said)
            row.own_id = f"{row.identity}@{self.domain}"
            self.post_setup(domain, True, identity, forms.login_response(row.own_id))
        elif step[0] == "loginresponse":
            row = self.row_of(identity, None, not is_request)
            if not row.is_verified or forms.status(said) != 200:
                self.drop(row, "a session without a proof")
            if is_request:
                own = f"{next(self.numbers)}@{self.domain}"
                self.post_setup(row.domain, False, identity, forms.login_response(own))
                row.own_id = own
            row.their_id = said.get("sessionID", "")
            opened = "by us" if row.is_ours else "by them"
            self.event("session", peer=row.domain, own=row.own_id, theirs=row.their_id, opened=opened)
            self.posts.put(lambda: self.flush(row.domain))
        else:
            raise HangUp("no step of a set-up")

    def check(self, row, said):
        shown = forms.text(forms.first(said, "PasswordDigest"))
        if shown != forms.digest_of(row.mine):
            self.drop(row, "wrong digest")
        row.is_verified = True

    # What comes.

    def take(self, body):
        session, transactions = forms.read(body)
        if session is None:
            return self.take_setup(*transactions[0])
        with self.lock:
            rows = [row for row in self.rows if row.is_up and row.their_id == session]
        if not rows:
            raise HangUp(f"no session {session}")
        for is_request, identity, said in transactions:
            if said is None:
                continue
            if is_request:
                answer, then = self.services.perform(rows[0].domain, identity, said)
                if answer is not None:
                    self.reply(rows[0], identity, answer)
                for one in then:
                    one()
            else:
                self.services.answered(rows[0].domain, identity, said)
        return None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    peer = None

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        code = 200
        try:
            if self.headers.get("Content-Type", "").split(";")[0].strip() != forms.CONTENT_TYPE:
                code = 400
            else:
                self.peer.take(body)
        except HangUp as why:
            self.peer.event("hung up", why=str(why))
            self.close_connection = True
            return
        except (ElementTree.ParseError, ValueError):
            code = 400
        except Exception:
            traceback.print_exc()
            self.close_connection = True
            return
        self.send_response(code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Nothing: standard error is for what is wrong with this program."""


def main():
    domain = sys.argv[1]
    peer = Peer(domain)
    Handler.peer = peer
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    peer.event("ready", url=f"http://127.0.0.1:{server.server_port}/")
    for line in sys.stdin:
        asked = json.loads(line)
        number, what = asked.pop("id"), asked.pop("do")
        try:
            peer.print(id=number, ok=peer.services.command(what, asked))
        except Exception as why:
            peer.print(id=number, error=f"{type(why).__name__}: {why}")


if __name__ == "__main__":
    main()
