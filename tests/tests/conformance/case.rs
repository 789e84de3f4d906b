//! The shape of a case file; `tests/cases/README.md` explains every field.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// One file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    case: Vec<Case>,
}

/// One case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) level: Level,
    pub(crate) source: String,
    pub(crate) rfc: String,
    pub(crate) note: Option<String>,
    pub(crate) no_tap: Option<String>,
    #[serde(default)]
    pub(crate) setup: Setup,
    pub(crate) step: Vec<Step>,
}

/// Whether the expectation is a requirement or a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Level {
    /// Required by an RFC, or agreed by all peers.
    M,
    /// Policy: this router's choice, with its reason in the note.
    P,
}

/// How the laboratory differs from the usual.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Setup {
    pub(crate) routes: Vec<RouteLine>,
    pub(crate) neighbors: Vec<NeighborLine>,
    pub(crate) cold: Vec<u8>,
    pub(crate) mtu: Option<[usize; 2]>,
    pub(crate) vlans: Vec<VlanLine>,
    pub(crate) reverse_path: BTreeMap<String, String>,
    pub(crate) modes: BTreeMap<String, String>,
}

/// One more route.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RouteLine {
    pub(crate) prefix: String,
    /// Neither this nor a type: the destinations are on the link.
    pub(crate) via: Option<String>,
    pub(crate) port: Option<u8>,
    /// `unreachable`, `prohibit` or `blackhole`.
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
}

/// A VLAN of a port's device: one more port, with the MAC address of its trunk.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VlanLine {
    pub(crate) port: u8,
    pub(crate) id: u16,
    pub(crate) address: String,
}

/// One more host that the router knows.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NeighborLine {
    pub(crate) port: u8,
    /// Where it is behind a VLAN of that port.
    pub(crate) vlan: Option<u16>,
    pub(crate) address: String,
    pub(crate) mac: String,
}

/// One stimulus, or one wait, and what must follow.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    pub(crate) after: Option<String>,
    pub(crate) withdraw: Option<String>,
    pub(crate) port: Option<u8>,
    #[serde(default = "once")]
    pub(crate) repeat: u64,
    /// Each repetition has the next identification.
    #[serde(default)]
    pub(crate) counting: bool,
    /// For the run over TAPs.
    #[serde(rename = "scapy")]
    _scapy: Option<String>,
    pub(crate) hex: Option<String>,
    pub(crate) verdict: Option<String>,
    #[serde(default)]
    pub(crate) verdicts: BTreeMap<String, u64>,
    pub(crate) reason: Option<String>,
    pub(crate) seen: Option<String>,
    #[serde(default)]
    pub(crate) ends: Vec<String>,
    #[serde(default)]
    pub(crate) sends: Vec<Sends>,
}

/// A frame that the router must send.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sends {
    pub(crate) port: u8,
    #[serde(default = "once")]
    pub(crate) times: u64,
    #[serde(rename = "scapy")]
    _scapy: String,
    pub(crate) hex: String,
    /// For the run over TAPs.
    #[serde(default, rename = "flawed")]
    _flawed: bool,
}

const fn once() -> u64 {
    1
}

/// Every case of every file, in order of file names.
pub(crate) fn all() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .expect("tests/cases")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    assert!(!paths.is_empty(), "no case files in {}", folder.display());
    let read = |path: &std::path::PathBuf| {
        let text = std::fs::read_to_string(path).expect("a readable file");
        toml::from_str::<File>(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())).case
    };
    paths.iter().flat_map(read).collect()
}

/// A frame in the notation of the case files; `None` is a byte that may have any value.
pub(crate) type Pattern = Vec<Option<u8>>;

/// Reads `0a1b 61*3 ..*2`.
pub(crate) fn pattern(text: &str) -> Result<Pattern, String> {
    let mut bytes = Vec::new();
    for word in text.split_whitespace() {
        let (token, times) = word.split_once('*').unwrap_or((word, "1"));
        let times: usize = times.parse().map_err(|_| format!("`{word}`: not a number of times"))?;
        let token: Pattern = (0..token.len())
            .step_by(2)
            .map(|at| match token.get(at..at + 2) {
                Some("..") => Ok(None),
                Some(digits) => {
                    u8::from_str_radix(digits, 16).map(Some).map_err(|_| format!("`{word}`: not hex"))
                }
                None => Err(format!("`{word}`: half a byte")),
            })
            .collect::<Result<_, _>>()?;
        bytes.extend(std::iter::repeat_n(token, times).flatten());
    }
    Ok(bytes)
}

/// Reads `1s` or `250ms`.
pub(crate) fn duration(text: &str) -> Result<smoltcp::time::Duration, String> {
    let wrong = || format!("`{text}`: write 250ms or 3s");
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?);
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    match unit {
        "ms" => Ok(smoltcp::time::Duration::from_millis(number)),
        "s" => Ok(smoltcp::time::Duration::from_secs(number)),
        _ => Err(wrong()),
    }
}
