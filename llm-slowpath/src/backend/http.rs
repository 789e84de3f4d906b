//! Model servers as a backend: a prompt in, an untrusted answer out, over however many exchanges that takes.
//!
//! The server is trusted no more than the model: see `client.rs`.

mod client;

use super::retry::RetryPolicy;
use super::tools::{self, MAX_CALLS, MAX_ROUNDS, MAX_SAID, PROPOSE};
use super::wire::{Ask, Call, Content, Dialect, Parts, Reply, Step, Style, Tokens};
use super::{BackendAnswer, Meter, Request};
use crate::error::{BackendError, HttpError, SetupError};
use crate::prompt::canonical::Canonical;
use crate::prompt::decode::{DecodeError, MAX_TEXT, decode};
use crate::prompt::schema::Form;
use crate::prompt::{PromptOptions, exam, text, tokens_at_most};
use crate::question::{Question, Spoken};
use crate::transcript::{Exchange, Recorder};
pub use client::MAX_BODY;
use client::{Client, Key};
use reqwest::Url;
use serde_json::Value;
use stack::{Anomaly, Diverted};
use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Where and how to ask. It holds no key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// How the server is spoken to.
    pub dialect: Dialect,
    /// How the model answers.
    pub style: Style,
    /// The server, with or without the dialect's `/v1` or `/api` at its end.
    pub base: Url,
    /// The model to ask for.
    pub model: Option<String>,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// How long a whole exchange may take; a request's own deadline is usually shorter.
    pub total_timeout: Duration,
    /// Most tokens that the model may write in one exchange.
    pub max_tokens: u32,
    /// When an exchange is tried again.
    pub retry: RetryPolicy,
    /// What a prompt tells.
    pub prompt: PromptOptions,
}

impl HttpConfig {
    /// The defaults for a server.
    pub fn new(dialect: Dialect, base: Url) -> Self {
        Self {
            dialect,
            style: Style::Structured,
            base,
            model: None,
            connect_timeout: Duration::from_secs(2),
            // Longer than the longest deadline in use, the ping experiment's 90 s.
            total_timeout: Duration::from_secs(120),
            // Room for a model that thinks first.
            max_tokens: 2048,
            retry: RetryPolicy::default(),
            prompt: PromptOptions::default(),
        }
    }
}

/// A field that a server has refused is left out for so long.
const REFUSED_FOR: Duration = Duration::from_secs(600);

/// A client of one server. The key is sent in a header marked sensitive, which Debug does not show.
#[derive(Debug)]
pub struct HttpBackend {
    config: Box<HttpConfig>,
    client: Client,
    /// The first of the dialect's steps that the server has not refused, and since when.
    step: Mutex<(usize, Option<Instant>)>,
    recorder: Option<Arc<Recorder>>,
}

impl HttpBackend {
    /// Makes the client, with the key of the environment: `SOFTROUTER_OPENAI_KEY`, else `OPENAI_API_KEY`;
    /// `SOFTROUTER_ANTHROPIC_KEY`, else `ANTHROPIC_API_KEY`; `SOFTROUTER_OLLAMA_KEY`. The ones without `SOFTROUTER` are
    /// meant for whomever, so plain HTTP to another machine does not get them.
    ///
    /// # Errors
    /// An unusable key or URL, or no TLS.
    pub fn new(config: HttpConfig) -> Result<Self, SetupError> {
        let key = Key::from_environment(config.dialect, &config.base);
        Self::open(config, key)
    }

    /// [`HttpBackend::new`] with the key and the name of its variable.
    #[cfg(test)]
    pub(crate) fn with_key(
        config: HttpConfig,
        key: Option<(&'static str, String)>,
    ) -> Result<Self, SetupError> {
        Self::open(config, key.map(|(variable, value)| Key::new(variable, value)))
    }

    fn open(config: HttpConfig, key: Option<Key>) -> Result<Self, SetupError> {
        let client = Client::new(&config, key)?;
        Ok(Self { config: config.into(), client, step: Mutex::default(), recorder: None })
    }

    /// The same server, whose answers are recorded in a transcript.
    #[must_use]
    pub fn recorded(mut self, recorder: Option<Arc<Recorder>>) -> Self {
        self.recorder = recorder;
        self
    }

    /// Asks the server. Dropping the future closes the exchange. `deadline` is for waits between attempts: none is
    /// begun that would not be over by then. The caller drops what takes too long. `meter` tells what it took.
    ///
    /// # Errors
    /// No usable answer; see [`BackendError`].
    pub async fn answer(
        &self,
        request: &Request,
        deadline: Option<Instant>,
        meter: &Meter,
    ) -> Result<BackendAnswer, BackendError> {
        let diverted = &request.diverted;
        let form = Form::of(diverted.reason());
        let user =
            text::frame_part(diverted, &request.frame, &self.config.prompt).map_err(BackendError::Frame)?;
        let parts = Parts { system: text::system(), user: &user };
        let prompt = Canonical::of(parts.system, parts.user, diverted.nonce, diverted.boundary);
        meter.asked(prompt.hash.clone(), tokens_at_most(parts.system) + tokens_at_most(parts.user));
        let (content, tokens) = self.converse(form, parts, Some(diverted), deadline, meter).await?;
        self.record(diverted, &prompt, &content, tokens);
        super::read(request, &content, tokens).map_err(|error| self.client.clean_answer(error))
    }

    /// Asks the server one question of the exam, as [`HttpBackend::answer`] does. Several can be asked at once.
    ///
    /// # Errors
    /// [`BackendError::Question`] where no prompt can say it, nothing being sent then; otherwise no usable answer.
    pub async fn ask(
        &self,
        question: &Question<'_>,
        deadline: Option<Instant>,
    ) -> Result<Spoken, BackendError> {
        let task = question.task();
        let exam::Prompt { nonce, text, .. } = exam::prompt(question).map_err(BackendError::Question)?;
        let parts = Parts { system: exam::system(task), user: &text };
        let meter = Meter::default();
        let (content, tokens) = self.converse(Form::Exam(task), parts, None, deadline, &meter).await?;
        let decoded =
            decode(Form::Exam(task), &content).map_err(|error| self.client.clean_answer(error.into()))?;
        if decoded.nonce != nonce {
            return Err(DecodeError::WrongNonce { said: decoded.nonce, given: nonce }.into());
        }
        let Tokens { read: prompt_tokens, written: answer_tokens, .. } = tokens;
        Ok(Spoken { said: decoded.said, probability: None, prompt_tokens, answer_tokens })
    }

    /// Are its prompts about this reason class prompts?
    pub fn asks_by_class(&self, reason: Anomaly) -> bool {
        let HttpConfig { prompt, style, .. } = &*self.config;
        // Whoever may look a flow up answers about the frame.
        *style == Style::Structured && text::is_class_prompt(reason, prompt)
    }

    /// Adds an answer to the transcript, if there is one. A transcript that cannot be written costs no answer.
    fn record(&self, diverted: &Diverted, prompt: &Canonical, text: &str, tokens: Tokens) {
        // What is longer cannot be an answer, and a transcript's lines are bounded.
        let Some(recorder) = self.recorder.as_ref().filter(|_| text.len() <= MAX_TEXT) else { return };
        let HttpConfig { dialect, style, model, prompt: options, .. } = &*self.config;
        let exchange = Exchange {
            prompt,
            is_class_prompt: text::is_class_prompt(diverted.reason(), options),
            nonce: diverted.nonce,
            boundary: diverted.boundary,
            model: model.as_deref().unwrap_or(dialect.name()),
            style: style.name(),
            text: &self.client.without_key(text.to_owned()),
            tokens: (tokens.read, tokens.written),
        };
        if let Err(error) = recorder.record(&exchange) {
            log::warn!("transcript: {error}: this answer is missing in it");
        }
    }

    /// Talks to the model until it has said something that may be an answer.
    async fn converse(
        &self,
        form: Form,
        parts: Parts<'_>,
        diverted: Option<&Diverted>,
        deadline: Option<Instant>,
        meter: &Meter,
    ) -> Result<(String, Tokens), BackendError> {
        let HttpConfig { style, max_tokens, .. } = *self.config;
        let system = match style {
            Style::Structured => Cow::Borrowed(parts.system),
            Style::Tools => Cow::Owned(tools::system(parts.system)),
        };
        let (parts, model) = (Parts { system: &system, ..parts }, self.config.model.as_deref());
        let (mut later, mut tokens) = (Vec::new(), Tokens::default());
        for _ in 0..MAX_ROUNDS {
            let ask = Ask { model, max_tokens, parts, form, style, step: Step::Full, later: &later };
            let reply = self.settle(ask, deadline, meter).await?;
            tokens += reply.tokens;
            let (calls, said) = match reply.said? {
                Content::Text(text) => return Ok((text, tokens)),
                Content::Calls(calls, said) => (calls, said),
            };
            if let Some(proposal) = calls.iter().find(|call| call.name == PROPOSE) {
                return Ok((proposal.arguments.clone(), tokens));
            }
            later.extend(self.call(calls, said, diverted)?);
        }
        Err(BackendError::Rounds(MAX_ROUNDS))
    }

    /// Calls the tools of one reply.
    fn call(
        &self,
        calls: Vec<Call>,
        said: Value,
        diverted: Option<&Diverted>,
    ) -> Result<Vec<Value>, HttpError> {
        if self.config.style == Style::Structured {
            return Err(HttpError::Shape("it calls a tool, but was given none".into()));
        }
        if calls.len() > MAX_CALLS || said.to_string().len() > MAX_SAID {
            return Err(HttpError::Shape("too many or too long tool calls at once".into()));
        }
        let done = calls.into_iter().map(|call| {
            let done = tools::call(&call, diverted);
            (call, done)
        });
        Ok(self.config.dialect.results(said, &done.collect::<Vec<_>>()))
    }

    /// Asks with the first step that the server does not refuse.
    async fn settle(
        &self,
        ask: Ask<'_>,
        deadline: Option<Instant>,
        meter: &Meter,
    ) -> Result<Reply, HttpError> {
        let dialect = self.config.dialect;
        let steps = dialect.steps(ask.style);
        let mut at = self.step();
        loop {
            let reply = self.send(&dialect.body(&Ask { step: steps[at], ..ask }), deadline, meter).await;
            match reply {
                Err(HttpError::Status { code: 400 | 422, ref message })
                    if at + 1 < steps.len() && !is_about_length(message) =>
                {
                    at += 1;
                }
                Ok(_) => {
                    // Only now is it known that the fields of the steps before were the reason.
                    self.settled(at);
                    return reply;
                }
                Err(_) => return reply,
            }
        }
    }

    /// The step to begin with. What was refused long ago is tried again: it may have been a proxy's bad moment.
    fn step(&self) -> usize {
        let mut step = self.step.lock().unwrap_or_else(PoisonError::into_inner);
        if step.1.is_some_and(|since| since.elapsed() > REFUSED_FOR) {
            *step = (0, None);
        }
        step.0
    }

    /// The server has accepted this step.
    fn settled(&self, at: usize) {
        let mut step = self.step.lock().unwrap_or_else(PoisonError::into_inner);
        if at > step.0 {
            *step = (at, Some(Instant::now()));
        }
    }

    /// One exchange, with further attempts if it fails.
    async fn send(&self, body: &Value, deadline: Option<Instant>, meter: &Meter) -> Result<Reply, HttpError> {
        let body = body.to_string();
        for attempts in 1.. {
            let (error, hint) = match self.client.post(body.clone()).await {
                Ok(reply) => {
                    // No token is shorter than a byte, and none was allowed beyond the limit.
                    meter.exchanged(reply.tokens.at_most(body.len(), self.config.max_tokens));
                    return Ok(reply);
                }
                Err(failure) => failure,
            };
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let Some(wait) = self.config.retry.wait(attempts, &error, hint, left) else { return Err(error) };
            meter.retried();
            tokio::time::sleep(wait).await;
        }
        unreachable!("the policy ends every row of attempts")
    }
}

/// Does a server say that the prompt is too long for its model? It stays so, whatever fields go with it.
fn is_about_length(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("context")
        && ["exceed", "length", "long", "size"].iter().any(|word| message.contains(word))
}

#[cfg(test)]
mod tests;
