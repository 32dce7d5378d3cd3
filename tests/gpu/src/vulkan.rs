//! Kernels as WGSL through wgpu: Mesa's software Vulkan (lavapipe), or with `INFERNEL_VULKAN=gpu` the first real GPU.
//!
//! It runs the same files that our compiler takes, through naga and another compiler's back end: what it computes is what
//! the WGSL means. wgpu checks every access against the bounds of its buffer.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use wgpu::util::DeviceExt;

use crate::device::{Device, Launch, Outputs};

/// Where Debian puts the description of Mesa's software Vulkan.
const LAVAPIPE: &str = "/usr/share/vulkan/icd.d/lvp_icd.x86_64.json";

/// A Vulkan device.
pub struct Vulkan {
    device: wgpu::Device,
    queue: wgpu::Queue,
    name: String,
    subgroup: u32,
}

impl Vulkan {
    /// The device that tests run on, installed first if it is missing.
    ///
    /// # Errors
    /// If there is none, or it lacks something that kernels need.
    pub fn new() -> Result<Self> {
        let real = std::env::var("INFERNEL_VULKAN").is_ok_and(|value| value == "gpu");
        if !real {
            install_lavapipe()?;
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
        ensure!(missing.is_empty(), "{} lacks {missing:?}", info.name);
        let (device, queue) = adapter
            .request_device(&wgpu::DeviceDescriptor {
                required_features,
                required_limits: adapter.limits(),
                ..Default::default()
            })
            .await?;
        Ok(Self {
            device,
            queue,
            name: format!("{} ({})", info.name, info.driver),
            subgroup: info.subgroup_min_size,
        })
    }

    fn pipeline(
        &self,
        launch: &Launch,
        layout: &wgpu::BindGroupLayout,
    ) -> Result<wgpu::ComputePipeline> {
        let variant = launch.variant()?;
        let source = shaders::source(variant.file).context("no such file")?;
        let mut constants = variant.overrides.to_vec();
        if source.contains("override SUBGROUP:") {
            constants.push(("SUBGROUP", f64::from(self.subgroup)));
        }
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let module = self
            .device
            .create_shader_module(wgpu::ShaderModuleDescriptor {
                label: Some(variant.file),
                source: wgpu::ShaderSource::Wgsl(source.into()),
            });
        let layout = self
            .device
            .create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: None,
                bind_group_layouts: &[Some(layout)],
                immediate_size: launch.immediates.len() as u32,
            });
        let pipeline = self
            .device
            .create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(variant.name),
                layout: Some(&layout),
                module: &module,
                entry_point: Some(variant.entry),
                compilation_options: wgpu::PipelineCompilationOptions {
                    constants: &constants,
                    ..Default::default()
                },
                cache: None,
            });
        match pollster::block_on(scope.pop()) {
            Some(error) => bail!("{}: {error}", variant.file),
            None => Ok(pipeline),
        }
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

    fn run(&self, launch: &Launch) -> Result<Outputs> {
        let layout_entries: Vec<_> = launch.buffers.iter().map(layout_entry).collect();
        let layout = self
            .device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: None,
                entries: &layout_entries,
            });
        let pipeline = self.pipeline(launch, &layout)?;
        let buffers: Vec<_> = launch
            .buffers
            .iter()
            .map(|buffer| {
                self.device
                    .create_buffer_init(&wgpu::util::BufferInitDescriptor {
                        label: None,
                        contents: &buffer.bytes,
                        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC,
                    })
            })
            .collect();
        let entries: Vec<_> = launch
            .buffers
            .iter()
            .zip(&buffers)
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
            if !launch.immediates.is_empty() {
                pass.set_immediates(0, &launch.immediates);
            }
            let [x, y, z] = launch.groups;
            pass.dispatch_workgroups(x, y, z);
        }
        let mut staged = Vec::new();
        for (buffer, on_device) in launch.buffers.iter().zip(&buffers) {
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
}

fn layout_entry(buffer: &crate::device::Buffer) -> wgpu::BindGroupLayoutEntry {
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
fn install_lavapipe() -> Result<()> {
    if !Path::new(LAVAPIPE).exists() {
        qemu::setup::install(&["mesa-vulkan-drivers", "libvulkan1"]).context(
            "software Vulkan is missing (apt-get install mesa-vulkan-drivers libvulkan1)",
        )?;
    }
    Ok(())
}
