//! The ways to fail, the same for every dialect: each ends in a named error, in time, and none of them names the key.

use super::*;
use crate::error::SlowPathError;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a dialect's server says, and what comes of it.
type Fault = (&'static str, fn(Dialect) -> Act, fn(&HttpError) -> bool);

/// A good reply with one field changed.
fn with(dialect: Dialect, change: fn(Dialect, &mut Value)) -> Act {
    let mut body = model::body(dialect, "{}");
    change(dialect, &mut body);
    Act::Reply(200, body.to_string())
}

fn error_body(dialect: Dialect, message: &str) -> String {
    match dialect {
        Dialect::OpenAi => json!({ "error": { "message": message, "type": "x" } }),
        Dialect::Ollama => json!({ "error": message }),
        Dialect::Anthropic => json!({ "type": "error", "error": { "type": "x", "message": message } }),
    }
    .to_string()
}

const FAULTS: &[Fault] = &[
    ("refusal", |dialect| with(dialect, refuse), |error| matches!(error, HttpError::Refusal(_))),
    ("cut off", |dialect| with(dialect, cut_off), |error| *error == HttpError::CutOff),
    (
        "200 with an error",
        |dialect| Act::Reply(200, error_body(dialect, "model\nfailed; sk-hunter2")),
        |error| *error == HttpError::Reported("model\\nfailed; <key>".into()),
    ),
    (
        "truncated JSON",
        |dialect| {
            let body = model::body(dialect, "{}").to_string();
            Act::Reply(200, body[..body.len() / 2].into())
        },
        |error| matches!(error, HttpError::Shape(_)),
    ),
    ("no JSON", |_| Act::Reply(200, "sk-hunter2".into()), |error| matches!(error, HttpError::Shape(_))),
    (
        "a value of another type",
        |_| {
            Act::Reply(200, r#"{"usage":"sk-hunter2","content":1,"choices":"sk-hunter2","message":7}"#.into())
        },
        |error| matches!(error, HttpError::Shape(_)),
    ),
    ("an empty object", |_| Act::Reply(200, "{}".into()), |error| matches!(error, HttpError::Shape(_))),
    (
        "a call without tools",
        |dialect| model::calls(dialect, &[("checksum", json!({ "hex": "" }))]),
        |error| matches!(error, HttpError::Shape(what) if what.contains("given none")),
    ),
    (
        "less than announced",
        |dialect| Act::Truncated(model::body(dialect, "{}").to_string()),
        |error| matches!(error, HttpError::Broken(_)),
    ),
    (
        "10 MB, announced",
        |_| Act::Flood { bytes: 10 << 20, announced: true },
        |error| *error == HttpError::TooLarge { limit: MAX_BODY },
    ),
    (
        "10 MB",
        |_| Act::Flood { bytes: 10 << 20, announced: false },
        |error| *error == HttpError::TooLarge { limit: MAX_BODY },
    ),
    ("hang", |_| Act::Hang, |error| *error == HttpError::Timeout),
    ("hang in the body", |_| Act::HangInBody, |error| *error == HttpError::Timeout),
    (
        // Each byte comes soon; all of them take seconds.
        "trickle",
        |dialect| Act::Trickle(model::body(dialect, "{}").to_string(), Duration::from_millis(40)),
        |error| *error == HttpError::Timeout,
    ),
    ("close", |_| Act::Close, |error| matches!(error, HttpError::Broken(_))),
    ("reset", |_| Act::Reset, |error| matches!(error, HttpError::Broken(what) if what.contains("reset"))),
    ("500", |_| Act::Reply(500, "<html>oops</html>".into()), |error| status(error) == (500, "")),
    ("529", |dialect| Act::Reply(529, error_body(dialect, "busy")), |error| status(error) == (529, "busy")),
    (
        "404",
        |dialect| Act::Reply(404, error_body(dialect, "no\nmodel; sk-hunter2")),
        |error| status(error) == (404, "no\\nmodel; <key>"),
    ),
    (
        "401",
        |dialect| Act::Reply(401, error_body(dialect, "Incorrect API key provided: sk-hun***er2")),
        |error| status(error) == (401, ""),
    ),
];

fn refuse(dialect: Dialect, body: &mut Value) {
    match dialect {
        Dialect::OpenAi => body["choices"][0]["message"]["refusal"] = "I cannot; sk-hunter2".into(),
        // It knows no refusal: the model says it in words.
        Dialect::Ollama => *body = json!({ "error": "content filter" }),
        Dialect::Anthropic => {
            body["stop_reason"] = "refusal".into();
            body["stop_details"] = json!({ "category": "cyber; sk-hunter2" });
        }
    }
}

fn cut_off(dialect: Dialect, body: &mut Value) {
    match dialect {
        Dialect::OpenAi => body["choices"][0]["finish_reason"] = "length".into(),
        Dialect::Ollama => body["done_reason"] = "length".into(),
        Dialect::Anthropic => body["stop_reason"] = "max_tokens".into(),
    }
}

fn status(error: &HttpError) -> (u16, &str) {
    match error {
        HttpError::Status { code, message } => (*code, message),
        _ => (0, ""),
    }
}

/// Asks a server that does `act`, and returns the error, the requests that it saw and the retries that were counted.
fn fails(dialect: Dialect, act: impl Fn(&Seen) -> Act + Send + Sync + 'static) -> (B, usize, u32) {
    let server = Server::start(act);
    let client = client(dialect, &server);
    let started = Instant::now();
    let (error, meter) = metered(&client, Anomaly::SnapIpv4, None);
    let error = error.unwrap_err();
    assert!(started.elapsed() < PATIENCE, "{error}: {:?}", started.elapsed());
    let wrapped = SlowPathError::from(error.clone());
    for shown in [format!("{client:?}"), format!("{wrapped:?}"), wrapped.to_string()] {
        assert!(!shown.contains("hunter2") && !shown.contains('\n'), "{shown}");
    }
    (error, server.seen().len(), meter.retries())
}

#[test]
fn every_fault_has_a_name_in_each_dialect() {
    std::thread::scope(|scope| {
        for dialect in Dialect::ALL {
            scope.spawn(move || {
                for &(what, act, expected) in FAULTS {
                    // Ollama has no field for it.
                    if (dialect, what) == (Dialect::Ollama, "refusal") {
                        continue;
                    }
                    let (error, seen, retries) = fails(dialect, move |_| act(dialect));
                    let B::Http(error) = error else { panic!("{dialect:?}, {what}: {error:?}") };
                    assert!(expected(&error), "{dialect:?}, {what}: {error:?}");
                    let again = ["less than announced", "close", "reset", "500", "529"].contains(&what);
                    assert_eq!((seen, retries), if again { (3, 2) } else { (1, 0) }, "{dialect:?}, {what}");
                }
            });
        }
    });
}

#[test]
fn the_category_of_a_refusal_is_told() {
    let (error, ..) = fails(Dialect::Anthropic, |_| with(Dialect::Anthropic, refuse));
    assert_eq!(error.to_string(), "the model refused to answer: cyber; <key>");
    let filtered = |_: &Seen| {
        with(Dialect::OpenAi, |_, body| body["choices"][0]["finish_reason"] = "content_filter".into())
    };
    let (error, ..) = fails(Dialect::OpenAi, filtered);
    assert_eq!(error, B::Http(HttpError::Refusal("content_filter".into())));
    let full = |_: &Seen| {
        with(Dialect::Anthropic, |_, body| body["stop_reason"] = "model_context_window_exceeded".into())
    };
    assert_eq!(fails(Dialect::Anthropic, full).0, B::Http(HttpError::CutOff));
}

#[test]
fn what_is_no_answer_costs_tokens_and_repeats_no_key() {
    for dialect in Dialect::ALL {
        for text in
            ["Sure! I would drop it.", "", "{\"nonce\":1}", "{\"sk-hunter2\":1}", r#"{"\u0073k-hunter2":1}"#]
        {
            let (error, seen, _) = fails(dialect, move |_| reply(dialect, text));
            assert!(matches!(error, B::Decode(_)), "{error:?}");
            assert_eq!(seen, 1);
        }
        let server = Server::start(move |_| with(dialect, cut_off));
        let client = client(dialect, &server);
        let (error, meter) = metered(&client, Anomaly::SnapIpv4, None);
        error.unwrap_err();
        let usage = meter.usage(Duration::ZERO);
        assert_eq!((usage.prompt_tokens, usage.answer_tokens), (400, 20));
    }
}

#[test]
fn a_prompt_that_is_too_long_is_sent_once() {
    let said = "the request exceeds the available context size, try increasing it";
    for dialect in Dialect::ALL {
        let body = format!(r#"{{"error":{{"message":"{said}"}}}}"#);
        let (error, seen, retries) = fails(dialect, move |_| Act::Reply(400, body.clone()));
        let B::Http(error) = &error else { panic!("{error:?}") };
        assert_eq!((status(error), seen, retries), ((400, said), 1, 0));
    }
}

#[test]
fn redirects_are_not_followed() {
    for dialect in Dialect::ALL {
        let elsewhere = Server::start(choose("drop"));
        let url = elsewhere.url();
        let (error, ..) = fails(dialect, move |_| Act::Redirect(url.clone()));
        assert!(matches!(error, B::Http(HttpError::Status { code: 307, .. })), "{error:?}");
        assert_eq!(elsewhere.seen().len(), 0);
    }
}

#[test]
fn absent_servers_are_tried_again_and_the_key_is_never_shown() {
    let gone = Server::start(|_| Act::Close).url();
    for dialect in Dialect::ALL {
        let client = open(config(dialect, &gone));
        let (error, meter) = metered(&client, Anomaly::SnapIpv4, None);
        let error = error.unwrap_err();
        assert!(matches!(error, B::Http(HttpError::Connect(_))), "{error:?}");
        assert!(error.to_string().contains("refused"), "{error}");
        assert_eq!(meter.retries(), 2);
        assert!(!format!("{client:?} {error:?} {error}").contains("hunter2"));
        let wrong = HttpBackend::with_key(config(dialect, &gone), Some(("TEST_KEY", "hunter2\n".into())));
        let error = wrong.unwrap_err();
        assert!(matches!(error, SetupError::Key("TEST_KEY")), "{error:?}");
    }
}

#[test]
fn https_insists_on_tls() {
    let server = Server::start(choose("drop"));
    let url = server.url().replace("http:", "https:");
    let error = ask(&open(config(Dialect::OpenAi, &url)), Anomaly::SnapIpv4).unwrap_err();
    assert!(matches!(error, B::Http(HttpError::Connect(_) | HttpError::Timeout)), "{error:?}");
    assert_eq!(server.seen().len(), 0);
}

/// Fails with `first` once, then answers.
fn once(first: fn() -> Act) -> Server {
    let (turn, choose) = (AtomicUsize::new(0), choose("drop"));
    Server::start(move |seen| if turn.fetch_add(1, Ordering::SeqCst) == 0 { first() } else { choose(seen) })
}

#[test]
fn a_busy_server_is_asked_again_when_it_says() {
    for dialect in Dialect::ALL {
        let server =
            once(|| Act::ReplyWith(429, "Retry-After-Ms: 120\r\nRetry-After: 30\r\n", String::new()));
        let client = client(dialect, &server);
        let started = Instant::now();
        let deadline = Some(started + PATIENCE);
        let (answer, meter) = metered(&client, Anomaly::SnapIpv4, deadline);
        assert_eq!((answer.unwrap().action, meter.retries(), server.seen().len()), (DROP, 1, 2));
        assert!(
            (Duration::from_millis(120)..PATIENCE).contains(&started.elapsed()),
            "{:?}",
            started.elapsed()
        );
    }
    for first in [|| Act::Reply(529, String::new()), || Act::Reset, || Act::Reply(500, String::new())] {
        let server = once(first);
        assert_eq!(ask(&client(Dialect::OpenAi, &server), Anomaly::SnapIpv4).unwrap().action, DROP);
    }
}

#[test]
fn a_wait_that_does_not_fit_is_not_begun() {
    for dialect in Dialect::ALL {
        let server = once(|| Act::ReplyWith(429, "Retry-After: 30\r\n", r#"{"error":"busy"}"#.into()));
        let client = client(dialect, &server);
        let started = Instant::now();
        let deadline = Some(started + Duration::from_secs(20));
        let (error, meter) = metered(&client, Anomaly::SnapIpv4, deadline);
        assert_eq!(error.unwrap_err(), B::Http(HttpError::Status { code: 429, message: "busy".into() }));
        assert_eq!((meter.retries(), server.seen().len()), (0, 1));
        assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
        // So does the exam, whose deadline is its patience.
        let server = once(|| Act::ReplyWith(429, "Retry-After: 30\r\n", String::new()));
        let class = diverted(Anomaly::Ipv4Land).class;
        let error = seats(super::client(dialect, &server)).ask(&Question::Triage(&class), PATIENCE * 2);
        assert!(matches!(error, Err(B::Http(HttpError::Status { code: 429, .. }))), "{error:?}");
    }
}
