//! `--backend`: how people name a backend.

use super::{Backend, Embedded, Examinee, OpenAi, OpenAiConfig, PingTask};
use crate::error::SetupError;
use crate::error::quote::quote;
use reqwest::Url;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A backend, named but not yet set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackendSpec {
    /// `embedded`: the models whose weights are in the binary.
    Embedded {
        /// `embedded:PATH`: the weights in this folder instead.
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
    /// Sets the backend up; the embedded model is asked `ping` about echo requests. To a server nothing is sent yet.
    ///
    /// # Errors
    /// Unusable weights, TLS roots or key.
    pub fn open(&self, ping: PingTask) -> Result<Backend, SetupError> {
        Ok(match self {
            Self::Embedded { weights } => embedded(weights.as_deref())?.with_ping(ping).into(),
            Self::OpenAi { base, model } => client(base, model.clone())?.into(),
        })
    }

    /// Sets the backend up for the exam. To a server nothing is sent yet.
    ///
    /// # Errors
    /// Unusable weights, TLS roots or key, or no runtime to be had.
    pub fn examinee(&self) -> Result<Examinee, SetupError> {
        match self {
            Self::Embedded { weights } => Ok(embedded(weights.as_deref())?.into()),
            Self::OpenAi { base, model } => client(base, model.clone())?.try_into(),
        }
    }
}

fn embedded(weights: Option<&Path>) -> Result<Embedded, SetupError> {
    let Some(path) = weights else { return Ok(Embedded::new()?) };
    Ok(Embedded::from_folder(path)?)
}

fn client(base: &Url, model: Option<String>) -> Result<OpenAi, SetupError> {
    OpenAi::new(OpenAiConfig { model, ..OpenAiConfig::new(base.clone()) })
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
    use crate::model::Specialist;
    use std::path::Path;

    #[test]
    fn specs_round_trip() {
        for text in [
            "embedded",
            "embedded:weights/new",
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
            let spec = text.parse::<BackendSpec>().unwrap();
            spec.open(PingTask::Delta).unwrap();
            assert_eq!(spec.examinee().unwrap().embedded().is_some(), text == "embedded");
        }
        let missing = "embedded:/nonexistent/weights".parse::<BackendSpec>().unwrap();
        for error in [missing.open(PingTask::Full).unwrap_err(), missing.examinee().unwrap_err()] {
            assert!(error.to_string().contains("/nonexistent/weights"), "{error}");
        }
    }

    #[test]
    fn folders_of_weights_open_and_the_file_that_is_wrong_is_named() {
        let open = |folder: &Path| {
            format!("embedded:{}", folder.display()).parse::<BackendSpec>()?.open(PingTask::Delta)
        };
        let error = open(Path::new("/nonexistent")).unwrap_err().to_string();
        assert!(error.contains("/nonexistent/softrouter-decide.safetensors"), "{error}");

        let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("model");
        open(&ours).unwrap();
        let folder = std::env::temp_dir().join(format!("softrouter-weights-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let [decide, ping, example] = Specialist::ALL.map(Specialist::file);
        std::fs::copy(ours.join(&decide), folder.join(&decide)).unwrap();
        let error = open(&folder).unwrap_err().to_string();
        assert!(error.contains(&ping) && error.contains("cannot read"), "{error}");
        std::fs::copy(ours.join(&ping), folder.join(&ping)).unwrap();
        std::fs::copy(ours.join(&ping), folder.join(&example)).unwrap();
        let error = open(&folder).unwrap_err().to_string();
        assert!(error.contains(&example) && error.contains("of `ping`, not of `example`"), "{error}");
        std::fs::remove_dir_all(&folder).unwrap();
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
