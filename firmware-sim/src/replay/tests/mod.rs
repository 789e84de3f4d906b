//! Tests of replays: files made by hand in every format, files that are damaged, and whole runs.

mod damage;
mod files;
mod formats;
mod links;
mod runs;
