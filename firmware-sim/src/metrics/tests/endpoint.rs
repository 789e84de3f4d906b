//! Who may read it and how; and that hostile clients disturb neither the router nor an honest client for long.

use super::{Running, get, samples};
use crate::metrics::{Endpoint, Listen};
use crate::slow_path::SlowPathPlan;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

#[test]
fn a_port_alone_is_on_this_machine_alone() {
    let parse = |text: &str| text.parse::<Listen>().map(|listen| listen.to_string());
    for (text, address) in [
        ("9469", "127.0.0.1:9469"),
        (":9469", "127.0.0.1:9469"),
        ("0.0.0.0:1", "0.0.0.0:1"),
        ("[::1]:9469", "[::1]:9469"),
    ] {
        assert_eq!(parse(text).as_deref(), Ok(address));
    }
    for text in ["", "localhost", "127.0.0.1", "70000", "1.2.3.4:x"] {
        assert!(parse(text).unwrap_err().contains("127.0.0.1:9469"), "{text}");
    }
}

#[test]
fn a_port_in_use_names_the_place_and_the_remedy() {
    let first = Endpoint::bind("0".parse().unwrap()).unwrap();
    let address = first.address().unwrap().to_string();
    let error = Endpoint::bind(address.parse().unwrap()).unwrap_err().to_string();
    assert!(error.contains(&address) && error.contains("remedy: end what listens there"), "{error}");
    let elsewhere = Endpoint::bind("192.0.2.1:9469".parse().unwrap()).unwrap_err().to_string();
    assert!(elsewhere.contains("an address of this machine"), "{elsewhere}");
}

#[test]
fn only_get_and_head_of_one_path() {
    let running = Running::start(&SlowPathPlan::default());
    let ask = |line: &str| get(running.address, &format!("{line} HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert!(ask("GET /metrics").starts_with("HTTP/1.1 200 OK\r\n"));
    let head = ask("HEAD /metrics");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    for path in ["/", "/metrics/", "/x?/metrics"] {
        assert!(ask(&format!("GET {path}")).starts_with("HTTP/1.1 404 "), "{path}");
    }
    for method in ["POST", "DELETE", "OPTIONS"] {
        let refused = ask(&format!("{method} /metrics"));
        assert!(
            refused.starts_with("HTTP/1.1 405 ") && refused.contains("allow: GET, HEAD\r\n"),
            "{refused}"
        );
    }
    running.end();
}

/// A connection to it whose reads end, also on a server that never closes it.
fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

#[test]
fn what_is_no_request_gets_no_page() {
    let running = Running::start(&SlowPathPlan::default());
    // Garbage, and a request line without end.
    for garbage in
        [b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n".to_vec(), [b"GET /", &[b'a'; 100_000][..]].concat()]
    {
        let mut stream = connect(running.address);
        let _ = stream.write_all(&garbage);
        let mut answer = Vec::new();
        // A reset is an answer, too.
        let _ = stream.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    }
    running.end();
}

#[test]
fn silent_clients_that_come_back_keep_an_honest_one_waiting_a_moment() {
    /// Four times as many as there is room for.
    const SILENT: usize = 64;
    let running = Running::start(&SlowPathPlan::default());
    let (address, stop, closed) = (running.address, AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for number in 0..SILENT {
            let (stop, closed) = (&stop, &closed);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let mut stream = connect(address);
                    // Some say nothing, and some never end.
                    if number % 2 == 0 {
                        let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nX-Slow: ");
                    }
                    let _ = stream.read_to_end(&mut Vec::new());
                    closed.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        // They do hold all places: so many came after others, and wait again.
        let began = Instant::now();
        while closed.load(Ordering::Relaxed) < 2 * SILENT && began.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let scrapes = scope.spawn(|| {
            let scrape = |_| {
                let began = Instant::now();
                let samples = samples(&get(address, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"));
                assert!(samples.contains_key("softrouter_received_frames_total"));
                began.elapsed()
            };
            (0..5).map(scrape).max().unwrap()
        });
        let longest = scrapes.join();
        // Also if a scrape failed: else the others would never end.
        stop.store(true, Ordering::Relaxed);
        let longest = longest.unwrap();
        println!("the longest of five scrapes took {longest:?}");
        // Each round of clients that are closed takes a tenth of a second, and there are four of them. Were they closed for their
        // lateness alone, it would be a second each.
        assert!(longest < Duration::from_secs(2), "{longest:?}");
    });
    let owner = running.end();
    assert_eq!(owner.router().stats().balance(), Ok(()));
}
