//! Places for connections, so few that clients cannot burden the router; whoever dawdles gives way to whoever comes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, oneshot};

/// Connections at once; one more is taken when one of them has ended or gives way.
const CONNECTIONS: usize = 16;
/// A client may keep its place for so long before its request is there, whoever waits. The request comes right behind the connection.
const UNSAID: Duration = Duration::from_millis(100);
/// A client may keep its place for so long while it takes its answer, whoever waits.
const UNREAD: Duration = Duration::from_millis(500);

/// All places, those that are free and those that are taken.
#[derive(Debug, Default)]
pub(super) struct Places {
    taken: RefCell<BTreeMap<u64, Taken>>,
    /// Numbers that were given to places so far.
    given: RefCell<u64>,
    changed: Notify,
}

#[derive(Debug)]
struct Taken {
    /// When it gives way to whoever waits; `None`: its answer is being made.
    until: Option<Instant>,
    /// Its connection ends when this goes.
    _open: oneshot::Sender<()>,
}

/// A connection's place, given back when it goes.
#[derive(Debug)]
pub(super) struct Place {
    places: Rc<Places>,
    number: u64,
}

impl Places {
    /// Waits for a place. The receiver fails when the connection there has to end.
    pub(super) async fn take(self: &Rc<Self>) -> (Place, oneshot::Receiver<()>) {
        while let Some(until) = self.wait_until() {
            match until {
                Some(until) => {
                    let _ = tokio::time::timeout_at(until.into(), self.changed.notified()).await;
                }
                None => self.changed.notified().await,
            }
        }
        let number = self.given.replace_with(|given| *given + 1);
        let (open, closed) = oneshot::channel();
        let taken = Taken { until: Some(Instant::now() + UNSAID), _open: open };
        self.taken.borrow_mut().insert(number, taken);
        (Place { places: Rc::clone(self), number }, closed)
    }

    /// `None` if there is a place, if need be the one whose time has been over for longest; else when one gives way, if that is known.
    fn wait_until(&self) -> Option<Option<Instant>> {
        let mut taken = self.taken.borrow_mut();
        if taken.len() < CONNECTIONS {
            return None;
        }
        let late = taken.iter().filter_map(|(&number, taken)| Some((taken.until?, number))).min();
        match late {
            Some((until, number)) if until <= Instant::now() => {
                taken.remove(&number);
                None
            }
            late => Some(late.map(|(until, _)| until)),
        }
    }
}

impl Place {
    /// Its request is there: it keeps its place until the answer is made.
    pub(super) fn asks(&self) {
        self.set(None);
    }

    /// Its answer is made.
    pub(super) fn is_answered(&self) {
        self.set(Some(Instant::now() + UNREAD));
    }

    fn set(&self, until: Option<Instant>) {
        if let Some(taken) = self.places.taken.borrow_mut().get_mut(&self.number) {
            taken.until = until;
        }
        self.places.changed.notify_one();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken.borrow_mut().remove(&self.number);
        self.places.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test);
    }

    #[test]
    fn the_one_that_says_nothing_gives_way_and_the_one_that_asked_does_not() {
        run(async {
            let places = Rc::new(Places::default());
            let mut all = Vec::new();
            for _ in 0..CONNECTIONS {
                all.push(places.take().await);
            }
            // The oldest has asked: the next one ends, and when that is gone it takes nothing from its successor.
            all[0].0.asks();
            let newest = places.take().await;
            assert!(all[1].1.try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Closed));
            let open = |(_, closed): &mut (Place, oneshot::Receiver<()>)| {
                closed.try_recv() == Err(oneshot::error::TryRecvError::Empty)
            };
            let still: Vec<_> = all.iter_mut().map(open).collect();
            assert_eq!(still.iter().filter(|&&open| !open).count(), 1, "{still:?}");
            drop(all.swap_remove(1));
            assert_eq!(places.taken.borrow().len(), CONNECTIONS);
            drop((newest, all));
            assert!(places.taken.borrow().is_empty());
        });
    }

    #[test]
    fn nobody_gives_way_while_answers_are_made_and_one_that_does_not_read_does() {
        run(async {
            let places = Rc::new(Places::default());
            let mut all = Vec::new();
            for _ in 0..CONNECTIONS {
                let place = places.take().await;
                place.0.asks();
                all.push(place);
            }
            let patience = 2 * UNSAID;
            assert!(tokio::time::timeout(patience, places.take()).await.is_err());
            // One that ends makes room at once.
            drop(all.pop());
            all.push(tokio::time::timeout(Duration::from_secs(10), places.take()).await.unwrap());
            all[CONNECTIONS - 1].0.asks();
            all[5].0.is_answered();
            let began = Instant::now();
            let _newest = tokio::time::timeout(Duration::from_secs(10), places.take()).await.unwrap();
            assert!(began.elapsed() >= UNREAD - Duration::from_millis(50), "{:?}", began.elapsed());
            assert!(all[5].1.try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Closed));
        });
    }
}
