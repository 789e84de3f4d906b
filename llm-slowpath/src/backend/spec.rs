//! `--backend`: how people name a backend.

use super::{Backend, Dialect, Embedded, Examinee, HttpBackend, HttpConfig, PingTask, Style};
use crate::error::SetupError;
use crate::error::quote::quote;
use crate::prompt::PromptOptions;
use crate::transcript::{Recorder, Replay};
use reqwest::Url;
use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

/// A backend, named but not yet set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackendSpec {
    /// `embedded`: the models whose weights are in the binary.
    Embedded {
        /// `embedded:PATH`: the weights in this folder instead.
        weights: Option<PathBuf>,
    },
    /// `openai:URL[#MODEL]`, `ollama:URL#MODEL` or `anthropic:[URL][#MODEL]`, with `+tools` before the colon for tool
    /// calling: a model server.
    Http {
        /// How it is spoken to.
        dialect: Dialect,
        /// How its model answers.
        style: Style,
        /// The server, with or without `/v1` or `/api`.
        base: Url,
        /// The model to ask for; servers that hold one model need no name.
        model: Option<String>,
    },
    /// `transcript:FILE`: what a model server answered when the transcript was recorded.
    Transcript {
        /// The transcript.
        file: PathBuf,
    },
}

/// What a backend is to know beside its name.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// What embedded models are asked about echo requests.
    pub ping: PingTask,
    /// What prompts to model servers hold.
    pub prompt: PromptOptions,
    /// Where the answers of model servers are recorded.
    pub recorder: Option<Arc<Recorder>>,
}

/// Anthropic's own server, where no URL is given.
const ANTHROPIC: &str = "https://api.anthropic.com/";
/// After a dialect's name.
const TOOLS: &str = "+tools";

impl BackendSpec {
    /// Does the model compute in this process?
    pub const fn is_local(&self) -> bool {
        match self {
            Self::Embedded { .. } | Self::Transcript { .. } => true,
            Self::Http { .. } => false,
        }
    }

    /// The configuration of the client that [`BackendSpec::open`] makes, if it is one.
    pub fn http_config(&self) -> Option<HttpConfig> {
        let Self::Http { dialect, style, base, model } = self else { return None };
        Some(http_config(*dialect, *style, base, model.as_deref()))
    }

    /// Sets the backend up for the slow path. To a server nothing is sent yet.
    ///
    /// # Errors
    /// Unusable weights, TLS roots, key or transcript.
    pub fn open(&self, setup: &Setup) -> Result<Backend, SetupError> {
        match self {
            Self::Embedded { weights } => Ok(embedded(weights.as_deref())?.with_ping(setup.ping).into()),
            Self::Transcript { file } => Ok(Replay::open(file, setup.prompt)?.into()),
            Self::Http { dialect, style, base, model } => {
                let config = http_config(*dialect, *style, base, model.as_deref());
                let http = HttpBackend::new(HttpConfig { prompt: setup.prompt, ..config })?;
                Ok(http.recorded(setup.recorder.clone()).into())
            }
        }
    }

    /// Sets the backend up for the exam. To a server nothing is sent yet.
    ///
    /// # Errors
    /// Unusable weights, TLS roots or key, or no runtime to be had.
    pub fn examinee(&self) -> Result<Examinee, SetupError> {
        match self {
            Self::Embedded { weights } => Ok(embedded(weights.as_deref())?.into()),
            Self::Transcript { .. } => Err(SetupError::NoExaminee),
            Self::Http { dialect, style, base, model } => {
                HttpBackend::new(http_config(*dialect, *style, base, model.as_deref()))?.try_into()
            }
        }
    }
}

fn embedded(weights: Option<&Path>) -> Result<Embedded, SetupError> {
    Ok(match weights {
        Some(path) => Embedded::from_folder(path)?,
        None => Embedded::new()?,
    })
}

fn http_config(dialect: Dialect, style: Style, base: &Url, model: Option<&str>) -> HttpConfig {
    HttpConfig { style, model: model.map(str::to_owned), ..HttpConfig::new(dialect, base.clone()) }
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
        if let Some(file) = text.strip_prefix("transcript:").filter(|file| !file.is_empty()) {
            return Ok(Self::Transcript { file: file.into() });
        }
        let unknown = || SetupError::UnknownBackend(unknown_name(text));
        let (name, url) = text.split_once(':').ok_or_else(unknown)?;
        let (name, style) = match name.strip_suffix(TOOLS) {
            Some(name) => (name, Style::Tools),
            None => (name, Style::Structured),
        };
        let dialect = Dialect::ALL.into_iter().find(|dialect| dialect.name() == name).ok_or_else(unknown)?;
        server(dialect, style, url)
    }
}

/// The name alone: what follows may hold a password.
fn unknown_name(text: &str) -> String {
    quote(text.split_once("://").map_or(text, |(name, _)| name))
}

fn server(dialect: Dialect, style: Style, text: &str) -> Result<BackendSpec, SetupError> {
    let wrong = |url: &str, problem| Err(SetupError::Url { url: quote(url), problem });
    let own = matches!(dialect, Dialect::Anthropic) && (text.is_empty() || text.starts_with('#'));
    let text = if own { Cow::Owned(format!("{ANTHROPIC}{text}")) } else { Cow::Borrowed(text) };
    let Ok(mut base) = Url::parse(&text) else {
        // An unreadable URL may hold a password anywhere, so it is not repeated.
        return wrong("...", not_a_url(dialect));
    };
    let model = base.fragment().map(str::to_owned).filter(|model| !model.is_empty());
    base.set_fragment(None);
    if !base.username().is_empty() || base.password().is_some() {
        return wrong(base.host_str().unwrap_or_default(), no_credentials(dialect));
    }
    if !matches!(base.scheme(), "http" | "https") || !base.has_host() {
        return wrong(base.as_str(), "the scheme must be http or https");
    }
    if base.query().is_some() {
        base.set_query(None);
        return wrong(base.as_str(), "a query is not sent: leave it out");
    }
    if dialect == Dialect::Ollama && model.is_none() {
        return wrong(base.as_str(), "which model? write ollama:http://HOST:PORT#MODEL");
    }
    Ok(BackendSpec::Http { dialect, style, base, model })
}

const fn not_a_url(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenAi => "not a URL: write openai:http://HOST:PORT#MODEL",
        Dialect::Ollama => "not a URL: write ollama:http://HOST:PORT#MODEL",
        Dialect::Anthropic => "not a URL: write anthropic:#MODEL or anthropic:http://HOST:PORT#MODEL",
    }
}

const fn no_credentials(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenAi => "no credentials in URLs: put the key into SOFTROUTER_OPENAI_KEY",
        Dialect::Ollama => "no credentials in URLs: put the key into SOFTROUTER_OLLAMA_KEY",
        Dialect::Anthropic => "no credentials in URLs: put the key into SOFTROUTER_ANTHROPIC_KEY",
    }
}

/// As it is parsed.
impl fmt::Display for BackendSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded { weights: None } => f.write_str("embedded"),
            Self::Embedded { weights: Some(path) } => write!(f, "embedded:{}", path.display()),
            Self::Transcript { file } => write!(f, "transcript:{}", file.display()),
            Self::Http { dialect, style, base, model } => {
                let tools = if *style == Style::Tools { TOOLS } else { "" };
                write!(f, "{}{tools}:{base}", dialect.name())?;
                model.as_ref().map_or(Ok(()), |model| write!(f, "#{model}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Specialist;

    #[test]
    fn specs_round_trip() {
        for text in [
            "embedded",
            "embedded:weights/new",
            "transcript:folder/file.jsonl",
            "openai:http://127.0.0.1:8080/",
            "openai:https://api.openai.com/v1#gpt-5-mini",
            "openai+tools:http://127.0.0.1:8080/",
            "ollama:http://127.0.0.1:11434/#qwen3:0.6b",
            "ollama+tools:http://127.0.0.1:11434/#qwen3:0.6b",
            "anthropic:http://127.0.0.1:8080/",
            "anthropic+tools:https://api.anthropic.com/#claude-haiku-4-5",
        ] {
            assert_eq!(text.parse::<BackendSpec>().unwrap().to_string(), text);
        }
        let named = "openai:http://[::1]:11434#qwen3:0.6b".parse().unwrap();
        let BackendSpec::Http { dialect, style, base, model } = named else { panic!("{named:?}") };
        assert_eq!((base.port(), model.as_deref()), (Some(11434), Some("qwen3:0.6b")));
        assert_eq!((dialect, style), (Dialect::OpenAi, Style::Structured));
        let BackendSpec::Http { model, .. } = "openai:http://h#".parse().unwrap() else { panic!() };
        assert_eq!(model, None);
        for (short, long) in [
            ("anthropic:", "anthropic:https://api.anthropic.com/"),
            ("anthropic:#claude", "anthropic:https://api.anthropic.com/#claude"),
            ("anthropic+tools:#claude", "anthropic+tools:https://api.anthropic.com/#claude"),
        ] {
            assert_eq!(short.parse::<BackendSpec>().unwrap().to_string(), long);
        }
    }

    #[test]
    fn specs_open() {
        for text in [
            "embedded",
            "openai:http://127.0.0.1:1/",
            "openai:https://127.0.0.1:1/",
            "ollama+tools:http://127.0.0.1:1/#m",
            "anthropic:",
        ] {
            let spec = text.parse::<BackendSpec>().unwrap();
            let local = matches!(spec.open(&Setup::default()).unwrap(), Backend::Local(_));
            assert_eq!((local, spec.is_local()), (text == "embedded", text == "embedded"));
            assert_eq!(spec.examinee().unwrap().embedded().is_some(), local);
        }
        let spec = "ollama+tools:http://127.0.0.1:1/#m".parse::<BackendSpec>().unwrap();
        let config = spec.http_config().unwrap();
        assert_eq!((config.dialect, config.style), (Dialect::Ollama, Style::Tools));
        assert_eq!(config.model.as_deref(), Some("m"));
        let missing = "embedded:/nonexistent/weights".parse::<BackendSpec>().unwrap();
        let transcript = "transcript:/nonexistent/t".parse::<BackendSpec>().unwrap();
        let error = transcript.open(&Setup::default()).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/t"), "{error}");
        assert!(transcript.is_local() && matches!(transcript.examinee(), Err(SetupError::NoExaminee)));
        for error in [missing.open(&Setup::default()).unwrap_err(), missing.examinee().unwrap_err()] {
            assert!(error.to_string().contains("/nonexistent/weights"), "{error}");
        }
    }

    #[test]
    fn folders_of_weights_open_and_the_file_that_is_wrong_is_named() {
        let open = |folder: &Path| {
            format!("embedded:{}", folder.display()).parse::<BackendSpec>()?.open(&Setup::default())
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
            ("opnai:http://user:hunter2@h/", "unknown backend"),
            ("embedded+tools:", "unknown backend"),
            ("ollama:", "not a URL"),
            ("ollama:http://h/", "which model"),
            ("ollama:http://hunter2@h/#m", "SOFTROUTER_OLLAMA_KEY"),
            ("anthropic:h", "not a URL"),
            ("anthropic+tools:http://hunter2@h/", "SOFTROUTER_ANTHROPIC_KEY"),
        ] {
            let error = text.parse::<BackendSpec>().unwrap_err();
            assert!(error.to_string().contains(hint), "{text}: {error}");
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }
}
