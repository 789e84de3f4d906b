//! The words: what each token stands for, and how it is shown to people.

use stack::answer::{Fix, Lifetime, Scope};
use stack::divert::Field;
use stack::{ActionKind, Anomaly, Direction, Posture};

/// Number of tokens. A model may know fewer: those from 0 on.
pub const VOCABULARY: usize = 544;

// Hex digits are 0 to 15.

/// Starts every prompt.
pub const BOS: u16 = 16;
/// Ends every prompt.
pub const SEP: u16 = 17;
/// Ends every answer.
pub const EOS: u16 = 18;
/// Fills up what training pads; never occurs in a prompt or an answer.
pub const PAD: u16 = 19;
/// [`super::Task::Triage`].
pub const TRIAGE: u16 = 20;
/// [`super::Task::PingDelta`].
pub const PING_DELTA: u16 = 21;
/// Deterministic code found the checksum right.
pub const CHECKSUM_OK: u16 = 22;
/// Deterministic code found the checksum wrong.
pub const CHECKSUM_BAD: u16 = 23;
const DIRECTION: u16 = 24;
const POSTURE: u16 = 26;
/// [`super::Task::PingFull`].
pub const PING_FULL: u16 = 29;
/// [`super::Task::Repair`].
pub const REPAIR: u16 = 30;
/// [`super::Task::Example`].
pub const EXAMPLE: u16 = 31;
const FIELD: u16 = 32;
/// One for each bit of [`Field::Options`].
const OPTION: u16 = 48;
/// Values of [`Field::LinkDestination`].
const LINK: u16 = 54;
/// What a wrapping holds is healthy.
pub const HEALTHY: u16 = 57;
/// What a wrapping holds is not IP.
pub const NOT_IP: u16 = 58;
/// A fact that holds.
pub const YES: u16 = 59;
/// A fact that does not hold, or none of several.
pub const NO: u16 = 60;
/// Ends a message inside a prompt.
pub const END: u16 = 61;
/// Starts a request of an example.
pub const REQUEST: u16 = 62;
/// Starts a reply of an example.
pub const REPLY: u16 = 63;
const ACTION: u16 = 64;
const SCOPE: u16 = 80;
const LIFETIME: u16 = 84;
const FIX: u16 = 88;
const REASON: u16 = 128;
/// A byte.
pub const BYTE: u16 = 256;
/// A byte of a reply is a constant.
pub const CONSTANT: u16 = 512;
/// A byte of a reply is its length.
pub const LENGTH: u16 = 513;
/// A byte of a reply is the request's byte with this number.
pub const COPY: u16 = 514;
/// The same, plus one.
pub const NEXT: u16 = 522;
/// The reply goes on with the request from this number on.
pub const REST: u16 = 530;
/// How many numbers [`COPY`], [`NEXT`] and [`REST`] have.
pub const INDICES: u16 = 8;

/// The token of a direction.
pub const fn direction(direction: Direction) -> u16 {
    DIRECTION
        + match direction {
            Direction::ToSelf => 0,
            Direction::Transit => 1,
        }
}

/// The token of a posture.
pub const fn posture(posture: Posture) -> u16 {
    POSTURE
        + match posture {
            Posture::Strict => 0,
            Posture::Balanced => 1,
            Posture::Open => 2,
        }
}

/// The token of a field's name.
pub const fn field(field: Field) -> u16 {
    FIELD + field as u16
}

/// The token of bit `bit` of [`Field::Options`].
pub const fn option(bit: u16) -> u16 {
    OPTION + bit
}

/// The token of a value of [`Field::LinkDestination`].
pub const fn link(value: u16) -> u16 {
    LINK + if value > 2 { 2 } else { value }
}

/// The token of an action.
pub const fn action(kind: ActionKind) -> u16 {
    ACTION + kind as u16
}

/// The token of a scope.
pub const fn scope(scope: Scope) -> u16 {
    SCOPE + scope as u16
}

/// The token of a lifetime.
pub const fn lifetime(lifetime: Lifetime) -> u16 {
    LIFETIME + lifetime as u16
}

/// The token of a power, and of its use.
pub const fn fix(fix: Fix) -> u16 {
    FIX + fix as u16
}

/// The token of a reason.
pub const fn reason(reason: Anomaly) -> u16 {
    REASON + reason.code() as u16
}

/// The token of a byte.
pub const fn byte(byte: u8) -> u16 {
    BYTE + byte as u16
}

/// The action that a token names.
pub fn action_of(token: u16) -> Option<ActionKind> {
    ActionKind::from_code(code(token, ACTION)?)
}

/// The scope that a token names.
pub fn scope_of(token: u16) -> Option<Scope> {
    Scope::from_code(code(token, SCOPE)?)
}

/// The lifetime that a token names.
pub fn lifetime_of(token: u16) -> Option<Lifetime> {
    Lifetime::from_code(code(token, LIFETIME)?)
}

/// The fix that a token names.
pub fn fix_of(token: u16) -> Option<Fix> {
    Fix::from_code(code(token, FIX)?)
}

/// The byte that a token is.
pub fn byte_of(token: u16) -> Option<u8> {
    code(token, BYTE)
}

fn code(token: u16, first: u16) -> Option<u8> {
    token.checked_sub(first).and_then(|code| u8::try_from(code).ok())
}

/// How a token is shown to people: hex digits as themselves, bytes with a prefix, words in angle brackets.
pub fn name(token: u16) -> String {
    const OPTIONS: [&str; 6] =
        ["record_route", "timestamp", "stream_id", "router_alert", "probe", "other_option"];
    const LINKS: [&str; 3] = ["to_router", "broadcast", "multicast"];
    let word = match token {
        0..BOS => return format!("{token:x}"),
        BYTE..CONSTANT => return format!("x{:02x}", token - BYTE),
        BOS => "begin",
        SEP => "answer",
        EOS => "end",
        PAD => "pad",
        TRIAGE => "triage",
        PING_DELTA => "ping_delta",
        CHECKSUM_OK => "checksum_ok",
        CHECKSUM_BAD => "checksum_bad",
        DIRECTION => Direction::ToSelf.name(),
        25 => Direction::Transit.name(),
        POSTURE..PING_FULL => Posture::ALL[usize::from(token - POSTURE)].name(),
        PING_FULL => "ping_full",
        REPAIR => "repair",
        EXAMPLE => "by_example",
        FIELD..OPTION => Field::ALL.get(usize::from(token - FIELD)).map_or("unused", |f| f.name()),
        OPTION..LINK => OPTIONS[usize::from(token - OPTION)],
        LINK..HEALTHY => LINKS[usize::from(token - LINK)],
        HEALTHY => "healthy",
        NOT_IP => "not_ip",
        YES => "yes",
        NO => "no",
        END => "message_end",
        REQUEST => "request",
        REPLY => "reply",
        ACTION..SCOPE => action_of(token).map_or("unused", |kind| kind.name()),
        SCOPE..LIFETIME => scope_of(token).map_or("unused", |scope| scope.name()),
        LIFETIME..FIX => lifetime_of(token).map_or("unused", |lifetime| lifetime.name()),
        FIX..REASON => match fix_of(token) {
            Some(fix) => return format!("<fix_{fix}>"),
            None => "unused",
        },
        REASON..BYTE => {
            code(token, REASON).and_then(Anomaly::from_code).map_or("unused", |reason| reason.name())
        }
        CONSTANT => "constant",
        LENGTH => "length",
        COPY..NEXT => return format!("<copy_{}>", token - COPY),
        NEXT..REST => return format!("<next_{}>", token - NEXT),
        REST..538 => return format!("<rest_{}>", token - REST),
        _ => "unused",
    };
    format!("<{word}>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_do_not_overlap_and_every_used_one_has_a_name() {
        let mut used = std::collections::BTreeSet::new();
        let mut add = |token: u16| {
            assert!(used.insert(token), "{token} is used twice");
            assert_ne!(name(token), "<unused>", "{token}");
            assert!(usize::from(token) < VOCABULARY);
        };
        (0..=CHECKSUM_BAD).for_each(&mut add);
        [PING_FULL, REPAIR, EXAMPLE].into_iter().for_each(&mut add);
        (0..6).for_each(|bit| add(option(bit)));
        (0..3).for_each(|value| add(link(value)));
        (HEALTHY..=REPLY).for_each(&mut add);
        [Direction::ToSelf, Direction::Transit].into_iter().for_each(|d| add(direction(d)));
        Posture::ALL.into_iter().for_each(|p| add(posture(p)));
        Field::ALL.iter().for_each(|&f| add(field(f)));
        ActionKind::ALL.iter().for_each(|&a| add(action(a)));
        Scope::ALL.iter().for_each(|&s| add(scope(s)));
        Lifetime::ALL.iter().for_each(|&l| add(lifetime(l)));
        Fix::ALL.iter().for_each(|&f| add(fix(f)));
        Anomaly::ALL.iter().for_each(|&a| add(reason(a)));
        (0..=255).for_each(|b| add(byte(b)));
        [CONSTANT, LENGTH].into_iter().for_each(&mut add);
        [COPY, NEXT, REST].into_iter().for_each(|first| (0..INDICES).for_each(|index| add(first + index)));
    }

    #[test]
    fn names_are_unique_among_what_is_used() {
        let names: Vec<String> = (0..VOCABULARY as u16).map(name).filter(|name| name != "<unused>").collect();
        let unique: std::collections::BTreeSet<&String> = names.iter().collect();
        // Two options bear the names of message types: those are words of other places.
        assert_eq!(unique.len(), names.len(), "{names:?}");
    }
}
