//! What rules might say that were not made by the router: any action, and classes that there may not be.

use pktgen::dice::Draw;
use stack::answer::{Template, TemplateByte};
use stack::divert::{Field, FieldValue};
use stack::rules::{Edit, Edits, Reply, RuleAction};
use stack::{Anomaly, ClassKey, Direction, PortId, Posture};

/// Any action that fits the direction; now and then one that does not.
pub fn action(direction: Direction, rng: &mut impl Draw) -> RuleAction {
    use TemplateByte::{Constant, Copy, Length, Next, Rest};
    let edit = *rng.pick(&[Edit::None, Edit::StripTag, Edit::Decapsulate, Edit::ClearOptions]);
    // Two bits more than there are: some are beyond 63.
    let edits = Edits { edit, dscp: rng.one_in(4).then(|| rng.byte() & 0x5f) };
    let mut index = || rng.byte() % 8;
    let bytes = [Constant(index()), Copy(index()), Next(index()), Length, Rest(index())];
    let template = heapless::Vec::from_slice(&bytes[rng.below(5)..]).expect("room for five");
    match (rng.below(7), direction) {
        (0, _) => RuleAction::Drop,
        (1, _) => RuleAction::Reply(Reply::Timestamp),
        (2, _) => RuleAction::Reply(Reply::ParameterProblem),
        (3, _) => RuleAction::Reply(Reply::Template(Template(template))),
        (4, _) | (_, Direction::Transit) => RuleAction::Forward(edits),
        (_, Direction::ToSelf) => RuleAction::Deliver(edits),
    }
}

/// Makes another class of it, that there may not be.
pub fn invent(class: &mut ClassKey, rng: &mut impl Draw) {
    match rng.below(7) {
        0 => class.reason = *rng.pick(Anomaly::ALL),
        1 => class.port = PortId(rng.byte()),
        2 => class.posture = *rng.pick(&Posture::ALL),
        3 => class.direction = *rng.pick(&[Direction::ToSelf, Direction::Transit]),
        4 => {
            class.fields.pop();
        }
        5 => {
            let more = FieldValue { field: *rng.pick(Field::ALL), value: rng.word() };
            // There may be four already.
            let _ = class.fields.push(more);
        }
        _ => {
            let any = rng.word();
            let value = *rng.pick(&[0, 1, 255, any]);
            class.fields.iter_mut().for_each(|field| field.value = value);
        }
    }
}
