//! What stands between a diverted frame and a model, in the order in which a frame meets it: single-flight, answer
//! cache, budget, circuit breaker, limiter, deadline.
//!
//! Each is a value without a clock, a thread or a lock: time comes in, decisions come out. The service keeps them on the
//! owner's side of its channels, so that what they refuse or know already never crosses a thread.

pub mod breaker;
pub mod budget;
pub mod cache;
pub mod deadline;
pub mod limiter;
pub mod single_flight;
pub mod worth;

pub use breaker::{Breaker, BreakerConfig, BreakerState};
pub use budget::{Budget, BudgetLimits};
pub use cache::{AnswerCache, CacheConfig, Cached, Kept};
pub use deadline::Deadline;
pub use limiter::Limiter;
pub use single_flight::{Boarding, SingleFlight};
pub use worth::{Values, Worth};
