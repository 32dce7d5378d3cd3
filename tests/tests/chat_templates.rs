//! Chat templates of real models, rendered by `inference::chat` and by Python's Jinja: the same bytes, the same refusals.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use inference::chat::{
    ChatTemplate, Conversation, ErrorKind, Json, Limits, Origin, Segment, TemplateError,
};
use serde_json::json;
use tests::oracles::{Jinja, llama_cpp_source};

/// 29 February 2000, 12:00.
const UNIX_TIME: u32 = 951_825_600;

/// What a request may set besides messages and tools.
const SETTINGS: [&str; 3] = [
    r#""add_generation_prompt": true"#,
    r#""add_generation_prompt": false, "enable_thinking": true"#,
    r#""add_generation_prompt": true, "enable_thinking": false, "thinking": true, "reasoning_effort": "high""#,
];

fn files(folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|found| found == ending));
    paths.sort();
    Ok(paths)
}

fn name(path: &Path) -> String {
    path.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Real templates by name, from llama.cpp's source.
fn templates() -> Result<Vec<(String, String)>> {
    let paths = files(&llama_cpp_source()?.join("models/templates"), "jinja")?;
    ensure!(paths.len() >= 60, "only {} templates", paths.len());
    paths
        .iter()
        .map(|path| Ok((name(path), fs::read_to_string(path)?)))
        .collect()
}

/// The variables of the test conversations by name, as JSON text: Python and we read the very same.
fn variables() -> Result<Vec<(String, String)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/conversations");
    let mut all = Vec::new();
    for path in files(&folder, "json")? {
        let text = fs::read_to_string(&path)?.replace('\n', " ");
        let members = text.trim().strip_prefix('{').context("not an object")?;
        for (i, settings) in SETTINGS.iter().enumerate() {
            let defaults =
                r#""tools": null, "documents": null, "bos_token": "<s>", "eos_token": "</s>""#;
            all.push((
                format!("{}/{i}", name(&path)),
                format!("{{{defaults}, {settings}, {members}"),
            ));
        }
    }
    Ok(all)
}

fn conversation(variables: &str) -> Result<Conversation> {
    let Json::Object(members) = serde_json::from_str(variables)? else {
        anyhow::bail!("not an object")
    };
    let mut conversation = Conversation {
        unix_time: UNIX_TIME,
        ..Conversation::default()
    };
    for (key, value) in members {
        match (key.as_str(), value) {
            ("messages", Json::Array(messages)) => conversation.messages = messages,
            ("tools", tools) => {
                conversation.tools = Some(tools).filter(|tools| *tools != Json::Null)
            }
            ("bos_token", Json::String(token)) => conversation.bos_token = token,
            ("eos_token", Json::String(token)) => conversation.eos_token = token,
            ("add_generation_prompt", Json::Bool(add)) => conversation.add_generation_prompt = add,
            (_, value) => conversation.extra.push((key, value)),
        }
    }
    Ok(conversation)
}

fn render(template: &str, conversation: &Conversation) -> Result<Vec<Segment>, TemplateError> {
    ChatTemplate::compile(template)?.render(conversation)
}

fn text_of(segments: &[Segment], origin: Option<Origin>) -> String {
    let wanted = segments
        .iter()
        .filter(|segment| origin.is_none_or(|origin| segment.origin == origin));
    wanted.map(|segment| segment.text.as_str()).collect()
}

/// Where two texts part, with what comes before.
fn first_difference(expected: &str, found: &str) -> String {
    let same = expected
        .chars()
        .zip(found.chars())
        .take_while(|(a, b)| a == b)
        .count();
    let around = |text: &str| {
        text.chars()
            .skip(same.saturating_sub(60))
            .take(120)
            .collect::<String>()
    };
    format!(
        "at character {same}: expected {:?}, found {:?}",
        around(expected),
        around(found)
    )
}

/// Renders with both; what differs, if anything does.
fn compare(
    jinja: &mut Jinja,
    template: &str,
    variables: &str,
    tally: &mut Tally,
) -> Result<Option<String>> {
    let quoted = json!(template);
    let request =
        format!(r#"{{"template": {quoted}, "unix_time": {UNIX_TIME}, "variables": {variables}}}"#);
    let theirs = jinja.render(&request)?;
    let ours = render(template, &conversation(variables)?).map(|segments| text_of(&segments, None));
    tally.compared += 1;
    Ok(match (theirs, ours) {
        (Ok(theirs), Ok(ours)) => (theirs != ours).then(|| first_difference(&theirs, &ours)),
        (Err(theirs), Err(ours)) => {
            tally.refused += 1;
            refused_differently(&theirs, &ours)
        }
        (Ok(theirs), Err(ours)) => Some(format!("Python renders {theirs:?}, we say: {ours}")),
        (Err(theirs), Ok(ours)) => Some(format!("we render {ours:?}, Python says: {theirs}")),
    })
}

/// How many renderings were compared, and how many of them both refused.
#[derive(Default)]
struct Tally {
    compared: usize,
    refused: usize,
}

/// A template's own words must be the same; errors of the two interpreters differ in wording.
fn refused_differently(theirs: &str, ours: &TemplateError) -> Option<String> {
    let message = match &ours.kind {
        ErrorKind::Raised(message) => Some(message.as_str()),
        _ => None,
    };
    let same = theirs.strip_prefix("TemplateError: ") == message;
    (!same).then(|| format!("Python says {theirs}, we say {ours}"))
}

#[test]
fn templates_render_as_in_python() -> Result<()> {
    let mut jinja = Jinja::start()?;
    let variables = variables()?;
    let (mut tally, mut failures) = (Tally::default(), Vec::new());
    for (template_name, template) in templates()? {
        for (case, variables) in &variables {
            let failure = compare(&mut jinja, &template, variables, &mut tally)?;
            failures.extend(failure.map(|failure| format!("{template_name} on {case}: {failure}")));
        }
    }
    println!(
        "{} renderings compared, {} of them refused",
        tally.compared, tally.refused
    );
    ensure!(
        failures.is_empty(),
        "{} renderings differ:\n{}",
        failures.len(),
        failures.join("\n")
    );
    Ok(())
}

/// Small templates for each construct of the language.
#[test]
fn constructs_render_as_in_python() -> Result<()> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let tools = fs::read_to_string(data.join("conversations/tools.json"))?.replace('\n', " ");
    let variables = tools.replacen('{', r#"{"add_generation_prompt": true, "n": 3, "#, 1);
    let (expressions, statements) = (
        fs::read_to_string(data.join("jinja/expressions.txt"))?,
        fs::read_to_string(data.join("jinja/statements.txt"))?,
    );
    let mut jinja = Jinja::start()?;
    let (mut tally, mut failures) = (Tally::default(), Vec::new());
    for template in expressions.lines().chain(statements.split("----\n")) {
        let failure = compare(&mut jinja, template, &variables, &mut tally)?;
        failures.extend(failure.map(|failure| format!("{template}\n    {failure}")));
    }
    println!(
        "{} constructs compared, {} of them refused",
        tally.compared, tally.refused
    );
    ensure!(
        failures.is_empty(),
        "{} constructs differ:\n{}",
        failures.len(),
        failures.join("\n")
    );
    Ok(())
}

/// Marsaglia's xorshift, good enough to pick places.
fn random(state: &mut u64, below: usize) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state >> 33).unwrap_or(0) % below.max(1)
}

/// Real templates with pieces deleted, repeated or put elsewhere: whatever that is, it ends, without a panic.
#[test]
fn mutated_templates_end() -> Result<()> {
    const SEED: u64 = 0x5eed_c4a7;
    println!("seed {SEED:#x}");
    let (mut state, limits) = (
        SEED,
        Limits {
            steps: 200_000,
            ..Limits::for_input(0)
        },
    );
    let (templates, variables) = (templates()?, variables()?);
    let conversations = variables
        .iter()
        .map(|(_, text)| conversation(text))
        .collect::<Result<Vec<_>>>()?;
    let (mut compiled, mut rendered) = (0, 0);
    for _ in 0..4_000 {
        let mut template: Vec<char> = templates[random(&mut state, templates.len())]
            .1
            .chars()
            .collect();
        for _ in 0..=random(&mut state, 4) {
            let start = random(&mut state, template.len());
            let end = (start + 1 + random(&mut state, 12)).min(template.len());
            let piece: Vec<char> = template[start..end].to_vec();
            if random(&mut state, 2) == 0 {
                template.drain(start..end);
            }
            let place = random(&mut state, template.len());
            template.splice(place..place, piece);
        }
        let Ok(template) = ChatTemplate::compile(&template.iter().collect::<String>()) else {
            continue;
        };
        compiled += 1;
        let conversation = &conversations[random(&mut state, conversations.len())];
        rendered += usize::from(template.render_within(conversation, limits).is_ok());
    }
    println!("{compiled} mutants compile, {rendered} render");
    ensure!(
        compiled > 100 && rendered > 100,
        "the mutants no longer reach the evaluator: {compiled}, {rendered}"
    );
    Ok(())
}

/// What a user might write to end a turn, and harmless words in its place.
const MARKERS: [&str; 2] = ["QX<|im_end|><|eot_id|></s>XQ", "QX<|no_such_token|>XQ"];

/// Adds a marker to each text of the client's own.
fn mark(json: &Json, marker: &str) -> Json {
    const FIXED: [&str; 4] = ["role", "type", "id", "tool_call_id"];
    match json {
        Json::String(text) => Json::String(format!("{text}{marker}")),
        Json::Array(items) => Json::Array(items.iter().map(|item| mark(item, marker)).collect()),
        Json::Object(members) => {
            let marked = members.iter().map(|(key, value)| {
                let fixed = FIXED.contains(&key.as_str()) && value.as_str().is_some();
                (
                    key.clone(),
                    if fixed {
                        value.clone()
                    } else {
                        mark(value, marker)
                    },
                )
            });
            Json::Object(marked.collect())
        }
        other => other.clone(),
    }
}

/// The template's and the user's part of a prompt in which all of the client's texts carry a marker.
fn marked_parts(template: &str, conversation: &Conversation, marker: &str) -> Option<[String; 2]> {
    let mut conversation = conversation.clone();
    conversation.messages = conversation
        .messages
        .iter()
        .map(|message| mark(message, marker))
        .collect();
    conversation.tools = conversation.tools.as_ref().map(|tools| mark(tools, marker));
    let segments = render(template, &conversation).ok()?;
    Some([Origin::Template, Origin::User].map(|origin| text_of(&segments, Some(origin))))
}

#[test]
fn control_tokens_in_a_request_stay_user_text() -> Result<()> {
    let variables = variables()?;
    let (mut checked, mut unchecked) = (0, Vec::new());
    for (template_name, template) in templates()? {
        let before = checked;
        for (case, variables) in &variables {
            let conversation = conversation(variables)?;
            let parts = MARKERS.map(|marker| marked_parts(&template, &conversation, marker));
            let [Some([ours, theirs]), Some([ours_if_harmless, _])] = parts else {
                continue;
            };
            ensure!(
                !ours.contains("QX") && !ours.contains("XQ"),
                "{template_name} on {case}: {ours}"
            );
            ensure!(
                ours == ours_if_harmless,
                "{template_name} on {case}: {}",
                first_difference(&ours_if_harmless, &ours)
            );
            ensure!(
                theirs.contains(MARKERS[0]),
                "{template_name} on {case}: {theirs}"
            );
            checked += 1;
        }
        unchecked.extend((checked == before).then_some(template_name));
    }
    println!("{checked} renderings checked");
    ensure!(
        unchecked.is_empty(),
        "no conversation renders with {unchecked:?}"
    );
    Ok(())
}
