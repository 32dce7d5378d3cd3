//! The commands of `hosted` as a user types them: what comes out, and with which status.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use inference::gguf::Header;
use serde_json::Value;

struct Outcome {
    status: i32,
    out: String,
    err: String,
}

fn demo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/demo.gguf")
}

fn run_with(arguments: &[&str], input: &str) -> Outcome {
    let mut process = Command::new(env!("CARGO_BIN_EXE_hosted"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("hosted starts");
    // A command that takes no input may have ended before it is written.
    let _ = process
        .stdin
        .take()
        .expect("it is piped")
        .write_all(input.as_bytes());
    let output = process.wait_with_output().expect("hosted ends");
    Outcome {
        status: output.status.code().expect("no signal ended it"),
        out: String::from_utf8(output.stdout).expect("UTF-8"),
        err: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// Runs a command on the demo model, which must succeed.
fn demo_with(arguments: &str, input: &str) -> String {
    let model = demo();
    let mut words: Vec<_> = arguments.split(' ').collect();
    words.extend(["--model", model.to_str().expect("UTF-8")]);
    let outcome = run_with(&words, input);
    assert_eq!(outcome.status, 0, "{arguments}: {}", outcome.err);
    outcome.out
}

#[test]
fn text_survives_the_way_to_ids_and_back() {
    let text = "Hello, world!\n  caf\u{e9} <|im_end|> \u{1f600}";
    let ids = demo_with("tokenize", text);
    assert_eq!(demo_with("detokenize", &ids), text);
    let line = serde_json::to_string(text).unwrap() + "\n\"\"\n";
    let lists = demo_with("tokenize --lines", &line);
    let expected = format!("[{}]\n[]\n", ids.trim_end().replace(' ', ", "));
    assert_eq!(lists, expected);
    let special = demo_with("tokenize --special", "<|im_end|>");
    assert_eq!(special.split_whitespace().count(), 1);
    assert_eq!(demo_with("detokenize", &special), "");
    assert_eq!(demo_with("detokenize --special", &special), "<|im_end|>");
}

#[test]
fn eval_is_the_same_for_all_kernels_and_threads() {
    let eval = |more: &str| {
        let out = demo_with(&format!("eval --ids 1,2,3 --predict 4 --top 5{more}"), "");
        serde_json::from_str::<Value>(out.lines().last().unwrap()).unwrap()
    };
    let scalar = eval(" --kernels scalar --threads 1");
    assert_eq!(scalar["top"].as_array().unwrap().len(), 5);
    assert_eq!(scalar["greedy"].as_array().unwrap().len(), 4);
    assert_eq!(scalar["top"][0], scalar["greedy"][0]);
    for more in ["", " --threads 3", " --ctx 32"] {
        assert_eq!(eval(more), scalar, "{more}");
    }
}

#[test]
fn every_command_does_what_it_says() {
    assert!(demo_with("load", "").contains("\nok Infernel-demo\n"));
    assert!(demo_with("info", "").contains("\ncan be run: yes\n"));
    let generate = demo_with("generate --prompt Once -n 3", "");
    assert_eq!(generate, " upon a time\n");
    let answer = demo_with("chat", "What is the capital of France?\n");
    assert!(answer.trim().len() > 5, "{answer}");
    let report = demo_with("bench -p 8 -n 4 --repetitions 1 --json", "");
    let report: Value = serde_json::from_str(&report).unwrap();
    for rate in ["prompt_tokens_per_second", "generation_tokens_per_second"] {
        assert!(report[rate].as_f64().unwrap() > 0.0);
    }
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let measured = demo_with(&format!("perplexity --json --file {manifest}"), "");
    let measured: Value = serde_json::from_str(&measured).unwrap();
    // A vocabulary of 2048 drawn at random gives 2048.
    assert!(measured["perplexity"].as_f64().unwrap() > 1.0);
    assert!(measured["tokens"].as_u64().unwrap() > 200);
}

#[test]
fn mistakes_are_named() {
    let model = demo();
    let model = model.to_str().unwrap();
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    #[rustfmt::skip]
    let cases: [(&[&str], i32, &str); 17] = [
        (&["fly"], 2, "\"fly\" is not a command; there are serve, "),
        (&["load"], 2, "--model is missing"),
        (&["load", "--model"], 2, "missing argument for option '--model'"),
        (&["load", "--model", model, "--prompt", "x"], 2, "--prompt is not an option of load; see `cargo hosted -- load --help`"),
        (&["load", "--model", model, "--model", model], 2, "--model is given twice"),
        (&["load", "--model", model, "--threads", "0"], 2, "--threads is 0, at least 1 expected"),
        (&["load", "--model", model, "--threads", "x"], 2, "--threads: \"x\" is not a number"),
        (&["load", "--model", model, "--kernels", "mmx"], 2, "--kernels mmx is not known; there are scalar, avx2, avx512"),
        (&["serve", "--model", model, "--api-key", ""], 2, "--api-key is empty or has white space around it"),
        (&["serve", "--model", model, "--api-key", "k "], 2, "--api-key is empty or has white space around it"),
        (&["serve", "--model", model, "--api-key", "\tk"], 2, "--api-key is empty or has white space around it"),
        (&["load", "--model", model, "--ctx", "513"], 1, "--ctx 513 is more than the 512 positions"),
        (&["load", "--model", "/nowhere.gguf"], 1, "/nowhere.gguf: cannot open the model"),
        (&["load", "--model", manifest], 1, "not a GGUF file"),
        (&["eval", "--model", model, "--ids", "5000"], 1, "token id 5000 is not below the vocabulary's 2048"),
        (&["eval", "--model", model, "--ids", "1,2", "--ctx", "1"], 1, "2 tokens do not fit into the context of 1"),
        (&["generate", "--model", model, "--prompt", "x", "--temperature", "3"], 2, "--temperature is 3, which is not in 0 to 2"),
    ];
    for (arguments, status, problem) in cases {
        let outcome = run_with(arguments, "");
        assert_eq!(outcome.status, status, "{arguments:?}: {}", outcome.err);
        assert!(
            outcome.err.contains(problem),
            "{arguments:?}: {}",
            outcome.err
        );
        assert_eq!(outcome.out, "", "{arguments:?}");
    }
}

#[test]
fn only_the_last_line_may_be_blank() {
    let model = demo();
    let arguments = ["tokenize", "--lines", "--model", model.to_str().unwrap()];
    for whole in [
        "\"\"\n\"\"\n",
        "\"\"\n\"\"",
        "\"\"\n\"\"\n \n",
        "\"\"\n\"\"\n\n",
    ] {
        assert_eq!(demo_with("tokenize --lines", whole), "[]\n[]\n");
    }
    let cut = run_with(&arguments, "\"\"\n\"\"\n\n\"\"\n");
    assert_eq!((cut.status, cut.out.as_str()), (1, "[]\n[]\n"));
    let problem = "line 3 of standard input is blank; only the last may be";
    assert!(cut.err.contains(problem), "{}", cut.err);
}

/// Writes the demo model with other bytes in one place.
fn damaged(name: &str, place: impl Fn(&Header, &[u8]) -> usize, bytes: &[u8]) -> String {
    let mut file = std::fs::read(demo()).expect("the repository holds the demo model");
    let header = Header::read(&mut &file[..]).expect("its header is sound");
    let at = place(&header, &file);
    file[at..at + bytes.len()].copy_from_slice(bytes);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, file).expect("the target directory can be written");
    path.to_str().expect("UTF-8").to_owned()
}

#[test]
fn damaged_weights_are_named_and_give_no_numbers() {
    let tensor = "blk.0.attn_norm.weight";
    let place = |header: &Header, _: &[u8]| {
        (header.data_offset() + header.tensor(tensor).unwrap().offset) as usize + 4
    };
    let model = damaged("nan.gguf", place, &f32::NAN.to_le_bytes());
    let cases = [
        (
            vec!["load"],
            "tensor blk.0.attn_norm.weight: element 1 is NaN",
        ),
        (
            vec!["eval", "--ids", "1,2"],
            "the model computes NaN as the logit of token 0",
        ),
        (
            vec!["generate", "--prompt", "x"],
            "the model's logit for token 0 is not a finite number",
        ),
    ];
    for (mut arguments, problem) in cases {
        arguments.extend(["--model", &model]);
        let outcome = run_with(&arguments, "");
        assert_eq!(
            (outcome.status, outcome.out.trim()),
            (1, ""),
            "{arguments:?}"
        );
        assert!(outcome.err.contains(problem), "{}", outcome.err);
    }
}

#[test]
fn a_template_that_fails_on_every_conversation_is_noticed() {
    let place = |header: &Header, file: &[u8]| {
        let source = header.string("tokenizer.chat_template").unwrap().as_bytes();
        let mut places = file.windows(source.len());
        places.position(|window| window == source).unwrap()
    };
    // In place of `{{- bos_token }}`, so that the rest stays what it was.
    let model = damaged("template.gguf", place, b"{{- bos_t.x.y }}");
    let problem = "chat template, line 1, column ";
    let load = run_with(&["load", "--model", &model], "");
    assert_eq!(load.status, 1);
    let named = format!("key tokenizer.chat_template: {problem}");
    assert!(load.err.contains(&named), "{}", load.err);

    let mut serve = Command::new(env!("CARGO_BIN_EXE_hosted"))
        .args(["serve", "--port", "0", "--model", &model])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("hosted starts");
    let mut ready = String::new();
    let out = serve.stdout.take().expect("it is piped");
    let read = BufReader::new(out).read_line(&mut ready);
    serve.kill().expect("hosted ends");
    serve.wait().expect("hosted ends");
    read.expect("UTF-8");
    let mut err = String::new();
    let mut pipe = serve.stderr.take().expect("it is piped");
    pipe.read_to_string(&mut err).expect("UTF-8");
    assert!(ready.starts_with("ready "), "{ready}{err}");
    assert!(
        err.contains(problem) && err.contains("only /v1/completions will answer"),
        "{err}"
    );
}

#[test]
fn help_names_every_option_and_an_example() {
    let overview = run_with(&["--", "--help"], "");
    assert_eq!(overview.status, 0);
    let commands = overview
        .out
        .lines()
        .filter_map(|line| line.strip_prefix("  "));
    let names: Vec<_> = commands.filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains(&"serve") && names.len() == 10, "{names:?}");
    for name in names {
        let help = run_with(&["--", name, "--", "--help"], "");
        assert_eq!(help.status, 0, "{name}");
        assert!(help.out.contains("--model F.gguf"), "{}", help.out);
        let example = format!("Example: cargo hosted -- {name} --model ");
        assert!(help.out.contains(&example), "{}", help.out);
    }
}
