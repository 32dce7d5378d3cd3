//! Kernels as WGSL through wgpu: Mesa's software Vulkan (lavapipe), or with `INFERNEL_VULKAN=gpu` the first real GPU.
//!
//! It runs the same files that our compiler takes, through naga and another compiler's back end: what it computes is what
//! the WGSL means. wgpu checks every access against the bounds of its buffer.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use shader_cases::{Buffer, Device, Error, Launch, Outputs};
use wgpu::util::DeviceExt;

use crate::deadline::within;

/// Where Debian puts the description of Mesa's software Vulkan.
const LAVAPIPE: &str = "/usr/share/vulkan/icd.d/lvp_icd.x86_64.json";

/// How long a kernel may take; the slowest case takes a second on software Vulkan.
const ANSWER: Duration = Duration::from_secs(120);

/// A Vulkan device.
pub struct Vulkan {
    device: wgpu::Device,
    queue: wgpu::Queue,
    name: String,
    subgroup: u32,
    /// It has cooperative matrices.
    tiles: bool,
}

impl Vulkan {
    /// The device that tests run on, installed first if it is missing.
    ///
    /// # Errors
    /// If there is none, or it lacks something that kernels need.
    pub fn new() -> Result<Self> {
        let real = std::env::var("INFERNEL_VULKAN").is_ok_and(|value| value == "gpu");
        if !real {
            install()?;
        }
        pollster::block_on(Self::open(real))
    }

    async fn open(real: bool) -> Result<Self> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
            backends: wgpu::Backends::VULKAN,
            ..wgpu::InstanceDescriptor::new_without_display_handle()
        });
        let adapters = instance.enumerate_adapters(wgpu::Backends::VULKAN).await;
        let software =
            |adapter: &wgpu::Adapter| adapter.get_info().device_type == wgpu::DeviceType::Cpu;
        let adapter = adapters
            .into_iter()
            .find(|adapter| software(adapter) != real)
            .context("no Vulkan device (apt-get install mesa-vulkan-drivers)")?;
        let info = adapter.get_info();
        let required_features = wgpu::Features::SHADER_F16
            | wgpu::Features::SUBGROUP
            | wgpu::Features::SUBGROUP_BARRIER
            | wgpu::Features::IMMEDIATES;
        let missing = required_features - adapter.features();
        let tiles = adapter.features() & wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX;
        ensure!(missing.is_empty(), "{} lacks {missing:?}", info.name);
        let experimental_features = if tiles.is_empty() {
            wgpu::ExperimentalFeatures::disabled()
        } else {
            // SAFETY: the only such feature that is asked for is used as its description says.
            unsafe { wgpu::ExperimentalFeatures::enabled() }
        };
        let (device, queue) = adapter
            .request_device(&wgpu::DeviceDescriptor {
                required_features: required_features | tiles,
                required_limits: adapter.limits(),
                experimental_features,
                ..Default::default()
            })
            .await?;
        Ok(Self {
            device,
            queue,
            name: format!("{} ({})", info.name, info.driver),
            subgroup: info.subgroup_min_size,
            tiles: !tiles.is_empty(),
        })
    }

    fn pipeline(
        &self,
        source: &str,
        entry: &str,
        constants: &[(&str, f64)],
        layout: &wgpu::PipelineLayout,
    ) -> Result<wgpu::ComputePipeline> {
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let module = self
            .device
            .create_shader_module(wgpu::ShaderModuleDescriptor {
                label: None,
                source: wgpu::ShaderSource::Wgsl(source.into()),
            });
        let pipeline = self
            .device
            .create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: None,
                layout: Some(layout),
                module: &module,
                entry_point: Some(entry),
                compilation_options: wgpu::PipelineCompilationOptions {
                    constants,
                    ..Default::default()
                },
                cache: None,
            });
        match pollster::block_on(scope.pop()) {
            Some(error) => bail!("{error}"),
            None => Ok(pipeline),
        }
    }

    /// Runs an entry point of a WGSL text to its end and gives back the buffers that it may write.
    ///
    /// # Errors
    /// If the text is not valid or does not fit the buffers.
    pub fn run_source(
        &self,
        source: &str,
        entry: &str,
        constants: &[(&str, f64)],
        buffers: &[Buffer],
        immediates: &[u8],
        groups: [u32; 3],
    ) -> Result<Outputs> {
        let entries: Vec<_> = buffers.iter().map(layout_entry).collect();
        let layout = self
            .device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: None,
                entries: &entries,
            });
        let pipeline_layout = self
            .device
            .create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: None,
                bind_group_layouts: &[Some(&layout)],
                immediate_size: immediates.len() as u32,
            });
        let pipeline = self.pipeline(source, entry, constants, &pipeline_layout)?;
        let on_device: Vec<_> = buffers.iter().map(|buffer| self.upload(buffer)).collect();
        let entries: Vec<_> = buffers
            .iter()
            .zip(&on_device)
            .map(|(buffer, on_device)| wgpu::BindGroupEntry {
                binding: buffer.binding,
                resource: on_device.as_entire_binding(),
            })
            .collect();
        let group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &layout,
            entries: &entries,
        });

        let mut encoder = self.device.create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &group, &[]);
            if !immediates.is_empty() {
                pass.set_immediates(0, immediates);
            }
            let [x, y, z] = groups;
            pass.dispatch_workgroups(x, y, z);
        }
        let mut staged = Vec::new();
        for (buffer, on_device) in buffers.iter().zip(&on_device) {
            if buffer.written {
                let copy = self.device.create_buffer(&wgpu::BufferDescriptor {
                    label: None,
                    size: on_device.size(),
                    usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
                    mapped_at_creation: false,
                });
                encoder.copy_buffer_to_buffer(on_device, 0, &copy, 0, on_device.size());
                staged.push((buffer.binding, copy));
            }
        }
        self.queue.submit([encoder.finish()]);
        let read = staged
            .into_iter()
            .map(|(binding, copy)| Ok((binding, self.read(&copy)?)));
        Ok(Outputs(read.collect::<Result<_>>()?))
    }

    fn upload(&self, buffer: &Buffer) -> wgpu::Buffer {
        self.device
            .create_buffer_init(&wgpu::util::BufferInitDescriptor {
                label: None,
                contents: &buffer.bytes,
                usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC,
            })
    }

    /// Copies a buffer back.
    fn read(&self, buffer: &wgpu::Buffer) -> Result<Vec<u8>> {
        let (sender, receiver) = std::sync::mpsc::channel();
        buffer.map_async(wgpu::MapMode::Read, .., move |result| {
            // The receiver waits below until this was called.
            let _ = sender.send(result);
        });
        self.device.poll(wgpu::PollType::wait_indefinitely())?;
        receiver.recv()??;
        Ok(buffer.get_mapped_range(..)?.to_vec())
    }
}

impl Device for Vulkan {
    fn name(&self) -> String {
        format!("{}, subgroups of {}", self.name, self.subgroup)
    }

    fn runs(&self, launch: &Launch) -> shader_cases::Result<bool> {
        let needs_tiles = launch.source()?.contains("enable wgpu_cooperative_matrix;");
        Ok(self.tiles || !needs_tiles)
    }

    fn run(&mut self, launch: &Launch) -> shader_cases::Result<Outputs> {
        let variant = launch.variant()?;
        let source = launch.source()?;
        let mut constants = variant.overrides.to_vec();
        if source.contains("override SUBGROUP:") {
            constants.push(("SUBGROUP", f64::from(self.subgroup)));
        }
        let Launch {
            buffers,
            immediates,
            groups,
            ..
        } = launch;
        within(
            ANSWER,
            &format!("{}, on {},", self.name(), launch.kernel),
            || {
                self.run_source(
                    source,
                    variant.entry,
                    &constants,
                    buffers,
                    immediates,
                    *groups,
                )
            },
        )
        .context(variant.file)
        .map_err(Error::new)
    }
}

fn layout_entry(buffer: &Buffer) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry {
        binding: buffer.binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer {
            ty: wgpu::BufferBindingType::Storage {
                read_only: !buffer.written,
            },
            has_dynamic_offset: false,
            min_binding_size: None,
        },
        count: None,
    }
}

/// Installs Mesa's software Vulkan if it is missing.
///
/// # Errors
/// If it cannot be installed.
pub fn install() -> Result<()> {
    if !Path::new(LAVAPIPE).exists() {
        qemu::setup::install(&["mesa-vulkan-drivers", "libvulkan1"]).context(
            "software Vulkan is missing (apt-get install mesa-vulkan-drivers libvulkan1)",
        )?;
    }
    Ok(())
}
