//! The folder for cases: made before a run begins, so that a wrong path costs no run, and taken away again if nothing came
//! into it.

use super::FuzzError;
use nix::unistd::{AccessFlags, access};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The folder, which is there and can be written.
pub(super) struct Cases {
    folder: PathBuf,
    /// Folders that were not there before, the innermost first.
    made: Vec<PathBuf>,
}

impl Cases {
    /// Makes the folder, if it is not there.
    ///
    /// # Errors
    /// Nothing can be written there.
    pub(super) fn prepare(folder: &Path) -> Result<Self, FuzzError> {
        let missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
        let made = folder.ancestors().take_while(missing).map(Path::to_owned).collect();
        let cases = Self { folder: folder.to_owned(), made };
        let ready = fs::create_dir_all(folder)
            .and_then(|()| access(folder, AccessFlags::W_OK | AccessFlags::X_OK).map_err(io::Error::from));
        match ready {
            Ok(()) => Ok(cases),
            Err(source) => Err(FuzzError::Cases { path: folder.to_owned(), source }),
        }
    }

    /// Writes a file of this name into it: where it is.
    ///
    /// # Errors
    /// In words: the disk is full, or the folder is gone.
    pub(super) fn write<T>(
        &self,
        name: &str,
        write: impl FnOnce(&Path) -> io::Result<T>,
    ) -> Result<(PathBuf, T), String> {
        let path = self.folder.join(name);
        // Another run may have made it, and taken it away since.
        let written = fs::create_dir_all(&self.folder).and_then(|()| write(&path));
        match written {
            Ok(written) => Ok((path, written)),
            Err(source) => Err(FuzzError::Output { path, source }.to_string()),
        }
    }
}

impl Drop for Cases {
    fn drop(&mut self) {
        // What has something in it stays.
        let _ = self.made.iter().try_for_each(fs::remove_dir);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_stays_only_if_something_is_in_it() {
        let outer = std::env::temp_dir().join(format!("softrouter-cases-{}", std::process::id()));
        let folder = outer.join("inner");
        drop(Cases::prepare(&folder).unwrap());
        assert!(!outer.exists());
        let cases = Cases::prepare(&folder).unwrap();
        assert!(folder.is_dir());
        let (path, ()) = cases.write("case.json", |path| fs::write(path, "{}")).unwrap();
        drop(cases);
        assert_eq!(fs::read_to_string(&path).unwrap(), "{}");
        // One that was there stays, though it is empty.
        fs::remove_file(path).unwrap();
        drop(Cases::prepare(&folder).unwrap());
        assert!(folder.is_dir());
        fs::remove_dir_all(outer).unwrap();
    }

    #[test]
    fn what_is_no_folder_is_told_at_once() {
        let file = std::env::temp_dir().join(format!("softrouter-no-folder-{}", std::process::id()));
        fs::write(&file, "").unwrap();
        for folder in [&file, &file.join("inner"), Path::new("/proc/cases")] {
            let error = Cases::prepare(folder).err().expect("it is no folder").to_string();
            assert!(error.contains("--cases") && error.contains(&folder.display().to_string()), "{error}");
        }
        fs::remove_file(file).unwrap();
    }
}
