//! What model servers reply, in each dialect, and what they were asked.

use super::server::{Act, Seen};
use super::written;
use crate::backend::Dialect;
use crate::question::Said;
use serde_json::{Value, json};

/// A reply whose text is `content`: 400 tokens read, 20 written.
pub(crate) fn reply(dialect: Dialect, content: &str) -> Act {
    Act::Reply(200, body(dialect, content).to_string())
}

/// [`reply`]'s body.
pub(crate) fn body(dialect: Dialect, content: &str) -> Value {
    match dialect {
        Dialect::OpenAi => json!({
            "id": "x",
            "choices": [{
                "index": 0,
                "message": { "role": "assistant", "content": content, "refusal": null },
                "finish_reason": "stop",
            }],
            "usage": { "prompt_tokens": 400, "completion_tokens": 20, "total_tokens": 420,
                "prompt_tokens_details": { "cached_tokens": 300 } },
        }),
        Dialect::Ollama => json!({
            "model": "tiny",
            "message": { "role": "assistant", "content": content },
            "done": true,
            "done_reason": "stop",
            "prompt_eval_count": 400,
            "eval_count": 20,
        }),
        Dialect::Anthropic => json!({
            "type": "message",
            "role": "assistant",
            "content": [{ "type": "text", "text": content }],
            "stop_reason": "end_turn",
            "usage": { "input_tokens": 40, "output_tokens": 20, "cache_creation_input_tokens": 60,
                "cache_read_input_tokens": 300 },
        }),
    }
}

/// A reply that calls these tools with these arguments.
pub(crate) fn calls(dialect: Dialect, calls: &[(&str, Value)]) -> Act {
    let mut body = body(dialect, "");
    match dialect {
        Dialect::OpenAi => {
            let calls = calls.iter().enumerate().map(|(at, (name, arguments))| {
                let function = json!({ "name": name, "arguments": arguments.to_string() });
                json!({ "id": format!("id{at}"), "type": "function", "function": function })
            });
            body["choices"][0]["message"] =
                json!({ "role": "assistant", "content": null, "tool_calls": calls.collect::<Vec<_>>() });
            body["choices"][0]["finish_reason"] = "tool_calls".into();
        }
        Dialect::Ollama => {
            let calls = calls
                .iter()
                .map(|(name, arguments)| json!({ "function": { "name": name, "arguments": arguments } }));
            body["message"]["tool_calls"] = calls.collect();
        }
        Dialect::Anthropic => {
            let calls = calls.iter().enumerate().map(|(at, (name, arguments))| {
                json!({ "type": "tool_use", "id": format!("id{at}"), "name": name, "input": arguments })
            });
            let thought = json!({ "type": "thinking", "thinking": "hm", "signature": "s" });
            body["content"] = [thought].into_iter().chain(calls).collect();
            body["stop_reason"] = "tool_use".into();
        }
    }
    Act::Reply(200, body.to_string())
}

/// A chat completion of OpenAI's dialect whose message is `content`.
pub(crate) fn completion(content: &str) -> Act {
    reply(Dialect::OpenAi, content)
}

/// What a model says that echoes what it should and chooses `action`.
pub(crate) fn chosen(seen: &Seen, action: &str) -> Value {
    let frame = shown(seen);
    json!({ "nonce": frame["nonce"], "reason": frame["reason"], "action": action })
}

/// The answer of a model that echoes what it should and chooses `action`.
pub(crate) fn choose(action: &str) -> impl Fn(&Seen) -> Act + Send + Sync + 'static {
    let action = action.to_owned();
    move |seen| reply(seen.dialect(), &chosen(seen, &action).to_string())
}

/// The answer of a model that echoes the nonce of the exam's question and says this.
pub(crate) fn say(said: Said) -> impl Fn(&Seen) -> Act + Send + Sync + 'static {
    move |seen| {
        let nonce = u32::from_str_radix(shown(seen)["nonce"].as_str().unwrap(), 16).unwrap();
        reply(seen.dialect(), &written(nonce, None, &said).to_string())
    }
}

/// What the prompt shows between its boundaries.
pub(crate) fn shown(seen: &Seen) -> Value {
    let messages = seen.body["messages"].as_array().unwrap();
    let user = messages.iter().find(|message| message["role"] == "user").unwrap();
    serde_json::from_str(user["content"].as_str().unwrap().lines().nth(1).unwrap()).unwrap()
}

/// The constant part of the prompt.
pub(crate) fn system(seen: &Seen) -> &str {
    match seen.dialect() {
        Dialect::OpenAi | Dialect::Ollama => &seen.body["messages"][0]["content"],
        Dialect::Anthropic => &seen.body["system"][0]["text"],
    }
    .as_str()
    .unwrap()
}
