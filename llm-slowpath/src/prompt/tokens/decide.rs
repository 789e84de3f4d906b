//! Triage and repair: short prompts of words, short answers of words.

use super::vocabulary::{
    self as v, EOS, HEALTHY, NO, NOT_IP, SEP, YES, action, action_of, fix, fix_of, lifetime, lifetime_of,
    scope, scope_of,
};
use super::{AnswerTokens, Prompt, Task};
use stack::answer::{Advice, Fixes, Lifetime, Scope};
use stack::divert::{Field, FieldValue};
use stack::{ActionKind, Anomaly, ClassKey};
use std::ops::Range;

/// Most faults of one frame that a repair prompt tells.
pub const MAX_FAULTS: usize = 4;

/// The class prompt: exactly what the class key holds, without the port, which no decision consults.
pub fn triage_prompt(key: &ClassKey) -> Prompt {
    let mut prompt = Prompt::new(Task::Triage);
    prompt.extend([v::posture(key.posture), v::direction(key.direction), v::reason(key.reason)]);
    for &consulted in &key.fields {
        prompt.push(v::field(consulted.field));
        value(&mut prompt, consulted);
    }
    prompt.push(SEP);
    prompt
}

/// A field's value: words where it is a choice, hex digits where it is a number.
fn value(prompt: &mut Prompt, FieldValue { field, value }: FieldValue) {
    let mut digits = |shifts: &[u16]| prompt.extend(shifts.iter().map(|shift| value >> shift & 15));
    match field {
        Field::EtherType | Field::IcmpLength => digits(&[12, 8, 4, 0]),
        Field::IcmpType | Field::IcmpCode => digits(&[4, 0]),
        Field::Priority => digits(&[0]),
        Field::LinkDestination => prompt.push(v::link(value)),
        Field::ErrorForbidden => prompt.push(if value == 0 { NO } else { YES }),
        Field::Options if value & 0x3f == 0 => prompt.push(NO),
        Field::Options => prompt.extend((0..6).filter(|bit| value >> bit & 1 == 1).map(v::option)),
        Field::Inner => prompt.push(match value {
            0 => HEALTHY,
            code => u8::try_from(code - 1).ok().and_then(Anomaly::from_code).map_or(NOT_IP, v::reason),
        }),
    }
}

/// The tokens of a triage answer.
pub fn triage_answer(kind: ActionKind, advice: Advice) -> AnswerTokens {
    [action(kind), scope(advice.scope), lifetime(advice.lifetime), EOS].into_iter().collect()
}

/// What the tokens of a triage answer say.
pub fn triage_of(answer: &[u16]) -> Option<(ActionKind, Advice)> {
    let &[kind, scope, lifetime, EOS] = answer else { return None };
    Some((action_of(kind)?, Advice { scope: scope_of(scope)?, lifetime: lifetime_of(lifetime)? }))
}

pub(super) fn triage_choices(answer: &[u16], offer: &mut impl FnMut(Range<u16>)) {
    match answer.len() {
        // Kinds that are named without further ado have the first codes; the others compute something.
        0 => offer(action(ActionKind::Drop)..action(ActionKind::ParameterProblem) + 1),
        1 => offer(scope(Scope::Frame)..scope(Scope::Class) + 1),
        2 => offer(lifetime(Lifetime::Once)..lifetime(Lifetime::Long) + 1),
        _ => {}
    }
}

/// The repair prompt: what the operator allows, then the frame's faults from the outermost inwards, each as the
/// classifier names it once those before it have been put right. Faults beyond [`MAX_FAULTS`] are left out.
pub fn repair_prompt(allowed: Fixes, faults: &[Anomaly]) -> Prompt {
    let mut prompt = Prompt::new(Task::Repair);
    prompt.extend(allowed.iter().map(fix));
    prompt.push(NO);
    prompt.extend(faults.iter().take(MAX_FAULTS).map(|&fault| v::reason(fault)));
    prompt.push(SEP);
    prompt
}

/// The tokens of a repair answer: the fixes in order of code, or `drop`.
pub fn repair_answer(fixes: Option<Fixes>) -> AnswerTokens {
    let mut answer = AnswerTokens::new();
    match fixes {
        Some(fixes) => answer.extend(fixes.iter().take(MAX_FAULTS).map(fix)),
        None => answer.extend([action(ActionKind::Drop)]),
    }
    let _ = answer.push(EOS);
    answer
}

/// What the tokens of a repair answer say: `None` is `drop`.
pub fn repair_of(answer: &[u16]) -> Option<Fixes> {
    let (EOS, fixes) = answer.split_last().map(|(&last, rest)| (last, rest))? else { return None };
    fixes.iter().map(|&token| fix_of(token)).collect::<Option<Fixes>>()
}

pub(super) fn repair_choices(answer: &[u16], offer: &mut impl FnMut(Range<u16>)) {
    let first = fix(stack::answer::Fix::ALL[0]);
    let end = first + stack::answer::Fix::COUNT as u16;
    match answer.last() {
        None => {
            offer(action(ActionKind::Drop)..action(ActionKind::Drop) + 1);
            offer(first..end);
        }
        // In order of code, each once.
        Some(&last) if (first..end).contains(&last) && answer.len() < MAX_FAULTS => {
            offer(EOS..EOS + 1);
            offer(last + 1..end);
        }
        Some(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::{assert_legal, legal};
    use super::*;
    use stack::answer::Fix;
    use stack::{Direction, PortId, Posture};

    #[test]
    fn answers_round_trip_and_are_legal() {
        for &scope in Scope::ALL {
            for &lifetime in Lifetime::ALL {
                let advice = Advice { scope, lifetime };
                let answer = triage_answer(ActionKind::StripTag, advice);
                assert_eq!(triage_of(&answer), Some((ActionKind::StripTag, advice)));
                assert_legal(Task::Triage, &answer);
            }
        }
        assert!(!legal(Task::Triage, &[], action(ActionKind::EchoReply)));
        for bits in 1..1 << Fix::COUNT {
            let fixes = Fixes::from_bits(bits);
            if fixes.iter().count() <= MAX_FAULTS {
                let answer = repair_answer(Some(fixes));
                assert_eq!(repair_of(&answer), Some(fixes));
                assert_legal(Task::Repair, &answer);
            }
        }
        assert_eq!(repair_of(&repair_answer(None)), None);
        assert_legal(Task::Repair, &repair_answer(None));
    }

    #[test]
    fn options_are_told_one_by_one_and_no_two_masks_alike() {
        let prompt = |mask| {
            let mut fields = heapless::Vec::new();
            fields.push(FieldValue { field: Field::Options, value: mask }).unwrap();
            triage_prompt(&ClassKey {
                reason: Anomaly::Ipv4OptionTransit,
                port: PortId(0),
                direction: Direction::Transit,
                posture: Posture::Open,
                fields,
            })
        };
        let all: std::collections::BTreeSet<Vec<u16>> =
            (0..64).map(|mask| prompt(mask).tokens().to_vec()).collect();
        assert_eq!(all.len(), 64);
    }
}
