//! The chat-completions JSON: what is sent, and the few fields that are read of what comes back.

use crate::error::HttpError;
use crate::error::quote::quote;
use crate::prompt::schema::Form;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The request's body.
#[derive(Debug, Serialize)]
pub(super) struct Ask<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    messages: [Message<'a>; 2],
    stream: bool,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    tuned: Option<Tuned>,
}

/// What some servers and models refuse with 400: left out of the second attempt altogether.
#[derive(Debug, Serialize)]
struct Tuned {
    temperature: u8,
    max_completion_tokens: u32,
    response_format: Format,
}

#[derive(Debug, Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Debug, Serialize)]
struct Format {
    r#type: &'static str,
    json_schema: JsonSchema,
}

#[derive(Debug, Serialize)]
struct JsonSchema {
    name: &'static str,
    strict: bool,
    schema: &'static Value,
}

/// The two parts of a prompt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts<'a> {
    /// The constant part.
    pub(super) system: &'a str,
    /// The part about one frame or question.
    pub(super) user: &'a str,
}

/// A request; with `form`, its schema and sampling limits.
pub(super) fn ask<'a>(
    model: Option<&'a str>,
    max_tokens: u32,
    parts: Parts<'a>,
    form: Option<Form>,
) -> Ask<'a> {
    let tuned = |form: Form| Tuned {
        temperature: 0,
        max_completion_tokens: max_tokens,
        response_format: Format {
            r#type: "json_schema",
            json_schema: JsonSchema { name: form.name(), strict: true, schema: form.schema() },
        },
    };
    Ask {
        model,
        messages: [
            Message { role: "system", content: parts.system },
            Message { role: "user", content: parts.user },
        ],
        stream: false,
        tuned: form.map(tuned),
    }
}

/// The response's body, as far as it is read.
#[derive(Debug, Deserialize)]
pub(super) struct Completion {
    choices: Vec<Choice>,
    usage: Option<Usage>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    message: Reply,
    finish_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Reply {
    content: Option<String>,
    refusal: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct Usage {
    prompt_tokens: u32,
    completion_tokens: u32,
}

/// Reads a response's body.
pub(super) fn completion(body: &[u8]) -> Result<Completion, HttpError> {
    serde_json::from_slice(body).map_err(|error| HttpError::Shape(quote(&error.to_string())))
}

impl Completion {
    /// The model's text, and the tokens read and written.
    pub(super) fn answer(&self) -> Result<(&str, (u32, u32)), HttpError> {
        let choice = self.choices.first().ok_or_else(|| HttpError::Shape("no choices".into()))?;
        let usage = self.usage.unwrap_or_default();
        let refused = choice.message.refusal.as_deref().is_some_and(|refusal| !refusal.is_empty());
        match choice.finish_reason.as_deref() {
            _ if refused => Err(HttpError::Refusal),
            Some("content_filter") => Err(HttpError::Refusal),
            Some("length") => Err(HttpError::CutOff),
            _ => {
                let content = choice.message.content.as_deref();
                let content = content.ok_or_else(|| HttpError::Shape("no message content".into()))?;
                Ok((content, (usage.prompt_tokens, usage.completion_tokens)))
            }
        }
    }
}

/// What a server says about an error (`{"error": {"message"}}`, or `{"error"}` as Ollama has it), raw.
pub(super) fn error_message(body: &[u8]) -> String {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return String::new() };
    let message = body["error"]["message"].as_str().or_else(|| body["error"].as_str());
    message.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTS: Parts<'_> = Parts { system: "rules", user: "frame" };

    fn read(body: &str) -> Result<(String, (u32, u32)), HttpError> {
        let completion = completion(body.as_bytes())?;
        completion.answer().map(|(content, tokens)| (content.to_owned(), tokens))
    }

    #[test]
    fn the_body_is_what_servers_expect() {
        let body = serde_json::to_value(ask(Some("m"), 9, PARTS, Some(Form::Triage))).unwrap();
        assert_eq!(body["model"], "m");
        assert_eq!(body["messages"][0]["role"], "system");
        assert_eq!(body["messages"][0]["content"], "rules");
        assert_eq!(body["messages"][1]["content"], "frame");
        assert_eq!(body["response_format"]["type"], "json_schema");
        assert_eq!(body["response_format"]["json_schema"]["strict"], true);
        assert_eq!(&body["response_format"]["json_schema"]["schema"], Form::Triage.schema());
        assert_eq!(body["max_completion_tokens"], 9);
        let body = serde_json::to_value(ask(None, 9, PARTS, None)).unwrap();
        let mut keys: Vec<_> = body.as_object().unwrap().keys().collect();
        keys.sort();
        assert_eq!(keys, ["messages", "stream"]);
    }

    #[test]
    fn completions_are_read_and_faults_told_apart() {
        let good = r#"{"id":"x","choices":[{"index":0,"message":{"role":"assistant","content":"{}"},
            "finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}"#;
        assert_eq!(read(good), Ok(("{}".into(), (5, 2))));
        assert_eq!(read(&good.replace("stop", "length")), Err(HttpError::CutOff));
        assert_eq!(read(&good.replace("stop", "content_filter")), Err(HttpError::Refusal));
        assert_eq!(read(&good.replace("\"content\"", "\"refusal\"")), Err(HttpError::Refusal));
        assert!(matches!(read(r#"{"choices":[]}"#), Err(HttpError::Shape(_))));
        assert!(matches!(read(r#"{"choices":[{"message":{"content":null}}]}"#), Err(HttpError::Shape(_))));
        assert!(matches!(read(r#"{"error":"x"}"#), Err(HttpError::Shape(_))));
        assert_eq!(read(r#"{"choices":[{"message":{"content":"a"}}]}"#), Ok(("a".into(), (0, 0))));
        assert_eq!(error_message(br#"{"error":{"message":"no\nsuch model"}}"#), "no\nsuch model");
        assert_eq!(error_message(br#"{"error":"busy"}"#), "busy");
        assert_eq!(error_message(b"<html>"), "");
    }
}
