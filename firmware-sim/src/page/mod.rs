//! What the pages of reports share: one document that loads nothing, its style, text as markup, tables.

pub(crate) mod axis;
pub(crate) mod bars;
pub(crate) mod fill;
pub(crate) mod number;
pub(crate) mod plot;

use std::fmt::Write;

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #ffffff; --line: #d0d5db; --faint: #5c6570; --alarm: #c62f2f; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ec; --paper: #14171a; --line: #3a4149; --faint: #9aa4af; --alarm: #ff7b72; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 1100px;
  margin: 2rem auto; padding: 0 1rem; overflow-wrap: break-word; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: 0.2rem 0.6rem; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top; }
th:first-child, td:first-child, td.words { text-align: left; }
td.words { overflow-wrap: anywhere; } .scroll td.words { min-width: 12rem; }
td:not(.words):nth-child(-n+7) { white-space: nowrap; } table.about td:not(.words) { white-space: normal; }
tr.check td, .faint { color: var(--faint); }
.partial { border: 2px solid var(--alarm); padding: 0.5rem 1rem; margin: 0.5rem 0; }
.scroll { overflow-x: auto; }
figure { margin: 1.5rem 0; } figcaption { max-width: 52rem; } svg { max-width: 100%; height: auto; } svg text { fill: var(--ink); }
.wide svg { min-width: 640px; } .plots > div { max-width: 100%; } .plots strong { display: block; } .plots { display: flex; flex-wrap: wrap; gap: 0.5rem 1rem; }
.key { display: inline-block; width: 0.8em; height: 0.8em; margin: 0 0.3em 0 1em; }
.keys span { display: inline-block; margin-right: 1.2em; } .keys svg { min-width: 0; vertical-align: -2px; margin-right: 0.4em; }
summary { cursor: pointer; } nav a { margin-right: 1em; white-space: nowrap; } a { color: inherit; }
@media print { body { max-width: none; margin: 0; font-size: 11px; } figure, tr { break-inside: avoid; }
  h2, h3 { break-after: avoid; } .scroll { overflow: visible; } nav { display: none; }
  details::details-content { content-visibility: visible; height: auto; } }
@media print and (prefers-color-scheme: dark) { :root { color-scheme: light; --ink: #1b1f24; --paper: #ffffff; --line: #d0d5db; --faint: #5c6570; --alarm: #c62f2f; } }
";

/// A document with this title; the body is markup.
pub(crate) fn document(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n\
         {body}</body>\n</html>\n"
    )
}

/// A list of texts under a heading.
pub(crate) fn list(body: &mut String, heading: &str, lines: &[impl AsRef<str>]) {
    let _ = writeln!(body, "<h2>{}</h2>\n<ul>", escape(heading));
    for line in lines {
        let _ = writeln!(body, "<li>{}</li>", escape(line.as_ref()));
    }
    body.push_str("</ul>\n");
}

/// A row: is it a sanity check, and its cells.
pub(crate) type Row = (bool, Vec<String>);

/// Cells are text, not markup.
pub(crate) fn table(body: &mut String, head: &[&str], rows: impl Iterator<Item = Row>) {
    let _ = write!(body, "<div class=\"scroll\"><table>\n<tr>");
    for name in head {
        let _ = write!(body, "<th>{}</th>", escape(name));
    }
    body.push_str("</tr>\n");
    for (check, cells) in rows {
        body.push_str(if check { "<tr class=\"check\">" } else { "<tr>" });
        for cell in cells {
            let class = if cell.chars().count() > 48 { " class=\"words\"" } else { "" };
            let _ = write!(body, "<td{class}>{}</td>", escape(&cell));
        }
        body.push_str("</tr>\n");
    }
    body.push_str("</table></div>\n");
}

/// Text as markup; what XML has no character for is left out.
pub(crate) fn escape(text: &str) -> String {
    let mut markup = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => markup.push_str("&amp;"),
            '<' => markup.push_str("&lt;"),
            '>' => markup.push_str("&gt;"),
            '"' => markup.push_str("&quot;"),
            control if control.is_control() => markup.push(' '),
            '\u{fffe}' | '\u{ffff}' => markup.push(' '),
            other => markup.push(other),
        }
    }
    markup
}

/// At most so many characters: names in plots must leave room.
pub(crate) fn clip(text: &str, most: usize) -> String {
    // SVG text is escaped by the plots' crate, which lets control characters through.
    let clean = |character: char| {
        if character.is_control() || character > '\u{fffd}' && character <= '\u{ffff}' {
            ' '
        } else {
            character
        }
    };
    if text.chars().count() <= most {
        return text.chars().map(clean).collect();
    }
    text.chars().take(most.saturating_sub(1)).map(clean).chain(['…']).collect()
}
