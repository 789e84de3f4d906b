//! The head of a recording: whose it is, and all that the router was told at its start.

use super::FORMAT;
use crate::config;
use crate::lab::run::LabConfig;
use crate::run::router;
use crate::storage;
use serde::{Deserialize, Serialize};
use smoltcp::wire::{Ipv4Address, Ipv6Address};
use stack::{Config, Route, Router};

/// Bytes of the configuration's text in one comment: an option of pcapng holds 65,535.
const PIECE: usize = 60_000;

/// How the configuration was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MadeFrom {
    /// `softrouter run`, from a file with this name. Its text follows in comments of its own.
    File(String),
    /// `softrouter lab`.
    Lab(LabConfig),
}

/// The head, as the first comment has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The version of the format. The first field, so that another version can be told.
    softrouter_recording: u32,
    /// The version of the program.
    softrouter: String,
    #[serde(with = "hex_number")]
    secret: u64,
    midnight_offset_ms: Option<u32>,
    /// [`config_hash`].
    #[serde(with = "hex_number")]
    config_hash: u64,
    made_from: MadeFrom,
    #[serde(skip)]
    text: String,
}

/// Why a header is not one of this program's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BadHeader {
    Foreign,
    /// What wrote it.
    Version(String),
    Damaged(String),
}

impl Header {
    /// The head of a recording of a router with this configuration. `text` is that of the file that it came from.
    pub fn new(config: &Config, config_hash: u64, made_from: MadeFrom, text: String) -> Self {
        Self {
            softrouter_recording: FORMAT,
            softrouter: env!("CARGO_PKG_VERSION").into(),
            secret: config.secret,
            midnight_offset_ms: config.midnight_offset_ms,
            config_hash,
            made_from,
            text,
        }
    }

    /// The version of the program that wrote it.
    pub fn version(&self) -> &str {
        &self.softrouter
    }

    /// The configuration's hash.
    pub const fn config_hash(&self) -> u64 {
        self.config_hash
    }

    pub(super) fn comments(&self) -> Vec<String> {
        let mut comments = vec![serde_json::to_string(self).expect("a header is plain data")];
        let mut rest = self.text.as_str();
        while !rest.is_empty() {
            let (piece, more) = rest.split_at(rest.floor_char_boundary(PIECE));
            comments.push(piece.into());
            rest = more;
        }
        comments
    }

    pub(super) fn from_comments<'a>(mut comments: impl Iterator<Item = &'a str>) -> Result<Self, BadHeader> {
        let first = comments.next().ok_or(BadHeader::Foreign)?;
        let value: serde_json::Value = serde_json::from_str(first).map_err(|_| BadHeader::Foreign)?;
        let format = value.get("softrouter_recording").ok_or(BadHeader::Foreign)?;
        let writer = value["softrouter"].as_str().unwrap_or("?").to_owned();
        if format.as_u64() != Some(FORMAT.into()) || writer != env!("CARGO_PKG_VERSION") {
            return Err(BadHeader::Version(format!("softrouter {writer}, format {format}")));
        }
        let header: Self =
            serde_json::from_value(value).map_err(|error| BadHeader::Damaged(error.to_string()))?;
        Ok(Self { text: comments.collect(), ..header })
    }

    /// A router as it was when the recording began.
    pub(super) fn router(&self) -> Result<Router<'static>, BadHeader> {
        let damaged = |problem: String| BadHeader::Damaged(format!("its configuration: {problem}"));
        let (router, hash) = match &self.made_from {
            MadeFrom::File(name) => {
                let config = config::parse(name, &self.text, self.secret, self.midnight_offset_ms)
                    .map_err(|error| damaged(error.to_string()))?;
                let hash = config_hash(&config.router, &config.routes, &config.routes_v6);
                (router(&config).map_err(|error| damaged(error.to_string()))?, hash)
            }
            MadeFrom::Lab(lab) => {
                let config = lab
                    .router(self.secret, self.midnight_offset_ms)
                    .ok_or_else(|| damaged("no such posture".into()))?;
                let hash = config_hash(&config, &[], &[]);
                let storage = storage::storage(&config.limits, storage::Tables::default());
                (Router::new(config, storage).map_err(|error| damaged(error.to_string()))?, hash)
            }
        };
        if hash != self.config_hash {
            let recorded = self.config_hash;
            return Err(damaged(format!(
                "its hash is {hash:016x}, and the recorded one {recorded:016x}: changed since, or another build's"
            )));
        }
        Ok(router)
    }
}

/// A hash of everything that the operator told the router, and of its tables' sizes: the same in every run.
pub fn config_hash(config: &Config, routes: &[Route<Ipv4Address>], routes_v6: &[Route<Ipv6Address>]) -> u64 {
    let config = Config { secret: 0, midnight_offset_ms: None, ..config.clone() };
    let sizes = storage::sizes(&config.limits, storage::Tables::default());
    fnv(&format!("{config:?}{sizes:?}{routes:?}{routes_v6:?}"))
}

/// FNV-1a: the standard library's hashes may change with its version.
pub(crate) fn fnv(text: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

/// 64 bits as hexadecimal text: many readers of JSON keep only 53 of a number.
mod hex_number {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{number:016x}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = String::deserialize(deserializer)?;
        u64::from_str_radix(&text, 16).map_err(serde::de::Error::custom)
    }
}
