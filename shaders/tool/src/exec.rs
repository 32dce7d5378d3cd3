//! `exec`: state of a workgroup as JSON in, final state as JSON out.

mod input;
mod output;

use std::io::Read as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use gfx1100_interpreter::{Options, Program, Strictness, execute};

use input::Input;

pub(crate) const HELP: &str = r#"cargo shaders -- exec < state.json

Executes gfx1100 machine code from a state given as one JSON object on stdin and prints the final state in the same form.
Numbers are integers or strings like "0x1f". Keys, all but code optional:

  code         hex digits of the machine code, which ends in s_endpgm
  sgprs        {"0": n, "s7": n}
  vgprs        {"0": n or a list, "v1": ..}: one value for all lanes, or one for each; null is an undefined lane
  exec         active lanes (default 0xffffffff)
  vcc, m0      undefined if not given; vcc_hi likewise
  scc          0 or 1, undefined if not given
  mode         the MODE register (default 0x1f0: round to nearest even, denormals kept, dx10_clamp)
  pc           byte offset of the first instruction (default 0)
  lds          hex digits of workgroup memory; lds_bytes makes it larger by bytes that nobody wrote
  memory       [{"addr": n, "bytes": hex}]; "size": n makes a range larger by bytes that nobody wrote
  scratch_bytes  for each lane (default 0)
  vgpr_count   VGPRs allocated (default 256)
  waves        waves of 32, which form one workgroup (default 1)
  max_steps    steps of a wave (default 1000000)
  strict       false runs without the checks for undefined values, waits, hazards, alignment, races (default true)

With waves > 1 a value of sgprs, exec, vcc, vcc_hi, m0, scc, mode and pc may be a list, one for each wave, and a list of
vgprs has 32 values or 32 for each wave; the output has such lists.

The output has these keys, and steps; registers that are undefined are left out. Where the code broke a rule it has
"error": {"rule", "pc", "instruction", "wave", "lane", "message"}, and the status is 1. Bad input is status 2.
"#;

pub(crate) fn run(arguments: lexopt::Parser) -> Result<ExitCode> {
    crate::no_more_arguments(arguments)?;
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .context("stdin")?;
    let input = Input::parse(&text)?;
    let (output, stopped) = run_input(&input)?;
    println!("{output}");
    Ok(if stopped {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// The final state, and whether the code broke a rule.
fn run_input(input: &Input) -> Result<(serde_json::Value, bool)> {
    let program = Program::new(&input.code, CODE_ADDRESS, input.vgpr_count).context("\"code\"")?;
    let options = Options {
        strictness: if input.strict {
            Strictness::strict()
        } else {
            Strictness::lenient()
        },
        threads: 1,
        max_steps: input.max_steps,
    };
    let outcome = execute(&program, &input.machine, &input.memory, &options);
    let stopped = outcome.stop.is_some();
    Ok((output::render(&outcome, input)?, stopped))
}

/// Where `s_getpc` finds the code; no memory is there.
const CODE_ADDRESS: u64 = 0x7f00_0000_0000;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn check(input: Value) -> (Value, bool) {
        let input = Input::parse(&input.to_string()).unwrap();
        run_input(&input).unwrap()
    }

    /// `v_add_nc_u32 v2, v0, v1`, `s_endpgm`.
    const ADD: &str = "0003044a0000b0bf";

    #[test]
    fn a_vector_addition() {
        let lanes: Vec<u32> = (0..32).collect();
        let (output, stopped) = check(json!({
            "code": ADD,
            "vgprs": {"0": lanes, "v1": "0x64"},
        }));
        assert!(!stopped, "{output}");
        let sums: Vec<u32> = (100..132).collect();
        assert_eq!(output["vgprs"]["2"], json!(sums));
        assert_eq!(output["steps"], 2);
        assert_eq!(output["exec"], json!(u32::MAX));
    }

    #[test]
    fn inactive_lanes_stay() {
        let (output, _) = check(json!({
            "code": ADD,
            "vgprs": {"0": 1, "1": 2, "2": 9},
            "exec": 2,
        }));
        assert_eq!(output["vgprs"]["2"][0], 9);
        assert_eq!(output["vgprs"]["2"][1], 3);
    }

    #[test]
    fn a_broken_rule_is_named() {
        let (output, stopped) = check(json!({"code": ADD, "vgprs": {"0": 1}}));
        assert!(stopped);
        assert_eq!(output["error"]["rule"], "undefined-vgpr");
        assert_eq!(output["error"]["lane"], 0);
        assert_eq!(output["pc"], 0);
        let (lenient, stopped) = check(json!({"code": ADD, "vgprs": {"0": 1}, "strict": false}));
        assert!(!stopped);
        assert_eq!(lenient["vgprs"]["2"][5], 1);
    }

    #[test]
    fn the_output_is_an_input() {
        let given = json!({
            "code": ADD,
            "sgprs": {"3": 7},
            "vgprs": {"0": 1, "1": 2},
            "vcc": 5, "scc": 1, "m0": 4,
            "lds": "00112233",
            "memory": [{"addr": "0x1000", "bytes": "deadbeef"}],
            "waves": 2,
        });
        let (mut output, _) = check(given);
        assert_eq!(
            output["memory"],
            json!([{"addr": 0x1000, "bytes": "deadbeef"}])
        );
        assert_eq!(output["sgprs"]["3"], json!([7, 7]));
        let steps = output.as_object_mut().unwrap().remove("steps").unwrap();
        assert_eq!(steps, 4);
        output["code"] = json!(ADD);
        output["pc"] = json!(0);
        let (again, stopped) = check(output.clone());
        assert!(!stopped, "{again}");
        assert_eq!(again["vgprs"], output["vgprs"]);
    }

    #[test]
    fn bad_input_is_named() {
        let error = |input: Value| {
            let parsed = Input::parse(&input.to_string()).and_then(|input| run_input(&input));
            format!("{:#}", parsed.unwrap_err())
        };
        let with = |key: &str, value: Value| {
            let mut input = json!({"code": ADD});
            input[key] = value;
            error(input)
        };
        assert!(error(json!({})).contains("\"code\""));
        assert!(with("sgpr", json!({})).contains("\"sgpr\""));
        // What is written wrong is named before what is missing: it may be the reason.
        assert!(error(json!({"cod": ADD})).contains("\"cod\""));
        let range = json!([{"address": 0, "bytes": "00"}]);
        assert!(with("memory", range).contains("\"address\""));
        let range = json!([{"addr": 0, "size": 1u64 << 40}]);
        assert!(with("memory", range).contains("\"size\""));
        let range = |addr: u64| json!({"addr": addr, "size": 1u64 << 28});
        assert!(with("memory", json!([range(0), range(1 << 32)])).contains("in all"));
        assert!(with("scratch_bytes", json!(1 << 20)).contains("\"scratch_bytes\""));
        assert!(with("sgprs", json!({"106": 1})).contains("\"106\""));
        assert!(with("sgprs", json!({"1": 1, "s1": 2})).contains("\"s1\""));
        assert!(with("vgprs", json!({"0": [1, 2]})).contains("32"));
        assert!(with("exec", json!("0x1_0")).contains("\"exec\""));
        assert!(with("exec", json!(1u64 << 32)).contains("32 bits"));
        assert!(with("lds", json!("0g")).contains("\"lds\""));
        assert!(with("code", json!("00")).contains("\"code\""));
        assert!(with("waves", json!(0)).contains("\"waves\""));
        assert!(with("memory", json!([{"addr": 0}])).contains("\"memory\""));
        assert!(error(json!([])).contains("object"));
        assert!(format!("{:#}", Input::parse("{").err().unwrap()).contains("JSON"));
    }
}
