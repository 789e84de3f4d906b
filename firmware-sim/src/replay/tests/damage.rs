//! Files that are cut off or changed anywhere: what is whole before that is read, the place is named, and nothing panics.

use super::files::{ETHERNET, Ng, Order, gzip, pcap, read, read_whole};

const A: &[u8] = b"one packet";
const B: &[u8] = b"and another";

/// Each small file, with the lengths at which it may end without anybody noticing.
fn files() -> Vec<(&'static str, Vec<u8>, Vec<usize>)> {
    let mut files = Vec::new();
    for order in [Order::Little, Order::Big] {
        let file = pcap(order, false, ETHERNET, &[(7, 5, 10, A), (8, 9, 11, B)]);
        let ends = vec![24, 24 + 16 + A.len(), file.len()];
        files.push(("pcap", file, ends));
        let start = Ng::new(order);
        let described = start.clone().interface(1, 0, &[(2, b"eth0"), (9, &[9])]);
        let one = described.clone().enhanced(0, 77, A);
        let two = one.clone().old(0, 78, B);
        let three = two.clone().simple(10, A);
        let ends = [&start, &described, &one, &two, &three].map(|file| file.bytes.len()).to_vec();
        files.push(("pcapng", three.bytes, ends));
    }
    files
}

#[test]
fn a_file_cut_at_any_byte_gives_what_is_whole_and_names_the_place() {
    for (name, file, ends) in files() {
        let whole = read_whole(&file);
        for len in 0..file.len() {
            let (packets, error) = read(&file[..len]);
            assert_eq!(packets[..], whole[..packets.len()], "{name} cut at {len}");
            if ends.contains(&len) {
                assert_eq!(error, None, "{name} cut at {len}");
                continue;
            }
            let error = error.unwrap_or_else(|| panic!("{name} cut at {len} is an error"));
            let expected = if len < ends[0] { 0 } else { packets.len() as u64 + 1 };
            assert_eq!(error.packet, expected, "{name} cut at {len}: {error}");
            let text = error.to_string();
            assert!(text.starts_with("by-hand.pcap: ") && text.contains("\n  remedy: "), "{text}");
        }
    }
}

#[test]
fn a_compressed_file_cut_at_any_byte_is_an_error_that_names_the_place() {
    for (name, file, _) in files() {
        let (whole, compressed) = (read_whole(&file), gzip(&file));
        for len in 0..compressed.len() {
            let (packets, error) = read(&compressed[..len]);
            assert_eq!(packets[..], whole[..packets.len()], "{name}.gz cut at {len}");
            let error = error.unwrap_or_else(|| panic!("{name}.gz cut at {len} is an error"));
            assert!(error.packet == 0 || error.packet == packets.len() as u64 + 1, "{error}");
        }
    }
}

#[test]
fn a_file_with_any_byte_changed_gives_packets_or_an_error_that_names_the_place() {
    let mut errors = 0;
    for (name, file, _) in files() {
        let plain = file.len();
        for (file, kind) in [(file.clone(), name), (gzip(&file), "gzip")] {
            for at in 0..file.len() {
                for flip in [0x01, 0x08, 0x40, 0x80, 0xff] {
                    let mut file = file.clone();
                    file[at] ^= flip;
                    let (packets, error) = read(&file);
                    let bytes: usize = packets.iter().map(|(_, bytes)| bytes.len()).sum();
                    assert!(bytes <= plain, "{kind}: more than there is, byte {at}");
                    if let Some(error) = error {
                        errors += 1;
                        let text = error.to_string();
                        assert!(error.packet <= packets.len() as u64 + 1, "{kind} byte {at}: {text}");
                        assert!(text.contains("\n  remedy: "), "{kind} byte {at}: {text}");
                    }
                }
            }
        }
    }
    assert!(errors > 500, "{errors}: lengths, magic numbers and check sums must be missed");
}

#[test]
fn lengths_that_cannot_be_are_not_believed() {
    let long = vec![0; 300_000];
    let (packets, error) =
        read(&pcap(Order::Little, false, ETHERNET, &[(1, 1, 10, A), (1, 1, 300_000, &long)]));
    assert_eq!(packets.len(), 1);
    assert!(error.unwrap().to_string().contains("packet 2: it claims to be 300000 bytes long"));
    let endless = [pcap(Order::Little, false, ETHERNET, &[]), vec![0xff; 9_000_000]].concat();
    let error = read(&endless).1.unwrap().to_string();
    assert!(error.contains("packet 1: it claims to be longer than 8 MB"), "{error}");
    let file = Ng::new(Order::Big)
        .interface(1, 0, &[])
        .block(6, &[[0; 12].to_vec(), vec![0, 0, 0, 9], vec![0; 8]].concat());
    let error = read(&file.bytes).1.unwrap().to_string();
    assert!(error.contains("packet 1: it claims to have 9 bytes, and its block has room for 4"), "{error}");
}
