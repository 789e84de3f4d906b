//! The control socket: a Unix stream socket that only the router's own user can open. Its threads read, check and word
//! everything; the owner loop gets finished orders, one a client, so that no client can keep it waiting.
//!
//! Read first: `socket.rs`.

use super::desk::{ORDERS, Order, Outcome, Wish};
use super::encode::rule_form;
use super::explain::explain;
use super::file::text_of;
use super::form::RuleForm;
use super::import::import;
use super::names::Names;
use super::request::{Answer, REQUEST_MAX, Request};
use super::seconds::Seconds;
use super::socket::Listening;
use crate::clock::Clock;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::geteuid;
use stack::rules::RuleId;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a client may take for a request, and for taking its answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often the thread looks whether the run has ended.
const LOOK: u16 = 100;

/// What every client's thread needs.
pub(super) struct Shared {
    orders: SyncSender<Order>,
    wake: Box<dyn Fn() + Send + Sync>,
    pub(super) names: Arc<Mutex<Names>>,
    pub(super) clock: Clock,
    clients: AtomicUsize,
    stop: AtomicBool,
}

/// Serves clients until it is dropped.
pub struct Control {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Control {
    /// Serves the clients of a socket. `wake` wakes the owner loop, which takes the `orders`.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn start(
        listening: Listening,
        orders: SyncSender<Order>,
        names: Arc<Mutex<Names>>,
        clock: Clock,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            orders,
            wake: Box::new(wake),
            names,
            clock,
            clients: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
        });
        let inner = Arc::clone(&shared);
        let thread =
            std::thread::Builder::new().name("control".into()).spawn(move || accept(&listening, &inner))?;
        Ok(Self { shared, thread: Some(thread) })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn accept(listening: &Listening, shared: &Arc<Shared>) {
    while !shared.stop.load(Ordering::Relaxed) {
        let mut ready = [PollFd::new(listening.listener.as_fd(), PollFlags::POLLIN)];
        if !matches!(poll(&mut ready, PollTimeout::from(LOOK)), Ok(1..)) {
            continue;
        }
        let Ok((stream, _)) = listening.listener.accept() else {
            // Too many open files, perhaps: the router itself needs none.
            std::thread::sleep(Duration::from_millis(u64::from(LOOK)));
            continue;
        };
        if shared.clients.fetch_add(1, Ordering::Relaxed) >= ORDERS {
            shared.clients.fetch_sub(1, Ordering::Relaxed);
            refuse(&stream, "too many clients at once\n  remedy: try again in 5 seconds");
            continue;
        }
        let inner = Arc::clone(shared);
        let thread = std::thread::Builder::new().name("control-client".into());
        let started = thread.spawn(move || {
            // A client that goes away, or takes too long, loses its connection and nothing else.
            let _place = Place(&inner.clients);
            let _ = serve(&stream, &inner);
        });
        if started.is_err() {
            shared.clients.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// A client's place, given back however its thread ends.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Says why, if there is room for that.
fn refuse(mut stream: &UnixStream, why: &str) {
    let line = line_of(&Answer::error(why));
    let _ = stream.set_nonblocking(true).and_then(|()| stream.write_all(&line));
}

fn line_of(answer: &Answer) -> Vec<u8> {
    let mut line = serde_json::to_vec(answer).expect("an answer is plain data");
    line.push(b'\n');
    line
}

/// Answers a client's requests until it closes, or takes too long.
fn serve(stream: &UnixStream, shared: &Shared) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    let peer = getsockopt(stream, sockopt::PeerCredentials)?.uid();
    if peer != geteuid().as_raw() && peer != 0 {
        refuse(
            stream,
            "this router belongs to another user\n  remedy: run `softrouter rules` as that user, or as root",
        );
        return Ok(());
    }
    let mut waiting = Vec::new();
    while let Some(request) = read_line(stream, &mut waiting)? {
        let answer = match serde_json::from_slice(&request) {
            Ok(request) => answer(request, shared),
            Err(error) => Answer::error(format!("no request: {error}\n  remedy: docs/rules.md lists them")),
        };
        write_line(stream, &line_of(&answer))?;
    }
    Ok(())
}

/// What is left of the time until `deadline`.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// The next line, without its end; `None` if there is none.
fn read_line(mut stream: &UnixStream, waiting: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    let deadline = Instant::now() + PATIENCE;
    let mut piece = [0; 1 << 16];
    let mut seen = 0;
    loop {
        if let Some(end) = waiting[seen..].iter().position(|&byte| byte == b'\n') {
            let rest = waiting.split_off(seen + end + 1);
            let mut line = std::mem::replace(waiting, rest);
            line.pop();
            return Ok(Some(line));
        }
        seen = waiting.len();
        if seen > REQUEST_MAX {
            let why = format!(
                "a request has {REQUEST_MAX} bytes at most\n  remedy: import the rules in several documents"
            );
            refuse(stream, &why);
            return Err(io::ErrorKind::InvalidData.into());
        }
        stream.set_read_timeout(Some(left(deadline)?))?;
        match stream.read(&mut piece) {
            Ok(0) => return Ok(None),
            Ok(read) => waiting.extend_from_slice(&piece[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn write_line(mut stream: &UnixStream, mut line: &[u8]) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !line.is_empty() {
        stream.set_write_timeout(Some(left(deadline)?))?;
        match stream.write(line) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => line = &line[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

const ENDED: &str = "the router is ending, or does not answer\n  remedy: see whether it still runs";

/// Has the owner loop fulfil a wish.
pub(super) fn wish(shared: &Shared, wish: Wish) -> Result<Outcome, String> {
    let (sender, outcome) = sync_channel(1);
    // As many orders have room as there are clients.
    shared.orders.try_send(Order { wish, outcome: sender }).map_err(|_| ENDED)?;
    (shared.wake)();
    outcome.recv_timeout(PATIENCE).map_err(|_| ENDED.into())
}

fn answer(request: Request, shared: &Shared) -> Answer {
    fulfil(request, shared).unwrap_or_else(Answer::error)
}

fn fulfil(request: Request, shared: &Shared) -> Result<Answer, String> {
    let (wanted, id) = match &request {
        Request::List | Request::Export => (Wish::List, 0),
        Request::Show { id } | Request::Explain { id } => (Wish::Show(RuleId(*id)), *id),
        Request::Pin { id } => (Wish::Pin(RuleId(*id), true), *id),
        Request::Unpin { id } => (Wish::Pin(RuleId(*id), false), *id),
        Request::Revoke { id } => (Wish::Revoke(RuleId(*id)), *id),
        Request::Flush => (Wish::Flush, 0),
        Request::Import { document } => return import(document, shared),
    };
    let outcome = wish(shared, wanted)?;
    let names = shared.names.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(match outcome {
        Outcome::NoSuchRule => Answer::error(format!(
            "there is no rule {id}\n  remedy: `softrouter rules list` shows those that there are"
        )),
        Outcome::Rules(copies) if request == Request::Export => Answer {
            places: Some(copies.rules.len()),
            document: Some(text_of(&copies, &names)),
            ..Answer::done(copies.times.unix)
        },
        Outcome::Rules(copies) => {
            let done = Answer::done(copies.times.unix);
            let mut forms: Vec<RuleForm> = Vec::with_capacity(copies.rules.len());
            for (rule, before) in &copies.rules {
                forms.push(rule_form(rule, before, &names, &copies.times));
            }
            forms.sort_unstable_by_key(|form| form.status.as_ref().map(|status| status.id));
            match (&request, &forms[..]) {
                (Request::Explain { .. }, [form]) => {
                    Answer { text: Some(explain(form, copies.times.unix)), ..done }
                }
                _ => Answer { rules: Some(forms), places: Some(copies.places), ..done },
            }
        }
        Outcome::Revoked => Answer::done(Seconds::since_1970()),
        Outcome::Flushed(count) => Answer { flushed: Some(count), ..Answer::done(Seconds::since_1970()) },
        // Only an import asks for that.
        Outcome::Installed(..) => Answer::error("the router did something else"),
    })
}
