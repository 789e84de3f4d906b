"""Plays the cases over real TAPs: the router is a process of its own, scapy makes the frames and judges the replies.

    python3 over_tap.py --router target/debug/softrouter [C22 C65 ...]

It needs root or user namespaces, and tshark. Everything happens in a network namespace of its own. The kernel's side of
each TAP has no address and no ARP, so that nobody but this program talks there.
"""

import argparse
import ctypes
import fcntl
import os
import pathlib
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import tomllib

import lab

FOLDER = pathlib.Path(__file__).parent
TAPS = ["tap0", "tap1"]
PATIENCE = 5.0
CANARY_ID = 0xCAFE


def enter_namespace():
    """A network namespace of our own; without root, a user namespace around it."""
    new_user, new_net = 0x10000000, 0x40000000
    user, group = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(new_net if user == 0 else new_net | new_user):
        raise SystemExit(f"no network namespace ({os.strerror(ctypes.get_errno())}): run as root")
    if user:
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
            pathlib.Path(f"/proc/self/{name}").write_text(text)
    for scope in ("all", "default"):
        try:
            pathlib.Path(f"/proc/sys/net/ipv6/conf/{scope}/disable_ipv6").write_text("1")
        except OSError as error:
            print(f"the kernel's own IPv6 stays on: {error}")


RUN = os.getpid()


def die_with_run():
    """In a child: asks the kernel to kill it when this run ends, however that happens."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != RUN:
        os._exit(1)


class Broken(Exception):
    """The router does not start, or does not answer any more."""


class Tap:
    """The kernel's side of one TAP: frames in, frames out, as they are on the wire."""

    def __init__(self, name):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        request = struct.pack("16sH14x", name.encode(), 0)
        flags = struct.unpack("16xH14x", fcntl.ioctl(self.socket, 0x8913, request))[0]
        no_arp = 0x80
        fcntl.ioctl(self.socket, 0x8914, struct.pack("16sH14x", name.encode(), flags | no_arp))
        self.socket.bind((name, 3))
        # Promiscuous, with the VLAN tag that the kernel takes off each frame, and room for a flood.
        self.socket.setsockopt(263, 1, struct.pack("IHH8x", socket.if_nametoindex(name), 1, 0))
        self.socket.setsockopt(263, 8, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)

    def send(self, frame):
        self.socket.send(frame)

    def receive(self):
        """The next frame that the router sent, if one is there."""
        while True:
            try:
                data, ancillary, _, address = self.socket.recvmsg(70000, 256, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return None
            outgoing = 4
            if address[2] == outgoing:
                continue
            for _, kind, value in ancillary:
                if kind == 8:
                    status, _, _, _, _, control, protocol = struct.unpack("IIIHHHH", value[:20])
                    if status & 0x10:
                        tag = struct.pack("!HH", protocol if status & 0x40 else 0x8100, control)
                        data = data[:12] + tag + data[12:]
            return data


class Router:
    """`softrouter run`, with its two TAPs."""

    def __init__(self, binary, config, folder):
        path = folder / "router.toml"
        path.write_text(config)
        self.log = open(folder / "router.log", "w+")
        self.process = subprocess.Popen(
            [binary, "run", "--config", path],
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            preexec_fn=die_with_run,
        )
        self.taps, self.canaries = [], 0
        self.config = config

    def start(self):
        """Waits until it routes, and opens the other ends of its TAPs."""
        deadline = time.monotonic() + 30
        while "Ctrl-C" not in self.said():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Broken(f"the router did not start:\n{self.config}\n{self.said()}")
            time.sleep(0.002)
        self.taps = [Tap(name) for name in TAPS]

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def collect(self, got, until, enough=None):
        """Takes what comes until then; ends early when `enough` says so."""
        while not (enough and enough()):
            left = until - time.monotonic()
            if left <= 0:
                return
            ready, _, _ = select.select([tap.socket for tap in self.taps], [], [], left)
            for port, tap in enumerate(self.taps):
                if tap.socket in ready:
                    while (frame := tap.receive()) is not None:
                        got.append((port, frame))

    def settle(self, got):
        """Waits until the router has finished with all that it was sent.

        An echo request follows on each port, from a host of its own; what the router has to say about
        frames before leaves before the reply.
        """
        for _ in range(3):
            self.canaries += 1
            for port, tap in enumerate(self.taps):
                tap.send(canary(port, self.canaries))
            back = lambda: {port for port, frame in got if is_canary(frame, self.canaries)} == {0, 1}
            self.collect(got, time.monotonic() + PATIENCE, back)
            if back():
                break
        else:
            raise Broken(f"the router does not answer any more:\n{self.said()}")
        got[:] = [(port, frame) for port, frame in got if not is_canary(frame)]

    def stop(self):
        """Ends it; what it said if that is not a good end."""
        self.process.send_signal(signal.SIGINT)
        try:
            code = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        for tap in self.taps:
            tap.socket.close()
        said = self.said()
        self.log.close()
        return [] if code == 0 and "panicked" not in said else [f"the router ended with {code}:\n{said}"]


def canary(port, number):
    net = port + 1
    link = lab.Ether(src=f"02:00:00:00:0{net}:fa", dst=f"02:00:00:00:0{net}:01")
    return bytes(link / lab.IP(src=f"10.0.{net}.250", dst=f"10.0.{net}.1") / lab.ICMP(id=CANARY_ID, seq=number))


def is_canary(frame, number=None):
    """The reply to a canary, or to this one."""
    if frame[12:14] != b"\x08\x00" or frame[23] != 1 or frame[34] != 0 or frame[38:40] != struct.pack("!H", CANARY_ID):
        return False
    return number is None or frame[40:42] == struct.pack("!H", number)


def greeting(mac, address, router, vlan=None):
    """The frames by which a host makes itself known, so that the router has no reason to ask back.

    An ARP request; or a Neighbor Solicitation and a solicited Neighbor Advertisement.
    """
    tag = lab.Dot1Q(vlan=vlan) if vlan else None
    if ":" not in address:
        link = lab.Ether(src=mac, dst="ff:ff:ff:ff:ff:ff")
        payloads = [lab.ARP(op=1, hwsrc=mac, psrc=address, hwdst="00:00:00:00:00:00", pdst=router["v4"])]
    else:
        link = lab.Ether(src=mac, dst=router["mac"])
        own = router["link_local" if address.startswith("fe80") else "v6"]
        header = lab.IPv6(src=address, dst=own, hlim=255)
        payloads = [
            header / lab.ICMPv6ND_NS(tgt=own) / lab.ICMPv6NDOptSrcLLAddr(lladdr=mac),
            header / lab.ICMPv6ND_NA(tgt=address, R=0, S=1, O=1) / lab.ICMPv6NDOptDstLLAddr(lladdr=mac),
        ]
    return [bytes(link / tag / payload if tag else link / payload) for payload in payloads]


def router_on(port):
    """The router's own addresses on a port."""
    net = port + 1
    return {
        "mac": f"02:00:00:00:0{net}:01",
        "v4": f"10.0.{net}.1",
        "v6": f"fd00:{net}::1",
        "link_local": f"fe80::ff:fe00:{net}01",
    }


IPV6_MIN_MTU = 1280


def configuration(case, reasons):
    """The configuration file for a case. Every mode is off: each anomaly has its deterministic default at once."""
    setup = case.get("setup", {})
    lines = ["[router]", 'backend = "openai:http://127.0.0.1:9#nobody"']
    for port, name in enumerate(TAPS):
        own, mtu = router_on(port), setup.get("mtu", [1500, 1500])[port]
        addresses = [f"{own['v4']}/24"] + ([f"{own['v6']}/64"] if mtu >= IPV6_MIN_MTU else [])
        lines += ["[[port]]", f'name = "{name}"', f'mac = "{own["mac"]}"', f"mtu = {mtu}", f"addresses = {addresses}"]
        if str(port) in setup.get("reverse_path", {}):
            lines.append(f'reverse_path = "{setup["reverse_path"][str(port)]}"')
    for vlan in setup.get("vlans", ()):
        trunk = TAPS[vlan["port"]]
        lines += ["[[port]]", f'name = "{trunk}.{vlan["id"]}"', f'trunk = "{trunk}"', f"vlan = {vlan['id']}"]
        lines.append(f'addresses = ["{vlan["address"]}"]')
    for route in setup.get("routes", ()):
        lines += ["[[route]]", f'prefix = "{route["prefix"]}"']
        if "type" in route:
            lines.append(f'type = "{route["type"]}"')
        else:
            lines.append(f'port = "{TAPS[route["port"]]}"')
        if "via" in route:
            lines.append(f'next_hop = "{route["via"]}"')
    lines += ["[modes]"] + [f'{reason} = "off"' for reason in reasons]
    return "\n".join(lines) + "\n"


def introductions(setup):
    """What the hosts that the router is to know send before a case: port and frame."""
    for port in (0, 1):
        own, net = router_on(port), port + 1
        yield from ((port, frame) for frame in greeting(f"02:00:00:00:0{net}:fa", f"10.0.{net}.250", own))
        if port in setup.get("cold", ()):
            continue
        addresses = [f"10.0.{net}.2"]
        if setup.get("mtu", [1500, 1500])[port] >= IPV6_MIN_MTU:
            addresses.append(f"fd00:{net}::2")
        for address in addresses:
            yield from ((port, frame) for frame in greeting(f"02:00:00:00:0{net}:02", address, own))
    for known in setup.get("neighbors", ()):
        own = router_on(known["port"])
        if "vlan" in known:
            ids = {vlan["id"]: vlan["address"].split("/")[0] for vlan in setup["vlans"]}
            own = dict(own, v4=ids[known["vlan"]])
        for frame in greeting(known["mac"], known["address"], own, known.get("vlan")):
            yield known["port"], frame


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)(ms|s)", text).groups()
    return int(number) / (1000 if unit == "ms" else 1)


class Player:
    """Plays cases, and keeps every frame that the router sent for tshark."""

    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder
        table = subprocess.run([binary, "anomalies"], capture_output=True, text=True, check=True).stdout
        self.reasons = re.findall(r"^\| `(\w+)`", table, re.MULTILINE)
        self.kept = []

    def play(self, case):
        """What came otherwise than expected."""
        router = Router(self.binary, configuration(case, self.reasons), self.folder)
        problems = []
        try:
            router.start()
            for port, frame in introductions(case.get("setup", {})):
                router.taps[port].send(frame)
            router.settle([])
            stimuli = []
            for number, step in enumerate(case["step"]):
                problems += [f"step {number}: {problem}" for problem in self.act(router, case, step, stimuli)]
        except Broken as broken:
            problems.append(str(broken))
        finally:
            problems += router.stop()
        return problems

    def act(self, router, case, step, stimuli):
        sent, got = None, []
        if "scapy" in step:
            sent = lab.build(step["scapy"], stimuli)
            if lab.show(sent) != step["hex"]:
                yield f"scapy builds {lab.show(sent)}, the file says {step['hex']}"
        stimuli.append(sent)
        expected = []
        for send in step.get("sends", ()):
            frame = lab.build(send["scapy"], stimuli, sent)
            if lab.show(frame) != send["hex"]:
                yield f"scapy builds {lab.show(frame)}, the file says {send['hex']}"
            expected += [(send["port"], frame, send.get("flawed", False))] * send.get("times", 1)
        if "after" in step:
            wait, slack = seconds(step["after"]), 1.0 if sent is None and expected else 0.0
            enough = (lambda: len(got) >= len(expected)) if slack else None
            router.collect(got, time.monotonic() + wait + slack, enough)
        if sent is not None:
            for number in range(step.get("repeat", 1)):
                frame = lab.counted(sent, number) if step.get("counting") else sent
                router.taps[step["port"]].send(bytes(frame))
        router.settle(got)
        for port in (0, 1):
            wanted = [(frame, flawed) for at, frame, flawed in expected if at == port]
            frames = [frame for at, frame in got if at == port]
            for (frame, flawed), came in zip(wanted, frames):
                if not frame.matches(came):
                    yield f"port {port}: expected {lab.show(frame)}\n    got      {came.hex()}"
                if not flawed:
                    yield from (f"port {port}: scapy: {problem}: {came.hex()}" for problem in flaws(came))
                    self.kept.append((case["id"], came))
            yield from (f"port {port}: not sent: {lab.show(frame)}" for frame, _ in wanted[len(frames) :])
            yield from (f"port {port}: sent, not expected: {frame.hex()}" for frame in frames[len(wanted) :])


def flaws(frame):
    """What scapy would have written otherwise: lengths and checksums, layer by layer."""
    read = lab.Ether(frame)
    again = lab.Ether(frame)
    layer = again
    while layer is not None and layer.payload is not None and not isinstance(layer, lab.NoPayload):
        for name in ("chksum", "cksum", "len", "plen", "dataofs", "ihl"):
            if name in layer.fields and not (name == "chksum" and layer.fields[name] == 0 and isinstance(layer, lab.UDP)):
                layer.delfieldval(name)
        if isinstance(layer, lab.ICMP) and layer.type in (3, 11, 12) or isinstance(layer, lab.ICMPv6DestUnreach.__base__):
            break
        if isinstance(layer, lab.IP) and (layer.frag or layer.flags.MF):
            break
        layer = layer.payload
    built = lab.Ether(bytes(again))
    while read and not isinstance(read, lab.NoPayload):
        for name in ("chksum", "cksum", "len", "plen", "dataofs", "ihl"):
            if name in read.fields and read.fields[name] != built.getfieldval(name):
                yield f"{read.name} {name} is {read.fields[name]:#x}, should be {built.getfieldval(name):#x}"
        read, built = read.payload, built.payload


WRONG = (
    "_ws.malformed || ip.checksum.status == 0 || icmp.checksum.status == 0 || udp.checksum.status == 0 || "
    "tcp.checksum.status == 0 || icmpv6.checksum.status == 0 || ip.bogus_header_length"
)


def wrong_by_tshark(kept, folder):
    """The cases whose frames tshark finds malformed or wrongly summed up."""
    path = folder / "sent.pcap"
    lab.wrpcap(str(path), [lab.Ether(frame) for _, frame in kept])
    command = ["tshark", "-r", path, "-Y", WRONG, "-T", "fields", "-e", "frame.number"]
    for protocol in ("ip", "udp", "tcp"):
        command += ["-o", f"{protocol}.check_checksum:TRUE"]
    # Fragments are judged one by one: cases are not one conversation.
    for protocol in ("ip", "ipv6"):
        command += ["-o", f"{protocol}.defragment:FALSE"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [(kept[int(line) - 1][0], kept[int(line) - 1][1].hex()) for line in output.split()]


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--router", required=True, help="the binary `softrouter`")
    arguments.add_argument("ids", nargs="*", help="only the cases whose ids begin so")
    options = arguments.parse_args()
    cases = [case for path in sorted(FOLDER.glob("*.toml")) for case in tomllib.loads(path.read_text())["case"]]
    if options.ids:
        cases = [case for case in cases if case["id"].startswith(tuple(options.ids))]
    binary = pathlib.Path(options.router).resolve()
    # Ended from outside, it still ends its router and removes its files.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    enter_namespace()
    failed, skipped = [], 0
    with tempfile.TemporaryDirectory() as folder:
        player = Player(binary, pathlib.Path(folder))
        for case in cases:
            if "no_tap" in case:
                skipped += 1
                print(f"not over a TAP  {case['id']:6} {case['title']} ({case['no_tap']})", flush=True)
                continue
            problems = player.play(case)
            print(f"{'FAIL' if problems else 'ok':15} {case['id']:6} {case['title']}", flush=True)
            for problem in problems:
                print(f"    {problem}")
            if problems:
                failed.append(case["id"])
        for case, frame in wrong_by_tshark(player.kept, pathlib.Path(folder)):
            print(f"FAIL            {case:6} tshark finds this frame wrong: {frame}")
            failed.append(case)
    played = len(cases) - skipped
    print(
        f"{played} cases over TAPs, {len(failed)} problems; {skipped} cannot be played so; "
        f"tshark looked at {len(player.kept)} frames"
    )
    sys.exit(1 if failed or not played else 0)


if __name__ == "__main__":
    main()
