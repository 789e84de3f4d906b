//! A `phy::Device` of one slot each way: the seam between the router and smoltcp's `Interface`.

use super::REASSEMBLED_MAX;
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

/// One packet in, one packet out, each as long as a reassembled one: what is larger than the egress MTU, the
/// router fragments.
pub(super) struct SlotDevice {
    rx: [u8; REASSEMBLED_MAX],
    rx_len: Option<usize>,
    tx: [u8; REASSEMBLED_MAX],
    tx_len: Option<usize>,
}

impl SlotDevice {
    pub(super) const fn new() -> Self {
        Self { rx: [0; REASSEMBLED_MAX], rx_len: None, tx: [0; REASSEMBLED_MAX], tx_len: None }
    }

    /// Puts a packet into the receive slot; says whether it fits.
    pub(super) fn receive_next(
        &mut self,
        write: impl FnOnce(&mut [u8; REASSEMBLED_MAX]) -> Option<usize>,
    ) -> bool {
        self.rx_len = write(&mut self.rx);
        self.rx_len.is_some()
    }

    pub(super) const fn has_sent(&self) -> bool {
        self.tx_len.is_some()
    }

    /// Takes the packet out of the transmit slot.
    pub(super) fn take_sent(&mut self) -> Option<&[u8]> {
        self.tx_len.take().map(|len| &self.tx[..len])
    }
}

pub(super) struct SlotRx<'a>(&'a [u8]);

impl RxToken for SlotRx<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

pub(super) struct SlotTx<'a> {
    bytes: &'a mut [u8; REASSEMBLED_MAX],
    len: &'a mut Option<usize>,
}

impl TxToken for SlotTx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        // smoltcp asks for no more than the MTU that `capabilities` states, which fits.
        *self.len = Some(len);
        f(&mut self.bytes[..len])
    }
}

impl Device for SlotDevice {
    type RxToken<'a> = SlotRx<'a>;
    type TxToken<'a> = SlotTx<'a>;

    fn receive(&mut self, _: Instant) -> Option<(SlotRx<'_>, SlotTx<'_>)> {
        if self.tx_len.is_some() {
            return None;
        }
        let len = self.rx_len.take()?;
        Some((SlotRx(&self.rx[..len]), SlotTx { bytes: &mut self.tx, len: &mut self.tx_len }))
    }

    fn transmit(&mut self, _: Instant) -> Option<SlotTx<'_>> {
        match self.tx_len {
            Some(_) => None,
            None => Some(SlotTx { bytes: &mut self.tx, len: &mut self.tx_len }),
        }
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = REASSEMBLED_MAX;
        capabilities
    }
}
