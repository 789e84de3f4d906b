//! Tests of the decoder: what it reads, what it refuses and how it names the fault, and that no text
//! makes it panic.

use super::*;
use DecodeError as E;

const TRIAGE: &str = r#"{"nonce":"0badcafe","reason":"vlan_priority_tag","action":"strip_tag"}"#;
const PING: &str = r#"{"nonce":"00000001","reason":"echo_request","action":"echo_reply","ttl":64,"ip_checksum":65535,"icmp_type":0,"icmp_checksum":4660}"#;

fn triage(text: &str) -> Result<Decoded, DecodeError> {
    decode(Task::Triage, text)
}

#[test]
fn good_answers_decode() {
    let answer = triage(TRIAGE).unwrap();
    assert_eq!((answer.nonce, answer.reason), (0x0bad_cafe, Anomaly::VlanPriorityTag));
    assert_eq!(answer.action, OwnedAction::Symbolic(ActionKind::StripTag));
    let delta = EchoDelta { ttl: 64, ip_checksum: 65_535, icmp_type: 0, icmp_checksum: 4660 };
    assert_eq!(decode(Task::Ping, PING).unwrap().action, OwnedAction::EchoReply(delta));
    let drop = PING.replace("echo_reply", "drop");
    assert_eq!(decode(Task::Ping, &drop).unwrap().action, OwnedAction::Symbolic(ActionKind::Drop));
    // White space and order are JSON's business, and a wrong echo is approval's.
    let spaced = "\n { \"action\" : \"drop\", \"reason\":\"tcp_flags\",\"nonce\":\"ffffffff\" }\r\n";
    assert_eq!(triage(spaced).unwrap().nonce, u32::MAX);
}

#[test]
fn each_fault_is_named() {
    let with = |from: &str, to: &str| triage(&TRIAGE.replace(from, to)).unwrap_err();
    assert_eq!(with("strip_tag", "shutdown"), E::UnknownAction("shutdown".into()));
    assert_eq!(with("strip_tag", "echo_reply"), E::UnknownAction("echo_reply".into()));
    assert_eq!(with("strip_tag", "inject"), E::UnknownAction("inject".into()));
    assert_eq!(with("vlan_priority_tag", "vlan"), E::UnknownReason("vlan".into()));
    assert_eq!(with("\"0badcafe\"", "195939070"), E::WrongType { key: NONCE, expected: "a string" });
    for nonce in ["badcafe", "0BADCAFE", "+badcafe", "0x0badca", "0badcafe0", ""] {
        assert_eq!(with("0badcafe", nonce), E::BadNonce(nonce.into()));
    }
    assert_eq!(with("\"nonce\"", "\"once\""), E::UnknownKey("once".into()));
    assert_eq!(with(",\"action\":\"strip_tag\"", ""), E::MissingKey(ACTION));
    assert_eq!(with("}", ",\"port\":1}"), E::UnknownKey("port".into()));
    assert_eq!(with("}", ",\"action\":\"drop\"}"), E::DuplicateKey("action".into()));
    assert_eq!(with("}", ",\"ttl\":64}"), E::UnknownKey("ttl".into()));
    assert_eq!(with("}", "} I hope this helps."), E::TrailingText);
    assert_eq!(with("}", "}{}"), E::TrailingText);
    assert!(matches!(with("}", ""), E::NotJson(_)));
    assert!(matches!(with("{", "Sure! {"), E::NotJson(_)));
    assert!(matches!(with("\"action\"", "action"), E::NotJson(_)));
    assert_eq!(triage(&format!("```json\n{TRIAGE}\n```")), Err(E::Fenced));
    assert_eq!(triage("[]"), Err(E::NotAnObject));
    assert_eq!(triage("\"drop\""), Err(E::NotAnObject));
    assert_eq!(triage(" \n"), Err(E::Empty));
    assert_eq!(triage(&" ".repeat(MAX_TEXT + 1)), Err(E::TooLong(MAX_TEXT + 1)));
}

#[test]
fn integers_are_checked_even_beside_drop() {
    let with = |from: &str, to: &str| decode(Task::Ping, &PING.replace(from, to)).unwrap_err();
    let range = |key, value: &str, max| E::OutOfRange { key, value: value.into(), max };
    assert_eq!(with(":64", ":256"), range("ttl", "256", 255));
    assert_eq!(with(":65535", ":65536"), range("ip_checksum", "65536", 65_535));
    assert_eq!(with(":0,", ":-1,"), range("icmp_type", "-1", 255));
    let wide = "18446744073709551615";
    assert_eq!(with(":4660", &format!(":{wide}")), range("icmp_checksum", wide, 65_535));
    let wrong = |key| E::WrongType { key, expected: "an integer" };
    assert_eq!(with(":64", ":64.0"), wrong("ttl"));
    assert_eq!(with(":64", ":\"64\""), wrong("ttl"));
    assert_eq!(with(":64", ":null"), wrong("ttl"));
    assert_eq!(with(":4660", ":[4660]"), wrong("icmp_checksum"));
    assert_eq!(with(",\"icmp_type\":0", ""), E::MissingKey("icmp_type"));
    let drop = PING.replace("echo_reply", "drop").replace(":64", ":999");
    assert_eq!(decode(Task::Ping, &drop), Err(range("ttl", "999", 255)));
}

#[test]
fn quotations_in_errors_are_bounded() {
    let long = "x\n".repeat(1000);
    let text = serde_json::json!({ "nonce": "00000000", "reason": "tcp_flags", "action": long }).to_string();
    let error = triage(&text).unwrap_err().to_string();
    assert!(error.len() < 300 && !error.contains('\n'), "{error}");
}

/// SplitMix64: good enough to wander through inputs.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

#[test]
fn no_bytes_make_it_panic() {
    let mut random = Random(1);
    for round in 0..20_000 {
        let bytes: Vec<u8> = if round % 2 == 0 {
            (0..random.below(80)).map(|_| random.next() as u8).collect()
        } else {
            // A good answer, damaged: bytes changed, removed, doubled.
            let mut bytes = if round % 4 == 1 { TRIAGE } else { PING }.as_bytes().to_vec();
            for _ in 0..=random.below(4) {
                let at = random.below(bytes.len());
                match random.below(4) {
                    0 => bytes[at] = random.next() as u8,
                    1 => drop(bytes.remove(at)),
                    2 => bytes.insert(at, b"{}[]\",:0-\\u"[random.below(11)]),
                    _ => bytes.extend_from_within(at..),
                }
            }
            bytes
        };
        let text = String::from_utf8_lossy(&bytes);
        for task in [Task::Triage, Task::Ping] {
            if let Ok(answer) = decode(task, &text) {
                let kind = match answer.action {
                    OwnedAction::Symbolic(kind) => kind,
                    OwnedAction::EchoReply(_) => ActionKind::EchoReply,
                    OwnedAction::Inject { .. } => unreachable!("no text injects"),
                };
                assert!(task.actions().contains(&kind));
            }
        }
    }
    let deep = "[".repeat(MAX_TEXT - 40);
    assert!(triage(&format!("{{\"nonce\":{deep}")).is_err());
}
