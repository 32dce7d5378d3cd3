//! Every input that a fuzzer ever found worth keeping is run again, without the fuzzer.

use tests::census::repository;

#[path = "../../fuzz/targets.rs"]
mod targets;

use targets::TARGETS;

#[test]
fn corpora_pass() {
    for (name, target) in TARGETS {
        let folder = repository().join("fuzz/corpus").join(name);
        let entries = std::fs::read_dir(&folder).expect("each target has a corpus");
        let mut count = 0;
        for entry in entries {
            let path = entry.expect("the folder can be read").path();
            target(&std::fs::read(&path).expect("a corpus file can be read"));
            count += 1;
        }
        assert!(count > 0, "{} is empty", folder.display());
        println!("{name}: {count} inputs");
    }
}
