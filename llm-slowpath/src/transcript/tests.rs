//! Tests of transcripts: what is written is read again, nothing secret is in it, and damage is named.

use super::*;
use crate::backend::{LocalBackend as _, Request};
use crate::error::BackendError;
use crate::prompt::canonical::Canonical;
use crate::prompt::{Detail, PromptOptions, Pseudonyms, text};
use crate::testing::{diverted, echo_request};
use crate::{BackendAnswer, OwnedAction, OwnedAnswer, Reply};
use stack::{ActionKind, Anomaly, Witness};
use std::fs;

/// A file of its own for each test, gone at its end.
struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("softrouter-transcript-{}-{name}", std::process::id()));
        let _ = fs::remove_file(&path);
        Self(path)
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.0).unwrap()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

const CLASS: PromptOptions = PromptOptions {
    detail: Detail::Class,
    payload: 0,
    real_addresses: false,
    pseudonyms: Pseudonyms::new(3),
};

fn request(reason: Anomaly, nonce: u32, frame: &[u8]) -> Request {
    let mut about = diverted(reason);
    (about.nonce, about.boundary) = (nonce, nonce ^ 0x5555_5555);
    Request { diverted: about, frame: frame.into() }
}

fn answer(request: &Request, action: ActionKind) -> String {
    let reason = request.diverted.reason();
    format!(r#"{{"nonce":"{:08x}","reason":"{reason}","action":"{action}"}}"#, request.diverted.nonce)
}

fn record(recorder: &Recorder, request: &Request, options: &PromptOptions, said: &str) {
    let Request { diverted, frame } = request;
    let user = text::frame_part(diverted, frame, options).unwrap();
    let exchange = Exchange {
        prompt: &Canonical::of(text::system(), &user, diverted.nonce, diverted.boundary),
        is_class_prompt: text::is_class_prompt(diverted.reason(), options),
        nonce: diverted.nonce,
        boundary: diverted.boundary,
        model: "m",
        style: "structured",
        text: said,
        tokens: (600, 30),
    };
    recorder.record(&exchange).unwrap();
}

#[test]
fn what_is_recorded_is_replayed_with_the_nonce_of_the_day() {
    let file = Temporary::new("round");
    let asked = request(Anomaly::Ipv4OptionTransit, 0x0bad_cafe, &[1; 60]);
    // In two runs, of which the second appends.
    for action in [ActionKind::Drop, ActionKind::ClearOptions] {
        let recorder = Recorder::open(&file.0).unwrap();
        record(&recorder, &asked, &CLASS, &answer(&asked, action));
    }
    assert_eq!(file.text().lines().count(), 3);
    let mut replay = Replay::open(&file.0, CLASS).unwrap();
    // Round robin, and to another frame of the class.
    for action in [ActionKind::Drop, ActionKind::ClearOptions, ActionKind::Drop] {
        let again = request(Anomaly::Ipv4OptionTransit, 0x1234_5678, &[2; 99]);
        let BackendAnswer { nonce, action: said, prompt_tokens, answer_tokens, .. } =
            replay.answer(&again).unwrap();
        assert_eq!((nonce, said), (0x1234_5678, OwnedAction::Symbolic(action)));
        assert_eq!((prompt_tokens, answer_tokens), (600, 30));
    }
    let other = request(Anomaly::SnapIpv4, 1, &[2; 99]);
    let error = replay.answer(&other).unwrap_err();
    assert!(matches!(&error, BackendError::NotRecorded { .. }));
    assert!(error.to_string().contains("record"), "{error}");
}

#[test]
fn wrong_answers_replay_as_wrong_answers() {
    let file = Temporary::new("wrong");
    let recorder = Recorder::open(&file.0).unwrap();
    let asked = request(Anomaly::SnapIpv4, 0x0bad_cafe, &[]);
    let right = answer(&asked, ActionKind::Drop);
    for said in [right.replace("0badcafe", "0BADCAFE"), right.replace("0badcafe", "{nonce}"), "Sure!".into()]
    {
        record(&recorder, &asked, &CLASS, &said);
    }
    record(&recorder, &asked, &CLASS, &right.replace("0badcafe", "00000001"));
    let mut replay = Replay::open(&file.0, CLASS).unwrap();
    for _ in 0..3 {
        assert!(matches!(replay.answer(&asked), Err(BackendError::Decode(_))));
    }
    assert_eq!(replay.answer(&asked).unwrap().nonce, 1);
}

#[test]
fn a_transcript_holds_no_secret() {
    let file = Temporary::new("secret");
    let recorder = Recorder::open(&file.0).unwrap();
    let frame = echo_request(b"payload");
    let class = request(Anomaly::Ipv4Land, 0x0bad_cafe, &frame);
    let said = answer(&class, ActionKind::Drop) + " boundary 5ef89fab";
    record(&recorder, &class, &CLASS, &said);
    let options = PromptOptions { detail: Detail::Frame, real_addresses: true, payload: 64, ..CLASS };
    record(&recorder, &class, &options, &answer(&class, ActionKind::Drop));
    record(&recorder, &request(Anomaly::EchoRequest, 7, &frame), &CLASS, "{}");
    let text = file.text();
    for secret in ["0badcafe", "5ef89fab", "10.0.1", "7061", "4500", "ip_header_hex"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines[1]["user"].as_str().unwrap().contains("ipv4_land"));
    assert!(lines[2].get("user").is_none() && lines[3].get("user").is_none());
}

#[test]
fn threads_write_whole_lines() {
    let file = Temporary::new("threads");
    let recorder = Recorder::open(&file.0).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let recorder = &recorder;
            scope.spawn(move || {
                for at in 0..50 {
                    let asked = request(Anomaly::ALL[thread], at, &[]);
                    record(recorder, &asked, &CLASS, &answer(&asked, ActionKind::Drop));
                }
            });
        }
    });
    Replay::open(&file.0, CLASS).unwrap();
    assert_eq!(file.text().lines().count(), 1 + 200);
}

#[test]
fn damage_is_named_with_its_line_and_a_remedy() {
    let file = Temporary::new("damage");
    let recorder = Recorder::open(&file.0).unwrap();
    let asked = request(Anomaly::SnapIpv4, 1, &[]);
    record(&recorder, &asked, &CLASS, &answer(&asked, ActionKind::Drop));
    let good = file.text();
    for (text, line, hint) in [
        (String::new(), 1, "empty"),
        ("hello\n".into(), 1, "no transcript's header"),
        ("{\"softrouter_transcript\":2}\n".into(), 1, "version 2"),
        (good.replacen("\"style\"", "\"stile\"", 1), 2, "damaged"),
        (format!("{good}{{\n"), 3, "damaged"),
        (good[..good.len() - 9].into(), 2, "cut short"),
        (format!("{good}{}\n", "x".repeat(MAX_LINE)), 3, "longer"),
    ] {
        fs::write(&file.0, &text).unwrap();
        let error = Replay::open(&file.0, CLASS).unwrap_err().to_string();
        let place = format!("{}:{line}: ", file.0.display());
        assert!(error.contains(&place) && error.contains(hint) && error.contains("remedy: "), "{error}");
        // Nor is anything appended to it, unless it is empty and can become one, or is whole but for its end.
        assert_eq!(Recorder::open(&file.0).is_ok(), text.is_empty() || hint == "cut short");
    }
    let error = Replay::open(Path::new("/nonexistent/t.jsonl"), CLASS).unwrap_err().to_string();
    assert!(error.contains("/nonexistent/t.jsonl") && error.contains("remedy"), "{error}");
    // Every cut of a good file is read, up to a cut line's beginning, or named.
    for cut in 0..good.len() {
        let part = &good.as_bytes()[..cut];
        fs::write(&file.0, part).unwrap();
        let whole = part.ends_with(b"\n");
        assert_eq!(Replay::open(&file.0, CLASS).is_ok(), whole, "{cut}");
    }
}

#[test]
fn what_a_server_answered_is_answered_again_without_it() {
    use crate::backend::{BackendSpec, Setup};
    use crate::service::{Service, ServiceConfig};
    use crate::testing::model::choose;
    use crate::testing::server::Server;
    use std::sync::Arc;
    use std::time::Duration;

    let file = Temporary::new("service");
    let ask = |spec: &str, setup: &Setup| {
        let backend = spec.parse::<BackendSpec>().unwrap().open(setup).unwrap();
        let mut service = Service::start(backend, ServiceConfig::default()).unwrap();
        let about = request(Anomaly::SnapIpv4, 0x1122_3344, &[0; 60]).diverted;
        service.submit(about, &[0; 60], Duration::from_secs(20)).unwrap();
        loop {
            if let Some(reply) = service.try_recv() {
                return reply;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    let server = Server::start(choose("decapsulate"));
    let recorder = Arc::new(Recorder::open(&file.0).unwrap());
    let setup = Setup { prompt: CLASS, recorder: Some(recorder), ..Setup::default() };
    let asked = ask(&format!("openai:{}", server.url()), &setup);
    let hash = asked.prompt.clone().unwrap();
    assert!(file.text().contains(&hash) && !file.text().contains("11223344"));
    drop(server);
    let again =
        ask(&format!("transcript:{}", file.0.display()), &Setup { prompt: CLASS, ..Setup::default() });
    assert_eq!((again.prompt_tokens, again.answer_tokens), (400, 20));
    // Who said it is told by the prompt that was sent, and here none was.
    let said = |reply: Reply| OwnedAnswer { witness: Witness::default(), ..reply.answer.unwrap() };
    assert_eq!(said(again), said(asked));
}
