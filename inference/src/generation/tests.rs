//! Which chat templates are let at clients.

use alloc::string::{String, ToString};
use alloc::vec;

use super::*;
use crate::tokenizer::Metadata;

/// The error with which a template is refused, if it is.
fn refusal(source: &str) -> Option<String> {
    let mut metadata = Metadata {
        model: "llama",
        tokens: vec!["<unk>", "<s>", "</s>"],
        token_types: Some(vec![2, 3, 3]),
        scores: Some(vec![0.0; 3]),
        ..Metadata::default()
    };
    metadata.roles[0] = Some(1);
    let tokenizer = Tokenizer::new(&metadata).unwrap();
    let error = chat_template(source, &tokenizer).err()?;
    Some(error.to_string())
}

#[test]
fn a_template_that_can_answer_no_client_is_refused() {
    let no_system = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}{{ messages[0].content }}";
    let only_system = "{% if messages[0].role != 'system' %}{{ raise_exception('no system') }}{% endif %}{{ messages[0].content }}";
    let needs_bos = "{% if bos_token != '<s>' %}{{ raise_exception(bos_token) }}{% endif %}";
    for sound in [
        "",
        "{{ messages[0].content }}",
        no_system,
        only_system,
        needs_bos,
    ] {
        assert_eq!(refusal(sound), None, "{sound}");
    }
    #[rustfmt::skip] // one row per failure
    let cases = [
        ("{{ messages[0].content", "the template ends"),
        ("{{ raise_exception('nobody') }}", "the template refuses the conversation: nobody"),
        ("{{ messages[0].nothing.more }}", "is undefined"),
        ("{% if messages[1] %}{{ messages[1].nothing.more }}{% endif %}", "is undefined"),
        ("{% if not messages[1] %}{{ messages[0].nothing.more }}{% endif %}", "is undefined"),
        ("{% for i in range(99999) %}{% for i in range(99999) %}{% endfor %}{% endfor %}", "takes more than"),
    ];
    for (source, expected) in cases {
        let found = refusal(source).expect(source);
        assert!(found.contains(expected), "{source}: {found}");
    }
}
