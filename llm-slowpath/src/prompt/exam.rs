//! The exam's prompts for general models: for each task a constant system part, and a part about one question.
//!
//! Both halves of an echo request may be shown here, addresses and payload included: the exam's frames are generated,
//! or of captures that the user names for it. The slow path never sends such a prompt (see [`super::text`]).
//!
//! A model is told what follows from no RFC: this project's policy for scopes and lifetimes, a reply's time to live, which
//! explanation of two is the simpler one. Otherwise ping-full and by-example come without hints: no checksum, sum or
//! verdict is told.
//!
//! Sizes in bytes, the question's part at its longest and the constant part: triage 550 and 2,800, repair 950 and
//! 2,200, ping-delta 340 and 1,400, ping-full 410 and 1,000, by-example 330 and 1,400. The question's part is within 512
//! tokens, even where each byte of a part that is mostly hex digits is a token.

use super::options::PromptOptions;
use super::schema::{Form, NONCE, offered_in_exam};
use super::text::{
    BOUNDARY, NOT_AN_ECHO_REQUEST, PING_ASKED, PING_RULES, WORDS, actions, answer_form, bounded,
    class_object, hex, ping,
};
use super::tokens::Task;
use super::tokens::decide::MAX_FAULTS;
use super::tokens::example::MAX_EXCHANGES;
use super::tokens::ping::{MAX_FRAME, echo_request};
use crate::question::{Exchange, Question};
use serde_json::{Value, json};
use stack::Anomaly;
use stack::answer::template::MAX_MESSAGE;
use stack::answer::{Fix, Fixes, Lifetime, Scope};
use std::fmt::Write as _;
use std::sync::LazyLock;

/// Why a question has no prompt: ping-full is about frames of at most [`MAX_FRAME`] bytes.
pub const FRAME_TOO_LONG: &str = "the echo request is longer than that of the usual ping";
/// Why a question has no prompt: by-example is about messages of at most [`MAX_MESSAGE`] bytes.
pub const MESSAGE_TOO_LONG: &str = "a message of the unknown protocol is longer than 8 bytes";
/// Why a question has no prompt: nothing can be learnt from no example.
pub const NO_EXCHANGE: &str = "there is no exchange to learn from";

/// The part about one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// A fingerprint of the question, which the answer must echo: an answer to another question has another.
    pub nonce: u32,
    /// What parts the data from the words. An exam has no sender who might guess it: it follows from the question, too.
    pub boundary: u32,
    /// The text.
    pub text: String,
}

/// The constant part of a task's prompts.
pub fn system(task: Task) -> &'static str {
    static SYSTEMS: LazyLock<[String; Task::ALL.len()]> = LazyLock::new(|| Task::ALL.map(build_system));
    &SYSTEMS[task as usize]
}

/// The part about one question.
///
/// # Errors
/// Where the embedded model has no prompt either: [`NOT_AN_ECHO_REQUEST`], [`FRAME_TOO_LONG`], [`MESSAGE_TOO_LONG`],
/// [`NO_EXCHANGE`].
pub fn prompt(question: &Question<'_>) -> Result<Prompt, &'static str> {
    let (mut object, asked) = match *question {
        Question::Triage(class) => {
            (class_object(class, offered_in_exam(class.reason)), "Which action, scope and lifetime?")
        }
        Question::Repair { allowed, faults } => {
            (repair(allowed, faults), "Repair the frame, or drop it? Which fixes?")
        }
        Question::PingDelta(frame) => {
            let request = ping(frame, &PromptOptions::default()).ok_or(NOT_AN_ECHO_REQUEST)?;
            (json!({ "request": request, "actions_offered": ["drop", "echo_reply"] }), PING_ASKED)
        }
        Question::PingFull(frame) => (json!({ "request": full(frame)? }), "Which frame is the reply?"),
        Question::Example { exchanges, request } => {
            (example(exchanges, request)?, "Which bytes are the reply to the request?")
        }
    };
    object["task"] = question.task().name().into();
    let question = object.to_string();
    let (nonce, boundary) = (fingerprint(&question), fingerprint(&format!("boundary {question}")));
    object[NONCE] = format!("{nonce:08x}").into();
    Ok(Prompt { nonce, boundary, text: bounded(&object, boundary, asked) })
}

/// FNV-1a: the same for the same question on every machine, so that an exam can be repeated to the byte.
fn fingerprint(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

fn repair(allowed: Fixes, faults: &[Anomaly]) -> Value {
    let told = |fault: &Anomaly| json!({ "name": fault.name(), "about": fault.row().doc.trim() });
    json!({
        "fixes_allowed": allowed.iter().map(Fix::name).collect::<Vec<_>>(),
        "faults": faults.iter().take(MAX_FAULTS).map(told).collect::<Vec<_>>(),
    })
}

/// The frame without what pads it.
fn full(frame: &[u8]) -> Result<String, &'static str> {
    let packet = echo_request(frame).ok_or(NOT_AN_ECHO_REQUEST)?;
    let len = frame.len() - packet.as_ref().len() + usize::from(packet.total_len());
    let frame = frame.get(..len).filter(|frame| frame.len() <= MAX_FRAME).ok_or(FRAME_TOO_LONG)?;
    Ok(hex(frame, " "))
}

fn example(exchanges: &[Exchange], request: &[u8]) -> Result<Value, &'static str> {
    let used = &exchanges[exchanges.len().saturating_sub(MAX_EXCHANGES)..];
    if used.is_empty() {
        return Err(NO_EXCHANGE);
    }
    let longest = used.iter().map(|(request, reply)| request.len().max(reply.len())).max();
    if longest.max(Some(request.len())) > Some(MAX_MESSAGE) {
        return Err(MESSAGE_TOO_LONG);
    }
    let pair = |(request, reply): &Exchange| [hex(request, " "), hex(reply, " ")];
    Ok(json!({
        "exchanges": used.iter().map(pair).collect::<Vec<_>>(),
        "request": hex(request, " "),
    }))
}

fn build_system(task: Task) -> String {
    let form = answer_form(Form::Exam(task));
    let body = match task {
        Task::Triage => triage_system(&form),
        Task::Repair => repair_system(&form),
        Task::PingDelta => format!(
            "You are the slow path of a router. Its fast path held one ICMP echo request over IPv4 that is addressed \
             to the router. Decide whether it is answered, and compute the reply's header bytes.\n\n{form}{}{PING_RULES}",
            actions(Form::Exam(task).actions()),
        ),
        Task::PingFull => format!(
            "You are a host on an Ethernet. You are given a whole frame, without its check sequence, that holds an ICMP \
             echo request over IPv4 to you. Write the whole frame of the echo reply.\n\n{form}\
             The reply has the length of the request. Its MAC addresses are swapped, its IPv4 addresses too. Its TTL is \
             64, its ICMP type 0. Both checksums are as RFC 1071 and RFC 792 define them, computed for the reply. \
             Everything else is copied from the request, the payload included.\n\n"
        ),
        Task::Example => format!(
            "You are given one to three exchanges of an unknown protocol, each a request and its reply as hex bytes, and \
             a new request. Find out what each byte of a reply is, and write the reply to the new request.\n\n{form}\
             A byte of a reply is one of these: a constant; a copy of a certain byte of the request; a certain byte of \
             the request plus one (modulo 256); the number of bytes of the whole reply. The end of a reply may also be \
             all of the request from a certain byte on.\n\
             Where several explanations fit every exchange, the simplest holds. If there is more than one exchange, a byte \
             that is the same in every reply is a constant. Otherwise take the first of these that fits all exchanges: a \
             copy, of the earliest byte that fits; the length; a byte plus one, the earliest that fits; a constant. If \
             replies differ in length, their end is a copy of the request's end: take the longest such end.\n\n"
        ),
    };
    format!("{body}{BOUNDARY}: it must echo the nonce.\n")
}

fn triage_system(form: &str) -> String {
    let mut text = format!(
        "You are the slow path of a router for IPv4 and IPv6. Its fast path diverted one Ethernet frame that it could \
         not serve. Decide what to do with it, as the RFCs and the operator's posture say; which other frames the \
         decision may serve (its scope); and for how long (its lifetime).\n\n{form}{}{WORDS}The scopes:\n",
        actions(Form::Exam(Task::Triage).actions()),
    );
    for &scope in Scope::ALL {
        let _ = writeln!(text, "- {scope}: {}", reach(scope));
    }
    text.push_str("\nThe lifetimes:\n");
    for &lifetime in Lifetime::ALL {
        let _ = match lifetime {
            Lifetime::Once => writeln!(text, "- {lifetime}: for this frame alone."),
            _ => writeln!(text, "- {lifetime}: {} seconds.", lifetime.seconds()),
        };
    }
    text.push_str(
        "\nThe operator's policy for both:\n\
         - What is sent for one frame (timestamp_reply, parameter_problem) serves that frame: scope frame, lifetime once.\n\
         - A drop for a reason of kind `misbehaving` is about one sender: scope source. A drop of any other kind: scope \
         class. Its lifetime is long under strict, medium under balanced, short under open.\n\
         - Whatever lets the frame go on (forward, strip_tag, decapsulate, clear_options) has scope flow and lifetime \
         short under strict, scope flow and lifetime medium under balanced, scope class and lifetime long under open.\n\n",
    );
    text
}

const fn reach(scope: Scope) -> &'static str {
    match scope {
        Scope::Frame => "this frame only.",
        Scope::Flow => "frames of the same two addresses, protocol and ports.",
        Scope::Source => "frames of the same source.",
        Scope::Class => "every frame of the same reason, direction, posture and fields.",
    }
}

fn repair_system(form: &str) -> String {
    let mut text = format!(
        "You are the slow path of a router. Its fast path diverted one Ethernet frame with one or more faults, which are \
         told from the outermost header inwards. The operator allows some fixes, each of which puts one kind of fault \
         right. Decide whether the frame is repaired, and by which fixes.\n\n{form}The fixes:\n"
    );
    for &fix in Fix::ALL {
        let _ = writeln!(text, "- {fix}: {}", cure(fix));
    }
    text.push_str(
        "\nThe rules: repair the frame only if every one of its faults has a fix, and each of these fixes is allowed; \
         then name exactly these. Otherwise drop it: half a repair leaves a malformed frame. A fault that no fix is about \
         cannot be put right. A wrong IPv4 header checksum never is: nobody knows which byte of the header is wrong.\n\n",
    );
    text
}

const fn cure(fix: Fix) -> &'static str {
    match fix {
        Fix::StripTag => "takes off an 802.1Q priority tag (VLAN id 0).",
        Fix::Decapsulate => "takes an IPv4 packet out of its LLC/SNAP envelope.",
        Fix::ClearOptions => {
            "overwrites the IPv4 options that RFC 7126 (BCP 186) leaves to a knob, such as Record Route and Timestamp, \
             with No-Operation, in a packet in transit."
        }
        Fix::TotalLength => {
            "sets an IPv4 total length that is larger than the frame to what the frame holds."
        }
        Fix::ReservedFlag => "clears the reserved flag of the IPv4 header.",
        Fix::DontFragment => "clears Don't Fragment on an IPv4 fragment.",
        Fix::PayloadLength => {
            "sets an IPv6 payload length that is larger than the frame to what the frame holds."
        }
        Fix::UdpLength => "sets a UDP length that does not fit to what the packet holds.",
        Fix::UdpChecksum => "computes a UDP checksum that is wrong, or missing over IPv6.",
        Fix::TcpChecksum => "computes a wrong TCP checksum anew.",
        Fix::IcmpChecksum => "computes a wrong ICMP or ICMPv6 checksum anew.",
        Fix::LinkDestination => {
            "addresses a unicast packet in a broadcast or multicast frame to the router's own MAC address."
        }
    }
}

#[cfg(test)]
#[path = "exam_tests.rs"]
mod tests;
