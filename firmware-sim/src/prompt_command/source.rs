//! Where the frame comes from: hex on the command line or standard input, or a capture.

use super::PromptError;
use pcap_file::DataLink;
use pcap_file::pcap::PcapReader;
use stack::frame::FRAME_MAX;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::PathBuf;

/// Most text that is read of standard input: two digits and a separator for each byte, and some room.
const MAX_TEXT: u64 = 4 * FRAME_MAX as u64;

/// The frame that `text` names.
pub(super) fn frame(text: &str, input: &mut dyn Read) -> Result<Vec<u8>, PromptError> {
    if let Some(file) = text.strip_prefix('@') {
        return captured(file);
    }
    if text != "-" {
        return hex(text);
    }
    let mut text = String::new();
    input.take(MAX_TEXT).read_to_string(&mut text).map_err(PromptError::Input)?;
    hex(&text)
}

fn hex(text: &str) -> Result<Vec<u8>, PromptError> {
    let digit = |c: char| c.to_digit(16).map(|digit| digit as u8).ok_or(PromptError::Digit(c));
    let digits = text.chars().filter(|c| !c.is_whitespace() && *c != ':').map(digit);
    let digits = digits.collect::<Result<Vec<u8>, _>>()?;
    if digits.len() % 2 != 0 {
        return Err(PromptError::Half(digits.len()));
    }
    Ok(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// `FILE[:N]`, counted from 1 as Wireshark does.
fn captured(name: &str) -> Result<Vec<u8>, PromptError> {
    let numbered = name.rsplit_once(':').and_then(|(file, number)| Some((file, number.parse().ok()?)));
    let (file, number): (&str, usize) = numbered.unwrap_or((name, 1));
    let path = PathBuf::from(file);
    let wrong = |problem: String, remedy| PromptError::Capture { path: path.clone(), problem, remedy };
    let foreign = "name a pcap file of Ethernet frames";
    let opened = File::open(&path).map_err(|error| wrong(error.to_string(), foreign))?;
    let mut reader =
        PcapReader::new(BufReader::new(opened)).map_err(|error| wrong(error.to_string(), foreign))?;
    let link = reader.header().datalink;
    if link != DataLink::ETHERNET {
        return Err(wrong(format!("its frames are {link:?}, not Ethernet"), foreign));
    }
    let mut count = 0;
    // Raw: some records claim to be longer than the file's snap length, and are whole all the same.
    while let Some(packet) = reader.next_raw_packet() {
        let packet = packet.map_err(|error| wrong(format!("frame {}: {error}", count + 1), foreign))?;
        count += 1;
        if count == number {
            return Ok(packet.data.into_owned());
        }
    }
    Err(wrong(
        format!("it has {count} frames, and no frame {number}"),
        "name a frame from 1 on, as in @FILE.pcap:1",
    ))
}
