//! All that a run does around its rules: it takes them from their file, opens the socket, and joins both to the owner loop.

use super::control::Control;
use super::desk::{Desk, Order};
use super::file::RulesFile;
use super::names::Names;
use super::socket::{ControlError, Listening, default_path};
use crate::clock::Clock;
use crate::recording::RecordedRouter;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex};

/// What the operator wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RulesPlan {
    /// Where rules are kept from one run to the next.
    pub file: Option<PathBuf>,
    /// Where the control socket is.
    pub control: ControlPlan,
}

/// Where the control socket is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ControlPlan {
    /// Nowhere.
    #[default]
    None,
    /// At the usual place; without one, the run goes on.
    Usual,
    /// There.
    At(PathBuf),
}

/// Why a run cannot have what its plan says.
#[derive(Debug, thiserror::Error)]
pub enum UpkeepError {
    /// No socket.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// No file.
    #[error(
        "rules file {path}: {source}\n  remedy: name a file in a folder that exists and may be written to"
    )]
    File {
        /// Its path.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// No thread.
    #[error("a thread for rules: {0}")]
    Thread(#[from] io::Error),
}

/// A file that can be written and a socket that listens, before the run.
#[derive(Debug)]
pub struct Upkeep {
    file: Option<RulesFile>,
    listening: Option<Listening>,
}

impl Upkeep {
    /// Finds out whether the plan can be.
    ///
    /// # Errors
    /// See [`UpkeepError`].
    pub fn prepare(plan: &RulesPlan) -> Result<Self, UpkeepError> {
        let file = plan.file.as_ref().map(|path| {
            RulesFile::at(path).map_err(|source| UpkeepError::File { path: path.clone(), source })
        });
        let listening = match &plan.control {
            ControlPlan::None => None,
            ControlPlan::At(path) => Some(Listening::at(path)?),
            ControlPlan::Usual => Listening::at(&default_path())
                .inspect_err(|error| eprintln!("{error}\n`softrouter rules` cannot reach this run"))
                .ok(),
        };
        Ok(Self { file: file.transpose()?, listening })
    }

    /// Where the socket is.
    pub fn socket(&self) -> Option<&std::path::Path> {
        self.listening.as_ref().map(Listening::path)
    }

    /// Installs the rules of the file, and says what became of them.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn load(
        self,
        clock: Clock,
        router: &mut RecordedRouter,
        mut names: Names,
    ) -> Result<(Desk, Opening), UpkeepError> {
        let Self { file, listening } = self;
        let (mut desk, orders) = Desk::new();
        let mut kept = None;
        if let Some(file) = file {
            match file.load(clock.now(), router, &mut desk, &mut names) {
                Ok(loaded) => {
                    if !loaded.is_nothing() {
                        eprintln!("{loaded}");
                    }
                    kept = Some(file);
                }
                Err(error) => eprintln!(
                    "{}: {error}: the run goes on without its rules, and leaves it as it is\n  remedy: see to its permissions",
                    file.path().display()
                ),
            }
        }
        let names = Arc::new(Mutex::new(names));
        if let Some(file) = kept {
            desk.keep(file.keeper(Arc::clone(&names))?);
        }
        Ok((desk, Opening { listening, orders, names }))
    }
}

/// A socket that nobody serves yet.
#[derive(Debug)]
pub struct Opening {
    listening: Option<Listening>,
    orders: SyncSender<Order>,
    names: Arc<Mutex<Names>>,
}

impl Opening {
    /// Serves the socket, if there is one, until the value is dropped. `wake` wakes the owner loop, which has the desk.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn serve(
        self,
        clock: Clock,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Result<Option<Control>, UpkeepError> {
        let Self { listening, orders, names } = self;
        let control = listening.map(|listening| Control::start(listening, orders, names, clock, wake));
        Ok(control.transpose()?)
    }
}
