//! A router's judgement without its forwarding: which frames a host outside may have, and how it gets more.
//! Read first: RFC 1122 §3.2.1 (what a host discards).

use crate::Router;
use crate::classify::{Anomaly, Class, DefaultAction, Mode, classify};
use crate::config::PortId;
use crate::forward::Origin;
use crate::router::is_plain_echo_request;
use crate::stats::{Disposition, Path};
use crate::verdict::{DropReason, Verdict};
use smoltcp::time::Instant;

/// The only port.
const PORT: PortId = PortId(0);

impl Router<'_> {
    /// Counts and judges a received frame: may the host outside have it at once?
    pub(super) fn screen(&mut self, now: Instant, frame: &[u8]) -> bool {
        self.stats.received.add(frame.len());
        let reason = match classify(frame, PORT, self.config.ports[PORT.index()].mac, &self.locals) {
            Class::Transit(_, oddity) => {
                self.observe_oddity(now, frame, oddity);
                None
            }
            Class::Local(info, oddity) => {
                self.observe_oddity(now, frame, oddity);
                let experiment = self.config.mode(Anomaly::EchoRequest) != Mode::Off;
                (experiment && is_plain_echo_request(frame, &info)).then_some(Anomaly::EchoRequest)
            }
            Class::Arp(info) => {
                self.handle_arp(now, PORT, &info);
                None
            }
            Class::Nd(nd) => {
                self.handle_nd(now, PORT, &nd);
                None
            }
            Class::Foreign => {
                let _ = self.drop(DropReason::Foreign, Path::Fast, frame.len());
                return false;
            }
            Class::Anomaly(anomaly) => Some(anomaly),
        };
        let path = match reason.map(|reason| (reason, self.hold(now, PORT, frame, frame.len(), reason))) {
            None => Path::Fast,
            Some((_, Ok(()))) => return false,
            Some((reason, Err(path))) => match reason.row().default {
                DefaultAction::Pass => path,
                DefaultAction::Drop | DefaultAction::Report => {
                    let _ = self.discard(now, PORT, frame, frame.len(), reason, path);
                    return false;
                }
            },
        };
        self.stats.end(Disposition::Delivered, path, frame.len());
        true
    }

    fn observe_oddity(&mut self, now: Instant, frame: &[u8], oddity: Option<Anomaly>) {
        if let Some(oddity) = oddity {
            self.observe(now, PORT, frame, oddity);
        }
    }

    /// Queues a frame that was held, perhaps repaired, for the host outside.
    pub(crate) fn hand_over(
        &mut self,
        port: PortId,
        frame: &[u8],
        received_len: usize,
        path: Path,
    ) -> Verdict {
        let origin = Origin::Forwarded { received_len, path };
        let queued = self.outside_host.as_mut().and_then(|queue| queue.push(port, None, origin, frame));
        if queued.is_none() {
            return self.drop(DropReason::EgressFull, path, received_len);
        }
        self.stats.end(Disposition::Delivered, path, received_len);
        Verdict::Deliver
    }
}
