//! Tests of the client against a real HTTP server on loopback: what it sends, and each way to fail.

use super::*;
use crate::answer::OwnedAction;
use crate::backend::Examinee;
use crate::error::BackendError as B;
use crate::prompt::decode::DecodeError;
use crate::prompt::tokens::Task;
use crate::question::Said;
use crate::testing::server::{Act, Seen, Server, choose, completion, say, shown};
use crate::testing::{diverted, echo_request};
use stack::answer::{Advice, Fix, Fixes, Lifetime, Scope};
use stack::{ActionKind, Anomaly, EchoDelta};

fn request(reason: Anomaly) -> Request {
    Request { diverted: diverted(reason), frame: echo_request(b"0123456789") }
}

fn client(url: &str, key: Option<&str>) -> OpenAi {
    let mut config = OpenAiConfig::new(Url::parse(url).unwrap());
    config.model = Some("tiny".into());
    config.total_timeout = Duration::from_millis(500);
    OpenAi::with_key(config, key.map(|key| ("TEST_KEY", key.to_owned()))).unwrap()
}

fn ask(client: &OpenAi, reason: Anomaly) -> Result<BackendAnswer, BackendError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(client.answer(&request(reason)))
}

fn fails(act: impl Fn(&Seen) -> Act + Send + Sync + 'static) -> BackendError {
    let server = Server::start(act);
    ask(&client(&server.url(), Some("sk-hunter2")), Anomaly::SnapIpv4).unwrap_err()
}

fn status(error: &BackendError) -> (u16, &str) {
    match error {
        B::Http(HttpError::Status { code, message }) => (*code, message),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_good_answer_arrives_with_its_cost() {
    let server = Server::start(choose("decapsulate"));
    let answer = ask(&client(&server.url(), Some("sk-hunter2")), Anomaly::SnapIpv4).unwrap();
    assert_eq!(answer.action, OwnedAction::Symbolic(ActionKind::Decapsulate));
    assert_eq!((answer.nonce, answer.reason), (0x0bad_cafe, Anomaly::SnapIpv4));
    assert_eq!((answer.prompt_tokens, answer.answer_tokens, answer.probability), (400, 20, None));
    let [seen] = &server.seen()[..] else { panic!() };
    assert!(seen.head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{}", seen.head);
    assert!(seen.head.to_lowercase().contains("authorization: bearer sk-hunter2\r\n"));
    assert_eq!(seen.body["model"], "tiny");
    assert_eq!(seen.body["response_format"]["json_schema"]["name"], "triage");
    assert!(!seen.body.to_string().contains("0123456789"), "no payload");
}

#[test]
fn a_ping_is_answered_with_the_computed_bytes() {
    let json = r#"{"nonce":"0badcafe","reason":"echo_request","action":"echo_reply","ttl":64,"ip_checksum":1,"icmp_type":0,"icmp_checksum":2}"#;
    let server = Server::start(move |_| completion(json));
    let answer = ask(&client(&server.url(), None), Anomaly::EchoRequest).unwrap();
    let delta = EchoDelta { ttl: 64, ip_checksum: 1, icmp_type: 0, icmp_checksum: 2 };
    assert_eq!(answer.action, OwnedAction::EchoReply(delta));
    let [seen] = &server.seen()[..] else { panic!() };
    assert_eq!(seen.body["response_format"]["json_schema"]["name"], "ping");
    assert!(!seen.head.to_lowercase().contains("authorization"));
    // A frame that is no echo request is not asked about.
    let wrong = Request { frame: vec![0; 60], ..request(Anomaly::EchoRequest) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = runtime.block_on(client(&server.url(), None).answer(&wrong)).unwrap_err();
    assert!(matches!(error, B::Frame(_)));
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn a_server_without_response_format_is_asked_plainly_and_remembered() {
    let choose = choose("drop");
    let server = Server::start(move |seen| {
        if seen.body.get("response_format").is_some() {
            return Act::Reply(400, r#"{"error":{"message":"response_format is not supported"}}"#.into());
        }
        choose(seen)
    });
    let client = client(&server.url(), None);
    for _ in 0..2 {
        assert_eq!(ask(&client, Anomaly::SnapIpv4).unwrap().action, OwnedAction::Symbolic(ActionKind::Drop));
    }
    let formats: Vec<bool> =
        server.seen().iter().map(|seen| seen.body.get("response_format").is_some()).collect();
    assert_eq!(formats, [true, false, false]);
}

#[test]
fn a_server_that_refuses_both_is_asked_twice_and_its_words_are_quoted() {
    let server =
        Server::start(|_| Act::Reply(400, r#"{"error":{"message":"no such\nmodel; sk-hunter2"}}"#.into()));
    let client = client(&server.url(), Some("sk-hunter2"));
    let error = ask(&client, Anomaly::SnapIpv4).unwrap_err();
    assert_eq!(status(&error), (400, "no such\\nmodel; <key>"));
    assert_eq!(server.seen().len(), 2);
    // It was not the format, so the next request tries it again.
    assert!(ask(&client, Anomaly::SnapIpv4).is_err());
    assert!(server.seen()[2].body.get("response_format").is_some());
}

#[test]
fn statuses_and_bad_bodies_are_told_apart() {
    assert_eq!(status(&fails(|_| Act::Reply(500, "<html>oops</html>".into()))), (500, ""));
    assert_eq!(status(&fails(|_| Act::Reply(429, r#"{"error":"busy"}"#.into()))), (429, "busy"));
    let masked = r#"{"error":{"message":"Incorrect API key provided: sk-hun***er2"}}"#;
    assert_eq!(status(&fails(move |_| Act::Reply(401, masked.into()))), (401, ""));
    assert!(matches!(fails(|_| Act::Reply(200, "garbage".into())), B::Http(HttpError::Shape(_))));
    assert!(matches!(fails(|_| completion("Sure! I would drop it.")), B::Decode(DecodeError::NotJson(_))));
    assert!(matches!(fails(|_| completion("{\"nonce\":1}")), B::Decode(DecodeError::WrongType { .. })));
    for announced in [true, false] {
        let error = fails(move |_| Act::Flood { bytes: 10 << 20, announced });
        assert_eq!(error, B::Http(HttpError::TooLarge { limit: MAX_BODY }));
    }
    assert!(matches!(fails(|_| Act::Close), B::Http(HttpError::Broken(_))));
}

#[test]
fn redirects_are_not_followed() {
    let elsewhere = Server::start(choose("drop"));
    let url = format!("{}/v1/chat/completions", elsewhere.url());
    assert_eq!(status(&fails(move |_| Act::Redirect(url.clone()))).0, 307);
    assert_eq!(elsewhere.seen().len(), 0);
}

#[test]
fn hanging_and_absent_servers_end_in_time() {
    assert_eq!(fails(|_| Act::Hang), B::Http(HttpError::Timeout));
    assert_eq!(fails(|_| Act::HangInBody), B::Http(HttpError::Timeout));
    let gone = Server::start(|_| Act::Close).url();
    let error = ask(&client(&gone, Some("sk-hunter2")), Anomaly::SnapIpv4).unwrap_err();
    assert!(matches!(error, B::Http(HttpError::Connect(_))), "{error:?}");
    assert!(error.to_string().contains("refused"), "{error}");
}

#[test]
fn https_insists_on_tls() {
    let server = Server::start(choose("drop"));
    let url = server.url().replace("http:", "https:");
    let error = ask(&client(&url, None), Anomaly::SnapIpv4).unwrap_err();
    assert!(matches!(error, B::Http(HttpError::Connect(_) | HttpError::Timeout)), "{error:?}");
    assert_eq!(server.seen().len(), 0);
}

#[test]
fn the_key_is_never_shown() {
    let client = client("http://127.0.0.1:1", Some("sk-hunter2"));
    let error = ask(&client, Anomaly::SnapIpv4).unwrap_err();
    assert!(!format!("{client:?} {error:?} {error}").contains("hunter2"));
    let config = OpenAiConfig::new(Url::parse("http://127.0.0.1:1").unwrap());
    let error = OpenAi::with_key(config, Some(("TEST_KEY", "hunter2\n".into()))).unwrap_err();
    assert!(matches!(error, SetupError::Key("TEST_KEY")), "{error:?}");
}

#[test]
fn endpoints_and_loopback() {
    for (base, path) in [
        ("http://h", "/v1/chat/completions"),
        ("http://h/v1", "/v1/chat/completions"),
        ("http://h/v1/", "/v1/chat/completions"),
        ("http://h/api/openai/v1", "/api/openai/v1/chat/completions"),
    ] {
        assert_eq!(endpoint(&Url::parse(base).unwrap()).unwrap().path(), path, "{base}");
    }
    assert!(endpoint(&Url::parse("file:///x").unwrap()).is_err());
    for (url, loopback) in [
        ("http://127.9.9.9", true),
        ("http://[::1]:1", true),
        ("http://localhost", true),
        ("http://10.0.0.1", false),
    ] {
        assert_eq!(is_loopback(&Url::parse(url).unwrap()), loopback, "{url}");
    }
}

const PATIENCE: Duration = Duration::from_secs(5);

/// A question of each task on which `then` is called with an answer to it.
fn each_task(mut then: impl FnMut(Question<'_>, Said)) {
    let class = diverted(Anomaly::Ipv4Land).class;
    let advice = Advice { scope: Scope::Source, lifetime: Lifetime::Medium };
    then(Question::Triage(&class), Said::Triage(ActionKind::Drop, Some(advice)));
    let fixes = Fixes::NONE.with(Fix::StripTag);
    let repair = Question::Repair { allowed: fixes, faults: &[Anomaly::VlanPriorityTag] };
    then(repair, Said::Repair(Some(fixes)));
    then(repair, Said::Repair(None));
    let frame = echo_request(b"0123456789");
    let delta = EchoDelta { ttl: 64, ip_checksum: 0xffff, icmp_type: 0, icmp_checksum: 7 };
    then(Question::PingDelta(&frame), Said::PingDelta(Some(delta)));
    then(Question::PingDelta(&frame), Said::PingDelta(None));
    then(Question::PingFull(&frame), Said::PingFull(frame.clone()));
    let exchanges = [(vec![1, 2], vec![2, 1])];
    then(Question::Example { exchanges: &exchanges, request: &[3, 4] }, Said::Example(Some(vec![4, 3])));
}

#[test]
fn a_server_takes_the_exam() {
    let mut tasks = Vec::new();
    each_task(|question, said| {
        let server = Server::start(say(said.clone()));
        let mut examinee = Examinee::try_from(client(&server.url(), None)).unwrap();
        assert!(examinee.embedded().is_none());
        let spoken = examinee.ask(&question, PATIENCE).unwrap().unwrap();
        assert_eq!(spoken, Spoken { said, probability: None, prompt_tokens: 400, answer_tokens: 20 });
        let [seen] = &server.seen()[..] else { panic!() };
        let format = &seen.body["response_format"]["json_schema"];
        assert_eq!(format["name"], question.task().name());
        assert_eq!(&format["schema"], Form::Exam(question.task()).schema());
        assert_eq!(seen.body["messages"][0]["content"], exam::system(question.task()));
        tasks.push(question.task());
    });
    assert!(Task::ALL.iter().all(|task| tasks.contains(task)));
}

#[test]
fn an_answer_to_another_question_or_another_task_is_refused() {
    each_task(|question, said| {
        let server = Server::start(move |_| completion(&crate::testing::written(1, None, &said).to_string()));
        let mut examinee = Examinee::try_from(client(&server.url(), None)).unwrap();
        let error = examinee.ask(&question, PATIENCE).unwrap_err();
        assert!(matches!(error, B::Decode(DecodeError::WrongNonce { said: 1, .. })), "{error:?}");
        let given = shown(&server.seen()[0])["nonce"].as_str().unwrap().to_owned();
        assert!(error.to_string().contains(&given), "{error}");
    });
    let server = Server::start(say(Said::Example(None)));
    let mut examinee = Examinee::try_from(client(&server.url(), None)).unwrap();
    let frame = echo_request(b"");
    let error = examinee.ask(&Question::PingFull(&frame), PATIENCE).unwrap_err();
    assert_eq!(error, B::Decode(DecodeError::UnknownKey("reply".into())));
}

#[test]
fn what_no_prompt_can_say_is_not_sent_and_a_hanging_server_ends_in_time() {
    let server = Server::start(|_| Act::Hang);
    let client = client(&server.url(), None);
    let mut examinee = Examinee::try_from(client).unwrap();
    let long = echo_request(&[0; 57]);
    assert_eq!(examinee.ask(&Question::PingFull(&long), PATIENCE), Ok(None));
    assert_eq!(examinee.ask(&Question::Example { exchanges: &[], request: &[] }, PATIENCE), Ok(None));
    assert_eq!(server.seen().len(), 0);
    let started = std::time::Instant::now();
    let error = examinee.ask(&Question::PingDelta(&long), Duration::from_millis(50)).unwrap_err();
    assert_eq!(error, B::Http(HttpError::Timeout));
    // The client's own limit is half a second.
    assert!(started.elapsed() < Duration::from_millis(400), "{:?}", started.elapsed());
}
