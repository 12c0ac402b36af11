//! Accounts: what the server knows of a user before he logs in.

use imps_types::UserId;
use imps_types::service_tree::FunctionSet;

use crate::record::{RecordError, RecordReader, RecordWriter};

/// The version in which records are written.
const VERSION: u8 = 4;

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
    /// Who it is, for those who search.
    pub person: Person,
    /// Functions that this user does not have: his service profile.
    pub refused: FunctionSet,
    /// Where he has logged in, the latest places about first: digests that tell nothing without the key file.
    pub places: Box<[u64]>,
}

/// The person behind an account: what users are searched by (CSP 7.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// First name.
    pub first_name: Option<Box<str>>,
    /// Last name.
    pub last_name: Option<Box<str>>,
    /// E-mail address.
    pub email: Option<Box<str>>,
    /// Mobile number: digits, perhaps with a `+` in front.
    pub mobile_number: Option<Box<str>>,
    /// Whether searches find the user at all.
    pub searchable: bool,
}

impl Default for Person {
    fn default() -> Self {
        Self { first_name: None, last_name: None, email: None, mobile_number: None, searchable: true }
    }
}

impl Account {
    /// As a record.
    pub fn to_record(&self) -> Vec<u8> {
        let mut writer = RecordWriter::new(VERSION);
        writer.optional_text(self.password_hash.as_deref());
        writer.option(self.phone_password.as_deref(), |writer, sealed| {
            writer.bytes(sealed);
        });
        writer.number(self.created).flag(self.barred);
        let person = &self.person;
        for text in [&person.first_name, &person.last_name, &person.email, &person.mobile_number] {
            writer.optional_text(text.as_deref());
        }
        writer.flag(person.searchable).bytes(&self.refused.bits().to_be_bytes());
        writer.list(self.places.iter(), |writer, place| {
            writer.bytes(&place.to_be_bytes());
        });
        writer.done()
    }

    /// From a record.
    ///
    /// # Errors
    /// When it is damaged or of a later version.
    pub fn from_record(record: &[u8]) -> Result<Self, RecordError> {
        let (mut reader, version) = RecordReader::new(record, VERSION)?;
        Ok(Self {
            password_hash: reader.optional_text()?,
            phone_password: reader.option(|reader| Ok(reader.bytes()?.into()))?,
            created: reader.number()?,
            barred: reader.flag()?,
            person: if version < 2 { Person::default() } else { Person::read(&mut reader)? },
            refused: if version < 3 { FunctionSet::EMPTY } else { functions(&mut reader)? },
            places: if version < 4 { Box::default() } else { reader.list(place)?.into() },
        })
    }
}

fn place(reader: &mut RecordReader<'_>) -> Result<u64, RecordError> {
    let bytes = reader.bytes()?.try_into().map_err(|_| RecordError("a place of another size"))?;
    Ok(u64::from_be_bytes(bytes))
}

fn functions(reader: &mut RecordReader<'_>) -> Result<FunctionSet, RecordError> {
    let bytes = reader.bytes()?.try_into().map_err(|_| RecordError("functions of another size"))?;
    Ok(FunctionSet::from_bits(u128::from_be_bytes(bytes)))
}

impl Person {
    fn read(reader: &mut RecordReader<'_>) -> Result<Self, RecordError> {
        Ok(Self {
            first_name: reader.optional_text()?,
            last_name: reader.optional_text()?,
            email: reader.optional_text()?,
            mobile_number: reader.optional_text()?,
            searchable: reader.flag()?,
        })
    }
}

/// What a search needs of an account's record, borrowed from it: a million are read at a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Findable<'a> {
    /// First name, last name, e-mail address, mobile number.
    pub(crate) texts: [Option<&'a str>; 4],
    /// Whether searches find it.
    pub(crate) searchable: bool,
}

impl<'a> Findable<'a> {
    pub(crate) fn read(record: &'a [u8]) -> Result<Self, RecordError> {
        let (mut reader, version) = RecordReader::new(record, VERSION)?;
        reader.option(|reader| reader.bytes().map(drop))?;
        reader.option(|reader| reader.bytes().map(drop))?;
        reader.number()?;
        let barred = reader.flag()?;
        let mut texts = [None; 4];
        if version < 2 {
            return Ok(Self { texts, searchable: !barred });
        }
        for text in &mut texts {
            *text = reader.option(RecordReader::text)?;
        }
        Ok(Self { texts, searchable: reader.flag()? && !barred })
    }
}

/// The key of a user's rows in the spaces that have one row a user.
pub fn user_key(user: &UserId) -> crate::seam::Key {
    crate::seam::Key::from(user.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        Account {
            password_hash: Some("$h".into()),
            phone_password: Some([1, 2, 3].as_slice().into()),
            created: 300,
            barred: true,
            person: Person::default(),
            refused: FunctionSet::EMPTY,
            places: Box::default(),
        }
    }

    #[test]
    fn golden_octets_of_version_1() {
        let golden = [1, 1, 2, b'$', b'h', 1, 3, 1, 2, 3, 0xac, 2, 1];
        assert_eq!(Account::from_record(&golden), Ok(account()));
        let found = Findable::read(&golden).unwrap();
        assert_eq!(found, Findable { texts: [None; 4], searchable: false }, "it is barred");
    }

    #[test]
    fn golden_octets_of_version_2() {
        let mut account = account();
        account.barred = false;
        account.person = Person {
            first_name: Some("A".into()),
            last_name: None,
            email: Some("a@b".into()),
            mobile_number: Some("+1".into()),
            searchable: true,
        };
        let golden = b"\x02\x01\x02$h\x01\x03\x01\x02\x03\xac\x02\x00\x01\x01A\x00\x01\x03a@b\x01\x02+1\x01";
        assert_eq!(Account::from_record(golden), Ok(account));
        let texts = [Some("A"), None, Some("a@b"), Some("+1")];
        assert_eq!(Findable::read(golden), Ok(Findable { texts, searchable: true }));
        for length in 0..golden.len() {
            assert!(Account::from_record(&golden[..length]).is_err() && Findable::read(&golden[..length]).is_err());
        }
    }
    #[test]
    fn golden_octets_of_version_3() {
        let account = Account { refused: FunctionSet::from_bits(0x0102), ..account() };
        let golden = b"\x03\x01\x02$h\x01\x03\x01\x02\x03\xac\x02\x01\x00\x00\x00\x00\x01\x10\
            \x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x02";
        assert_eq!(Account::from_record(golden), Ok(account));
        assert_eq!(Findable::read(golden), Ok(Findable { texts: [None; 4], searchable: false }));
        assert!(Account::from_record(&golden[..golden.len() - 1]).is_err());
    }

    #[test]
    fn golden_octets_of_version_4() {
        let account = Account { places: [0x0102, 3].into(), ..account() };
        let golden = b"\x04\x01\x02$h\x01\x03\x01\x02\x03\xac\x02\x01\x00\x00\x00\x00\x01\x10\
            \x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\
            \x02\x08\x00\x00\x00\x00\x00\x00\x01\x02\x08\x00\x00\x00\x00\x00\x00\x00\x03";
        assert_eq!(account.to_record().escape_ascii().to_string(), golden.escape_ascii().to_string());
        assert_eq!(Account::from_record(golden), Ok(account));
        assert_eq!(Findable::read(golden), Ok(Findable { texts: [None; 4], searchable: false }));
        assert!(Account::from_record(&golden[..golden.len() - 1]).is_err());
    }
}
