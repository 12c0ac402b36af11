//! How records are written: a version octet, then fields in a fixed order. A later version appends fields and raises the
//! octet; a reader that meets the end of an older record takes the defaults. Golden octets of every version are kept in
//! the tests of each record.

use std::fmt;

/// Writes a record.
#[derive(Debug)]
pub struct RecordWriter(Vec<u8>);

impl RecordWriter {
    /// Begins a record of this version.
    pub fn new(version: u8) -> Self {
        Self::with_capacity(version, 64)
    }

    /// Begins a record of this version that will have about so many octets.
    pub fn with_capacity(version: u8, octets: usize) -> Self {
        let mut bytes = Vec::with_capacity(octets);
        bytes.push(version);
        Self(bytes)
    }

    /// An unsigned number, short when it is small.
    pub fn number(&mut self, mut value: u64) -> &mut Self {
        while value >= 0x80 {
            self.0.push((value as u8 & 0x7f) | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }

    /// A yes or no.
    pub fn flag(&mut self, value: bool) -> &mut Self {
        self.0.push(u8::from(value));
        self
    }

    /// Octets with their length.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.number(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    /// Text.
    pub fn text(&mut self, value: &str) -> &mut Self {
        self.bytes(value.as_bytes())
    }

    /// Something that may be absent.
    pub fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) -> &mut Self {
        self.flag(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
        self
    }

    /// Text that may be absent.
    pub fn optional_text(&mut self, value: Option<&str>) -> &mut Self {
        self.option(value, |writer, text| {
            writer.text(text);
        })
    }

    /// Several of a kind.
    pub fn list<T>(
        &mut self,
        items: impl ExactSizeIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        self.number(items.len() as u64);
        for item in items {
            write(self, item);
        }
        self
    }

    /// The record.
    pub fn done(mut self) -> Vec<u8> {
        // Where it becomes a value of the store, room to spare would cost a second allocation.
        self.0.shrink_to_fit();
        self.0
    }
}

/// Why a record cannot be read: it is damaged, or a later server wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordError(pub &'static str);

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record cannot be read: {}", self.0)
    }
}

impl std::error::Error for RecordError {}

impl From<RecordError> for crate::Error {
    fn from(error: RecordError) -> Self {
        Self::Store(crate::seam::StoreError::Corrupt(error.to_string()))
    }
}

/// Reads a record.
#[derive(Clone, Copy, Debug)]
pub struct RecordReader<'a>(&'a [u8]);

impl<'a> RecordReader<'a> {
    /// Begins with the version octet, which is at most `newest`.
    ///
    /// # Errors
    /// When there is none, or a later server wrote it.
    pub fn new(record: &'a [u8], newest: u8) -> Result<(Self, u8), RecordError> {
        match record.split_first() {
            Some((version, rest)) if (1..=newest).contains(version) => Ok((Self(rest), *version)),
            Some(_) => Err(RecordError("unknown version")),
            None => Err(RecordError("empty")),
        }
    }

    /// An unsigned number.
    ///
    /// # Errors
    /// When the record ends, or the number has more than 64 bits.
    pub fn number(&mut self) -> Result<u64, RecordError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or(RecordError("cut off"))?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(RecordError("number too long"))
    }

    /// A number of 32 bits.
    ///
    /// # Errors
    /// As [`RecordReader::number`], and when it is larger.
    pub fn small(&mut self) -> Result<u32, RecordError> {
        u32::try_from(self.number()?).map_err(|_| RecordError("number too large"))
    }

    /// A yes or no.
    ///
    /// # Errors
    /// When the record ends.
    pub fn flag(&mut self) -> Result<bool, RecordError> {
        let (byte, rest) = self.0.split_first().ok_or(RecordError("cut off"))?;
        self.0 = rest;
        Ok(*byte != 0)
    }

    /// Octets.
    ///
    /// # Errors
    /// When the record ends.
    pub fn bytes(&mut self) -> Result<&'a [u8], RecordError> {
        let length = usize::try_from(self.number()?).map_err(|_| RecordError("length too large"))?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(RecordError("cut off"))?;
        self.0 = rest;
        Ok(bytes)
    }

    /// Text.
    ///
    /// # Errors
    /// When the record ends, or it is no UTF-8.
    pub fn text(&mut self) -> Result<&'a str, RecordError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| RecordError("text is no UTF-8"))
    }

    /// Something that may be absent.
    ///
    /// # Errors
    /// As what reads it.
    pub fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, RecordError>,
    ) -> Result<Option<T>, RecordError> {
        if self.flag()? { Ok(Some(read(self)?)) } else { Ok(None) }
    }

    /// Text that may be absent.
    ///
    /// # Errors
    /// As [`RecordReader::text`].
    pub fn optional_text(&mut self) -> Result<Option<Box<str>>, RecordError> {
        self.option(|reader| Ok(reader.text()?.into()))
    }

    /// Several of a kind.
    ///
    /// # Errors
    /// As what reads one.
    pub fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, RecordError>,
    ) -> Result<Vec<T>, RecordError> {
        let count = usize::try_from(self.number()?).map_err(|_| RecordError("count too large"))?;
        // Each item has an octet at least, so a wrong count cannot ask for more memory than the record has.
        if count > self.0.len() {
            return Err(RecordError("count too large"));
        }
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(read(self)?);
        }
        Ok(items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let mut writer = RecordWriter::new(1);
        writer.number(0).number(300).number(u64::MAX).flag(true).text("ä").optional_text(None).optional_text(Some("x"));
        writer.list([1_u64, 2].into_iter(), |writer, n| {
            writer.number(n);
        });
        let record = writer.done();
        let (mut reader, version) = RecordReader::new(&record, 1).unwrap();
        assert_eq!(version, 1);
        assert_eq!((reader.number(), reader.number(), reader.number()), (Ok(0), Ok(300), Ok(u64::MAX)));
        assert_eq!((reader.flag(), reader.text()), (Ok(true), Ok("ä")));
        assert_eq!((reader.optional_text(), reader.optional_text()), (Ok(None), Ok(Some("x".into()))));
        assert_eq!(reader.list(RecordReader::number), Ok(vec![1, 2]));
        assert!(reader.flag().is_err());
    }

    #[test]
    fn damaged_records_are_errors() {
        assert!(RecordReader::new(&[], 1).is_err());
        assert!(RecordReader::new(&[2], 1).is_err());
        let (mut reader, _) = RecordReader::new(&[1, 0xff, 0xff, 0xff, 0xff, 0x7f], 1).unwrap();
        assert!(reader.clone().bytes().is_err());
        assert!(reader.list(|reader| reader.number()).is_err());
        let (mut reader, _) =
            RecordReader::new(&[1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 1).unwrap();
        assert!(reader.number().is_err());
    }
}
