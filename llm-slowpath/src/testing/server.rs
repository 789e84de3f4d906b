//! An HTTP server on loopback that answers as a test tells it to. It is plain TCP, and no crate of mock servers, since
//! those can neither trickle bytes nor reset a connection.

use crate::backend::Dialect;
use serde_json::Value;
use socket2::SockRef;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// What the server does with one request.
pub(crate) enum Act {
    /// A status and a body.
    Reply(u16, String),
    /// A status, header lines and a body.
    ReplyWith(u16, &'static str, String),
    /// 200 and this body, of which the last bytes never come although they were announced.
    Truncated(String),
    /// 200 and this body, a byte at a time with so much time between bytes.
    Trickle(String, Duration),
    /// A redirect to this URL.
    Redirect(String),
    /// 200 and this many bytes, their number said beforehand or not.
    Flood { bytes: usize, announced: bool },
    /// Nothing, until the client goes away.
    Hang,
    /// A status line and headers, then nothing, until the client goes away.
    HangInBody,
    /// The connection is closed without a byte.
    Close,
    /// The connection is reset (RST).
    Reset,
}

/// One request, as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) head: String,
    pub(crate) body: Value,
}

impl Seen {
    /// The dialect whose path was asked.
    pub(crate) fn dialect(&self) -> Dialect {
        match self.head.split(' ').nth(1) {
            Some("/v1/chat/completions") => Dialect::OpenAi,
            Some("/api/chat") => Dialect::Ollama,
            Some("/v1/messages") => Dialect::Anthropic,
            path => panic!("{path:?}"),
        }
    }
}

pub(crate) struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves `act`, which is told each request, until it is dropped.
    pub(crate) fn start(act: impl Fn(&Seen) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (seen_too, stop_too, act) = (Arc::clone(&seen), Arc::clone(&stop), Arc::new(act));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop_too.load(Ordering::Relaxed) {
                    return;
                }
                let (seen, act) = (Arc::clone(&seen_too), Arc::clone(&act));
                // A client that goes away is a test's business; the thread ends with the connection.
                std::thread::spawn(move || {
                    let _ = connection(stream.unwrap(), &seen, &*act);
                });
            }
        });
        Self { address, seen, stop, thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().unwrap().join();
    }
}

fn connection(stream: TcpStream, seen: &Mutex<Vec<Seen>>, act: &dyn Fn(&Seen) -> Act) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        let length = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body)?;
        let request = Seen { head, body: serde_json::from_slice(&body).unwrap_or_default() };
        seen.lock().unwrap().push(request.clone());
        match act(&request) {
            Act::Reply(status, body) => {
                write!(writer, "HTTP/1.1 {status} -\r\nContent-Length: {}\r\n\r\n{body}", body.len())?;
            }
            Act::ReplyWith(status, headers, body) => {
                let length = body.len();
                write!(writer, "HTTP/1.1 {status} -\r\n{headers}Content-Length: {length}\r\n\r\n{body}")?;
            }
            Act::Truncated(body) => {
                write!(writer, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len() + 1)?;
                return Ok(());
            }
            Act::Trickle(body, between) => {
                write!(writer, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len())?;
                for byte in body.as_bytes() {
                    writer.write_all(&[*byte])?;
                    std::thread::sleep(between);
                }
            }
            Act::Redirect(to) => {
                write!(writer, "HTTP/1.1 307 -\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")?;
            }
            Act::Flood { bytes, announced } => {
                let length = if announced { format!("Content-Length: {bytes}\r\n") } else { String::new() };
                write!(writer, "HTTP/1.1 200 OK\r\n{length}Connection: close\r\n\r\n")?;
                for _ in 0..bytes / 1024 {
                    writer.write_all(&[b' '; 1024])?;
                }
                return Ok(());
            }
            Act::Hang => return reader.read(&mut [0]).map(drop),
            Act::HangInBody => {
                write!(writer, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{{")?;
                return reader.read(&mut [0]).map(drop);
            }
            Act::Close => return Ok(()),
            Act::Reset => return SockRef::from(&writer).set_linger(Some(Duration::ZERO)),
        }
    }
}
