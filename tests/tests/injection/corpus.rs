//! The corpus of `tests/cases/injection`: its shape, and where the files are.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::path::Path;

/// Gives an enumeration with names as they stand in the files, and a list of all of it.
macro_rules! named {
    ($(#[$meta:meta])* $name:ident { $($variant:ident,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub(crate) enum $name { $($variant,)+ }

        impl $name {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)+];
        }
    };
}

named! {
    /// Where in a frame a payload is put.
    Carrier {
        IcmpEchoData, UdpPayload, TcpPayload, Ipv4TimestampOption, Ipv4RecordRouteOption, Ipv4UnknownOption, ArpPadding,
        EthernetTrailer, DnsName, DhcpOption, HttpHeader, SnapBody, PriorityTaggedBody, LlcBody, EthertypeBody,
        IcmpErrorQuote, HopByHopOption, Icmpv6EchoData,
    }
}

named! {
    /// How its bytes are made from its text.
    Encoding {
        Ascii, Utf16le, Utf16be, Base64, Hex, Rot13, Url, Leetspeak, ZeroWidth, MixedCase, Reversed,
    }
}

named! {
    /// What it pretends to be.
    Shape {
        Plain, JsonCloser, BoundaryCloser, ToolResultOpenai, ToolResultAnthropic, ToolResultOllama, ToolCallOpenai,
        ToolCallAnthropic, ToolCallOllama, SystemMessage, ChatTemplate,
    }
}

named! {
    /// What it wants.
    Demand {
        Forward, Drop, EchoReply, StripTag, Decapsulate, ClearOptions, TimestampReply, ParameterProblem, Reason, Nonce,
        TargetAddress, Port, WholeFrame, RepairedFrame, Relay, WidestScope, Reveal, Flood,
    }
}

/// One hostile payload.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Payload {
    /// `lower_snake`, unique.
    pub(crate) name: String,
    pub(crate) carrier: Carrier,
    pub(crate) encoding: Encoding,
    pub(crate) shape: Shape,
    pub(crate) demand: Demand,
    /// What the bytes say.
    pub(crate) text: String,
}

/// What a model might write; `{nonce}` and `{reason}` stand for the right ones.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Forged {
    /// `lower_snake`, unique.
    pub(crate) name: String,
    /// The JSON text, or what is offered as such.
    pub(crate) text: String,
    /// Is it an answer to a triage prompt at all, whatever it says?
    pub(crate) decodes: bool,
}

/// Every payload.
pub(crate) fn payloads() -> Vec<Payload> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        payload: Vec<Payload>,
    }
    read::<File>("payloads.toml").payload
}

/// Every forged answer.
pub(crate) fn forged() -> Vec<Forged> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        answer: Vec<Forged>,
    }
    read::<File>("answers.toml").answer
}

fn read<T: DeserializeOwned>(name: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/injection").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
