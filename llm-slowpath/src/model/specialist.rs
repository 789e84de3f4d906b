//! The models: which there are, which tasks each answers, and the weights of each in this program.

use crate::prompt::tokens::Task;

/// One of the embedded models. They share vocabulary and code; each knows its own tasks only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Specialist {
    /// Decides: triage and repair.
    Decide,
    /// Answers echo requests: the changed digits, or the whole frame.
    Ping,
    /// Answers by example.
    Example,
}

impl Specialist {
    /// Every specialist.
    pub const ALL: [Self; 3] = [Self::Decide, Self::Ping, Self::Example];

    /// The stable printed name, which its weights' metadata and file name hold, too.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Decide => "decide",
            Self::Ping => "ping",
            Self::Example => "example",
        }
    }

    /// The one that answers this task.
    pub const fn of(task: Task) -> Self {
        match task {
            Task::Triage | Task::Repair => Self::Decide,
            Task::PingDelta | Task::PingFull => Self::Ping,
            Task::Example => Self::Example,
        }
    }

    /// Name of its file in a folder of weights.
    pub fn file(self) -> String {
        format!("softrouter-{}.safetensors", self.name())
    }

    /// The weights that are part of this program.
    pub(super) const fn weights(self) -> &'static [u8] {
        match self {
            Self::Decide => include_bytes!("../../model/softrouter-decide.safetensors"),
            Self::Ping => include_bytes!("../../model/softrouter-ping.safetensors"),
            Self::Example => include_bytes!("../../model/softrouter-example.safetensors"),
        }
    }
}
