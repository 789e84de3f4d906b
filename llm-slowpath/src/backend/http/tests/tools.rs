//! Tool calling, with a scripted model in each dialect.

use super::*;
use crate::backend::tools::{CHECKSUM, LOOKUP_FLOW};
use crate::testing::model::calls;
use stack::divert::FlowSummary;

fn with_tools(dialect: Dialect, server: &Server) -> HttpBackend {
    open(HttpConfig { style: Style::Tools, ..config(dialect, &server.url()) })
}

/// The results in a request's last messages.
fn results(seen: &Seen) -> Vec<(Value, String)> {
    let messages = seen.body["messages"].as_array().unwrap();
    let pair = |of: &Value, by: &str| (of[by].clone(), of["content"].as_str().unwrap().to_owned());
    match seen.dialect() {
        Dialect::Anthropic => {
            let blocks = messages.last().unwrap()["content"].as_array().unwrap();
            assert!(blocks.iter().all(|block| block["type"] == "tool_result"));
            blocks.iter().map(|block| pair(block, "tool_use_id")).collect()
        }
        dialect => {
            let by = if dialect == Dialect::OpenAi { "tool_call_id" } else { "tool_name" };
            messages
                .iter()
                .filter(|message| message["role"] == "tool")
                .map(|message| pair(message, by))
                .collect()
        }
    }
}

/// The tools of a request: name, parameters, strict or not.
fn offered(seen: &Seen) -> Vec<(&str, &Value, bool)> {
    let tools = seen.body["tools"].as_array().unwrap().iter();
    tools
        .map(|tool| {
            let (tool, parameters) = match seen.dialect() {
                Dialect::Anthropic => (tool, "input_schema"),
                Dialect::OpenAi | Dialect::Ollama => {
                    assert_eq!(tool["type"], "function");
                    (&tool["function"], "parameters")
                }
            };
            assert!(!tool["description"].as_str().unwrap().is_empty());
            (tool["name"].as_str().unwrap(), &tool[parameters], tool["strict"] == true)
        })
        .collect()
}

#[test]
fn a_model_computes_looks_up_and_proposes() {
    for dialect in Dialect::ALL {
        let server = Server::start(move |seen| match seen.body["messages"].as_array().unwrap().len() {
            1 | 2 => calls(
                dialect,
                &[(CHECKSUM, json!({ "hex": "0001 f203 f4f5 f6f7" })), (LOOKUP_FLOW, json!({}))],
            ),
            _ => calls(dialect, &[(PROPOSE, model::chosen(seen, "decapsulate"))]),
        });
        let client = with_tools(dialect, &server);
        let answer = ask(&client, Anomaly::SnapIpv4).unwrap();
        assert_eq!(answer.action, OwnedAction::Symbolic(ActionKind::Decapsulate));
        assert_eq!((answer.nonce, answer.reason), (0x0bad_cafe, Anomaly::SnapIpv4));
        assert_eq!((answer.prompt_tokens, answer.answer_tokens), (800, 40), "both rounds count");
        let [first, second] = &server.seen()[..] else { panic!() };
        let tools = offered(first);
        let [(CHECKSUM, ..), (LOOKUP_FLOW, ..), (PROPOSE, schema, _)] = tools[..] else {
            panic!("{tools:?}")
        };
        assert_eq!(schema, Form::Triage.schema());
        assert!(tools.iter().all(|(.., strict)| *strict == (dialect != Dialect::Ollama)));
        assert!(asked(first).0.is_null() && asked(first).1, "no format beside tools");
        assert!(model::system(first).contains("You have three tools"));
        let [computed, known] = &results(second)[..] else { panic!() };
        let names = match dialect {
            Dialect::Ollama => [CHECKSUM, LOOKUP_FLOW],
            Dialect::OpenAi | Dialect::Anthropic => ["id0", "id1"],
        };
        assert_eq!(*computed, (names[0].into(), (!0xddf2_u16).to_string()));
        assert_eq!(*known, (names[1].into(), "nothing is known".into()));
        // The calls stand before their results, as the model made them.
        let messages = second.body["messages"].as_array().unwrap();
        let said = messages.iter().find(|message| message["role"] == "assistant").unwrap();
        match dialect {
            Dialect::OpenAi => {
                let call = &said["tool_calls"][0];
                let arguments = call["function"]["arguments"].as_str().unwrap();
                assert_eq!((&call["type"], &call["id"]), (&"function".into(), &"id0".into()));
                assert!(arguments.contains("f4f5"), "{arguments}");
            }
            Dialect::Ollama => {
                assert_eq!(said["tool_calls"][0]["function"]["arguments"]["hex"], "0001 f203 f4f5 f6f7");
            }
            Dialect::Anthropic => {
                assert_eq!(
                    (&said["content"][0]["type"], &said["content"][1]["id"]),
                    (&"thinking".into(), &"id0".into())
                );
            }
        }
    }
}

#[test]
fn a_flow_that_is_known_is_told() {
    let server = Server::start(|seen| match seen.body["messages"].as_array().unwrap().len() {
        2 => calls(Dialect::OpenAi, &[(LOOKUP_FLOW, json!({})), ("shell", json!({ "run": "id" }))]),
        _ => calls(Dialect::OpenAi, &[(PROPOSE, model::chosen(seen, "drop"))]),
    });
    let mut request = request(Anomaly::SnapIpv4);
    request.diverted.flow = Some(FlowSummary {
        first_seen: smoltcp::time::Instant::ZERO,
        last_seen: smoltcp::time::Instant::from_secs(9),
        frames: 12,
        recent: [Some(Anomaly::SnapIpv4), None, None, None],
        approved: 3,
        rejected: 4,
        unanswered: 5,
    });
    run(with_tools(Dialect::OpenAi, &server).answer(&request, None, &Meter::default())).unwrap();
    let results = results(&server.seen()[1]);
    let known: Value = serde_json::from_str(&results[0].1).unwrap();
    assert_eq!((&known["frames"], &known["rejected"]), (&12.into(), &4.into()));
    assert_eq!(results[1].1, "error: there is no such tool");
}

#[test]
fn endless_calls_end() {
    for dialect in Dialect::ALL {
        let server = Server::start(move |_| calls(dialect, &[(CHECKSUM, json!({ "hex": "00" }))]));
        let client = with_tools(dialect, &server);
        assert_eq!(ask(&client, Anomaly::SnapIpv4), Err(B::Rounds(MAX_ROUNDS)));
        assert_eq!(server.seen().len(), MAX_ROUNDS as usize);
        assert_eq!(results(&server.seen()[5]).len(), if dialect == Dialect::Anthropic { 1 } else { 5 });
        for (count, bytes) in [(MAX_CALLS + 1, 1), (1, MAX_SAID / 2)] {
            let server = Server::start(move |_| {
                let call = (CHECKSUM, json!({ "hex": "00".repeat(bytes) }));
                calls(dialect, &vec![call; count])
            });
            let error = ask(&with_tools(dialect, &server), Anomaly::SnapIpv4).unwrap_err();
            assert!(matches!(error, B::Http(HttpError::Shape(_))) && server.seen().len() == 1, "{error:?}");
        }
    }
}

#[test]
fn a_proposal_is_judged_like_any_text_and_text_like_a_proposal() {
    for dialect in Dialect::ALL {
        let server = Server::start(choose("drop"));
        assert_eq!(ask(&with_tools(dialect, &server), Anomaly::SnapIpv4).unwrap().action, DROP);
        let server = Server::start(move |_| calls(dialect, &[(PROPOSE, json!({ "action": "sk-hunter2" }))]));
        let error = ask(&with_tools(dialect, &server), Anomaly::SnapIpv4).unwrap_err();
        assert!(matches!(error, B::Decode(_)) && !format!("{error:?}").contains("hunter2"), "{error:?}");
        let server = Server::start(move |_| reply(dialect, "I would rather not"));
        let error = ask(&with_tools(dialect, &server), Anomaly::SnapIpv4).unwrap_err();
        assert!(matches!(error, B::Decode(DecodeError::NotJson(_))), "{error:?}");
    }
}

#[test]
fn a_server_that_refuses_strict_tools_gets_plain_ones() {
    for dialect in [Dialect::OpenAi, Dialect::Anthropic] {
        let choose = choose("drop");
        let server = Server::start(move |seen| match offered(seen).iter().any(|(.., strict)| *strict) {
            true => Act::Reply(400, String::new()),
            false => choose(seen),
        });
        let client = with_tools(dialect, &server);
        for _ in 0..2 {
            ask(&client, Anomaly::SnapIpv4).unwrap();
        }
        assert_eq!(server.seen().len(), 4);
    }
}

#[test]
fn a_server_takes_the_exam_with_tools() {
    for dialect in Dialect::ALL {
        let frame = echo_request(b"0123456789");
        let said = Said::PingFull(frame.clone());
        let scripted = said.clone();
        let server = Server::start(move |seen| match seen.body["messages"].as_array().unwrap().len() {
            1 | 2 => calls(dialect, &[(LOOKUP_FLOW, json!({}))]),
            _ => {
                let nonce = u32::from_str_radix(shown(seen)["nonce"].as_str().unwrap(), 16).unwrap();
                calls(dialect, &[(PROPOSE, crate::testing::written(nonce, None, &scripted))])
            }
        });
        let spoken = seats(with_tools(dialect, &server)).ask(&Question::PingFull(&frame), PATIENCE);
        assert_eq!(spoken.unwrap().unwrap().said, said);
        assert_eq!(offered(&server.seen()[0])[2].1, Form::Exam(Task::PingFull).schema());
    }
}
