//! What a model may write: any text is read or refused, for every form, and what is read is one of the form's answers.

use llm_slowpath::prompt::decode::{MAX_TEXT, decode};
use llm_slowpath::prompt::schema::Form;

pub(super) fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for form in Form::ALL {
        match decode(form, &text) {
            Ok(decoded) => {
                assert!(text.len() <= MAX_TEXT);
                // The nonce is there as it was read, in lower case.
                assert!(text.contains(&format!("{:08x}", decoded.nonce)), "{text}");
                assert_eq!(decoded.reason.is_some(), !matches!(form, Form::Exam(_)));
                // White space around it changes nothing; anything else behind it is refused.
                assert_eq!(decode(form, &format!(" \n{text}\t")).as_ref(), Ok(&decoded));
                assert!(decode(form, &format!("{text}x")).is_err());
            }
            Err(error) => {
                let shown = error.to_string();
                assert!(!shown.is_empty() && !shown.contains('\n'), "{shown}");
            }
        }
    }
}
