//! `selftest=gpu`: every shipped kernel on random data on the card, compared with the CPU, before anything is served.

use alloc::format;
use alloc::string::String;

use amdgpu::smu::Performance;
use amdgpu_selftest::{Judgement, OnCard, Plan, Summary, run};
use pci_types::PciAddress;
use shader_cases::Size;

use super::{Gpu, Running, State};
use crate::serve::print;

/// The cheapest case of every kernel, always with the same numbers, so that two reports can be compared.
const PLAN: Plan<'_> = Plan {
    seed: 1,
    size: Size::Small,
    only: "",
};

impl Gpu {
    /// Runs the test; its result goes to the console. Kernels that cannot be run, because no card is there that could, are
    /// failures: whoever asked for the test wants to know that the card computes.
    pub fn selftest(&mut self) {
        let result = match &mut self.state {
            State::Off(why) => Err(why.clone()),
            State::Running(running) => running.selftest(self.address),
        };
        match result {
            Ok(summary) => print(&format!("{summary}\n")),
            Err(why) => report_none(&why),
        }
    }
}

/// Says that no kernel was run.
pub fn report_none(why: &str) {
    let kernels = shaders::KERNELS.len();
    print(&format!(
        "no kernel was run: {why}\nselftest: 0 passed, {kernels} failed\n"
    ));
}

impl Running {
    fn selftest(&mut self, address: PciAddress) -> Result<Summary, String> {
        let words = |error: amdgpu::Error| format!("{error}");
        let gpu = &mut self.gpu;
        let fast = gpu
            .smu
            .set_performance(&mut gpu.device, Performance::Highest);
        fast.map_err(words)?;
        log::info!("gpu {address}: self-test with seed {}", PLAN.seed);
        let mut device = OnCard::new(gpu, shaders::KERNELS).map_err(words)?;
        let summary = run(&mut device, &PLAN, &mut |outcome| {
            match &outcome.judgement {
                Judgement::Passed => log::info!("gpu {address}: {outcome}"),
                _ => log::error!("gpu {address}: {outcome}"),
            };
        });
        if let Err(error) = device.finish() {
            log::error!("gpu {address}: the self-test's memory: {error}");
        }
        let slow = gpu
            .smu
            .set_performance(&mut gpu.device, Performance::Lowest);
        if let Err(error) = slow {
            log::error!("gpu {address}: clocks: {error}");
        }
        Ok(summary)
    }
}
