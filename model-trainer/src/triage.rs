//! Class keys for training and exam: every reason, posture and direction, with field values that are
//! realistic, at an edge, or anything at all.

use crate::samples::{Sample, rng};
use llm_slowpath::prompt::tokens;
use rand::{Rng, RngExt};
use stack::divert::{Field, FieldValue};
use stack::{ActionKind, Anomaly, ClassKey, Direction, PortId, Posture};

/// Triage sample number `index` of stream `seed`.
pub(crate) fn sample(seed: u64, index: u64) -> Sample {
    let key = class_key(&mut rng(seed, index));
    of(&key)
}

/// The sample for a class key.
pub(crate) fn of(key: &ClassKey) -> Sample {
    let kind = match pktgen::oracle::triage(key) {
        // An echo request that the ping task cannot spell (it has IP options): the local host answers it.
        ActionKind::EchoReply => ActionKind::Forward,
        kind => kind,
    };
    Sample { prompt: tokens::triage_prompt(key), answer: tokens::symbolic_answer(kind) }
}

/// A class key. Reasons with fields to consult are seven times as likely as each of the others.
pub(crate) fn class_key(rng: &mut impl Rng) -> ClassKey {
    let reason = loop {
        let reason = Anomaly::ALL[rng.random_range(0..Anomaly::COUNT)];
        if !ClassKey::consulted(reason).is_empty() || rng.random_ratio(1, 7) {
            break reason;
        }
    };
    let fields = ClassKey::consulted(reason).iter();
    ClassKey {
        reason,
        port: PortId(0),
        direction: if rng.random() { Direction::ToSelf } else { Direction::Transit },
        posture: Posture::ALL[rng.random_range(0..Posture::ALL.len())],
        fields: fields.map(|&field| FieldValue { field, value: value(rng, field) }).collect(),
    }
}

fn value(rng: &mut impl Rng, field: Field) -> u16 {
    // Anything at all, now and then: a model must not stumble over a value that it was never shown.
    if rng.random_ratio(1, 10) {
        return rng.random();
    }
    match field {
        // Small numbers too: a SNAP envelope may name any.
        Field::EtherType => {
            const SEEN: [u16; 9] = [0, 0x86dd, 0x8847, 0x88cc, 0x8863, 0x8864, 0x888e, 0x9000, 0x88f7];
            if rng.random() { SEEN[rng.random_range(0..SEEN.len())] } else { rng.random() }
        }
        Field::LinkDestination => rng.random_range(0..3),
        Field::Priority => rng.random_range(0..8),
        Field::Inner => match rng.random_range(0..4_u8) {
            0 => 1 + rng.random_range(0..Anomaly::COUNT as u16),
            1 => 255,
            _ => 0,
        },
        // All of the six bits, or only those that some posture lets pass.
        Field::Options => rng.random_range(0..64) & if rng.random() { 0b01_0111 } else { 0b11_1111 },
        Field::ErrorForbidden => rng.random_range(0..2),
        Field::IcmpType => rng.random_range(0..256),
        Field::IcmpCode => {
            if rng.random() {
                0
            } else {
                rng.random_range(0..256)
            }
        }
        Field::IcmpLength => match rng.random_range(0..4_u8) {
            0 => rng.random_range(8..64),
            1 => rng.random_range(8..1480),
            _ => 20,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_reason_is_taught_with_all_its_postures_and_fields() {
        let mut taught = BTreeSet::new();
        for index in 0..30_000 {
            let key = class_key(&mut rng(7, index));
            let fields: Vec<Field> = key.fields.iter().map(|field| field.field).collect();
            assert_eq!(fields, ClassKey::consulted(key.reason));
            let Sample { prompt, answer } = of(&key);
            assert_eq!(prompt[4], tokens::reason(key.reason));
            assert!(answer.len() == 2 && tokens::action_of(answer[0]).is_some());
            taught.insert((key.reason, Posture::ALL.iter().position(|&posture| posture == key.posture)));
        }
        assert_eq!(taught.len(), Anomaly::COUNT * Posture::ALL.len());
    }

    #[test]
    fn what_must_pass_is_forwarded_and_what_must_not_is_dropped() {
        let key = |reason| ClassKey {
            reason,
            port: PortId(0),
            direction: Direction::ToSelf,
            posture: Posture::Open,
            fields: Default::default(),
        };
        for &reason in Anomaly::ALL.iter().filter(|reason| ClassKey::consulted(**reason).is_empty()) {
            let passes = reason.must_pass() || reason == Anomaly::EchoRequest;
            let right = if passes { ActionKind::Forward } else { ActionKind::Drop };
            assert_eq!(of(&key(reason)).answer[0], tokens::action(right), "{reason}");
        }
    }
}
