//! SUDP: the invitation as one datagram to where the client's messages come from (CSP 15.4).

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};

use parking_lot::RwLock;

/// The sockets that datagrams go out from; one for each kind of address.
#[derive(Default)]
pub(crate) struct Udp(RwLock<Sockets>);

#[derive(Default)]
struct Sockets {
    v4: Option<UdpSocket>,
    v6: Option<UdpSocket>,
}

fn bind(from: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(from)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

impl Udp {
    /// Datagrams go out from this address. From all addresses of the machine, IPv6 is taken too where there is any.
    pub(crate) fn open(&self, from: SocketAddr) -> io::Result<()> {
        let socket = bind(from)?;
        let mut sockets = self.0.write();
        if from.is_ipv6() {
            sockets.v6 = Some(socket);
        } else {
            sockets.v4 = Some(socket);
            sockets.v6 = from.ip().is_unspecified().then(|| bind((Ipv6Addr::UNSPECIFIED, 0).into()).ok()).flatten();
        }
        Ok(())
    }

    /// Sends a datagram, or says at once why not.
    pub(crate) fn send(&self, to: Option<(IpAddr, u32)>, bytes: &[u8]) -> Result<(), &'static str> {
        let (address, port) = to.ok_or("the client's address is not known")?;
        let port = u16::try_from(port).map_err(|_| "the client's port is none")?;
        // A client of a listener for both comes under an address that only looks like IPv6.
        let address = address.to_canonical();
        let sockets = self.0.read();
        let socket = if address.is_ipv4() { &sockets.v4 } else { &sockets.v6 };
        let socket = socket.as_ref().ok_or("datagrams cannot be sent to such an address")?;
        match socket.send_to(bytes, (address, port)) {
            Ok(sent) if sent == bytes.len() => Ok(()),
            Ok(_) => Err("the datagram was cut"),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err("too many datagrams wait to be sent"),
            // Of an earlier datagram: whoever is there does not listen.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Err("nobody listens there"),
            Err(_) => Err("the system does not send it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_arrives_whole_and_without_a_line_end() {
        let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = u32::from(phone.local_addr().unwrap().port());
        let udp = Udp::default();
        let to = |address: &str, port| Some((address.parse().unwrap(), port));
        assert!(udp.send(to("127.0.0.1", port), b"x").is_err(), "nothing is open yet");
        udp.open("0.0.0.0:0".parse().unwrap()).unwrap();
        assert_eq!(udp.send(to("127.0.0.1", port), b"WVCI 1.2 cookie"), Ok(()));
        assert_eq!(udp.send(to("::ffff:127.0.0.1", port), b"again"), Ok(()));
        let mut buffer = [0; 64];
        for wanted in [&b"WVCI 1.2 cookie"[..], b"again"] {
            let length = phone.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], wanted);
        }
        assert!(udp.send(None, b"x").is_err());
        assert!(udp.send(to("127.0.0.1", 65_536), b"x").is_err());
    }
}
