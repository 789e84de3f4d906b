//! Replays the corpora of the fuzz targets, and keeps them small.

use std::fs;
use std::path::{Path, PathBuf};
use tests::fuzz::{TARGETS, seeds};

/// Files and bytes of all corpora together.
const MOST: (usize, u64) = (300, 200_000);

fn files(target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    files.sort();
    files
}

#[test]
fn every_input_of_the_corpora_passes() {
    for target in TARGETS {
        let files = files(target.name);
        assert!(!files.is_empty(), "{}", target.name);
        println!("{}: {} inputs", target.name, files.len());
        for file in files {
            println!("{}", file.display());
            (target.run)(&fs::read(&file).expect("a readable file"));
        }
    }
}

/// The corpora's own seeds may be older than what the generator makes now.
#[test]
fn every_seed_that_is_made_now_passes() {
    for seed in seeds::all() {
        println!("{} {}", seed.target, seed.name);
        tests::fuzz::run(seed.target, &seed.bytes);
    }
}

#[test]
fn the_corpora_are_small() {
    let all: Vec<_> = TARGETS.iter().flat_map(|target| files(target.name)).collect();
    let bytes: u64 = all.iter().map(|file| file.metadata().expect("a readable file").len()).sum();
    println!("{} files, {bytes} bytes", all.len());
    assert!(all.len() <= MOST.0 && bytes <= MOST.1, "{} files, {bytes} bytes", all.len());
}
