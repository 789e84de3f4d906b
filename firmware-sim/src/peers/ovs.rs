//! Open vSwitch's userspace datapath between two hosts, as a router of one route to each.
//!
//! Read first: ovs-vswitchd.conf.db(5), `datapath_type`, and ovs-actions(7). Database, sockets and logs are in a private
//! folder, the daemons are our children, their devices in a namespace of ours: no system service is touched, and nothing
//! is left. The hosts' interfaces are "internal" ports, which are TAPs in this datapath, so that its frames come and go as
//! the router's do; its main thread polls them.

use super::Failure;
use super::set_up::pin;
use super::tools::{ip, shown, wait_for};
use crate::lab::netns::Namespace;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";

/// Its programs, all in Debian's package `openvswitch-switch`.
pub(super) const PROGRAMS: [[&str; 2]; 5] = [
    ["ovsdb-tool", "--version"],
    ["ovsdb-server", "--version"],
    ["ovs-vswitchd", "--version"],
    ["ovs-vsctl", "--version"],
    ["ovs-ofctl", "--version"],
];

/// Ours, at work.
pub(super) struct Ovs {
    /// In this order they end.
    switch: Daemon,
    _database: Daemon,
    _namespace: Namespace,
    _folder: Folder,
}

impl Ovs {
    /// Joins two hosts without interfaces: each gets its `lan0`. The daemon stays on this core.
    pub(super) fn start(hosts: [&Namespace; 2], cpu: usize) -> Result<Self, Failure> {
        let namespace = Namespace::start("ovs")?;
        namespace.run(move || pin(cpu))?;
        let folder = Folder::make()?;
        let at = |name: &str| folder.0.join(name);
        let (file, socket) = (at("conf.db"), at("db.sock"));
        let mut create = folder.command("ovsdb-tool");
        create.arg("create").arg(&file).arg(SCHEMA);
        shown(&namespace, create)?;
        let mut server = folder.command("ovsdb-server");
        server.arg(&file).arg(format!("--remote=punix:{}", socket.display()));
        let mut database = folder.daemon(&namespace, server, "ovsdb-server")?;
        wait_for(&mut database.0, "ovsdb-server", || socket.exists())?;
        let remote = format!("unix:{}", socket.display());
        let vsctl = |words: &[&str]| {
            let mut command = folder.command("ovs-vsctl");
            command.arg(format!("--db={remote}")).arg("--timeout=10").args(words);
            shown(&namespace, command)
        };
        vsctl(&["--no-wait", "init"])?;
        let mut switch = folder.command("ovs-vswitchd");
        // Without this it would look for the kernel's datapath, too.
        switch.arg("--disable-system").arg(&remote);
        let mut switch = folder.daemon(&namespace, switch, "ovs-vswitchd")?;
        vsctl(&["add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev", "fail_mode=secure"])?;
        for network in [1, 2] {
            let (port, mac) = (format!("p{network}"), format!("mac=\"{}\"", host_mac(network)));
            let number = format!("ofport_request={network}");
            vsctl(&[
                "add-port",
                "br0",
                &port,
                "--",
                "set",
                "interface",
                &port,
                "type=internal",
                &number,
                &mac,
            ])?;
            let host = hosts[usize::from(network) - 1];
            ip(&namespace, &format!("link set {port} netns {}", host.holder()))?;
            ip(host, &format!("link set {port} name lan0"))?;
        }
        let management = at("br0.mgmt");
        wait_for(&mut switch.0, "ovs-vswitchd", || management.exists())?;
        let flows = at("flows");
        fs::write(&flows, rules())?;
        let mut add = folder.command("ovs-ofctl");
        add.arg("add-flows").arg(format!("unix:{}", management.display())).arg(&flows);
        shown(&namespace, add)?;
        Ok(Self { switch, _database: database, _namespace: namespace, _folder: folder })
    }

    /// The daemon's process, whose threads are the datapath.
    pub(super) fn switch(&self) -> u32 {
        self.switch.0.id()
    }

    /// The MAC address that host number `network` sends to.
    pub(super) fn router_mac(network: u8) -> String {
        format!("02:00:00:00:{network:02x}:01")
    }
}

fn host_mac(network: u8) -> String {
    format!("02:00:00:00:{network:02x}:02")
}

/// One rule for each direction. Whatever is not IPv4 to the other network is dropped.
fn rules() -> String {
    let direction = |from: u8, to: u8| {
        format!(
            "priority=10,in_port={from},dl_dst={},ip,nw_dst=10.0.{to}.0/24,actions=dec_ttl,mod_dl_src:{},mod_dl_dst:{},output:{to}\n",
            Ovs::router_mac(from),
            Ovs::router_mac(to),
            host_mac(to)
        )
    };
    direction(1, 2) + &direction(2, 1) + "priority=0,actions=drop\n"
}

/// A private folder, which goes with its value.
struct Folder(PathBuf);

impl Folder {
    fn make() -> Result<Self, Failure> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("softrouter-ovs-{}-{number}", std::process::id()));
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }

    /// A program of Open vSwitch that knows no other place than this.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for variable in ["OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR", "OVS_SYSCONFDIR"] {
            command.env(variable, &self.0);
        }
        command
    }

    fn daemon(&self, namespace: &Namespace, mut command: Command, name: &str) -> Result<Daemon, Failure> {
        let file = |kind: &str| self.0.join(format!("{name}.{kind}"));
        let option = |name: &str, path: &Path| format!("--{name}={}", path.display());
        let output = File::create(file("out"))?;
        command
            .arg(option("pidfile", &file("pid")))
            .arg(option("unixctl", &file("ctl")))
            .arg(option("log-file", &file("log")))
            .arg("--verbose=console:off")
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            // Ctrl-C is for us, who end them in order.
            .process_group(0);
        Ok(Daemon(namespace.start_process(command)?))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // In the temporary folder nobody is harmed by what stays.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A process that ends with its value: asked first, then killed.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = kill(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGTERM);
        let start = Instant::now();
        while matches!(self.0.try_wait(), Ok(None)) && start.elapsed() < Duration::from_secs(2) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
