//! What looks on while the owner loop works: logs of anomalies, and the notes beside a replayed capture. A watcher changes
//! nothing, and a loop without one pays nothing.

use llm_slowpath::Reply;
use smoltcp::time::Instant;
use stack::{Event, Origin, PortId, Router, Stats, Verdict};

/// A frame that the router has just judged.
#[derive(Debug, Clone, Copy)]
pub struct Judged<'a> {
    /// When it was received.
    pub now: Instant,
    /// Whose device received it.
    pub port: PortId,
    /// The frame as it is now: rewritten, if it is forwarded.
    pub frame: &'a [u8],
    /// What became of it.
    pub verdict: Verdict,
    /// The books behind it.
    pub stats: &'a Stats,
}

/// Is told of everything, in order; must not block. After [`Watch::judged`] come the events of that very frame.
pub trait Watch: Send {
    /// A frame has come in and is about to be judged; the books before it.
    fn received(&mut self, _port: PortId, _frame: &[u8], _stats: &Stats) {}

    /// It has been judged, by this router; watchers are told in reverse order.
    fn judged(&mut self, _judged: &Judged<'_>, _router: &Router<'static>) {}

    /// A frame has been sent; `None`: forwarded at once.
    fn sent(&mut self, _port: PortId, _origin: Option<Origin>, _frame: &[u8]) {}

    /// Something happened to a diverted frame, or to a rule.
    fn event(&mut self, _event: &Event) {}

    /// The slow path has said something, which nobody has judged yet.
    fn reply(&mut self, _reply: &Reply) {}

    /// What waits is to be handed to the file system: now and then, and at the end.
    fn flush(&mut self) {}
}

/// What verdicts are called in logs, comments and reports.
pub(crate) const VERDICTS: [&str; 5] = ["forward", "deliver", "consume", "drop", "divert"];

/// Where a verdict is in [`VERDICTS`].
pub(crate) const fn verdict_index(verdict: Verdict) -> usize {
    match verdict {
        Verdict::Forward { .. } => 0,
        Verdict::Deliver => 1,
        Verdict::Consume => 2,
        Verdict::Drop(_) => 3,
        Verdict::Divert(_) => 4,
    }
}

pub(crate) const fn verdict_name(verdict: Verdict) -> &'static str {
    VERDICTS[verdict_index(verdict)]
}
