//! From bytes to a class: transit, local, or a named anomaly.

mod anomaly;

pub use anomaly::{Anomaly, Binds, DefaultAction, Kind, Latitude, Mode, Row, TABLE};
