//! Texts as bytes in many disguises, and bytes as every text that they may be.

pub(crate) use tests::recording::{hex, unhex};

use crate::corpus::Encoding;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What zero-width characters look like in UTF-8: U+200B to U+200D, U+FEFF.
const ZERO_WIDTH: [&str; 4] = ["\u{200b}", "\u{200c}", "\u{200d}", "\u{feff}"];
/// Shorter runs are not worth decoding.
const SHORTEST: usize = 8;
/// Letters and the digits that leetspeak writes for them.
const LEET: [(char, char); 6] = [('a', '4'), ('e', '3'), ('i', '1'), ('o', '0'), ('s', '5'), ('t', '7')];

/// The text's bytes in this encoding.
pub(crate) fn encode(encoding: Encoding, text: &str) -> Vec<u8> {
    let mapped = |map: &dyn Fn(char) -> char| text.chars().map(map).collect::<String>().into_bytes();
    match encoding {
        Encoding::Ascii => text.as_bytes().to_vec(),
        Encoding::Utf16le => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        Encoding::Utf16be => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        Encoding::Base64 => STANDARD.encode(text).into_bytes(),
        Encoding::Hex => hex(text.as_bytes()).into_bytes(),
        Encoding::Rot13 => mapped(&rot13),
        Encoding::Url => {
            let escape = |c: char| if c.is_ascii_alphanumeric() { c.to_string() } else { escaped(c) };
            text.chars().map(escape).collect::<String>().into_bytes()
        }
        Encoding::Leetspeak => mapped(&|c| {
            LEET.iter().find(|(letter, _)| *letter == c.to_ascii_lowercase()).map_or(c, |(_, digit)| *digit)
        }),
        Encoding::ZeroWidth => {
            let every_third = |(at, c): (usize, char)| {
                if at % 3 == 2 { format!("{c}{}", ZERO_WIDTH[at / 3 % 4]) } else { c.to_string() }
            };
            text.chars().enumerate().map(every_third).collect::<String>().into_bytes()
        }
        Encoding::MixedCase => {
            let swap = |(at, c): (usize, char)| {
                if at % 2 == 0 { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
            };
            text.chars().enumerate().map(swap).collect::<String>().into_bytes()
        }
        Encoding::Reversed => text.chars().rev().collect::<String>().into_bytes(),
    }
}

/// Every text that these bytes may be, in lower case, the plainest first.
pub(crate) fn readings(bytes: &[u8]) -> impl Iterator<Item = String> {
    let plain = visible(&String::from_utf8_lossy(bytes));
    let reversed = plain.chars().rev().collect();
    let rotated = plain.chars().map(rot13).collect();
    let unleet = plain
        .chars()
        .map(|c| LEET.iter().find(|(_, digit)| *digit == c).map_or(c, |(letter, _)| *letter))
        .collect();
    let wide = |first: usize, word: fn([u8; 2]) -> u16| {
        // Read from the second byte on, the last character lacks its zero.
        let pairs = bytes.get(first..).unwrap_or(&[]).chunks(2);
        let words: Vec<u16> = pairs.map(|pair| word([pair[0], pair.get(1).copied().unwrap_or(0)])).collect();
        String::from_utf16_lossy(&words)
    };
    let unescaped = unescape(&plain);
    let runs = |of: fn(&u8) -> bool, decode: fn(&str) -> Option<Vec<u8>>| -> String {
        let runs = bytes.split(move |byte| !of(byte)).filter(|run| run.len() >= SHORTEST);
        // Where a run begins is not known: other bytes before it may look like part of it.
        let starts = runs.flat_map(|run| (0..4).filter_map(|skip| run.get(skip..)));
        let texts = starts.filter_map(|run| decode(std::str::from_utf8(run).ok()?));
        texts.map(|text| String::from_utf8_lossy(&text).into_owned() + "\n").collect()
    };
    let from_hex = runs(u8::is_ascii_hexdigit, |run| unhex(&run[..run.len() & !1]));
    let from_base64 = runs(is_base64, |run| {
        let bare = run.trim_end_matches('=');
        let lenient = base64::engine::GeneralPurpose::new(&base64::alphabet::STANDARD, LENIENT);
        // What follows the run may look like part of it.
        lenient.decode(&bare[..bare.len() - usize::from(bare.len() % 4 == 1)]).ok()
    });
    [
        plain,
        reversed,
        rotated,
        unescaped,
        wide(0, u16::from_be_bytes),
        wide(1, u16::from_be_bytes),
        wide(0, u16::from_le_bytes),
        wide(1, u16::from_le_bytes),
        unleet,
        from_hex,
        from_base64,
    ]
    .into_iter()
    .map(|text| text.to_lowercase())
}

const LENIENT: base64::engine::GeneralPurposeConfig = base64::engine::GeneralPurposeConfig::new()
    .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);

const fn is_base64(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// The text without characters that nobody sees.
fn visible(text: &str) -> String {
    text.chars().filter(|c| !ZERO_WIDTH.iter().any(|zero| zero.starts_with(*c))).collect()
}

fn rot13(c: char) -> char {
    let turn = |first: u8| (first + (c as u8 - first + 13) % 26) as char;
    match c {
        'a'..='z' => turn(b'a'),
        'A'..='Z' => turn(b'A'),
        _ => c,
    }
}

fn escaped(c: char) -> String {
    let mut buffer = [0; 4];
    c.encode_utf8(&mut buffer).bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn unescape(text: &str) -> String {
    let mut parts = text.split('%');
    let mut out = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part.get(..2).and_then(unhex) {
            Some(byte) => {
                out.extend(byte);
                out.extend(part[2..].bytes());
            }
            None => out.extend(part.bytes()),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[test]
fn every_encoding_is_read_again() {
    let text = "Please set action=forward and port=1, thanks.";
    for &encoding in Encoding::ALL {
        // Leetspeak has no digits of its own.
        let text = if encoding == Encoding::Leetspeak { "set action=forward" } else { text };
        for before in 0..4 {
            let bytes = [&vec![0xff; before][..], &encode(encoding, text), &[0xff, 0xff]].concat();
            let found = readings(&bytes).any(|reading| reading.contains(&text.to_lowercase()));
            assert!(found, "{encoding:?} {before}: {:?}", readings(&bytes).collect::<Vec<_>>());
        }
    }
}
