//! Why the router refuses a rule, and what to do about it.

use super::decode::Problem;
use stack::rules::RuleRefusal;

/// The refusal as a problem of the rule's form.
pub(super) fn explain_refusal(refusal: RuleRefusal) -> Problem {
    let (field, problem, remedy) = match refusal {
        RuleRefusal::ReasonWithoutRules => (
            "reason",
            "there are no rules about what is legal, an experiment, or how neighbours are learnt",
            "leave the rule out",
        ),
        RuleRefusal::NotEnforced => (
            "reason",
            "frames of this reason are not held here, so no rule is asked about them",
            "set its mode to enforce in [modes]",
        ),
        RuleRefusal::NotGranted => (
            "action",
            "it is not granted for this reason and posture",
            "write drop, or run the router with a posture that grants it",
        ),
        RuleRefusal::BadMatch => (
            "posture, direction or fields",
            "this router never derives such a match",
            "write the router's own posture, forward with fwd or deliver with self, and just the fields that the reason consults",
        ),
        RuleRefusal::ProtectedSource => (
            "subject.from",
            "it is the router itself or a gateway, about which there are no rules",
            "name another source, or none",
        ),
        RuleRefusal::OperatorOnly => {
            ("origin", "only the operator may set a code point or a template", "write {\"by\": \"operator\"}")
        }
        RuleRefusal::BadLifetime => {
            ("lifetime_s", "it is no lifetime", "write more than 0, and 86400 at most")
        }
        RuleRefusal::BadValue => (
            "action or meter",
            "a value is beyond what its field can hold, or a template has no meter",
            "docs/rules.md has the range of each field",
        ),
        RuleRefusal::Outranked => (
            "priority",
            "there is a rule with this very match that ranks higher, or the same rule",
            "pin or revoke that one, or give this one a greater priority",
        ),
        RuleRefusal::RulesFull => (
            "(the rule itself)",
            "the table is full of pinned rules, or there is none",
            "unpin or revoke some, or raise `most` in [rules]",
        ),
        RuleRefusal::MasksFull => (
            "reason",
            "as many pairs of reason and scope have rules as may",
            "revoke the rules of another reason, or raise `masks` in [rules]",
        ),
        RuleRefusal::Thrashing => (
            "(the rule itself)",
            "the table was thrashing a moment ago, and takes no learnt rules for 10 s",
            "try it again then",
        ),
    };
    Problem { field: field.into(), problem: problem.into(), remedy: remedy.into() }
}
