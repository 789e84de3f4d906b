//! OpenAI-compatible servers: `POST {base}/v1/chat/completions` over reqwest.
//!
//! The server is trusted no more than the model: redirects are not followed, the body is bounded, its
//! words are quoted and cut, and proxies from the environment are not used.

mod wire;

use super::{BackendAnswer, Request};
use crate::error::quote::quote;
use crate::error::{BackendError, HttpError, SetupError};
use crate::prompt::decode::{DecodeError, decode};
use crate::prompt::schema::Form;
use crate::prompt::{exam, text};
use crate::question::{Question, Spoken};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, StatusCode, Url, redirect};
use std::env;
use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use wire::Parts;

/// Most bytes of a response that are read.
pub const MAX_BODY: usize = 1 << 20;

/// The key's own variable: whoever sets it means this server.
const OWN_KEY: &str = "SOFTROUTER_OPENAI_KEY";
/// The key that other tools use too; see [`OpenAi::new`].
const SHARED_KEY: &str = "OPENAI_API_KEY";

/// Where and how to ask. It holds no key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenAiConfig {
    /// The server, with or without `/v1` at its end.
    pub base: Url,
    /// The model to ask for.
    pub model: Option<String>,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// How long a whole exchange may take; a request's own deadline is usually shorter.
    pub total_timeout: Duration,
    /// Most tokens that the model may write.
    pub max_tokens: u32,
}

impl OpenAiConfig {
    /// The defaults for `base`.
    pub const fn new(base: Url) -> Self {
        Self {
            base,
            model: None,
            connect_timeout: Duration::from_secs(2),
            // Longer than the longest deadline in use, the ping experiment's 90 s.
            total_timeout: Duration::from_secs(120),
            // Room for a model that thinks first.
            max_tokens: 2048,
        }
    }
}

/// A client of one server. The key is sent in a header marked sensitive, which Debug does not show.
#[derive(Debug)]
pub struct OpenAi {
    client: Client,
    endpoint: Url,
    model: Option<String>,
    max_tokens: u32,
    key: Option<Key>,
    /// The server has answered 400 to `response_format` and 200 without.
    plain: AtomicBool,
}

impl OpenAi {
    /// Makes the client, with the key of the environment: `SOFTROUTER_OPENAI_KEY`, else
    /// `OPENAI_API_KEY`. The latter is meant for whomever, so plain HTTP to another machine does not
    /// get it.
    ///
    /// # Errors
    /// An unusable key or URL, or no TLS.
    pub fn new(config: OpenAiConfig) -> Result<Self, SetupError> {
        let variable = |name| env::var(name).ok().filter(|key| !key.is_empty()).map(|key| (name, key));
        let shared =
            || variable(SHARED_KEY).filter(|_| config.base.scheme() == "https" || is_loopback(&config.base));
        let key = variable(OWN_KEY).or_else(shared);
        Self::with_key(config, key)
    }

    /// [`OpenAi::new`] with the key and the name of its variable.
    pub(crate) fn with_key(
        config: OpenAiConfig,
        key: Option<(&'static str, String)>,
    ) -> Result<Self, SetupError> {
        let mut headers = HeaderMap::new();
        if let Some((variable, key)) = &key {
            let mut value =
                HeaderValue::try_from(format!("Bearer {key}")).map_err(|_| SetupError::Key(variable))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        // An error means that the program has chosen a provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder();
        if config.base.scheme() == "http" {
            // No redirect is followed, so TLS never happens: a machine without root certificates can do
            // without them, and reading them would cost milliseconds.
            builder = builder.tls_certs_only([]);
        }
        let client = builder
            .user_agent(concat!("softrouter/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .connect_timeout(config.connect_timeout)
            .timeout(config.total_timeout)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| SetupError::Client(cause(&error)))?;
        Ok(Self {
            client,
            endpoint: endpoint(&config.base)?,
            model: config.model,
            max_tokens: config.max_tokens,
            key: key.map(|(_, key)| Key(key)),
            plain: AtomicBool::new(false),
        })
    }

    /// Asks the server. Dropping the future closes the exchange.
    ///
    /// # Errors
    /// No usable answer; see [`BackendError`].
    pub async fn answer(&self, request: &Request) -> Result<BackendAnswer, BackendError> {
        let form = Form::of(request.diverted.reason());
        let user = text::frame_part(&request.diverted, &request.frame).map_err(BackendError::Frame)?;
        let completion = self.complete(form, Parts { system: text::system(), user: &user }).await?;
        let (content, tokens) = completion.answer()?;
        super::read(request, content, tokens)
    }

    /// Asks the server one question of the exam. Dropping the future closes the exchange. Several can be asked at once.
    ///
    /// # Errors
    /// [`BackendError::Question`] where no prompt can say it, nothing being sent then; otherwise no usable answer.
    pub async fn ask(&self, question: &Question<'_>) -> Result<Spoken, BackendError> {
        let task = question.task();
        let exam::Prompt { nonce, text } = exam::prompt(question).map_err(BackendError::Question)?;
        let parts = Parts { system: exam::system(task), user: &text };
        let completion = self.complete(Form::Exam(task), parts).await?;
        let (content, (prompt_tokens, answer_tokens)) = completion.answer()?;
        let decoded = decode(Form::Exam(task), content)?;
        if decoded.nonce != nonce {
            return Err(DecodeError::WrongNonce { said: decoded.nonce, given: nonce }.into());
        }
        Ok(Spoken { said: decoded.said, probability: None, prompt_tokens, answer_tokens })
    }

    /// One exchange, or two when the server does not know `response_format`.
    async fn complete(&self, form: Form, parts: Parts<'_>) -> Result<wire::Completion, HttpError> {
        let ask = |schema| wire::ask(self.model.as_deref(), self.max_tokens, parts, schema);
        if self.plain.load(Ordering::Relaxed) {
            return self.post(&ask(None)).await;
        }
        match self.post(&ask(Some(form))).await {
            Err(HttpError::Status { code: 400, .. }) => {
                let completion = self.post(&ask(None)).await?;
                // Only now is it known that the format was the reason.
                self.plain.store(true, Ordering::Relaxed);
                Ok(completion)
            }
            other => other,
        }
    }

    async fn post(&self, body: &wire::Ask<'_>) -> Result<wire::Completion, HttpError> {
        let mut response =
            self.client.post(self.endpoint.clone()).json(body).send().await.map_err(|e| transport(&e))?;
        let status = response.status();
        let too_large = HttpError::TooLarge { limit: MAX_BODY };
        if response.content_length().is_some_and(|length| length > MAX_BODY as u64) {
            return Err(if status == StatusCode::OK { too_large } else { self.status(status, &[]) });
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| transport(&e))? {
            if bytes.len() + chunk.len() > MAX_BODY {
                return Err(if status == StatusCode::OK { too_large } else { self.status(status, &[]) });
            }
            bytes.extend_from_slice(&chunk);
        }
        if status != StatusCode::OK {
            return Err(self.status(status, &bytes));
        }
        wire::completion(&bytes)
    }

    /// With a key in use, a server's words about 401 and 403 are left out (some repeat part of the key),
    /// and the key is cut out of any others.
    fn status(&self, status: StatusCode, body: &[u8]) -> HttpError {
        let silent = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        let message = match &self.key {
            Some(_) if silent => String::new(),
            Some(Key(key)) => quote(&wire::error_message(body).replace(key, "<key>")),
            None => quote(&wire::error_message(body)),
        };
        HttpError::Status { code: status.as_u16(), message }
    }
}

/// Kept only to be cut out of what a server says.
struct Key(String);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

fn transport(error: &reqwest::Error) -> HttpError {
    if error.is_timeout() {
        HttpError::Timeout
    } else if error.is_connect() {
        HttpError::Connect(cause(error))
    } else {
        HttpError::Broken(cause(error))
    }
}

/// The innermost cause: reqwest's own words repeat the URL and say little else.
fn cause(error: &reqwest::Error) -> String {
    let mut inner: &dyn Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    quote(&inner.to_string())
}

/// `{base}/v1/chat/completions`, where `base` may end in `/v1` or `/` already.
fn endpoint(base: &Url) -> Result<Url, SetupError> {
    let path = base.path().trim_end_matches('/');
    let path = path.strip_suffix("/v1").unwrap_or(path);
    let mut url = base.clone();
    url.set_path(&format!("{path}/v1/chat/completions"));
    (url.has_host() && matches!(url.scheme(), "http" | "https"))
        .then_some(url)
        .ok_or(SetupError::Url { url: quote(base.as_str()), problem: "the scheme must be http or https" })
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
#[path = "openai_tests.rs"]
mod tests;
