//! What is told of a payload: length, entropy and a hash, never its text.

use crate::prompt::pseudonym::Pseudonyms;
use serde_json::{Value, json};

/// Length in bytes; Shannon entropy in bits a byte, to two decimals; a hash, keyed so that nobody outside the run can try
/// likely payloads against it.
pub(super) fn digest(bytes: &[u8], pseudonyms: Pseudonyms) -> Value {
    json!({
        "bytes": bytes.len(),
        "entropy": (entropy(bytes) * 100.0).round() / 100.0,
        "hash": format!("{:016x}", pseudonyms.hash(b"payload\0", bytes)),
    })
}

/// 0 for none or one byte over and over, 8 for all bytes equally often.
fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    bytes.iter().for_each(|&byte| counts[usize::from(byte)] += 1);
    let parts = counts.iter().filter(|&&count| count > 0).map(|&count| f64::from(count) / bytes.len() as f64);
    // Not negative zero, which would be printed with its sign.
    parts.map(|part| -part * part.log2()).sum::<f64>().max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_tells_length_entropy_and_sameness() {
        let of = |bytes: &[u8]| digest(bytes, Pseudonyms::new(1));
        assert_eq!((of(&[])["entropy"].to_string(), of(&[])["bytes"].as_u64()), ("0.0".into(), Some(0)));
        assert_eq!(of(&[7; 100])["entropy"], 0.0);
        assert_eq!(of(&[1, 2, 3])["entropy"], 1.58);
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(of(&all)["entropy"], 8.0);
        assert_eq!(of(b"one")["hash"], of(b"one")["hash"]);
        assert_ne!(of(b"one")["hash"], of(b"two")["hash"]);
        assert_ne!(of(b"one")["hash"], digest(b"one", Pseudonyms::new(2))["hash"]);
    }
}
