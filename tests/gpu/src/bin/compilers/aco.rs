//! Mesa's ACO on SPIR-V, with no GPU: RADV makes a null device, compiles for it, and tells statistics and assembly.
//!
//! The driver is chosen by the environment, which the loader reads when a process starts: so this is called as
//! `compilers aco ENTRY FILE.spv` by [`crate::mesa`], which sets that up, and answers on stdout as JSON.

use std::ffi::{CStr, CString};

use anyhow::{Context, Result, ensure};
use ash::vk;
use serde_json::{Value, json};

/// Bindings of set 0 to offer; a kernel uses the first few.
const BINDINGS: u32 = 16;
/// Sets to offer.
const SETS: usize = 2;
/// Bytes of push constants to offer: the least that Vulkan demands.
const PUSH_CONSTANT_BYTES: u32 = 128;

/// Compiles `words` for the first device that the loader shows and returns statistics and assembly.
pub(crate) fn compile(words: &[u32], entry_point: &str) -> Result<Value> {
    // SAFETY: the loader is the system's Vulkan loader, which keeps the Vulkan specification's promises.
    let entry =
        unsafe { ash::Entry::load() }.context("cannot load libvulkan.so.1; install libvulkan1")?;
    let device = NullDevice::new(&entry)?;
    device.pipeline(words, entry_point)
}

struct NullDevice {
    instance: ash::Instance,
    device: ash::Device,
    name: String,
}

impl NullDevice {
    fn new(entry: &ash::Entry) -> Result<Self> {
        let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
        let info = vk::InstanceCreateInfo::default().application_info(&application);
        // SAFETY: `info` and what it points to live until the call returns.
        let instance = unsafe { entry.create_instance(&info, None) }
            .context("cannot make a Vulkan instance")?;
        // SAFETY: the instance was just made.
        let devices = unsafe { instance.enumerate_physical_devices() }?;
        let physical = *devices
            .first()
            .context("RADV shows no device: is RADV_FORCE_FAMILY set?")?;
        // SAFETY: `physical` belongs to `instance`.
        let properties = unsafe { instance.get_physical_device_properties(physical) };
        let name = properties
            .device_name_as_c_str()?
            .to_string_lossy()
            .into_owned();
        // SAFETY: as above.
        let extensions = unsafe { instance.enumerate_device_extension_properties(physical) }?;
        let has = |wanted: &CStr| {
            extensions
                .iter()
                .any(|e| e.extension_name_as_c_str() == Ok(wanted))
        };
        let statistics = ash::khr::pipeline_executable_properties::NAME;
        ensure!(has(statistics), "{name} has no pipeline statistics");
        let matrix = ash::khr::cooperative_matrix::NAME;
        let mut enabled = vec![statistics.as_ptr()];
        let mut matrices = vk::PhysicalDeviceCooperativeMatrixFeaturesKHR::default();
        let mut executables = vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default();
        let mut v11 = vk::PhysicalDeviceVulkan11Features::default();
        let mut v12 = vk::PhysicalDeviceVulkan12Features::default();
        let mut v13 = vk::PhysicalDeviceVulkan13Features::default();
        let mut features = vk::PhysicalDeviceFeatures2::default()
            .push_next(&mut v11)
            .push_next(&mut v12)
            .push_next(&mut v13)
            .push_next(&mut executables);
        if has(matrix) {
            enabled.push(matrix.as_ptr());
            features = features.push_next(&mut matrices);
        }
        // SAFETY: the chain lives until the call returns; it asks for all features, which are then all enabled.
        unsafe { instance.get_physical_device_features2(physical, &mut features) };
        let priorities = [1.0];
        let queues = [vk::DeviceQueueCreateInfo::default().queue_priorities(&priorities)];
        let info = vk::DeviceCreateInfo::default()
            .queue_create_infos(&queues)
            .enabled_extension_names(&enabled)
            .push_next(&mut features);
        // SAFETY: all that `info` points to lives until the call returns.
        let device = unsafe { instance.create_device(physical, &info, None) }
            .with_context(|| format!("cannot make a device of {name}"))?;
        Ok(Self {
            instance,
            device,
            name,
        })
    }

    fn pipeline(&self, words: &[u32], entry_point: &str) -> Result<Value> {
        let module_info = vk::ShaderModuleCreateInfo::default().code(words);
        let layout = self.layout()?;
        let entry_name = CString::new(entry_point)?;
        let mut wave32 = vk::PipelineShaderStageRequiredSubgroupSizeCreateInfo::default()
            .required_subgroup_size(32);
        // SAFETY: `words` is SPIR-V that naga validated; `module_info` lives until the call returns.
        let module = unsafe { self.device.create_shader_module(&module_info, None) }?;
        let stage = vk::PipelineShaderStageCreateInfo::default()
            .stage(vk::ShaderStageFlags::COMPUTE)
            .module(module)
            .name(&entry_name)
            .push_next(&mut wave32);
        let flags = vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR
            | vk::PipelineCreateFlags::CAPTURE_INTERNAL_REPRESENTATIONS_KHR;
        let info = vk::ComputePipelineCreateInfo::default()
            .stage(stage)
            .layout(layout)
            .flags(flags);
        // SAFETY: module, layout and name live until the call returns.
        let pipelines = unsafe {
            self.device
                .create_compute_pipelines(vk::PipelineCache::null(), &[info], None)
        };
        let pipelines = pipelines
            .map_err(|(_, error)| error)
            .context("RADV refuses the kernel")?;
        self.report(pipelines[0])
    }

    fn layout(&self) -> Result<vk::PipelineLayout> {
        let bindings: Vec<_> = (0..BINDINGS)
            .map(|binding| {
                vk::DescriptorSetLayoutBinding::default()
                    .binding(binding)
                    .descriptor_type(vk::DescriptorType::STORAGE_BUFFER)
                    .descriptor_count(1)
                    .stage_flags(vk::ShaderStageFlags::COMPUTE)
            })
            .collect();
        let info = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
        // SAFETY: `info` lives until the call returns.
        let set = unsafe { self.device.create_descriptor_set_layout(&info, None) }?;
        let sets = [set; SETS];
        let ranges = [vk::PushConstantRange::default()
            .stage_flags(vk::ShaderStageFlags::COMPUTE)
            .size(PUSH_CONSTANT_BYTES)];
        let info = vk::PipelineLayoutCreateInfo::default()
            .set_layouts(&sets)
            .push_constant_ranges(&ranges);
        // SAFETY: `info` lives until the call returns, the sets belong to this device.
        Ok(unsafe { self.device.create_pipeline_layout(&info, None) }?)
    }

    fn report(&self, pipeline: vk::Pipeline) -> Result<Value> {
        let extension =
            ash::khr::pipeline_executable_properties::Device::new(&self.instance, &self.device);
        let info = vk::PipelineExecutableInfoKHR::default().pipeline(pipeline);
        // SAFETY: the pipeline was made with CAPTURE_STATISTICS.
        let statistics = unsafe { extension.get_pipeline_executable_statistics(&info) }?;
        let mut numbers = serde_json::Map::new();
        for statistic in &statistics {
            let name = statistic.name_as_c_str()?.to_string_lossy().into_owned();
            // SAFETY: the format says which member of the union is valid.
            let number = unsafe {
                match statistic.format {
                    vk::PipelineExecutableStatisticFormatKHR::UINT64 => json!(statistic.value.u64),
                    vk::PipelineExecutableStatisticFormatKHR::INT64 => json!(statistic.value.i64),
                    vk::PipelineExecutableStatisticFormatKHR::FLOAT64 => json!(statistic.value.f64),
                    _ => json!(statistic.value.b32 != 0),
                }
            };
            numbers.insert(name, number);
        }
        Ok(json!({
            "device": self.name,
            "statistics": numbers,
            "assembly": self.assembly(&extension, &info)?,
        }))
    }

    /// The text of the representation that is called "Assembly".
    fn assembly(
        &self,
        extension: &ash::khr::pipeline_executable_properties::Device,
        info: &vk::PipelineExecutableInfoKHR<'_>,
    ) -> Result<String> {
        // Two calls by the extension's rule: one for the sizes, one that fills buffers of these sizes. ash's own wrapper
        // does not hand buffers in.
        let function = extension
            .fp()
            .get_pipeline_executable_internal_representations_khr;
        let mut count = 0;
        // SAFETY: with a null array the call only tells the count.
        unsafe { function(self.device.handle(), info, &mut count, std::ptr::null_mut()) }
            .result()?;
        let mut items =
            vec![vk::PipelineExecutableInternalRepresentationKHR::default(); count as usize];
        // SAFETY: `items` has `count` places; without buffers the call only tells sizes.
        unsafe { function(self.device.handle(), info, &mut count, items.as_mut_ptr()) }.result()?;
        let mut texts: Vec<Vec<u8>> = items.iter().map(|item| vec![0; item.data_size]).collect();
        for (item, text) in items.iter_mut().zip(&mut texts) {
            item.p_data = text.as_mut_ptr().cast();
        }
        // SAFETY: every item points to a buffer of the size that it names, which outlives the call.
        unsafe { function(self.device.handle(), info, &mut count, items.as_mut_ptr()) }.result()?;
        for (item, text) in items.iter().zip(&texts) {
            if item.name_as_c_str()? == c"Assembly" {
                return Ok(String::from_utf8_lossy(text)
                    .trim_end_matches('\0')
                    .to_owned());
            }
        }
        anyhow::bail!("RADV gave no assembly")
    }
}
