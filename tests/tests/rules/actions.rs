//! What each action does with a frame, byte for byte as the oracle says, and what it leaves to the slow path.

use pktgen::build::{Ipv4, Ipv6, ethernet, ethertype, protocol, seal_ipv4, snap, tag};
use pktgen::oracle;
use smoltcp::time::Duration;
use stack::answer::{Scope, Template, TemplateByte};
use stack::rules::{Content, Edit, Edits, Reply, RuleAction, RuleSpec};
use stack::stats::{Disposition, Path};
use stack::{ActionKind, Anomaly, Config, DropReason, Origin, PortId, Posture, Rate, ReversePath, Verdict};
use std::net::Ipv4Addr;
use tests::frames::{self, CLIENT, ROUTER_0, ROUTER_1, SERVER, from_client, transit};
use tests::rules::{Probe, generous, operators, tagged};
use tests::{Sim, frames_v6, outgoing};

const EVERY: Rate = Rate { per_second: 1_000, burst: 1_000 };

fn open(config: &mut Config) {
    generous(config);
    config.posture = Posture::Open;
}

/// A router whose operator wants this done with the class of `frame`, which comes in by port 0.
fn ruled(change: fn(&mut Config), frame: &[u8], action: RuleAction, meter: Option<Rate>) -> Sim {
    let matches = Probe::new(change).matches(Scope::Class, 0, frame);
    let spec = operators(matches, action.clone());
    let mut sim = Sim::lab_with(change);
    let spec = RuleSpec { content: Content { action, meter, ..spec.content }, ..spec };
    sim.router.install_rule(sim.now(), spec).unwrap();
    sim.look();
    sim
}

const fn forward(edit: Edit, dscp: Option<u8>) -> RuleAction {
    RuleAction::Forward(Edits { edit, dscp })
}

fn template(bytes: &[TemplateByte]) -> RuleAction {
    RuleAction::Reply(Reply::Template(Template(heapless::Vec::from_slice(bytes).unwrap())))
}

/// The frame as the oracle forwards it, with this code point (RFC 2474 §3; ECN stays, RFC 3168 §5).
fn repaired(edit: Edit, frame: &[u8], dscp: Option<u8>) -> Vec<u8> {
    let mut right = oracle::repair(edit.kind(), frame, ROUTER_1.mac, SERVER.mac).unwrap();
    if let Some(dscp) = dscp {
        let packet = &mut right[14..];
        if packet[0] >> 4 == 4 {
            packet[1] = packet[1] & 3 | dscp << 2;
            seal_ipv4(packet);
        } else {
            let word = u16::from_be_bytes([packet[0], packet[1]]) & 0xf03f | u16::from(dscp) << 6;
            packet[..2].copy_from_slice(&word.to_be_bytes());
        }
    }
    right
}

#[test]
fn drop_ends_a_frame_under_its_reason() {
    let reason = Anomaly::Ipv4Checksum;
    let mut frame = from_client(&frames::udp(&transit(), 9, b"data"));
    frame[24] ^= 1;
    let mut sim = ruled(generous, &frame, RuleAction::Drop, None);
    assert_eq!(sim.send(0, &frame), Verdict::Drop(DropReason::Anomaly(reason)));
    sim.expect(|d| {
        d.seen[reason as usize] += 1;
        d.receives(frame.len()).discards(DropReason::Anomaly(reason), Path::Rule, frame.len());
    });
    let tally = sim.router.rules().next().unwrap().tally;
    assert_eq!((tally.hits, tally.bytes), (1, frame.len() as u64));
}

#[test]
fn forward_with_each_edit_and_any_code_point_is_the_oracles_repair() {
    let service = Ipv4 { service: 0b1010_1001, ..transit() };
    let plain = from_client(&frames::udp(&service, 9, b"data"));
    let class = Ipv6 { traffic_class: 0b1010_1001, ..frames_v6::transit() };
    let v6 = frames_v6::from_client(&frames_v6::udp(&class, 9, b"data"));
    // Record Route, which RFC 7126 §4.6 would have cleared.
    let route = Ipv4 { options: vec![7, 7, 4, 0, 0, 0, 0], ..service };
    let route = from_client(&frames::udp(&route, 9, b"data"));
    for (edit, frame) in [
        (Edit::StripTag, tag(&plain, ethertype::VLAN, 3 << 13)),
        (Edit::StripTag, tag(&v6, ethertype::VLAN, 0)),
        (Edit::Decapsulate, snap(ROUTER_0.mac, CLIENT.mac, ethertype::IPV4, &plain[14..])),
        (Edit::ClearOptions, route.clone()),
        (Edit::None, route),
    ] {
        for dscp in [None, Some(0), Some(46), Some(63)] {
            let right = repaired(edit, &frame, dscp);
            let mut sim = ruled(open, &frame, forward(edit, dscp), None);
            let (verdict, sent) = (sim.send(0, &frame), sim.transmitted());
            let id = sim.router.rules().next().unwrap().id;
            assert_eq!(sent.len(), 1, "{edit:?} {dscp:?} {verdict:?}");
            assert_eq!((sent[0].port, &sent[0].bytes), (PortId(1), &right), "{edit:?} {dscp:?}");
            outgoing::well_formed(&sent[0].bytes, 1500).unwrap();
            let reason = Probe::new(open).class(0, &frame).unwrap().reason;
            if edit == Edit::None {
                // It still shows its reason, so it takes the way of approved answers.
                assert_eq!((verdict, sent[0].origin), (Verdict::Consume, Origin::Ruled(id)));
                sim.expect(|d| {
                    d.answers_by_rule(reason, frame.len(), right.len());
                });
            } else {
                assert_eq!(verdict, Verdict::Forward { port: PortId(1) });
                sim.expect(|d| {
                    d.forwards_by_rule(reason, frame.len(), right.len());
                });
            }
        }
    }
}

#[test]
fn deliver_hands_the_frame_to_the_local_host_whose_answer_is_the_usual_one() {
    let plain = from_client(&frames::echo_request(&frames::to(ROUTER_0.address), 1));
    let frame = tag(&plain, ethertype::VLAN, 0);
    let deliver = RuleAction::Deliver(Edits { edit: Edit::StripTag, dscp: None });
    let mut sim = ruled(generous, &frame, deliver, None);
    assert_eq!(sim.send(0, &frame), Verdict::Deliver);
    let sent = sim.transmitted();
    sim.expect(|d| {
        d.ends_by_rule(Anomaly::VlanPriorityTag, Disposition::Delivered, frame.len()).originates(plain.len());
    });
    let mut usual = Sim::lab();
    let _ = usual.send(0, &plain);
    let right = usual.transmitted();
    assert_eq!((sent.len(), right.len()), (1, 1));
    assert_eq!(frames::comparable(&sent[0].bytes), frames::comparable(&right[0].bytes));
}

#[test]
fn timestamp_requests_and_wrong_lengths_are_answered_as_the_oracle_says() {
    let world = Sim::lab().world().clone();
    let request = from_client(&frames::icmp(&frames::to(ROUTER_0.address), 13, 0, [1, 2, 3, 4], &[9; 12]));
    let reason = Anomaly::IcmpTimestampRequest;
    let mut sim = ruled(generous, &request, RuleAction::Reply(Reply::Timestamp), None);
    let id = sim.router.rules().next().unwrap().id;
    assert_eq!(sim.send(0, &request), Verdict::Consume);
    let sent = sim.transmitted();
    assert_eq!((sent.len(), sent[0].port, sent[0].origin), (1, PortId(0), Origin::Ruled(id)));
    assert!(oracle::timestamp_reply_matches(&request, &sent[0].bytes));
    sim.expect(|d| {
        d.answers_by_rule(reason, request.len(), sent[0].bytes.len());
    });
    let reason = Anomaly::Ipv4TotalLengthOverrun;
    let mut frame = from_client(&frames::udp(&transit(), 9, b"data"));
    frame[17] += 1;
    seal_ipv4(&mut frame[14..]);
    let mut sim = ruled(generous, &frame, RuleAction::Reply(Reply::ParameterProblem), None);
    assert_eq!(sim.send(0, &frame), Verdict::Consume);
    let sent = sim.transmitted();
    assert!(oracle::parameter_problem_matches(&world, 0, reason, &frame, &sent[0].bytes));
    sim.expect(|d| {
        d.answers_by_rule(reason, frame.len(), sent[0].bytes.len()).icmp_errors += 1;
    });
}

#[test]
fn a_template_answers_a_foreign_ethertype_and_an_unknown_icmp_message() {
    use TemplateByte::{Constant, Copy, Length, Next, Rest};
    let ask = ethernet(ROUTER_0.mac, CLIENT.mac, 0x88b5, &[1, 0xff, 7, 8, 9]);
    let reply = template(&[Constant(0x81), Copy(2), Next(1), Length, Rest(4)]);
    let right = ethernet(CLIENT.mac, ROUTER_0.mac, 0x88b5, &[0x81, 7, 0, 5, 9]);
    let mut sim = ruled(generous, &ask, reply, Some(EVERY));
    let id = sim.router.rules().next().unwrap().id;
    assert_eq!(sim.send(0, &ask), Verdict::Consume);
    let sent = sim.transmitted();
    assert_eq!((sent[0].port, sent[0].origin, &sent[0].bytes), (PortId(0), Origin::Ruled(id), &right));
    sim.expect(|d| {
        d.answers_by_rule(Anomaly::EthertypeUnknown, ask.len(), right.len());
    });
    // Asked too little, it has no answer; the frame goes to the slow path.
    let short = ethernet(ROUTER_0.mac, CLIENT.mac, 0x88b5, &[1]);
    assert_eq!(sim.send(0, &short), Verdict::Divert(Anomaly::EthertypeUnknown));
    sim.expect(|d| {
        d.diverts_one(Anomaly::EthertypeUnknown, short.len()).rules.misfits += 1;
    });
    let header =
        Ipv4 { service: 3, reserved_flag: false, identification: 77, ..frames::to(ROUTER_0.address) };
    let ask = from_client(&frames::icmp(&header, 200, 0, [5, 6, 7, 8], &[1, 2, 3, 4]));
    let reply = template(&[Constant(201), Constant(0), Constant(0), Constant(0), Rest(4)]);
    let mut sim = ruled(generous, &ask, reply, Some(EVERY));
    assert_eq!(sim.send(0, &ask), Verdict::Consume);
    let header = Ipv4 { service: 0, source: ROUTER_0.address, destination: CLIENT.address, ..header };
    let packet = frames::icmp(&header, 201, 0, [5, 6, 7, 8], &[1, 2, 3, 4]);
    let right = frames::link(ROUTER_0.mac, CLIENT.mac, &packet);
    let sent = sim.transmitted();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].bytes, right);
    sim.expect(|d| {
        d.answers_by_rule(Anomaly::IcmpTypeUnknown, ask.len(), right.len());
    });
    assert_eq!(sent[0].bytes[23], protocol::ICMP);
}

#[test]
fn what_is_over_the_meter_is_dropped_by_that_name() {
    let reason = Anomaly::VlanPriorityTag;
    let len = tagged(2, 0).len();
    let meter = Rate { per_second: 2, burst: 3 };
    let mut sim = ruled(generous, &tagged(2, 0), forward(Edit::StripTag, None), Some(meter));
    let verdicts: Vec<_> = (0..5).map(|number| sim.send(0, &tagged(2, number))).collect();
    let (on, over) = (Verdict::Forward { port: PortId(1) }, Verdict::Drop(DropReason::RuleMeter));
    assert_eq!(verdicts, [on, on, on, over, over]);
    sim.expect(|d| {
        for _ in 0..3 {
            d.forwards_by_rule(reason, len, len - 4);
        }
        for _ in 0..2 {
            d.seen[reason as usize] += 1;
            d.receives(len).discards(DropReason::RuleMeter, Path::Rule, len);
        }
    });
    sim.advance(Duration::from_millis(499));
    assert_eq!(sim.send(0, &tagged(2, 6)), over);
    sim.advance(Duration::from_millis(1));
    assert_eq!([sim.send(0, &tagged(2, 7)), sim.send(0, &tagged(2, 8))], [on, over]);
    let tally = sim.router.rules().next().unwrap().tally;
    assert_eq!((tally.hits, tally.metered), (8, 4));
}

#[test]
fn what_rules_send_is_within_what_answers_may_inject() {
    let request = from_client(&frames::icmp(&frames::to(ROUTER_0.address), 13, 0, [1, 2, 3, 4], &[9; 12]));
    let change = |config: &mut Config| config.limits.inject_rate = Rate { per_second: 1, burst: 2 };
    let mut sim = ruled(change, &request, RuleAction::Reply(Reply::Timestamp), None);
    let verdicts: Vec<_> = (0..4).map(|_| sim.send(0, &request)).collect();
    let over = Verdict::Drop(DropReason::RuleMeter);
    assert_eq!(verdicts, [Verdict::Consume, Verdict::Consume, over, over]);
    assert_eq!(sim.transmitted().len(), 2);
}

/// Whatever a rule does not fit is left as it came, and is the slow path's.
#[test]
fn a_misfit_goes_to_the_slow_path_untouched() {
    // What the tag holds is a frame that must be discarded, in transit and to us.
    let mut wrong = from_client(&frames::udp(&transit(), 9, b"data"));
    wrong[24] ^= 1;
    let mut to_us = from_client(&frames::udp(&frames::to(ROUTER_0.address), 7, b"data"));
    *to_us.last_mut().unwrap() ^= 1;
    let [wrong, to_us] = [wrong, to_us].map(|frame| tag(&frame, ethertype::VLAN, 0));
    let reason = Anomaly::VlanPriorityTag;
    for frame in [wrong, to_us] {
        let direction = Probe::new(generous).class(0, &frame).unwrap().direction;
        let edits = Edits { edit: Edit::StripTag, dscp: None };
        let action = match direction {
            stack::Direction::Transit => RuleAction::Forward(edits),
            stack::Direction::ToSelf => RuleAction::Deliver(edits),
        };
        let mut sim = ruled(generous, &frame, action, None);
        assert_eq!(sim.send(0, &frame), Verdict::Divert(reason));
        sim.expect(|d| {
            d.diverts_one(reason, frame.len()).rules.misfits += 1;
        });
        assert_eq!(sim.diverts()[0].bytes, frame);
        let rule = sim.router.rules().next().unwrap();
        assert_eq!((rule.tally.hits, rule.tally.bytes, rule.tally.misfits), (0, 0, 1));
        assert_eq!(rule.spec.content.action.kind(), Some(ActionKind::StripTag));
    }
}

/// A rule about a class in transit does not send on what is for all hosts of a network, or what comes from where it cannot.
#[test]
fn what_is_put_right_goes_only_where_a_healthy_frame_would() {
    let reason = Anomaly::VlanPriorityTag;
    let change = |config: &mut Config| {
        generous(config);
        config.ports[0].reverse_path = ReversePath::Strict;
    };
    let mut sim = ruled(change, &tagged(2, 0), forward(Edit::StripTag, None), None);
    let mut probe = Probe::new(change);
    let of = |source: Ipv4Addr, destination: Ipv4Addr| {
        let packet = frames::udp(&Ipv4::new(source, destination), 9, b"data");
        tag(&from_client(&packet), ethertype::VLAN, 0)
    };
    assert_eq!(sim.send(0, &of(CLIENT.address, SERVER.address)), Verdict::Forward { port: PortId(1) });
    sim.look();
    let all = Ipv4Addr::new(10, 0, 1, 255);
    for frame in [of(CLIENT.address, all), of(SERVER.address, Ipv4Addr::new(10, 0, 2, 3))] {
        // To the slow path they are all alike.
        assert_eq!(probe.class(0, &frame), probe.class(0, &tagged(2, 0)));
        assert_eq!(sim.send(0, &frame), Verdict::Divert(reason));
        sim.diverts().iter().for_each(|divert| sim.abandon(divert));
        sim.expect(|d| {
            d.seen[reason as usize] += 1;
            d.diverts[reason as usize].held += 1;
            d.diverts[reason as usize].unanswered += 1;
            d.receives(frame.len()).discards(DropReason::Anomaly(reason), Path::SlowRefused, frame.len());
            d.rules.misfits += 1;
        });
    }
}

#[test]
fn a_template_amplifies_nothing_answers_only_back_and_within_the_rate_of_injections() {
    let five = template(&[TemplateByte::Constant(1); 5]);
    let ask = |bytes: usize| ethernet(ROUTER_0.mac, CLIENT.mac, 0x88b5, &vec![7; bytes]);
    let change = |config: &mut Config| config.limits.inject_rate = Rate { per_second: 1, burst: 2 };
    let mut sim = ruled(change, &ask(5), five, Some(EVERY));
    assert_eq!(
        sim.send(0, &ask(4)),
        Verdict::Divert(Anomaly::EthertypeUnknown),
        "longer than what it answers"
    );
    let verdicts: Vec<_> = (0..4).map(|_| sim.send(0, &ask(5))).collect();
    let over = Verdict::Drop(DropReason::RuleMeter);
    assert_eq!(verdicts, [Verdict::Consume, Verdict::Consume, over, over]);
    assert_eq!(sim.transmitted().len(), 2);
    // Whoever claims an address of the other port's network gets no reply, and that one neither.
    let message = |source| frames::icmp(&Ipv4::new(source, ROUTER_0.address), 200, 0, [0; 4], &[1; 8]);
    let frames = [CLIENT, SERVER].map(|host| from_client(&message(host.address)));
    let mut sim = ruled(generous, &frames[0], template(&[TemplateByte::Rest(0)]), Some(EVERY));
    assert_eq!(sim.send(0, &frames[1]), Verdict::Divert(Anomaly::IcmpTypeUnknown));
    assert_eq!(sim.transmitted(), []);
    assert_eq!(sim.send(0, &frames[0]), Verdict::Consume);
}
