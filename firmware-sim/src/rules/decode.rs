//! The rule that a form stands for; or what is wrong with the form, where, and what to write instead.

use super::form::{ActionForm, ByteForm, EditForm, MeterForm, OriginForm, ReplyForm, RuleForm, SubjectForm};
use super::names::{Backend, Names};
use super::seconds::{Seconds, Times};
use llm_slowpath::prompt::text::field_value;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use smoltcp::wire::EthernetAddress;
use stack::answer::template::{MAX_MESSAGE, Template, TemplateByte};
use stack::divert::{ClassKey, Direction, Field, FieldValue, MAX_FIELDS};
use stack::rules::{
    Content, Edit, Edits, Flow, MAX_CONCORDANCE, MAX_LIFETIME, Match, Provenance, Reply, RuleAction,
    RuleOrigin, RuleSpec, Station, Subject, Witness,
};
use stack::{Anomaly, Posture, Rate};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// From here on l4 ports belong to one connection, and a rule's are 0.
const EPHEMERAL: u16 = 32_768;

/// What is wrong with a form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Path of the field.
    pub field: String,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n  remedy: {}", self.field, self.problem, self.remedy)
    }
}

fn problem(field: impl Into<String>, problem: impl Into<String>, remedy: impl Into<String>) -> Problem {
    Problem { field: field.into(), problem: problem.into(), remedy: remedy.into() }
}

/// The form in a JSON value.
///
/// # Errors
/// What the value lacks, or has too much.
pub fn form_from(value: Value) -> Result<RuleForm, Problem> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let field = error.path().to_string();
        let field = if field == "." { "(the rule itself)".into() } else { field };
        problem(field, error.inner().to_string(), "docs/rules.md shows every field of a rule")
    })
}

/// Says what is impossible in a form that an operator may have written; the router would refuse it with fewer words.
///
/// # Errors
/// The first field that is wrong.
pub(super) fn check(form: &RuleForm) -> Result<(), Problem> {
    if form.meter.is_some_and(|meter| meter.per_second == 0 || meter.burst == 0) {
        return Err(problem(
            "meter",
            "it lets nothing pass",
            "write 1 or more in both fields, or the action `drop`",
        ));
    }
    let within = |seconds: Seconds| seconds.duration().is_some_and(|duration| duration <= MAX_LIFETIME);
    if !within(form.idle_s) {
        return Err(problem("idle_s", "it is no such time", "write 0 to 86400"));
    }
    if !within(form.lifetime_s) || (form.lifetime_s.micros() == 0 && !form.pinned) {
        return Err(problem("lifetime_s", "it is no such time", "write more than 0, and 86400 at most"));
    }
    match &form.action {
        ActionForm::Forward { dscp, .. } | ActionForm::Deliver { dscp, .. } => {
            if dscp.is_some_and(|dscp| dscp > 63) {
                return Err(problem("action.dscp", "a code point has six bits", "write 0 to 63"));
            }
        }
        ActionForm::Reply { with: ReplyForm::Template(_) } if form.meter.is_none() => {
            let remedy = "two routers that answer each other would never stop: write, such as, {\"per_second\": 10, \"burst\": 10}";
            return Err(problem("meter", "a reply from a template needs one", remedy));
        }
        ActionForm::Drop | ActionForm::Reply { .. } => {}
    }
    if let SubjectForm::Flow { protocol, l4_ports: (source, destination), .. } = form.subject {
        let field = "subject.l4_ports";
        if source >= EPHEMERAL || destination >= EPHEMERAL {
            let why = "ports from 32768 on belong to one connection each, so no rule has them";
            return Err(problem(field, why, "write 0 instead"));
        }
        if (source, destination) != (0, 0) && !matches!(protocol, 6 | 17) {
            return Err(problem(field, "only TCP and UDP have ports", "write [0, 0], or protocol 6 or 17"));
        }
    }
    Ok(())
}

/// The rule that a form stands for. The router may still refuse it.
///
/// # Errors
/// The first field that no rule can hold.
pub fn spec_from(form: &RuleForm, names: &mut Names, times: &Times) -> Result<RuleSpec, Problem> {
    let duration = |field: &str, seconds: Seconds| {
        seconds.duration().ok_or_else(|| problem(field, "it is no such time", "write 0 to 86400"))
    };
    Ok(RuleSpec {
        matches: Match { class: class(form, names)?, subject: subject(&form.subject)? },
        content: Content {
            priority: form.priority,
            action: action(&form.action)?,
            meter: form.meter.map(|MeterForm { per_second, burst }| Rate { per_second, burst }),
            sample_one_in: form.sample_one_in,
        },
        idle: duration("idle_s", form.idle_s)?,
        lifetime: duration("lifetime_s", form.lifetime_s)?,
        pinned: form.pinned,
        origin: origin(&form.origin, names, times)?,
    })
}

fn class(form: &RuleForm, names: &Names) -> Result<ClassKey, Problem> {
    let reason = Anomaly::from_name(&form.reason).ok_or_else(|| {
        problem("reason", format!("`{}` is no reason", form.reason), "`softrouter anomalies` lists them all")
    })?;
    let port = names
        .find_port(&form.port)
        .map_err(|remedy| problem("port", format!("`{}` is no port", form.port), remedy))?;
    let known =
        [Direction::ToSelf, Direction::Transit].into_iter().find(|known| known.name() == form.direction);
    let direction = known.ok_or_else(|| {
        problem("direction", format!("`{}` is no direction", form.direction), "write self or fwd")
    })?;
    let posture = Posture::from_name(&form.posture).ok_or_else(|| {
        problem("posture", format!("`{}` is no posture", form.posture), "write strict, balanced or open")
    })?;
    let consulted = ClassKey::consulted(reason);
    if let Some(other) = form.fields.keys().find(|name| !consulted.iter().any(|field| field.name() == **name))
    {
        let listed: Vec<_> = consulted.iter().map(|field| field.name()).collect();
        let remedy = match listed[..] {
            [] => "leave it out: this reason consults no field".into(),
            _ => format!("write just these: {}", listed.join(", ")),
        };
        return Err(problem(format!("fields.{other}"), "the reason does not consult it", remedy));
    }
    let mut fields = heapless::Vec::<_, MAX_FIELDS>::new();
    for &field in consulted {
        let value = form.fields.get(field.name()).unwrap_or(&Value::Null);
        let value = number_of(field, value).ok_or_else(|| {
            let said =
                if value.is_null() { "it is missing".into() } else { format!("{value} is no value of it") };
            problem(format!("fields.{}", field.name()), said, format!("write {}", values_of(field)))
        })?;
        // No reason consults more fields than fit.
        let _ = fields.push(FieldValue { field, value });
    }
    Ok(ClassKey { reason, port, direction, posture, fields })
}

/// The number that the router has for a field's value.
fn number_of(field: Field, value: &Value) -> Option<u16> {
    let said = |number: &u16| {
        let known = field_value(FieldValue { field, value: *number });
        match (&known, value) {
            (Value::Null, _) => false,
            (Value::Array(known), Value::Array(value)) => {
                known.len() == value.len() && known.iter().all(|name| value.contains(name))
            }
            _ => known == *value,
        }
    };
    let below = |most: u64| value.as_u64().filter(|number| *number <= most).map(|number| number as u16);
    match field {
        Field::EtherType => {
            let digits = value.as_str()?.strip_prefix("0x")?;
            u16::from_str_radix(digits, 16).ok().filter(|_| digits.bytes().all(|b| b.is_ascii_hexdigit()))
        }
        Field::LinkDestination => (0..3).find(said),
        Field::Inner => (0..=255).find(said),
        Field::Options => (0..64).find(said),
        Field::ErrorForbidden => value.as_bool().map(u16::from),
        Field::Priority => below(7),
        Field::IcmpType | Field::IcmpCode => below(255),
        Field::IcmpLength => below(65_535),
    }
}

/// What a field may hold, in words.
const fn values_of(field: Field) -> &'static str {
    match field {
        Field::EtherType => "the EtherType as text, such as \"0x88b5\"",
        Field::LinkDestination => "\"the router\", \"broadcast\" or \"multicast\"",
        Field::Inner => "\"healthy IP\", \"not IP\", or a reason: `softrouter anomalies` lists them all",
        Field::Options => {
            "a list of \"Record Route\", \"Timestamp\", \"Stream ID\", \"Router Alert\", \"MTU Probe/Reply or Traceroute\", \"other\""
        }
        Field::ErrorForbidden => "true or false",
        Field::Priority => "0 to 7",
        Field::IcmpType | Field::IcmpCode => "0 to 255",
        Field::IcmpLength => "0 to 65535",
    }
}

fn subject(form: &SubjectForm) -> Result<Subject, Problem> {
    match form {
        SubjectForm::Class => Ok(Subject::Class),
        SubjectForm::Source { from } => Ok(Subject::Source(station("subject.from", from)?)),
        SubjectForm::Flow { from, to, protocol, l4_ports: (source, destination) } => {
            let (from, to) = (station("subject.from", from)?, station("subject.to", to)?);
            Ok(Subject::Flow(Flow { from, to, protocol: *protocol, l4_ports: (*source, *destination) }))
        }
    }
}

fn station(field: &str, text: &str) -> Result<Station, Problem> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(Station::Ip(address.into()));
    }
    let mac = EthernetAddress::from_str(text).ok().filter(|_| text.len() == "02:00:00:00:01:01".len());
    mac.map(Station::Mac).ok_or_else(|| {
        problem(
            field,
            format!("`{text}` is no address"),
            "write an IPv4 or IPv6 address or, for frames without an IP packet, a MAC address such as 02:00:00:00:01:01",
        )
    })
}

fn action(form: &ActionForm) -> Result<RuleAction, Problem> {
    let edits = |edit: &EditForm, dscp: &Option<u8>| {
        let edit = match edit {
            EditForm::None => Edit::None,
            EditForm::StripTag => Edit::StripTag,
            EditForm::Decapsulate => Edit::Decapsulate,
            EditForm::ClearOptions => Edit::ClearOptions,
        };
        Edits { edit, dscp: *dscp }
    };
    Ok(match form {
        ActionForm::Drop => RuleAction::Drop,
        ActionForm::Forward { edit, dscp } => RuleAction::Forward(edits(edit, dscp)),
        ActionForm::Deliver { edit, dscp } => RuleAction::Deliver(edits(edit, dscp)),
        ActionForm::Reply { with: ReplyForm::Timestamp } => RuleAction::Reply(Reply::Timestamp),
        ActionForm::Reply { with: ReplyForm::ParameterProblem } => RuleAction::Reply(Reply::ParameterProblem),
        ActionForm::Reply { with: ReplyForm::Template(bytes) } => {
            RuleAction::Reply(Reply::Template(template(bytes)?))
        }
    })
}

fn template(bytes: &[ByteForm]) -> Result<Template, Problem> {
    let field = "action.with.template";
    let remedy = format!("write 1 to {MAX_MESSAGE} bytes; {{\"rest\": N}} copies all that follows");
    if bytes.is_empty() {
        return Err(problem(field, "it is empty", remedy));
    }
    let last = bytes.len() - 1;
    if bytes.iter().position(|byte| matches!(byte, ByteForm::Rest(_))).is_some_and(|at| at != last) {
        return Err(problem(field, "something follows `rest`", "write `rest` last"));
    }
    let bytes = bytes.iter().map(|byte| match *byte {
        ByteForm::Constant(value) => TemplateByte::Constant(value),
        ByteForm::Copy(index) => TemplateByte::Copy(index),
        ByteForm::Next(index) => TemplateByte::Next(index),
        ByteForm::Length => TemplateByte::Length,
        ByteForm::Rest(index) => TemplateByte::Rest(index),
    });
    let bytes: Vec<_> = bytes.collect();
    heapless::Vec::from_slice(&bytes)
        .map(Template)
        .map_err(|_| problem(field, format!("it has {} bytes", bytes.len()), remedy))
}

fn origin(form: &OriginForm, names: &mut Names, times: &Times) -> Result<RuleOrigin, Problem> {
    let OriginForm::Model { backend, model, prompt_hash, frame_hashes, first_seen_unix_s, concordant_unix_s } =
        form
    else {
        return Ok(RuleOrigin::Operator);
    };
    let frames: Vec<u64> =
        frame_hashes.iter().map(|hash| hash_from("origin.frame_hashes", hash)).collect::<Result<_, _>>()?;
    let frames = heapless::Vec::from_slice(&frames).map_err(|_| {
        problem("origin.frame_hashes", "there are too many", format!("write {MAX_CONCORDANCE} at most"))
    })?;
    let wanted = Backend { name: backend.clone(), model: model.clone() };
    let number = names
        .number_backend(&wanted)
        .map_err(|remedy| problem("origin.backend", format!("`{backend}` gets no number"), remedy))?;
    let instant = |seconds: &Seconds| times.run_of(*seconds);
    Ok(RuleOrigin::Model(Provenance {
        witness: Witness { backend: number, prompt: hash_from("origin.prompt_hash", prompt_hash)? },
        frames,
        first_seen: instant(first_seen_unix_s),
        concordant_at: instant(concordant_unix_s),
    }))
}

fn hash_from(field: &str, text: &str) -> Result<u64, Problem> {
    let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    u64::from_str_radix(text, 16)
        .ok()
        .filter(|_| digits)
        .ok_or_else(|| problem(field, format!("`{text}` is no hash"), "write 16 hexadecimal digits"))
}
