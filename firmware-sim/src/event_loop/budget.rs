//! How many frames a port may give in one turn, so that no port starves another.

/// Most frames of one turn.
const MOST: u8 = 64;
/// Turns that must use their budget up before it grows.
const PATIENCE: u8 = 8;

/// One port's budget: what its bursts have been like.
///
/// At the end of a burst the port is asked once more, in vain, unless the budget ends just there. That question
/// is a system call, and a lone frame would pay for it alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    frames: u8,
    used_up: u8,
}

impl Budget {
    pub(super) const fn new() -> Self {
        Self { frames: MOST, used_up: 0 }
    }

    /// Frames for this turn.
    pub(super) const fn frames(self) -> u8 {
        self.frames
    }

    /// The port had this many, and no more.
    pub(super) const fn drained_after(&mut self, frames: u8) {
        self.frames = if frames == 0 { 1 } else { frames };
        self.used_up = 0;
    }

    /// The port may have more.
    pub(super) const fn used_up(&mut self) {
        self.used_up += 1;
        if self.used_up == PATIENCE {
            self.used_up = 0;
            self.frames = if self.frames > MOST / 2 { MOST } else { self.frames * 2 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_the_bursts_and_stays_within_its_bounds() {
        let mut budget = Budget::new();
        assert_eq!(budget.frames(), MOST);
        budget.drained_after(0);
        assert_eq!(budget.frames(), 1);
        for expected in [1, 2, 4, 8, 16, 32, 64, 64] {
            assert_eq!(budget.frames(), expected);
            (0..PATIENCE).for_each(|_| budget.used_up());
        }
        budget.drained_after(40);
        (0..PATIENCE - 1).for_each(|_| budget.used_up());
        budget.drained_after(33);
        assert_eq!(budget.frames(), 33);
        (0..PATIENCE).for_each(|_| budget.used_up());
        assert_eq!(budget.frames(), MOST);
    }
}
