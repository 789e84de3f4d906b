//! `softrouter run` on the example configuration, in the namespace of a host that is its client.

use firmware_sim::lab::namespace::{Host, HostPlan, Ipv6Plan};
use firmware_sim::port::tap::Tap;
use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The configuration that the documentation shows.
pub(crate) const EXAMPLE: &str = include_str!("../../../router.example.toml");

/// The example's addresses of the router on `tap0`.
pub(crate) const ROUTER: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(10, 0, 1, 1)), IpAddr::V6(Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 1))];

/// A configuration file in the temporary folder.
pub(crate) fn config(name: &str, text: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("softrouter-{}-{name}.toml", std::process::id()));
    std::fs::write(&path, text).unwrap();
    path
}

/// A running router, and the host that is 10.0.1.2 and fd00:1::2 behind its `tap0`.
pub(crate) struct RunningRouter {
    pub(crate) host: Host,
    /// Keeps the host's own interface, which leads nowhere.
    _tap: Tap,
    child: Child,
    path: PathBuf,
    /// Its control socket.
    #[allow(dead_code, reason = "not every test that shares this file talks to the socket")]
    pub(crate) socket: PathBuf,
}

impl RunningRouter {
    /// Starts it with the configuration `text`, and these options beside it.
    pub(crate) fn start(name: &str, text: &str, options: &[&OsStr]) -> Self {
        let path = config(name, text);
        // The client's addresses alone, on an interface that leads nowhere: its networks are behind tap0.
        let client = HostPlan::client();
        let ipv6 = client.ipv6.map(|plan| Ipv6Plan { prefix: 128, gateway: None, ..plan });
        let (host, tap) = Host::start(HostPlan { prefix: 32, gateway: None, ipv6, ..client }).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_softrouter"));
        let socket = path.with_extension("sock");
        command.args(["run", "--config"]).arg(&path).arg("--control").arg(&socket).args(options);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = host.namespace().start_process(command).unwrap();
        let router = Self { host, _tap: tap, child, path, socket };
        let deadline = Instant::now() + Duration::from_secs(10);
        let plan = router.host.plan();
        for (address, prefix) in [(plan.address.into(), 24), (plan.ipv6.unwrap().address.into(), 64)] {
            while router.host.add_address("tap0", address, prefix).is_err() {
                assert!(Instant::now() < deadline, "tap0 never appeared");
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        // The addresses may be there before the interface is up, which has the routes.
        for target in ROUTER {
            while !router.host.run(move || is_routed(target)) {
                assert!(Instant::now() < deadline, "no route to {target}");
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        router
    }

    /// Ends it with Ctrl-C; how it ended, and all that it printed.
    pub(crate) fn interrupt(self) -> (ExitStatus, String) {
        let kill = format!("kill -INT {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        let output = self.child.wait_with_output().unwrap();
        let _ = std::fs::remove_file(self.path);
        let shown =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status, shown)
    }
}

/// Is there a way from this namespace to `target`?
fn is_routed(target: IpAddr) -> bool {
    let any: IpAddr =
        if target.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    UdpSocket::bind((any, 0)).is_ok_and(|socket| socket.connect((target, 9)).is_ok())
}
