//! Frames that were built beforehand, in one block of memory, each with the words in it that make no difference.
//!
//! Read first: RFC 1624 §3. A frame is a copy of its template with those words drawn anew, the checksums over them updated: what
//! was right stays right, what was wrong stays wrong by as much, and so its class stays.

use super::FRAME_MAX;
use crate::build::{icmp_type, icmpv6_type, protocol};
use crate::generate::{Expected, Generated};
use crate::mutate::Layout;
use crate::sum::updated;
use crate::world::World;
use rand::Rng;
use std::ops::Range;

/// At most so many words of a template are drawn anew.
const PATCHES: usize = 4;

/// What a word may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    Any,
    /// An echo's identifier. RFC 1624's update takes a message that becomes all zeros for one that adds up to -0: never 0, then.
    NotZero,
    /// An identification: two frames of a stream that are less than 65,536 apart have different ones.
    Counted,
    /// A client's port.
    Port,
}

/// A 16-bit word that makes no difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Patch {
    at: u16,
    /// Where the checksum over it is; 0 if there is none.
    checksum: u16,
    /// That checksum must not become 0 (RFC 768).
    udp: bool,
    value: Value,
}

impl Patch {
    const fn new(at: usize, value: Value) -> Self {
        Self { at: at as u16, checksum: 0, udp: false, value }
    }

    const fn under(self, checksum: usize) -> Self {
        Self { checksum: checksum as u16, ..self }
    }
}

/// One template.
#[derive(Debug, Clone, Copy)]
pub(super) struct Template {
    start: u32,
    len: u16,
    patches: [Patch; PATCHES],
    patched: u8,
    pub(super) port: u8,
    pub(super) expected: Expected,
    pub(super) name: &'static str,
}

/// All templates of a stream.
#[derive(Debug, Clone, Default)]
pub(super) struct Templates {
    bytes: Vec<u8>,
    all: Vec<Template>,
}

impl Templates {
    /// Adds frames; their numbers.
    pub(super) fn add(&mut self, world: &World, frames: impl IntoIterator<Item = Generated>) -> Range<usize> {
        let first = self.all.len();
        for made in frames {
            let mut patches = [Patch::new(0, Value::Any); PATCHES];
            let found = patches_of(world, &made);
            let patched = found.len().min(PATCHES);
            patches[..patched].copy_from_slice(&found[..patched]);
            self.all.push(Template {
                start: self.bytes.len() as u32,
                len: made.bytes.len() as u16,
                patches,
                patched: patched as u8,
                port: made.port,
                expected: made.expected,
                name: made.template,
            });
            self.bytes.extend(&made.bytes);
        }
        first..self.all.len()
    }

    /// Writes frame `index` of the stream from this template, and its length.
    pub(super) fn write<R: Rng>(
        &self,
        number: usize,
        index: u64,
        rng: &mut R,
        buffer: &mut [u8; FRAME_MAX],
    ) -> (&Template, usize) {
        let template = &self.all[number];
        let (start, len) = (template.start as usize, usize::from(template.len));
        buffer[..len].copy_from_slice(&self.bytes[start..start + len]);
        let mut random = rng.next_u64();
        for patch in &template.patches[..usize::from(template.patched)] {
            let word = random as u16;
            random >>= 16;
            let new = match patch.value {
                Value::Any => word,
                Value::NotZero => word.max(1),
                Value::Counted => index as u16,
                Value::Port => 1024 + ((u32::from(word) * 64_512) >> 16) as u16,
            };
            apply(buffer, patch, new);
        }
        (template, len)
    }
}

fn apply(buffer: &mut [u8; FRAME_MAX], patch: &Patch, new: u16) {
    let at = usize::from(patch.at);
    let old = u16::from_be_bytes([buffer[at], buffer[at + 1]]);
    buffer[at..at + 2].copy_from_slice(&new.to_be_bytes());
    let at = usize::from(patch.checksum);
    if at != 0 {
        let checksum = updated(u16::from_be_bytes([buffer[at], buffer[at + 1]]), old, new);
        let checksum = if patch.udp && checksum == 0 { 0xffff } else { checksum };
        buffer[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
    }
}

/// The words of a frame that make no difference to what it is.
fn patches_of(world: &World, made: &Generated) -> Vec<Patch> {
    let frame = &made.bytes;
    let layout = Layout::of(frame);
    let at = layout.network;
    let holds = |len: usize| frame.len() >= at + len;
    let mut patches = Vec::new();
    match frame.get(at - 2..at) {
        Some([8, 0]) if holds(20) => {
            patches.push(Patch::new(at + 4, Value::Counted).under(at + 10));
            let fragment = (u16::from_be_bytes([frame[at + 6], frame[at + 7]]) & 0x3fff) != 0;
            // A header that says to be shorter than it is hides where the segment begins.
            if !fragment && frame[at] & 15 >= 5 {
                patches.extend(segment_patch(frame, layout.transport, frame[at + 9]));
            }
        }
        Some([0x86, 0xdd]) if holds(40) => {
            patches.push(Patch::new(at + 2, Value::Any));
            if let Some(header) = layout.fragment_header() {
                let words = [header + 4, header + 6].into_iter().filter(|at| at + 2 <= frame.len());
                patches.extend(words.map(|at| Patch::new(at, Value::Any)));
            } else {
                patches.extend(segment_patch(frame, layout.transport, layout.protocol));
            }
        }
        // Nobody looks at the target's MAC address.
        Some([8, 6]) if holds(28) => {
            patches.extend([at + 18, at + 20].map(|at| Patch::new(at, Value::Any)));
        }
        _ => {}
    }
    // Two bytes in the middle of the sender's MAC address, where it cannot become the router's.
    let router = world.ports[usize::from(made.port)].mac;
    let differs = |bytes: Range<usize>| frame.get(bytes.start + 6..bytes.end + 6) != Some(&router[bytes]);
    if patches.is_empty() && frame.len() >= 12 && (differs(0..2) || differs(4..6)) {
        patches.push(Patch::new(8, Value::Any));
    }
    patches
}

/// The client's port, or the identifier of an echo.
fn segment_patch(frame: &[u8], at: usize, protocol: u8) -> Option<Patch> {
    let holds = |len: usize| frame.len() >= at + len;
    match protocol {
        protocol::TCP if holds(18) => Some(Patch::new(at, Value::Port).under(at + 16)),
        protocol::UDP if holds(8) => {
            let patch = Patch { udp: true, ..Patch::new(at, Value::Port) };
            // Without a checksum it stays without.
            Some(if frame[at + 6..at + 8] == [0, 0] { patch } else { patch.under(at + 6) })
        }
        protocol::ICMP if holds(8) && matches!(frame[at], icmp_type::ECHO | icmp_type::ECHO_REPLY) => {
            Some(Patch::new(at + 4, Value::NotZero).under(at + 2))
        }
        protocol::ICMPV6 if holds(8) && matches!(frame[at], icmpv6_type::ECHO | icmpv6_type::ECHO_REPLY) => {
            Some(Patch::new(at + 4, Value::Any).under(at + 2))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Generator;
    use crate::build::seal_ipv4;
    use crate::dice::rng_for;
    use crate::oracle::judge;
    use rand::TryRng;
    use stack::Anomaly;
    use std::convert::Infallible;

    /// Draws nothing but zeros.
    struct Zeros;

    impl TryRng for Zeros {
        type Error = Infallible;

        fn try_next_u32(&mut self) -> Result<u32, Infallible> {
            Ok(0)
        }

        fn try_next_u64(&mut self) -> Result<u64, Infallible> {
            Ok(0)
        }

        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
            bytes.fill(0);
            Ok(())
        }
    }

    #[test]
    fn words_of_zeros_make_no_template_another_frame() {
        let generator = Generator::new(World::lab(), 1);
        let mut healthy: Vec<Generated> = (0..2_000).map(|index| generator.healthy(index)).collect();
        // Number 0, and nothing in it: with identifier 0 the whole message would be zeros.
        // To the router, which looks at its checksum.
        let is_reply = |made: &&mut Generated| {
            made.bytes[12..15] == [8, 0, 0x45]
                && made.bytes[23] == protocol::ICMP
                && made.bytes[30..34] == [10, 0, 1, 1]
        };
        let reply = healthy.iter_mut().find(is_reply).expect("there is ICMP");
        reply.bytes.truncate(14 + 20 + 8);
        reply.bytes[14 + 2..14 + 4].copy_from_slice(&28_u16.to_be_bytes());
        seal_ipv4(&mut reply.bytes[14..]);
        reply.bytes[14 + 20..].copy_from_slice(&[0, 0, 0xff, 0xf8, 0, 7, 0, 0]);
        let mut templates = Templates::default();
        let mut buffer = [0; FRAME_MAX];
        for number in templates.add(generator.world(), healthy) {
            let (template, len) = templates.write(number, 0, &mut Zeros, &mut buffer);
            let judged = judge(generator.world(), template.port, &buffer[..len]);
            assert!(
                judged.agrees_with(template.expected),
                "{}: {judged:?}, {:02x?}",
                template.name,
                &buffer[..len]
            );
        }
    }

    #[test]
    fn all_templates_vary_but_the_shortest() {
        let generator = Generator::new(World::lab(), 1);
        let odd = Anomaly::ALL.iter().filter_map(|&anomaly| generator.of(anomaly, 0));
        let mut templates = Templates::default();
        let numbers = templates.add(generator.world(), odd);
        let mut still = Vec::new();
        let (mut first, mut second) = ([0; FRAME_MAX], [0; FRAME_MAX]);
        for number in numbers {
            let (template, len) = templates.write(number, 1, &mut rng_for(1, 1, 1), &mut first);
            let (_, same) = templates.write(number, 2, &mut rng_for(1, 1, 2), &mut second);
            assert_eq!(len, same);
            if first[..len] == second[..len] {
                still.push(template.name);
            }
        }
        // Too short to have a word of no importance.
        assert_eq!(still, ["ethernet_cut"]);
    }
}
