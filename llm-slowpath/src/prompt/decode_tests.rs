//! Tests of the decoder: what it reads, what it refuses and how it names the fault, and that no text
//! makes it panic.

use super::*;
use crate::testing::written;
use DecodeError as E;

const TRIAGE: &str = r#"{"nonce":"0badcafe","reason":"vlan_priority_tag","action":"strip_tag"}"#;
const PING: &str = r#"{"nonce":"00000001","reason":"echo_request","action":"echo_reply","ttl":64,"ip_checksum":65535,"icmp_type":0,"icmp_checksum":4660}"#;

fn triage(text: &str) -> Result<Decoded, DecodeError> {
    decode(Form::Triage, text)
}

#[test]
fn good_answers_decode() {
    let answer = triage(TRIAGE).unwrap();
    assert_eq!((answer.nonce, answer.reason), (0x0bad_cafe, Some(Anomaly::VlanPriorityTag)));
    assert_eq!(answer.said, Said::Triage(ActionKind::StripTag, None));
    let delta = EchoDelta { ttl: 64, ip_checksum: 65_535, icmp_type: 0, icmp_checksum: 4660 };
    assert_eq!(decode(Form::Ping, PING).unwrap().said, Said::PingDelta(Some(delta)));
    let drop = PING.replace("echo_reply", "drop");
    assert_eq!(decode(Form::Ping, &drop).unwrap().said, Said::PingDelta(None));
    // White space and order are JSON's business, and a wrong echo is approval's.
    let spaced = "\n { \"action\" : \"drop\", \"reason\":\"tcp_flags\",\"nonce\":\"ffffffff\" }\r\n";
    assert_eq!(triage(spaced).unwrap().nonce, u32::MAX);
}

#[test]
fn each_fault_is_named() {
    let with = |from: &str, to: &str| triage(&TRIAGE.replace(from, to)).unwrap_err();
    for action in ["shutdown", "echo_reply", "inject"] {
        let expected = "one of the actions offered";
        assert_eq!(with("strip_tag", action), E::UnknownName { key: ACTION, value: action.into(), expected });
    }
    let expected = "the reason you were given";
    assert_eq!(
        with("vlan_priority_tag", "vlan"),
        E::UnknownName { key: REASON, value: "vlan".into(), expected }
    );
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
    let with = |from: &str, to: &str| decode(Form::Ping, &PING.replace(from, to)).unwrap_err();
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
    assert_eq!(decode(Form::Ping, &drop), Err(range("ttl", "999", 255)));
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

/// Any answer to a form.
fn any_answer(form: Form, random: &mut Random) -> Decoded {
    let reason = match form {
        Form::Triage | Form::Ping => Some(Anomaly::ALL[random.below(Anomaly::COUNT)]),
        Form::Exam(_) => None,
    };
    let mut bytes =
        |most: usize| (0..random.below(most + 1)).map(|_| random.next() as u8).collect::<Vec<_>>();
    let said = match form {
        Form::Exam(Task::PingFull) => Said::PingFull(bytes(MAX_FRAME)),
        Form::Exam(Task::Example) => Said::Example(Some(bytes(MAX_MESSAGE))),
        Form::Exam(Task::Repair) => {
            let fixes = Fixes::from_bits(random.next() as u16);
            Said::Repair((random.below(4) > 0).then_some(fixes))
        }
        Form::Triage | Form::Exam(Task::Triage) => {
            let kind = form.actions()[random.below(form.actions().len())];
            let (scope, lifetime) = (Scope::ALL[random.below(4)], Lifetime::ALL[random.below(4)]);
            Said::Triage(kind, (form != Form::Triage).then_some(Advice { scope, lifetime }))
        }
        Form::Ping | Form::Exam(Task::PingDelta) => {
            let mut word = || random.next() as u16;
            let (ttl, icmp_type) = (word() as u8, word() as u8);
            let delta = EchoDelta { ttl, ip_checksum: word(), icmp_type, icmp_checksum: word() };
            Said::PingDelta((random.below(4) > 0).then_some(delta))
        }
    };
    Decoded { nonce: random.next() as u32, reason, said }
}

fn text_of(answer: &Decoded) -> String {
    written(answer.nonce, answer.reason, &answer.said).to_string()
}

#[test]
fn every_answer_that_is_written_down_reads_as_itself() {
    let mut random = Random(2);
    for form in Form::ALL {
        for _ in 0..500 {
            let answer = any_answer(form, &mut random);
            let text = text_of(&answer);
            assert_eq!(decode(form, &text).as_ref(), Ok(&answer), "{text}");
            // No other form takes it for its own.
            for other in Form::ALL.into_iter().filter(|&other| other != form) {
                assert!(decode(other, &text).is_err(), "{other:?}: {text}");
            }
            assert!(2 * text.len() < MAX_TEXT, "{}", text.len());
        }
    }
}

#[test]
fn every_missing_key_and_every_wrong_type_is_named() {
    use serde_json::{Value, json};
    let mut random = Random(3);
    for form in Form::ALL {
        let answer: Value = serde_json::from_str(&text_of(&any_answer(form, &mut random))).unwrap();
        for &(key, _) in form.keys() {
            let mut without = answer.clone();
            without.as_object_mut().unwrap().remove(key);
            assert_eq!(decode(form, &without.to_string()), Err(E::MissingKey(key)), "{form:?}");
            for value in [json!(null), json!({}), json!([7]), json!(true)] {
                let mut wrong = answer.clone();
                wrong[key] = value;
                let error = decode(form, &wrong.to_string()).unwrap_err();
                assert!(
                    matches!(error, E::WrongType { key: named, .. } if named == key),
                    "{form:?}: {error}"
                );
                assert!(error.to_string().contains(key), "{error}");
            }
        }
    }
}

#[test]
fn the_exams_faults_are_named() {
    let with = |task, text: &str| decode(Form::Exam(task), &format!(r#"{{"nonce":"00000001",{text}}}"#));
    let repair = |text: &str| with(Task::Repair, text).unwrap_err();
    let named = |key, value: &str, expected| E::UnknownName { key, value: value.into(), expected };
    assert_eq!(
        repair(r#""action":"forward","fixes":[]"#),
        named(ACTION, "forward", "\"repair\" or \"drop\"")
    );
    assert_eq!(
        repair(r#""action":"repair","fixes":["checksum"]"#),
        named(FIXES, "checksum", "a list of the names of the fixes; with drop it is []")
    );
    assert_eq!(
        repair(r#""action":"repair","fixes":["strip_tag","strip_tag"]"#),
        E::DuplicateName { key: FIXES, value: "strip_tag" }
    );
    assert_eq!(repair(r#""action":"drop","fixes":["strip_tag"]"#), E::FixesOfADrop);
    let text = r#""action":"drop","scope":"world","lifetime":"long""#;
    assert_eq!(with(Task::Triage, text), Err(named(SCOPE, "world", "one of the scopes")));
    let text = r#""action":"drop","scope":"class","lifetime":"forever""#;
    assert_eq!(with(Task::Triage, text), Err(named(LIFETIME, "forever", "one of the lifetimes")));
    let reply = |text: &str| with(Task::Example, &format!(r#""reply":"{text}""#));
    assert_eq!(reply("0a FF").unwrap().said, Said::Example(Some(vec![10, 255])));
    assert_eq!(reply("0aff").unwrap().said, Said::Example(Some(vec![10, 255])));
    assert_eq!(reply("").unwrap().said, Said::Example(Some(vec![])));
    for bad in ["0", "0a f", "0a  ff", " 0a", "0a ", "0x0a", "+a", "zz", "0a,ff", "üü", "aéb"] {
        assert_eq!(reply(bad), Err(E::BadHex { key: REPLY, value: bad.into() }));
    }
    assert_eq!(reply(&"00".repeat(9)), Err(E::TooManyBytes { key: REPLY, len: 9, max: MAX_MESSAGE }));
    let frame = format!(r#""frame":"{}""#, "00 ".repeat(MAX_FRAME) + "00");
    assert_eq!(
        with(Task::PingFull, &frame),
        Err(E::TooManyBytes { key: FRAME, len: MAX_FRAME + 1, max: MAX_FRAME })
    );
}

#[test]
fn no_bytes_make_it_panic() {
    let mut random = Random(1);
    for round in 0..30_000 {
        let form = Form::ALL[round % Form::ALL.len()];
        let bytes: Vec<u8> = if round % 3 == 0 {
            (0..random.below(80)).map(|_| random.next() as u8).collect()
        } else {
            // A good answer, damaged: bytes changed, removed, doubled.
            let mut bytes = text_of(&any_answer(form, &mut random)).into_bytes();
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
        for form in Form::ALL {
            match decode(form, &text) {
                // Whatever is read is an answer to the form, and writes itself down again.
                Ok(answer) => assert_eq!(decode(form, &text_of(&answer)), Ok(answer)),
                Err(error) => assert!(error.to_string().len() < 1000, "{error}"),
            }
        }
    }
    let deep = "[".repeat(MAX_TEXT - 40);
    assert!(triage(&format!("{{\"nonce\":{deep}")).is_err());
}
