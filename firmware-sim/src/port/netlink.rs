//! A few rtnetlink requests, written by hand: link, address, route, neighbour.
//!
//! Read first: `man 7 rtnetlink`. It saves calling `ip`, which may not be there, and an
//! asynchronous crate for six messages that are sent once.

use nix::libc;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, Read};
use std::net::IpAddr;
use std::time::Duration;

const HEADER: usize = 16;

/// A netlink socket in the network namespace of the thread that opened it.
#[derive(Debug)]
pub(crate) struct Netlink {
    socket: Socket,
}

/// What the kernel says of one interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) up: bool,
    pub(crate) mtu: u32,
    pub(crate) mac: [u8; 6],
}

impl Netlink {
    pub(crate) fn open() -> io::Result<Self> {
        let socket = Socket::new(
            Domain::from(libc::AF_NETLINK),
            Type::RAW,
            Some(Protocol::from(libc::NETLINK_ROUTE)),
        )?;
        // The kernel answers while it handles the request; the timeout only keeps a surprise from hanging us.
        socket.set_read_timeout(Some(Duration::from_secs(2)))?;
        Ok(Self { socket })
    }

    /// Looks an interface up by name.
    pub(crate) fn link(&self, name: &str) -> io::Result<Link> {
        let mut message = Message::new(libc::RTM_GETLINK, 0, &interface_info(0, false));
        message.attribute(libc::IFLA_IFNAME, &[name.as_bytes(), &[0]].concat());
        let reply = self.exchange(message)?;
        let short = || io::Error::new(io::ErrorKind::InvalidData, "netlink: the answer is cut short");
        let info = reply.get(HEADER..HEADER + 16).ok_or_else(short)?;
        let mut link = Link {
            index: u32::from_ne_bytes(array(&info[4..8])),
            up: u32::from_ne_bytes(array(&info[8..12])) & libc::IFF_UP as u32 != 0,
            mtu: 0,
            mac: [0; 6],
        };
        let mut rest = &reply[HEADER + 16..];
        while rest.len() >= 4 {
            let length = usize::from(u16::from_ne_bytes(array(&rest[..2])));
            let kind = u16::from_ne_bytes(array(&rest[2..4]));
            let value = rest.get(4..length).ok_or_else(short)?;
            match (kind, value.len()) {
                (libc::IFLA_MTU, 4) => link.mtu = u32::from_ne_bytes(array(value)),
                (libc::IFLA_ADDRESS, 6) => link.mac = array(value),
                _ => {}
            }
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        Ok(link)
    }

    /// Brings an interface up.
    pub(crate) fn set_up(&self, index: u32) -> io::Result<()> {
        self.command(Message::new(libc::RTM_NEWLINK, 0, &interface_info(index, true)))
    }

    /// Sets the largest packet of an interface.
    pub(crate) fn set_mtu(&self, index: u32, mtu: u32) -> io::Result<()> {
        let mut message = Message::new(libc::RTM_NEWLINK, 0, &interface_info(index, false));
        message.attribute(libc::IFLA_MTU, &mtu.to_ne_bytes());
        self.command(message)
    }

    /// Sets the hardware address of an interface that is down.
    pub(crate) fn set_mac(&self, index: u32, mac: [u8; 6]) -> io::Result<()> {
        let mut message = Message::new(libc::RTM_NEWLINK, 0, &interface_info(index, false));
        message.attribute(libc::IFLA_ADDRESS, &mac);
        self.command(message)
    }

    /// Gives an interface an address; to give it again is no error.
    pub(crate) fn add_address(&self, index: u32, address: IpAddr, prefix: u8) -> io::Result<()> {
        let (family, octets) = family_and_octets(address);
        // An IPv6 address is not first asked for on the link (RFC 4862 §5.4): it would be of no use meanwhile.
        let flags = if address.is_ipv6() { libc::IFA_F_NODAD as u8 } else { 0 };
        let mut info = vec![family, prefix, flags, libc::RT_SCOPE_UNIVERSE];
        info.extend(index.to_ne_bytes());
        let mut message =
            Message::new(libc::RTM_NEWADDR, (libc::NLM_F_CREATE | libc::NLM_F_REPLACE) as u16, &info);
        message.attribute(libc::IFA_LOCAL, &octets);
        message.attribute(libc::IFA_ADDRESS, &octets);
        if let IpAddr::V4(address) = address {
            let host_bits = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
            message.attribute(libc::IFA_BROADCAST, &(u32::from(address) | host_bits).to_be_bytes());
        }
        self.command(message)
    }

    /// Routes everything else of the gateway's family through `gateway`.
    pub(crate) fn add_default_route(&self, index: u32, gateway: IpAddr) -> io::Result<()> {
        let (family, octets) = family_and_octets(gateway);
        let mut info = vec![family, 0, 0, 0];
        info.extend([libc::RT_TABLE_MAIN, libc::RTPROT_STATIC, libc::RT_SCOPE_UNIVERSE, libc::RTN_UNICAST]);
        info.extend(0_u32.to_ne_bytes());
        let mut message =
            Message::new(libc::RTM_NEWROUTE, (libc::NLM_F_CREATE | libc::NLM_F_REPLACE) as u16, &info);
        message.attribute(libc::RTA_GATEWAY, &octets);
        message.attribute(libc::RTA_OIF, &index.to_ne_bytes());
        self.command(message)
    }

    /// Forgets a neighbour, so that the next packet to it starts with ARP or Neighbour Discovery. To forget an
    /// unknown one is no error.
    pub(crate) fn forget_neighbor(&self, index: u32, address: IpAddr) -> io::Result<()> {
        let (family, octets) = family_and_octets(address);
        let mut info = vec![family, 0, 0, 0];
        info.extend(index.to_ne_bytes());
        info.extend([0; 4]);
        let mut message = Message::new(libc::RTM_DELNEIGH, 0, &info);
        message.attribute(libc::NDA_DST, &octets);
        match self.command(message) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
            other => other,
        }
    }

    fn command(&self, mut message: Message) -> io::Result<()> {
        message.flag(libc::NLM_F_ACK as u16);
        self.exchange(message).map(drop)
    }

    /// Sends a request and reads its one answer: an acknowledgement, an error, or a message.
    fn exchange(&self, message: Message) -> io::Result<Vec<u8>> {
        self.socket.send(&message.finish())?;
        let mut buffer = vec![0; 16 * 1024];
        let length = (&self.socket).read(&mut buffer)?;
        buffer.truncate(length);
        if length < HEADER + 4 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "netlink: the answer is cut short"));
        }
        if i32::from(u16::from_ne_bytes(array(&buffer[4..6]))) == libc::NLMSG_ERROR {
            match i32::from_ne_bytes(array(&buffer[HEADER..HEADER + 4])) {
                0 => {}
                code => return Err(io::Error::from_raw_os_error(-code)),
            }
        }
        Ok(buffer)
    }
}

fn family_and_octets(address: IpAddr) -> (u8, Vec<u8>) {
    match address {
        IpAddr::V4(address) => (libc::AF_INET as u8, address.octets().to_vec()),
        IpAddr::V6(address) => (libc::AF_INET6 as u8, address.octets().to_vec()),
    }
}

/// `struct ifinfomsg`: which interface, and whether the request brings it up.
fn interface_info(index: u32, up: bool) -> [u8; 16] {
    let mut info = [0; 16];
    info[4..8].copy_from_slice(&index.to_ne_bytes());
    if up {
        info[8..12].copy_from_slice(&(libc::IFF_UP as u32).to_ne_bytes());
        info[12..16].copy_from_slice(&(libc::IFF_UP as u32).to_ne_bytes());
    }
    info
}

/// The first `N` bytes; every caller has checked that they are there.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    core::array::from_fn(|i| bytes[i])
}

/// One request under construction.
struct Message(Vec<u8>);

impl Message {
    fn new(kind: u16, flags: u16, body: &[u8]) -> Self {
        let mut bytes = vec![0; HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&(flags | libc::NLM_F_REQUEST as u16).to_ne_bytes());
        bytes[8..12].copy_from_slice(&1_u32.to_ne_bytes());
        bytes.extend(body);
        Self(bytes)
    }

    fn flag(&mut self, flag: u16) {
        let flags = u16::from_ne_bytes(array(&self.0[6..8])) | flag;
        self.0[6..8].copy_from_slice(&flags.to_ne_bytes());
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.0.extend(((4 + value.len()) as u16).to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    fn finish(mut self) -> Vec<u8> {
        let length = self.0.len() as u32;
        self.0[..4].copy_from_slice(&length.to_ne_bytes());
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_aligned_and_says_its_length() {
        let mut message = Message::new(libc::RTM_GETLINK, 0, &interface_info(3, true));
        message.attribute(libc::IFLA_IFNAME, b"lan0\0");
        let bytes = message.finish();
        assert_eq!(bytes.len(), 16 + 16 + 12);
        assert_eq!(u32::from_ne_bytes(array(&bytes[..4])) as usize, bytes.len());
        assert_eq!(bytes[32..34], 9_u16.to_ne_bytes());
    }

    #[test]
    fn the_loopback_interface_is_found_and_an_unknown_one_is_not() {
        let netlink = Netlink::open().unwrap();
        assert_eq!(netlink.link("lo").unwrap().index, 1);
        let error = netlink.link("no-such-link").unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
    }
}
