//! Writes the seeds of the fuzz targets to a folder, by default `tests/fuzz/corpus`: one folder for each target.
//!
//! `cargo run -p tests --example seed_corpora [FOLDER]`. Seeds of former runs are replaced, other inputs stay.

use std::path::PathBuf;
use std::{env, fs, io};
use tests::fuzz::seeds;

fn main() -> io::Result<()> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus");
    let folder = PathBuf::from(env::args().nth(1).unwrap_or_else(|| default.to_owned()));
    let mut bytes = 0;
    let seeds = seeds::all();
    for seed in &seeds {
        let folder = folder.join(seed.target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(&seed.name), &seed.bytes)?;
        bytes += seed.bytes.len();
    }
    println!("{} seeds, {bytes} bytes, in {}", seeds.len(), folder.display());
    Ok(())
}
