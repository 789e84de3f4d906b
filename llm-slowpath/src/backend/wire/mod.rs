//! What model servers speak: three dialects of JSON, one request and one reply for all.

mod anthropic;
mod ollama;
mod openai;

use super::tools::{CHECKSUM, Done, LOOKUP_FLOW, PROPOSE};
use crate::error::HttpError;
use crate::prompt::schema::Form;
use serde::Deserialize;
use serde_json::{Value, json};
use std::ops::AddAssign;

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `POST /v1/chat/completions`: OpenAI, llama.cpp, vLLM, Ollama's `/v1` and many more.
    OpenAi,
    /// `POST /api/chat`: Ollama's own.
    Ollama,
    /// `POST /v1/messages`: Anthropic, and what speaks like it.
    Anthropic,
}

/// How a model answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// One JSON object of the answer form's schema.
    #[default]
    Structured,
    /// It calls tools: two that compute or look something up, and one that takes the answer.
    Tools,
}

impl Style {
    /// Its name in transcripts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Structured => "structured",
            Self::Tools => "tools",
        }
    }
}

/// How much of a dialect a request uses. A server that refuses a step (400 or 422) is asked with the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Everything that makes the answer certain: a strict schema, no sampling, no thinking.
    Full,
    /// Without the fields about sampling and thinking, which some models refuse.
    Unsampled,
    /// The schema in the dialect's older or other form.
    Other,
    /// The prompt alone, or tools that are not strict.
    Plain,
}

/// The two parts of a prompt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts<'a> {
    /// The constant part.
    pub(super) system: &'a str,
    /// The part about one frame or question.
    pub(super) user: &'a str,
}

/// One request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) model: Option<&'a str>,
    pub(super) max_tokens: u32,
    pub(super) parts: Parts<'a>,
    pub(super) form: Form,
    pub(super) style: Style,
    pub(super) step: Step,
    /// What was said after the prompt: tool calls and their results, as [`Dialect::results`] writes them.
    pub(super) later: &'a [Value],
}

/// One reply with status 200. Its words are the server's: neither cut nor free of the key.
#[derive(Debug, PartialEq)]
pub(super) struct Reply {
    pub(super) said: Result<Content, HttpError>,
    pub(super) tokens: Tokens,
}

/// What a model says.
#[derive(Debug, PartialEq)]
pub(super) enum Content {
    Text(String),
    /// At least one call, and the message that holds them, to be sent back with their results.
    Calls(Vec<Call>, Value),
}

/// One call of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) id: String,
    pub(super) name: String,
    /// JSON.
    pub(super) arguments: String,
}

/// What an exchange cost; 0 where the server does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tokens {
    /// Tokens that the model read, those of `cached` too.
    pub(crate) read: u32,
    /// Tokens of them that the server had in a cache.
    pub(crate) cached: u32,
    /// Tokens that the model wrote.
    pub(crate) written: u32,
}

impl Tokens {
    /// What a server says, as far as it can be true.
    pub(crate) fn at_most(self, read: usize, written: u32) -> Self {
        let read = self.read.min(u32::try_from(read).unwrap_or(u32::MAX));
        Self { read, cached: self.cached.min(read), written: self.written.min(written) }
    }
}

impl AddAssign for Tokens {
    fn add_assign(&mut self, other: Self) {
        self.read = self.read.saturating_add(other.read);
        self.cached = self.cached.saturating_add(other.cached);
        self.written = self.written.saturating_add(other.written);
    }
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 3] = [Self::OpenAi, Self::Ollama, Self::Anthropic];

    /// As `--backend` names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Ollama => "ollama",
            Self::Anthropic => "anthropic",
        }
    }

    /// The path that is asked, in two parts: a base URL may have the first one already.
    pub(super) const fn path(self) -> (&'static str, &'static str) {
        match self {
            Self::OpenAi => ("/v1", "/chat/completions"),
            Self::Ollama => ("/api", "/chat"),
            Self::Anthropic => ("/v1", "/messages"),
        }
    }

    /// The steps of a style, in order.
    pub(super) const fn steps(self, style: Style) -> &'static [Step] {
        match (style, self) {
            (Style::Structured, _) => &[Step::Full, Step::Unsampled, Step::Other, Step::Plain],
            (Style::Tools, Self::Ollama) => &[Step::Full, Step::Unsampled],
            (Style::Tools, Self::OpenAi | Self::Anthropic) => &[Step::Full, Step::Unsampled, Step::Plain],
        }
    }

    /// A request's body.
    pub(super) fn body(self, ask: &Ask<'_>) -> Value {
        match self {
            Self::OpenAi => openai::body(ask),
            Self::Ollama => ollama::body(ask),
            Self::Anthropic => anthropic::body(ask),
        }
    }

    /// Reads the body of a response with status 200.
    pub(super) fn read(self, body: &[u8]) -> Result<Reply, HttpError> {
        match self {
            Self::OpenAi => openai::read(parse(body)?),
            Self::Ollama => ollama::read(parse(body)?),
            Self::Anthropic => anthropic::read(parse(body)?),
        }
    }

    /// The messages that carry on after tool calls: `said` is the message that held them.
    pub(super) fn results(self, said: Value, done: &[(Call, Done)]) -> Vec<Value> {
        match self {
            Self::OpenAi => openai::results(said, done),
            Self::Ollama => ollama::results(said, done),
            Self::Anthropic => anthropic::results(said, done),
        }
    }
}

/// What a server says about an error (`{"error": {"message"}}`, or `{"error"}` as Ollama has it), raw.
pub(super) fn error_message(body: &[u8]) -> String {
    serde_json::from_slice::<Value>(body).map(|body| message_of(&body["error"])).unwrap_or_default()
}

fn message_of(error: &Value) -> String {
    error["message"].as_str().or_else(|| error.as_str()).unwrap_or_default().to_owned()
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, HttpError> {
    serde_json::from_slice(body).map_err(|error| HttpError::Shape(error.to_string()))
}

/// The prompt's messages, for dialects where the system part is one of them.
fn messages(ask: &Ask<'_>) -> Vec<Value> {
    let mut messages = vec![
        json!({ "role": "system", "content": ask.parts.system }),
        json!({ "role": "user", "content": ask.parts.user }),
    ];
    messages.extend_from_slice(ask.later);
    messages
}

/// The tools as OpenAI and Ollama take them.
fn functions(form: Form, strict: bool) -> Value {
    let function = |(name, schema): (&str, Value)| {
        let mut function =
            json!({ "name": name, "description": super::tools::description(name), "parameters": schema });
        if strict {
            function["strict"] = true.into();
        }
        json!({ "type": "function", "function": function })
    };
    schemas(form).map(function).into_iter().collect()
}

/// The tools, each with the schema of its arguments.
fn schemas(form: Form) -> [(&'static str, Value); 3] {
    let object = |properties: Value, required: Value| json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false });
    [
        (CHECKSUM, object(json!({ "hex": { "type": "string" } }), json!(["hex"]))),
        (LOOKUP_FLOW, object(json!({}), json!([]))),
        (PROPOSE, form.schema().clone()),
    ]
}

/// Arguments as text: some servers send them as an object, some as a string.
fn arguments(value: Value) -> String {
    match value {
        Value::String(text) => text,
        value => value.to_string(),
    }
}

/// What a message with these calls and this text says.
fn content(
    calls: Vec<Call>,
    text: Option<String>,
    message: impl FnOnce(&[Call]) -> Value,
) -> Result<Content, HttpError> {
    if calls.is_empty() {
        return text.map(Content::Text).ok_or_else(|| HttpError::Shape("no message content".into()));
    }
    let message = message(&calls);
    Ok(Content::Calls(calls, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(dialect: Dialect, body: &str) -> Result<Reply, HttpError> {
        dialect.read(body.as_bytes())
    }

    #[test]
    fn what_servers_leave_out_is_nothing() {
        for (dialect, body) in [
            (Dialect::OpenAi, r#"{"choices":[{"message":{"content":"a","tool_calls":null}}],"usage":null}"#),
            (Dialect::Ollama, r#"{"error":null,"message":{"content":"a"}}"#),
            (Dialect::Anthropic, r#"{"content":[{"type":"new"},{"type":"text","text":"a"}]}"#),
        ] {
            let reply = read(dialect, body).unwrap();
            assert_eq!(reply, Reply { said: Ok(Content::Text("a".into())), tokens: Tokens::default() });
        }
        for (dialect, body) in [
            (Dialect::OpenAi, r#"{"choices":[{"message":{"content":null}}]}"#),
            (Dialect::Ollama, r#"{"message":{}}"#),
            (Dialect::Anthropic, r#"{"content":[]}"#),
        ] {
            assert!(matches!(read(dialect, body).unwrap().said, Err(HttpError::Shape(_))), "{dialect:?}");
        }
        let overflowing = r#"{"usage":{"input_tokens":4294967295,"cache_read_input_tokens":9},"content":[]}"#;
        assert_eq!(read(Dialect::Anthropic, overflowing).unwrap().tokens.read, u32::MAX);
    }

    #[test]
    fn arguments_may_be_text_or_an_object() {
        let shapes = [
            (Dialect::OpenAi, r#"{"choices":[{"message":{"tool_calls":[CALL]}}]}"#, "call_0"),
            (Dialect::Ollama, r#"{"message":{"tool_calls":[CALL]}}"#, ""),
        ];
        for (dialect, shape, id) in shapes {
            for (written, read_as) in
                [(r#"{"a":1}"#, r#"{"a":1}"#), (r#""{\"a\":1}""#, r#"{"a":1}"#), ("null", "null")]
            {
                let call = format!(r#"{{"function":{{"name":"f","arguments":{written}}}}}"#);
                let said = read(dialect, &shape.replace("CALL", &call)).unwrap().said;
                let Ok(Content::Calls(calls, _)) = said else { panic!("{said:?}") };
                let expected = Call { id: id.into(), name: "f".into(), arguments: read_as.into() };
                assert_eq!(calls, [expected]);
            }
        }
    }

    #[test]
    fn error_messages_are_found() {
        assert_eq!(error_message(br#"{"error":{"message":"no\nsuch model"}}"#), "no\nsuch model");
        assert_eq!(error_message(br#"{"error":"busy"}"#), "busy");
        assert_eq!(error_message(br#"{"error":7}"#) + &error_message(b"<html>"), "");
    }
}
