//! The records of terminals.

use super::{Item, ItemKind, State, TerminalSettings};
use crate::clock::Timestamp;
use crate::record::{RecordError, RecordReader, RecordWriter};

impl Item {
    pub(super) fn to_record(&self) -> Vec<u8> {
        let mut writer = RecordWriter::new(1);
        writer.number(self.kind as u64).number(self.at.0).flag(self.is_open);
        for text in [&self.id, &self.who, &self.group, &self.screen_name, &self.detail] {
            writer.text(text);
        }
        writer.done()
    }

    pub(super) fn read(record: &[u8]) -> Result<Self, RecordError> {
        let (mut reader, _) = RecordReader::new(record, 1)?;
        let kind = usize::try_from(reader.number()?).ok().and_then(|number| ItemKind::ALL.get(number));
        Ok(Self {
            kind: *kind.ok_or(RecordError("unknown kind of item"))?,
            at: Timestamp(reader.number()?),
            is_open: reader.flag()?,
            id: reader.text()?.into(),
            who: reader.text()?.into(),
            group: reader.text()?.into(),
            screen_name: reader.text()?.into(),
            detail: reader.text()?.into(),
        })
    }
}

fn small(reader: &mut RecordReader<'_>) -> Result<u16, RecordError> {
    u16::try_from(reader.number()?).map_err(|_| RecordError("number too large"))
}

fn hour(reader: &mut RecordReader<'_>) -> Result<u8, RecordError> {
    u8::try_from(reader.number()?).map_err(|_| RecordError("number too large"))
}

impl State {
    pub(super) fn to_record(&self) -> Vec<u8> {
        let settings = &self.settings;
        let mut writer = RecordWriter::new(1);
        writer.number(self.last.into());
        writer.flag(settings.push).flag(settings.report).flag(settings.codes);
        writer.number(settings.pages.into()).number(settings.page.into());
        writer.optional_text(settings.language.as_deref());
        writer.option(settings.quiet, |writer, (from, to)| {
            writer.number(from.into()).number(to.into());
        });
        writer.flag(settings.auto).flag(settings.presence);
        writer.done()
    }

    pub(super) fn read(record: &[u8]) -> Result<Self, RecordError> {
        let (mut reader, _) = RecordReader::new(record, 1)?;
        let last = small(&mut reader)?;
        let settings = TerminalSettings {
            push: reader.flag()?,
            report: reader.flag()?,
            codes: reader.flag()?,
            pages: small(&mut reader)?,
            page: small(&mut reader)?,
            language: reader.optional_text()?,
            quiet: reader.option(|reader| Ok((hour(reader)?, hour(reader)?)))?,
            auto: reader.flag()?,
            presence: reader.flag()?,
        };
        Ok(Self { last, settings, ..Self::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_octets_of_an_item_of_version_1() {
        let item = Item {
            who: "wv:bob@x".into(),
            group: "wv:bob/c@x".into(),
            screen_name: "B".into(),
            detail: "PR".into(),
            at: Timestamp(300),
            ..Item::new(ItemKind::Invited, "i7")
        };
        let mut golden = vec![1, 4, 0xac, 2, 1, 2];
        for (length, text) in
            [(None, "i7"), (Some(8), "wv:bob@x"), (Some(10), "wv:bob/c@x"), (Some(1), "B"), (Some(2), "PR")]
        {
            golden.extend(length);
            golden.extend_from_slice(text.as_bytes());
        }
        assert_eq!(item.to_record(), golden);
        assert_eq!(Item::read(&golden), Ok(item));
        for (index, kind) in ItemKind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, index);
        }
    }

    #[test]
    fn golden_octets_of_a_user_of_version_1() {
        let settings = TerminalSettings {
            report: true,
            pages: 3,
            language: Some("fin".into()),
            quiet: Some((22, 7)),
            ..TerminalSettings::default()
        };
        let state = State { last: 300, settings, ..State::default() };
        let golden = [1, 0xac, 2, 1, 1, 0, 3, 0, 1, 3, b'f', b'i', b'n', 1, 22, 7, 0, 0];
        assert_eq!(state.to_record(), golden);
        let read = State::read(&golden).unwrap();
        assert_eq!((read.last, read.settings), (300, state.settings));
    }
}
