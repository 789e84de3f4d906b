//! Ollama's own chat, whose `format` is a JSON schema.

use super::super::tools::Done;
use super::{
    Ask, Call, Content, Reply, Step, Style, Tokens, arguments, content, functions, message_of, messages,
};
use crate::error::HttpError;
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) fn body(ask: &Ask<'_>) -> Value {
    let mut body = json!({
        "model": ask.model,
        "messages": messages(ask),
        "stream": false,
        "options": { "temperature": 0, "num_predict": ask.max_tokens },
    });
    if ask.step == Step::Full {
        body["think"] = false.into();
    }
    match (ask.style, ask.step) {
        (Style::Tools, _) => body["tools"] = functions(ask.form, false),
        (Style::Structured, Step::Full | Step::Unsampled) => body["format"] = ask.form.schema().clone(),
        // Versions before 0.5 know no schema.
        (Style::Structured, Step::Other) => body["format"] = "json".into(),
        (Style::Structured, Step::Plain) => {}
    }
    body
}

/// The response's body, as far as it is read.
#[derive(Debug, Deserialize)]
pub(super) struct Chat {
    error: Option<Value>,
    message: Option<Message>,
    done_reason: Option<String>,
    #[serde(default)]
    prompt_eval_count: u32,
    #[serde(default)]
    eval_count: u32,
}

#[derive(Debug, Deserialize)]
struct Message {
    content: Option<String>,
    tool_calls: Option<Vec<ToolCall>>,
}

#[derive(Debug, Deserialize)]
struct ToolCall {
    function: Function,
}

#[derive(Debug, Deserialize)]
struct Function {
    name: String,
    #[serde(default)]
    arguments: Value,
}

pub(super) fn read(body: Chat) -> Result<Reply, HttpError> {
    if let Some(error) = body.error.filter(|error| !error.is_null()) {
        return Err(HttpError::Reported(message_of(&error)));
    }
    let message = body.message.ok_or_else(|| HttpError::Shape("no message".into()))?;
    let tokens = Tokens { read: body.prompt_eval_count, cached: 0, written: body.eval_count };
    let cut_off = body.done_reason.as_deref() == Some("length");
    Ok(Reply { said: if cut_off { Err(HttpError::CutOff) } else { said(message) }, tokens })
}

fn said(message: Message) -> Result<Content, HttpError> {
    let calls = message.tool_calls.unwrap_or_default().into_iter().map(|call| Call {
        // A result is matched by the tool's name.
        id: String::new(),
        name: call.function.name,
        arguments: arguments(call.function.arguments),
    });
    content(calls.collect(), message.content, |calls| {
        let calls = calls.iter().map(|call| {
            // What is no JSON was an error to the tool; Ollama takes nothing but objects back.
            let arguments = serde_json::from_str(&call.arguments).ok().filter(Value::is_object);
            json!({ "function": { "name": call.name, "arguments": arguments.unwrap_or_else(|| json!({})) } })
        });
        json!({ "role": "assistant", "content": "", "tool_calls": calls.collect::<Vec<_>>() })
    })
}

pub(super) fn results(said: Value, done: &[(Call, Done)]) -> Vec<Value> {
    let result =
        |(call, done): &(Call, Done)| json!({ "role": "tool", "tool_name": call.name, "content": done.text });
    [said].into_iter().chain(done.iter().map(result)).collect()
}
