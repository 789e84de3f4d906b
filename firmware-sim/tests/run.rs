//! `softrouter run` as a user runs it: TAP devices by name, a kernel at their other ends, its status page,
//! Ctrl-C; and what it says to a configuration that cannot be run.

mod common;

use common::{EXAMPLE, ROUTER, RunningRouter, config};
use firmware_sim::lab::host::LabHost;
use firmware_sim::lab::privilege::{probe_tap, skip};
use firmware_sim::lab::traffic::exchange::EchoPlan;
use firmware_sim::lab::traffic::{icmp, udp};
use firmware_sim::recording::replay;
use std::ffi::OsStr;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

#[test]
fn the_example_routes_until_ctrl_c() {
    if let Err(refused) = probe_tap() {
        return skip(&refused.to_string());
    }
    let weird = std::env::temp_dir().join(format!("softrouter-{}-run-weird.log", std::process::id()));
    let _ = std::fs::remove_file(&weird);
    let router = RunningRouter::start("example", EXAMPLE, &["--weird".as_ref(), weird.as_os_str()]);
    let host: &dyn LabHost = &router.host;
    let stop = Arc::new(AtomicBool::new(false));
    let mut echoes = Vec::new();
    for target in ROUTER {
        let plan = EchoPlan::burst(target, 20);
        echoes.push(icmp::spawn_echo(host, plan.clone(), Arc::clone(&stop)).unwrap().join());
        echoes.push(udp::spawn_echo(host, 7, plan, Arc::clone(&stop)).unwrap().join());
    }
    let socket = router.socket.clone();
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o7777, 0o600);
    let rules = ["rules", "list", "--socket"].map(OsStr::new);
    let listed = Command::new(env!("CARGO_BIN_EXE_softrouter")).args(rules).arg(&socket).output().unwrap();
    assert!(listed.status.success(), "{listed:?}");
    assert!(String::from_utf8_lossy(&listed.stdout).contains("16384"), "{listed:?}");
    let (status, shown) = router.interrupt();
    assert!(!socket.exists(), "the socket goes with the router");
    for echo in echoes {
        assert!(echo.is_clean() && echo.first_answered, "{echo:?}\n{shown}");
    }
    assert!(status.success(), "{shown}");
    let log = std::fs::read_to_string(&weird).unwrap();
    std::fs::remove_file(weird).unwrap();
    assert!(log.starts_with("#separator") && log.contains("\n#close\t"), "{log}");
    for line in [
        "port 0 = tap0: 02:00:00:00:01:01 10.0.1.1/24 fd00:1::1/64 fe80::ff:fe00:101 mtu 1500",
        "port 2 = tap1.10: VLAN 10 of port 1 02:00:00:00:02:01 10.0.10.1/24",
    ] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    let last = shown.lines().rfind(|line| line.starts_with("in ")).unwrap();
    assert!(shown.contains("availability: ") && shown.contains("Slow path's service: "), "{shown}");
    let delivered = last.split("delivered ").nth(1).and_then(|rest| rest.split_whitespace().next());
    // The host's kernel may send Neighbour Discovery and multicast listener reports of its own.
    assert!(delivered.unwrap().parse::<u64>().unwrap() >= 80, "{shown}");
}

#[test]
fn what_the_example_did_is_recorded_and_replays_identical() {
    if let Err(refused) = probe_tap() {
        return skip(&refused.to_string());
    }
    let file = std::env::temp_dir().join(format!("softrouter-{}-run.pcapng", std::process::id()));
    let router = RunningRouter::start("recorded", EXAMPLE, &["--record".as_ref(), file.as_os_str()]);
    let host: &dyn LabHost = &router.host;
    let stop = Arc::new(AtomicBool::new(false));
    for target in ROUTER {
        let plan = EchoPlan::burst(target, 20);
        let echo = icmp::spawn_echo(host, plan, Arc::clone(&stop)).unwrap().join();
        assert!(echo.is_clean(), "{echo:?}");
    }
    assert!(get(host, ROUTER[0], "/").starts_with("HTTP/1.0 200 OK"));
    let (status, shown) = router.interrupt();
    assert!(status.success() && shown.contains("recording "), "{shown}");
    let report = replay(&file).unwrap();
    assert!(report.identical && report.complete, "{report}");
    // Forty echoes, and a connection with a few frames each way.
    assert!(report.frames_in > 42 && report.frames_out > 42, "{report}");
    let _ = std::fs::remove_file(file);
}

/// Asks for `path` at `target`, and reads the answer to its end.
fn get(host: &dyn LabHost, target: IpAddr, path: &str) -> String {
    let patience = Duration::from_secs(5);
    let stream = host.connector().unwrap().connect(SocketAddr::new(target, 80), patience).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).unwrap();
    let (mut answer, mut buffer) = (Vec::new(), [0; 1024]);
    loop {
        match stream.read(&mut buffer).unwrap() {
            0 => return String::from_utf8(answer).unwrap(),
            length => answer.extend_from_slice(&buffer[..length]),
        }
    }
}

/// The frames that the page's line `received` counts.
fn received(page: &str) -> u64 {
    let line = page.lines().find_map(|line| line.strip_prefix("received "));
    line.unwrap_or_else(|| panic!("{page}")).split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn the_status_page_is_read_over_ipv4_and_ipv6() {
    if let Err(refused) = probe_tap() {
        return skip(&refused.to_string());
    }
    let router = RunningRouter::start("status", EXAMPLE, &[]);
    let pages: Vec<_> =
        ROUTER.into_iter().chain(ROUTER).map(|target| get(&router.host, target, "/")).collect();
    let (status, shown) = router.interrupt();
    assert!(status.success(), "{shown}");
    for page in &pages {
        assert!(page.starts_with("HTTP/1.0 200 OK\r\n") && page.contains("\r\n\r\n"), "{page}");
    }
    let counts: Vec<_> = pages.iter().map(|page| received(page)).collect();
    assert!(counts[0] >= 3 && counts.is_sorted_by(|before, after| before < after), "{counts:?}");
}

#[test]
fn a_bad_configuration_names_file_line_field_and_remedy() {
    let vlan = "vlan = 10 ";
    let cases = [
        ("mtu = 1500", "mtu = 300", "port[0].mtu", "576 to"),
        ("ipv4_option_transit", "ipv4_optoin_transit", "modes.ipv4_optoin_transit", "softrouter anomalies"),
        ("addresses = [\"10.0.2.1/24\", \"fd00:2::1/64\"]", "", "port[1]", "missing field `addresses`"),
        ("deadline_ms = 50 ", "deadline_ms = 99999 ", "limits", "divert_queue"),
        ("fd00:1::1/64", "fd00:1::1/129", "port[0].addresses[1]", "prefix length"),
        ("fd00:1::1/64", "ff02::1/64", "port[0].addresses", "host's address"),
        ("mtu = 1500", "mtu = 1279", "port[0].mtu", "at least 1280 with an IPv6 address"),
        (vlan, "vlan = 4095 ", "port[2].vlan", "1 to 4094"),
        ("trunk = \"tap1\"", "trunk = \"eth7\"", "port[2].trunk", "name one of: tap0, tap1"),
        ("next_hop = \"fd00:2::2\"", "next_hop = \"fd00:9::2\"", "route[1].next_hop", "network"),
        ("type = \"unreachable\"", "type = \"reject\"", "route[2].type", "blackhole"),
        ("reverse_path = \"off\"", "reverse_path = \"on\"", "port[0].reverse_path", "strict"),
        ("offload = true", "offload = \"yes\"", "router.offload", "boolean"),
    ];
    for (from, to, field, remedy) in cases {
        assert!(EXAMPLE.contains(from), "the example has no `{from}`");
        let path = config("bad", &EXAMPLE.replacen(from, to, 1));
        let child = Command::new(env!("CARGO_BIN_EXE_softrouter"))
            .args(["run", "--config"])
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = ended_soon(child, to);
        let shown = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{to}: {shown}");
        let place = format!("{}:", path.display());
        assert!(shown.contains(&place) && shown.contains(field) && shown.contains(remedy), "{to}: {shown}");
        let _ = std::fs::remove_file(path);
    }
}

/// What a process that must refuse to run has printed; one that runs is ended.
fn ended_soon(mut child: Child, case: &str) -> Output {
    let deadline = Instant::now() + Duration::from_secs(20);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("it runs with {case}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}
