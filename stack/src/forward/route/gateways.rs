//! Who a table's routes lead to: a bounded list, kept as routes come and go.

/// Next hops that are listed.
const LISTED: usize = 32;

/// The next hops of a table, each with the number of its routes.
#[derive(Debug)]
pub(super) struct Gateways<A> {
    listed: heapless::Vec<(A, u32), LISTED>,
    /// Routes by next hops that there was no room for.
    more: u32,
}

impl<A: Copy + Eq> Gateways<A> {
    pub(super) const fn new() -> Self {
        Self { listed: heapless::Vec::new(), more: 0 }
    }

    /// There is one more route by this next hop.
    pub(super) fn add(&mut self, gateway: A) {
        if let Some((_, routes)) = self.listed.iter_mut().find(|(listed, _)| *listed == gateway) {
            *routes += 1;
        } else if self.listed.push((gateway, 1)).is_err() {
            self.more += 1;
        }
    }

    /// There is one less.
    pub(super) fn sub(&mut self, gateway: A) {
        let Some(at) = self.listed.iter().position(|(listed, _)| *listed == gateway) else {
            self.more = self.more.saturating_sub(1);
            return;
        };
        let routes = &mut self.listed[at].1;
        *routes -= 1;
        if *routes == 0 {
            self.listed.swap_remove(at);
        }
    }

    /// Those that are listed.
    pub(super) fn iter(&self) -> impl Iterator<Item = A> {
        self.listed.iter().map(|&(gateway, _)| gateway)
    }

    /// Are there others?
    pub(super) const fn has_more(&self) -> bool {
        self.more > 0
    }

    /// Is there none?
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.listed.is_empty() && self.more == 0
    }
}
