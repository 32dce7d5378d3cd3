//! WGSL in, machine form out.

use super::select;
use crate::{front, ir, opt};

fn text(body: &str) -> String {
    let mut functions = front::compile(body, &[]).expect("valid WGSL");
    let function = &mut functions[0];
    opt::run(function, &|_| false, &mut |_, _| ()).expect("optimises");
    if let Err(fault) = ir::verify(function) {
        panic!("{fault:?}");
    }
    println!("{function}");
    select(function).expect("selects").to_string()
}

#[test]
fn show() {
    let Ok(path) = std::env::var("SHOW") else {
        return;
    };
    for path in path.split(' ') {
        println!("== {path}");
        let source = std::fs::read_to_string(path).expect("readable");
        let mut functions = match front::compile(&source, &[]) {
            Ok(functions) => functions,
            Err(fault) => {
                println!("FRONT {fault:?}");
                continue;
            }
        };
        let function = &mut functions[0];
        if let Err(fault) = opt::run(function, &|_| false, &mut |_, _| ()) {
            println!("OPT {fault:?}");
            continue;
        }
        if std::env::var("IR").is_ok() {
            println!("{function}");
        }
        match select(function) {
            Err(fault) => println!("SELECT {fault:?}"),
            Ok(code) => {
                println!("{code}");
                match crate::machine::allocate::allocate_checked(code) {
                    Ok(code) => println!("ALLOCATED {} {}", code.vgprs, code.sgprs),
                    Err(fault) => println!("ALLOCATE {fault:?}"),
                }
            }
        }
    }
}
