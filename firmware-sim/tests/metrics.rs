//! `softrouter lab --metrics` as a user runs it: scraped over HTTP while it runs, and compared with its own report.

use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

/// Values by their names with labels.
type Samples = BTreeMap<String, f64>;

/// One scrape; `None` if nobody listens any more.
fn scrape(address: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: lab\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, page) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 200").then(|| page.to_owned()).filter(|page| page.ends_with("# EOF\n"))
}

fn samples(page: &str) -> Samples {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(name, v)| (name.into(), v.parse().unwrap()))
        .collect()
}

/// Runs a lab and scrapes it until it ends: the last page, its samples, and the lab's own report.
fn scraped_lab() -> (String, Samples, Value) {
    let json = std::env::temp_dir().join(format!("softrouter-{}-metrics.json", std::process::id()));
    let mut child = Command::new(env!("CARGO_BIN_EXE_softrouter"))
        .args(["lab", "--memory", "--seconds", "2", "--metrics", "0", "--json"])
        .arg(&json)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("metrics at ") {
        line.clear();
        assert!(told.read_line(&mut line).unwrap() > 0, "it never said where");
    }
    // Whatever else it says must not fill the pipe.
    let rest = std::thread::spawn(move || std::io::copy(&mut told, &mut std::io::sink()));
    let address = line.trim_end().strip_prefix("metrics at http://").unwrap();
    let address = address.strip_suffix("/metrics").unwrap().to_owned();
    let (mut text, mut last, mut scrapes) = (String::new(), Samples::new(), 0);
    while let Some(page) = scrape(&address) {
        let now = samples(&page);
        for (name, before) in last.iter().filter(|(name, _): &(&String, &f64)| name.contains("_total")) {
            assert!(now[name] >= *before, "{name} went back");
        }
        (text, last, scrapes) = (page, now, scrapes + 1);
    }
    assert!(matches!(child.wait().unwrap().code(), Some(0 | 1)));
    rest.join().unwrap().unwrap();
    assert!(scrapes > 3, "{scrapes}");
    let report = serde_json::from_str(&std::fs::read_to_string(&json).unwrap()).unwrap();
    std::fs::remove_file(json).unwrap();
    (text, last, report)
}

#[test]
fn a_lab_is_scraped_until_it_ends_and_its_report_says_the_same() {
    const LABS: usize = 5;
    // The router is quiet for a fifth of a second before a lab ends, and a page is a tenth of a second old at most. On a busy machine the
    // last page may be older all the same; that can be so of some labs, not of all.
    for lab in 1..=LABS {
        let (text, last, report) = scraped_lab();
        assert!(text.contains("# TYPE softrouter_handle_frame_seconds histogram\n"), "{text}");
        #[cfg(feature = "peers")]
        judge(&text);
        let received = last["softrouter_received_frames_total"];
        let total = report["received"]["frames"].as_f64().unwrap();
        assert!(received > 0.0 && received <= total, "{received} of {total}");
        if received < total && lab < LABS {
            println!("the last page of lab {lab} was too early: {received} of {total} frames");
            continue;
        }
        assert!((total - received).abs() < 0.5, "no page was of the end: {received} of {total} frames");
        for (path, [which, by]) in
            [("fast", ["fast", "router"]), ("rule", ["fast", "rule"]), ("slow-model", ["slow", "model"])]
        {
            let labels = format!("path=\"{which}\",decided_by=\"{by}\"");
            let ended =
                |name: &str| name.starts_with("softrouter_ended_frames_total") && name.contains(&labels);
            let frames: f64 = last.iter().filter(|(name, _)| ended(name)).map(|(_, value)| value).sum();
            assert_eq!(Some(frames), report["paths"][path]["frames"].as_f64(), "{path}");
        }
        return;
    }
}

/// Prometheus's own Python parser, which is strict about OpenMetrics, reads as many families and samples as there are.
#[cfg(feature = "peers")]
fn judge(page: &str) {
    use firmware_sim::lab::privilege::skip;

    const READ: &str = "import sys; from prometheus_client.openmetrics.parser import text_string_to_metric_families as read; \
        families = list(read(sys.stdin.read())); print(len(families), sum(len(family.samples) for family in families))";
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "/usr/bin/python3".into());
    let mut command = Command::new(python);
    let probe = command.args(["-c", "import prometheus_client"]).output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        return skip("python3-prometheus-client is not installed: make setup-peers");
    }
    let mut child = Command::new(command.get_program())
        .args(["-c", READ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "it refuses the page");
    let families = page.lines().filter(|line| line.starts_with("# TYPE ")).count();
    let expected = format!("{families} {}\n", samples(page).len());
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
}

#[test]
fn a_port_in_use_ends_the_lab_before_it_begins() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_softrouter"))
        .args(["lab", "--memory", "--seconds", "1", "--metrics", &address])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(&address) && said.contains("remedy: "), "{said}");
}
