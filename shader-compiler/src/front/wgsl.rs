//! WGSL to SPIR-V by naga, with the options that leave the code as it was written.

use naga::back::spv;
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ValidationFlags, Validator};

use super::defects;
use crate::error::{Fault, Reason};

/// What kernels may use.
fn capabilities() -> Capabilities {
    Capabilities::IMMEDIATES
        | Capabilities::SHADER_FLOAT16
        | Capabilities::SHADER_FLOAT16_IN_FLOAT32
        | Capabilities::SHADER_INT16
        | Capabilities::SHADER_INT64
        | Capabilities::SHADER_FLOAT32_ATOMIC
        | Capabilities::SUBGROUP
        | Capabilities::SUBGROUP_BARRIER
        | Capabilities::COOPERATIVE_MATRIX
        | Capabilities::MEMORY_DECORATION_COHERENT
        | Capabilities::MEMORY_DECORATION_VOLATILE
}

/// See [`super::spirv`].
///
/// The code is not changed by checks: indices are taken as they are, loops may run for ever, workgroup memory starts
/// undefined. Statements carry their line.
pub(super) fn spirv(source: &str, overrides: &[(String, f64)]) -> Result<Vec<u32>, Fault> {
    let refuse = |source: u32, message: String| Fault {
        reason: Reason::Wgsl(message),
        source,
    };
    if let Some((offset, message)) = defects::in_source(source) {
        return Err(Fault {
            reason: Reason::Unsupported(message),
            source: offset,
        });
    }
    let options = naga::front::wgsl::Options {
        parse_doc_comments: false,
        capabilities: capabilities(),
    };
    let mut module = naga::front::wgsl::Frontend::new_with_options(options)
        .parse(source)
        .map_err(|e| {
            refuse(
                first_span(e.labels().map(|(span, _)| span)),
                one_line(&parse_message(&e)),
            )
        })?;
    defects::repair(&mut module);
    let info = Validator::new(ValidationFlags::all(), capabilities())
        .validate(&module)
        .map_err(|e| {
            let spans = e.spans().map(|(span, _)| *span);
            refuse(
                first_span(spans.chain(too_large(&module, e.as_inner()))),
                one_line(&chain(e.as_inner())),
            )
        })?;
    if let Some((offset, message)) = defects::in_module(&module, &info) {
        return Err(Fault {
            reason: Reason::Unsupported(message),
            source: offset,
        });
    }
    let mut constants = naga::back::PipelineConstants::default();
    for (name, value) in overrides {
        constants.insert(name.clone(), *value);
    }
    let (module, info) =
        naga::back::pipeline_constants::process_overrides(&module, &info, None, &constants)
            .map_err(|e| refuse(u32::MAX, one_line(&chain(&e))))?;
    let options = spv::Options {
        lang_version: (1, 6),
        flags: spv::WriterFlags::DEBUG,
        bounds_check_policies: BoundsCheckPolicies {
            index: BoundsCheckPolicy::Unchecked,
            buffer: BoundsCheckPolicy::Unchecked,
            image_load: BoundsCheckPolicy::Unchecked,
            binding_array: BoundsCheckPolicy::Unchecked,
        },
        zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
        force_loop_bounding: false,
        emit_int_div_checks: false,
        debug_info: Some(spv::DebugInfo {
            source_code: source,
            file_name: "",
            language: spv::SourceLanguage::WGSL,
        }),
        ..spv::Options::default()
    };
    spv::write_vec(&module, &info, &options, None)
        .map_err(|e| refuse(u32::MAX, one_line(&chain(&e))))
}

/// The variables of a type that is too large, which naga leaves without a place.
fn too_large(
    module: &naga::Module,
    error: &naga::valid::ValidationError,
) -> impl Iterator<Item = naga::Span> {
    let ty = match error {
        naga::valid::ValidationError::Layouter(error) => Some(error.ty),
        _ => None,
    };
    let variables = &module.global_variables;
    let of_type = variables.iter().filter(move |(_, v)| Some(v.ty) == ty);
    of_type.map(|(handle, _)| variables.get_span(handle))
}

/// Byte offset where the first defined span begins.
fn first_span(spans: impl Iterator<Item = naga::Span>) -> u32 {
    spans
        .filter_map(|span| span.to_range())
        .map(|range| range.start as u32)
        .next()
        .unwrap_or(u32::MAX)
}

/// The message, with what naga says of the place.
fn parse_message(error: &naga::front::wgsl::ParseError) -> String {
    let label = error
        .labels()
        .map(|(_, text)| text)
        .find(|text| !text.is_empty());
    match label {
        Some(label) if !error.message().contains(label) => format!("{} ({label})", error.message()),
        _ => error.message().to_string(),
    }
}

/// An error and its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
