//! What is said on an STCP connection (CSP 15.4): lines, commands, answers. No sockets.

use imps_types::Version;

/// The longest line, its end not counted: `HELO`, a blank, and a SessionID; generous, since other servers' are longer.
pub(crate) const LINE_MAX: usize = 256;

/// What a client says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command<'a> {
    /// `HELO SessionID`: the session that this connection is for.
    Hello(&'a str),
    /// `PING`: is anybody there?
    Ping,
    /// A line with nothing on it.
    Empty,
    /// Anything else.
    Unknown,
}

impl<'a> Command<'a> {
    /// Reads a line without its end. Commands may be in any case, and blanks may stand around everything (Android sends
    /// `PING ` with one).
    pub(crate) fn read(line: &'a [u8]) -> Self {
        let Ok(line) = std::str::from_utf8(line) else { return Self::Unknown };
        let line = line.trim_matches([' ', '\t', '\r', '\0']);
        let (word, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        if word.eq_ignore_ascii_case("HELO") {
            let session = rest.trim_matches([' ', '\t']);
            if session.is_empty() { Self::Unknown } else { Self::Hello(session) }
        } else if word.eq_ignore_ascii_case("PING") {
            Self::Ping
        } else if line.is_empty() {
            Self::Empty
        } else {
            Self::Unknown
        }
    }
}

/// The line is longer than any that means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// Cuts what arrives into lines. Between lines it holds nothing.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    begun: Vec<u8>,
}

impl Lines {
    /// Takes what arrived; calls `each` with every line that is whole now, without CR and LF, until it says no.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut each: impl FnMut(&[u8]) -> bool) -> Result<(), TooLong> {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            bytes = rest.get(1..).unwrap_or_default();
            if self.begun.len() + line.len() > LINE_MAX + 1 {
                return Err(TooLong);
            }
            let goes_on = if self.begun.is_empty() {
                each(without_cr(line))
            } else {
                let mut whole = std::mem::take(&mut self.begun);
                whole.extend_from_slice(line);
                each(without_cr(&whole))
            };
            if !goes_on {
                return Ok(());
            }
        }
        if self.begun.len() + bytes.len() > LINE_MAX + 1 {
            return Err(TooLong);
        }
        self.begun.extend_from_slice(bytes);
        Ok(())
    }

    #[cfg(test)]
    fn held(&self) -> usize {
        self.begun.capacity()
    }
}

fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// What answers HELO and PING.
pub(crate) const OK: &[u8] = b"OK\r\n";

/// What tells a client that something waits, without the end of the line: `WVCI 1.2 cookie`. A cookie that would break
/// the line is cut there; its client cannot have meant it.
pub(crate) fn invitation(version: Version, cookie: &str) -> String {
    let cookie = cookie.split(|letter: char| letter.is_control()).next().unwrap_or_default();
    format!("WVCI {version} {cookie}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_as_clients_write_them() {
        for (line, command) in [
            ("HELO im.user.com#48815@server.com", Command::Hello("im.user.com#48815@server.com")),
            ("helo abc", Command::Hello("abc")),
            ("Helo\tabc  ", Command::Hello("abc")),
            ("  HELO   abc\r", Command::Hello("abc")),
            ("HELO a b", Command::Hello("a b")),
            ("HELO", Command::Unknown),
            ("HELO  ", Command::Unknown),
            ("HELOabc", Command::Unknown),
            ("PING", Command::Ping),
            ("ping ", Command::Ping),
            ("PING\0", Command::Ping),
            ("PINGS", Command::Unknown),
            ("", Command::Empty),
            ("   ", Command::Empty),
            ("GET / HTTP/1.1", Command::Unknown),
        ] {
            assert_eq!(Command::read(line.as_bytes()), command, "{line:?}");
        }
        assert_eq!(Command::read(b"HELO \xff\xfe"), Command::Unknown);
    }

    fn lines(pieces: &[&[u8]]) -> (Vec<String>, Result<(), TooLong>) {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        for piece in pieces {
            let fed = lines.feed(piece, |line| {
                found.push(String::from_utf8_lossy(line).into_owned());
                true
            });
            if fed.is_err() {
                return (found, fed);
            }
        }
        (found, Ok(()))
    }

    #[test]
    fn lines_are_whole_however_they_arrive() {
        let text = b"HELO abc\r\nPING\nping \r\n\nrest";
        let wanted = ["HELO abc", "PING", "ping ", ""];
        for cut in 0..=text.len() {
            let (one, two) = text.split_at(cut);
            assert_eq!(lines(&[one, two]).0, wanted, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(lines(&bytes).0, wanted);
    }

    #[test]
    fn a_line_without_end_is_an_error_and_never_kept() {
        assert_eq!(lines(&[&[b'x'; LINE_MAX], b"\r\n"]).1, Ok(()));
        assert_eq!(lines(&[&[b'x'; LINE_MAX + 2]]).1, Err(TooLong));
        assert_eq!(lines(&[&[b'x'; LINE_MAX], b"xxx\n"]).1, Err(TooLong));
        let mut kept = Lines::default();
        assert_eq!(kept.feed(b"HELO abc\n", |_| true), Ok(()));
        assert_eq!(kept.held(), 0, "an idle connection holds nothing");
    }

    #[test]
    fn damaged_dialogues_are_read_without_harm() {
        // Every byte of a dialogue replaced, removed and doubled, and cut everywhere: whatever comes of it, lines stay
        // bounded, and only whole commands are commands.
        let dialogue = b"HELO bd4vmukjb934nffkzpw5dt338kwc\r\nPING \r\nPING\r\n";
        let mut tried = 0_u32;
        let mut check = |bytes: &[u8]| {
            tried += 1;
            for cut in [0, 1, bytes.len() / 2, bytes.len()] {
                let (one, two) = bytes.split_at(cut.min(bytes.len()));
                let mut lines = Lines::default();
                for piece in [one, two] {
                    let _ = lines.feed(piece, |line| {
                        assert!(line.len() <= LINE_MAX + 1 && !line.contains(&b'\n'));
                        if let Command::Hello(session) = Command::read(line) {
                            assert!(!session.is_empty() && session.trim() == session.trim_matches([' ', '\t']).trim());
                        }
                        true
                    });
                    assert!(lines.held() <= 2 * (LINE_MAX + 2));
                }
            }
        };
        for at in 0..dialogue.len() {
            for byte in 0..=u8::MAX {
                let mut damaged = dialogue.to_vec();
                damaged[at] = byte;
                check(&damaged);
            }
            let (before, after) = dialogue.split_at(at);
            check(&[before, &after[1..]].concat());
            check(&[before, &after[..1], after].concat());
            check(&[before, &[0xc3; 300], after].concat());
            check(before);
        }
        assert!(tried > 10_000);
    }

    #[test]
    fn an_invitation_is_one_line() {
        let cookie = "im.user.com#20011224#328746293";
        assert_eq!(invitation(Version::V1_2, cookie), "WVCI 1.2 im.user.com#20011224#328746293");
        assert_eq!(invitation(Version::V1_3, "a\r\nWVCI 1.2 b"), "WVCI 1.3 a");
        assert_eq!(invitation(Version::V1_1, ""), "WVCI 1.1 ");
    }
}
