//! The loads for throughput: iperf3.

use firmware_sim::lab::netns::Namespace;
use firmware_sim::peers::{Failure, SERVER, SetUp};
use serde_json::Value;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

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
