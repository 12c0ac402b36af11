//! The table of peers in the store: what operators wrote down, and what was agreed on.
//!
//! | space | key | value |
//! |---|---|---|
//! | Peers | domain, 0 | a line of the table |
//! | Peers | domain, 1 | the agreement that was negotiated |
//! | Peers | domain, 2, service | who provides it: a line of the Service Table |

use std::path::PathBuf;

use imps_service::record::{RecordError, RecordReader, RecordWriter};
use imps_service::seam::{Batch, Key, KeyRange, Order, Space};
use imps_service::store::Store;
use imps_service::{Error, Timestamp};
use imps_types::{Domain, Service};

use crate::agreement::{Agreement, Origin, Provision, Terms};
use crate::config::PeerConfig;
use crate::find::TlsPolicy;
use crate::relay::RouteLine;
use crate::tls::TlsTrust;
use crate::trust::DigestScheme;

/// Kinds of rows.
const LINE: u8 = 0;
const AGREEMENT: u8 = 1;
const ROUTE: u8 = 2;
/// Rows of one scan.
const PAGE: usize = 500;
/// The version of all records.
const VERSION: u8 = 1;

/// The table of peers in the store.
#[derive(Clone, Copy)]
pub struct Peers<'a>(pub &'a Store);

fn key(domain: &Domain, kind: u8) -> Key {
    Key::build().text(domain.as_str()).u8(kind).done()
}

fn route_key(domain: &Domain, service: Service) -> Key {
    Key::build().text(domain.as_str()).u8(ROUTE).text(service.as_str()).done()
}

impl Peers<'_> {
    /// Every line, by domain.
    ///
    /// # Errors
    /// The store's failure, or a damaged row.
    pub async fn lines(&self) -> Result<Vec<PeerConfig>, Error> {
        let mut lines = Vec::new();
        self.each(LINE, |domain, _, record| {
            lines.push(read_line(domain, record)?);
            Ok(())
        })
        .await?;
        Ok(lines)
    }

    /// Every line of the Service Table that was written down besides contracts, by domain and service.
    ///
    /// # Errors
    /// As [`Peers::lines`].
    pub async fn routes(&self) -> Result<Vec<RouteLine>, Error> {
        let mut routes = Vec::new();
        self.each(ROUTE, |domain, key, record| {
            let service = key.and_then(Service::parse).ok_or(RecordError("unknown service"))?;
            routes.push(RouteLine { domain, service, provider: read_route(record)? });
            Ok(())
        })
        .await?;
        Ok(routes)
    }

    /// Gives every row of a kind: its domain, what stands in its key behind the kind, and the record.
    async fn each(
        &self,
        kind: u8,
        mut take: impl FnMut(Domain, Option<&str>, &[u8]) -> Result<(), RecordError>,
    ) -> Result<(), Error> {
        let mut range = KeyRange::all();
        loop {
            let rows = self.0.scan(Space::Peers, range.clone(), Order::Forwards, PAGE).await?;
            for row in &rows {
                let mut reader = row.key.read();
                let (Some(domain), Some(its)) = (reader.text(), reader.u8()) else { continue };
                if its != kind {
                    continue;
                }
                let domain = Domain::parse(&domain).map_err(|_| RecordError("no domain"))?;
                take(domain, reader.text().as_deref(), &row.value)?;
            }
            let Some(last) = rows.last().filter(|_| rows.len() == PAGE) else { return Ok(()) };
            range = range.after(&last.key);
        }
    }

    /// Writes a line of the Service Table, or the line anew.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn set_route(&self, line: &RouteLine) -> Result<(), Error> {
        let mut batch = Batch::new();
        batch.put(Space::Peers, route_key(&line.domain, line.service), route_record(line.provider.as_ref()));
        Ok(self.0.commit(batch).await?)
    }

    /// Strikes a line of the Service Table out; what contracts say counts again.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn remove_route(&self, domain: &Domain, service: Service) -> Result<(), Error> {
        let mut batch = Batch::new();
        batch.delete(Space::Peers, route_key(domain, service));
        Ok(self.0.commit(batch).await?)
    }

    /// The line of a domain.
    ///
    /// # Errors
    /// As [`Peers::lines`].
    pub async fn line(&self, domain: &Domain) -> Result<Option<PeerConfig>, Error> {
        let row = self.0.get_one(Space::Peers, key(domain, LINE)).await?;
        Ok(row.map(|row| read_line(domain.clone(), &row)).transpose()?)
    }

    /// Writes a line, or the line anew.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn set(&self, line: &PeerConfig) -> Result<(), Error> {
        let mut batch = Batch::new();
        batch.put(Space::Peers, key(&line.domain, LINE), line_record(line));
        Ok(self.0.commit(batch).await?)
    }

    /// Strikes out all that is known of a peer.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn remove(&self, domain: &Domain) -> Result<(), Error> {
        let mut batch = Batch::new();
        batch.delete(Space::Peers, key(domain, LINE));
        batch.delete(Space::Peers, key(domain, AGREEMENT));
        Ok(self.0.commit(batch).await?)
    }

    /// What was agreed on with a peer.
    ///
    /// # Errors
    /// As [`Peers::lines`].
    pub async fn agreement(&self, domain: &Domain) -> Result<Option<Agreement>, Error> {
        let row = self.0.get_one(Space::Peers, key(domain, AGREEMENT)).await?;
        Ok(row.map(|row| read_agreement(&row)).transpose()?)
    }

    /// Keeps what was agreed on; what holds anyway is not kept.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn agree(&self, domain: &Domain, agreement: &Agreement) -> Result<(), Error> {
        let mut batch = Batch::new();
        match agreement.origin {
            Origin::Negotiated => batch.put(Space::Peers, key(domain, AGREEMENT), agreement_record(agreement)),
            Origin::Default | Origin::Contract => batch.delete(Space::Peers, key(domain, AGREEMENT)),
        };
        Ok(self.0.commit(batch).await?)
    }
}

/// How each of these is written.
const DIGESTS: &[(u64, DigestScheme)] = &[(0, DigestScheme::Md5), (1, DigestScheme::HmacSha256)];
const POLICIES: &[(u64, TlsPolicy)] = &[(0, TlsPolicy::Off), (1, TlsPolicy::Preferred), (2, TlsPolicy::Required)];

fn number_of<T: PartialEq + Copy>(table: &[(u64, T)], one: T) -> u64 {
    table.iter().find(|(_, it)| *it == one).map_or(0, |(number, _)| *number)
}

fn of_number<T: Copy>(table: &[(u64, T)], number: u64) -> Result<T, RecordError> {
    table.iter().find(|(it, _)| *it == number).map(|(_, one)| *one).ok_or(RecordError("unknown number"))
}

fn line_record(line: &PeerConfig) -> Vec<u8> {
    let mut writer = RecordWriter::new(VERSION);
    writer.list(line.urls.iter(), |writer, url| {
        writer.text(url);
    });
    writer.option(line.tls, |writer, policy| {
        writer.number(number_of(POLICIES, policy));
    });
    writer.option(line.trust.authority.as_ref(), |writer, path| {
        writer.text(&path.to_string_lossy());
    });
    writer.option(line.trust.pin, |writer, pin| {
        writer.bytes(&pin);
    });
    writer.option(line.trust.own.as_ref(), |writer, (certificate, key)| {
        writer.text(&certificate.to_string_lossy()).text(&key.to_string_lossy());
    });
    writer.number(number_of(DIGESTS, line.digest));
    writer.option(line.contract.as_ref(), write_terms);
    writer.done()
}

fn read_line(domain: Domain, record: &[u8]) -> Result<PeerConfig, RecordError> {
    let (mut reader, _) = RecordReader::new(record, VERSION)?;
    let urls = reader.list(|reader| reader.text().map(str::to_owned))?;
    let tls = reader.option(|reader| of_number(POLICIES, reader.number()?))?;
    let authority = reader.option(|reader| reader.text().map(PathBuf::from))?;
    let pin = reader.option(|reader| reader.bytes()?.try_into().map_err(|_| RecordError("no SHA-256")))?;
    let own = reader.option(|reader| Ok((reader.text()?.into(), reader.text()?.into())))?;
    let digest = of_number(DIGESTS, reader.number()?)?;
    let contract = reader.option(read_terms)?;
    Ok(PeerConfig { domain, urls, tls, trust: TlsTrust { authority, pin, own }, digest, contract })
}

fn route_record(provider: Option<&Domain>) -> Vec<u8> {
    let mut writer = RecordWriter::new(VERSION);
    writer.option(provider, |writer, domain| {
        writer.text(domain.as_str());
    });
    writer.done()
}

fn read_route(record: &[u8]) -> Result<Option<Domain>, RecordError> {
    let (mut reader, _) = RecordReader::new(record, VERSION)?;
    reader.option(domain)
}

fn agreement_record(agreement: &Agreement) -> Vec<u8> {
    let mut writer = RecordWriter::new(VERSION);
    writer.text(&agreement.id).option(agreement.until, |writer, until| {
        writer.number(until.0);
    });
    write_terms(&mut writer, &agreement.terms);
    writer.done()
}

fn read_agreement(record: &[u8]) -> Result<Agreement, RecordError> {
    let (mut reader, _) = RecordReader::new(record, VERSION)?;
    let id = reader.text()?.into();
    let until = reader.option(|reader| Ok(Timestamp(reader.number()?)))?;
    Ok(Agreement { id, terms: read_terms(&mut reader)?, origin: Origin::Negotiated, until })
}

fn write_terms(writer: &mut RecordWriter, terms: &Terms) {
    writer.list(terms.interop.iter(), |writer, service| {
        writer.text(service.as_str());
    });
    for provisions in [&terms.theirs, &terms.ours] {
        writer.list(provisions.iter(), |writer, one| {
            writer.text(one.service.as_str()).text(one.domain.as_str());
        });
    }
    writer.list(terms.behind.iter(), |writer, domain| {
        writer.text(domain.as_str());
    });
}

fn read_terms(reader: &mut RecordReader<'_>) -> Result<Terms, RecordError> {
    Ok(Terms {
        interop: reader.list(service)?.into_iter().collect(),
        theirs: reader.list(provision)?.into_iter().collect(),
        ours: reader.list(provision)?.into_iter().collect(),
        behind: reader.list(domain)?.into_iter().collect(),
    })
}

fn service(reader: &mut RecordReader<'_>) -> Result<Service, RecordError> {
    Service::parse(reader.text()?).ok_or(RecordError("unknown service"))
}

fn domain(reader: &mut RecordReader<'_>) -> Result<Domain, RecordError> {
    Domain::parse(reader.text()?).map_err(|_| RecordError("no domain"))
}

fn provision(reader: &mut RecordReader<'_>) -> Result<Provision, RecordError> {
    Ok(Provision { service: service(reader)?, domain: domain(reader)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use imps_service::seam::MemoryEngine;
    use std::collections::BTreeSet;
    use std::sync::Arc;

    fn of(name: &str) -> Domain {
        Domain::parse(name).expect("a domain")
    }

    fn terms() -> Terms {
        let one = |service, name| Provision { service, domain: of(name) };
        Terms {
            interop: [Service::Common, Service::Im].into(),
            theirs: [one(Service::Presence, "a.x")].into(),
            ours: [one(Service::Group, "c.x")].into(),
            behind: [of("d.x")].into(),
        }
    }

    fn line() -> PeerConfig {
        PeerConfig {
            urls: vec!["http://h/".into()],
            tls: Some(TlsPolicy::Required),
            trust: TlsTrust { authority: Some("ca".into()), pin: Some([7; 32]), own: Some(("c".into(), "k".into())) },
            digest: DigestScheme::HmacSha256,
            contract: Some(terms()),
            ..PeerConfig::of(of("b.x"))
        }
    }

    const TERMS: &[u8] = b"\x02\x06COMMON\x02IM\x01\x08PRESENCE\x03a.x\x01\x05GROUP\x03c.x\x01\x03d.x";

    #[test]
    fn golden_octets_of_version_1() {
        let head = b"\x01\x01\x09http://h/\x01\x02\x01\x02ca\x01\x20";
        let golden = [&head[..], &[7; 32], b"\x01\x01c\x01k\x01\x01", TERMS].concat();
        assert_eq!(line_record(&line()), golden);
        assert_eq!(read_line(of("b.x"), &golden), Ok(line()));
        for length in 0..golden.len() {
            assert!(read_line(of("b.x"), &golden[..length]).is_err(), "{length}");
        }
        let few = PeerConfig { urls: Vec::new(), ..PeerConfig::of(of("b.x")) };
        assert_eq!(line_record(&few), b"\x01\0\0\0\0\0\0\0");
        let until = Some(Timestamp(300));
        let agreement = Agreement { id: "ag".into(), terms: terms(), origin: Origin::Negotiated, until };
        let golden = [b"\x01\x02ag\x01\xac\x02", TERMS].concat();
        assert_eq!(agreement_record(&agreement), golden);
        assert_eq!(read_agreement(&golden), Ok(agreement));
        for length in 0..golden.len() {
            assert!(read_agreement(&golden[..length]).is_err(), "{length}");
        }
        assert!(read_agreement(b"\x02").is_err(), "a later version");
    }

    #[tokio::test]
    async fn lines_of_services_are_kept_beside_those_of_peers() {
        let store = Store::new(Arc::new(MemoryEngine::new()));
        let peers = Peers(&store);
        let line = |domain, service, provider: Option<&str>| RouteLine {
            domain: of(domain),
            service,
            provider: provider.map(of),
        };
        let lines = [
            line("b.x", Service::Group, None),
            line("b.x", Service::Im, Some("p.x")),
            line("c.x", Service::Im, Some("h.x")),
        ];
        for line in lines.iter().rev() {
            peers.set_route(line).await.expect("written");
        }
        peers.set(&self::line()).await.expect("written");
        assert_eq!(peers.routes().await.expect("read"), lines);
        assert_eq!(peers.lines().await.expect("read"), [self::line()]);
        peers.remove(&of("b.x")).await.expect("removed");
        peers.remove_route(&of("b.x"), Service::Im).await.expect("removed");
        let anew = line("c.x", Service::Im, None);
        peers.set_route(&anew).await.expect("written");
        assert_eq!(peers.routes().await.expect("read"), [lines[0].clone(), anew]);
        assert_eq!(route_record(None), b"\x01\0");
        assert_eq!(route_record(Some(&of("p.x"))), b"\x01\x01\x03p.x");
        assert_eq!(read_route(b"\x01\x01\x03p.x"), Ok(Some(of("p.x"))));
        assert!(read_route(b"\x01\x01").is_err() && read_route(b"\x01\x01\x02x!").is_err());
    }

    #[tokio::test]
    async fn what_was_written_is_there_until_it_is_removed() {
        let store = Store::new(Arc::new(MemoryEngine::new()));
        let peers = Peers(&store);
        let other = PeerConfig::of(of("a.x"));
        peers.set(&line()).await.expect("written");
        peers.set(&other).await.expect("written");
        let granted = Agreement { id: "1".into(), terms: terms(), origin: Origin::Negotiated, until: None };
        peers.agree(&of("b.x"), &granted).await.expect("written");
        assert_eq!(peers.lines().await.expect("read"), [other.clone(), line()]);
        assert_eq!(peers.line(&of("b.x")).await.expect("read"), Some(line()));
        assert_eq!(peers.agreement(&of("b.x")).await.expect("read"), Some(granted));
        let usual = Agreement::default_with(&BTreeSet::new());
        peers.agree(&of("b.x"), &usual).await.expect("written");
        assert_eq!(peers.agreement(&of("b.x")).await.expect("read"), None);
        peers.remove(&of("b.x")).await.expect("written");
        assert_eq!(peers.lines().await.expect("read"), [other]);
    }
}
