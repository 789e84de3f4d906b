//! Anthropic's messages. The constant part of the prompt is marked for the server's prompt cache.

use super::super::tools::{Done, PROPOSE, description};
use super::{Ask, Call, Content, Reply, Step, Style, Tokens, content, message_of, schemas};
use crate::error::HttpError;
use serde::Deserialize;
use serde_json::{Value, json};

/// The API knows no request without a model.
const DEFAULT_MODEL: &str = "claude-haiku-4-5";

pub(super) fn body(ask: &Ask<'_>) -> Value {
    let mut messages = vec![json!({ "role": "user", "content": ask.parts.user })];
    messages.extend_from_slice(ask.later);
    let system = json!({
        "type": "text",
        "text": ask.parts.system,
        "cache_control": { "type": "ephemeral" },
    });
    let mut body = json!({
        "model": ask.model.unwrap_or(DEFAULT_MODEL),
        "max_tokens": ask.max_tokens,
        "system": [system],
        "messages": messages,
    });
    if ask.step == Step::Full {
        body["temperature"] = 0.into();
        body["thinking"] = json!({ "type": "disabled" });
    }
    let tool = |name: &str, schema: &Value, strict: bool| {
        let mut tool = json!({ "name": name, "description": description(name), "input_schema": schema });
        if strict {
            tool["strict"] = true.into();
        }
        tool
    };
    let schema = ask.form.schema();
    match (ask.style, ask.step) {
        (Style::Tools, step) => {
            let tools = schemas(ask.form).map(|(name, schema)| tool(name, &schema, step != Step::Plain));
            body["tools"] = tools.into_iter().collect();
        }
        (Style::Structured, Step::Full | Step::Unsampled) => {
            body["output_config"] = json!({ "format": { "type": "json_schema", "schema": schema } });
        }
        (Style::Structured, Step::Other) => {
            body["tools"] = json!([tool(PROPOSE, schema, true)]);
            body["tool_choice"] = json!({ "type": "tool", "name": PROPOSE });
        }
        (Style::Structured, Step::Plain) => {}
    }
    body
}

/// The response's body, as far as it is read.
#[derive(Debug, Deserialize)]
pub(super) struct Message {
    error: Option<Value>,
    content: Option<Vec<Value>>,
    stop_reason: Option<String>,
    stop_details: Option<Value>,
    usage: Option<Usage>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Usage {
    input_tokens: u32,
    output_tokens: u32,
    cache_creation_input_tokens: Option<u32>,
    cache_read_input_tokens: Option<u32>,
}

/// A content block that is not skipped; thinking and others are.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block {
    Text {
        text: String,
    },
    ToolUse {
        id: String,
        name: String,
        input: Value,
    },
    #[serde(other)]
    Skipped,
}

pub(super) fn read(body: Message) -> Result<Reply, HttpError> {
    if let Some(error) = body.error.as_ref().filter(|error| !error.is_null()) {
        return Err(HttpError::Reported(message_of(error)));
    }
    let usage = body.usage.as_ref();
    let count = |of: fn(&Usage) -> u32| usage.map_or(0, of);
    let cached = count(|usage| usage.cache_read_input_tokens.unwrap_or(0));
    let created = count(|usage| usage.cache_creation_input_tokens.unwrap_or(0));
    let tokens = Tokens {
        read: count(|usage| usage.input_tokens).saturating_add(created).saturating_add(cached),
        cached,
        written: count(|usage| usage.output_tokens),
    };
    Ok(Reply { said: said(body), tokens })
}

fn said(body: Message) -> Result<Content, HttpError> {
    match body.stop_reason.as_deref() {
        Some("refusal") => {
            let category = body.stop_details.as_ref().and_then(|details| details["category"].as_str());
            return Err(HttpError::Refusal(category.unwrap_or_default().into()));
        }
        Some("max_tokens" | "model_context_window_exceeded") => return Err(HttpError::CutOff),
        _ => {}
    }
    let blocks = body.content.ok_or_else(|| HttpError::Shape("no content".into()))?;
    let (mut calls, mut text) = (Vec::new(), None);
    for block in &blocks {
        match Block::deserialize(block).map_err(|error| HttpError::Shape(error.to_string()))? {
            Block::Text { text: more } => text.get_or_insert_with(String::new).push_str(&more),
            Block::ToolUse { id, name, input } => calls.push(Call { id, name, arguments: input.to_string() }),
            Block::Skipped => {}
        }
    }
    // The blocks go back as they came: those of thinking are signed.
    content(calls, text, |_| json!({ "role": "assistant", "content": blocks }))
}

pub(super) fn results(said: Value, done: &[(Call, Done)]) -> Vec<Value> {
    let result = |(call, done): &(Call, Done)| json!({ "type": "tool_result", "tool_use_id": call.id, "content": done.text, "is_error": done.failed });
    let results: Vec<_> = done.iter().map(result).collect();
    vec![said, json!({ "role": "user", "content": results })]
}
