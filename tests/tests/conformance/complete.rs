//! That nothing is missing: every case of the peers' list, every anomaly with its near miss, both lists of the reference,
//! and the decisions that docs/conformance.md explains. Read first: RFC 1812 §4.3.2.7, RFC 4443 §2.4(e).

use crate::case::{self, Level};
use stack::Anomaly;
use std::collections::HashSet;
use std::path::Path;

/// The cases found in the test suites of peers (VPP, gVisor, Linux, SONiC, NetFPGA, Vyatta, TAHI, OpenBSD and others);
/// docs/conformance.md says which are policy. The numbers that are missing were merged into others there.
const PEERS: [u32; 68] = [
    1, 2, 3, 5, 6, 7, 13, 14, 15, 16, 18, 19, 22, 23, 24, 25, 26, 28, 30, 33, 34, 35, 38, 39, 41, 43, 45, 46,
    47, 48, 50, 51, 52, 53, 54, 55, 56, 58, 61, 62, 63, 64, 65, 66, 68, 69, 70, 71, 74, 77, 78, 79, 80, 81,
    82, 83, 84, 85, 86, 87, 89, 91, 92, 94, 95, 98, 100, 101,
];

/// Of these the list leaves the answer to policy.
const POLICY: [u32; 14] = [5, 7, 26, 30, 38, 41, 45, 46, 48, 53, 77, 81, 87, 95];

/// What looks wrong and must pass. EtherTypes that a bridge would carry are on that list, too: this router has no
/// bridge, so they are `ethertype_unknown`.
const MUST_PASS: [&str; 12] = [
    "P-reserved_bits",
    "P-padding",
    "P-unknown_in_transit",
    "P-udp_checksum_zero",
    "P-transport_checksum",
    "P-ttl_one_to_us",
    "P-fragment_df",
    "P-atomic_fragment",
    "P-syn_with_data",
    "P-ecn",
    "P-icmpv6_experimental",
    "P-flow_label",
];

/// What looks answerable and must end in silence.
const MUST_STAY_SILENT: [&str; 11] = [
    "S-error_about_error",
    "S-header_invalid",
    "S-to_a_group",
    "S-later_fragment",
    "S-source_is_not_one_host",
    "S-wrong_checksum",
    "S-time_exceeded_for_a_group",
    "S-ipv6_overlap",
    "S-nd_anomaly",
    "S-source_behind_another_port",
    RATE,
];

/// The one case of that list in which something is sent: what the rate allows.
const RATE: &str = "S-beyond_the_bucket";

/// `C65b` is a case of number 65.
fn number(id: &str) -> Option<u32> {
    id.strip_prefix('C')?.trim_end_matches(|c: char| c.is_ascii_lowercase()).parse().ok()
}

#[test]
fn every_case_of_the_peers_is_here() {
    let here: HashSet<u32> = case::all().iter().filter_map(|case| number(&case.id)).collect();
    let missing: Vec<_> = PEERS.iter().filter(|number| !here.contains(number)).collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
    assert_eq!(here.len(), PEERS.len(), "an id that is not on the list");
}

#[test]
fn every_anomaly_has_a_case_and_a_near_miss() {
    let cases = case::all();
    let find = |id: &str| cases.iter().find(|case| case.id == id);
    for anomaly in Anomaly::ALL {
        let name = anomaly.name();
        let case = find(&format!("A-{name}")).unwrap_or_else(|| panic!("no case for {name}"));
        let named =
            |step: &case::Step| [&step.reason, &step.seen].into_iter().flatten().any(|word| word == name);
        assert!(case.step.iter().any(named), "A-{name} does not trigger {name}");
        assert_eq!(case.rfc, anomaly.row().rfc, "A-{name}");
        let near = find(&format!("A-{name}-near")).unwrap_or_else(|| panic!("no near miss for {name}"));
        assert!(!near.step.iter().any(named), "A-{name}-near triggers {name}");
    }
}

#[test]
fn every_case_says_what_it_is_and_every_decision_why() {
    let mut seen = HashSet::new();
    for case in case::all() {
        assert!(seen.insert(case.id.clone()), "{} occurs twice", case.id);
        assert!(!case.title.is_empty() && !case.source.is_empty() && !case.rfc.is_empty(), "{}", case.id);
        let policy = number(&case.id).is_some_and(|number| POLICY.contains(&number));
        assert_eq!(case.level == Level::P, policy, "{}: level", case.id);
        assert!(case.level == Level::M || case.note.is_some(), "{}: a decision needs its reason", case.id);
        assert!(case.no_tap.as_deref() != Some(""), "{}: say why it cannot be played over a TAP", case.id);
    }
}

/// The ids of the cases that begin so, in order of their names.
fn ids(cases: &[case::Case], prefix: &str) -> Vec<String> {
    let mut ids: Vec<_> =
        cases.iter().map(|case| case.id.clone()).filter(|id| id.starts_with(prefix)).collect();
    ids.sort();
    ids
}

fn sorted(names: &[&str]) -> Vec<String> {
    let mut names: Vec<_> = names.iter().map(ToString::to_string).collect();
    names.sort();
    names
}

#[test]
fn every_item_that_must_pass_is_a_case_that_passes() {
    let cases = case::all();
    assert_eq!(ids(&cases, "P-"), sorted(&MUST_PASS));
    for case in cases.iter().filter(|case| case.id.starts_with("P-")) {
        for step in &case.step {
            let verdict = step.verdict.as_deref();
            assert!(matches!(verdict, Some("forward" | "deliver")), "{}: {verdict:?}", case.id);
        }
    }
}

#[test]
fn every_item_that_must_stay_silent_is_a_case_in_which_nothing_is_sent() {
    let cases = case::all();
    assert_eq!(ids(&cases, "S-"), sorted(&MUST_STAY_SILENT));
    for case in cases.iter().filter(|case| case.id.starts_with("S-") && case.id != RATE) {
        assert!(case.step.iter().all(|step| step.sends.is_empty()), "{} sends something", case.id);
    }
    let rate = cases.iter().find(|case| case.id == RATE).expect("the case of the rate");
    let excess = |step: &case::Step| step.sends.iter().map(|sends| sends.times).sum::<u64>() < step.repeat;
    assert!(rate.step.iter().all(excess), "{RATE}: all is answered");
}

#[test]
fn the_document_of_decisions_names_cases_that_exist_and_every_decision() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/conformance.md");
    let text = std::fs::read_to_string(path).expect("docs/conformance.md");
    let cases = case::all();
    let known: HashSet<_> = cases.iter().map(|case| case.id.as_str()).collect();
    let words: HashSet<_> = text.split(|c: char| !(c.is_ascii_alphanumeric() || "-_".contains(c))).collect();
    let is_id = |word: &str| {
        ["A-", "P-", "S-"].iter().any(|prefix| word.starts_with(prefix))
            || word.len() > 2
                && word.starts_with(['C', 'X'])
                && word[1..3].bytes().all(|b| b.is_ascii_digit())
    };
    let unknown: Vec<_> = words.iter().filter(|word| is_id(word) && !known.contains(*word)).collect();
    assert!(unknown.is_empty(), "no such case: {unknown:?}");
    let must =
        |case: &&case::Case| case.level == Level::P || ["P-", "S-"].iter().any(|p| case.id.starts_with(p));
    let left: Vec<_> =
        cases.iter().filter(must).map(|case| case.id.as_str()).filter(|id| !words.contains(id)).collect();
    assert!(left.is_empty(), "docs/conformance.md does not say: {left:?}");
}
