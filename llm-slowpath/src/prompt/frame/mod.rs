//! What a frame prompt tells of a frame: its header fields, layer by layer, and what is behind them.
//!
//! Every view is read with its length checked first, so that a malformed frame is told as far as it goes. No field is
//! longer than its header allows, and none is text of the frame's sender.

mod link;
mod network;
mod payload;
mod upper;

use super::options::PromptOptions;
use super::pseudonym::Names;
use serde_json::{Value, json};
use stack::Diverted;

/// One header of the frame, or what is behind the last one: its name and its fields.
pub(super) type Layer = (&'static str, Value);

/// The layers of a frame from the outermost inwards, and the bytes behind the last header that could be read.
pub(super) struct Layers<'a> {
    pub(super) layers: Vec<Layer>,
    pub(super) payload: &'a [u8],
}

/// Decodes the frame.
pub(super) fn layers<'a>(frame: &'a [u8], options: &PromptOptions) -> Layers<'a> {
    let mut reader = Reader {
        names: Names::new(options.pseudonyms, options.real_addresses),
        layers: Vec::new(),
        payload: frame,
    };
    reader.link(frame);
    Layers { layers: reader.layers, payload: reader.payload }
}

/// Length, entropy and hash of the payload.
pub(super) fn payload(bytes: &[u8], options: &PromptOptions) -> Value {
    payload::digest(bytes, options.pseudonyms)
}

/// Reads headers inwards; whatever it has not read yet is payload.
struct Reader<'a> {
    names: Names,
    layers: Vec<Layer>,
    payload: &'a [u8],
}

impl Reader<'_> {
    fn push(&mut self, name: &'static str, fields: Value) {
        self.layers.push((name, fields));
    }
}

/// What the router remembers of the frame's flow. Ages are whole seconds before this frame was received.
pub(crate) fn flow(diverted: &Diverted) -> Option<Value> {
    let flow = diverted.flow?;
    let age = |then: smoltcp::time::Instant| {
        let age = diverted.received_at.total_micros().saturating_sub(then.total_micros()) / 1_000_000;
        age.clamp(0, 9_999_999)
    };
    let recent = flow.recent.iter().flatten().map(|reason| reason.name()).collect::<Vec<_>>();
    Some(json!({
        "seen_s_ago": [age(flow.first_seen), age(flow.last_seen)],
        "frames": flow.frames,
        "recent": recent,
        "approved": flow.approved,
        "rejected": flow.rejected,
        "unanswered": flow.unanswered,
    }))
}

/// Leaves out what is zero or empty, of fields that mostly are.
fn without_zeros(mut fields: Value, mostly_zero: &[&str]) -> Value {
    if let Some(map) = fields.as_object_mut() {
        map.retain(|name, value| {
            !mostly_zero.contains(&name.as_str()) || (value != "" && *value != json!(0))
        });
    }
    fields
}

/// A checksum's verdict by deterministic code. `None`: it cannot be checked, since not all it covers is there.
fn verdict(right: Option<bool>) -> &'static str {
    match right {
        Some(true) => "right",
        Some(false) => "wrong",
        None => "unknown",
    }
}

/// The names of the flags that are set, with a space between names.
fn set(flags: &[(&'static str, bool)]) -> String {
    let names = flags.iter().filter(|(_, set)| *set).map(|(name, _)| *name);
    names.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
