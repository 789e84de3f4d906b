//! The transport to one model server: one `POST` at a time over reqwest, in any dialect.
//!
//! The server is trusted no more than the model: redirects are not followed, the body is bounded, its words are quoted,
//! cut and freed of the key, and proxies from the environment are not used.

use super::HttpConfig;
use crate::backend::retry::Hint;
use crate::backend::wire::{Content, Dialect, Reply, error_message};
use crate::error::quote::quote;
use crate::error::{BackendError, HttpError, SetupError};
use crate::prompt::decode::DecodeError;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Response, StatusCode, Url, redirect};
use std::env;
use std::error::Error;
use std::time::SystemTime;

/// Most bytes of a response that are read.
pub const MAX_BODY: usize = 1 << 20;

/// The version of Anthropic's API.
const ANTHROPIC_VERSION: &str = "2023-06-01";

/// A key, kept to be cut out of what a server says, and the variable that it comes from.
pub(super) struct Key {
    variable: &'static str,
    value: String,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", self.variable)
    }
}

impl Key {
    pub(super) const fn new(variable: &'static str, value: String) -> Self {
        Self { variable, value }
    }

    /// See [`super::HttpBackend::new`].
    pub(super) fn from_environment(dialect: Dialect, base: &Url) -> Option<Self> {
        Self::choose(dialect, base, |name| env::var(name).ok())
    }

    fn choose(dialect: Dialect, base: &Url, environment: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let (own, shared) = match dialect {
            Dialect::OpenAi => ("SOFTROUTER_OPENAI_KEY", Some("OPENAI_API_KEY")),
            Dialect::Anthropic => ("SOFTROUTER_ANTHROPIC_KEY", Some("ANTHROPIC_API_KEY")),
            Dialect::Ollama => ("SOFTROUTER_OLLAMA_KEY", None),
        };
        let variable = |name: &'static str| {
            environment(name).filter(|value| !value.is_empty()).map(|value| Self::new(name, value))
        };
        let shared = shared.filter(|_| base.scheme() == "https" || is_loopback(base));
        variable(own).or_else(|| shared.and_then(variable))
    }

    /// The header that carries it.
    fn header(&self, dialect: Dialect) -> Result<(HeaderName, HeaderValue), SetupError> {
        let value = HeaderValue::try_from(match dialect {
            Dialect::OpenAi | Dialect::Ollama => format!("Bearer {}", self.value),
            Dialect::Anthropic => self.value.clone(),
        });
        let mut value = value.map_err(|_| SetupError::Key(self.variable))?;
        value.set_sensitive(true);
        Ok(match dialect {
            Dialect::OpenAi | Dialect::Ollama => (AUTHORIZATION, value),
            Dialect::Anthropic => (HeaderName::from_static("x-api-key"), value),
        })
    }
}

#[derive(Debug)]
pub(super) struct Client {
    dialect: Dialect,
    client: reqwest::Client,
    endpoint: Url,
    key: Option<Key>,
}

impl Client {
    pub(super) fn new(config: &HttpConfig, key: Option<Key>) -> Result<Self, SetupError> {
        let dialect = config.dialect;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if dialect == Dialect::Anthropic {
            headers.insert("anthropic-version", HeaderValue::from_static(ANTHROPIC_VERSION));
        }
        headers.extend(key.as_ref().map(|key| key.header(dialect)).transpose()?);
        // An error means that the program has chosen a provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder();
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
        Ok(Self { dialect, client, endpoint: endpoint(dialect, &config.base)?, key })
    }

    /// One exchange. A failure comes with what the server says about another attempt.
    pub(super) async fn post(&self, body: String) -> Result<Reply, (HttpError, Hint)> {
        let response = self.client.post(self.endpoint.clone()).body(body).send().await;
        let response = response.map_err(|error| (transport(&error), Hint::default()))?;
        let hint = Hint::read(response.headers(), SystemTime::now());
        self.receive(response).await.map_err(|error| (error, hint))
    }

    async fn receive(&self, mut response: Response) -> Result<Reply, HttpError> {
        let status = response.status();
        let announced = response.content_length().unwrap_or(0);
        let mut bytes = Vec::new();
        let mut too_large = announced > MAX_BODY as u64;
        while !too_large && let Some(chunk) = response.chunk().await.map_err(|error| transport(&error))? {
            too_large = bytes.len() + chunk.len() > MAX_BODY;
            bytes.extend_from_slice(&chunk);
        }
        match (status, too_large) {
            (StatusCode::OK, false) => {
                let reply = self.dialect.read(&bytes).map_err(|error| self.clean_error(error))?;
                Ok(Reply { said: self.clean(reply.said), ..reply })
            }
            (StatusCode::OK, true) => Err(HttpError::TooLarge { limit: MAX_BODY }),
            (_, false) => Err(self.status(status, &bytes)),
            (_, true) => Err(self.status(status, &[])),
        }
    }

    /// With a key in use, a server's words about 401 and 403 are left out: some repeat part of the key.
    fn status(&self, status: StatusCode, body: &[u8]) -> HttpError {
        let silent = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        let message = match &self.key {
            Some(_) if silent => String::new(),
            _ => self.quote(&error_message(body)),
        };
        HttpError::Status { code: status.as_u16(), message }
    }

    fn quote(&self, text: &str) -> String {
        quote(&self.without_key(text.to_owned()))
    }

    pub(super) fn without_key(&self, text: String) -> String {
        match &self.key {
            Some(key) if text.contains(&key.value) => text.replace(&key.value, "<key>"),
            _ => text,
        }
    }

    fn clean(&self, said: Result<Content, HttpError>) -> Result<Content, HttpError> {
        Ok(match said.map_err(|error| self.clean_error(error))? {
            Content::Text(text) => Content::Text(self.without_key(text)),
            // The message of the calls goes back to the server and nowhere else.
            Content::Calls(mut calls, message) => {
                for call in &mut calls {
                    call.arguments = self.without_key(std::mem::take(&mut call.arguments));
                }
                Content::Calls(calls, message)
            }
        })
    }

    /// The decoder undoes escapes, behind which a server could hide the key from [`Client::without_key`].
    pub(super) fn clean_answer(&self, error: BackendError) -> BackendError {
        match &self.key {
            Some(key) if error.to_string().contains(&key.value) => {
                DecodeError::NotJson("it repeats the key".into()).into()
            }
            _ => error,
        }
    }

    fn clean_error(&self, error: HttpError) -> HttpError {
        match error {
            HttpError::Shape(text) => HttpError::Shape(self.quote(&text)),
            HttpError::Reported(text) => HttpError::Reported(self.quote(&text)),
            HttpError::Refusal(text) => HttpError::Refusal(self.quote(&text)),
            error => error,
        }
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

/// What is asked: `base` may end in `/` or in the first part of the dialect's path already.
fn endpoint(dialect: Dialect, base: &Url) -> Result<Url, SetupError> {
    let (first, second) = dialect.path();
    let path = base.path().trim_end_matches('/');
    let path = path.strip_suffix(first).unwrap_or(path);
    let mut url = base.clone();
    url.set_path(&format!("{path}{first}{second}"));
    (url.has_host() && matches!(url.scheme(), "http" | "https"))
        .then_some(url)
        .ok_or(SetupError::Url { url: quote(base.as_str()), problem: "the scheme must be http or https" })
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn endpoints_and_loopback() {
        for (dialect, base, path) in [
            (Dialect::OpenAi, "http://h", "/v1/chat/completions"),
            (Dialect::OpenAi, "http://h/v1", "/v1/chat/completions"),
            (Dialect::OpenAi, "http://h/v1/", "/v1/chat/completions"),
            (Dialect::OpenAi, "http://h/api/openai/v1", "/api/openai/v1/chat/completions"),
            (Dialect::Ollama, "http://h", "/api/chat"),
            (Dialect::Ollama, "http://h/api/", "/api/chat"),
            (Dialect::Anthropic, "http://h", "/v1/messages"),
            (Dialect::Anthropic, "http://h/v1", "/v1/messages"),
        ] {
            assert_eq!(endpoint(dialect, &url(base)).unwrap().path(), path, "{base}");
        }
        assert!(endpoint(Dialect::OpenAi, &url("file:///x")).is_err());
        for (base, loopback) in [
            ("http://127.9.9.9", true),
            ("http://[::1]:1", true),
            ("http://localhost", true),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(is_loopback(&url(base)), loopback, "{base}");
        }
    }

    #[test]
    fn a_shared_key_is_not_sent_in_clear_text_to_another_machine() {
        let all = |name: &str| Some(format!("value of {name}"));
        let shared = |name: &str| Some(name.to_owned()).filter(|name| name.ends_with("API_KEY"));
        let empty = |_: &str| Some(String::new());
        let (loopback, tls, clear) = (url("http://127.0.0.1"), url("https://h"), url("http://h"));
        for (dialect, own, other) in [
            (Dialect::OpenAi, "SOFTROUTER_OPENAI_KEY", Some("OPENAI_API_KEY")),
            (Dialect::Anthropic, "SOFTROUTER_ANTHROPIC_KEY", Some("ANTHROPIC_API_KEY")),
            (Dialect::Ollama, "SOFTROUTER_OLLAMA_KEY", None),
        ] {
            let chosen = |base, from: &dyn Fn(&str) -> Option<String>| {
                Key::choose(dialect, base, from).map(|key| key.variable)
            };
            for base in [&loopback, &tls, &clear] {
                assert_eq!((chosen(base, &all), chosen(base, &empty)), (Some(own), None));
            }
            assert_eq!([chosen(&loopback, &shared), chosen(&tls, &shared)], [other, other]);
            assert_eq!(chosen(&clear, &shared), None);
        }
    }
}
