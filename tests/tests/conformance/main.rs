//! Every conformance case of `tests/cases/`, in virtual time. `CASE=C22` plays those whose id begins so.

mod books;
mod case;
mod compare;
mod complete;
mod play;
mod set_up;

use std::panic::{AssertUnwindSafe, catch_unwind};

#[test]
fn every_case_holds() {
    let wanted = std::env::var("CASE").unwrap_or_default();
    let (mut played, mut failed) = (0, Vec::new());
    for case in case::all().iter().filter(|case| case.id.starts_with(&wanted)) {
        played += 1;
        let result = catch_unwind(AssertUnwindSafe(|| play::play(case)));
        let problem = match result {
            Ok(Ok(())) => continue,
            Ok(Err(problem)) => problem,
            Err(panic) => panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "panicked".into()),
        };
        failed.push(format!("{} {}\n({})\n{problem}\n", case.id, case.title, case.rfc));
    }
    assert!(failed.is_empty(), "{} of {played} cases fail:\n\n{}", failed.len(), failed.join("\n"));
    println!("{played} cases hold");
}
