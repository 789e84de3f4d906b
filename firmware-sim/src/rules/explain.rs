//! One rule in a paragraph of plain English: where it comes from, what it matches, what it does and did, when it ends.

use super::form::{OriginForm, RuleForm, StatusForm};
use super::seconds::Seconds;
use super::words::{action_words, field_words, subject_words};
use stack::Anomaly;

/// `form`, with its status, as it was at `now`.
pub(super) fn explain(form: &RuleForm, now: Seconds) -> String {
    let unknown = StatusForm::default();
    let status = form.status.as_ref().unwrap_or(&unknown);
    [
        came_from(form, status, now),
        matches(form),
        format!("For each of them it {}.", action_words(form)),
        did(status, now),
        ends(form, status),
    ]
    .join(" ")
}

fn came_from(form: &RuleForm, status: &StatusForm, now: Seconds) -> String {
    let StatusForm { id, state, .. } = status;
    let since = now.since(status.installed_unix_s);
    let head = format!("Rule {id} ({state}, priority {}, installed {since} ago)", form.priority);
    match &form.origin {
        OriginForm::Operator => format!("{head} was installed by the operator."),
        OriginForm::Model {
            backend,
            model,
            prompt_hash,
            frame_hashes,
            first_seen_unix_s,
            concordant_unix_s,
        } => {
            let who = match model.as_str() {
                "" => format!("`{backend}`"),
                model if model == backend => format!("`{backend}`"),
                model => format!("`{backend}` ({model})"),
            };
            let (first, agreed) = (now.since(*first_seen_unix_s), now.since(*concordant_unix_s));
            format!(
                "{head} was learnt from the backend {who}: {} answers, to frames that differ, said the same about the \
                 class (hash of the last prompt {prompt_hash}); the first of these frames was received {first} ago, and the \
                 answers agreed {agreed} ago.",
                frame_hashes.len()
            )
        }
    }
}

fn matches(form: &RuleForm) -> String {
    let (what, rfc) = match Anomaly::from_name(&form.reason) {
        Some(reason) => (reason.row().doc.trim().trim_end_matches('.'), reason.row().rfc),
        None => ("", "-"),
    };
    let way = if form.direction == "fwd" { "through the router" } else { "to the router" };
    let mut conditions: Vec<_> = form.fields.iter().map(|(name, value)| field_words(name, value)).collect();
    conditions.push(format!("the posture is {}", form.posture));
    format!(
        "It matches frames {} that come in by port {} on their way {way} and are {} ({what}; {rfc}), where {}.",
        subject_words(&form.subject),
        form.port,
        form.reason,
        conditions.join(" and ")
    )
}

fn did(status: &StatusForm, now: Seconds) -> String {
    let StatusForm { hits, bytes, shadowed, agreed, metered, sampled, misfits, .. } = status;
    let last = match hits | shadowed | sampled | misfits {
        0 => "no frame has matched yet".into(),
        // What it did before a restart is told, but not when.
        _ if status.last_hit_unix_s <= status.installed_unix_s => {
            "none has matched since it was installed in this run".into()
        }
        _ => format!("the last one matched {} ago", now.since(status.last_hit_unix_s)),
    };
    format!(
        "So far it acted on {hits} frames ({bytes} bytes), {metered} of which its meter dropped; {misfits} did not fit its action \
         and {sampled} were samples, so these went to the slow path; {shadowed} matched while it was in shadow; the slow \
         path said the same {agreed} times since; {last}."
    )
}

fn ends(form: &RuleForm, status: &StatusForm) -> String {
    if form.pinned {
        return "It is pinned: it stays until it is revoked, or until addresses, routes or the configuration forbid it.".into();
    }
    let idle = match form.idle_s.micros() {
        0 => String::new(),
        _ => format!(", or once no frame has matched for {}", form.idle_s),
    };
    format!("It ends in {}{idle}.", status.expires_in_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_of_earlier_runs_are_not_said_to_be_of_this_one() {
        let at = |unix: f64| serde_json::from_value(unix.into()).unwrap();
        let restored = StatusForm {
            hits: 5,
            installed_unix_s: at(100.0),
            last_hit_unix_s: at(100.0),
            ..StatusForm::default()
        };
        let said = did(&restored, at(110.0));
        assert!(said.contains("acted on 5 frames") && said.contains("none has matched since"), "{said}");
        let said = did(&StatusForm { last_hit_unix_s: at(107.0), ..restored }, at(110.0));
        assert!(said.contains("the last one matched 3"), "{said}");
        assert!(did(&StatusForm::default(), at(1.0)).contains("no frame has matched yet"));
    }
}
