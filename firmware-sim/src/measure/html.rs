//! The standard report as one page that loads nothing: tables and plots, for light and dark mode, phones and print.

mod help;
mod traffic;

use super::report::{DISTURBED, MeasureReport, Ping};
use crate::page::number::{figures, grouped, percent, time_us};
use crate::page::{document, escape, list, table};
use crate::peers::PeerReport;
use std::collections::BTreeSet;
use std::fmt::Write;

impl MeasureReport {
    /// As a page that loads nothing: no script, no font, no picture from elsewhere. It is well-formed XML, too.
    pub fn html(&self) -> String {
        let mut body = String::new();
        headline(&mut body, self);
        article(&mut body, &self.pings);
        match &self.mixed {
            Some(mixed) => traffic::sections(&mut body, mixed),
            None => traffic::missing(&mut body),
        }
        help::sweep(&mut body, self);
        help::saved(&mut body, &self.saved);
        costs(&mut body, self);
        help::law(&mut body, self);
        peers(&mut body, self.peers.as_ref());
        list(&mut body, "How to read this", &self.notes);
        document("Softrouter: the standard report", &body)
    }
}

/// The sections, with their names in the page.
const SECTIONS: [(&str, &str); 9] = [
    ("article", "The article's table"),
    ("paths", "Fast/slow ratio"),
    ("latency", "Latency"),
    ("reasons", "Diverts"),
    ("sweep", "Anomaly share"),
    ("saved", "Model calls saved"),
    ("costs", "Cost"),
    ("law", "Fraction law"),
    ("peers", "Peers"),
];

fn headline(body: &mut String, report: &MeasureReport) {
    let (machine, subject) = (&report.machine, &report.subject);
    boxed(body, report.interrupted, "Interrupted: what is here is whole, the rest is missing.", &[]);
    let missing = !report.not_measured.is_empty();
    boxed(body, missing, "Asked for, and not measured:", &report.not_measured);
    let broken = !report.failures.is_empty();
    boxed(body, broken, "Checks failed, so that the figures are not to be believed:", &report.failures);
    let debug =
        "A build without optimisation: times and rates are not those of softrouter. Build with --release.";
    boxed(body, !machine.optimised, debug, &[]);
    let ran = report.ran.unwrap_or(1.0);
    let disturbed = format!(
        "A disturbed run: the router's thread, which never sleeps while it is measured, ran for {} of the time only in the \
         worst part. Others had the processor; losses and tails are theirs, too.",
        percent(ran)
    );
    boxed(body, ran < DISTURBED, &disturbed, &[]);
    let quick = if subject.quick { "yes: fewer and shorter measurements" } else { "no" };
    let rows = [
        ("who answers", subject.backend.clone()),
        ("posture", subject.posture.clone()),
        ("offered in the sweep and the law", format!("{} frames/s", figures(subject.offered))),
        ("ring", format!("{} frames that wait at a port", grouped(subject.ring as u64))),
        ("seed", subject.seed.to_string()),
        ("quick", quick.into()),
        ("processor", format!("{}, {} threads", machine.processor, machine.threads)),
        ("kernel", machine.kernel.clone()),
        ("load average before", machine.load.clone()),
        ("softrouter", report.version.clone()),
        ("began", format!("{}, took {} s", report.began, figures(report.seconds))),
    ];
    body.push_str("<table class=\"about\">\n");
    for (name, value) in rows {
        let _ = writeln!(body, "<tr><td>{name}</td><td class=\"words\">{}</td></tr>", escape(&value));
    }
    body.push_str("</table>\n<nav>");
    for (id, name) in SECTIONS {
        let _ = write!(body, "<a href=\"#{id}\">{name}</a> ");
    }
    body.push_str("</nav>\n");
}

/// What must not be overlooked.
fn boxed(body: &mut String, shown: bool, text: &str, lines: &[String]) {
    if !shown {
        return;
    }
    let _ = write!(body, "<div class=\"partial\"><strong>{}</strong>", escape(text));
    for line in lines {
        let _ = write!(body, "<br/>{}", escape(line));
    }
    body.push_str("</div>\n");
}

fn heading(body: &mut String, id: &str, text: &str) {
    let _ = writeln!(body, "<h2 id=\"{id}\">{}</h2>", escape(text));
}

fn paragraph(body: &mut String, text: &str) {
    let _ = writeln!(body, "<p>{}</p>", escape(text));
}

fn absent(body: &mut String, what: &str) {
    let _ = writeln!(body, "<p class=\"faint\">Not measured: {}.</p>", escape(what));
}

/// A plot, which is markup, and what it shows.
fn figure(body: &mut String, caption: &str, key: &str, plot: &str) {
    let caption = escape(caption);
    let _ = writeln!(
        body,
        "<figure>\n<figcaption>{caption}</figcaption>\n{key}<div class=\"scroll wide\">\n{plot}</div></figure>"
    );
}

fn folded(body: &mut String, summary: &str, head: &[&str], rows: Vec<Vec<String>>) {
    let _ = writeln!(body, "<details><summary>{}</summary>", escape(summary));
    plain(body, head, rows);
    body.push_str("</details>\n");
}

fn plain(body: &mut String, head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
    table(body, head, rows.into_iter().map(|cells| (false, cells)));
}

const PINGS: [&str; 8] = [
    "who, and the task",
    "failed first attempts",
    "p50",
    "p99",
    "longest",
    "within 10 ms",
    "right replies",
    "by the default",
];

fn article(body: &mut String, pings: &[Ping]) {
    heading(body, "article", "The article's table");
    let quoted = [
        "The article: a general model, told in words to act as the IP stack: whole packets",
        "5-10 %",
        "5-10 s",
        "–",
        "–",
        "viable only so",
        "–",
        "–",
    ];
    let rows = pings.iter().map(ping).collect::<Vec<_>>();
    plain(body, &PINGS, std::iter::once(quoted.map(str::to_owned).into()).chain(rows));
    if pings.is_empty() {
        absent(body, "pings of ours");
    }
    // One of them as a rule, and long: it would widen every row.
    let judges: BTreeSet<&str> = pings.iter().map(|ping| ping.judge.as_str()).collect();
    if !judges.is_empty() {
        let judges = judges.into_iter().collect::<Vec<_>>().join("; and by ");
        paragraph(body, &format!("Replies to our requests were judged by {judges}."));
    }
    paragraph(
        body,
        "The article's row is quoted: 5-10 s a ping, 5-10 % wrong first attempts, viable only under 10 ms, “a target that current \
         LLM architectures cannot meet”. Read this with care: that was another machine, another model, another judge. Its models are \
         general ones; ours was trained for its tasks alone, and each row says which task it was. Only a row that reads the \
         whole request and writes the whole reply does what the article's did. Round trips are from sending a request until \
         its reply has come, one after another, and so count everything that the router does; a first attempt fails if it is \
         wrong, unusable or too late: it is never sent, and the router's own host answers instead (“by the default”). A dash: the article does not say.",
    );
}

fn ping(ping: &Ping) -> Vec<String> {
    let timed = |us: f64| if ping.received == 0 { "–".into() } else { time_us(us) };
    vec![
        ping.who.clone(),
        ping.first_attempt_errors.map_or("no model".into(), percent),
        timed(ping.p50_us),
        timed(ping.p99_us),
        timed(ping.max_us),
        percent(ping.within_10_ms),
        format!("{} of {}", grouped(ping.received), grouped(ping.sent)),
        grouped(ping.by_default),
    ]
}

fn costs(body: &mut String, report: &MeasureReport) {
    heading(body, "costs", "Cost and processor time of a packet");
    if report.costs.is_empty() {
        return absent(body, "the cost of a packet");
    }
    let rows = report.costs.iter().map(|cost| {
        vec![
            cost.what.clone(),
            grouped(cost.frames),
            figures(cost.frames_per_second),
            figures(cost.owner_ns),
            figures(cost.process_ns),
            cost.money_per_million.map_or("no price is known".into(), figures),
        ]
    });
    let head = [
        "frames",
        "how many",
        "frames/s",
        "owner loop, CPU ns a frame",
        "whole process, CPU ns a frame",
        "money a million frames",
    ];
    plain(body, &head, rows);
    paragraph(
        body,
        "Frames of one kind, offered without pause. The owner loop is the thread that routes; the whole \
         process counts the model's threads, too. A remote server's processor time is not in it.",
    );
}

fn peers(body: &mut String, report: Option<&PeerReport>) {
    heading(body, "peers", "Beside its peers");
    match report {
        Some(report) => {
            let text = report.to_string();
            let lines: Vec<_> = text.lines().map(escape).collect();
            let _ = writeln!(body, "<div class=\"scroll\"><pre>{}</pre></div>", lines.join("\n"));
        }
        None => absent(body, "the same load through the Linux kernel and Open vSwitch: see --peers"),
    }
}

fn small(body: &mut String, text: &str) {
    let _ = writeln!(body, "<p class=\"faint\">{}</p>", escape(text));
}
