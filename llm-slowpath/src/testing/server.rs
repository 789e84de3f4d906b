//! An HTTP server on loopback that answers as a test tells it to.

use super::written;
use crate::question::Said;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// What the server does with one request.
pub(crate) enum Act {
    /// A status and a body.
    Reply(u16, String),
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
}

/// One request, as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) head: String,
    pub(crate) body: Value,
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
        }
    }
}

/// A chat completion whose message is `content`.
pub(crate) fn completion(content: &str) -> Act {
    let body = json!({
        "choices": [{ "index": 0, "message": { "role": "assistant", "content": content }, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 400, "completion_tokens": 20, "total_tokens": 420 },
    });
    Act::Reply(200, body.to_string())
}

/// The answer of a model that echoes what it should and chooses `action`.
pub(crate) fn choose(action: &str) -> impl Fn(&Seen) -> Act + Send + Sync + 'static {
    let action = action.to_owned();
    move |seen| {
        let frame = shown(seen);
        completion(
            &json!({ "nonce": frame["nonce"], "reason": frame["reason"], "action": action }).to_string(),
        )
    }
}

/// The answer of a model that echoes the nonce of the exam's question and says this.
pub(crate) fn say(said: Said) -> impl Fn(&Seen) -> Act + Send + Sync + 'static {
    move |seen| {
        let nonce = u32::from_str_radix(shown(seen)["nonce"].as_str().unwrap(), 16).unwrap();
        completion(&written(nonce, None, &said).to_string())
    }
}

/// What the prompt shows between its boundaries.
pub(crate) fn shown(seen: &Seen) -> Value {
    let prompt = seen.body["messages"][1]["content"].as_str().unwrap();
    serde_json::from_str(prompt.lines().nth(1).unwrap()).unwrap()
}
