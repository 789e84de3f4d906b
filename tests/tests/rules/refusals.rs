//! What is wrong with a rule has a name, and a rule with something wrong is not made.

use crate::ends::{STRIP, about, class, small};
use smoltcp::time::Duration;
use smoltcp::wire::{EthernetAddress, Ipv4Address};
use stack::answer::{Template, TemplateByte};
use stack::divert::FieldValue;
use stack::rules::{Edit, Edits, Flow, MAX_LIFETIME, Reply, RuleAction, RuleRefusal, Station, Subject};
use stack::{Anomaly, PortId, Posture, Rate, RuleSpec};
use tests::rules::models;

/// One wrong thing about a rule that else is right.
fn wrong() -> Vec<(RuleRefusal, RuleSpec)> {
    let class = class();
    let right = about(&class, 9);
    let with = |change: &dyn Fn(&mut RuleSpec)| {
        let mut spec = right.clone();
        change(&mut spec);
        spec
    };
    let template = || {
        let bytes = heapless::Vec::from_iter([TemplateByte::Rest(0)]);
        RuleAction::Reply(Reply::Template(Template(bytes)))
    };
    let field = |spec: &mut RuleSpec, value: u16| spec.matches.class.fields[1].value = value;
    let from = |spec: &mut RuleSpec, station| spec.matches.subject = Subject::Source(station);
    let mut wrong = Vec::new();
    let mut push = |refusal, change: &dyn Fn(&mut RuleSpec)| wrong.push((refusal, with(change)));
    for reason in [
        Anomaly::ArpOperation,
        Anomaly::ArpClaimsOurAddress,
        Anomaly::NdMalformed,
        Anomaly::NdClaimsOurAddress,
        Anomaly::IcmpRedirect,
        Anomaly::Ipv4ReservedFlag,
        Anomaly::EchoRequest,
    ] {
        push(RuleRefusal::ReasonWithoutRules, &|spec| spec.matches.class.reason = reason);
    }
    push(RuleRefusal::NotEnforced, &|spec| spec.matches.class.reason = Anomaly::Ipv6RoutingHeader);
    push(RuleRefusal::NotGranted, &|spec| spec.content.action = RuleAction::Reply(Reply::Timestamp));
    push(RuleRefusal::NotGranted, &|spec| {
        spec.content.action = RuleAction::Forward(Edits { edit: Edit::None, dscp: None });
    });
    push(RuleRefusal::NotGranted, &|spec| {
        spec.content.action = template();
        spec.content.meter = Some(Rate { per_second: 1, burst: 1 });
    });
    push(RuleRefusal::BadMatch, &|spec| spec.matches.class.port = PortId(2));
    push(RuleRefusal::BadMatch, &|spec| spec.matches.class.port = PortId(255));
    push(RuleRefusal::BadMatch, &|spec| spec.matches.class.posture = Posture::Open);
    push(RuleRefusal::BadMatch, &|spec| spec.matches.class.fields.clear());
    push(RuleRefusal::BadMatch, &|spec| spec.matches.class.fields.swap(0, 1));
    push(RuleRefusal::BadMatch, &|spec| {
        let one = spec.matches.class.fields[0];
        spec.matches.class.fields.push(FieldValue { value: 7, ..one }).unwrap();
    });
    push(RuleRefusal::BadMatch, &|spec| field(spec, Anomaly::COUNT as u16 + 1));
    push(RuleRefusal::BadMatch, &|spec| field(spec, 256));
    push(RuleRefusal::BadMatch, &|spec| spec.content.action = RuleAction::Deliver(STRIP));
    let ip = |text: &str| Station::Ip(text.parse::<std::net::IpAddr>().unwrap().into());
    let mac = Station::Mac(EthernetAddress([2, 0, 0, 0, 1, 9]));
    let right = Flow { from: ip("10.0.1.9"), to: ip("10.0.2.2"), protocol: 17, l4_ports: (4000, 9) };
    for flow in [
        // A port for one connection, ports of what has none, ends of two kinds.
        Flow { l4_ports: (32_768, 9), ..right },
        Flow { l4_ports: (9, 65_535), ..right },
        Flow { protocol: 1, ..right },
        Flow { protocol: 0, ..right },
        Flow { to: ip("fd00:2::2"), ..right },
        Flow { from: mac, ..right },
        Flow { from: mac, to: mac, protocol: 6, l4_ports: (0, 0) },
    ] {
        push(RuleRefusal::BadMatch, &|spec| spec.matches.subject = Subject::Flow(flow));
    }
    for own in [Ipv4Address::new(10, 0, 1, 1), Ipv4Address::new(10, 0, 2, 1)] {
        push(RuleRefusal::ProtectedSource, &|spec| from(spec, Station::Ip(own.into())));
    }
    for own in ["fd00:1::1", "fe80::ff:fe00:101"] {
        let own: std::net::Ipv6Addr = own.parse().unwrap();
        push(RuleRefusal::ProtectedSource, &|spec| from(spec, Station::Ip(own.into())));
    }
    let mac = EthernetAddress([2, 0, 0, 0, 2, 1]);
    push(RuleRefusal::ProtectedSource, &|spec| from(spec, Station::Mac(mac)));
    push(RuleRefusal::OperatorOnly, &|spec| {
        *spec = models(spec.clone());
        spec.content.action = template();
        spec.content.meter = Some(Rate { per_second: 1, burst: 1 });
    });
    push(RuleRefusal::OperatorOnly, &|spec| {
        *spec = models(spec.clone());
        spec.content.action = RuleAction::Forward(Edits { dscp: Some(0), ..STRIP });
    });
    push(RuleRefusal::BadLifetime, &|spec| spec.lifetime = Duration::ZERO);
    push(RuleRefusal::BadLifetime, &|spec| spec.lifetime = MAX_LIFETIME + Duration::from_micros(1));
    for endless in [i64::MAX.unsigned_abs(), u64::MAX] {
        push(RuleRefusal::BadLifetime, &|spec| {
            spec.pinned = true;
            spec.lifetime = Duration::from_micros(endless);
        });
    }
    push(RuleRefusal::BadValue, &|spec| {
        spec.content.action = RuleAction::Forward(Edits { dscp: Some(64), ..STRIP });
    });
    push(RuleRefusal::BadValue, &|spec| spec.content.meter = Some(Rate { per_second: 0, burst: 1 }));
    push(RuleRefusal::BadValue, &|spec| spec.content.meter = Some(Rate { per_second: 1, burst: 0 }));
    push(RuleRefusal::BadValue, &|spec| spec.content.action = template());
    wrong
}

#[test]
fn each_invented_thing_is_refused_by_its_name_and_leaves_nothing() {
    let mut sim = small(|_| ());
    for (refusal, spec) in wrong() {
        assert_eq!(sim.router.install_rule(sim.now(), spec.clone()), Err(refusal), "{spec:#?}");
        sim.expect(|d| d.rules.refused[refusal as usize] += 1);
        assert_eq!(sim.router.rule_occupancy(), (0, 8));
    }
    let right = about(&class(), 9);
    sim.router.install_rule(sim.now(), right.clone()).unwrap();
    sim.expect(|d| {
        d.rules.installed += 1;
        d.rules.activated += 1;
    });
    let twice = sim.router.install_rule(sim.now(), right);
    assert_eq!(twice, Err(RuleRefusal::Outranked));
    sim.expect(|d| d.rules.refused[RuleRefusal::Outranked as usize] += 1);
}

/// Every name is reached here or by a test of its own.
#[test]
fn no_refusal_is_forgotten() {
    let elsewhere = [
        // `a_table_of_pinned_rules_is_full`, `pairs_of_reason_and_scope_are_counted`, `half_of_all_rules_in_a_second...`.
        RuleRefusal::RulesFull,
        RuleRefusal::MasksFull,
        RuleRefusal::Thrashing,
        RuleRefusal::Outranked,
    ];
    let here: Vec<_> = wrong().into_iter().map(|(refusal, _)| refusal).collect();
    for refusal in RuleRefusal::ALL {
        assert_eq!(here.contains(refusal), !elsewhere.contains(refusal), "{refusal}");
    }
}
