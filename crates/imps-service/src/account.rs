//! Accounts: what the server knows of a user before he logs in.

use imps_types::UserId;

use crate::record::{RecordError, RecordReader, RecordWriter};

/// A user's account.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Account {
    /// The account password as an Argon2id hash in PHC form; absent: nobody logs in with it.
    pub password_hash: Option<Box<str>>,
    /// The phone password, sealed under the key file: nonce and ciphertext.
    pub phone_password: Option<Box<[u8]>>,
    /// When the account was made, seconds since 1970.
    pub created: u64,
    /// Whether logins are refused.
    pub barred: bool,
}

impl Account {
    /// As a record.
    pub fn to_record(&self) -> Vec<u8> {
        let mut writer = RecordWriter::new(1);
        writer.optional_text(self.password_hash.as_deref());
        writer.option(self.phone_password.as_deref(), |writer, sealed| {
            writer.bytes(sealed);
        });
        writer.number(self.created).flag(self.barred);
        writer.done()
    }

    /// From a record.
    ///
    /// # Errors
    /// When it is damaged or of a later version.
    pub fn from_record(record: &[u8]) -> Result<Self, RecordError> {
        let (mut reader, _) = RecordReader::new(record, 1)?;
        Ok(Self {
            password_hash: reader.optional_text()?,
            phone_password: reader.option(|reader| Ok(reader.bytes()?.into()))?,
            created: reader.number()?,
            barred: reader.flag()?,
        })
    }
}

/// The key of a user's rows in the spaces that have one row a user.
pub fn user_key(user: &UserId) -> crate::seam::Key {
    crate::seam::Key::from(user.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_octets_of_version_1() {
        let account = Account {
            password_hash: Some("$h".into()),
            phone_password: Some([1, 2, 3].as_slice().into()),
            created: 300,
            barred: true,
        };
        let golden = [1, 1, 2, b'$', b'h', 1, 3, 1, 2, 3, 0xac, 2, 1];
        assert_eq!(account.to_record(), golden);
        assert_eq!(Account::from_record(&golden), Ok(account));
    }
}
