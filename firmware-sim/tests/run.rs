//! `softrouter run` as a user runs it: TAP devices by name, a kernel at their other ends, Ctrl-C; and
//! what it says to a configuration that cannot be run.

use firmware_sim::lab::host::LabHost;
use firmware_sim::lab::namespace::{Host, HostPlan};
use firmware_sim::lab::privilege::{probe_tap, skip};
use firmware_sim::lab::traffic::exchange::EchoPlan;
use firmware_sim::lab::traffic::{icmp, udp};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

const EXAMPLE: &str = include_str!("../../router.example.toml");

/// A configuration file in the temporary folder.
fn config(name: &str, text: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("softrouter-{}-{name}.toml", std::process::id()));
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn the_example_routes_until_ctrl_c() {
    if let Err(refused) = probe_tap() {
        return skip(&refused.to_string());
    }
    let path = config("example", EXAMPLE);
    // The client's address alone, on an interface that leads nowhere: its network will be behind tap0.
    let plan = HostPlan { prefix: 32, gateway: None, ..HostPlan::client() };
    let (host, _tap) = Host::start(plan).unwrap();
    let config_path = path.clone();
    // A child is born into the namespace of the thread that starts it.
    let child = host.run(move || {
        Command::new(env!("CARGO_BIN_EXE_softrouter"))
            .args(["run", "--config"])
            .arg(config_path)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    });
    let deadline = Instant::now() + Duration::from_secs(10);
    while host.add_address("tap0", Ipv4Addr::new(10, 0, 1, 2), 24).is_err() {
        assert!(Instant::now() < deadline, "tap0 never appeared");
        std::thread::sleep(Duration::from_millis(50));
    }
    let stop = Arc::new(AtomicBool::new(false));
    let router = Ipv4Addr::new(10, 0, 1, 1);
    let echo = icmp::spawn_echo(&host as &dyn LabHost, EchoPlan::burst(router, 20), Arc::clone(&stop))
        .unwrap()
        .join();
    let udp = udp::spawn_echo(&host as &dyn LabHost, 7, EchoPlan::burst(router, 20), stop).unwrap().join();
    assert!(
        Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status().unwrap().success()
    );
    let output = child.wait_with_output().unwrap();
    let _ = std::fs::remove_file(path);
    let shown =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(echo.is_clean() && echo.first_answered, "{echo:?}\n{shown}");
    assert!(udp.is_clean(), "{udp:?}\n{shown}");
    assert!(output.status.success(), "{shown}");
    assert!(shown.contains("port 0 = tap0: 02:00:00:00:01:01 10.0.1.1/24 mtu 1500"), "{shown}");
    assert!(shown.lines().last().unwrap().contains("delivered 40"), "{shown}");
}

#[test]
fn a_bad_configuration_names_file_line_field_and_remedy() {
    let cases = [
        ("mtu = 1500", "mtu = 300", "port[0].mtu", "576 to"),
        ("ipv4_option_transit", "ipv4_optoin_transit", "modes.ipv4_optoin_transit", "softrouter anomalies"),
        ("addresses = [\"10.0.2.1/24\"]", "", "port[1]", "missing field `addresses`"),
        ("deadline_ms = 50 ", "deadline_ms = 99999 ", "limits", "divert_queue"),
    ];
    for (from, to, field, remedy) in cases {
        let path = config("bad", &EXAMPLE.replacen(from, to, 1));
        let output = Command::new(env!("CARGO_BIN_EXE_softrouter"))
            .args(["run", "--config"])
            .arg(&path)
            .output()
            .unwrap();
        let shown = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{shown}");
        let place = format!("{}:", path.display());
        assert!(shown.contains(&place) && shown.contains(field) && shown.contains(remedy), "{to}: {shown}");
        let _ = std::fs::remove_file(path);
    }
}
