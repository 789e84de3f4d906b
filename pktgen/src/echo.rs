//! Echo requests to the router and the one right reply to each.
