//! Clients of the control socket: good ones, slow ones, silent ones, hostile ones; and sockets that others left.

use super::super::client::{Ask, ClientError, ask};
use super::super::desk::ORDERS;
use super::*;
use crate::clock::Clock;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration as StdDuration;

/// A loop that has a router and a desk, and nothing else to do.
struct Owner {
    control: Option<Control>,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<StdDuration>>,
    path: PathBuf,
}

impl Owner {
    fn start(path: PathBuf) -> Self {
        let clock = Clock::start();
        let ((mut desk, orders), mut router) = (Desk::new(), router());
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut longest = StdDuration::ZERO;
            while !stopped.load(Ordering::Relaxed) {
                let started = std::time::Instant::now();
                desk.serve(clock.now(), &mut router);
                longest = longest.max(started.elapsed());
                std::thread::park_timeout(StdDuration::from_millis(1));
            }
            longest
        });
        let waker = thread.thread().clone();
        let listening = Listening::at(&path).unwrap();
        let names = Arc::new(Mutex::new(names()));
        let control = Control::start(listening, orders, names, clock, move || waker.unpark()).unwrap();
        Self { control: Some(control), stop, thread: Some(thread), path }
    }

    fn ask(&self, request: Request) -> Answer {
        ask(&Ask::Plain(request), Some(&self.path)).unwrap().0
    }

    fn connect(&self) -> UnixStream {
        UnixStream::connect(&self.path).unwrap()
    }

    /// A connection that is being served, and on which nothing was said yet.
    fn silent(&self) -> UnixStream {
        loop {
            let mut stream = self.connect();
            stream.set_read_timeout(Some(StdDuration::from_millis(500))).unwrap();
            // The client before may not be counted out yet.
            if stream.read(&mut [0]).is_err() {
                stream.set_read_timeout(None).unwrap();
                return stream;
            }
        }
    }

    /// Ends it; the longest turn that its loop had.
    fn end(mut self) -> StdDuration {
        self.control = None;
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

fn import(rules: &[RuleForm]) -> Request {
    Request::Import { document: write(rules, Seconds::since_1970()) }
}

#[test]
fn rules_are_imported_listed_pinned_revoked_and_flushed() {
    let folder = Folder::new("orders");
    let owner = Owner::start(folder.file("s"));
    assert_eq!(mode(&owner.path), 0o600);
    let many: Vec<_> = (1..=200).map(option_rule).map(|form| RuleForm { status: None, ..form }).collect();
    // The router itself is 10.0.1.1: about that there is no rule.
    let answer = owner.ask(import(&many));
    let imported = answer.imported.unwrap();
    assert!(!answer.ok && imported.installed.len() == 199, "{imported:?}");
    assert_eq!((imported.refused.len(), imported.refused[0].rule), (1, 1), "{imported:?}");
    assert_eq!(imported.refused[0].problem.field, "subject.from");

    // One that is no rule, and none is installed.
    let wrong = RuleForm { reason: "nonsense".into(), ..option_rule(250) };
    let answer = owner.ask(import(&[option_rule(249), wrong]));
    let imported = answer.imported.unwrap();
    assert_eq!((answer.ok, imported.installed.len(), imported.refused[0].rule), (false, 0, 2));

    let listed = owner.ask(Request::List);
    let rules = listed.rules.unwrap();
    assert_eq!((rules.len(), listed.places), (199, Some(1024)));
    let ids: Vec<_> = rules.iter().map(|form| form.status.as_ref().unwrap().id).collect();
    assert!(ids.is_sorted());
    assert!(owner.ask(Request::Pin { id: ids[0] }).rules.unwrap()[0].pinned);
    assert!(owner.ask(Request::Pin { id: ids[1] }).ok);
    assert!(!owner.ask(Request::Unpin { id: ids[1] }).rules.unwrap()[0].pinned);
    assert!(owner.ask(Request::Revoke { id: ids[2] }).ok);
    assert!(owner.ask(Request::Explain { id: ids[3] }).text.unwrap().contains("installed by the operator"));
    for request in
        [Request::Revoke { id: ids[2] }, Request::Show { id: ids[2] }, Request::Pin { id: 4_000_000 }]
    {
        let answer = owner.ask(request);
        assert!(!answer.ok && answer.error.unwrap().contains("remedy: "));
    }
    let document = owner.ask(Request::Export).document.unwrap();
    assert_eq!(owner.ask(Request::Flush).flushed, Some(197));
    assert_eq!(owner.ask(Request::List).rules.unwrap().len(), 1);
    // What was exported comes back; the pinned rule is there already.
    let again = || owner.ask(Request::Import { document: document.clone() });
    let imported = again().imported.unwrap();
    assert_eq!((imported.installed.len(), &imported.refused[..]), (197, &[][..]));
    assert_eq!(imported.there_already, [1], "the first one was pinned");
    let answer = again();
    let imported = answer.imported.unwrap();
    assert!(answer.ok && imported.installed.is_empty() && imported.refused.is_empty(), "{imported:?}");
    assert_eq!(imported.there_already, (1..=198).collect::<Vec<_>>());
    // One that would do something else, and one that would be pinned, are not.
    let other = RuleForm { sample_one_in: 8, priority: 1, ..option_rule(9) };
    let pinned = RuleForm { pinned: true, ..option_rule(10) };
    let answer = owner.ask(import(&[other, option_rule(9), pinned]));
    let imported = answer.imported.unwrap();
    assert_eq!((answer.ok, &imported.there_already[..]), (false, &[2][..]));
    assert_eq!(imported.refused.iter().map(|refused| refused.rule).collect::<Vec<_>>(), [1, 3]);
    assert!(imported.refused[0].problem.problem.contains("ranks higher"), "{imported:?}");
    // People are told.
    let (file, path) = (folder.file("again.json"), &owner.path);
    fs::write(&file, &document).unwrap();
    let (_, told) = ask(&Ask::Import { file }, Some(path)).unwrap();
    assert_eq!(told, "0 rules installed, 0 expired, 0 refused, 198 there already\n");
    let path = owner.path.clone();
    owner.end();
    assert!(!path.exists(), "the socket goes with the router");
}

#[test]
fn what_is_no_request_is_answered_with_an_error() {
    let folder = Folder::new("nonsense");
    let owner = Owner::start(folder.file("s"));
    let stream = owner.connect();
    let mut answers = BufReader::new(&stream).lines();
    for line in
        ["", "{}", "null", r#"{"do":"dance"}"#, r#"{"do":"show"}"#, r#"{"do":"show","id":-1}"#, "\u{fffd}\0"]
    {
        (&stream).write_all(format!("{line}\n").as_bytes()).unwrap();
        let answer: Answer = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
        assert!(!answer.ok && answer.error.unwrap().contains("remedy: "), "{line}");
    }
    // The same connection still serves; two requests at once get two answers.
    (&stream).write_all(b"{\"do\":\"list\"}\n{\"do\":\"flush\"}\n").unwrap();
    for _ in 0..2 {
        let answer: Answer = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
        assert!(answer.ok);
    }
    owner.end();
}

#[test]
fn slow_silent_and_hostile_clients_keep_nobody_waiting() {
    let folder = Folder::new("hostile");
    let owner = Owner::start(folder.file("s"));
    let rules: Vec<_> = (2..=255).map(option_rule).collect();
    assert!(owner.ask(import(&rules)).ok);
    // As many silent clients as are served at once: one more is told so, at once.
    let silent: Vec<_> = (0..ORDERS).map(|_| owner.silent()).collect();
    let mut told = String::new();
    owner.connect().read_to_string(&mut told).unwrap();
    assert!(told.contains("too many clients") && told.contains("remedy: "), "{told}");
    // Each of them loses its connection after a while, also those that say a little now and then.
    for (number, mut stream) in silent.into_iter().enumerate() {
        let mut end = Vec::new();
        if number > 0 {
            let _ = stream.write_all(b"{");
        }
        let _ = stream.read_to_end(&mut end);
        assert_eq!(end, b"");
    }
    // Asks for all rules again and again, and never reads.
    let deaf = owner.silent();
    deaf.set_write_timeout(Some(StdDuration::from_millis(100))).unwrap();
    while (&deaf).write_all(b"{\"do\":\"list\"}\n").is_ok() {}
    // Says more than any request has, without an end.
    let mut flood = owner.silent();
    let piece = vec![b'['; 1 << 20];
    let sent = (0..64).take_while(|_| flood.write_all(&piece).is_ok()).count();
    assert!((16..=20).contains(&sent), "{sent} MiB were taken");
    // Goes away while it is being answered.
    for _ in 0..50 {
        let _ = owner.connect().write_all(b"{\"do\":\"list\"}\n");
    }
    // Whoever waits a little is served.
    let deadline = std::time::Instant::now() + StdDuration::from_secs(30);
    loop {
        let answer = owner.ask(Request::List);
        if answer.ok {
            assert_eq!(answer.rules.unwrap().len(), 254);
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{answer:?}");
        std::thread::sleep(StdDuration::from_millis(50));
    }
    let longest = owner.end();
    println!("longest turn: {longest:?}");
    // A client takes seconds; a turn with up to four orders takes none of that, also on a busy machine.
    assert!(longest < StdDuration::from_secs(1), "{longest:?}");
}

#[test]
fn a_dead_routers_socket_is_replaced_and_nothing_else_is() {
    let folder = Folder::new("stale");
    let path = folder.file("s");
    // A router that was killed leaves its socket.
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let live = Listening::at(&path).unwrap();
    assert_eq!(mode(&path), 0o600);
    let second = Listening::at(&path).unwrap_err().to_string();
    assert!(second.contains("another router is listening") && second.contains("remedy: "), "{second}");
    assert!(path.exists());
    // Somebody else's by now: it stays.
    fs::rename(&path, folder.file("moved")).unwrap();
    let other = UnixListener::bind(&path).unwrap();
    drop(live);
    assert!(path.exists());
    drop(other);

    fs::write(folder.file("text"), "precious").unwrap();
    let error = Listening::at(&folder.file("text")).unwrap_err().to_string();
    assert!(error.contains("no socket") && error.contains("remedy: "), "{error}");
    assert_eq!(fs::read_to_string(folder.file("text")).unwrap(), "precious");
    for path in [folder.file("missing/s"), folder.file(&"x".repeat(120))] {
        let error = Listening::at(&path).unwrap_err().to_string();
        assert!(error.contains("remedy: "), "{error}");
    }
}

#[test]
fn without_a_router_the_client_says_where_it_looked() {
    let folder = Folder::new("nobody");
    let path = folder.file("s");
    let error = ask(&Ask::Plain(Request::List), Some(&path)).unwrap_err();
    assert!(matches!(error, ClientError::NoRouter { .. }));
    let said = error.to_string();
    assert!(said.contains(path.to_str().unwrap()) && said.contains("remedy: "), "{said}");
    // One that listens and says nothing any more.
    let listener = UnixListener::bind(&path).unwrap();
    let silent = std::thread::spawn(move || drop(listener.accept()));
    let error = ask(&Ask::Plain(Request::List), Some(&path)).unwrap_err();
    assert!(matches!(error, ClientError::Broken { .. }), "{error}");
    silent.join().unwrap();
    let error = ask(&Ask::Import { file: folder.file("missing") }, Some(&path)).unwrap_err();
    assert!(matches!(error, ClientError::File { .. }) && error.to_string().contains("remedy: "), "{error}");
}
