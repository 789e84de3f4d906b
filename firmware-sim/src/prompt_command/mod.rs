//! `softrouter prompt`: a frame through a real router, and the prompt that a model would be sent about it.

mod source;
#[cfg(test)]
mod tests;
mod text;

use crate::config::{self, FileError};
use crate::hex::hex;
use crate::lab;
use crate::run;
use crate::storage::{Tables, storage};
use llm_slowpath::PingTask;
use llm_slowpath::backend::{embedded, tools};
use llm_slowpath::prompt::canonical::Canonical;
use llm_slowpath::prompt::schema::Form;
use llm_slowpath::prompt::{PromptOptions, text as prompt_text, tokens, tokens_at_most};
use serde::Serialize;
use serde_json::Value;
use smoltcp::time::Instant;
use stack::frame::FRAME_MAX;
use stack::{Anomaly, Config, ConfigError, Diverted, FrameBuf, Mode, PortId, Posture, Router, Verdict};
use std::io::{self, Read};
use std::path::PathBuf;

/// What to show.
#[derive(Debug, Clone)]
pub struct PromptPlan {
    /// Hex, `@FILE.pcap[:N]`, or `-` for hex on standard input.
    pub frame: String,
    /// A configuration instead of the lab's.
    pub config: Option<PathBuf>,
    /// Another posture than the configuration's.
    pub posture: Option<Posture>,
    /// The port that the frame comes in by.
    pub port: u8,
    /// Echo requests are held.
    pub ping: bool,
    /// What the prompt may hold; `None`: what the configuration says.
    pub options: Option<PromptOptions>,
    /// For a model that calls tools.
    pub tools: bool,
    /// The embedded model's tokens, too.
    pub embedded: bool,
}

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// A character that is no hex digit.
    #[error(
        "`{0}` is no hex digit\n  remedy: write bytes as two hex digits each, with spaces or colons between them if you like, \
             or @FILE.pcap[:N]"
    )]
    Digit(char),
    /// Half a byte.
    #[error("{0} hex digits make no whole number of bytes\n  remedy: write two digits for each byte")]
    Half(usize),
    /// Longer than any frame that the router stores.
    #[error(
        "the frame has {0} bytes, but the slow path gets at most {FRAME_MAX}\n  remedy: leave out the check sequence and what \
             follows the packet"
    )]
    TooLong(usize),
    /// Standard input cannot be read.
    #[error("standard input: {0}\n  remedy: write hex text to it")]
    Input(io::Error),
    /// The capture cannot be used.
    #[error("{}: {problem}\n  remedy: {remedy}", path.display())]
    Capture {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// The configuration is wrong.
    #[error(transparent)]
    File(#[from] FileError),
    /// The router refuses the configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is no such port.
    #[error("there is no port {port}\n  remedy: name one from 0 to {last}")]
    Port {
        /// The port that was named.
        port: u8,
        /// The last one that there is.
        last: usize,
    },
}

/// What became of the frame.
#[derive(Debug, Serialize)]
pub struct Told {
    /// The frame as hex.
    pub frame: String,
    /// Its length in bytes.
    pub frame_bytes: usize,
    /// The port that it came in by.
    pub port: u8,
    /// What the fast path does with it.
    pub fast_path: String,
    /// Frames that the router sends at once because of it: out of which port, how long.
    pub sends: Vec<(u8, usize)>,
    /// What a model is asked, if one is.
    pub asked: Option<Asked>,
}

/// What a model is asked.
#[derive(Debug, Serialize)]
pub struct Asked {
    /// Why.
    pub reason: &'static str,
    /// `enforce`: the frame is held for the answer. `observe`: a sampled copy is shown, the answer only recorded.
    pub mode: &'static str,
    /// How long an answer may take.
    pub deadline_ms: u64,
    /// The prompt for a model server.
    pub prompt: Option<ServerPrompt>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_prompt: Option<&'static str>,
    /// The embedded model's prompt, if it was asked for: its task and the names of its tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedded: Option<(&'static str, Vec<String>)>,
}

/// The prompt for a model server. The dialects put it into different requests.
#[derive(Debug, Serialize)]
pub struct ServerPrompt {
    /// `class`: the answer may be cached. `frame`: it may not.
    pub kind: &'static str,
    /// The canonical hash: the key of transcripts.
    pub hash: String,
    /// The constant part.
    pub system: String,
    /// Tools that the model may call, and what it is told of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<(&'static str, &'static str)>,
    /// The part about this frame.
    pub user: String,
    /// Bytes of the two.
    pub bytes: (usize, usize),
    /// Tokens of the two: no tokenizer in use needs more.
    pub tokens_at_most: (usize, usize),
    /// The name of the answer's schema.
    pub schema_name: &'static str,
    /// What the answer must look like.
    pub schema: &'static Value,
}

/// Runs the frame through a router that has just been started. Its secret is 0, so that the same command prints the same
/// text; in a run nobody can know nonce and boundary.
///
/// # Errors
/// See [`PromptError`].
pub fn run(plan: &PromptPlan, input: &mut dyn Read) -> Result<Told, PromptError> {
    let bytes = source::frame(&plan.frame, input)?;
    if bytes.len() > FRAME_MAX {
        return Err(PromptError::TooLong(bytes.len()));
    }
    let (mut router, configured) = router(plan)?;
    let options = plan.options.unwrap_or(configured);
    let now = Instant::ZERO;
    let mut buffer = [0; FRAME_MAX];
    buffer[..bytes.len()].copy_from_slice(&bytes);
    let mut frame = FrameBuf::with_room(&mut buffer, 0, bytes.len());
    let verdict = router.handle_frame(now, PortId(plan.port), &mut frame);
    let mut copy = Box::new([0; FRAME_MAX]);
    let mut sends = Vec::new();
    while let Some(sent) = router.poll_transmit(&mut copy) {
        sends.push((sent.port.0, sent.len));
    }
    let diverted = router.poll_divert(&mut copy);
    let asked = diverted.map(|diverted| ask(&diverted, &copy[..diverted.len], plan, &options));
    Ok(Told {
        frame: hex(&bytes),
        frame_bytes: bytes.len(),
        port: plan.port,
        fast_path: words(verdict),
        sends,
        asked,
    })
}

/// The router of the configuration, or the lab's, and what its prompts may hold.
fn router(plan: &PromptPlan) -> Result<(Router<'static>, PromptOptions), PromptError> {
    let options = PromptOptions::default();
    let Some(path) = &plan.config else {
        let mut config = lab::run::router_config(Posture::Balanced, false, false, Config::new(0));
        adjust(&mut config, plan)?;
        let storage = storage(&config.limits, Tables::default());
        return Ok((Router::new(config, storage)?, options));
    };
    let (mut config, _) = config::load(path, 0, None)?;
    adjust(&mut config.router, plan)?;
    // With the same pseudonyms each time.
    let options = PromptOptions { pseudonyms: options.pseudonyms, ..config.slow_path.prompt };
    Ok((run::router(&config)?, options))
}

fn adjust(config: &mut Config, plan: &PromptPlan) -> Result<(), PromptError> {
    if usize::from(plan.port) >= config.ports.len() {
        return Err(PromptError::Port { port: plan.port, last: config.ports.len() - 1 });
    }
    config.posture = plan.posture.unwrap_or(config.posture);
    // Of what is sampled, this is the one.
    config.limits.observe_one_in = 1;
    if plan.ping {
        config.set_mode(Anomaly::EchoRequest, Mode::Enforce)?;
    }
    Ok(())
}

fn ask(diverted: &Diverted, frame: &[u8], plan: &PromptPlan, options: &PromptOptions) -> Asked {
    let form = Form::of(diverted.reason());
    let system = prompt_text::system();
    let sent = if plan.tools { tools::system(system) } else { system.to_owned() };
    let tools = if plan.tools { &tools::NAMES.map(|name| (name, tools::description(name)))[..] } else { &[] };
    let prompt = prompt_text::frame_part(diverted, frame, options).map(|user| ServerPrompt {
        kind: if !plan.tools && prompt_text::is_class_prompt(diverted.reason(), options) {
            "class"
        } else {
            "frame"
        },
        hash: Canonical::of(system, &user, diverted.nonce, diverted.boundary).hash,
        bytes: (sent.len(), user.len()),
        tokens_at_most: (tokens_at_most(&sent), tokens_at_most(&user)),
        system: sent,
        tools: tools.to_vec(),
        user,
        schema_name: form.name(),
        schema: form.schema(),
    });
    let embedded = plan.embedded.then(|| {
        let prompt = embedded::prompt(&diverted.class, frame, PingTask::default());
        (prompt.task().name(), prompt.tokens().iter().copied().map(tokens::name).collect())
    });
    Asked {
        reason: diverted.reason().name(),
        mode: diverted.mode.name(),
        deadline_ms: (diverted.deadline - diverted.received_at).total_millis(),
        no_prompt: prompt.as_ref().err().copied(),
        prompt: prompt.ok(),
        embedded,
    }
}

fn words(verdict: Verdict) -> String {
    match verdict {
        Verdict::Forward { port } => format!("forward out of port {port}"),
        Verdict::Deliver => "deliver to the router's own host".into(),
        Verdict::Consume => {
            "consume (it is ARP or Neighbour Discovery, waits for its next hop's address, or leaves in \
             fragments)"
                .into()
        }
        Verdict::Drop(reason) => format!("drop: {reason}"),
        Verdict::Divert(reason) => format!("divert: {reason}"),
    }
}
