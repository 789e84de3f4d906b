//! The pages of reports in a real browser, in light and dark mode, on a desk and on a phone: no console error, no request,
//! no label on another, nothing wider than the screen. Needs chromium (`make setup-peers`). SOFTROUTER_PAGES names a folder where the pages are kept, to
//! be looked at.

mod browser;
#[path = "../src/measure/sample.rs"]
mod sample;

/// For the samples, which are made for the crate's own tests.
mod report {
    pub(crate) use firmware_sim::measure::report::*;
}

use browser::{Browser, Seen, View};
use firmware_sim::lab::privilege::skip;
use firmware_sim::measure::compare::{Comparison, THRESHOLD};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder of this test's own.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("softrouter-page-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A browser; `None`, with a line that says so, where there is none.
fn browser(folder: &Path) -> Option<Browser> {
    let browser = Browser::start(folder);
    if browser.is_none() {
        skip("chromium is not installed: make setup-peers");
    }
    browser
}

/// What the browser sees of a page in each view.
fn look(browser: &mut Browser, folder: &Path, name: &str, page: &str) -> Vec<Seen> {
    let file = folder.join(format!("{name}.html"));
    std::fs::write(&file, page).unwrap();
    if let Ok(kept) = std::env::var("SOFTROUTER_PAGES") {
        std::fs::copy(&file, Path::new(&kept).join(format!("{name}.html"))).unwrap();
    }
    View::ALL.iter().map(|view| browser.look(&file, *view)).collect()
}

fn sound(name: &str, seen: &[Seen]) {
    for (view, seen) in View::ALL.iter().zip(seen) {
        assert!(seen.complaints.is_empty(), "{name}, {view:?}: {:#?}", seen.complaints);
        assert!(seen.requests.is_empty(), "{name}, {view:?}: {:#?}", seen.requests);
        assert!(
            seen.overlaps.is_empty(),
            "{name}, {view:?}: labels lie on one another: {:#?}",
            seen.overlaps
        );
        assert!(seen.width <= view.width, "{name}, {view:?}: {} pixels wide", seen.width);
        assert!(seen.contrast > 7.0, "{name}, {view:?}: contrast {}", seen.contrast);
    }
    assert_ne!(seen[0].paper, seen[1].paper, "{name}: dark mode is as light mode");
}

#[test]
fn the_pages_of_reports_are_sound_in_a_browser() {
    let folder = folder("reports");
    let Some(mut browser) = browser(&folder) else { return };
    let reports = [
        ("report", sample::report()),
        ("nasty", sample::nasty()),
        ("least", sample::least()),
        ("empty", sample::empty()),
    ];
    for (name, report) in &reports {
        let seen = look(&mut browser, &folder, name, &report.html());
        sound(name, &seen);
        if *name == "report" {
            // Two of paths, latency, reasons, six of the sweep, saved, law; and the keys' swatches.
            assert_eq!(seen[0].plots, 12);
        }
    }
    let comparison = Comparison::of(&reports[0].1, &reports[1].1, THRESHOLD);
    sound("comparison", &look(&mut browser, &folder, "comparison", &comparison.html()));
    // It writes its profile when it ends.
    drop(browser);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn the_page_of_an_exam_is_sound_in_a_browser() {
    let folder = folder("exam");
    let Some(mut browser) = browser(&folder) else { return };
    let file = folder.join("exam.html");
    let mut exam = Command::new(env!("CARGO_BIN_EXE_softrouter"));
    exam.args(["exam", "--quick", "--html"]).arg(&file).env_remove("SOFTROUTER_CAPTURES");
    let output = exam.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let page = std::fs::read_to_string(&file).unwrap();
    sound("exam", &look(&mut browser, &folder, "exam", &page));
    // It writes its profile when it ends.
    drop(browser);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_page_that_is_not_sound_is_found_out() {
    let folder = folder("bad");
    let Some(mut browser) = browser(&folder) else { return };
    let text = |x: u32| {
        format!(
            "<svg width='90' height='40'><text x='{x}' y='20'>one</text><text x='9' y='20'>two</text></svg>"
        )
    };
    let bad = [
        ("throws", "<script>throw new Error('x')</script>".to_owned()),
        ("complains", "<script>console.error('x')</script>".into()),
        ("loads", "<img src='http://127.0.0.1:9/x.png'/>".into()),
        ("loads a file", "<link rel='stylesheet' href='other.css'/>".into()),
        ("overlaps", text(12)),
        ("wide", "<div style='width: 3000px'>x</div>".into()),
    ];
    for (name, body) in bad {
        let page =
            format!("<!DOCTYPE html><html><head><title>{name}</title></head><body>{body}</body></html>");
        for seen in look(&mut browser, &folder, name, &page) {
            let found = match name {
                "throws" | "complains" => !seen.complaints.is_empty(),
                "loads" | "loads a file" => !seen.requests.is_empty(),
                "overlaps" => !seen.overlaps.is_empty(),
                _ => seen.width > 1_200,
            };
            assert!(found, "{name}: {seen:?}");
        }
    }
    let apart = look(&mut browser, &folder, "apart", &format!("<!DOCTYPE html><p>{}</p>", text(60)));
    assert!(apart.iter().all(|seen| seen.overlaps.is_empty()), "{apart:?}");
    // It writes its profile when it ends.
    drop(browser);
    std::fs::remove_dir_all(folder).unwrap();
}
