//! `--backend`: how people name a backend.

use super::{Backend, Embedded, OpenAi, OpenAiConfig};
use crate::error::SetupError;
use crate::error::quote::quote;
use reqwest::Url;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A backend, named but not yet set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackendSpec {
    /// `embedded`: the model whose weights are in the binary.
    Embedded {
        /// `embedded:PATH`: weights from this file instead.
        weights: Option<PathBuf>,
    },
    /// `openai:URL[#MODEL]`: an OpenAI-compatible server.
    OpenAi {
        /// The server, with or without `/v1`.
        base: Url,
        /// The model to ask for; servers that hold one model need no name.
        model: Option<String>,
    },
}

impl BackendSpec {
    /// Sets the backend up. To a server nothing is sent yet.
    ///
    /// # Errors
    /// Unusable weights, TLS roots or key.
    pub fn open(&self) -> Result<Backend, SetupError> {
        Ok(match self {
            Self::Embedded { weights: None } => Embedded::new()?.into(),
            Self::Embedded { weights: Some(path) } => Embedded::from_file(path)
                .map_err(|source| SetupError::WeightsFile { file: path.display().to_string(), source })?
                .into(),
            Self::OpenAi { base, model } => {
                let config = OpenAiConfig { model: model.clone(), ..OpenAiConfig::new(base.clone()) };
                OpenAi::new(config)?.into()
            }
        })
    }
}

impl FromStr for BackendSpec {
    type Err = SetupError;

    fn from_str(text: &str) -> Result<Self, SetupError> {
        if text == "embedded" {
            return Ok(Self::Embedded { weights: None });
        }
        if let Some(path) = text.strip_prefix("embedded:").filter(|path| !path.is_empty()) {
            return Ok(Self::Embedded { weights: Some(path.into()) });
        }
        let Some(url) = text.strip_prefix("openai:") else {
            return Err(SetupError::UnknownBackend(quote(text)));
        };
        let wrong = |url: &str, problem| SetupError::Url { url: quote(url), problem };
        // An unreadable URL may hold a password anywhere, so it is not repeated.
        let mut base =
            Url::parse(url).map_err(|_| wrong("...", "not a URL: write openai:http://HOST:PORT#MODEL"))?;
        let model = base.fragment().map(str::to_owned).filter(|model| !model.is_empty());
        base.set_fragment(None);
        if !base.username().is_empty() || base.password().is_some() {
            return Err(wrong(
                base.host_str().unwrap_or_default(),
                "no credentials in URLs: put the key into SOFTROUTER_OPENAI_KEY",
            ));
        }
        if !matches!(base.scheme(), "http" | "https") || !base.has_host() {
            return Err(wrong(base.as_str(), "the scheme must be http or https"));
        }
        if base.query().is_some() {
            base.set_query(None);
            return Err(wrong(base.as_str(), "a query is not sent: leave it out"));
        }
        Ok(Self::OpenAi { base, model })
    }
}

/// As it is parsed.
impl fmt::Display for BackendSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded { weights: None } => f.write_str("embedded"),
            Self::Embedded { weights: Some(path) } => write!(f, "embedded:{}", path.display()),
            Self::OpenAi { base, model: None } => write!(f, "openai:{base}"),
            Self::OpenAi { base, model: Some(model) } => write!(f, "openai:{base}#{model}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specs_round_trip() {
        for text in [
            "embedded",
            "embedded:w.safetensors",
            "openai:http://127.0.0.1:8080/",
            "openai:https://api.openai.com/v1#gpt-5-mini",
        ] {
            assert_eq!(text.parse::<BackendSpec>().unwrap().to_string(), text);
        }
        let named = "openai:http://[::1]:11434#qwen3:0.6b".parse().unwrap();
        let BackendSpec::OpenAi { base, model } = named else { panic!("{named:?}") };
        assert_eq!((base.port(), model.as_deref()), (Some(11434), Some("qwen3:0.6b")));
        let BackendSpec::OpenAi { model, .. } = "openai:http://h#".parse().unwrap() else { panic!() };
        assert_eq!(model, None);
    }

    #[test]
    fn specs_open() {
        for text in ["embedded", "openai:http://127.0.0.1:1/", "openai:https://127.0.0.1:1/"] {
            text.parse::<BackendSpec>().unwrap().open().unwrap();
        }
        let missing = "embedded:/nonexistent/weights".parse::<BackendSpec>().unwrap().open().unwrap_err();
        assert!(missing.to_string().contains("/nonexistent/weights"), "{missing}");
    }

    #[test]
    fn wrong_specs_are_explained_without_their_secrets() {
        for (text, hint) in [
            ("oracle", "unknown backend"),
            ("embedded:", "unknown backend"),
            ("openai:", "not a URL"),
            ("openai:example", "not a URL"),
            ("openai:ftp://h/", "http or https"),
            ("openai:file:///etc/passwd", "http or https"),
            ("openai:http://user:hunter2@h/", "no credentials"),
            ("openai:http://hunter2@h/", "no credentials"),
            ("openai:http://h/?key=hunter2", "query"),
            ("openai:http://user:hunter2@h:port/", "not a URL"),
        ] {
            let error = text.parse::<BackendSpec>().unwrap_err();
            assert!(error.to_string().contains(hint), "{text}: {error}");
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }
}
