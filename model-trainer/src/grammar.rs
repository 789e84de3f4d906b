//! The grammar of a task's answers as llama.cpp reads it (GBNF), so that its answers parse, too.
//!
//! What may follow in an answer depends on how long it is and on its last token only, so answers that are equally
//! long and may go on alike are one state, and each state is a rule.

use llm_slowpath::prompt::tokens::{self, BYTE, CONSTANT, EOS, Task, name};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::Range;

/// What may come next.
type Choices = Vec<(u16, u16)>;

/// The grammar, one rule a line. The end token is the end of what `root` matches.
pub(crate) fn gbnf(task: Task) -> String {
    let mut grammar = String::new();
    // Answers of one length, one of each state, by what may follow.
    let mut states = BTreeMap::from([(choices(task, &[]), Vec::new())]);
    for length in 0.. {
        let mut next: BTreeMap<Choices, Vec<u16>> = BTreeMap::new();
        let mut rules = Vec::new();
        for (choices, answer) in &states {
            let mut alternatives: BTreeMap<Choices, Vec<u16>> = BTreeMap::new();
            let mut ends = false;
            for token in choices.iter().flat_map(|&(from, to)| from..to) {
                if token == EOS {
                    ends = true;
                    continue;
                }
                let longer = [&answer[..], &[token]].concat();
                let follow = self::choices(task, &longer);
                alternatives.entry(follow.clone()).or_default().push(token);
                next.entry(follow).or_insert(longer);
            }
            rules.push((alternatives, ends));
        }
        for (at, (alternatives, ends)) in rules.iter().enumerate() {
            let rule = if length == 0 { "root".into() } else { format!("s{length}-{at}") };
            let number = |follow| next.keys().position(|choices| choices == follow).unwrap_or_default();
            let mut parts: Vec<String> = alternatives
                .iter()
                .map(|(follow, tokens)| format!("{} s{}-{}", set(tokens), length + 1, number(follow)))
                .collect();
            if *ends {
                parts.push(r#""""#.into());
            }
            let _ = writeln!(grammar, "{rule} ::= {}", parts.join(" | "));
        }
        if next.is_empty() {
            break;
        }
        states = next;
    }
    grammar
}

fn choices(task: Task, answer: &[u16]) -> Choices {
    tokens::choices(task, answer).iter().filter(|range| !range.is_empty()).map(|r| (r.start, r.end)).collect()
}

/// Matches one of `tokens`.
fn set(tokens: &[u16]) -> String {
    const DIGITS: Range<u16> = 0..16;
    const BYTES: Range<u16> = BYTE..CONSTANT;
    if tokens.iter().copied().eq(DIGITS) {
        return "[0-9a-f]".into();
    }
    if tokens.iter().copied().eq(BYTES) {
        return r#""x" [0-9a-f] [0-9a-f]"#.into();
    }
    let names: Vec<String> = tokens.iter().map(|&token| format!("{:?}", name(token))).collect();
    format!("({})", names.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Sample;

    /// Whether the grammar matches `text`, by trying every alternative of every rule.
    fn matches(grammar: &str, text: &str) -> bool {
        let rules: BTreeMap<&str, &str> =
            grammar.lines().map(|line| line.split_once(" ::= ").unwrap()).collect();
        let mut open = vec![("root", text)];
        while let Some((rule, text)) = open.pop() {
            // A rule's alternatives are one set each and the next rule, so ` | ` outside parentheses parts them.
            let mut depth = 0;
            let alternatives = rules[rule].split(|c| {
                depth += i32::from(c == '(') - i32::from(c == ')');
                c == '|' && depth == 0
            });
            for alternative in alternatives.map(str::trim) {
                let Some((set, next)) = alternative.rsplit_once(' ') else {
                    assert_eq!(alternative, r#""""#);
                    if text.is_empty() {
                        return true;
                    }
                    continue;
                };
                let hex =
                    |text: &str| text.chars().next().is_some_and(|c| matches!(c, '0'..='9' | 'a'..='f'));
                match set {
                    "[0-9a-f]" if hex(text) => open.push((next, &text[1..])),
                    r#""x" [0-9a-f] [0-9a-f]"# => {
                        if let Some(rest) = text.strip_prefix('x') {
                            assert!(hex(rest) && hex(&rest[1..]));
                            open.push((next, &rest[2..]));
                        }
                    }
                    words => {
                        let words = words.trim_matches(['(', ')']).split(" | ");
                        let rests = words.filter_map(|word| text.strip_prefix(word.trim_matches('"')));
                        open.extend(rests.map(|rest| (next, rest)));
                    }
                }
            }
        }
        false
    }

    fn text(answer: &[u16]) -> String {
        answer.iter().filter(|&&token| token != EOS).map(|&token| name(token)).collect()
    }

    #[test]
    fn right_answers_match_and_cut_or_repeated_ones_do_not() {
        for task in [Task::Triage, Task::Repair, Task::PingDelta, Task::PingFull] {
            let grammar = gbnf(task);
            for index in 0..40 {
                let answer = Sample::held_out(task, 1, index).answer;
                assert!(matches(&grammar, &text(&answer)), "{task:?}: {}", text(&answer));
                let twice = [&answer[..], &answer[..]].concat();
                assert!(!matches(&grammar, &text(&twice)), "{task:?}");
                assert!(!matches(&grammar, ""), "{task:?}");
            }
        }
        // Fixes stand in order of code, each once.
        let grammar = gbnf(Task::Repair);
        let fixes: Vec<u16> = stack::answer::Fix::ALL.iter().map(|&fix| tokens::fix(fix)).collect();
        assert!(matches(&grammar, &text(&fixes[1..3])));
        assert!(!matches(&grammar, &text(&[fixes[2], fixes[1]])));
        assert!(!matches(&grammar, &text(&[fixes[1], fixes[1]])));
        assert!(!matches(&grammar, &text(&fixes[..5])));
    }
}
