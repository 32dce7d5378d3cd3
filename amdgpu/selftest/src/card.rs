//! A card as what runs kernels: inputs by SDMA to video memory, a dispatch, results by SDMA back.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use amdgpu::memory::{Access, SharedBuffer, VramBuffer};
use amdgpu::queue::{Commands, KernelCode, Needs, Release, Staging};
use amdgpu::{Gpu, GpuVa};
use shader_cases::{Device, Error, Launch, Outputs};
use shaders::{Kernel, KernelError};

/// How long a kernel may run: the model takes seconds for some where the machine is busy.
const LIMIT: Duration = Duration::from_secs(30);
/// How often is looked whether it is done, or something is wrong.
const PAUSE: Duration = Duration::from_micros(100);
/// Failures of the queue after which the card is given up, as each may cost the whole limit.
const MOST_RECOVERIES: u32 = 3;
/// Pieces of staging memory, and bytes of each.
const STAGING: (usize, u64) = (2, 256 << 10);
/// Bytes for the argument segment; the largest of a shipped kernel has less than 200.
const ARGUMENTS: u64 = 4096;
/// Dwords of a dispatch with all registers.
const COMMANDS: usize = 128;
/// Where a program must begin.
const CODE_ALIGN: u64 = 256;

/// A card, its driver, and the kernels that it can run.
pub struct OnCard<'a> {
    gpu: &'a mut Gpu,
    kernels: &'static [Kernel],
    staging: Staging,
    arguments: SharedBuffer,
    commands: Commands,
    /// How often the compute queue was made anew.
    recoveries: u32,
    /// The queues do not answer any more.
    lost: bool,
}

impl<'a> OnCard<'a> {
    /// The kernels are `shaders::KERNELS`, unless it is a test.
    ///
    /// # Errors
    /// If there is no memory for inputs on their way.
    pub fn new(gpu: &'a mut Gpu, kernels: &'static [Kernel]) -> Result<Self, amdgpu::Error> {
        let Gpu { device, memory, .. } = &mut *gpu;
        let (slots, bytes) = STAGING;
        Ok(Self {
            staging: Staging::new(device, memory, slots, bytes)?,
            arguments: memory.allocate_host(device, ARGUMENTS)?,
            gpu,
            kernels,
            commands: Commands::new(COMMANDS),
            recoveries: 0,
            lost: false,
        })
    }

    /// Gives the card's memory back.
    ///
    /// # Errors
    /// If the card does not take it.
    pub fn finish(self) -> Result<(), amdgpu::Error> {
        let Gpu { device, memory, .. } = self.gpu;
        self.staging.free(device, memory)?;
        memory.free_host(device, self.arguments)
    }

    /// Brings data to video memory of its own.
    fn place(
        &mut self,
        data: &[u8],
        access: Access,
        held: &mut Vec<VramBuffer>,
    ) -> Result<GpuVa, amdgpu::Error> {
        let Gpu {
            device,
            memory,
            sdma: [sdma, _],
            ..
        } = &mut *self.gpu;
        let buffer = memory.allocate_vram(device, data.len() as u64, CODE_ALIGN, access)?;
        let va = buffer.va();
        held.push(buffer);
        self.staging.write(device, sdma, va, data)?;
        Ok(va)
    }

    /// Runs a launch, with video memory that is left in `held`.
    fn run_with(
        &mut self,
        kernel: &Kernel,
        launch: &Launch,
        held: &mut Vec<VramBuffer>,
    ) -> Result<Outputs, Failure> {
        let code = self.place(kernel.code, Access::CODE, held)?;
        let code = KernelCode::new(code, &needs(kernel))?;
        let mut places = Vec::new();
        for buffer in &launch.buffers {
            let va = self.place(&buffer.bytes, Access::DATA, held)?;
            places.push((buffer.binding, va, buffer.bytes.len()));
        }
        let place = |wanted| {
            let mut found = places.iter().filter(|(binding, ..)| *binding == wanted);
            found.next().map(|(_, va, bytes)| (va.0, *bytes as u64))
        };
        let mut arguments = vec![0; kernel.arguments.bytes as usize];
        kernel.write_arguments(&mut arguments, place, &launch.immediates, launch.groups)?;
        self.dispatch(&code, &arguments, launch.groups)?;
        let mut outputs = Vec::new();
        for (buffer, (binding, va, bytes)) in launch.buffers.iter().zip(places) {
            if buffer.written {
                outputs.push((binding, self.fetch(va, bytes)?));
            }
        }
        Ok(Outputs(outputs))
    }

    /// Dispatches a kernel and waits until it is done.
    fn dispatch(
        &mut self,
        code: &KernelCode,
        arguments: &[u8],
        groups: [u32; 3],
    ) -> Result<(), Failure> {
        let Gpu {
            device,
            compute,
            sdma: [sdma, _],
            ..
        } = &mut *self.gpu;
        self.staging.finish(device, sdma)?;
        self.arguments.write(device, 0, arguments)?;
        self.commands.clear();
        self.commands.dispatch(code, self.arguments.va(), groups);
        compute.code_changed();
        let fence = compute.submit(device, &self.commands, Release::Memory)?;
        let start = device.bus().now();
        loop {
            let Gpu {
                device, compute, ..
            } = &mut *self.gpu;
            let done = compute.is_done(device, fence);
            // Even where it is done: that the results are right does not excuse a fault.
            self.check_health()?;
            if done {
                return Ok(());
            }
            let Gpu {
                device, compute, ..
            } = &mut *self.gpu;
            let after = device.bus().now().saturating_sub(start);
            if after >= LIMIT {
                // For its report.
                let mut ended = compute.wait(device, fence, Duration::ZERO);
                if let Err(amdgpu::Error::Hung(hang)) = &mut ended {
                    hang.after = after;
                }
                return Ok(ended?);
            }
            device.bus().pause(PAUSE);
        }
    }

    fn fetch(&mut self, from: GpuVa, bytes: usize) -> Result<Vec<u8>, amdgpu::Error> {
        let Gpu {
            device,
            sdma: [sdma, _],
            ..
        } = &mut *self.gpu;
        let mut out = vec![0; bytes];
        self.staging.read(device, sdma, from, &mut out)?;
        Ok(out)
    }

    /// What happened on the card that nobody asked for is a failure.
    fn check_health(&mut self) -> Result<(), Failure> {
        let health = self.gpu.health()?;
        if health.is_good() {
            return Ok(());
        }
        let faults = health.faults.iter().map(ToString::to_string);
        let interrupts = health.fatal.iter().map(ToString::to_string);
        let all: Vec<_> = faults.chain(interrupts).collect();
        Err(Failure::Health(all.join("; ")))
    }

    /// After a failure of the card the compute queue is made anew; if that does not help, or did not, the card is left alone.
    fn recover(&mut self, failure: &Failure) {
        if !matches!(failure, Failure::Arguments(_)) {
            self.recoveries += 1;
            self.lost = self.gpu.recover_compute().is_err() || self.recoveries > MOST_RECOVERIES;
        }
    }

    fn free(&mut self, held: Vec<VramBuffer>) -> Result<(), Failure> {
        let Gpu { device, memory, .. } = &mut *self.gpu;
        for buffer in held {
            memory.free(device, buffer)?;
        }
        Ok(())
    }
}

/// Why a launch did not come to its end.
enum Failure {
    Card(amdgpu::Error),
    Arguments(KernelError<'static>),
    /// Faults and interrupts, in words.
    Health(String),
}

impl From<amdgpu::Error> for Failure {
    fn from(error: amdgpu::Error) -> Self {
        Self::Card(error)
    }
}

impl From<KernelError<'static>> for Failure {
    fn from(error: KernelError<'static>) -> Self {
        Self::Arguments(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Card(error) => Self::new(error),
            Failure::Arguments(error) => Self::new(error),
            Failure::Health(words) => Self::new(words),
        }
    }
}

fn needs(kernel: &Kernel) -> Needs {
    Needs {
        vgprs: kernel.vgprs,
        user_sgprs: kernel.user_sgprs,
        workgroup_ids: kernel.workgroup_ids,
        local_id_components: kernel.local_id_components,
        lds_bytes: kernel.lds_bytes,
        workgroup_size: kernel.workgroup_size,
        code_bytes: kernel.code_bytes,
    }
}

impl Device for OnCard<'_> {
    fn name(&self) -> String {
        self.gpu.identity().asic.to_string()
    }

    fn run(&mut self, launch: &Launch) -> shader_cases::Result<Outputs> {
        let mut kernels = self.kernels.iter();
        let kernel = kernels.find(|kernel| kernel.variant.name == launch.kernel);
        let kernel = kernel.ok_or_else(|| {
            Error::new(format_args!("{} is not among the kernels", launch.kernel))
        })?;
        let mut held = Vec::new();
        let mut ran = self.run_with(kernel, launch, &mut held);
        if let Err(failure) = &ran {
            self.recover(failure);
        }
        if !self.lost {
            ran = self.free(held).and(ran);
        }
        Ok(ran?)
    }

    fn is_lost(&self) -> bool {
        self.lost
    }
}
