//! Accesses of engines at virtual addresses, and DMA.

use super::rules::{BUS_MASTER, HOST_PAGE};
use super::{Client, Hub, Intent, Place, Span};
use crate::fabric::Fabric;
use crate::rule::Violation;

impl Fabric {
    /// An engine reads at a virtual address. A page fault is latched and told as an interrupt, and the dummy page is read.
    pub(crate) fn load(
        &mut self,
        client: Client,
        va: u64,
        out: &mut [u8],
    ) -> Result<(), Violation> {
        let mut at = va;
        let mut rest = out;
        while !rest.is_empty() {
            let span = self.translate(client, at, Intent::Read)?;
            let span = span.unwrap_or_else(|| self.dummy(client, at));
            let count = rest
                .len()
                .min(usize::try_from(span.bytes).unwrap_or(usize::MAX));
            let (now, later) = rest.split_at_mut(count);
            self.load_span(client, span, now)?;
            at = at.wrapping_add(count as u64);
            rest = later;
        }
        Ok(())
    }

    /// An engine writes at a virtual address. A page fault is latched and told as an interrupt, and nothing is written.
    pub(crate) fn store(&mut self, client: Client, va: u64, data: &[u8]) -> Result<(), Violation> {
        let mut at = va;
        let mut rest = data;
        while !rest.is_empty() {
            let span = self.translate(client, at, Intent::Write)?;
            let bytes = span.map_or(4096 - (at & 0xfff), |span| span.bytes);
            let count = rest.len().min(usize::try_from(bytes).unwrap_or(usize::MAX));
            let (now, later) = rest.split_at(count);
            if let Some(span) = span {
                self.store_span(client, span, now)?;
            }
            at = at.wrapping_add(count as u64);
            rest = later;
        }
        Ok(())
    }

    fn dummy(&self, client: Client, va: u64) -> Span {
        let within = va & 0xfff;
        Span {
            place: Place::Vram(self.dummy_page(client.hub) + within),
            bytes: 4096 - within,
            uncached: true,
        }
    }

    /// Reads bytes of a span, which must hold them.
    pub(crate) fn load_span(
        &mut self,
        client: Client,
        span: Span,
        out: &mut [u8],
    ) -> Result<(), Violation> {
        match span.place {
            Place::Vram(offset) if client.gl2 && !span.uncached => {
                self.gl2_read(offset, out, who(client))
            }
            Place::Vram(offset) => self.outside_read(offset, out, who(client)),
            Place::Host(address) => self.host_read(address, out),
            Place::Sparse => {
                out.fill(0);
                Ok(())
            }
        }
    }

    /// Writes bytes of a span, which must hold them.
    pub(crate) fn store_span(
        &mut self,
        client: Client,
        span: Span,
        data: &[u8],
    ) -> Result<(), Violation> {
        match span.place {
            Place::Vram(offset) if client.gl2 && !span.uncached => {
                self.gl2_write(offset, data, who(client))
            }
            Place::Vram(offset) => self.outside_write(offset, data, who(client)),
            Place::Host(address) => self.host_write(address, data),
            Place::Sparse => Ok(()),
        }
    }

    /// The command processor writes a fence or timestamp: GL2 does not hold it back.
    pub(crate) fn store_release(
        &mut self,
        client: Client,
        va: u64,
        data: &[u8],
    ) -> Result<(), Violation> {
        match self.translate(client, va, Intent::Write)? {
            Some(span) if span.bytes >= data.len() as u64 => match span.place {
                Place::Vram(offset) if !span.uncached => {
                    self.gl2_write_through(offset, data, who(client))
                }
                _ => self.store_span(client, span, data),
            },
            // Aligned data lies in one page, so this is a fault.
            _ => Ok(()),
        }
    }

    /// Forgets all translations of a hub.
    pub(crate) fn forget_translations(&mut self, hub: Hub) {
        self.mmu.forget(hub, 0xffff);
    }

    /// Reads host memory by DMA.
    pub(crate) fn host_read(&mut self, address: u64, out: &mut [u8]) -> Result<(), Violation> {
        let on = self.bus_master;
        self.require(
            on,
            BUS_MASTER,
            format_args!("read of bus address {address:#x}"),
        )?;
        if let Err(error) = self.host.read(address, out) {
            out.fill(0xff);
            self.broken(HOST_PAGE, format_args!("read: {error}"))?;
        }
        Ok(())
    }

    /// Writes host memory by DMA.
    pub(crate) fn host_write(&mut self, address: u64, data: &[u8]) -> Result<(), Violation> {
        let on = self.bus_master;
        self.require(
            on,
            BUS_MASTER,
            format_args!("write of bus address {address:#x}"),
        )?;
        match self.host.write(address, data) {
            Ok(()) => Ok(()),
            Err(error) => self.broken(HOST_PAGE, format_args!("write: {error}")),
        }
    }
}

/// Who a client is, for messages.
fn who(client: Client) -> &'static str {
    match (client.hub, client.id) {
        (Hub::Gc, 13) => "SDMA0",
        (Hub::Gc, 14) => "SDMA1",
        (Hub::Gc, 8..=10) => "a shader",
        (Hub::Gc, _) => "the command processor",
        (Hub::Mm, 6) => "PSP",
        (Hub::Mm, 7) => "SMU",
        (Hub::Mm, 15) => "IH",
        (Hub::Mm, _) => "an engine of the MM hub",
    }
}
