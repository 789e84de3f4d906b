//! What the counters must have moved by, kept beside the router's own books.

use crate::case::Step;
use crate::play::reason;
use stack::classify::DefaultAction;
use stack::{Anomaly, DropReason};
use std::collections::{BTreeMap, VecDeque};
use tests::{Sent, Sim, counters};

/// A frame that the router has received, and not finished with.
#[derive(Debug)]
struct Held {
    len: u64,
    slow_path: bool,
}

/// The expected counters since the case began.
#[derive(Debug)]
pub(crate) struct Books {
    before: BTreeMap<String, u64>,
    expected: BTreeMap<String, u64>,
    held: VecDeque<Held>,
    sent: (u64, u64),
}

/// What a case determines; all other counters are the business of other tests.
const KEPT: [&str; 6] = ["received.", "dispositions[", "held.", "anomaly_drops[", "other_drops[", "seen["];

fn read(sim: &Sim) -> BTreeMap<String, u64> {
    counters::all(sim.router.stats()).into_iter().collect()
}

impl Books {
    /// From now on.
    pub(crate) fn open(sim: &Sim) -> Self {
        Self { before: read(sim), expected: BTreeMap::new(), held: VecDeque::new(), sent: (0, 0) }
    }

    fn add(&mut self, name: impl Into<String>, by: u64) {
        *self.expected.entry(name.into()).or_default() += by;
    }

    fn frame(&mut self, name: &str, len: u64) {
        self.add(format!("{name}.frames"), 1);
        self.add(format!("{name}.bytes"), len);
    }

    fn dispose(&mut self, disposition: &str, path: &str, len: u64) {
        self.frame(&format!("dispositions[{disposition}][{path}]"), len);
    }

    fn dropped(&mut self, why: &str, path: &str, len: u64) -> Result<(), String> {
        let drops = match reason(why)? {
            DropReason::Anomaly(_) => "anomaly_drops",
            _ => "other_drops",
        };
        self.add(format!("{drops}[{why}]"), 1);
        self.dispose("dropped", path, len);
        Ok(())
    }

    /// A frame of this length was received, and ended (or is held) as `verdict` says.
    pub(crate) fn expect(&mut self, step: &Step, verdict: &str, len: usize) -> Result<(), String> {
        let len = len as u64;
        self.frame("received", len);
        let why = || step.reason.as_deref().ok_or(format!("verdict {verdict} needs a reason"));
        let anomaly = |name: &str| Ok::<_, String>(matches!(reason(name)?, DropReason::Anomaly(_)));
        if let Some(seen) = &step.seen {
            self.add(format!("seen[{seen}]"), 1);
        }
        match verdict {
            "forward" | "fragment" => self.dispose("forwarded", "fast", len),
            "deliver" => self.dispose("delivered", "fast", len),
            "consume" => self.dispose("consumed", "fast", len),
            "hold" => self.held.push_back(Held { len, slow_path: false }),
            "divert" => {
                self.add(format!("seen[{}]", why()?), 1);
                self.held.push_back(Held { len, slow_path: true });
            }
            "drop" => {
                let why = why()?;
                // A reason that would have been diverted, but was refused.
                let path = if step.verdicts.contains_key("divert") { "slow-refused" } else { "fast" };
                if anomaly(why)? {
                    self.add(format!("seen[{why}]"), 1);
                }
                self.dropped(why, path, len)?;
            }
            other => return Err(format!("`{other}` is no verdict")),
        }
        Ok(())
    }

    /// The slow path let its deadline pass: what it holds ends as the reason's default says.
    pub(crate) fn expire(&mut self, step: &Step) -> Result<(), String> {
        let why = step.reason.clone().ok_or("a divert needs a reason")?;
        let passes = Anomaly::from_name(&why).is_some_and(|a| a.row().default == DefaultAction::Pass);
        let (slow, kept) = std::mem::take(&mut self.held).into_iter().partition(|held: &Held| held.slow_path);
        self.held = kept;
        let slow: VecDeque<Held> = slow;
        for held in slow {
            match passes {
                true => self.dispose("delivered", "slow-refused", held.len),
                false => self.dropped(&why, "slow-refused", held.len)?,
            }
        }
        Ok(())
    }

    /// The oldest held frame ended: `forward`, `deliver`, or the reason why it was dropped.
    pub(crate) fn end(&mut self, how: &str) -> Result<(), String> {
        let held = self.held.pop_front().ok_or("no frame is held that could end")?;
        match how {
            "forward" => self.dispose("forwarded", "fast", held.len),
            "deliver" => self.dispose("delivered", "fast", held.len),
            "consume" => self.dispose("consumed", "fast", held.len),
            why => self.dropped(why, "fast", held.len)?,
        }
        Ok(())
    }

    /// The router sent these.
    pub(crate) fn sent(&mut self, sent: &[Sent]) {
        self.sent.0 += sent.len() as u64;
        self.sent.1 += sent.iter().map(|sent| sent.bytes.len() as u64).sum::<u64>();
    }

    /// Every counter that moved otherwise.
    pub(crate) fn problems(&mut self, sim: &Sim) -> Vec<String> {
        let now = read(sim);
        let mut expected = self.expected.clone();
        expected.insert("held.frames".into(), self.held.len() as u64);
        expected.insert("held.bytes".into(), self.held.iter().map(|held| held.len).sum());
        let moved = |name: &String, value: u64| {
            if name.starts_with("held.") { value } else { value - self.before[name] }
        };
        let mut problems: Vec<_> = now
            .iter()
            .filter(|(name, _)| KEPT.iter().any(|kept| name.starts_with(kept)))
            .filter_map(|(name, &value)| {
                let (right, got) = (expected.get(name).copied().unwrap_or(0), moved(name, value));
                (right != got).then(|| format!("counter {name}: expected {right}, got {got}"))
            })
            .collect();
        let total = |end: &str| -> u64 {
            let sent = now.iter().filter(|(name, _)| name.starts_with("sent.") && name.ends_with(end));
            sent.map(|(name, &value)| moved(name, value)).sum()
        };
        let counted = (total(".frames"), total(".bytes"));
        if counted != self.sent {
            problems.push(format!("sent frames and bytes: counted {counted:?}, left {:?}", self.sent));
        }
        problems
    }
}
