//! Chat completions, as OpenAI defined them and llama.cpp, vLLM and others copied them.

use super::super::tools::Done;
use super::{
    Ask, Call, Content, Reply, Step, Style, Tokens, arguments, content, functions, message_of, messages,
};
use crate::error::HttpError;
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) fn body(ask: &Ask<'_>) -> Value {
    let mut body = json!({ "messages": messages(ask), "stream": false });
    if let Some(model) = ask.model {
        body["model"] = model.into();
    }
    if matches!(ask.step, Step::Full | Step::Other) {
        body["temperature"] = 0.into();
    }
    match ask.step {
        Step::Full | Step::Unsampled => body["max_completion_tokens"] = ask.max_tokens.into(),
        // Its older name.
        Step::Other => body["max_tokens"] = ask.max_tokens.into(),
        Step::Plain => {}
    }
    let schema = ask.form.schema();
    match (ask.style, ask.step) {
        (Style::Tools, step) => body["tools"] = functions(ask.form, step != Step::Plain),
        (Style::Structured, Step::Full | Step::Unsampled) => {
            let named = json!({ "name": ask.form.name(), "strict": true, "schema": schema });
            body["response_format"] = json!({ "type": "json_schema", "json_schema": named });
        }
        // Builds of llama.cpp before the json_schema of above.
        (Style::Structured, Step::Other) => {
            body["response_format"] = json!({ "type": "json_object", "schema": schema });
        }
        (Style::Structured, Step::Plain) => {}
    }
    body
}

/// The response's body, as far as it is read.
#[derive(Debug, Deserialize)]
pub(super) struct Completion {
    error: Option<Value>,
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Usage>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    message: Message,
    finish_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Message {
    content: Option<String>,
    refusal: Option<String>,
    tool_calls: Option<Vec<ToolCall>>,
}

#[derive(Debug, Deserialize)]
struct ToolCall {
    id: Option<String>,
    function: Function,
}

#[derive(Debug, Deserialize)]
struct Function {
    name: String,
    #[serde(default)]
    arguments: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Usage {
    prompt_tokens: u32,
    completion_tokens: u32,
    prompt_tokens_details: Option<Details>,
}

#[derive(Debug, Default, Deserialize)]
struct Details {
    cached_tokens: Option<u32>,
}

pub(super) fn read(body: Completion) -> Result<Reply, HttpError> {
    if let Some(error) = body.error.filter(|error| !error.is_null()) {
        return Err(HttpError::Reported(message_of(&error)));
    }
    let choice = body.choices.into_iter().next().ok_or_else(|| HttpError::Shape("no choices".into()))?;
    let usage = body.usage.unwrap_or_default();
    let tokens = Tokens {
        read: usage.prompt_tokens,
        cached: usage.prompt_tokens_details.and_then(|details| details.cached_tokens).unwrap_or(0),
        written: usage.completion_tokens,
    };
    Ok(Reply { said: said(choice), tokens })
}

fn said(Choice { message, finish_reason }: Choice) -> Result<Content, HttpError> {
    // What a refusal says is the model's text to its user, and no category.
    let refused = message.refusal.is_some_and(|refusal| !refusal.is_empty());
    match finish_reason.as_deref() {
        _ if refused => return Err(HttpError::Refusal(String::new())),
        Some(reason @ "content_filter") => return Err(HttpError::Refusal(reason.into())),
        Some("length") => return Err(HttpError::CutOff),
        _ => {}
    }
    let calls = message.tool_calls.unwrap_or_default().into_iter().enumerate();
    let calls = calls.map(|(at, call)| Call {
        id: call.id.unwrap_or_else(|| format!("call_{at}")),
        name: call.function.name,
        arguments: arguments(call.function.arguments),
    });
    content(calls.collect(), message.content, |calls| {
        let calls = calls.iter().map(|call| {
            let function = json!({ "name": call.name, "arguments": call.arguments });
            json!({ "id": call.id, "type": "function", "function": function })
        });
        json!({ "role": "assistant", "content": null, "tool_calls": calls.collect::<Vec<_>>() })
    })
}

pub(super) fn results(said: Value, done: &[(Call, Done)]) -> Vec<Value> {
    let result = |(call, done): &(Call, Done)| json!({ "role": "tool", "tool_call_id": call.id, "content": done.text });
    [said].into_iter().chain(done.iter().map(result)).collect()
}
