//! Little protocols, exchanges in them, and the simplest explanation of what is seen.
//!
//! Held out: a third of all protocols, by their structure (what each byte of request and reply is, constants left
//! out). Questions are well posed: the simplest explanation of the exchanges also gives the protocol's own reply to the
//! request that is asked about.

use super::{Item, Question, Right, Split, chosen, draw, rng};
use crate::dice::Draw;
use rand::Rng;
use stack::answer::template::MAX_MESSAGE;
use stack::answer::{Template, TemplateByte};

/// Of 30 protocols, how many are held out.
const SHARE: u64 = 10;

/// What one byte of a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The same in every request.
    Magic(u8),
    /// Rises by one from request to request.
    Counter,
    /// How many bytes of data follow the head.
    DataLength,
    /// Anything.
    Any,
}

/// A request-reply protocol over messages of at most [`MAX_MESSAGE`] bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Protocol {
    head: Vec<Part>,
    /// Most bytes of data after the head.
    data: usize,
    reply: Template,
}

impl Protocol {
    fn any(rng: &mut impl Rng) -> Self {
        let head: Vec<Part> = (0..rng.between(2, 6))
            .map(|_| match rng.below(8) {
                0..2 => Part::Magic(rng.byte()),
                2 => Part::Counter,
                3 => Part::DataLength,
                _ => Part::Any,
            })
            .collect();
        let data = if rng.one_in(2) { 0 } else { rng.below(MAX_MESSAGE - head.len() + 1) };
        let mut reply = Template::default();
        for _ in 0..rng.between(2, 6) {
            let index = rng.below(head.len()) as u8;
            let byte = match rng.below(16) {
                0..4 => TemplateByte::Constant(rng.byte()),
                4 => TemplateByte::Length,
                5..8 => TemplateByte::Next(index),
                _ => TemplateByte::Copy(index),
            };
            let _ = reply.0.push(byte);
        }
        // Often a field comes back where it stood, or two change places.
        if rng.one_in(2) {
            for at in 0..reply.0.len().min(head.len()) {
                if rng.one_in(2) {
                    reply.0[at] = TemplateByte::Copy(at as u8);
                }
            }
        }
        if reply.0.len() >= 2 && head.len() >= 2 && rng.one_in(4) {
            let at = rng.below(reply.0.len().min(head.len()) - 1);
            reply.0[at] = TemplateByte::Copy(at as u8 + 1);
            reply.0[at + 1] = TemplateByte::Copy(at as u8);
        }
        // Data comes back, or a head's tail with it.
        if data > 0 && rng.one_in(2) && reply.0.len() + data < MAX_MESSAGE {
            let from = head.len() - usize::from(rng.one_in(4));
            let _ = reply.0.push(TemplateByte::Rest(from as u8));
        }
        Self { head, data, reply }
    }

    /// What the protocol is, whatever its constants are.
    fn structure(&self) -> Vec<u64> {
        let part = |part: &Part| match part {
            Part::Magic(_) => 1,
            Part::Counter => 2,
            Part::DataLength => 3,
            Part::Any => 4,
        };
        let byte = |byte: &TemplateByte| match *byte {
            TemplateByte::Constant(_) => 16,
            TemplateByte::Length => 17,
            TemplateByte::Copy(index) => 32 + u64::from(index),
            TemplateByte::Next(index) => 64 + u64::from(index),
            TemplateByte::Rest(index) => 96 + u64::from(index),
        };
        let data = [5, self.data as u64];
        self.head.iter().map(part).chain(data).chain(self.reply.0.iter().map(byte)).collect()
    }

    /// The request with this place in the conversation.
    fn request(&self, count: u8, rng: &mut impl Rng) -> Vec<u8> {
        let data = rng.below(self.data + 1);
        let byte = |part: &Part, rng: &mut _| match part {
            Part::Magic(value) => *value,
            Part::Counter => count,
            Part::DataLength => data as u8,
            Part::Any => Draw::byte(rng),
        };
        let mut request: Vec<u8> = self.head.iter().map(|part| byte(part, rng)).collect();
        request.extend(rng.bytes(data));
        request
    }
}

/// By-example question number `index`.
pub fn item(split: Split, seed: u64, index: u64) -> Item {
    let rng = &mut rng(6, split, seed, index);
    loop {
        let protocol = protocol(split, rng);
        // A protocol gets a few chances to show itself.
        for _ in 0..4 {
            if let Some(item) = posed(&protocol, rng) {
                return item;
            }
        }
    }
}

/// A protocol that `split` may draw.
fn protocol(split: Split, rng: &mut impl Rng) -> Protocol {
    draw(split, || Protocol::any(rng), |protocol| chosen(SHARE, &protocol.structure()))
}

/// A question about the protocol, if its exchanges explain the last reply.
fn posed(protocol: &Protocol, rng: &mut impl Rng) -> Option<Item> {
    let (count, first) = (rng.between(1, 3), rng.byte());
    let mut exchanges = Vec::new();
    for at in 0..=count {
        let request = protocol.request(first.wrapping_add(at as u8), rng);
        let reply = protocol.reply.reply(&request)?.to_vec();
        exchanges.push((request, reply));
    }
    let (request, reply) = exchanges.pop()?;
    let template = explain(&exchanges)?;
    if template.reply(&request)?[..] != reply[..] {
        return None;
    }
    Some(Item {
        question: Question::Example { exchanges, request },
        right: Right::Example { template, reply },
    })
}

/// The simplest explanation of the exchanges, byte by byte. With several exchanges a byte that never changes is a
/// constant; otherwise, and with one exchange, the first of these that fits all: a copy (of the first byte that
/// does), the length, a successor, a constant. If the replies differ in length, the longest tail that all copy from
/// one place is the rest. `None`: nothing of this kind explains them.
pub fn explain(exchanges: &[(Vec<u8>, Vec<u8>)]) -> Option<Template> {
    let shortest = exchanges.iter().map(|(_, reply)| reply.len()).min()?;
    let same_length = exchanges.iter().all(|(_, reply)| reply.len() == shortest);
    let rest = if same_length { None } else { Some(rest(exchanges, shortest)?) };
    let head = rest.map_or(shortest, |(at, _)| at);
    let mut bytes = heapless::Vec::new();
    for at in 0..head {
        bytes.push(byte(exchanges, at)?).ok()?;
    }
    if let Some((_, from)) = rest {
        bytes.push(TemplateByte::Rest(from as u8)).ok()?;
    }
    Some(Template(bytes))
}

fn byte(exchanges: &[(Vec<u8>, Vec<u8>)], at: usize) -> Option<TemplateByte> {
    let all =
        |fits: &dyn Fn(&[u8], &[u8]) -> bool| exchanges.iter().all(|(request, reply)| fits(request, reply));
    let first = exchanges[0].1[at];
    let constant = all(&|_, reply| reply[at] == first).then_some(TemplateByte::Constant(first));
    if exchanges.len() > 1 && constant.is_some() {
        return constant;
    }
    let indices = 0..exchanges.iter().map(|(request, _)| request.len()).min()?;
    let copy = indices.clone().find(|&index| all(&|request, reply| reply[at] == request[index]));
    let length = all(&|_, reply| usize::from(reply[at]) == reply.len());
    let next =
        indices.clone().find(|&index| all(&|request, reply| reply[at] == request[index].wrapping_add(1)));
    (copy.map(|index| TemplateByte::Copy(index as u8)))
        .or(length.then_some(TemplateByte::Length))
        .or(next.map(|index| TemplateByte::Next(index as u8)))
        .or(constant)
}

/// Where in the replies the rest starts, and from where in the requests it is copied.
fn rest(exchanges: &[(Vec<u8>, Vec<u8>)], shortest: usize) -> Option<(usize, usize)> {
    (0..=shortest).find_map(|at| {
        let from = (0..MAX_MESSAGE).find(|&from| {
            exchanges.iter().all(|(request, reply)| request.get(from..) == Some(&reply[at..]))
        })?;
        Some((at, from))
    })
}

#[cfg(test)]
mod tests {
    use super::TemplateByte::{Constant, Copy, Length, Next, Rest};
    use super::*;
    use std::collections::BTreeSet;

    fn explained(exchanges: &[(&[u8], &[u8])]) -> Option<Vec<TemplateByte>> {
        let owned: Vec<_> = exchanges.iter().map(|(a, b)| (a.to_vec(), b.to_vec())).collect();
        explain(&owned).map(|template| template.0.to_vec())
    }

    #[test]
    fn the_simplest_explanation_is_found() {
        // One exchange: what can be a copy is one.
        assert_eq!(
            explained(&[(&[7, 9], &[9, 7, 3, 8, 1])]).unwrap(),
            [Copy(1), Copy(0), Constant(3), Next(0), Constant(1)]
        );
        assert_eq!(explained(&[(&[7, 9], &[2, 30])]).unwrap(), [Length, Constant(30)]);
        // Two: what does not change is a constant, even where a request's byte is the same.
        assert_eq!(explained(&[(&[7, 9], &[7, 9]), (&[7, 5], &[7, 5])]).unwrap(), [Constant(7), Copy(1)]);
        // Lengths that differ: the longest tail that all copy.
        let pair: [(&[u8], &[u8]); 2] = [(&[1, 2, 3], &[9, 3]), (&[4, 5, 6, 7], &[9, 6, 7])];
        assert_eq!(explained(&pair).unwrap(), [Constant(9), Rest(2)]);
        assert_eq!(explained(&[(&[1], &[2, 3]), (&[1], &[2, 3, 4])]), None);
        assert_eq!(explained(&[(&[1], &[2]), (&[1], &[5])]), None);
    }

    #[test]
    fn questions_are_well_posed_and_explanations_hold_for_every_exchange() {
        let mut kinds = BTreeSet::new();
        for index in 0..4_000 {
            for split in [Split::Training, Split::HeldOut] {
                let Item { question: Question::Example { exchanges, request }, right } =
                    item(split, 5, index)
                else {
                    panic!("another question");
                };
                let Right::Example { template, reply } = right else { panic!("another answer") };
                assert!((1..=3).contains(&exchanges.len()));
                for (request, reply) in exchanges.iter().chain([&(request, reply)]) {
                    assert_eq!(template.reply(request).as_deref(), Some(&reply[..]));
                }
                kinds.extend(template.0.iter().map(std::mem::discriminant).map(|d| format!("{d:?}")));
            }
        }
        assert_eq!(kinds.len(), 5);
    }

    #[test]
    fn a_third_of_all_protocols_is_held_out_and_none_is_on_both_sides() {
        let rng = &mut rng(6, Split::Training, 9, 0);
        let held = (0..30_000).filter(|_| chosen(SHARE, &Protocol::any(rng).structure())).count();
        assert!((9_500..10_500).contains(&held), "{held}");
        let mut structures =
            |split| -> BTreeSet<Vec<u64>> { (0..20_000).map(|_| protocol(split, rng).structure()).collect() };
        let (training, unseen) = (structures(Split::Training), structures(Split::HeldOut));
        assert!(training.is_disjoint(&unseen));
        // Thousands of protocols, not a handful.
        assert!(training.len() > 10_000 && unseen.len() > 10_000, "{} {}", training.len(), unseen.len());
    }
}
