//! Class keys: every reason, posture and direction, with field values that are realistic, at an edge, or any.
//!
//! A key's *template* is its reason, posture, direction and the values of the fields that are choices. Held out are 40 %
//! of all masks of two options or more, of all anomalies inside a wrapping, and of all other templates, these such that
//! the same was taught for the other direction, or is a discard; and the ranges of [`held_out_value`]. So every part of
//! a held-out question was taught, and the question was not. What generalises furthest are the masks; a held-out
//! direction or posture only shows that the model does not depend on it.

use super::{Item, Question, Right, Split, chosen, coin, draw, rng};
use crate::dice::Draw;
use crate::oracle;
use rand::Rng;
use stack::classify::{Binds, Latitude};
use stack::divert::{Field, FieldValue};
use stack::{ActionKind, Anomaly, ClassKey, Direction, PortId, Posture};

/// Of a wrapping: what it holds is not IP.
const NOT_IP: u16 = 255;
/// Of 30 templates, how many are held out.
const SHARE: u64 = 12;
/// Where in a template the posture stands.
const POSTURE: usize = 2;
/// Where in a template the direction stands.
const DIRECTION: usize = 3;

/// What is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Focus {
    /// Reasons that leave a choice; half of the time one whose right action is not `drop`.
    Discretionary,
    /// All others: a sanity check.
    Fixed,
}

/// Triage question number `index`.
pub fn item(split: Split, focus: Focus, seed: u64, index: u64) -> Item {
    let rng = &mut rng(4 + focus as u64, split, seed, index);
    let acts = rng.one_in(2);
    let key = draw(split, || class_key(focus, acts, rng), held_out);
    question(key)
}

/// The question about a key, with its answer.
pub fn question(key: ClassKey) -> Item {
    let kind = match oracle::triage(&key) {
        // An echo request that the ping task cannot spell (it has IP options): the local host answers it.
        ActionKind::EchoReply => ActionKind::Forward,
        kind => kind,
    };
    let advice = oracle::advice(&key, kind);
    Item { question: Question::Triage(key), right: Right::Triage(kind, advice) }
}

/// Does the key show two things wrong at once: a wrapping around something that is not healthy, or a frame about
/// which no error may be sent?
pub fn is_double(key: &ClassKey) -> bool {
    key.field(Field::Inner).is_some_and(|inner| inner != 0) || key.field(Field::ErrorForbidden) == Some(1)
}

/// Is the key held out?
pub fn held_out(key: &ClassKey) -> bool {
    held_out_template(key) || key.fields.iter().any(|field| held_out_value(*field))
}

/// Is the key's template one of those that are held out?
pub fn held_out_template(key: &ClassKey) -> bool {
    let mask = key.field(Field::Options).filter(|mask| mask.count_ones() > 1);
    let inner = key.field(Field::Inner).filter(|&inner| inner != 0 && inner != NOT_IP);
    if let Some(mask) = mask {
        return chosen(SHARE, &[7, posture(key), u64::from(mask)]);
    }
    if let Some(inner) = inner {
        return chosen(SHARE, &[8, u64::from(inner)]);
    }
    if key.reason.row().binds != Binds::Both {
        // There is no other direction to learn it from: of each question one posture is taught, and what is no discard.
        let mut group = template(key);
        group[POSTURE] = 0;
        let taught = if coin(&group) { Posture::Open } else { Posture::Balanced };
        return chosen(SHARE * 3 / 2, &template(key))
            && key.posture != taught
            && oracle::triage(key) == ActionKind::Drop;
    }
    let transit = key.direction == Direction::Transit;
    let mut group = template(key);
    group[DIRECTION] = 0;
    // Of these pairs one question each.
    chosen(2 * SHARE, &group) && coin(&group) == transit
}

/// The key's template, as numbers.
pub fn template(key: &ClassKey) -> Vec<u64> {
    let direction = u64::from(key.direction == Direction::Transit);
    let choice = |field: &FieldValue| match field.field {
        Field::EtherType | Field::IcmpType => 0,
        Field::IcmpCode => u64::from(field.value != 0),
        Field::IcmpLength => u64::from(field.value.min(33)),
        Field::LinkDestination | Field::Priority | Field::Inner | Field::Options | Field::ErrorForbidden => {
            u64::from(field.value)
        }
    };
    let head = [4, u64::from(key.reason.code()), posture(key), direction];
    head.into_iter().chain(key.fields.iter().map(choice)).collect()
}

fn posture(key: &ClassKey) -> u64 {
    Posture::ALL.iter().position(|&posture| posture == key.posture).unwrap_or(0) as u64
}

/// Ranges of numbers that training never shows.
pub fn held_out_value(FieldValue { field, value }: FieldValue) -> bool {
    match field {
        Field::EtherType => (0xa000..0xc000).contains(&value),
        Field::IcmpType => (100..150).contains(&value),
        Field::IcmpLength => (600..900).contains(&value),
        Field::LinkDestination
        | Field::Priority
        | Field::Inner
        | Field::Options
        | Field::ErrorForbidden
        | Field::IcmpCode => false,
    }
}

/// Of a discretionary reason, a key whose right action is another than `drop` if it `acts`, else one of `drop`.
fn class_key(focus: Focus, acts: bool, rng: &mut impl Rng) -> ClassKey {
    loop {
        let reason = *rng.pick(Anomaly::ALL);
        let free = reason.row().latitude == Latitude::Discretionary && reason != Anomaly::EchoRequest;
        if free != (focus == Focus::Discretionary) {
            continue;
        }
        let fields = ClassKey::consulted(reason).iter();
        let key = ClassKey {
            reason,
            port: PortId(0),
            direction: match reason.row().binds {
                Binds::SelfOnly => Direction::ToSelf,
                Binds::Fwd => Direction::Transit,
                Binds::Both if rng.one_in(2) => Direction::ToSelf,
                Binds::Both => Direction::Transit,
            },
            posture: *rng.pick(&Posture::ALL),
            fields: fields.map(|&field| FieldValue { field, value: value(rng, field) }).collect(),
        };
        if focus == Focus::Fixed || (oracle::triage(&key) != ActionKind::Drop) == acts {
            return key;
        }
    }
}

fn value(rng: &mut impl Rng, field: Field) -> u16 {
    match field {
        // Small numbers too: a SNAP envelope may name any.
        Field::EtherType => {
            const SEEN: [u16; 9] = [0, 0x86dd, 0x8847, 0x88cc, 0x8863, 0x8864, 0x888e, 0x9000, 0x88f7];
            if rng.one_in(2) { *rng.pick(&SEEN) } else { rng.word() }
        }
        Field::LinkDestination => rng.below(3) as u16,
        Field::Priority => rng.below(8) as u16,
        Field::Inner => match rng.below(4) {
            0 => 1 + rng.below(Anomaly::COUNT) as u16,
            1 => 255,
            _ => 0,
        },
        // All of the six bits, or only those that some posture lets pass.
        Field::Options => rng.below(64) as u16 & if rng.one_in(2) { 0b01_0111 } else { 0b11_1111 },
        Field::ErrorForbidden => rng.below(2) as u16,
        Field::IcmpType => rng.below(256) as u16,
        Field::IcmpCode => {
            if rng.one_in(2) {
                0
            } else {
                rng.below(256) as u16
            }
        }
        Field::IcmpLength => match rng.below(4) {
            0 => rng.between(8, 63) as u16,
            1 => rng.between(8, 1479) as u16,
            _ => 20,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn key_of(item: Item) -> (ClassKey, Right) {
        match item.question {
            Question::Triage(key) => (key, item.right),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn more_than_a_third_of_all_templates_is_absent_from_training() {
        for focus in [Focus::Discretionary, Focus::Fixed] {
            let templates = |split| -> BTreeSet<Vec<u64>> {
                (0..60_000).map(|index| template(&key_of(item(split, focus, 1, index)).0)).collect()
            };
            let (training, unseen) = (templates(Split::Training), templates(Split::HeldOut));
            let only: BTreeSet<_> = unseen.difference(&training).collect();
            let all = training.len() + only.len();
            assert!(only.len() * 3 >= all, "{focus:?}: {} of {all}", only.len());
            // What both splits draw differs by a number from a held-out range.
            let both: BTreeSet<_> = unseen.intersection(&training).collect();
            for index in 0..60_000 {
                let key = key_of(item(Split::HeldOut, focus, 1, index)).0;
                if both.contains(&template(&key)) {
                    assert!(key.fields.iter().any(|field| held_out_value(*field)), "{key:?}");
                }
            }
        }
    }

    #[test]
    fn every_reason_and_every_answer_to_it_is_taught() {
        let mut taught = BTreeMap::<Anomaly, BTreeSet<ActionKind>>::new();
        let mut examined = taught.clone();
        for index in 0..40_000 {
            for focus in [Focus::Discretionary, Focus::Fixed] {
                for (split, seen) in [(Split::Training, &mut taught), (Split::HeldOut, &mut examined)] {
                    let (key, right) = key_of(item(split, focus, 7, index));
                    let Right::Triage(kind, _) = right else { panic!("{right:?}") };
                    assert_eq!(
                        key.fields.iter().map(|field| field.field).collect::<Vec<_>>(),
                        ClassKey::consulted(key.reason)
                    );
                    seen.entry(key.reason).or_default().insert(kind);
                }
            }
        }
        assert_eq!(taught.len(), Anomaly::COUNT);
        for (reason, kinds) in &examined {
            assert!(kinds.is_subset(&taught[reason]), "{reason}: {kinds:?} {:?}", taught[reason]);
        }
    }

    #[test]
    fn half_of_the_discretionary_questions_want_more_than_a_drop() {
        let acts = (0..4_000).filter(|&index| {
            let right = item(Split::HeldOut, Focus::Discretionary, 2, index).right;
            !matches!(right, Right::Triage(ActionKind::Drop, _))
        });
        let acts = acts.count();
        assert!((1_700..2_300).contains(&acts), "{acts}");
    }

    #[test]
    fn what_must_pass_is_forwarded_and_what_must_not_is_dropped() {
        for &reason in Anomaly::ALL.iter().filter(|reason| ClassKey::consulted(**reason).is_empty()) {
            let (port, direction, posture) = (PortId(0), Direction::ToSelf, Posture::Open);
            let key = ClassKey { reason, port, direction, posture, fields: Default::default() };
            let passes = reason.must_pass() || reason == Anomaly::EchoRequest;
            let wanted = if passes { ActionKind::Forward } else { ActionKind::Drop };
            let Right::Triage(kind, _) = question(key).right else { panic!("another answer") };
            assert_eq!(kind, wanted, "{reason}");
        }
    }
}
