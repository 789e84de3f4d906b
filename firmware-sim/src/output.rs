//! Files that a command writes at its end: made at the start, so that a wrong path costs no run, and left as they were until
//! there is something to write.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A file to write into at the end, if one was asked for.
#[derive(Debug)]
pub struct Output<'a>(Option<(&'static str, &'a Path, File)>);

impl<'a> Output<'a> {
    /// Opens what the option names; what is in the file stays there for now.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn create(option: &'static str, path: Option<&'a Path>) -> Result<Self, String> {
        let Some(path) = path else { return Ok(Self(None)) };
        let opened = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        match opened {
            Ok(file) => Ok(Self(Some((option, path, file)))),
            Err(error) => Err(problem(option, path, &error)),
        }
    }

    /// Replaces what was in the file.
    ///
    /// # Errors
    /// The disk is full, or gone.
    pub fn write(self, text: &str) -> Result<(), String> {
        let Some((option, path, mut file)) = self.0 else { return Ok(()) };
        // What is no file, such as a pipe, has nothing that could be left over.
        let emptied = if file.metadata().is_ok_and(|data| data.is_file()) { file.set_len(0) } else { Ok(()) };
        emptied.and_then(|()| file.write_all(text.as_bytes())).map_err(|error| problem(option, path, &error))
    }
}

fn problem(option: &str, path: &Path, error: &io::Error) -> String {
    let remedy = "name a file in a folder that exists, on a disk with room";
    format!("{option} {}: {error}\n  remedy: {remedy}", path.display())
}

/// Is each file written by one option only, and none of them read?
///
/// # Errors
/// Two are the same file.
pub fn distinct(inputs: &[&Path], outputs: &[(&'static str, Option<&Path>)]) -> Result<(), String> {
    let named: Vec<(&str, &Path)> =
        outputs.iter().filter_map(|&(option, path)| Some((option, path?))).collect();
    for (at, &(option, path)) in named.iter().enumerate() {
        if let Some(input) = inputs.iter().find(|input| are_same(input, path)) {
            return Err(format!(
                "{option} would write to {}, which is read\n  remedy: name another file",
                input.display()
            ));
        }
        if let Some((other, _)) = named[..at].iter().find(|(_, other)| are_same(other, path)) {
            return Err(format!(
                "{other} and {option} both name {}\n  remedy: name two files",
                path.display()
            ));
        }
    }
    Ok(())
}

/// One file under both names? What is no file, such as a terminal, may have many readers and writers.
fn are_same(one: &Path, other: &Path) -> bool {
    let place = |data: &Metadata| (data.dev(), data.ino());
    match (one.metadata(), other.metadata()) {
        (Ok(one), Ok(other)) => one.is_file() && place(&one) == place(&other),
        // Neither is there yet.
        (Err(_), Err(_)) => one == other,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_is_left_as_it_was_until_it_is_written() {
        let path = std::env::temp_dir().join(format!("softrouter-{}-output", std::process::id()));
        fs::write(&path, "a long report of yesterday").unwrap();
        let output = Output::create("--json", Some(&path)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "a long report of yesterday");
        output.write("short").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "short");
        fs::remove_file(path).unwrap();
        let error = Output::create("--json", Some(Path::new("/nonexistent/x"))).unwrap_err();
        assert!(error.starts_with("--json /nonexistent/x: ") && error.contains("remedy: "), "{error}");
        let full = Output::create("--json", Some(Path::new("/dev/full"))).unwrap();
        assert!(full.write("text").is_err());
    }

    #[test]
    fn files_are_told_apart_by_what_they_are() {
        let path = std::env::temp_dir().join(format!("softrouter-{}-distinct", std::process::id()));
        fs::write(&path, "a capture").unwrap();
        let link = path.with_extension("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let [new, null] = ["/nonexistent/new", "/dev/null"].map(Path::new);
        let of = |inputs: &[&Path], outputs: &[(&'static str, Option<&Path>)]| distinct(inputs, outputs);
        assert!(of(&[&path], &[("--json", Some(new)), ("--html", None)]).is_ok());
        assert!(of(&[null], &[("--json", Some(null)), ("--html", Some(null))]).is_ok());
        assert!(of(&[&path], &[("--json", Some(&link))]).unwrap_err().contains("which is read"));
        let two = of(&[], &[("--json", Some(new)), ("--html", Some(new))]).unwrap_err();
        assert!(two.contains("--json and --html both name /nonexistent/new"), "{two}");
        fs::remove_file(link).unwrap();
        fs::remove_file(path).unwrap();
    }
}
