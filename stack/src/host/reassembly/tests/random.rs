//! Random packets in random fragments, and random nonsense. The seed is in every message.

use super::*;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) % bound as u64) as usize
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }
}

/// A random packet, cut by a random MTU, some fragments cut further (IPv4), shuffled, with duplicates.
#[test]
fn random_fragments_of_random_packets_make_the_identical_packet() {
    let mut reassembly = reassembly(4);
    let mut out = [0; REASSEMBLED_MAX];
    for seed in 0..3_000 {
        let mut random = Random(seed);
        let payload_len = 100 + random.below(3936);
        let (host, filler) = (random.below(250) as u8, random.below(256) as u8);
        // Options whose copied flag is set are not lost when a fragment is cut again.
        let options =
            [&[][..], &[148, 4, 0, 0], &[7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[1, 130, 7, 1, 2, 3, 4, 5]];
        let (packet, mtu) = if random.below(2) == 0 {
            (ipv4(host, seed as u16, options[random.below(4)], payload_len, filler), 60 + random.below(1441))
        } else {
            (ipv6(host, payload_len, filler), 56 + random.below(1445))
        };
        let mut fragments = cut(&packet, mtu, seed as u32);
        if packet[0] >> 4 == 4 {
            let again = 60 + random.below(mtu);
            fragments = fragments.iter().flat_map(|fragment| cut(fragment, again, 0)).collect();
        }
        assert!(fragments.iter().all(|fragment| fragment.len() <= mtu));
        let distinct = fragments.len();
        if distinct == 1 && packet[0] >> 4 == 6 {
            // It fits, so it has no Fragment header to read.
            continue;
        }
        for _ in 0..random.below(4) {
            fragments.push(fragments[random.below(distinct)].clone());
        }
        random.shuffle(&mut fragments);
        let mut kept = 0;
        let completed = fragments.iter().find_map(|fragment| {
            let outcome = reassembly.insert(START, &read(fragment, 0), &mut out);
            if let Outcome::Complete(len) = outcome {
                return Some(len);
            }
            assert!([KEPT, Outcome::Duplicate].contains(&outcome), "seed {seed}: {outcome:?}");
            kept += usize::from(outcome == KEPT);
            None
        });
        assert_eq!(completed, Some(packet.len()), "seed {seed}");
        assert_eq!(kept + 1, distinct, "seed {seed}");
        assert_eq!(out[..packet.len()], packet, "seed {seed}");
    }
}

/// Fragments of no sense at all: nothing panics, and no more is open than there are slots.
#[test]
fn random_nonsense_does_not_panic() {
    let mut reassembly = reassembly(3);
    let mut out = [0; REASSEMBLED_MAX];
    let bytes = (0..9000).map(|at| (at * 7) as u8).collect::<Vec<_>>();
    let mut seen = [0; 8];
    for seed in 0..200_000 {
        let mut random = Random(seed);
        let near = [0, 8, 16, 24, 4056, 4064, 4072, usize::MAX];
        let [four, six] = headers();
        let header = [&four[..], &six, &bytes[..random.below(140)]][random.below(3)];
        let four = random.below(2) == 0;
        let fragment = Fragment {
            source: if four { IpAddress::v4(1, 1, 1, 1) } else { IpAddress::v6(1, 1, 1, 1, 1, 1, 1, 1) },
            destination: IpAddress::v4(2, 2, 2, 2),
            protocol: random.below(2) as u8,
            id: random.below(2) as u32,
            port: PortId(random.below(256) as u8),
            offset: if random.below(9) == 0 { random.below(9000) } else { near[random.below(8)] },
            more: random.below(4) != 0,
            header,
            payload: &bytes
                [..if random.below(9) == 0 { random.below(9000) } else { near[random.below(7)].min(24) }],
        };
        let now = START + Duration::from_secs(seed / 4);
        let room = if random.below(4) == 0 { random.below(4096) } else { 4096 };
        let outcome = reassembly.insert(now, &fragment, &mut out[..room]);
        let kind = match outcome {
            Outcome::Incomplete { evicted } => usize::from(evicted),
            Outcome::Complete(len) => {
                assert!(len <= room, "seed {seed}");
                2
            }
            Outcome::Duplicate => 3,
            Outcome::Overlap => 4,
            Outcome::Inconsistent => 5,
            Outcome::TooLarge => 6,
            Outcome::GivenUp => 7,
            Outcome::Full => panic!("seed {seed}: there are slots"),
        };
        seen[kind] += 1;
        if random.below(5) == 0 {
            while reassembly.expire(now, &mut out[..room]).is_some() {}
        }
    }
    assert!(seen.iter().all(|&count| count > 0), "{seen:?}");
}
