//! The file that keeps rules from one run to the next. A damaged one is set aside, never lost; a disk never stalls the router.

use super::desk::{Copies, Desk};
use super::document::{self, DocumentError, Refused};
use super::encode::rule_form;
use super::names::Names;
use crate::recording::RecordedRouter;
use smoltcp::time::Instant;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Names that a damaged file may be kept under.
const ASIDE: usize = 1000;

/// A rules file that can be written.
#[derive(Debug, Clone)]
pub struct RulesFile {
    path: PathBuf,
}

/// What came of a rules file at the start of a run.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Its path.
    pub file: PathBuf,
    /// Rules that were installed.
    pub installed: usize,
    /// Rules whose lifetime had ended.
    pub expired: usize,
    /// Rules that the router does not have now.
    pub refused: Vec<Refused>,
    /// What is wrong with the file itself.
    pub error: Option<String>,
    /// Where a file with such a defect, or with refused rules, is kept.
    pub kept_as: Option<PathBuf>,
}

impl Loaded {
    /// Was there nothing to load?
    pub const fn is_nothing(&self) -> bool {
        self.installed + self.expired + self.refused.len() == 0 && self.error.is_none()
    }
}

impl fmt::Display for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        if let Some(error) = &self.error {
            write!(f, "rules file {file}: {error}\nthe router runs without these rules")?;
        } else {
            let Self { installed, expired, refused, .. } = self;
            write!(f, "rules file {file}: {installed} rules, {expired} expired, {} left out", refused.len())?;
            for refused in refused {
                write!(f, "\n{refused}")?;
            }
        }
        self.kept_as.as_ref().map_or(Ok(()), |kept| write!(f, "\nthe file is kept as {}", kept.display()))
    }
}

impl RulesFile {
    /// The file at `path`, which need not be there yet.
    ///
    /// # Errors
    /// No file can be written there.
    pub fn at(path: &Path) -> io::Result<Self> {
        let file = Self { path: path.to_owned() };
        if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
            return Err(io::Error::other("it is no file"));
        }
        let (temporary, _) = file.temporary()?;
        fs::remove_file(temporary)?;
        Ok(file)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Installs the rules that the file holds. A file that cannot be read is set aside.
    ///
    /// # Errors
    /// It can be neither read nor set aside, so it must not be written either.
    pub fn load(
        &self,
        now: Instant,
        router: &mut RecordedRouter,
        desk: &mut Desk,
        names: &mut Names,
    ) -> io::Result<Loaded> {
        let mut loaded = Loaded { file: self.path.clone(), ..Loaded::default() };
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(loaded),
            Err(error) => return Err(error),
        };
        let text = String::from_utf8(bytes).map_err(|_| DocumentError::Foreign("it is no text".into()));
        match text.and_then(|text| document::read(&text, names, &desk.times(now))) {
            Ok(document) => {
                let (installed, refused) = desk.install(now, router, document.rules);
                loaded.installed = installed.len();
                loaded.expired = document.expired.len();
                loaded.refused = document.refused.into_iter().chain(refused).collect();
                if !loaded.refused.is_empty() {
                    loaded.kept_as = Some(self.keep_as("refused")?);
                }
            }
            Err(error) => {
                loaded.error = Some(error.to_string());
                let kept = self.keep_as("damaged")?;
                fs::remove_file(&self.path)?;
                loaded.kept_as = Some(kept);
            }
        }
        Ok(loaded)
    }

    /// Gives the file a second name that nothing else has.
    fn keep_as(&self, suffix: &str) -> io::Result<PathBuf> {
        for number in 0..ASIDE {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{suffix}"));
            if number > 0 {
                name.push(format!(".{number}"));
            }
            match fs::hard_link(&self.path, &name) {
                Ok(()) => return Ok(name.into()),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other(format!(
            "there are {ASIDE} files named .{suffix} beside it: look at them, and move them away"
        )))
    }

    fn folder(&self) -> &Path {
        self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    /// A new file beside it, which only its owner may read.
    fn temporary(&self) -> io::Result<(PathBuf, File)> {
        let name = self.path.file_name().ok_or_else(|| io::Error::other("it names no file"))?;
        let path = self.folder().join(format!(".{}.{}.new", name.to_string_lossy(), std::process::id()));
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok((path, file))
    }

    /// Replaces what the file holds, so that after a crash there is either the old text or the new one.
    ///
    /// # Errors
    /// The file system's.
    pub fn save(&self, text: &str) -> io::Result<()> {
        let (temporary, mut file) = self.temporary()?;
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        let renamed = written.and_then(|()| fs::rename(&temporary, &self.path));
        if renamed.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        renamed.and_then(|()| File::open(self.folder())?.sync_all())
    }

    /// Starts the thread that writes the file.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn keeper(self, names: Arc<Mutex<Names>>) -> io::Result<Keeper> {
        let (copies, offered) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("rules-file".into())
            .spawn(move || keep(&self, &names, &offered))?;
        Ok(Keeper { copies, thread })
    }
}

/// Writes the rules whenever it is offered some.
#[derive(Debug)]
pub struct Keeper {
    copies: SyncSender<Copies>,
    thread: JoinHandle<()>,
}

impl Keeper {
    /// Takes the rules, unless it is still busy with those before.
    pub(super) fn offer(&self, copies: Copies) -> bool {
        self.copies.try_send(copies).is_ok()
    }

    /// Writes the last ones, and ends.
    pub(super) fn finish(self, copies: Copies) {
        let _ = self.copies.send(copies);
        drop(self.copies);
        // What it could not write, it has said.
        let _ = self.thread.join();
    }
}

fn keep(file: &RulesFile, names: &Mutex<Names>, offered: &Receiver<Copies>) {
    let mut said = None;
    for copies in offered {
        let text = text_of(&copies, &names.lock().unwrap_or_else(PoisonError::into_inner));
        let error = file.save(&text).err().map(|error| error.to_string());
        if error != said {
            let path = file.path.display();
            match &error {
                Some(error) => eprintln!(
                    "rules file {path}: {error}: rules are not kept\n  remedy: see to its folder and to room on its disk; it is tried again when rules change"
                ),
                None => eprintln!("rules file {path}: rules are kept again"),
            }
            said = error;
        }
    }
}

/// The document of these rules.
pub(super) fn text_of(copies: &Copies, names: &Names) -> String {
    let mut rules: Vec<_> = copies.rules.iter().collect();
    rules.sort_unstable_by_key(|(rule, _)| rule.id);
    let forms: Vec<_> =
        rules.iter().map(|(rule, before)| rule_form(rule, before, names, &copies.times)).collect();
    document::write(&forms, copies.times.unix)
}
