//! A cold bring-up of ours beside one of tinygrad's driver on the same model: `amdgpu/TRACE.md` has a row for every
//! difference, with its kind and its reason, and no row for what does not differ.

#[path = "../../../qemu/gpu-model/tests/support/tinygrad.rs"]
mod tinygrad;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use amdgpu_host::trace::{self, Difference, Told};
use gpu_model::door::Stop;
use gpu_model::door::remote::{LentMemory, Remote};
use gpu_model::{Card, Level};

/// Ends the door's service when it goes.
struct Stops<'a>(&'a Stop);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.now();
    }
}

/// What tinygrad tells a cold card while it brings it up and leaves again.
fn theirs(trace: &Path, firmware: &Path) -> Told {
    let memory = Arc::new(LentMemory::default());
    // At its strictest the model stops where real cards are known to let tinygrad go on.
    let card = Card::new(Level::Hardware, memory.clone()).expect("address space");
    let card = Arc::new(Mutex::new(card));
    let file = File::create(trace).expect("a file");
    card.lock()
        .expect("nobody panicked")
        .trace(BufWriter::new(file));
    let door = Remote::listen(0, card.clone(), memory).expect("a free port");
    let stop = Stop::default();
    std::thread::scope(|scope| {
        // Also when something below fails.
        let _stops = Stops(&stop);
        scope.spawn(|| door.serve(&stop, &|text| panic!("{text}")));
        let address = door.address().expect("an address").to_string();
        assert_eq!(tinygrad::run(&address, firmware, "open", &[]), ["open ok"]);
    });
    let mut card = card.lock().expect("nobody panicked");
    assert_eq!(card.report(), None);
    card.flush_trace();
    read(trace)
}

/// What our driver tells it.
fn ours(trace: &Path, firmware: &Path) -> Told {
    let output = Command::new(env!("CARGO_BIN_EXE_gpu"))
        .args(["bringup", "--trace"])
        .arg(trace)
        .arg("--firmware")
        .arg(firmware)
        .output()
        .expect("the tool starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    read(trace)
}

fn read(trace: &Path) -> Told {
    Told::read(BufReader::new(File::open(trace).expect("a trace"))).expect("a trace")
}

/// The rows of the page's tables: names, and the kind of their difference.
///
/// `NAME[2..5]` stands for the registers 2 to 5 of that name, `PSP LOAD_IP_FW 0x7, 0x8` for both.
fn page() -> BTreeMap<String, Difference> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../TRACE.md");
    let text = std::fs::read_to_string(path).expect("the page");
    let mut rows = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [names, kind, ours, theirs, why] = cells[..] else {
            panic!("not five cells: {line}");
        };
        let kind = match kind {
            "only ours" => Difference::First,
            "only theirs" => Difference::Second,
            "values" => Difference::Values,
            "order" => Difference::Order,
            _ => panic!("no kind of difference: {line}"),
        };
        assert!(
            why.len() > 15 && !ours.is_empty() && !theirs.is_empty(),
            "{line}"
        );
        for name in names.split('`').skip(1).step_by(2).flat_map(expand) {
            assert_eq!(rows.insert(name, kind), None, "twice: {line}");
        }
    }
    rows
}

fn expand(name: &str) -> Vec<String> {
    if let Some((name, (first, last))) = name
        .strip_suffix(']')
        .and_then(|name| name.split_once('['))
        .and_then(|(name, range)| Some((name, range.split_once("..")?)))
    {
        let [first, last]: [u32; 2] = [first, last].map(|number| number.parse().expect(name));
        return (first..=last).map(|n| format!("{name}[{n}]")).collect();
    }
    match name.split_once(", ") {
        Some((first, rest)) => {
            let (start, _) = first.rsplit_once(' ').expect(name);
            let others = rest.split(", ").map(|number| format!("{start} {number}"));
            std::iter::once(first.to_owned()).chain(others).collect()
        }
        None => vec![name.to_owned()],
    }
}

#[test]
fn the_page_has_every_difference_and_no_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let firmware = tinygrad::firmware();
    let ours = ours(&folder.path().join("ours"), firmware.path());
    let theirs = theirs(&folder.path().join("theirs"), firmware.path());
    assert!(ours.order.len() > 150 && theirs.order.len() > 150);
    let found = ours.differences(&theirs);
    let common = ours
        .order
        .iter()
        .filter(|name| !found.contains_key(*name))
        .count();
    println!("{} differ, {common} do not", found.len());
    let page = page();
    let missing: Vec<_> = found
        .iter()
        .filter(|(name, kind)| page.get(*name) != Some(kind))
        .collect();
    let surplus: Vec<_> = page
        .iter()
        .filter(|(name, kind)| found.get(*name) != Some(kind))
        .collect();
    assert!(
        missing.is_empty() && surplus.is_empty(),
        "not as in amdgpu/TRACE.md: {missing:#?}\nonly in amdgpu/TRACE.md: {surplus:#?}\n{}",
        trace::report(("ours", &ours), ("theirs", &theirs))
    );
}
