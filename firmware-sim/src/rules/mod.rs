//! Rules outside the router: as text, in a file from one run to the next, and on the control socket.
//!
//! Read in this order: `form.rs` (what a rule looks like), `document.rs` (many of them), `desk.rs` (what the owner loop
//! does for an operator), `control.rs` (the socket), `client.rs` (`softrouter rules`). docs/rules.md is for people.

pub mod client;
mod control;
mod decode;
mod desk;
mod document;
mod encode;
mod explain;
mod file;
mod form;
mod import;
mod names;
mod refusal;
mod request;
mod seconds;
mod socket;
mod table;
#[cfg(test)]
mod tests;
mod upkeep;
mod words;

pub use control::Control;
pub use decode::{Problem, form_from, spec_from};
pub use desk::{Copies, Desk, Order};
pub use document::{Candidate, Document, DocumentError, Refused, read, write};
pub use encode::{form_of, rule_form};
pub use file::{Keeper, Loaded, RulesFile};
pub use form::RuleForm;
pub use names::Names;
pub use request::{Answer, Request};
pub use seconds::{Seconds, Times};
pub use socket::{ControlError, Listening, default_path};
pub use upkeep::{ControlPlan, Opening, RulesPlan, Upkeep, UpkeepError};
