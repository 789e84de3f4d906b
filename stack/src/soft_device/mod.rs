//! `SoftDevice`: classification, divert and injection for an application that runs smoltcp itself.
//!
//! It wraps the application's Ethernet device. Healthy frames reach the application's `Interface` byte for
//! byte; a frame that `stack` has a name for does not, but is diverted, and what an approved answer makes
//! of it is sent through the device, or handed to the `Interface` when the frame was repaired.
//! Read first: smoltcp's `phy::Device`; RFC 1122 §3.2.1.

mod screen;

use crate::config::{Config, ConfigError};
use crate::forward::{Egress, TxSlot};
use crate::frame::{ETHERNET_HEADER, FRAME_MAX};
use crate::router::Router;
use crate::stats::Count;
use crate::storage::Storage;
use managed::ManagedSlice;
use smoltcp::phy::{Device, DeviceCapabilities, Medium, PacketMeta, RxToken, TxToken};
use smoltcp::time::Instant;

/// A `phy::Device` behind which anomalies are diverted.
///
/// Poll the `Interface` with it as with the device itself; each poll also sends what answers made and lets
/// the defaults act that are due. Between polls, drain [`Router::poll_divert`] of [`SoftDevice::router_mut`],
/// and give answers to [`Router::approve`] and [`Router::apply`]. Its modes are the configuration's: `off`
/// and `observe` discard a malformed frame at once, `enforce` holds it for the answer.
///
/// The router inside neither forwards nor answers ARP. It listens to the ARP that passes, and asks by itself
/// only when an injected frame has nowhere to go.
#[derive(Debug)]
pub struct SoftDevice<'a, D> {
    device: D,
    router: Router<'a>,
    /// What the application sent.
    sent: Count,
    served_at: Option<Instant>,
    buffer: [u8; FRAME_MAX],
}

/// Why a device cannot be wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum WrapError {
    /// The device's medium is not Ethernet.
    Medium,
    /// The configuration does not have exactly one port.
    Ports,
    /// The configuration cannot work.
    Config(ConfigError),
}

impl From<ConfigError> for WrapError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl core::fmt::Display for WrapError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Medium => f.write_str("only a device with Ethernet frames can be wrapped"),
            Self::Ports => f.write_str("a wrapped device is one port: configure exactly one"),
            Self::Config(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for WrapError {}

impl<'a, D: Device> SoftDevice<'a, D> {
    /// Wraps `device`. The configuration's only port has the `Interface`'s MAC address and IP addresses; its
    /// MTU is lowered to the device's. `repaired` holds frames that answers repaired until the `Interface`
    /// takes them: its length is how many.
    ///
    /// Of `storage`, the host's part is not used but for one socket; the rest bounds what may be held.
    ///
    /// # Errors
    /// What is wrong with the device or the configuration, or too small in the storage.
    pub fn new(
        device: D,
        mut config: Config,
        storage: Storage<'a>,
        repaired: ManagedSlice<'a, TxSlot>,
    ) -> Result<Self, WrapError> {
        let capabilities = device.capabilities();
        if capabilities.medium != Medium::Ethernet {
            return Err(WrapError::Medium);
        }
        let [port] = &mut config.ports[..] else { return Err(WrapError::Ports) };
        port.mtu = port.mtu.min(capabilities.max_transmission_unit.saturating_sub(ETHERNET_HEADER));
        let mut router = Router::new(config, storage)?;
        router.outside_host = Some(Egress::new(repaired));
        Ok(Self { device, router, sent: Count::default(), served_at: None, buffer: [0; FRAME_MAX] })
    }

    /// The router inside: books, configuration, routes.
    pub const fn router(&self) -> &Router<'a> {
        &self.router
    }

    /// The router inside, to be given answers and routes (off-link sources are answered through a gateway).
    /// Frames come in through the device and leave through it; its `handle_frame` is not for them.
    pub const fn router_mut(&mut self) -> &mut Router<'a> {
        &mut self.router
    }

    /// The device.
    pub const fn device(&self) -> &D {
        &self.device
    }

    /// The device, to be configured.
    pub const fn device_mut(&mut self) -> &mut D {
        &mut self.device
    }

    /// Frames that the application has sent.
    pub const fn sent(&self) -> Count {
        self.sent
    }

    /// When the `Interface` must be polled for the device's sake, at the latest.
    #[must_use]
    pub fn poll_timeout(&mut self, now: Instant) -> Option<Instant> {
        let waiting = !self.router.egress.is_empty() || self.has_repaired();
        if waiting { Some(now) } else { self.router.poll_timeout(now) }
    }

    fn has_repaired(&self) -> bool {
        self.router.outside_host.as_ref().is_some_and(|queue| !queue.is_empty())
    }

    /// Lets the defaults act that are due, and sends what the router made, as far as the device takes it.
    fn serve(&mut self, now: Instant) {
        if self.served_at != Some(now) {
            self.served_at = Some(now);
            self.router.handle_timeout(now);
        }
        while !self.router.egress.is_empty() {
            let Some(token) = self.device.transmit(now) else { return };
            let Some(transmit) = self.router.poll_transmit(&mut self.buffer) else { return };
            let frame = &self.buffer[..transmit.len];
            token.consume(frame.len(), |out| out.copy_from_slice(frame));
        }
    }
}

impl<'a, D: Device> Device for SoftDevice<'a, D> {
    type RxToken<'t>
        = SoftRxToken<'t, 'a, D::RxToken<'t>>
    where
        Self: 't;
    type TxToken<'t>
        = SoftTxToken<'t, D::TxToken<'t>>
    where
        Self: 't;

    fn receive(&mut self, now: Instant) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        self.serve(now);
        if self.has_repaired() {
            let sent = &mut self.sent;
            let token = self.device.transmit(now)?;
            let transmit = self.router.outside_host.as_mut()?.pop(&mut self.buffer)?;
            let rx = SoftRxToken(Received::Repaired(&self.buffer[..transmit.len]));
            return Some((rx, SoftTxToken { token, sent }));
        }
        let (rx, token) = self.device.receive(now)?;
        let sent = &mut self.sent;
        let rx = SoftRxToken(Received::New { token: rx, router: &mut self.router, now });
        Some((rx, SoftTxToken { token, sent }))
    }

    fn transmit(&mut self, now: Instant) -> Option<Self::TxToken<'_>> {
        Some(SoftTxToken { token: self.device.transmit(now)?, sent: &mut self.sent })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.device.capabilities()
    }
}

/// The token of a received frame.
#[derive(Debug)]
pub struct SoftRxToken<'t, 'a, T>(Received<'t, 'a, T>);

#[derive(Debug)]
enum Received<'t, 'a, T> {
    /// The device's, still to be judged.
    New { token: T, router: &'t mut Router<'a>, now: Instant },
    /// Held before; an answer or its default lets it pass.
    Repaired(&'t [u8]),
}

impl<T: RxToken> RxToken for SoftRxToken<'_, '_, T> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        match self.0 {
            Received::New { token, router, now } => token.consume(|frame| {
                // An empty frame lets the Interface go on; no frame at all would end its loop.
                if router.screen(now, frame) { f(frame) } else { f(&[]) }
            }),
            Received::Repaired(frame) => f(frame),
        }
    }

    fn meta(&self) -> PacketMeta {
        match &self.0 {
            Received::New { token, .. } => token.meta(),
            Received::Repaired(_) => PacketMeta::default(),
        }
    }
}

/// The token of a frame that the application sends.
#[derive(Debug)]
pub struct SoftTxToken<'t, T> {
    token: T,
    sent: &'t mut Count,
}

impl<T: TxToken> TxToken for SoftTxToken<'_, T> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        self.sent.add(len);
        self.token.consume(len, f)
    }

    fn set_meta(&mut self, meta: PacketMeta) {
        self.token.set_meta(meta);
    }
}
