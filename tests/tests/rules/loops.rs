//! Two routers joined back to back whose rules answer or forward what the other sends: it always ends, or is bounded.

use pktgen::World;
use pktgen::build::{Ipv4, ethernet};
use pktgen::world::{Host, Port};
use smoltcp::time::Duration;
use smoltcp::wire::Ipv4Cidr;
use stack::answer::{Scope, Template, TemplateByte};
use stack::rules::{Content, Edit, Edits, Reply, RuleAction, RuleSpec};
use stack::{Config, Origin, PortId, Posture, Rate};
use std::net::Ipv4Addr;
use tests::Sim;
use tests::frames::{self, CLIENT, ROUTER_1, from_client};
use tests::rules::{Probe, generous, operators};
use tests::storage::SIZES;

/// The second router, on the second network of the first.
const OTHER: Host = Host {
    mac: [2, 0, 0, 0, 2, 9],
    address: Ipv4Addr::new(10, 0, 2, 9),
    ipv6: std::net::Ipv6Addr::new(0xfd00, 2, 0, 0, 0, 0, 0, 9),
};
const SECONDS: u64 = 10;

fn open(config: &mut Config) {
    generous(config);
    config.posture = Posture::Open;
}

/// The laboratory's router with its port 1, and the other with its port 0, on one wire.
fn pair() -> [Sim; 2] {
    let mut first = World::lab();
    first.ports[1].hosts.push(OTHER);
    let mut second = World::with_ports(3);
    second.ports.remove(0);
    second.ports[0] =
        Port { mac: OTHER.mac, address: OTHER.address, ipv6: OTHER.ipv6, ..second.ports[0].clone() };
    second.ports[0].hosts.push(ROUTER_1);
    [first, second].map(|world| {
        let mut sim = Sim::new(world, open, SIZES);
        sim.prime();
        sim
    })
}

/// A rule of both routers, each by its port of the wire, about the class that `frame` has on port 0 of the laboratory.
fn install(sims: &mut [Sim; 2], frame: &[u8], action: &RuleAction, meter: Option<Rate>) {
    let matches = Probe::new(open).matches(Scope::Class, 0, frame);
    for (sim, ports) in sims.iter_mut().zip([&[1, 0][..], &[0]]) {
        for &port in ports {
            let mut spec = operators(matches.clone(), action.clone());
            spec.matches.class.port = PortId(port);
            spec = RuleSpec { content: Content { meter, ..spec.content }, ..spec };
            sim.router.install_rule(sim.now(), spec).unwrap();
        }
    }
}

/// Lets frames go to and fro over a wire that takes so long; how many each router put on it.
fn run(sims: &mut [Sim; 2], delay: Duration) -> [u64; 2] {
    let ports = [PortId(1), PortId(0)];
    let mut count = [0; 2];
    let mut elapsed = Duration::ZERO;
    while elapsed < Duration::from_secs(SECONDS) {
        let [a, b] = [0, 1].map(|at: usize| {
            let on_wire = |sent: &tests::Sent| sent.port == ports[at];
            sims[at].transmitted().into_iter().filter(on_wire).collect::<Vec<_>>()
        });
        let quiet = a.is_empty() && b.is_empty();
        for (at, sent) in [(1, a), (0, b)] {
            for sent in sent {
                if matches!(sent.origin, Origin::Ruled(_) | Origin::Forwarded { .. }) {
                    count[1 - at] += 1;
                }
                let _ = sims[at].send(ports[at].0, &sent.bytes);
            }
        }
        // When nothing is under way any more, nothing ever will be.
        let step = if quiet { Duration::from_secs(SECONDS) } else { delay };
        for sim in sims.iter_mut() {
            sim.advance(step);
        }
        elapsed += step;
    }
    count
}

/// The meter that such a rule must have is what bounds them: its burst, and its rate for as long as it lasts.
#[test]
fn two_routers_that_answer_each_other_send_no_more_than_their_meters_let() {
    let meter = Rate { per_second: 10, burst: 5 };
    let template = Template(heapless::Vec::from_iter([TemplateByte::Rest(0)]));
    let most = u64::from(meter.burst) + u64::from(meter.per_second) * SECONDS;
    let mut lasted = 0;
    for delay in [1, 10, 99, 200].map(Duration::from_millis) {
        let mut sims = pair();
        // Each would send back whatever it gets.
        let ask = ethernet(frames::ROUTER_0.mac, CLIENT.mac, 0x88b5, &[7; 46]);
        let echo = RuleAction::Reply(Reply::Template(template.clone()));
        install(&mut sims, &ask, &echo, Some(meter));
        // Many at once, so that some are under way when the meter has a token again.
        let thrown = ethernet(ROUTER_1.mac, OTHER.mac, 0x88b5, &[7; 46]);
        for _ in 0..200 {
            let _ = sims[0].send(1, &thrown);
        }
        let count = run(&mut sims, delay);
        println!("{delay}: {count:?} frames in {SECONDS} s");
        assert!(count.iter().all(|&count| count <= most), "{delay}: {count:?}");
        assert!(count[0] >= 5);
        lasted += u64::from(count[0] > 20);
        // Each frame was answered, or is dropped by its name.
        for sim in &sims {
            assert_eq!(sim.router.stats().rules.misfits, 0);
        }
    }
    assert!(lasted > 0, "a loop that lasts is tried, too");
}

/// A rule forwards as the router does: whatever goes round grows old.
#[test]
fn what_two_routers_forward_to_each_other_ends_with_its_time_to_live() {
    let far = Ipv4Addr::new(172, 16, 5, 9);
    let options = vec![7, 7, 4, 0, 0, 0, 0];
    let packet = frames::udp(&Ipv4 { options, ttl: 64, ..Ipv4::new(CLIENT.address, far) }, 9, b"round");
    let frame = from_client(&packet);
    for edit in [Edit::None, Edit::ClearOptions] {
        let mut sims = pair();
        let round = Ipv4Cidr::new([172, 16, 0, 0].into(), 12);
        sims[0].route(round, Some(OTHER.address.octets()), 1);
        sims[1].route(round, Some(ROUTER_1.address.octets()), 0);
        install(&mut sims, &frame, &RuleAction::Forward(Edits { edit, dscp: None }), None);
        let _ = sims[0].send(0, &frame);
        let count = run(&mut sims, Duration::from_millis(1));
        println!("{edit:?}: {count:?} frames");
        assert_eq!(count.iter().sum::<u64>(), 63, "{edit:?}");
        let hits: u64 = sims.iter().flat_map(|sim| sim.router.rules()).map(|rule| rule.tally.hits).sum();
        // Once cleared, what goes round has only No-Operation in it, which is healthy.
        assert_eq!(hits, if edit == Edit::None { 64 } else { 1 });
    }
}
