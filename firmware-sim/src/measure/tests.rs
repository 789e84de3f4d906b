//! Tests of the page: well-formed, self-contained, and whole whatever was measured.

use super::report::{Help, MeasureReport};
use super::sample;
use crate::page::escape;
use crate::report::RATIO_DEFINITION;

fn samples() -> [MeasureReport; 4] {
    [sample::report(), sample::nasty(), sample::least(), sample::empty()]
}

#[test]
fn the_page_is_well_formed_and_loads_nothing() {
    for report in samples() {
        let page = report.html();
        let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
        let document = roxmltree::Document::parse_with_options(&page, options).unwrap();
        for name in ["script", "link", "img", "iframe", "object", "image", "use"] {
            assert!(!document.descendants().any(|node| node.has_tag_name(name)), "{name}");
        }
        for outside in ["://", "url(", "@import", "src="] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(!page.contains("NaN") && !page.contains(">inf"));
        // Every link leads to a place in the page, whatever was left out.
        for link in document.descendants().filter_map(|node| node.attribute("href")) {
            let id = link.strip_prefix('#').unwrap();
            assert!(document.descendants().any(|node| node.attribute("id") == Some(id)), "{link}");
        }
    }
}

#[test]
fn a_whole_report_has_every_section_with_its_figures() {
    let page = sample::report().html();
    assert!(!page.contains("Not measured") && !page.contains("class=\"partial\""));
    assert_eq!(page.matches(&*escape(RATIO_DEFINITION)).count(), 2);
    for text in [
        "“a target that current LLM architectures cannot meet”",
        "5-10 s a ping, 5-10 % wrong first attempts",
        "Offered: 48\u{202f}000 frames/s",
        "Offered: R = 50\u{202f}000 frames/s",
        "A note &lt;with&gt; markup &amp; more.",
        "All 40 reasons that were seen",
        "The prediction lies outside the measured interval for: answers cached.",
    ] {
        assert!(page.contains(text), "{text}");
    }
    for help in Help::ALL {
        // In six panels of the sweep, in the bars and at the law, and in three tables.
        assert!(page.matches(help.name()).count() >= 6 + 2 + 3, "{}", help.name());
    }
}

#[test]
fn what_must_not_be_overlooked_is_in_a_box() {
    let page = sample::nasty().html();
    for text in ["Interrupted", "Checks failed", "without optimisation", "did not hold"] {
        let boxes = page.split("class=\"partial\">").skip(1);
        let found = boxes.filter(|rest| rest.split("</div>").next().unwrap().contains(text));
        assert_eq!(found.count(), 1, "{text}");
    }
    assert!(page.contains("DOES NOT HOLD") && !page.contains("<script"));
}

#[test]
fn what_was_not_measured_is_left_out_with_a_line() {
    let page = sample::empty().html();
    assert_eq!(page.matches("Not measured: ").count(), 9);
    assert!(!page.contains("<svg"));
    let mut without = sample::report();
    without.mixed.as_mut().unwrap().series.clear();
    assert_eq!(without.html().matches("Not measured: paths over time").count(), 1);
}
