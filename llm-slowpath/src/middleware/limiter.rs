//! A concurrency limiter: how many requests one backend may have at once, waiting for it or in its hands.

/// The limiter of one backend.
#[derive(Debug)]
pub struct Limiter {
    limit: usize,
    taken: usize,
}

impl Limiter {
    /// For so many at once.
    pub const fn new(limit: usize) -> Self {
        Self { limit, taken: 0 }
    }

    /// Is there room for one more?
    pub const fn has_room(&self) -> bool {
        self.taken < self.limit
    }

    /// Takes a place, if there is one.
    #[must_use]
    pub const fn acquire(&mut self) -> bool {
        let room = self.has_room();
        self.taken += room as usize;
        room
    }

    /// Gives a place back.
    pub const fn release(&mut self) {
        self.taken = self.taken.saturating_sub(1);
    }

    /// Places taken.
    pub const fn taken(&self) -> usize {
        self.taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_may_and_no_more() {
        let mut limiter = Limiter::new(2);
        assert!(limiter.acquire() && limiter.acquire() && !limiter.acquire());
        limiter.release();
        assert!(limiter.has_room() && limiter.acquire() && !limiter.has_room());
        (0..5).for_each(|_| limiter.release());
        assert_eq!(limiter.taken(), 0);
    }
}
