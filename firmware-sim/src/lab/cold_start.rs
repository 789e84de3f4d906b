//! The cold start: the first echo from each host to every address of the router and to the other host, before any of them
//! knows a neighbour.

use super::host::{Family, LabHost};
use super::scenario::{FAMILIES, Healthy, ROUTER_LINK_LOCAL, summary};
use super::traffic::exchange::{EchoCounts, EchoPlan};
use super::traffic::{Stop, icmp};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Between two looks at a burst.
const LOOK: Duration = Duration::from_millis(1);
/// The longest that a host in memory asks for no neighbour after it has asked for another one.
const SILENCE: Duration = Duration::from_secs(1);

/// The cold start under way.
pub(super) struct ColdStart<'a, W> {
    clients: &'a Stop,
    watch: W,
    /// Bursts that are over.
    over: usize,
    sums: Vec<Healthy>,
}

impl<'a, W: FnMut(usize) -> bool> ColdStart<'a, W> {
    pub(super) const fn new(clients: &'a Stop, watch: W) -> Self {
        Self { clients, watch, over: 0, sums: Vec::new() }
    }

    /// Three echoes from each host to each address of each family, the neighbours forgotten first.
    pub(super) fn run(mut self, hosts: &[Arc<dyn LabHost>; 2]) -> io::Result<Vec<Healthy>> {
        for addresses in FAMILIES {
            for (from, host) in hosts.iter().enumerate() {
                let mut sum = EchoCounts::default();
                let mut targets = addresses.router.to_vec();
                targets.push(addresses.hosts[1 - from]);
                // A host in memory has no link-local address of its own to ask from.
                if addresses.family == Family::V6 && host.has_kernel() {
                    targets.push(ROUTER_LINK_LOCAL[from]);
                }
                for target in targets {
                    let on_link =
                        if target == ROUTER_LINK_LOCAL[from] { target } else { addresses.router[from] };
                    host.forget_neighbor(on_link)?;
                    let Some(counts) = self.burst(&**host, EchoPlan::burst(target, 3))? else {
                        return Ok(self.sums);
                    };
                    sum.sent += counts.sent;
                    sum.received += counts.received;
                    sum.wrong += counts.wrong;
                    sum.stray += counts.stray;
                    sum.errors += counts.errors + u64::from(!counts.first_answered);
                    sum.rtts.extend(counts.rtts);
                }
                let title = format!("{} echo {} -> all, cold neighbours", addresses.icmp(), host.plan().name);
                self.sums.push(summary(title, &sum));
            }
        }
        self.introduce(hosts)?;
        Ok(self.sums)
    }

    /// A host in memory forgets all its neighbours at once, and has no room for a reply to one that it does not know: the
    /// steady load must find them known.
    fn introduce(&mut self, hosts: &[Arc<dyn LabHost>; 2]) -> io::Result<()> {
        let strangers: Vec<_> = hosts.iter().enumerate().filter(|(_, host)| !host.has_kernel()).collect();
        let quiet = Instant::now() + SILENCE;
        while !strangers.is_empty() && Instant::now() < quiet {
            if self.is_over() {
                return Ok(());
            }
            std::thread::sleep(LOOK);
        }
        for (from, host) in strangers {
            for addresses in FAMILIES {
                let target = addresses.router[from];
                let Some(counts) = self.burst(&**host, EchoPlan::burst(target, 1))? else { return Ok(()) };
                let title = format!("{} echo {} -> {target}, in advance", addresses.icmp(), host.plan().name);
                self.sums.push(summary(title, &counts));
            }
        }
        Ok(())
    }

    /// Is all to end? Then no client sends anything any more.
    fn is_over(&mut self) -> bool {
        let is_over = (self.watch)(self.over);
        if is_over {
            self.clients.store(true, Ordering::Relaxed);
        }
        is_over
    }

    /// What came of one burst; `None`: all is to end, and nobody waits for the replies that are still out.
    fn burst(&mut self, host: &dyn LabHost, plan: EchoPlan) -> io::Result<Option<EchoCounts>> {
        let running = icmp::spawn_echo(host, plan, self.clients.clone())?;
        while !running.is_finished() {
            if self.is_over() {
                return Ok(None);
            }
            std::thread::sleep(LOOK);
        }
        self.over += 1;
        Ok(Some(running.join()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::memory_hosts::MemoryHost;
    use crate::lab::namespace::HostPlan;
    use crate::port::memory::{MemoryPort, pair};
    use std::sync::atomic::AtomicBool;

    /// Hosts with nobody at the other ends of their cables.
    fn alone() -> ([Arc<dyn LabHost>; 2], [MemoryPort; 2]) {
        let [(client, one), (server, other)] = [HostPlan::client(), HostPlan::server()].map(|plan| {
            let (near, far) = pair("near", "far", 64).unwrap();
            (Arc::new(MemoryHost::start(plan, far).unwrap()) as Arc<dyn LabHost>, near)
        });
        ([client, server], [one, other])
    }

    #[test]
    fn who_watches_ends_it_at_once_though_nobody_answers() {
        let (hosts, _ports) = alone();
        let clients = Stop::new(AtomicBool::new(false));
        let start = Instant::now();
        let mut looks = 0;
        let watch = |over| {
            assert_eq!(over, 0);
            looks += 1;
            start.elapsed() > Duration::from_millis(100)
        };
        let sums = ColdStart::new(&clients, watch).run(&hosts).unwrap();
        assert!(start.elapsed() < Duration::from_millis(900), "{:?}", start.elapsed());
        assert!(sums.is_empty() && looks > 1 && clients.load(Ordering::Relaxed), "{sums:?}");
    }
}
