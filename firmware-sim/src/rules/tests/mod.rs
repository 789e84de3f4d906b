//! What a rule says outside the router is what it says inside; damage is always named, and nobody keeps the router waiting.

mod clients;
mod damage;
mod forms;

use super::*;
use crate::recording::RecordedRouter;
use crate::slow_path::SlowPathPlan;
use crate::storage;
use pktgen::dice::Draw;
use rand::RngExt;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, IpAddress, Ipv4Address, Ipv6Address};
use stack::answer::{Template, TemplateByte};
use stack::divert::{ClassKey, Direction, Field, FieldValue};
use stack::rules::{
    Content, Edit, Edits, Flow, Match, Provenance, Reply, RuleAction, RuleOrigin, RuleSpec, Station, Subject,
    Witness,
};
use stack::{Anomaly, Config, PortId, Posture, Rate, Router};
use std::path::{Path, PathBuf};

/// The lab's router.
fn router() -> RecordedRouter {
    let config = crate::lab::run::router_config(Posture::Balanced, false, false, Config::new(7));
    let storage = storage::storage(&config.limits, storage::Tables { flows: 64, rules: 1024 });
    Router::new(config, storage).unwrap().into()
}

fn names() -> Names {
    Names::of(&["client", "server"], &SlowPathPlan::default())
}

/// A rule about whatever, with whatever values there can be.
fn any_spec(rng: &mut impl Draw) -> RuleSpec {
    let reason = *rng.pick(&stack::classify::TABLE.map(|row| row.anomaly));
    let mut fields = heapless::Vec::new();
    for &field in ClassKey::consulted(reason) {
        let value = match field {
            Field::EtherType | Field::IcmpLength => rng.word(),
            Field::LinkDestination => rng.below(3) as u16,
            Field::Priority => rng.below(8) as u16,
            Field::Inner => match rng.below(4) {
                0 => 0,
                1 => 255,
                _ => 1 + rng.below(Anomaly::COUNT) as u16,
            },
            Field::Options => rng.below(64) as u16,
            Field::ErrorForbidden => rng.below(2) as u16,
            Field::IcmpType | Field::IcmpCode => rng.byte().into(),
        };
        fields.push(FieldValue { field, value }).unwrap();
    }
    let origin = if rng.one_in(2) {
        RuleOrigin::Operator
    } else {
        RuleOrigin::Model(Provenance {
            witness: Witness { backend: 0, prompt: rng.random() },
            frames: (0..rng.below(9)).map(|_| rng.random()).collect(),
            first_seen: Instant::from_micros(rng.below(1 << 40) as i64),
            concordant_at: Instant::from_micros(rng.below(1 << 40) as i64),
        })
    };
    RuleSpec {
        matches: Match {
            class: ClassKey {
                reason,
                port: PortId(rng.below(2) as u8),
                direction: *rng.pick(&[Direction::ToSelf, Direction::Transit]),
                posture: *rng.pick(&[Posture::Strict, Posture::Balanced, Posture::Open]),
                fields,
            },
            subject: any_subject(rng),
        },
        content: Content {
            priority: rng.byte(),
            action: any_action(rng),
            meter: Some(Rate {
                per_second: 1 + rng.below(1 << 31) as u32,
                burst: 1 + rng.below(1 << 31) as u32,
            }),
            sample_one_in: rng.random(),
        },
        idle: Duration::from_micros(rng.below(86_400_000_001) as u64),
        lifetime: Duration::from_micros(1 + rng.below(86_400_000_000) as u64),
        pinned: rng.one_in(2),
        origin,
    }
}

fn any_action(rng: &mut impl Draw) -> RuleAction {
    let edits = Edits {
        edit: *rng.pick(&[Edit::None, Edit::StripTag, Edit::Decapsulate, Edit::ClearOptions]),
        dscp: Some(rng.below(64) as u8).filter(|_| rng.one_in(2)),
    };
    let count = rng.below(8);
    let mut bytes: Vec<_> = (0..count)
        .map(|_| match rng.below(4) {
            0 => TemplateByte::Constant(rng.byte()),
            1 => TemplateByte::Copy(rng.byte()),
            2 => TemplateByte::Next(rng.byte()),
            _ => TemplateByte::Length,
        })
        .collect();
    bytes.push(if rng.one_in(2) { TemplateByte::Rest(rng.byte()) } else { TemplateByte::Length });
    let template = Template(heapless::Vec::from_slice(&bytes).unwrap());
    rng.pick(&[
        RuleAction::Drop,
        RuleAction::Forward(edits),
        RuleAction::Deliver(edits),
        RuleAction::Reply(Reply::Timestamp),
        RuleAction::Reply(Reply::ParameterProblem),
        RuleAction::Reply(Reply::Template(template)),
    ])
    .clone()
}

fn any_subject(rng: &mut impl Draw) -> Subject {
    let mut station = || match rng.below(3) {
        0 => Station::Ip(IpAddress::Ipv4(Ipv4Address::from(rng.random::<u32>()))),
        1 => Station::Ip(IpAddress::Ipv6(Ipv6Address::from(rng.random::<u128>()))),
        _ => Station::Mac(EthernetAddress::from_bytes(&rng.bytes(6))),
    };
    let (from, to) = (station(), station());
    match rng.below(3) {
        0 => Subject::Class,
        1 => Subject::Source(from),
        _ => {
            let protocol = if rng.one_in(2) { 17 } else { rng.byte() };
            let has_ports = matches!(protocol, 6 | 17);
            let mut port = || if has_ports { rng.below(32_768) as u16 } else { 0 };
            Subject::Flow(Flow { from, to, protocol, l4_ports: (port(), port()) })
        }
    }
}

/// A rule that the lab's router takes: an IPv4 option in transit, from one source.
fn option_rule(host: u8) -> RuleForm {
    let text = format!(
        r#"{{"reason": "ipv4_option_transit", "port": "client", "direction": "fwd", "posture": "balanced",
            "fields": {{"options": ["Record Route"]}}, "subject": {{"scope": "source", "from": "10.0.1.{host}"}},
            "action": {{"do": "forward", "edit": "clear_options", "dscp": 10}}, "meter": {{"per_second": 5, "burst": 9}}}}"#
    );
    form_from(serde_json::from_str(&text).unwrap()).unwrap()
}

/// A folder of its own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("softrouter-{}-rules-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The names of the files in it.
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}
