//! Packets that come in by a port through which their source is not reached.
//!
//! Read first: RFC 3704 §2.2 (strict reverse path forwarding); RFC 1812 §5.3.8.

use super::Made;
use super::scene::Scene;
use crate::build::protocol;
use crate::dice::Draw;

/// A host's packet, to the router or through it, that comes in by a port that checks reverse paths, from a station that
/// nobody knows. `None` if the world has no such port.
pub(super) fn make(scene: &mut Scene<'_>) -> Option<Made> {
    let watched: Vec<usize> =
        (0..scene.world.ports.len()).filter(|&i| scene.world.ports[i].reverse_path).collect();
    if watched.is_empty() {
        return None;
    }
    // A link-local source is that of any link.
    let header = loop {
        let header = scene.any_either();
        if !header.is_link_local() {
            break header;
        }
    };
    scene.port = *scene.rng.pick(&watched);
    scene.host.mac = [2, 0xee, scene.rng.byte(), scene.rng.byte(), scene.rng.byte(), scene.rng.byte()];
    let header = header.carrying(*scene.rng.pick(&[protocol::UDP, protocol::TCP]));
    let len = scene.rng.below(201);
    let segment = scene.any_segment(&header, len);
    Some((scene.any_frame(&header, &segment), "source_behind_another_port"))
}
