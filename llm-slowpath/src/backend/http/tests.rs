//! Tests of the client against a real HTTP server on loopback: what it sends in each dialect, and what it makes of good
//! answers. Faults and tools have files of their own.

mod faults;
mod tools;

use super::*;
use crate::answer::OwnedAction;
use crate::backend::Examinee;
use crate::error::BackendError as B;
use crate::prompt::Detail;
use crate::prompt::tokens::Task;
use crate::question::Said;
use crate::testing::model::{self, choose, completion, reply, say, shown};
use crate::testing::server::{Act, Seen, Server};
use crate::testing::{diverted, echo_request};
use serde_json::json;
use stack::answer::{Advice, Fix, Fixes, Lifetime, Scope};
use stack::{ActionKind, Anomaly, EchoDelta};

const KEY: &str = "sk-hunter2";
const PATIENCE: Duration = Duration::from_secs(5);
const DROP: OwnedAction = OwnedAction::Symbolic(ActionKind::Drop);

fn request(reason: Anomaly) -> Request {
    Request { diverted: diverted(reason), frame: echo_request(b"0123456789").into() }
}

/// A second for an exchange, and no time between attempts.
fn config(dialect: Dialect, url: &str) -> HttpConfig {
    HttpConfig {
        model: Some("tiny".into()),
        total_timeout: Duration::from_secs(1),
        retry: RetryPolicy { first_wait: Duration::ZERO, ..RetryPolicy::default() },
        ..HttpConfig::new(dialect, Url::parse(url).unwrap())
    }
}

fn open(config: HttpConfig) -> HttpBackend {
    HttpBackend::with_key(config, Some(("TEST_KEY", KEY.to_owned()))).unwrap()
}

fn client(dialect: Dialect, server: &Server) -> HttpBackend {
    open(config(dialect, &server.url()))
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn ask(client: &HttpBackend, reason: Anomaly) -> Result<BackendAnswer, BackendError> {
    metered(client, reason, None).0
}

/// The answer, and what it took.
fn metered(
    client: &HttpBackend,
    reason: Anomaly,
    deadline: Option<Instant>,
) -> (Result<BackendAnswer, BackendError>, Meter) {
    let meter = Meter::default();
    (run(client.answer(&request(reason), deadline, &meter)), meter)
}

fn seats(backend: HttpBackend) -> Examinee {
    Examinee::try_from(backend).unwrap()
}

/// The form's schema, where the dialect has it at this step, and whether sampling is told.
fn asked(seen: &Seen) -> (&Value, bool) {
    let body = &seen.body;
    match seen.dialect() {
        Dialect::OpenAi => (&body["response_format"]["json_schema"]["schema"], body["temperature"] == 0),
        Dialect::Ollama => (&body["format"], body["options"]["temperature"] == 0 && body["think"] == false),
        Dialect::Anthropic => (
            &body["output_config"]["format"]["schema"],
            body["temperature"] == 0 && body["thinking"]["type"] == "disabled",
        ),
    }
}

#[test]
fn a_good_answer_arrives_with_its_cost_in_each_dialect() {
    for dialect in Dialect::ALL {
        let server = Server::start(choose("decapsulate"));
        let client = client(dialect, &server);
        let (answer, meter) = metered(&client, Anomaly::SnapIpv4, None);
        let answer = answer.unwrap();
        assert_eq!(answer.action, OwnedAction::Symbolic(ActionKind::Decapsulate));
        assert_eq!((answer.nonce, answer.reason), (0x0bad_cafe, Anomaly::SnapIpv4));
        let cached = if dialect == Dialect::Ollama { 0 } else { 300 };
        assert_eq!((answer.prompt_tokens, answer.cached_tokens, answer.answer_tokens), (400, cached, 20));
        assert_eq!((answer.probability, answer.advice), (None, None));
        let usage = meter.usage(Duration::ZERO);
        assert_eq!((usage.prompt_tokens, usage.cached_tokens, usage.answer_tokens), (400, cached, 20));
        assert_eq!((meter.retries(), meter.prompt().map(str::len)), (0, Some(32)));
        let [seen] = &server.seen()[..] else { panic!() };
        assert_eq!(seen.dialect(), dialect);
        assert_eq!((asked(seen), model::system(seen)), ((Form::Triage.schema(), true), text::system()));
        assert_eq!((&seen.body["model"], seen.body["stream"] == true), (&"tiny".into(), false));
        assert!(!seen.body.to_string().contains("0123456789"), "no payload");
        let limit = match dialect {
            Dialect::OpenAi => &seen.body["max_completion_tokens"],
            Dialect::Ollama => &seen.body["options"]["num_predict"],
            Dialect::Anthropic => &seen.body["max_tokens"],
        };
        assert_eq!(limit, 2048);
        let head = seen.head.to_lowercase();
        assert!(head.contains("content-type: application/json\r\n"), "{head}");
        match dialect {
            Dialect::OpenAi => {
                let format = &seen.body["response_format"];
                assert_eq!(
                    (&format["type"], &format["json_schema"]["name"]),
                    (&"json_schema".into(), &"triage".into())
                );
                assert_eq!(
                    (&format["json_schema"]["strict"], &seen.body["stream"]),
                    (&true.into(), &false.into())
                );
            }
            Dialect::Ollama => assert_eq!(seen.body["stream"], false),
            Dialect::Anthropic => {
                assert_eq!(seen.body["system"][0]["cache_control"]["type"], "ephemeral");
                assert_eq!(seen.body["output_config"]["format"]["type"], "json_schema");
                assert!(head.contains("anthropic-version: 2023-06-01\r\n"), "{head}");
            }
        }
        let header = match dialect {
            Dialect::OpenAi | Dialect::Ollama => "authorization: bearer sk-hunter2\r\n",
            Dialect::Anthropic => "x-api-key: sk-hunter2\r\n",
        };
        assert!(head.contains(header), "{head}");
    }
}

#[test]
fn a_ping_is_answered_with_the_computed_bytes_and_without_a_key_none_is_sent() {
    let json = r#"{"nonce":"0badcafe","reason":"echo_request","action":"echo_reply","ttl":64,"ip_checksum":1,"icmp_type":0,"icmp_checksum":2}"#;
    for dialect in Dialect::ALL {
        let server = Server::start(move |_| reply(dialect, json));
        let client = HttpBackend::with_key(config(dialect, &server.url()), None).unwrap();
        let answer = ask(&client, Anomaly::EchoRequest).unwrap();
        let delta = EchoDelta { ttl: 64, ip_checksum: 1, icmp_type: 0, icmp_checksum: 2 };
        assert_eq!(answer.action, OwnedAction::EchoReply(delta));
        let [seen] = &server.seen()[..] else { panic!() };
        assert_eq!(asked(seen).0, Form::Ping.schema());
        let head = seen.head.to_lowercase();
        assert!(!head.contains("authorization") && !head.contains("x-api-key"), "{head}");
        // A frame that is no echo request is not asked about.
        let wrong = Request { frame: vec![0; 60].into(), ..request(Anomaly::EchoRequest) };
        assert!(matches!(run(client.answer(&wrong, None, &Meter::default())), Err(B::Frame(_))));
        assert_eq!(server.seen().len(), 1);
    }
}

#[test]
fn a_server_that_refuses_a_field_is_asked_without_it_and_remembered() {
    // What each step still holds: does it tell the sampling, and name a schema?
    let told = |seen: &Seen| {
        let body = &seen.body;
        let other = match seen.dialect() {
            Dialect::OpenAi => body["response_format"]["type"] == "json_object",
            Dialect::Ollama => body["format"] == "json",
            Dialect::Anthropic => {
                body["tool_choice"]["name"] == PROPOSE && body["tools"][0]["strict"] == true
            }
        };
        match asked(seen) {
            (schema, true) if !schema.is_null() && !other => 0,
            (schema, _) if !schema.is_null() && !other => 1,
            _ if other => 2,
            _ => 3,
        }
    };
    for dialect in Dialect::ALL {
        for (code, accepted) in [(400, 1), (400, 2), (422, 3)] {
            let choose = choose("drop");
            let server = Server::start(move |seen| match told(seen) {
                step if step < accepted => {
                    Act::Reply(code, r#"{"error":{"message":"a field is not supported"}}"#.into())
                }
                2 if dialect == Dialect::Anthropic => {
                    model::calls(dialect, &[(PROPOSE, model::chosen(seen, "drop"))])
                }
                _ => choose(seen),
            });
            let client = client(dialect, &server);
            for _ in 0..2 {
                let (answer, meter) = metered(&client, Anomaly::SnapIpv4, None);
                assert_eq!((answer.unwrap().action, meter.retries()), (DROP, 0), "{dialect:?}");
            }
            let steps: Vec<_> = server.seen().iter().map(told).collect();
            let expected: Vec<_> = (0..=accepted).chain([accepted]).collect();
            assert_eq!(steps, expected, "{dialect:?}");
        }
    }
}

#[test]
fn a_server_that_refuses_every_step_is_not_remembered_as_poor() {
    for dialect in Dialect::ALL {
        let server = Server::start(|_| Act::Reply(400, r#"{"error":{"message":"no such\nmodel"}}"#.into()));
        let client = client(dialect, &server);
        for round in 1..3 {
            let error = ask(&client, Anomaly::SnapIpv4).unwrap_err();
            assert_eq!(error.to_string(), "the model server answered 400: no such\\nmodel");
            // It was none of the fields, so the next request tries them again.
            assert_eq!(server.seen().len(), 4 * round);
        }
        assert_eq!(asked(&server.seen()[4]), (Form::Triage.schema(), true));
    }
}

#[test]
fn an_anthropic_server_always_gets_a_model() {
    let server = Server::start(choose("drop"));
    ask(&open(HttpConfig { model: None, ..config(Dialect::Anthropic, &server.url()) }), Anomaly::SnapIpv4)
        .unwrap();
    assert_eq!(server.seen()[0].body["model"], "claude-haiku-4-5");
    let server = Server::start(choose("drop"));
    ask(&open(HttpConfig { model: None, ..config(Dialect::OpenAi, &server.url()) }), Anomaly::SnapIpv4)
        .unwrap();
    assert!(server.seen()[0].body.get("model").is_none());
}

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
fn a_server_takes_the_exam_in_each_dialect() {
    for dialect in Dialect::ALL {
        let mut tasks = Vec::new();
        each_task(|question, said| {
            let server = Server::start(say(said.clone()));
            let mut examinee = seats(client(dialect, &server));
            assert!(examinee.embedded().is_none());
            let spoken = examinee.ask(&question, PATIENCE).unwrap().unwrap();
            assert_eq!(spoken, Spoken { said, probability: None, prompt_tokens: 400, answer_tokens: 20 });
            let [seen] = &server.seen()[..] else { panic!() };
            assert_eq!(asked(seen).0, Form::Exam(question.task()).schema());
            assert_eq!(model::system(seen), exam::system(question.task()));
            tasks.push(question.task());
        });
        assert!(Task::ALL.iter().all(|task| tasks.contains(task)));
    }
}

#[test]
fn an_answer_to_another_question_or_another_task_is_refused() {
    each_task(|question, said| {
        let server = Server::start(move |_| completion(&crate::testing::written(1, None, &said).to_string()));
        let mut examinee = seats(client(Dialect::OpenAi, &server));
        let error = examinee.ask(&question, PATIENCE).unwrap_err();
        assert!(matches!(error, B::Decode(DecodeError::WrongNonce { said: 1, .. })), "{error:?}");
        let given = shown(&server.seen()[0])["nonce"].as_str().unwrap().to_owned();
        assert!(error.to_string().contains(&given), "{error}");
    });
    let server = Server::start(say(Said::Example(None)));
    let mut examinee = seats(client(Dialect::OpenAi, &server));
    let frame = echo_request(b"");
    let error = examinee.ask(&Question::PingFull(&frame), PATIENCE).unwrap_err();
    assert_eq!(error, B::Decode(DecodeError::UnknownKey("reply".into())));
}

#[test]
fn what_no_prompt_can_say_is_not_sent_and_a_hanging_server_ends_in_time() {
    let server = Server::start(|_| Act::Hang);
    let slow = HttpConfig { total_timeout: PATIENCE, ..config(Dialect::OpenAi, &server.url()) };
    let mut examinee = seats(open(slow));
    let long = echo_request(&[0; 57]);
    assert_eq!(examinee.ask(&Question::PingFull(&long), PATIENCE), Ok(None));
    assert_eq!(examinee.ask(&Question::Example { exchanges: &[], request: &[] }, PATIENCE), Ok(None));
    assert_eq!(server.seen().len(), 0);
    let started = Instant::now();
    let error = examinee.ask(&Question::PingDelta(&long), Duration::from_millis(50)).unwrap_err();
    assert_eq!(error, B::Http(HttpError::Timeout));
    assert!(started.elapsed() < PATIENCE / 2, "{:?}", started.elapsed());
}

#[test]
fn what_the_operator_allows_is_told() {
    let server = Server::start(choose("drop"));
    for prompt in
        [PromptOptions::default(), PromptOptions { detail: Detail::Frame, ..PromptOptions::default() }]
    {
        ask(&open(HttpConfig { prompt, ..config(Dialect::OpenAi, &server.url()) }), Anomaly::SnapIpv4)
            .unwrap();
    }
    let told: Vec<_> = server.seen().iter().map(|seen| shown(seen).get("frame").is_some()).collect();
    assert_eq!(told, [false, true]);
}
