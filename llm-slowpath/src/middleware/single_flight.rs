//! Single-flight: while one frame of a class is with a model, others of the class wait for its answer.
//!
//! Only for class prompts: their answers follow from the class key alone.

use stack::ClassKey;
use std::collections::HashMap;

/// What becomes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boarding {
    /// It is the first of its class: the model is to be asked, and [`SingleFlight::land`] called whatever comes of it.
    Leads,
    /// It waits, until `land` gives it out.
    Waits,
    /// As many frames of its class wait as may.
    Full,
}

/// Classes that a model is being asked about, each with the frames (`W`) that wait for its answer.
#[derive(Debug)]
pub struct SingleFlight<W> {
    /// Frames of one class that may wait.
    room: usize,
    /// As many as requests are under way, at most.
    flights: HashMap<ClassKey, Vec<W>>,
}

impl<W> SingleFlight<W> {
    /// With room for so many frames behind each that is asked about.
    pub fn new(room: usize) -> Self {
        Self { room, flights: HashMap::new() }
    }

    /// Is the class being asked about?
    pub fn is_under_way(&self, class: &ClassKey) -> bool {
        self.flights.contains_key(class)
    }

    /// A frame of this class has come.
    pub fn board(&mut self, class: &ClassKey, frame: W) -> Boarding {
        match self.flights.get_mut(class) {
            None => {
                self.flights.insert(class.clone(), Vec::new());
                Boarding::Leads
            }
            Some(waiting) if waiting.len() >= self.room => Boarding::Full,
            Some(waiting) => {
                waiting.push(frame);
                Boarding::Waits
            }
        }
    }

    /// The question about the class has ended. Gives out the frames that waited, in order.
    pub fn land(&mut self, class: &ClassKey) -> Vec<W> {
        self.flights.remove(class).unwrap_or_default()
    }

    /// All frames that wait, of whatever class; nothing is under way any more.
    pub fn land_all(&mut self) -> impl Iterator<Item = W> + use<'_, W> {
        self.flights.drain().flat_map(|(_, waiting)| waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::diverted;
    use stack::Anomaly;

    #[test]
    fn a_burst_of_one_class_has_one_leader_and_a_bounded_crowd() {
        let (land, udp) = (diverted(Anomaly::Ipv4Land).class, diverted(Anomaly::UdpLength).class);
        let mut flights = SingleFlight::new(3);
        assert_eq!(flights.board(&land, 0), Boarding::Leads);
        let boarded = [1, 2, 3, 4, 5].map(|frame| flights.board(&land, frame));
        assert_eq!(boarded[..3], [Boarding::Waits; 3]);
        assert_eq!(boarded[3..], [Boarding::Full; 2]);
        assert_eq!(flights.board(&udp, 6), Boarding::Leads);
        assert!(flights.is_under_way(&land));
        assert_eq!(flights.land(&land), [1, 2, 3]);
        assert!(!flights.is_under_way(&land));
        assert!(flights.land(&land).is_empty());
        assert_eq!(flights.board(&land, 7), Boarding::Leads);
        assert_eq!(flights.board(&land, 8), Boarding::Waits);
        assert_eq!(flights.land_all().collect::<Vec<_>>(), [8]);
        assert!(!flights.is_under_way(&udp));
    }
}
