//! The loads: iperf3 for throughput, and echo requests one after another for the round trip.

use super::setups::{Failure, SetUp};
use firmware_sim::lab::netns::Namespace;
use serde_json::Value;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The server's address.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
/// Bytes of UDP payload in a 64-byte Ethernet frame, whose FCS a TAP does not carry.
const SMALLEST_PAYLOAD: u32 = 18;

/// How often iperf3 is started anew.
const TRIES: usize = 5;

/// A process that ends with its owner.
pub(crate) struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the iperf3 server of a set-up, and waits until it listens.
///
/// # Errors
/// It does not start.
pub(crate) fn serve(set_up: &SetUp) -> Result<Ended, Failure> {
    let mut command = Command::new("iperf3");
    command.arg("-s").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
    let server = Ended(set_up.server.namespace().start_process(command)?);
    std::thread::sleep(Duration::from_millis(300));
    Ok(server)
}

/// TCP from client to server: bits a second that the server received.
///
/// # Errors
/// iperf3 fails.
pub(crate) fn tcp(set_up: &SetUp, seconds: u32) -> Result<f64, Failure> {
    let report = iperf3(set_up.client.namespace(), &format!("-c {SERVER} -t {seconds} -J"))?;
    number(&report, "/end/sum_received/bits_per_second")
}

/// Smallest UDP frames from client to server, as fast as the client can: frames a second that arrived.
///
/// # Errors
/// iperf3 fails.
pub(crate) fn udp(set_up: &SetUp, seconds: u32) -> Result<f64, Failure> {
    let words = format!("-c {SERVER} -t {seconds} -J -u -b 0 -l {SMALLEST_PAYLOAD}");
    let report = iperf3(set_up.client.namespace(), &words)?;
    let (sent, lost) = (number(&report, "/end/sum/packets")?, number(&report, "/end/sum/lost_packets")?);
    Ok((sent - lost) / number(&report, "/end/sum/seconds")?)
}

/// Runs the client, more than once if need be: its server is not back at once from the test before.
fn iperf3(namespace: &Namespace, words: &str) -> Result<Value, Failure> {
    for _ in 0..TRIES {
        if let Ok(report) = iperf3_once(namespace, words) {
            return Ok(report);
        }
        std::thread::sleep(Duration::from_millis(300));
    }
    iperf3_once(namespace, words)
}

fn iperf3_once(namespace: &Namespace, words: &str) -> Result<Value, Failure> {
    let mut command = Command::new("iperf3");
    command.args(words.split_whitespace()).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = Ended(namespace.start_process(command)?);
    let mut text = String::new();
    child.0.stdout.take().ok_or("iperf3 has no output")?.read_to_string(&mut text)?;
    let report: Value = serde_json::from_str(&text)?;
    match report.get("error") {
        Some(error) => Err(format!("iperf3 {words}: {error}").into()),
        None => Ok(report),
    }
}

fn number(report: &Value, at: &str) -> Result<f64, Failure> {
    Ok(report.pointer(at).and_then(Value::as_f64).ok_or_else(|| format!("iperf3 gives no {at}"))?)
}

/// A socket for echo requests to the server; the host's kernel fills in and checks the checksum.
///
/// # Errors
/// The kernel refuses it.
pub(crate) fn echo_socket(set_up: &SetUp) -> Result<Socket, Failure> {
    Ok(set_up.client.namespace().run(|| {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::ICMPV4))?;
        socket.connect(&SocketAddrV4::new(SERVER, 0).into())?;
        socket.set_read_timeout(Some(Duration::from_secs(1)))?;
        Ok::<_, std::io::Error>(socket)
    })?)
}

/// Round trips of `count` echo requests of 64 bytes, one after another, in order of length.
///
/// # Errors
/// A reply is missing.
pub(crate) fn round_trips(mut socket: &Socket, count: u16) -> Result<Vec<Duration>, Failure> {
    let mut message = [0; 64];
    message[0] = 8;
    let mut reply = [0; 128];
    let mut times = Vec::with_capacity(count.into());
    for sequence in 0..count {
        message[6..8].copy_from_slice(&sequence.to_be_bytes());
        let start = Instant::now();
        socket.write_all(&message)?;
        let length = socket.read(&mut reply)?;
        times.push(start.elapsed());
        if length != message.len() || reply[6..8] != message[6..8] {
            return Err("an echo reply is not that of the request before it".into());
        }
    }
    times.sort_unstable();
    Ok(times)
}
