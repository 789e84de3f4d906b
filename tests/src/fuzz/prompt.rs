//! Prompts about any bytes, for any reason, whatever the operator lets them hold: one line of JSON between its boundaries,
//! within its tokens; a class prompt tells nothing of the frame.

use super::Input;
use llm_slowpath::prompt::canonical::Canonical;
use llm_slowpath::prompt::text::{self, MAX_TOKENS};
use llm_slowpath::prompt::{Detail, PromptOptions, Pseudonyms, tokens_at_most};
use smoltcp::time::Instant;
use stack::{Anomaly, ClassKey, Direction, DivertId, Diverted, Mode, PortId, Posture};

/// Bytes before the frame: reason, choices, bytes of payload that may be shown.
const HEAD: usize = 3;

/// An input about this reason, with these choices.
pub(super) fn input(reason: Anomaly, choices: u8, frame: &[u8]) -> Vec<u8> {
    [&[reason.code(), choices, 64][..], frame].concat()
}

pub(super) fn run(data: &[u8]) {
    let mut rest = Input(data);
    let head = rest.take(HEAD);
    let byte = |at: usize| head.get(at).copied().unwrap_or(0);
    let reason = Anomaly::from_code(byte(0)).unwrap_or(Anomaly::ALL[usize::from(byte(0)) % Anomaly::COUNT]);
    let frame = rest.0;
    let choice = |bit: u8| byte(1) >> bit & 1 == 1;
    let options = PromptOptions {
        detail: if choice(0) { Detail::Frame } else { Detail::Class },
        payload: byte(2).into(),
        real_addresses: choice(1),
        pseudonyms: Pseudonyms::new(byte(1).into()),
    };
    let diverted = Diverted {
        id: DivertId { slot: 1, generation: 2 },
        nonce: 0x0bad_cafe,
        boundary: 0x5eed_b0da,
        class: ClassKey {
            reason,
            port: PortId(0),
            direction: if choice(2) { Direction::ToSelf } else { Direction::Transit },
            posture: Posture::ALL[usize::from(byte(1) >> 4) % Posture::ALL.len()],
            fields: heapless::Vec::new(),
        },
        mode: Mode::Enforce,
        received_at: Instant::ZERO,
        deadline: Instant::from_millis(50),
        len: frame.len(),
        flow: None,
    };
    let Ok(user) = text::frame_part(&diverted, frame, &options) else {
        assert_eq!(reason, Anomaly::EchoRequest, "every other reason has a prompt");
        return;
    };
    assert!(tokens_at_most(&user) <= MAX_TOKENS, "{user}");
    let lines: Vec<&str> = user.lines().collect();
    assert_eq!(lines.len(), 4, "{user}");
    assert_eq!((lines[0], lines[2]), ("<frame-5eedb0da>", "</frame-5eedb0da>"));
    let object: serde_json::Value = serde_json::from_str(lines[1]).expect("one line of JSON");
    assert_eq!((&object["nonce"], &object["reason"]), (&"0badcafe".into(), &reason.name().into()));
    let canonical = Canonical::of(text::system(), &user, diverted.nonce, diverted.boundary);
    assert!(!canonical.user.contains("0badcafe\"") && canonical.hash.len() == 32);
    if text::is_class_prompt(reason, &options) {
        let other =
            text::frame_part(&diverted, &[0; 60], &options).expect("a class prompt looks at no frame");
        assert_eq!(user, other);
    }
}
