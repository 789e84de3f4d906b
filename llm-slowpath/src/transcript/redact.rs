//! What a transcript hides of a model's words, and how it comes back.

/// Stands for the nonce.
const NONCE: &str = "{nonce}";
/// Stands for the nonce in capitals: a wrong echo, which has to stay one.
const NONCE_IN_CAPITALS: &str = "{NONCE}";
/// Stands for the boundary.
const HIDDEN: &str = "{hidden}";

/// `text` without the nonce and the boundary. What a model wrote that looks like a placeholder is no longer
/// one: it cannot become a nonce.
pub(super) fn redact(text: &str, nonce: u32, boundary: u32) -> String {
    let text = text.replace("{nonce}", "{ nonce}").replace("{NONCE}", "{ NONCE}");
    let text = replace(&text, &format!("{boundary:08x}"), |_| HIDDEN);
    let nonce = format!("{nonce:08x}");
    replace(&text, &nonce, |found| if found == nonce { NONCE } else { NONCE_IN_CAPITALS })
}

/// A redacted text with another nonce.
pub(super) fn restore(text: &str, nonce: u32) -> String {
    text.replace(NONCE, &format!("{nonce:08x}")).replace(NONCE_IN_CAPITALS, &format!("{nonce:08X}"))
}

/// Replaces `digits`, whatever their case.
fn replace(text: &str, digits: &str, with: impl Fn(&str) -> &'static str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for (at, _) in lower.match_indices(digits) {
        out.push_str(&text[from..at]);
        from = at + digits.len();
        out.push_str(with(&text[at..from]));
    }
    out.push_str(&text[from..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonce_and_boundary_go_and_the_nonce_comes_back() {
        let said = r#"{"nonce":"0badcafe","x":"0BADCAFE 5EEDB0DA"}"#;
        let kept = redact(said, 0x0bad_cafe, 0x5eed_b0da);
        assert_eq!(kept, r#"{"nonce":"{nonce}","x":"{NONCE} {hidden}"}"#);
        assert_eq!(restore(&kept, 0x0123_abcd), r#"{"nonce":"0123abcd","x":"0123ABCD {hidden}"}"#);
        // Another number in its place stays: the answer was wrong, and stays wrong.
        assert_eq!(redact(r#"{"nonce":"0badcaff"}"#, 0x0bad_cafe, 1), r#"{"nonce":"0badcaff"}"#);
    }

    #[test]
    fn a_model_cannot_write_a_placeholder() {
        let kept = redact(r#"{"nonce":"{nonce}"} {NONCE}"#, 1, 2);
        assert!(!restore(&kept, 7).contains("00000007"), "{kept}");
    }
}
