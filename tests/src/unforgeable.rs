//! Proof by compiler that only `Router::approve` makes an [`stack::Approved`].
//!
//! It has no public field or constructor, so it cannot be written down:
//! ```compile_fail,E0451
//! let id = stack::DivertId { slot: 0, generation: 0 };
//! let forged = stack::Approved { id, ..todo!() };
//! ```
//! It has no default:
//! ```compile_fail,E0277
//! fn made<T: Default>() -> T { T::default() }
//! let forged: stack::Approved = made();
//! ```
//! An approval cannot be used twice, for it cannot be cloned:
//! ```compile_fail,E0277
//! fn twice<T: Clone>(approved: T) -> (T, T) { (approved.clone(), approved) }
//! fn of(approved: stack::Approved) { twice(approved); }
//! ```
//! ... and `apply` takes it away:
//! ```compile_fail,E0382
//! fn of(router: &mut stack::Router<'_>, now: smoltcp::time::Instant, approved: stack::Approved) {
//!     let _ = router.apply(now, approved);
//!     let _ = router.apply(now, approved);
//! }
//! ```
//! An answer is no approval:
//! ```compile_fail,E0308
//! fn of(router: &mut stack::Router<'_>, now: smoltcp::time::Instant, answer: stack::Answer<'_>) {
//!     let _ = router.apply(now, answer);
//! }
//! ```
//! The same code with the one step that is missing above compiles, so the failures are about that step:
//! ```
//! fn of(router: &mut stack::Router<'_>, now: smoltcp::time::Instant, answer: stack::Answer<'_>) {
//!     if let Ok(approved) = router.approve(now, &answer) {
//!         let _ = router.apply(now, approved);
//!     }
//! }
//! ```
