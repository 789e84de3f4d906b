//! The tools that a model may call. None reaches further than its conversation: one computes, one tells what the prompt
//! could have told, and one takes the answer, which is judged like any other.

use super::wire::Call;
use crate::prompt::flow;
use serde::Deserialize;
use stack::Diverted;

/// Most replies of a model to one question: the last one must propose.
pub const MAX_ROUNDS: u32 = 6;
/// Most calls in one reply.
pub(super) const MAX_CALLS: usize = 8;
/// Most bytes of a message with calls: it is sent back in each later round.
pub(super) const MAX_SAID: usize = 1 << 16;
/// Most bytes that a checksum is computed of: the longest usual Ethernet frame.
const MAX_BYTES: usize = 1514;

/// Tool: RFC 1071's checksum.
pub(super) const CHECKSUM: &str = "checksum";
/// Tool: what is known of the frame's flow.
pub(super) const LOOKUP_FLOW: &str = "lookup_flow";
/// Tool: the answer.
pub(super) const PROPOSE: &str = "propose";

/// Every tool.
pub const NAMES: [&str; 3] = [CHECKSUM, LOOKUP_FLOW, PROPOSE];

/// What a call came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Done {
    /// What the model is told: some 100 bytes.
    pub(super) text: String,
    /// It is an error message.
    pub(super) failed: bool,
}

/// What a model is told of a tool.
pub fn description(tool: &str) -> &'static str {
    match tool {
        CHECKSUM => {
            "Computes the Internet checksum (RFC 1071) of bytes: the one's complement of the one's complement sum of their \
             16-bit words, as an integer. Write a field that is itself the checksum as 00 00."
        }
        LOOKUP_FLOW => "Tells what the router knows of the flow that the frame belongs to.",
        _ => "Takes your answer, and ends the conversation. Deterministic code judges it.",
    }
}

/// The constant part of a prompt, for a model that has tools.
pub fn system(constant: &str) -> String {
    let constant = constant.replace("You have no tools. ", "");
    format!(
        "{constant}\n\nYou have three tools: {CHECKSUM} and {LOOKUP_FLOW}, which change nothing, and {PROPOSE}. Do not write \
         the JSON object: call {PROPOSE} with its keys as arguments. You have at most {MAX_ROUNDS} turns.\n"
    )
}

/// Calls a tool that is not [`PROPOSE`].
pub(super) fn call(call: &Call, diverted: Option<&Diverted>) -> Done {
    let result = match call.name.as_str() {
        CHECKSUM => checksum(&call.arguments),
        LOOKUP_FLOW => {
            let known = diverted.and_then(flow).map(|known| known.to_string());
            Ok(known.unwrap_or_else(|| "nothing is known".into()))
        }
        _ => Err("there is no such tool"),
    };
    let failed = result.is_err();
    Done { text: result.unwrap_or_else(|error| format!("error: {error}")), failed }
}

fn checksum(arguments: &str) -> Result<String, &'static str> {
    #[derive(Deserialize)]
    struct Arguments {
        hex: String,
    }
    let Arguments { hex } =
        serde_json::from_str(arguments).map_err(|_| "the argument is {\"hex\": \"...\"}")?;
    let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    if digits.len() > 2 * MAX_BYTES {
        return Err("more bytes than any frame has");
    }
    if digits.len() % 2 == 1 {
        return Err("hex is two digits for each byte");
    }
    let mut sum = 0_u32;
    for (at, &digit) in digits.iter().enumerate() {
        let nibble = char::from(digit).to_digit(16).ok_or("hex is digits from 0 to f")?;
        // The first digit of a word is its highest; a last odd byte is the high half of a word.
        sum += nibble << (12 - 4 * (at % 4));
    }
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    Ok((!sum & 0xffff).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompt::{exam, text, tokens::Task};
    use crate::testing::diverted;
    use serde_json::{Value, json};
    use smoltcp::time::Instant;
    use stack::Anomaly;
    use stack::divert::FlowSummary;

    fn run(name: &str, arguments: &str, diverted: Option<&Diverted>) -> Done {
        call(&Call { id: String::new(), name: name.into(), arguments: arguments.into() }, diverted)
    }

    #[test]
    fn the_checksum_is_that_of_rfc_1071() {
        let of = |hex: &str| run(CHECKSUM, &json!({ "hex": hex }).to_string(), None).text;
        // Its section 3: these words sum up to ddf2.
        assert_eq!(of("00 01 f2 03 f4 f5 f6 f7"), (!0xddf2_u16).to_string());
        assert_eq!(of("0001F203F4F5F6F7"), (!0xddf2_u16).to_string());
        assert_eq!((of(""), of("01"), of("ffff")), ("65535".into(), (!0x0100_u16).to_string(), "0".into()));
        // Two carries: ffff * 3 folds to ffff.
        assert_eq!(of("ffff ffff ffff"), "0");
        assert_eq!(of(&"00".repeat(MAX_BYTES)), "65535");
    }

    #[test]
    fn what_cannot_be_done_is_told_in_few_words() {
        let long = json!({ "hex": "00".repeat(MAX_BYTES + 1) }).to_string();
        for (tool, arguments) in [
            (CHECKSUM, "{}"),
            (CHECKSUM, "hex"),
            (CHECKSUM, r#"{"hex":5}"#),
            (CHECKSUM, r#"{"hex":"abc"}"#),
            (CHECKSUM, r#"{"hex":"0g"}"#),
            (CHECKSUM, r#"{"hex":"é0"}"#),
            (CHECKSUM, long.as_str()),
            ("shell", "{}"),
        ] {
            let done = run(tool, arguments, None);
            assert!(done.failed && done.text.starts_with("error: ") && done.text.len() < 100, "{done:?}");
        }
    }

    #[test]
    fn a_flow_is_told_in_bounded_words() {
        assert_eq!(run(LOOKUP_FLOW, "{}", None), Done { text: "nothing is known".into(), failed: false });
        let flow = FlowSummary {
            first_seen: Instant::ZERO,
            last_seen: Instant::from_secs(70),
            frames: u32::MAX,
            recent: [Some(Anomaly::Ipv4Land); stack::divert::RECENT],
            approved: u16::MAX,
            rejected: 1,
            unanswered: 2,
        };
        let received_at = Instant::from_secs(70);
        let diverted = Diverted { flow: Some(flow), received_at, ..diverted(Anomaly::Ipv4Land) };
        let told = run(LOOKUP_FLOW, "", Some(&diverted)).text;
        let read: Value = serde_json::from_str(&told).unwrap();
        assert_eq!((&read["seen_s_ago"], &read["rejected"]), (&json!([70, 0]), &1.into()));
        assert_eq!(read["recent"][3], Anomaly::Ipv4Land.name());
        assert!(told.len() < 512, "{told}");
    }

    #[test]
    fn no_prompt_denies_the_tools_that_it_has() {
        let exams = Task::ALL.iter().map(|&task| exam::system(task));
        for constant in exams.chain([text::system()]) {
            let system = system(constant);
            assert!(!system.contains("no tools") && system.contains("You have three tools"), "{system}");
        }
    }
}
