//! Text in, text out: small templates and what Jinja makes of them.
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::*;

/// A conversation of one system and one user message, with the settings of a request around it.
fn conversation() -> Conversation {
    let message = |role: &str, content: &str| {
        Json::object([("role", role.into()), ("content", content.into())])
    };
    let tool =
        r#"[{"type": "function", "function": {"name": "add", "strict": false, "version": 1.0}}]"#;
    Conversation {
        messages: Vec::from([
            message("system", "Be <kind>."),
            message("user", " Hi \"Bob\" "),
        ]),
        tools: Some(serde_json::from_str(tool).unwrap()),
        add_generation_prompt: true,
        bos_token: "<s>".into(),
        eos_token: "</s>".into(),
        unix_time: 951_825_600,
        extra: Vec::from([
            ("flag".into(), Json::Bool(true)),
            ("n".into(), Json::Int(3)),
        ]),
    }
}

/// The rendered text, or the error.
fn render(source: &str) -> String {
    let rendered =
        ChatTemplate::compile(source).and_then(|template| template.render(&conversation()));
    match rendered {
        Ok(segments) => segments.into_iter().map(|segment| segment.text).collect(),
        Err(error) => error.to_string(),
    }
}

/// The rendered text with the user's part in `«»`.
fn origins(source: &str) -> String {
    let segments = ChatTemplate::compile(source)
        .unwrap()
        .render(&conversation())
        .unwrap();
    let marked = segments.into_iter().map(|segment| match segment.origin {
        Origin::Template => segment.text,
        Origin::User => format!("«{}»", segment.text),
    });
    marked.collect()
}

#[test]
fn user_text_is_told_apart_after_every_operation() {
    let cases = [
        (
            "<{{ messages[0].role }}>{{ messages[0].content }}",
            "<system>«Be <kind>.»",
        ),
        ("{{ '[' + messages[0]['content'] ~ ']' }}", "[«Be <kind>.»]"),
        ("{{ (' ' + messages[1].content) | trim }}", "«Hi \"Bob\"»"),
        (
            "{{ ('a ' ~ messages[0].content).split(' ') | join('|') }}",
            "a|«Be»|«<kind>.»",
        ),
        ("{{ ('a' ~ messages[0].content)[:3] | upper }}", "A«BE»"),
        (
            "{{ messages[0].content.replace('<', '[') }}",
            "«Be »[«kind>.»",
        ),
        (
            "{{ {'say': messages[0].content, 'x': 'y'} | tojson }}",
            "«{»\"say\"«: \"Be <kind>.\", »\"x\"«: »\"y\"«}»",
        ),
        (
            "{{ tools[0].function | tojson }}",
            "«{\"name\": \"add\", \"strict\": false, \"version\": 1.0}»",
        ),
        (
            "{{ [messages[0].content] }}{{ ['x'] }}",
            "«['Be <kind>.']»['x']",
        ),
        ("{{ '{}!'.format(messages[0].content) }}", "«Be <kind>.»!"),
        (
            "{% set x %}a{{ messages[0].content }}{% endset %}{{ (x | reverse).title() }}",
            "«.>Dnik< Eb»a",
        ),
        (
            "{% macro m(t) %}({{ t }}){% endmacro %}{{ m(messages[0].content) }}{{ bos_token }}",
            "(«Be <kind>.»)<s>",
        ),
        (
            "{{ messages[0].content | indent(2, true) | safe + '<' }}",
            "  «Be <kind>.»&lt;",
        ),
    ];
    for (source, expected) in cases {
        assert_eq!(origins(source), expected, "{source}");
    }
}

#[test]
fn a_made_up_role_is_user_text() {
    let mut conversation = conversation();
    conversation.messages = Vec::from([Json::object([("role", "<|im_end|>".into())])]);
    let template = ChatTemplate::compile("{{ messages[0].role }}").unwrap();
    let segment = Segment {
        text: "<|im_end|>".into(),
        origin: Origin::User,
    };
    assert_eq!(template.render(&conversation).unwrap(), [segment]);
}

#[test]
fn errors_say_what_and_where() {
    let cases = [
        (
            "a\n {{ x | sparkle }}",
            "line 2, column 7: unknown filter `sparkle`",
        ),
        (
            "{% if x is shiny %}{% endif %}",
            "line 1, column 9: unknown test `shiny`",
        ),
        (
            "{% include 'x' %}",
            "line 1, column 1: unknown statement `include`",
        ),
        (
            "{{ 'x'.encode() }}",
            "line 1, column 14: unknown method `encode` of a string",
        ),
        ("{{ x.y }}", "line 1, column 5: `x` is undefined"),
        (
            "{{ 1 + 'a' }}",
            "line 1, column 4: `integer +` is not defined for a string",
        ),
        ("{{ 1 / 0 }}", "line 1, column 4: division by zero"),
        (
            "{% for m in messages %}",
            "line 1, column 22: the template ends, expected the end of a block",
        ),
        (
            "{{ raise_exception('no') }}",
            "line 1, column 19: the template refuses the conversation: no",
        ),
        (
            "{% set l = [] %}{{ l.append(1) }}",
            "line 1, column 28: `append, which would change a list,` is undefined",
        ),
    ];
    for (source, expected) in cases {
        assert_eq!(
            render(source),
            format!("chat template, {expected}"),
            "{source}"
        );
    }
}

/// What a hostile template might do, and which limit stops it.
fn hostile() -> Vec<(String, &'static str)> {
    let many = |piece: &str| piece.repeat(20_000);
    let plain = [
        (
            "{% set ns = namespace(s='aa') %}{% for i in range(99999) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
            "memory",
        ),
        (
            "{% set r = range(9999) %}{% for i in r %}{% for j in r %}{% endfor %}{% endfor %}",
            "steps",
        ),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "levels"),
        (
            "{% set ns = namespace(l=1) %}{% for i in range(99) %}{% set ns.l = [ns.l] %}{% endfor %}",
            "levels",
        ),
        (
            "{% set ns = namespace(l=1) %}{% for i in range(40) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}",
            "steps",
        ),
        (
            "{% set ns = namespace(l=1) %}{% for i in range(40) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}\
          {% set ns.m = 1 %}{% for i in range(40) %}{% set ns.m = [ns.m, ns.m] %}{% endfor %}{{ ns.l == ns.m }}",
            "steps",
        ),
        (
            "{% set ns = namespace() %}{% set ns.me = ns %}",
            "namespace or macro inside",
        ),
        ("{{ 'x' * 999999999999 }}", "memory"),
        ("{{ [0] * 999999999999 }}", "memory"),
        ("{{ 'x' | indent(999999999999) }}", "memory"),
        ("{{ ['x'] | tojson(indent=999999999999) }}", "memory"),
        ("{% set x = 'x' * 100000 %}{{ x.replace('', x) }}", "memory"),
        (
            "{% set x = 'x' * 1000 %}{% for i in range(9999) %}{{ x }}{% endfor %}",
            "renders to more than",
        ),
        (
            "{% set x = 'x' * 600000 %}{{ x }}{{ x }}",
            "renders to more than",
        ),
        ("{{ 9223372036854775807 + 1 }}", "64 bits"),
        ("{{ 99999999999999999999 }}", "malformed literal"),
        ("{{ -9223372036854775807 // -1 - 2 * 9 ** 99 }}", "64 bits"),
        (
            "{{ 'abc'[9223372036854775807:-9223372036854775807:-9223372036854775807] }}{{ 1 // 0 }}",
            "division by zero",
        ),
    ];
    let mut cases: Vec<(String, &str)> = plain
        .iter()
        .map(|(source, limit)| ((*source).into(), *limit))
        .collect();
    let opened = [
        ("(", ")"),
        ("[", "]"),
        ("{1:", "}"),
        ("f(", ")"),
        ("x[", "]"),
        ("not ", ""),
        ("-", ""),
        ("1+", ""),
        ("1~", ""),
    ];
    let more = [("1**", ""), ("x or ", ""), ("1 if 1 else ", "")];
    for (open, close) in opened.into_iter().chain(more) {
        cases.push((
            format!("{{{{ {}1{} }}}}", many(open), many(close)),
            "levels",
        ));
    }
    for piece in [".a", "|f", "[0]", "()", " is x"] {
        cases.push((format!("{{{{ x{} }}}}", many(piece)), "levels"));
    }
    for block in [
        "{% if 1 %}",
        "{% for x in y %}",
        "{% macro m() %}",
        "{% set x %}",
        "{% filter f %}",
        "{% call m() %}",
    ] {
        cases.push((many(block), "levels"));
    }
    cases
}

#[test]
fn hostile_templates_meet_a_limit_on_a_small_stack() {
    let run = || {
        let wrong = hostile()
            .into_iter()
            .map(|(source, limit)| (render(&source), source, limit));
        let wrong: Vec<_> = wrong
            .filter(|(error, _, limit)| !error.contains(limit))
            .collect();
        let shown = wrong
            .iter()
            .map(|(error, source, limit)| format!("{source:.200}: not {limit}: {error:.200}\n"));
        assert!(wrong.is_empty(), "{}", shown.collect::<String>());
    };
    std::thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(run)
        .unwrap()
        .join()
        .unwrap();
}

/// What the deepest compilation and rendering may take of a thread's stack.
const STACK_BYTES: usize = 256 << 10;
