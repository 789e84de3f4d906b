//! What a prompt to a model server may hold, as the operator says.

use super::pseudonym::Pseudonyms;

/// How much of a frame a prompt tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Detail {
    /// The class key alone. The answer serves the whole class, and may be cached.
    #[default]
    Class,
    /// The frame's decoded fields and its flow's summary, too. Such a prompt's answer serves this frame alone.
    Frame,
}

/// The operator's choices. By default nothing is told that identifies a network or its users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PromptOptions {
    /// Class prompts or frame prompts.
    pub detail: Detail,
    /// So many bytes of the frame's payload as hex in frame prompts, as far as there is room.
    pub payload: usize,
    /// Real addresses in frame prompts, instead of pseudonyms that are the same within a run.
    pub real_addresses: bool,
    /// What pseudonyms are made with. The default is for tests: a run takes a secret of its own.
    pub pseudonyms: Pseudonyms,
}
