//! Files of weights: damaged, foreign and outdated ones are refused with the reason.

use super::parity;
use crate::model::weights::FORMAT;
use crate::model::{Model, ModelError, Specialist};

fn refused(bytes: &[u8]) -> ModelError {
    Model::from_bytes(Specialist::Decide, bytes).unwrap_err()
}

/// The weights with a stretch of their bytes replaced.
fn replaced(from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = Specialist::Decide.weights().to_vec();
    let at = bytes.windows(from.len()).position(|part| part == from.as_bytes()).expect(from);
    bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    bytes
}

#[test]
fn damaged_files_are_refused() {
    let weights = Specialist::Decide.weights();
    for cut in [0, 7, 100, 5_000, weights.len() - 1] {
        let error = refused(&weights[..cut]);
        assert!(
            matches!(error, ModelError::NotSafetensors(_) | ModelError::Damaged { .. }),
            "{cut}: {error}"
        );
    }
    let mut damaged = weights.to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    assert!(matches!(refused(&damaged), ModelError::Damaged { .. }));
}

#[test]
fn foreign_and_outdated_files_are_refused() {
    assert!(matches!(refused(parity(Specialist::Decide)), ModelError::Foreign("format")));
    let error = refused(&replaced(FORMAT, "softrouter-tiny-0"));
    assert!(error.to_string().contains("softrouter-tiny-0") && matches!(error, ModelError::Version { .. }));
    let error = refused(Specialist::Ping.weights());
    assert_eq!(error.to_string(), "these are the weights of `ping`, not of `decide`");
    let missing = Model::from_file(Specialist::Ping, "no/such/file").unwrap_err();
    assert!(matches!(missing, ModelError::Read { .. }));
}

#[test]
fn impossible_shapes_and_numbers_are_refused() {
    for (from, to) in [
        (r#""heads":"4""#, r#""heads":"3""#),
        (r#""vocabulary":"256""#, r#""vocabulary":"999""#),
        (r#""vocabulary":"256""#, r#""vocabulary":"000""#),
        (r#""rope_base":"10000.0""#, r#""rope_base":"NaN    ""#),
        (r#""rope_base":"10000.0""#, r#""rope_base":"-1000.0""#),
        (r#""logit_scale":"0.2""#, r#""logit_scale":"inf""#),
    ] {
        assert!(matches!(refused(&replaced(from, to)), ModelError::Shape(_)), "{to}");
    }
    assert!(matches!(refused(&replaced("norm.weight", "form.weight")), ModelError::Tensor { .. }));
    let smaller = replaced(r#""vocabulary":"256""#, r#""vocabulary":"255""#);
    assert!(matches!(refused(&smaller), ModelError::Tensor { .. }));
}
