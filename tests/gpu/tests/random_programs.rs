//! Random structured programs give the same words as our machine code in the strict interpreter and on software Vulkan.
//!
//! `INFERNEL_PROGRAMS=N` runs N programs, `INFERNEL_SEED=S` starts from seed S: a failure prints the seed that replays it.

use anyhow::{Context, Result, ensure};
use gpu_tests::device::Buffer;
use gpu_tests::machine::Machine;
use gpu_tests::random_programs::{INPUT_WORDS, Program, WORDS};
use gpu_tests::vulkan::Vulkan;
use tests::random::Random;

/// Programs in a run of the test set.
const PROGRAMS: u64 = 100;
/// What the first program is made from.
const SEED: u64 = 20_261_120;

fn number(name: &str, default: u64) -> u64 {
    let given = std::env::var(name).ok();
    given.map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text}: expected a number"))
    })
}

fn differs(vulkan: &Vulkan, machine: &Machine, seed: u64) -> Result<()> {
    let program = Program::of(seed);
    let mut random = Random::new(!seed);
    let input: Vec<u8> = (0..INPUT_WORDS)
        .flat_map(|_| (random.number() as u32).to_le_bytes())
        .collect();
    let words = (program.workgroup * program.groups) as usize * WORDS;
    let buffers = [
        Buffer {
            binding: 0,
            bytes: input,
            written: false,
        },
        Buffer {
            binding: 1,
            bytes: vec![0xa5; 4 * words],
            written: true,
        },
    ];
    let immediates: Vec<u8> = [seed as u32, (seed % 11) as u32]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    let groups = [program.groups, 1, 1];
    let objects = shader_compiler::compile(
        &program.source,
        "random.wgsl",
        &mut shader_compiler::Options::default(),
    )?;
    let object = objects.first().context("compiling gave no kernel")?;
    let (ours, _) = machine.execute_object(object, &buffers, &immediates, groups)?;
    let theirs = vulkan.run_source(&program.source, "main", &[], &buffers, &immediates, groups)?;
    let (ours, theirs) = (ours.get::<u32>(1)?, theirs.get::<u32>(1)?);
    let wrong = ours.iter().zip(&theirs).position(|(a, b)| a != b);
    ensure!(
        wrong.is_none(),
        "word {} of invocation {}: ours {:#x}, Vulkan's {:#x}",
        wrong.unwrap_or(0) % WORDS,
        wrong.unwrap_or(0) / WORDS,
        ours[wrong.unwrap_or(0)],
        theirs[wrong.unwrap_or(0)]
    );
    Ok(())
}

#[test]
fn random_programs_compute_what_vulkan_computes() -> Result<()> {
    let (vulkan, machine) = (Vulkan::new()?, Machine::default());
    let (first, count) = (
        number("INFERNEL_SEED", SEED),
        number("INFERNEL_PROGRAMS", PROGRAMS),
    );
    let mut wrong = 0;
    for seed in first..first + count {
        if let Err(error) = differs(&vulkan, &machine, seed) {
            println!("INFERNEL_SEED={seed} INFERNEL_PROGRAMS=1: {error:#}");
            wrong += 1;
        }
    }
    assert_eq!(wrong, 0, "of {count} programs from seed {first}");
    Ok(())
}
