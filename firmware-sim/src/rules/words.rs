//! What a rule matches and does, in words, for the list and for the explanation.

use super::form::{ActionForm, ByteForm, EditForm, ReplyForm, RuleForm, SubjectForm};
use serde_json::Value;

/// One cell of a table: which frames of the class.
pub(super) fn subject_cell(subject: &SubjectForm) -> String {
    match subject {
        SubjectForm::Class => "class".into(),
        SubjectForm::Source { from } => format!("source {from}"),
        SubjectForm::Flow { from, to, protocol, l4_ports } => {
            let ports = match l4_ports {
                (0, 0) => String::new(),
                (source, destination) => format!(" ports {source}, {destination}"),
            };
            format!("flow {from} -> {to} protocol {protocol}{ports}")
        }
    }
}

/// One cell of a table: what is done.
pub(super) fn action_cell(rule: &RuleForm) -> String {
    let dscp = |dscp: &Option<u8>| dscp.map(|dscp| format!(" dscp {dscp}")).unwrap_or_default();
    let mut cell = match &rule.action {
        ActionForm::Drop => "drop".into(),
        ActionForm::Forward { edit, dscp: d } => format!("forward{}{}", edit_cell(*edit), dscp(d)),
        ActionForm::Deliver { edit, dscp: d } => format!("deliver{}{}", edit_cell(*edit), dscp(d)),
        ActionForm::Reply { with: ReplyForm::Timestamp } => "reply timestamp".into(),
        ActionForm::Reply { with: ReplyForm::ParameterProblem } => "reply parameter_problem".into(),
        ActionForm::Reply { with: ReplyForm::Template(_) } => "reply template".into(),
    };
    if let Some(meter) = rule.meter {
        cell += &format!(" <= {}/s", meter.per_second);
    }
    cell
}

const fn edit_cell(edit: EditForm) -> &'static str {
    match edit {
        EditForm::None => "",
        EditForm::StripTag => " strip_tag",
        EditForm::Decapsulate => " decapsulate",
        EditForm::ClearOptions => " clear_options",
    }
}

/// What a rule does with a frame: a sentence's rest after "it".
pub(super) fn action_words(rule: &RuleForm) -> String {
    let goes = |edit: EditForm, dscp: &Option<u8>, goes: &str| {
        let edit = match edit {
            EditForm::None => None,
            EditForm::StripTag => Some("takes its 802.1Q priority tag off".into()),
            EditForm::Decapsulate => Some("takes the IPv4 packet out of its LLC/SNAP envelope".into()),
            EditForm::ClearOptions => {
                Some("makes the IPv4 options that RFC 7126 leaves to a knob No-Operation".into())
            }
        };
        let dscp = dscp.map(|dscp| format!("sets its code point to {dscp}"));
        [edit, dscp, Some(goes.into())].into_iter().flatten().collect::<Vec<String>>().join(" and ")
    };
    let mut words = match &rule.action {
        ActionForm::Drop => "discards the frame".into(),
        ActionForm::Forward { edit, dscp } => goes(*edit, dscp, "forwards it to where it is addressed"),
        ActionForm::Deliver { edit, dscp } => goes(*edit, dscp, "hands it to the router's own host"),
        ActionForm::Reply { with: ReplyForm::Timestamp } => "answers it with an ICMP timestamp reply".into(),
        ActionForm::Reply { with: ReplyForm::ParameterProblem } => {
            "answers it with an ICMP Parameter Problem".into()
        }
        ActionForm::Reply { with: ReplyForm::Template(bytes) } => {
            let bytes: Vec<_> = bytes.iter().map(byte_words).collect();
            format!("answers it with a message of: {}", bytes.join(", "))
        }
    };
    if let Some(meter) = rule.meter {
        words += &format!(
            ", {} times a second at most ({} at once); what is beyond is dropped",
            meter.per_second, meter.burst
        );
    }
    if rule.sample_one_in > 0 {
        words += &format!(", and leaves one frame in {} to the slow path all the same", rule.sample_one_in);
    }
    words
}

fn byte_words(byte: &ByteForm) -> String {
    match byte {
        ByteForm::Constant(value) => format!("0x{value:02x}"),
        ByteForm::Copy(index) => format!("the request's byte {index}"),
        ByteForm::Next(index) => format!("the request's byte {index} plus one"),
        ByteForm::Length => "the reply's length".into(),
        ByteForm::Rest(index) => format!("the request from byte {index} on"),
    }
}

/// Which frames of its class a rule is about: a sentence's rest after "frames".
pub(super) fn subject_words(subject: &SubjectForm) -> String {
    match subject {
        SubjectForm::Class => "of anybody".into(),
        SubjectForm::Source { from } => format!("from {from}"),
        SubjectForm::Flow { from, to, protocol, l4_ports: (source, destination) } => {
            let port = |port: &u16| match (matches!(protocol, 6 | 17), *port) {
                (false, _) => String::new(),
                (true, 0) => " (any client's port)".into(),
                (true, port) => format!(" (port {port})"),
            };
            format!("from {from}{} to {to}{} with protocol {protocol}", port(source), port(destination))
        }
    }
}

/// A field of the match and its value.
pub(super) fn field_words(name: &str, value: &Value) -> String {
    let text = value.as_str().unwrap_or_default();
    match (name, value) {
        ("ethertype", _) => format!("their EtherType is {text}"),
        ("link_destination", _) if text == "the router" => {
            "they are addressed to the router's MAC address".into()
        }
        ("link_destination", _) => format!("they are sent as {text}"),
        ("priority", _) => format!("their 802.1Q priority is {value}"),
        ("inner", _) => match text {
            "healthy IP" | "not IP" => format!("what the tag or envelope holds is {text}"),
            anomaly => format!("what the tag or envelope holds is itself {anomaly}"),
        },
        ("options", Value::Array(options)) => {
            let options: Vec<_> = options.iter().filter_map(Value::as_str).collect();
            format!("their IPv4 options are just: {}", options.join(", "))
        }
        ("error_forbidden", Value::Bool(true)) => "RFC 1812 §4.3.2.7 forbids an ICMP error about them".into(),
        ("error_forbidden", _) => "RFC 1812 §4.3.2.7 allows an ICMP error about them".into(),
        ("icmp_type", _) => format!("their ICMP type is {value}"),
        ("icmp_code", _) => format!("their ICMP code is {value}"),
        ("icmp_length", _) => format!("their ICMP message has {value} bytes"),
        _ => format!("{name} is {value}"),
    }
}
