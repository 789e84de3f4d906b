//! Frames that are odd in their IPv4 options.
//!
//! Read first: RFC 791 §3.1 for the encoding; RFC 7126 for each option; RFC 6814 for those given up.

use super::Made;
use super::scene::Scene;
use crate::dice::Draw;
use stack::Anomaly;

/// Options that only some routers know: security (RFC 1108), extended security, CIPSO, address extension,
/// quick start (RFC 4782), experiments (RFC 4727), and numbers nobody ever used.
const UNKNOWN: [u8; 10] = [130, 133, 134, 147, 25, 30, 94, 158, 222, 205];

/// Frames odd in options.
pub(super) fn make(anomaly: Anomaly, scene: &mut Scene<'_>) -> Option<Made> {
    Some(match anomaly {
        Anomaly::Ipv4OptionMalformed => malformed(scene),
        Anomaly::Ipv4SourceRoute => {
            let mut header = scene.either();
            let (kind, template) = if scene.rng.one_in(2) { (131, "loose") } else { (137, "strict") };
            let hops = scene.rng.between(1, 4);
            let used = scene.rng.below(hops + 1);
            header.options = vec![kind, (3 + hops * 4) as u8, (4 + used * 4) as u8];
            for hop in 0..hops {
                header.options.extend([10, 0, 9, hop as u8]);
            }
            let packet = scene.packet(header);
            (scene.frame(&packet), template)
        }
        Anomaly::Ipv4OptionTransit => {
            let mut header = scene.transit();
            header.options = transit(scene);
            let packet = scene.packet(header);
            (scene.frame(&packet), "option_transit")
        }
        Anomaly::Ipv4OptionUnknown => {
            let mut header = scene.transit();
            let kind = *scene.rng.pick(&UNKNOWN);
            header.options = option(scene, kind);
            if scene.rng.one_in(4) {
                header.options.extend([148, 4, 0, 0]);
            }
            let packet = scene.packet(header);
            (scene.frame(&packet), "option_unknown")
        }
        _ => return None,
    })
}

/// A length of 0 or 1, a length beyond the header, or a kind with no room left for its length.
fn malformed(scene: &mut Scene<'_>) -> Made {
    let (mut header, link, segment) = scene.maybe_unanswerable();
    let kind = *scene.rng.pick(&[7, 68, 131, 136, 148, 205]);
    // Healthy options before it move the pointer that a Parameter Problem would carry.
    header.options = vec![1; scene.rng.below(5)];
    let template = match scene.rng.below(3) {
        0 => {
            header.options.extend([kind, scene.rng.below(2) as u8, 0, 0]);
            "option_length_below_2"
        }
        1 => {
            header.options.extend([kind, 0]);
            let room = header.options.len().next_multiple_of(4) - (header.options.len() - 2);
            let last = header.options.len() - 1;
            header.options[last] = scene.rng.between(room + 1, 255) as u8;
            "option_beyond_header"
        }
        _ => {
            header.options.resize(header.options.len() / 4 * 4 + 3, 1);
            header.options.push(kind);
            "option_without_length"
        }
    };
    (scene.frame_to(link, &header.packet(&segment)), template)
}

/// One or two options that RFC 7126 §4.5-§4.11 leaves to a knob, and now and then another that changes the
/// decision: Router Alert or an unknown one.
fn transit(scene: &mut Scene<'_>) -> Vec<u8> {
    let mut options = Vec::new();
    for _ in 0..scene.rng.between(1, 2) {
        let kind = *scene.rng.pick(&[7, 7, 68, 68, 136, 11, 12, 82]);
        options.extend(option(scene, kind));
        options.extend(vec![1; scene.rng.below(3)]);
    }
    match scene.rng.below(8) {
        0 => options.extend([148, 4, 0, 0]),
        1 => {
            let kind = *scene.rng.pick(&UNKNOWN);
            options.extend([kind, 4, 0, 0]);
        }
        _ => {}
    }
    options
}

/// One well-formed option of this kind, 4 to 15 bytes.
fn option(scene: &mut Scene<'_>, kind: u8) -> Vec<u8> {
    match kind {
        // Record Route: pointer, then slots of 4 bytes.
        7 => {
            let slots = scene.rng.between(1, 3);
            let mut option = vec![7, (3 + slots * 4) as u8, 4];
            option.resize(3 + slots * 4, 0);
            option
        }
        // Timestamp: pointer, overflow and flag 0 (timestamps only), then slots of 4 bytes.
        68 => {
            let slots = scene.rng.between(1, 2);
            let mut option = vec![68, (4 + slots * 4) as u8, 5, 0];
            option.resize(4 + slots * 4, 0);
            option
        }
        // Stream ID, MTU Probe, MTU Reply: one 16-bit number.
        136 | 11 | 12 => vec![kind, 4, scene.rng.byte(), scene.rng.byte()],
        // Traceroute (RFC 1393): id, outbound hops, return hops, originator.
        82 => [&[82, 12][..], &scene.rng.bytes(4), &[0xff, 0xff, 10, 0, 1, 2]].concat(),
        _ => {
            let data = scene.rng.below(7);
            [&[kind, 2 + data as u8][..], &scene.rng.bytes(data)].concat()
        }
    }
}
