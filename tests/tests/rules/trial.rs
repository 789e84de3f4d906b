//! A trial of a router with rules: a twin without any, the reference router and the checker say whether it did wrong.

use pktgen::{Generated, Generator, World};
use smoltcp::time::Duration;
use smoltcp::wire::{EthernetAddress, IpAddress};
use stack::rules::Station;
use stack::stats::{Disposition, Path};
use stack::{ActionKind, Config, Origin, PortId, Posture, Verdict};
use std::net::IpAddr;
use tests::reference::{Fate, Reference};
use tests::rules::{Probe, generous};
use tests::storage::{SIZES, Sizes};
use tests::{Divert, Sent, Sim, checker, outgoing};

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    pub(crate) proposals: u64,
    /// Frames that a rule ended, and of these those that it forwarded, delivered or answered.
    pub(crate) ruled: u64,
    pub(crate) sent: u64,
    pub(crate) delivered: u64,
    /// Healthy frames that were looked at.
    pub(crate) healthy: u64,
}

pub(crate) struct Trial {
    pub(crate) posture: Posture,
    pub(crate) world: World,
    pub(crate) sim: Sim,
    /// The same router without rules; it gets nothing but healthy frames.
    pub(crate) twin: Sim,
    pub(crate) probe: Probe,
    pub(crate) reference: Reference,
    pub(crate) outcomes: Outcomes,
    /// Who should be harmed.
    pub(crate) victims: Vec<Station>,
    /// All hosts say who they are, by each of their addresses.
    pub(crate) greetings: Vec<Generated>,
}

impl Trial {
    pub(crate) fn new(posture: Posture) -> Self {
        let change = |config: &mut Config| {
            generous(config);
            config.posture = posture;
            config.rules.concordance = 1;
            config.rules.shadow = Duration::from_millis(1);
        };
        // No status page: connections take turns, and sequence numbers are random (`safety.rs` has a whole one).
        let mut sim = Sim::cold(change, Sizes { rules: 512, status: 0, ..SIZES });
        sim.prime();
        let world = sim.world().clone();
        let ip = |address: IpAddr| Station::Ip(IpAddress::from(address));
        let victims = world
            .ports
            .iter()
            .flat_map(|port| {
                let host = port.hosts[0];
                let stations = [port.address.into(), port.ipv6.into(), host.address.into(), host.ipv6.into()];
                let macs = [port.mac, host.mac].map(|mac| Station::Mac(EthernetAddress(mac)));
                stations.map(ip).into_iter().chain(macs)
            })
            .collect();
        let mut twin = Sim::cold(change, Sizes { rules: 0, status: 0, ..SIZES });
        twin.prime();
        let reference = Reference::new(world.clone(), &[]);
        let greetings = Generator::new(world.clone(), 0).greetings();
        Self {
            posture,
            world,
            sim,
            twin,
            probe: Probe::new(change),
            reference,
            outcomes: Outcomes::default(),
            victims,
            greetings,
        }
    }

    /// The adversary's frame: whatever a rule makes of it is judged.
    pub(crate) fn throw(&mut self, made: &Generated) -> Vec<Divert> {
        let ends = |sim: &Sim, disposition: Disposition| {
            sim.router.stats().dispositions[disposition as usize][Path::Rule as usize].frames
        };
        let rules = |sim: &Sim| sim.router.stats().by_path(Path::Rule).frames;
        let (before, delivered) = (rules(&self.sim), ends(&self.sim, Disposition::Delivered));
        let _ = self.sim.send(made.port, &made.bytes);
        let sent = self.sim.transmitted();
        if rules(&self.sim) > before {
            self.outcomes.ruled += 1;
            self.judge(made, sent, ends(&self.sim, Disposition::Delivered) > delivered);
        }
        self.sim.diverts()
    }

    fn judge(&mut self, made: &Generated, sent: Vec<Sent>, delivered: bool) {
        let divert = self.probe.divert(made.port, &made.bytes).expect("only what is held has rules");
        let permitted = checker::permitted(divert.about.reason(), self.posture);
        let repairs =
            [ActionKind::StripTag, ActionKind::Decapsulate, ActionKind::ClearOptions, ActionKind::Forward];
        if delivered {
            self.outcomes.delivered += 1;
            assert!(permitted.iter().any(|kind| repairs.contains(kind)), "delivered: {divert:02x?}");
        }
        for sent in sent {
            // What the router says on its own account: errors about what was forwarded, replies of the host, questions.
            if sent.origin == Origin::Originated {
                continue;
            }
            if let Origin::Fragment = sent.origin {
                assert!(permitted.iter().any(|kind| repairs.contains(kind)), "forwarded: {divert:02x?}");
                outgoing::well_formed(&sent.bytes, self.world.ports[sent.port.index()].mtu)
                    .expect("well-formed");
                continue;
            }
            self.outcomes.sent += 1;
            let judged = checker::judge(&self.world, &self.sim.neighbors(), self.posture, &divert, &sent);
            if let Err(fault) = judged {
                panic!("{fault}\n{divert:02x?}\n{sent:02x?}");
            }
        }
    }

    /// Healthy frames have the fate that they have without rules.
    pub(crate) fn look(&mut self, healthy: impl Iterator<Item = Generated>) {
        self.twin.advance_to(self.sim.now());
        for sim in [&mut self.sim, &mut self.twin] {
            sim.prime();
            for greeting in &self.greetings {
                let _ = sim.send(greeting.port, &greeting.bytes);
            }
            sim.transmitted();
        }
        let dispositions = |sim: &Sim| sim.router.stats().by_path(Path::Rule).frames;
        let before = dispositions(&self.sim);
        for made in healthy {
            let fate = self.reference.fate(made.port, &made.bytes);
            let verdict = self.sim.send(made.port, &made.bytes);
            let sent = self.sim.transmitted();
            assert_eq!(self.twin.send(made.port, &made.bytes), verdict, "{made:02x?}");
            assert_eq!(told(&sent), told(&self.twin.transmitted()), "{made:02x?}");
            let own: Vec<_> = sent
                .into_iter()
                .filter(|sent| matches!(sent.origin, Origin::Forwarded { .. } | Origin::Fragment))
                .map(|sent| (sent.port.0, sent.bytes))
                .collect();
            // A fragment for the host, a host that is in no list: what came before decides, and the twin knows that.
            if !matches!(fate, Fate::Piece | Fate::Waits | Fate::Consumed) {
                assert!(fate.agrees_with(verdict, &own), "{fate:02x?}\n{verdict:?} {own:02x?}\n{made:02x?}");
            }
            assert!(!matches!(verdict, Verdict::Divert(_)), "{made:02x?}");
            self.outcomes.healthy += 1;
        }
        assert_eq!(dispositions(&self.sim), before, "a rule acted on a healthy frame");
        for sim in [&mut self.sim, &mut self.twin] {
            for copy in sim.diverts() {
                sim.abandon(&copy);
            }
        }
    }
}

/// What was sent, but for the identification that each packet of the router's own gets, and without questions to neighbours,
/// which depend on when they were last heard of.
fn told(sent: &[Sent]) -> Vec<(PortId, Vec<u8>)> {
    let one = |sent: &Sent| {
        let mut bytes = sent.bytes.clone();
        if sent.origin == Origin::Originated && bytes[12..14] == [8, 0] {
            bytes[18..20].fill(0);
            bytes[24..26].fill(0);
        }
        (sent.port, bytes)
    };
    let asks = |sent: &&Sent| match sent.bytes[12..14] {
        [8, 6] => sent.bytes[21] == 1,
        [0x86, 0xdd] => sent.bytes[20] == 58 && sent.bytes[54] == 135,
        _ => false,
    };
    sent.iter().filter(|sent| !asks(sent)).map(one).collect()
}
