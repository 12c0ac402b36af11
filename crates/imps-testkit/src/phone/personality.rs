//! How clients differ (CSP 17): which forms a phone prefers where the specification leaves it a choice, or where a real
//! client does not care for the specification.

/// A kind of client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Personality {
    /// Nobody's: the specification to the letter.
    #[default]
    Plain,
    /// Nokia S60: WBXML; digest MD5 with one TransactionID for both steps; an ExtBlock on messages.
    Nokia,
    /// Android 1.x: orders of its own, wrapped UserIDs, lists of 1.2 in 1.3, sizes in characters.
    Android,
    /// The Colibria PC client and what followed it: XML 1.2, private elements, answers in mode Request.
    Colibria,
    /// Motorola RAZR V3: XML 1.1, password in clear.
    Razr,
}

/// Name, personality, ClientID, seconds of TimeToLive asked for, ServerPollMin asked for.
const ROWS: [(&str, Personality, &str, u32, u32); 5] = [
    ("plain", Personality::Plain, "http://phones.example/plain", 600, 8),
    ("nokia", Personality::Nokia, "http://206.226.10.25:80/IMPSAPP", 3600, 8),
    ("android", Personality::Android, "Android-IM-1.0", 7205, 30),
    ("colibria", Personality::Colibria, "WV:InstantMessenger-1.0.2309.16485@COLIBRIA.PC-CLIENT", 900, 5),
    ("razr", Personality::Razr, "MOT-V3", 600, 30),
];

impl Personality {
    /// The one with this name.
    pub fn parse(name: &str) -> Option<Self> {
        ROWS.iter().find(|row| row.0 == name).map(|row| row.1)
    }

    fn row(self) -> &'static (&'static str, Self, &'static str, u32, u32) {
        ROWS.iter().find(|row| row.1 == self).unwrap_or(&ROWS[0])
    }

    /// The ClientID it gives itself.
    pub fn client_id(self) -> &'static str {
        self.row().2
    }

    /// The time to live it asks for, in seconds.
    pub fn time_to_live(self) -> u32 {
        self.row().3
    }

    /// The least time between two polls that it asks for, in seconds.
    pub fn poll_min(self) -> u32 {
        self.row().4
    }
}
