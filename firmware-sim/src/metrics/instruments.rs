//! Every instrument: its name, kind, labels and help. docs/metrics.md shows this table.

/// How its values behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows during a run.
    Counter,
    /// Comes and goes.
    Gauge,
    /// Durations in buckets.
    Histogram,
}

impl Kind {
    /// The word of the exposition format.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One thing that is measured.
#[derive(Debug, PartialEq, Eq)]
pub struct Instrument {
    /// What it is.
    pub kind: Kind,
    /// Without unit and `_total`.
    pub(super) stem: &'static str,
    /// The base unit, if it has one.
    pub(super) unit: Option<&'static str>,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    /// What it counts.
    pub help: &'static str,
}

impl Instrument {
    /// As queries name it; a histogram's has `_bucket`, `_sum` or `_count` behind it.
    pub fn name(&self) -> String {
        let unit = self.unit.map(|unit| format!("_{unit}")).unwrap_or_default();
        let total = if self.kind == Kind::Counter { "_total" } else { "" };
        format!("{}{unit}{total}", self.stem)
    }
}

macro_rules! table {
    ($($id:ident = $kind:ident $stem:literal $(in $unit:literal)? [$($label:literal),*] $help:literal;)+) => {
        $(pub(super) static $id: Instrument = Instrument {
            kind: Kind::$kind,
            stem: $stem,
            unit: table!(@unit $($unit)?),
            labels: &[$($label),*],
            help: $help,
        };)+

        /// All of them, in the order of the page.
        pub fn instruments() -> impl Iterator<Item = &'static Instrument> {
            [$(&$id),+].into_iter()
        }
    };
    (@unit) => { None };
    (@unit $unit:literal) => { Some($unit) };
}

table! {
    BUILD = Gauge "softrouter_build_info" ["version"] "1; the label says which version runs";
    UPTIME = Gauge "softrouter_uptime" in "seconds" [] "Time since the run began";
    START = Gauge "process_start_time" in "seconds" [] "When the run began, in seconds since 1970";
    CPU = Counter "process_cpu" in "seconds" [] "CPU time of the whole process, user and system";

    RECEIVED_FRAMES = Counter "softrouter_received_frames" [] "Frames received, over all ports";
    RECEIVED_BYTES = Counter "softrouter_received" in "bytes" [] "Bytes of the frames received, without their check sequence";
    ENDED_FRAMES = Counter "softrouter_ended_frames" ["disposition", "path", "decided_by"] "Received frames by how and by whose decision they ended; all of them and softrouter_held_frames are softrouter_received_frames_total";
    ENDED_BYTES = Counter "softrouter_ended" in "bytes" ["disposition", "path", "decided_by"] "Bytes of the received frames by how and by whose decision they ended";
    HELD_FRAMES = Gauge "softrouter_held_frames" [] "Received frames that have not ended yet";
    HELD_BYTES = Gauge "softrouter_held" in "bytes" [] "Bytes of the received frames that have not ended yet";
    SENT_FRAMES = Counter "softrouter_sent_frames" ["origin"] "Frames sent, by where they come from";
    SENT_BYTES = Counter "softrouter_sent" in "bytes" ["origin"] "Bytes sent, by where they come from";
    FRAGMENTED = Counter "softrouter_fragmented_frames" ["origin"] "Frames that were sent in fragments";
    LOST = Counter "softrouter_unsent_frames" ["origin"] "Frames that could not be sent: no route or neighbour, or a full device";
    REASSEMBLY = Counter "softrouter_reassembly_failures" [] "Datagrams to the router that were given up incomplete";
    DROPPED = Counter "softrouter_dropped_frames" ["reason"] "Received frames that were dropped, by why";
    SEEN = Counter "softrouter_anomalies" ["reason"] "Frames in which this was seen, whatever became of them";
    DIVERTS = Counter "softrouter_diverts" ["reason", "admission"] "Diverts: held for an answer, copied for an answer that is only recorded, or refused";
    ANSWERS = Counter "softrouter_divert_answers" ["reason", "outcome"] "Frames held for an answer by what came of it; what was not approved ended by its default";
    REFUSALS = Counter "softrouter_divert_refusals" ["cause"] "Diverts refused, by why";
    REJECTIONS = Counter "softrouter_answer_rejections" ["cause"] "Answers rejected, by why";
    APPLIED = Counter "softrouter_actions_applied" ["action"] "Approved answers that acted";
    ICMP_ERRORS = Counter "softrouter_icmp_errors" ["outcome"] "ICMP errors: sent, forbidden by RFC 1812 section 4.3.2.7, or withheld by the rate limit";
    EVENTS_LOST = Counter "softrouter_events_lost" [] "Events overwritten before anybody looked at them";
    FLOWS_FORGOTTEN = Counter "softrouter_flows_forgotten" [] "Flows of diverted frames that gave way to others";
    TABLE_ENTRIES = Gauge "softrouter_table_entries" ["table"] "Entries of a bounded table";
    TABLE_CAPACITY = Gauge "softrouter_table_capacity" ["table"] "The most entries that a bounded table holds";

    RULES = Gauge "softrouter_rules" ["state"] "Exception rules in shadow or active";
    RULE_CLASSES = Counter "softrouter_rule_learning_events" ["event"] "Classes about which answers began to be compared, were forgotten, contradicted each other, or agreed often enough";
    RULES_INSTALLED = Counter "softrouter_rules_installed" [] "Rules installed";
    RULES_ACTIVATED = Counter "softrouter_rules_activated" [] "Rules that began to act";
    RULES_RETIRED = Counter "softrouter_rules_retired" ["cause"] "Rules that went, by why";
    RULES_REFUSED = Counter "softrouter_rules_refused" ["cause"] "Rules that were not made, by why";
    RULE_FRAMES = Counter "softrouter_rule_frames" ["outcome"] "Frames that a rule matched without deciding: it was in shadow, they were samples for the slow path, or its action did not fit";

    HANDLE_FRAME = Histogram "softrouter_handle_frame" in "seconds" [] "Time in handle_frame, for one frame in 64";
    DIVERT_TO_ACTION = Histogram "softrouter_divert_to_action" in "seconds" ["decided_by"] "From the reception of a frame that was held until the approved action was done";

    SUBMITTED = Counter "softrouter_slow_path_requests" [] "Frames handed to the slow path's service";
    ENDINGS = Counter "softrouter_slow_path_endings" ["ending"] "How they ended; all of them and softrouter_slow_path_in_flight are softrouter_slow_path_requests_total. cached: the answer cache knew; followed: single-flight, an answer to another frame of the class";
    IN_FLIGHT = Gauge "softrouter_slow_path_in_flight" [] "Requests with a backend, or waiting for one";
    PASSED_ON = Counter "softrouter_slow_path_passed_on" ["cause"] "Requests that went on to the next backend since one was unsure, or failed";
    HEALTH = Counter "softrouter_slow_path_health" in "seconds" ["state"] "Seconds of the run with and without a frame that the slow path failed; their share is its availability";
    BACKEND_REQUESTS = Counter "softrouter_backend_requests" ["backend"] "Requests handed to a backend";
    BACKEND_ENDINGS = Counter "softrouter_backend_endings" ["backend", "ending"] "Requests that a backend answered, or failed at";
    BACKEND_SECONDS = Histogram "softrouter_backend_call" in "seconds" ["backend"] "From a backend being asked until it answered, failed or was given up; its count is that of model calls";
    BACKEND_RETRIES = Counter "softrouter_backend_retries" ["backend"] "Attempts at a request that followed a failed one";
    BREAKER = Gauge "softrouter_backend_breaker" ["backend", "state"] "1 for the state in which the backend's circuit breaker is, 0 for the others";
    BREAKER_OPENINGS = Counter "softrouter_backend_breaker_openings" ["backend"] "Times that the backend's circuit breaker opened";
    TOKENS = Counter "softrouter_backend_tokens" ["backend", "direction"] "Tokens that a backend read and wrote";
    BACKEND_CPU = Counter "softrouter_backend_cpu" in "seconds" ["backend"] "CPU time of this machine that answers took";
    MONEY = Counter "softrouter_backend_money" ["backend", "currency"] "What answers have cost";
    SPENT_TOKENS = Gauge "softrouter_budget_spent_tokens" [] "Tokens of the last hour";
    SPENT_MONEY = Gauge "softrouter_budget_spent_money" ["currency"] "Money of the last hour";
    SPENT_CPU = Gauge "softrouter_budget_spent_cpu" in "seconds" [] "CPU time of the last hour's answers";
    LIMIT_TOKENS = Gauge "softrouter_budget_limit_tokens" [] "Tokens that an hour may take; absent without such a limit";
    LIMIT_MONEY = Gauge "softrouter_budget_limit_money" ["currency"] "Money that an hour may take; absent without such a limit";
    LIMIT_CPU = Gauge "softrouter_budget_limit_cpu" in "seconds" [] "CPU time that an hour's answers may take; absent without such a limit";
}
