//! The canonical form of a prompt: its text without nonce and boundary, which differ from frame to frame, and a hash of
//! that. Transcripts are keyed by it.

use super::schema::NONCE;
use siphasher::sip128::{Hasher128 as _, SipHasher24};
use std::hash::Hasher as _;

/// A prompt's user part with zeros for nonce and boundary, and the hash of the whole prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canonical {
    /// 32 hex digits: SipHash-2-4-128, with a key of zeros, over both parts, each with its length before it. It names a
    /// prompt, as a checksum does; it is no signature.
    pub hash: String,
    /// The user part.
    pub user: String,
}

impl Canonical {
    /// The canonical form of a prompt that holds this nonce and boundary.
    pub fn of(system: &str, user: &str, nonce: u32, boundary: u32) -> Self {
        // With what stands around them: elsewhere the same digits are something else.
        let zeros = |text: &str, before: &str, number: u32, after: &str| {
            text.replace(&format!("{before}{number:08x}{after}"), &format!("{before}00000000{after}"))
        };
        let user = zeros(user, "frame-", boundary, ">");
        let user = zeros(&user, &format!("\"{NONCE}\":\""), nonce, "\"");
        let mut hasher = SipHasher24::new_with_keys(0, 0);
        for part in [system, &user] {
            hasher.write_u64(part.len() as u64);
            hasher.write(part.as_bytes());
        }
        Self { hash: format!("{:032x}", hasher.finish128().as_u128()), user }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompt::{Detail, PromptOptions, text};
    use crate::testing::{diverted, echo_request};
    use stack::{Anomaly, Diverted, Posture};
    use std::collections::BTreeSet;

    fn canonical(diverted: &Diverted, frame: &[u8], options: &PromptOptions) -> Canonical {
        let user = text::frame_part(diverted, frame, options).unwrap();
        Canonical::of(text::system(), &user, diverted.nonce, diverted.boundary)
    }

    #[test]
    fn the_hash_is_the_same_within_a_class_and_differs_between_classes() {
        let options = PromptOptions::default();
        let mut hashes = BTreeSet::new();
        let mut classes = 0;
        for &reason in Anomaly::ALL.iter().filter(|&&reason| reason != Anomaly::EchoRequest) {
            for posture in Posture::ALL {
                let mut one = diverted(reason);
                one.class.posture = posture;
                let mut other = one.clone();
                (other.nonce, other.boundary, other.len) = (0x1234_5678, 0x9abc_def0, 99);
                let hash = canonical(&one, &[1; 60], &options).hash;
                assert_eq!(hash, canonical(&other, &[2; 99], &options).hash);
                assert!(hash.len() == 32 && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
                hashes.insert(hash);
                classes += 1;
            }
        }
        assert_eq!(hashes.len(), classes);
    }

    #[test]
    fn frame_prompts_differ_where_the_frames_do() {
        let options = PromptOptions { detail: Detail::Frame, ..PromptOptions::default() };
        let about = diverted(Anomaly::Ipv4Land);
        let hash = |frame: &[u8]| canonical(&about, frame, &options).hash;
        assert_eq!(hash(&echo_request(b"one")), hash(&echo_request(b"one")));
        assert_ne!(hash(&echo_request(b"one")), hash(&echo_request(b"two")));
    }

    #[test]
    fn only_nonce_and_boundary_become_zeros() {
        let user = "<frame-0000abcd>\n{\"hash\":\"0000abcd\",\"nonce\":\"0badcafe\",\"id\":\"0badcafe\"}\n</frame-0000abcd>\n?";
        let canonical = Canonical::of("", user, 0x0bad_cafe, 0xabcd);
        let zeros = "<frame-00000000>\n{\"hash\":\"0000abcd\",\"nonce\":\"00000000\",\"id\":\"0badcafe\"}\n</frame-00000000>\n?";
        assert_eq!(canonical.user, zeros);
        // Where one part ends and the other begins counts.
        assert_ne!(Canonical::of("ab", "c", 0, 0).hash, Canonical::of("a", "bc", 0, 0).hash);
    }
}
