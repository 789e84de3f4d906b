//! State beyond the context window: how many flows are held while each prompt stays as short.

use llm_slowpath::prompt::{Detail, PromptOptions, text, tokens_at_most};
use smoltcp::time::{Duration as RouterDuration, Instant as RouterInstant};
use stack::frame::FRAME_MAX;
use stack::{FrameBuf, PortId, Router, Verdict};
use std::time::Instant;
use tests::Sim;
use tests::frames::{from_client, transit, udp};
use tests::storage::SIZES;

/// Prompts looked at in each row.
const PROMPTS: u32 = 1_000;

pub(crate) fn rows(quick: bool) {
    println!("\nflows held (the article: a dozen); two frames of each flow are diverted, in turn");
    println!(
        "{:>12}{:>12}{:>18}{:>26}{:>20}{:>12}",
        "flows", "held", "summaries right", "longest prompt, tokens", "ns a divert", "table"
    );
    for flows in [12, 1_000, 100_000, 1_000_000] {
        if !quick || flows <= 1_000 {
            row(flows);
        }
    }
}

fn row(flows: u32) {
    // Places of eight: with twice as many slots as flows hardly one overflows.
    let slots = (flows as usize * 2).next_power_of_two().max(64);
    let sizes = tests::storage::Sizes { flows: slots, ..SIZES };
    let mut router = Sim::cold(
        |config| {
            config.limits.divert_rate.per_second = 100_000_000;
            config.limits.divert_rate.burst = 100_000_000;
            config.limits.divert_deadline = RouterDuration::from_micros(1);
        },
        sizes,
    )
    .router;
    let options = PromptOptions { detail: Detail::Frame, payload: 64, ..PromptOptions::default() };
    let (mut right, mut longest) = (0_u32, 0);
    let mut took = std::time::Duration::ZERO;
    for round in 1..=2 {
        for flow in 0..flows {
            let mut frame = tagged(flow);
            let mut copy = [0; FRAME_MAX];
            let started = Instant::now();
            let now =
                RouterInstant::from_secs(1) + RouterDuration::from_micros(u64::from(round * flows + flow));
            let verdict = router.handle_frame(now, PortId(0), &mut FrameBuf::new(&mut frame));
            let diverted = router.poll_divert(&mut copy).expect("it is diverted");
            router.abandon(now, diverted.id);
            took += started.elapsed();
            assert!(matches!(verdict, Verdict::Divert(_)));
            drain(&mut router, &mut copy);
            if round == 2 {
                right +=
                    u32::from(diverted.flow.is_some_and(|known| known.frames == 2 && known.unanswered == 1));
                if flow % flows.div_ceil(PROMPTS) == 0 {
                    let bytes = &copy[..diverted.len];
                    let prompt = text::frame_part(&diverted, bytes, &options).expect("a prompt");
                    longest = longest.max(tokens_at_most(&prompt));
                }
            }
        }
    }
    println!(
        "{flows:>12}{:>12}{:>17.3}%{longest:>26}{:>20.0}{:>9} MB",
        router.flows_remembered(),
        100.0 * f64::from(right) / f64::from(flows),
        took.as_nanos() as f64 / f64::from(2 * flows),
        (slots * size_of::<stack::divert::FlowSlot>()) >> 20,
    );
}

fn drain(router: &mut Router<'_>, copy: &mut [u8; FRAME_MAX]) {
    while router.poll_event().is_some() || router.poll_transmit(copy).is_some() {}
}

/// A priority-tagged datagram of this flow: 64 sources, 65,536 l4_ports of the destination.
fn tagged(flow: u32) -> Vec<u8> {
    let mut frame = from_client(&udp(&transit(), flow as u16, b"flow"));
    frame[26 + 3] = (flow >> 16) as u8;
    frame.splice(12..12, [0x81, 0, 0, 0]);
    frame
}
