//! `SoftDevice` around an application's device: healthy frames pass untouched, anomalies never reach the
//! application, and approved answers are sent, or handed on.

use pktgen::build::{adds_up, ethernet, ethertype, snap};
use pktgen::{Expected, Generator, World, oracle};
use smoltcp::phy::{Device, Medium, RxToken};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::EthernetAddress;
use stack::forward::TxSlot;
use stack::frame::FRAME_MAX;
use stack::stats::{Disposition, Path};
use stack::{
    Action, Anomaly, Answer, Config, Diverted, DropReason, EchoDelta, Mode, SoftDevice, Source, WrapError,
};
use std::net::Ipv6Addr;
use tests::frames::{self, CLIENT, ROUTER_0};
use tests::sim;
use tests::storage::{SIZES, storage};
use tests::wire::{Application, Wire};

const T: Instant = Instant::from_millis_const(1_000);

type Wrapped = SoftDevice<'static, Wire>;

/// A host that knows no network but its own.
fn world() -> World {
    World { ports: vec![World::lab().ports.remove(0)], ..World::lab() }
}

fn config() -> Config {
    sim::config(&world())
}

fn wrap(wire: Wire, config: Config, repaired: usize) -> Result<Wrapped, WrapError> {
    let slots = vec![TxSlot::EMPTY; repaired];
    SoftDevice::new(wire, config, storage(SIZES), slots.into())
}

fn wrapped(change: impl FnOnce(&mut Config)) -> Wrapped {
    let mut config = config();
    change(&mut config);
    wrap(Wire::default(), config, 4).expect("a sound configuration")
}

/// What an Interface would get now: a frame, an empty one in place of an anomaly, or nothing.
fn receive(device: &mut Wrapped, now: Instant) -> Option<Vec<u8>> {
    let (rx, _) = device.receive(now)?;
    let frame = rx.consume(<[u8]>::to_vec);
    device.router().stats().balance().expect("balanced books");
    Some(frame)
}

/// What an Interface would get of this frame.
fn pass(device: &mut Wrapped, now: Instant, frame: &[u8]) -> Option<Vec<u8>> {
    device.device_mut().rx.push_back(frame.to_vec());
    receive(device, now)
}

fn divert(device: &mut Wrapped) -> Option<Diverted> {
    device.router_mut().poll_divert(&mut [0; FRAME_MAX])
}

fn answer(device: &mut Wrapped, now: Instant, diverted: &Diverted, action: Action<'_>) {
    let Diverted { id, nonce, .. } = *diverted;
    let (source, advice, witness) = (Source::Model, None, Default::default());
    let answer = Answer { id, nonce, reason: diverted.reason(), action, source, advice, witness };
    let approved = device.router_mut().approve(now, &answer).expect("a right answer");
    device.router_mut().apply(now, approved).expect("in time");
}

fn timestamp_request() -> Vec<u8> {
    frames::from_client(&frames::icmp(&frames::to(ROUTER_0.address), 13, 0, [0, 1, 0, 2], &[0; 12]))
}

#[test]
fn healthy_frames_arrive_byte_for_byte() {
    let mut device = wrapped(|_| ());
    let generator = Generator::new(World::lab(), 5);
    let healthy = (0..4_000).map(|index| generator.healthy(index)).filter(|made| made.port == 0);
    let mut count = 0;
    for made in healthy {
        assert_eq!(pass(&mut device, T, &made.bytes), Some(made.bytes));
        count += 1;
    }
    let stats = device.router().stats();
    assert!(count > 1_000);
    assert_eq!(stats.dispositions[Disposition::Delivered as usize][Path::Fast as usize].frames, count);
    assert_eq!(stats.received.frames, count);
    assert_eq!(
        device.device().tx,
        Vec::<Vec<u8>>::new(),
        "and nothing is sent behind the application's back"
    );
}

#[test]
fn a_wrapped_application_sends_the_very_frames_that_a_bare_one_sends() {
    let generator = Generator::new(World::lab(), 6);
    let (mut bare, mut device) = (Wire::default(), wrapped(|_| ()));
    let mut applications = [Application::new(&mut bare), Application::new(&mut device)];
    let mut now = T;
    for index in 0..3_000 {
        let made = if index % 100 == 0 { generator.greetings().remove(0) } else { generator.healthy(index) };
        if made.port != 0 {
            continue;
        }
        bare.rx.push_back(made.bytes.clone());
        device.device_mut().rx.push_back(made.bytes);
        applications[0].poll(now, &mut bare);
        applications[1].poll(now, &mut device);
        now += Duration::from_millis(3);
    }
    assert!(bare.tx.len() > 200, "{}", bare.tx.len());
    assert_eq!(bare.tx, device.device().tx);
    assert_eq!(device.sent().frames, bare.tx.len() as u64);
}

#[test]
fn anomalies_never_arrive_and_oddities_do() {
    let generator = Generator::new(World::lab(), 7);
    for &anomaly in Anomaly::ALL {
        let mut device = wrapped(|_| ());
        // A host with one address knows no other network's broadcasts.
        let made = (0..40).filter_map(|index| generator.of(anomaly, index)).filter(|made| {
            made.port == 0 && oracle::judge(&world(), 0, &made.bytes).agrees_with(Expected::Anomaly(anomaly))
        });
        let mut count = 0;
        for made in made {
            let got = pass(&mut device, T, &made.bytes);
            if anomaly.must_pass() || device.router().config().mode(anomaly) == Mode::Off {
                assert_eq!(got, Some(made.bytes), "{anomaly}");
            } else {
                assert_eq!(got, Some(vec![]), "{anomaly}");
            }
            count += 1;
        }
        let stats = device.router().stats();
        let seen = if anomaly == Anomaly::EchoRequest { 0 } else { count };
        assert_eq!(stats.seen[anomaly as usize], seen, "{anomaly}");
        assert_eq!(stats.received.frames, count);
        // Another network's broadcast, other routes, other fragments: a lone host's frame shows none of them.
        let beyond = [
            Anomaly::Ipv4DirectedBroadcast,
            Anomaly::ReversePath,
            Anomaly::Ipv4FragmentOverlap,
            Anomaly::Ipv6FragmentOverlap,
        ];
        assert_eq!(count == 0, beyond.contains(&anomaly), "{anomaly}: {count}");
    }
}

#[test]
fn modes_are_the_tables() {
    let frame = timestamp_request();
    for mode in [Mode::Off, Mode::Observe, Mode::Enforce] {
        let mut device = wrapped(|config| {
            config.set_mode(Anomaly::IcmpTimestampRequest, mode).expect("any mode");
        });
        assert_eq!(pass(&mut device, T, &frame), Some(vec![]));
        let dropped = device.router().stats().drops(DropReason::Anomaly(Anomaly::IcmpTimestampRequest));
        assert_eq!(dropped, u64::from(mode != Mode::Enforce));
        let diverted = divert(&mut device);
        assert_eq!(diverted.map(|diverted| diverted.mode), (mode != Mode::Off).then_some(mode));
    }
}

#[test]
fn an_approved_reply_is_sent_once_the_neighbour_is_known() {
    let mut device = wrapped(|_| ());
    let mut application = Application::new(&mut device);
    let request = timestamp_request();
    device.device_mut().rx.push_back(request.clone());
    application.poll(T, &mut device);
    let diverted = divert(&mut device).expect("a diverted frame");
    answer(&mut device, T, &diverted, Action::TimestampReply);
    assert_eq!(device.poll_timeout(T), Some(T), "there is something to send");
    application.poll(T, &mut device);
    let asked = frames::arp_request(&ROUTER_0, CLIENT.address);
    assert_eq!(device.device().tx, [asked], "the device asks for the client");
    device.device_mut().rx.push_back(frames::arp_reply(&CLIENT, &ROUTER_0));
    application.poll(T, &mut device);
    application.poll(T, &mut device);
    let sent = &device.device().tx[1..];
    assert_eq!(sent.len(), 1);
    assert!(oracle::timestamp_reply_matches(&request, &sent[0]), "{sent:02x?}");
    assert_eq!((&sent[0][..6], &sent[0][6..12]), (&CLIENT.mac[..], &ROUTER_0.mac[..]));
    assert_eq!(device.router().stats().sent.injected.frames, 1);
    assert_eq!(device.sent().frames, 0, "the application had no part in it");
    assert!(device.router().is_settled());
}

#[test]
fn a_repaired_frame_reaches_the_application() {
    let mut device = wrapped(|_| ());
    let mut application = Application::new(&mut device);
    device.device_mut().rx.push_back(frames::arp_request(&CLIENT, ROUTER_0.address));
    application.poll(T, &mut device);
    let ping = frames::echo_request(&frames::to(ROUTER_0.address), 1);
    device.device_mut().rx.push_back(snap(ROUTER_0.mac, CLIENT.mac, ethertype::IPV4, &ping));
    application.poll(T, &mut device);
    let diverted = divert(&mut device).expect("a diverted frame");
    assert_eq!(diverted.reason(), Anomaly::SnapIpv4);
    answer(&mut device, T, &diverted, Action::Decapsulate);
    application.poll(T, &mut device);
    let [arp, reply] = &device.device().tx[..] else { panic!("{:02x?}", device.device().tx) };
    assert_eq!(*arp, frames::arp_reply(&ROUTER_0, &CLIENT), "only the application answers ARP");
    assert_eq!((reply[34], &reply[42..]), (0, &ping[28..]));
    assert!(adds_up(&reply[34..]));
    let stats = device.router().stats();
    assert_eq!(stats.dispositions[Disposition::Delivered as usize][Path::SlowModel as usize].frames, 1);
    assert_eq!(stats.balance(), Ok(()));
}

#[test]
fn packets_for_others_are_handed_on_and_never_forwarded() {
    let mut device = wrapped(|_| ());
    let packet = frames::udp(&frames::transit(), 9, b"for the server");
    assert_eq!(pass(&mut device, T, &snap(ROUTER_0.mac, CLIENT.mac, 0x0800, &packet)), Some(vec![]));
    let diverted = divert(&mut device).expect("a diverted frame");
    answer(&mut device, T, &diverted, Action::Decapsulate);
    assert_eq!(receive(&mut device, T), Some(frames::from_client(&packet)));
    assert_eq!(receive(&mut device, T), None);
    assert_eq!(device.device().tx, Vec::<Vec<u8>>::new());
}

#[test]
fn a_burst_of_anomalies_does_not_end_the_ingress_loop() {
    let mut device = wrapped(|_| ());
    let mut application = Application::new(&mut device);
    let generator = Generator::new(World::lab(), 8);
    let malformed = (0..).map(|index| generator.of(Anomaly::Ipv4Checksum, index).expect("any world has one"));
    let wire = device.device_mut();
    wire.rx.push_back(frames::arp_request(&CLIENT, ROUTER_0.address));
    wire.rx.extend(malformed.filter(|made| made.port == 0).take(1_000).map(|made| made.bytes));
    wire.rx.push_back(frames::from_client(&frames::echo_request(&frames::to(ROUTER_0.address), 1)));
    application.poll(T, &mut device);
    assert_eq!(device.device().rx.len(), 0, "one poll reads everything");
    assert_eq!(device.device().tx.len(), 2, "ARP and the reply to the last frame");
    let stats = device.router().stats();
    assert_eq!((stats.received.frames, stats.seen[Anomaly::Ipv4Checksum as usize]), (1_002, 1_000));
    let refused: u64 = stats.refusals.iter().sum();
    assert_eq!(refused + stats.diverts[Anomaly::Ipv4Checksum as usize].held, 1_000, "the queue is bounded");
    assert!(refused > 0);
    assert_eq!(stats.balance(), Ok(()));
}

#[test]
fn at_the_deadline_the_default_acts() {
    let mut device = wrapped(|config| {
        config.set_mode(Anomaly::EchoRequest, Mode::Enforce).expect("an experiment may hold");
    });
    let ping = frames::from_client(&frames::echo_request(&frames::to(ROUTER_0.address), 1));
    assert_eq!(pass(&mut device, T, &ping), Some(vec![]), "held for a model");
    assert_eq!(pass(&mut device, T, &timestamp_request()), Some(vec![]));
    let due = device.poll_timeout(T).expect("a deadline");
    assert_eq!(due, T + Duration::from_millis(50));
    assert_eq!(receive(&mut device, due), Some(ping), "what is legal passes in the end");
    assert_eq!(receive(&mut device, due), None);
    let stats = device.router().stats();
    assert_eq!(stats.drops(DropReason::Anomaly(Anomaly::IcmpTimestampRequest)), 1);
    assert_eq!(stats.dispositions[Disposition::Delivered as usize][Path::SlowRefused as usize].frames, 1);
    assert!(device.router().is_settled());
}

#[test]
fn only_packets_for_the_host_itself_are_reported() {
    let packet = |from: Ipv6Addr, to: Ipv6Addr| {
        let bytes = [&[0x60, 0, 0, 0, 0, 0, 254, 64][..], &from.octets(), &to.octets()].concat();
        ethernet(ROUTER_0.mac, CLIENT.mac, ethertype::IPV6, &bytes)
    };
    let unknown = packet(CLIENT.ipv6, ROUTER_0.ipv6);
    let beyond_scope = packet(pktgen::world::link_local(CLIENT.mac), frames::SERVER.ipv6);
    for (frame, reason, errors) in
        [(unknown, Anomaly::Ipv6NextHeaderUnknown, 1), (beyond_scope, Anomaly::Ipv6LinkLocal, 0)]
    {
        let mut device = wrapped(|config| config.set_mode(reason, Mode::Off).expect("any mode"));
        assert_eq!(pass(&mut device, T, &frame), Some(vec![]));
        let stats = device.router().stats();
        assert_eq!((stats.drops(DropReason::Anomaly(reason)), stats.icmp_errors), (1, errors), "{reason}");
    }
}

#[test]
fn a_model_may_answer_a_ping_for_the_application() {
    let mut device = wrapped(|config| {
        config.set_mode(Anomaly::EchoRequest, Mode::Enforce).expect("an experiment may hold");
    });
    assert!(pass(&mut device, T, &frames::arp_request(&CLIENT, ROUTER_0.address)).is_some());
    let ping = frames::from_client(&frames::echo_request(&frames::to(ROUTER_0.address), 1));
    assert_eq!(pass(&mut device, T, &ping), Some(vec![]));
    let diverted = divert(&mut device).expect("a diverted frame");
    let reply = pktgen::echo::echo_reply(&ping).expect("a reply");
    let word = |at: usize| u16::from_be_bytes([reply[at], reply[at + 1]]);
    let delta = EchoDelta { ttl: 64, ip_checksum: word(24), icmp_type: 0, icmp_checksum: word(36) };
    answer(&mut device, T, &diverted, Action::EchoReply(delta));
    assert_eq!(receive(&mut device, T), None);
    assert_eq!(device.device().tx, [reply]);
}

#[test]
fn full_tables_have_names_and_a_full_device_loses_nothing() {
    let mut device = wrap(Wire::default(), config(), 1).expect("a sound configuration");
    let ping = frames::echo_request(&frames::to(ROUTER_0.address), 1);
    let enveloped = snap(ROUTER_0.mac, CLIENT.mac, ethertype::IPV4, &ping);
    for _ in 0..2 {
        assert_eq!(pass(&mut device, T, &enveloped), Some(vec![]));
    }
    for _ in 0..2 {
        let diverted = divert(&mut device).expect("a diverted frame");
        answer(&mut device, T, &diverted, Action::Decapsulate);
    }
    assert_eq!(device.router().stats().drops(DropReason::EgressFull), 1, "room for one repaired frame");
    device.device_mut().room = 0;
    assert_eq!(receive(&mut device, T), None, "the Interface could not answer it now");
    device.device_mut().room = 8;
    let plain = ethernet(ROUTER_0.mac, CLIENT.mac, ethertype::IPV4, &ping);
    assert_eq!(receive(&mut device, T), Some(plain));

    assert_eq!(pass(&mut device, T, &timestamp_request()), Some(vec![]));
    let diverted = divert(&mut device).expect("a diverted frame");
    assert!(pass(&mut device, T, &frames::arp_request(&CLIENT, ROUTER_0.address)).is_some());
    answer(&mut device, T, &diverted, Action::TimestampReply);
    device.device_mut().room = 0;
    assert_eq!((receive(&mut device, T), device.device().tx.len()), (None, 0));
    device.device_mut().room = 8;
    assert_eq!((receive(&mut device, T), device.device().tx.len()), (None, 1));
}

#[test]
fn what_cannot_be_wrapped_is_refused() {
    let ip = Wire { medium: Medium::Ip, ..Wire::default() };
    assert_eq!(wrap(ip, config(), 1).err(), Some(WrapError::Medium));
    let mut two = config();
    two.ports.push(two.ports[0].clone()).expect("room for two ports");
    assert_eq!(wrap(Wire::default(), two, 1).err(), Some(WrapError::Ports));
    let mut wrong = config();
    wrong.ports[0].mac = EthernetAddress::BROADCAST;
    assert!(matches!(wrap(Wire::default(), wrong, 1).err(), Some(WrapError::Config(_))));
}
