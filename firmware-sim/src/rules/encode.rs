//! A rule's form, made from the rule.

use super::form::{
    ActionForm, ByteForm, EditForm, MeterForm, OriginForm, ReplyForm, RuleForm, StatusForm, SubjectForm,
};
use super::names::Names;
use super::seconds::{Seconds, Times};
use llm_slowpath::prompt::text::field_value;
use smoltcp::wire::EthernetAddress;
use stack::answer::TemplateByte;
use stack::rules::{Edit, Reply, Rule, RuleAction, RuleOrigin, RuleSpec, Station, Subject, Tally};

/// The form of a rule that could be installed.
pub fn form_of(spec: &RuleSpec, names: &Names, times: &Times) -> RuleForm {
    let class = &spec.matches.class;
    RuleForm {
        status: None,
        reason: class.reason.name().into(),
        port: names.port(class.port),
        direction: class.direction.name().into(),
        posture: class.posture.name().into(),
        fields: class.fields.iter().map(|known| (known.field.name().into(), field_value(*known))).collect(),
        subject: subject(&spec.matches.subject),
        action: action(&spec.content.action),
        meter: spec.content.meter.map(|rate| MeterForm { per_second: rate.per_second, burst: rate.burst }),
        sample_one_in: spec.content.sample_one_in,
        priority: spec.content.priority,
        idle_s: Seconds::of(spec.idle),
        lifetime_s: Seconds::of(spec.lifetime),
        pinned: spec.pinned,
        origin: origin(&spec.origin, names, times),
    }
}

/// The form of a rule of the router's. `before` is what it did in earlier runs.
pub fn rule_form(rule: &Rule, before: &Tally, names: &Names, times: &Times) -> RuleForm {
    let (now, tally) = (times.now.total_micros(), &rule.tally);
    let status = StatusForm {
        id: rule.id.0,
        state: rule.state.name().into(),
        installed_unix_s: times.unix_of(rule.installed_at),
        last_hit_unix_s: times.unix_of(rule.last_hit),
        expires_in_s: Seconds::from_micros((rule.expires_at.total_micros() - now).max(0)),
        hits: tally.hits.saturating_add(before.hits),
        bytes: tally.bytes.saturating_add(before.bytes),
        shadowed: tally.shadowed.saturating_add(before.shadowed),
        agreed: tally.agreed.saturating_add(before.agreed),
        metered: tally.metered.saturating_add(before.metered),
        sampled: tally.sampled.saturating_add(before.sampled),
        misfits: tally.misfits.saturating_add(before.misfits),
    };
    RuleForm { status: Some(status), ..form_of(&rule.spec, names, times) }
}

fn subject(subject: &Subject) -> SubjectForm {
    match subject {
        Subject::Class => SubjectForm::Class,
        Subject::Source(from) => SubjectForm::Source { from: station(from) },
        Subject::Flow(flow) => SubjectForm::Flow {
            from: station(&flow.from),
            to: station(&flow.to),
            protocol: flow.protocol,
            l4_ports: flow.l4_ports,
        },
    }
}

fn station(station: &Station) -> String {
    match station {
        Station::Ip(address) => address.to_string(),
        Station::Mac(EthernetAddress(bytes)) => bytes.map(|byte| format!("{byte:02x}")).join(":"),
    }
}

fn action(action: &RuleAction) -> ActionForm {
    match action {
        RuleAction::Drop => ActionForm::Drop,
        RuleAction::Forward(edits) => ActionForm::Forward { edit: edit(edits.edit), dscp: edits.dscp },
        RuleAction::Deliver(edits) => ActionForm::Deliver { edit: edit(edits.edit), dscp: edits.dscp },
        RuleAction::Reply(reply) => ActionForm::Reply {
            with: match reply {
                Reply::Timestamp => ReplyForm::Timestamp,
                Reply::ParameterProblem => ReplyForm::ParameterProblem,
                Reply::Template(template) => {
                    ReplyForm::Template(template.0.iter().map(|byte| template_byte(*byte)).collect())
                }
            },
        },
    }
}

const fn edit(edit: Edit) -> EditForm {
    match edit {
        Edit::None => EditForm::None,
        Edit::StripTag => EditForm::StripTag,
        Edit::Decapsulate => EditForm::Decapsulate,
        Edit::ClearOptions => EditForm::ClearOptions,
    }
}

const fn template_byte(byte: TemplateByte) -> ByteForm {
    match byte {
        TemplateByte::Constant(value) => ByteForm::Constant(value),
        TemplateByte::Copy(index) => ByteForm::Copy(index),
        TemplateByte::Next(index) => ByteForm::Next(index),
        TemplateByte::Length => ByteForm::Length,
        TemplateByte::Rest(index) => ByteForm::Rest(index),
    }
}

fn origin(origin: &RuleOrigin, names: &Names, times: &Times) -> OriginForm {
    match origin {
        RuleOrigin::Operator => OriginForm::Operator,
        RuleOrigin::Model(from) => {
            let backend = names.backend(from.witness.backend);
            OriginForm::Model {
                backend: backend.name,
                model: backend.model,
                prompt_hash: format!("{:016x}", from.witness.prompt),
                frame_hashes: from.frames.iter().map(|hash| format!("{hash:016x}")).collect(),
                first_seen_unix_s: times.unix_of(from.first_seen),
                concordant_unix_s: times.unix_of(from.concordant_at),
            }
        }
    }
}
