//! The rules file: what was kept comes back, and a file that is damaged is said to be, kept, and costs nothing else.

use super::super::desk::Copies;
use super::*;
use stack::rules::{RuleChange, RuleState};
use std::fs;
use std::sync::{Arc, Mutex};

/// Three rules as a text.
fn text() -> String {
    write(&[option_rule(7), option_rule(8), option_rule(9)], Seconds::from_micros(1_000_000))
}

fn read_text(text: &str) -> Result<Document, DocumentError> {
    read(text, &mut names(), &Times::OF_RUN)
}

#[test]
fn a_text_that_is_cut_anywhere_is_damaged() {
    let whole = text();
    assert_eq!(read_text(&whole).unwrap().rules.len(), 3);
    // The last byte is the end of the line.
    for end in 0..whole.len() - 1 {
        let error = read_text(&whole[..end]).unwrap_err();
        assert!(error.to_string().contains("remedy: "), "{end}: {error}");
    }
}

#[test]
fn a_bit_that_is_flipped_anywhere_is_found() {
    let whole = text();
    for at in 0..whole.len() * 8 {
        let mut bytes = whole.clone().into_bytes();
        bytes[at / 8] ^= 1 << (at % 8);
        // What is no text is refused before it is read.
        let Ok(changed) = String::from_utf8(bytes) else { continue };
        let error = read_text(&changed).expect_err(&changed[at / 8..]);
        assert!(error.to_string().contains("remedy: "), "{at}: {error}");
    }
}

#[test]
fn each_sort_of_file_is_told_apart() {
    let is = |text: &str| match read_text(text) {
        Ok(document) => format!("{} rules", document.rules.len()),
        Err(DocumentError::Foreign(_)) => "foreign".into(),
        Err(DocumentError::Version(version)) => format!("version {version}"),
        Err(DocumentError::Damaged(_)) => "damaged".into(),
        Err(DocumentError::Checksum) => "checksum".into(),
    };
    let whole = text();
    assert_eq!(is(""), "foreign");
    assert_eq!(is("[1, 2]"), "foreign");
    assert_eq!(is(r#"{"rules": []}"#), "foreign");
    assert_eq!(is(&"[".repeat(100_000)), "foreign");
    assert_eq!(is(&whole.replace("rules\": 1", "rules\": 2")), "version 2");
    assert_eq!(is(r#"{"softrouter_rules": 1, "rules": [], "more": 1}"#), "damaged");
    assert_eq!(is(&whole.replace("10.0.1.8", "10.0.1.6")), "checksum");
    let unsealed: String = whole.lines().filter(|line| !line.contains("checksum")).collect();
    assert_eq!(is(&unsealed.replace("10.0.1.8", "10.0.1.6")), "3 rules", "as the remedy says");
    assert_eq!(is(r#"{"softrouter_rules": 1, "rules": []}"#), "0 rules");
}

#[test]
fn lifetimes_go_on_while_the_router_is_down() {
    let (mut router, now) = (router(), Instant::from_secs(100));
    let mut names = names();
    for (host, lifetime, pinned) in [(7, 60, false), (8, 600, false), (9, 60, true)] {
        let form =
            RuleForm { lifetime_s: Seconds::from_micros(lifetime * 1_000_000), pinned, ..option_rule(host) };
        let spec = spec_from(&form, &mut names, &Times::OF_RUN).unwrap();
        router.install_rule(now, spec).unwrap();
    }
    let saved = Times { now: now + Duration::from_secs(20), unix: Seconds::from_micros(5_000_000_000) };
    let forms: Vec<_> =
        router.rules().map(|rule| rule_form(&rule, &Default::default(), &names, &saved)).collect();
    let text = write(&forms, saved.unix);
    let later = |seconds: i64| {
        let times =
            Times { now: Instant::from_secs(1), unix: Seconds::from_micros((5_000 + seconds) * 1_000_000) };
        let document = read(&text, &mut super::names(), &times).unwrap();
        assert!(document.refused.is_empty());
        let mut left: Vec<_> =
            document.rules.iter().map(|rule| (rule.spec.lifetime.secs(), rule.spec.pinned)).collect();
        left.sort_unstable();
        left
    };
    assert_eq!(later(0), [(40, false), (40, true), (580, false)]);
    assert_eq!(later(39), [(1, false), (1, true), (541, false)]);
    assert_eq!(later(40), [(0, true), (540, false)]);
    assert_eq!(later(10_000), [(0, true)]);
    assert_eq!(later(-10_000), [(40, false), (40, true), (580, false)], "a clock that went back");
}

/// Loads `file` into a router of its own.
fn load(file: &RulesFile) -> (Loaded, RecordedRouter, Desk) {
    let (mut router, (mut desk, _)) = (router(), Desk::new());
    let loaded = file.load(Instant::from_secs(1), &mut router, &mut desk, &mut names()).unwrap();
    (loaded, router, desk)
}

#[test]
fn what_is_kept_comes_back_and_learnt_rules_are_in_shadow_again() {
    let folder = Folder::new("kept");
    let path = folder.file("rules.json");
    let file = RulesFile::at(&path).unwrap();
    assert!(!path.exists() && load(&file).0.is_nothing());

    let (mut router, (mut desk, _)) = (router(), Desk::new());
    let now = Instant::from_secs(1);
    let names = Arc::new(Mutex::new(names()));
    desk.keep(file.clone().keeper(Arc::clone(&names)).unwrap());
    let learnt = |host: u8, pinned| {
        let origin = serde_json::from_str(
            r#"{"by": "model", "backend": "embedded", "model": "embedded", "prompt_hash": "00000000000000ab",
                "frame_hashes": ["0000000000000001"], "first_seen_unix_s": 0.5, "concordant_unix_s": 0.75}"#,
        );
        let action = serde_json::from_str(r#"{"do": "forward", "edit": "clear_options"}"#).unwrap();
        RuleForm { origin: origin.unwrap(), action, pinned, ..option_rule(host) }
    };
    for form in [option_rule(7), learnt(8, false), learnt(9, true)] {
        let spec = spec_from(&form, &mut names.lock().unwrap(), &Times::OF_RUN).unwrap();
        router.install_rule(now, spec).unwrap();
    }
    desk.finish(now, &router);
    assert_eq!(mode(&path), 0o600);
    let (loaded, again, _) = load(&file);
    assert_eq!((loaded.installed, loaded.kept_as.clone()), (2, None), "{loaded}");
    let mut states: Vec<_> = again.rules().map(|rule| (rule.state, rule.spec.pinned)).collect();
    states.sort_unstable_by_key(|(_, pinned)| *pinned);
    // The rule in shadow proved nothing yet; the pinned one is wanted, but has to prove itself again.
    assert_eq!(states, [(RuleState::Active, false), (RuleState::Shadow, true)]);
    assert_eq!(folder.names(), ["rules.json"]);
}

#[test]
fn a_damaged_file_is_kept_and_the_next_one_beside_it() {
    let folder = Folder::new("damaged");
    let path = folder.file("rules.json");
    let file = RulesFile::at(&path).unwrap();
    for (number, content) in [&b"{\"softrouter_rules\": 1"[..], b"\xff\xfe", b"hello"].into_iter().enumerate()
    {
        fs::write(&path, content).unwrap();
        let (loaded, router, _) = load(&file);
        assert_eq!(router.rule_occupancy().0, 0);
        let kept = loaded.kept_as.clone().unwrap();
        assert_eq!(fs::read(&kept).unwrap(), content);
        let said = loaded.to_string();
        assert!(said.contains("remedy: ") && said.contains(kept.to_str().unwrap()), "{number}: {said}");
        assert!(!path.exists());
    }
    assert_eq!(folder.names(), ["rules.json.damaged", "rules.json.damaged.1", "rules.json.damaged.2"]);
}

#[test]
fn what_the_router_refuses_now_is_named_and_kept() {
    let folder = Folder::new("refused");
    let path = folder.file("rules.json");
    let file = RulesFile::at(&path).unwrap();
    let strict = RuleForm { posture: "strict".into(), ..option_rule(8) };
    let gone = RuleForm { port: "tap9".into(), ..option_rule(9) };
    let content = write(&[option_rule(7), strict, gone], Seconds::since_1970());
    fs::write(&path, &content).unwrap();
    let (loaded, router, mut desk) = load(&file);
    assert_eq!((router.rule_occupancy().0, loaded.installed), (1, 1));
    let said = loaded.to_string();
    assert!(said.contains("rule 2: posture") && said.contains("rule 3: port: `tap9`"), "{said}");
    assert_eq!(said.matches("remedy: ").count(), 2, "{said}");
    // The run then keeps its own rules, and the old text stays beside them.
    desk.keep(file.keeper(Arc::new(Mutex::new(names()))).unwrap());
    desk.finish(Instant::from_secs(2), &router);
    assert_eq!(fs::read_to_string(loaded.kept_as.unwrap()).unwrap(), content);
    assert_ne!(fs::read_to_string(&path).unwrap(), content);
}

#[test]
fn a_file_that_cannot_be_written_is_an_error_before_the_run() {
    let folder = Folder::new("unwritable");
    assert!(RulesFile::at(&folder.file("missing/rules.json")).is_err());
    assert!(RulesFile::at(&folder.0).is_err());
    let file = RulesFile::at(&folder.file("rules.json")).unwrap();
    assert_eq!(folder.names(), [""; 0]);
    fs::remove_dir_all(&folder.0).unwrap();
    let error = file.save("text").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn a_change_is_saved_within_a_second_and_not_more_often() {
    let folder = Folder::new("often");
    let path = folder.file("rules.json");
    let file = RulesFile::at(&path).unwrap();
    let (mut router, (mut desk, _orders)) = (router(), Desk::new());
    desk.keep(file.keeper(Arc::new(Mutex::new(names()))).unwrap());
    assert_eq!(desk.due(), None);
    let mut saves = 0;
    for step in 0..100 {
        let now = Instant::from_millis(1_000 + step * 50);
        let form = option_rule(10 + step as u8);
        let spec = spec_from(&form, &mut names(), &Times::OF_RUN).unwrap();
        let id = router.install_rule(now, spec).unwrap();
        desk.rule_changed(id, RuleChange::Activated);
        saves += i32::from(now >= desk.due().unwrap());
        // A turn copies a piece of the table.
        desk.serve(now, &mut router);
        while desk.due() == Some(Instant::ZERO) {
            desk.serve(now, &mut router);
        }
    }
    assert!((5..=6).contains(&saves), "{saves} saves in 5 s");
    desk.finish(Instant::from_secs(7), &router);
    let document = read_text(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(document.rules.len(), 100);
}

#[test]
fn a_slow_disk_costs_a_save_and_no_time() {
    // Whoever holds the names holds up the thread that writes.
    let folder = Folder::new("slow");
    let file = RulesFile::at(&folder.file("rules.json")).unwrap();
    let names = Arc::new(Mutex::new(names()));
    let held = names.lock().unwrap();
    let keeper = file.keeper(Arc::clone(&names)).unwrap();
    let copies = || Copies { rules: Vec::new(), places: 8, times: Times::OF_RUN };
    // One in hand, perhaps, and one that waits; then the owner is told at once.
    let taken = (0..4).filter(|_| keeper.offer(copies())).count();
    assert!((1..=2).contains(&taken), "{taken}");
    drop(held);
    keeper.finish(copies());
    assert_eq!(folder.names(), ["rules.json"]);
}
