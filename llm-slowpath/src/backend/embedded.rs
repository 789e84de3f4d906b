//! The embedded model as a backend: a diverted frame in, an untrusted action out.

use crate::answer::OwnedAction;
use crate::model::{Decoded, Model, ModelError, Session};
use crate::prompt::tokens::{self, Prompt};
use stack::{ActionKind, Anomaly, ClassKey, Diverted};
use std::path::Path;

/// The embedded model and the memory that it works in.
#[derive(Debug)]
pub struct Embedded {
    model: Model,
    session: Session,
}

/// What the embedded model answers.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddedAnswer {
    /// What to do. Untrusted, like every answer.
    pub action: OwnedAction,
    /// How probable the model holds it, among the answers that the grammar allows.
    pub probability: f32,
    /// Tokens read.
    pub prompt_tokens: u32,
    /// Tokens written, with the end token.
    pub answer_tokens: u32,
}

impl Embedded {
    /// The model that is part of this program.
    ///
    /// # Errors
    /// None, unless the program was built with a damaged file.
    pub fn new() -> Result<Self, ModelError> {
        Ok(Self::from(Model::embedded()?))
    }

    /// A model from a file.
    ///
    /// # Errors
    /// If the file cannot be read, is foreign, damaged, or of another version.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ModelError> {
        Ok(Self::from(Model::from_file(path)?))
    }

    /// Answers for one diverted frame.
    pub fn answer(&mut self, diverted: &Diverted, frame: &[u8]) -> EmbeddedAnswer {
        let prompt = prompt(&diverted.class, frame);
        let Decoded { tokens, probability } = self.complete(&prompt);
        EmbeddedAnswer {
            action: action(&tokens),
            probability,
            prompt_tokens: prompt.len() as u32,
            answer_tokens: tokens.len() as u32,
        }
    }

    /// The most probable answer to any prompt.
    pub fn complete(&mut self, prompt: &Prompt) -> Decoded {
        self.model.answer(&mut self.session, prompt)
    }

    /// How many parameters the model has.
    pub const fn parameters(&self) -> usize {
        self.model.parameters()
    }

    /// One line for reports: sizes, hash, training, kernel.
    pub fn describe(&self) -> String {
        format!("{}; int8 on {}", self.model.describe(), self.session.backend().name())
    }
}

impl From<Model> for Embedded {
    fn from(model: Model) -> Self {
        Self { session: model.session(), model }
    }
}

/// The prompt for a frame: the ping task for echo requests that were diverted as such or for their
/// checksum, otherwise the class key.
pub fn prompt(key: &ClassKey, frame: &[u8]) -> Prompt {
    let ping = matches!(key.reason, Anomaly::EchoRequest | Anomaly::IcmpChecksum);
    ping.then(|| tokens::ping_prompt(frame)).flatten().unwrap_or_else(|| tokens::triage_prompt(key))
}

/// What an answer says. Decoding keeps to the grammar, so it always says something.
pub fn action(answer: &[u8]) -> OwnedAction {
    let kind = answer.first().and_then(|&token| tokens::action_of(token));
    match (kind, answer) {
        (Some(ActionKind::EchoReply), [_, digits @ .., tokens::EOS]) => {
            tokens::echo_delta(digits).map_or(OwnedAction::Symbolic(ActionKind::Drop), OwnedAction::EchoReply)
        }
        (Some(kind), _) => OwnedAction::Symbolic(kind),
        (None, _) => OwnedAction::Symbolic(ActionKind::Drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smoltcp::phy::ChecksumCapabilities;
    use smoltcp::wire::{
        EthernetFrame, EthernetProtocol, Icmpv4Packet, Icmpv4Repr, IpProtocol, Ipv4Packet, Ipv4Repr,
    };
    use stack::{Direction, EchoDelta, PortId, Posture};

    fn key(reason: Anomaly) -> ClassKey {
        let fields = heapless::Vec::new();
        ClassKey { reason, port: PortId(0), direction: Direction::ToSelf, posture: Posture::Balanced, fields }
    }

    /// An Ethernet frame with an echo message whose fields vary with `seed`.
    fn echo(seed: u32, ttl: u8, reply: bool) -> Vec<u8> {
        let data = &seed.to_be_bytes();
        let (ident, seq_no) = ((seed >> 7) as u16, (seed >> 3) as u16);
        let icmp = match reply {
            false => Icmpv4Repr::EchoRequest { ident, seq_no, data },
            true => Icmpv4Repr::EchoReply { ident, seq_no, data },
        };
        let ip = Ipv4Repr {
            src_addr: (seed ^ 0x0a00_0000).into(),
            dst_addr: [10, 0, 1, 1].into(),
            next_header: IpProtocol::Icmp,
            payload_len: icmp.buffer_len(),
            hop_limit: ttl,
        };
        let mut frame = vec![0; 14 + ip.buffer_len() + icmp.buffer_len()];
        EthernetFrame::new_unchecked(&mut frame).set_ethertype(EthernetProtocol::Ipv4);
        let checksums = ChecksumCapabilities::default();
        ip.emit(&mut Ipv4Packet::new_unchecked(&mut frame[14..]), &checksums);
        icmp.emit(&mut Icmpv4Packet::new_unchecked(&mut frame[34..]), &checksums);
        frame
    }

    fn delta(frame: &[u8]) -> EchoDelta {
        let ip = Ipv4Packet::new_checked(&frame[14..]).unwrap();
        let icmp = Icmpv4Packet::new_checked(ip.payload()).unwrap();
        EchoDelta {
            ttl: ip.hop_limit(),
            ip_checksum: ip.checksum(),
            icmp_type: icmp.msg_type().into(),
            icmp_checksum: icmp.checksum(),
        }
    }

    #[test]
    fn echo_requests_get_the_digits_that_smoltcp_would_write() {
        let mut embedded = Embedded::new().unwrap();
        let (mut right, total) = (0, 500);
        for index in 0..total {
            let (seed, ttl) =
                (0x9e37_79b9_u32.wrapping_mul(index + 1), [64, 63, 128, 255, 57, 113][index as usize % 6]);
            let prompt = prompt(&key(Anomaly::EchoRequest), &echo(seed, ttl, false));
            let answer = embedded.complete(&prompt);
            right +=
                u32::from(action(&answer.tokens) == OwnedAction::EchoReply(delta(&echo(seed, 64, true))));
        }
        assert!(right * 1000 >= total * 995, "{right} of {total}");
    }

    #[test]
    fn the_task_depends_on_the_reason_and_on_what_the_frame_is() {
        let frame = echo(1, 64, false);
        let task = |reason, frame: &[u8]| prompt(&key(reason), frame)[1];
        assert_eq!(task(Anomaly::EchoRequest, &frame), tokens::PING);
        assert_eq!(task(Anomaly::IcmpChecksum, &frame), tokens::PING);
        assert_eq!(task(Anomaly::Ipv4Land, &frame), tokens::TRIAGE);
        for cut in 0..frame.len() - 4 {
            assert_eq!(task(Anomaly::EchoRequest, &frame[..cut]), tokens::TRIAGE, "{cut}");
        }
        assert_eq!(task(Anomaly::EchoRequest, &echo(1, 64, true)), tokens::TRIAGE);
    }

    #[test]
    fn wrong_checksums_are_told_to_the_model_and_it_drops() {
        let mut embedded = Embedded::new().unwrap();
        for (byte, verdicts) in [
            (24, [tokens::CHECKSUM_BAD, tokens::CHECKSUM_OK]),
            (36, [tokens::CHECKSUM_OK, tokens::CHECKSUM_BAD]),
        ] {
            let mut frame = echo(5, 64, false);
            frame[byte] ^= 0x10;
            let prompt = prompt(&key(Anomaly::IcmpChecksum), &frame);
            assert_eq!(prompt[2..4], verdicts);
            assert_eq!(action(&embedded.complete(&prompt).tokens), OwnedAction::Symbolic(ActionKind::Drop));
        }
    }

    #[test]
    fn any_tokens_mean_an_action() {
        assert_eq!(action(&[]), OwnedAction::Symbolic(ActionKind::Drop));
        assert_eq!(action(&[tokens::PAD, tokens::EOS]), OwnedAction::Symbolic(ActionKind::Drop));
        let cut = [tokens::action(ActionKind::EchoReply), 4, 0, tokens::EOS];
        assert_eq!(action(&cut), OwnedAction::Symbolic(ActionKind::Drop));
    }
}
