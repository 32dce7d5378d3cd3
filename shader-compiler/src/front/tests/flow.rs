//! Control flow: every way to go on, stop and return.

use super::*;

/// Compares the WGSL in `body` with `expected` on the numbers 0 to 99.
fn check(body: &str, expected: impl Fn(u32) -> u32) {
    let inputs: Vec<u32> = (0..100).collect();
    let results = map_words(body, &inputs);
    for (x, result) in inputs.into_iter().zip(results) {
        assert_eq!(result, expected(x), "for {x}");
    }
}

#[test]
fn branches_nest() {
    check(
        "if x < 10u { r = 1u; } else if x < 50u { if x % 2u == 0u { r = 2u; } else { r = 3u; } } else { r = x; }",
        |x| match x {
            0..10 => 1,
            10..50 => 2 + x % 2,
            _ => x,
        },
    );
}

#[test]
fn loops_break_and_continue_at_different_times() {
    check(
        "for (var k = 0u; k < x; k++) {
             if k % 3u == 1u { continue; }
             if k > 40u { break; }
             for (var j = 0u; j < k; j++) { if j == 5u { break; } r += j; }
             r += k;
         }",
        |x| {
            let mut r = 0;
            for k in 0..x {
                if k % 3 == 1 {
                    continue;
                }
                if k > 40 {
                    break;
                }
                r += (0..k.min(5)).sum::<u32>() + k;
            }
            r
        },
    );
}

#[test]
fn loops_with_break_if() {
    check(
        "var k = x; loop { r += 1u; if k == 77u { break; } continuing { k = k / 2u; break if k == 0u; } }",
        |x| {
            let (mut k, mut r) = (x, 0);
            loop {
                r += 1;
                if k == 77 {
                    break;
                }
                k /= 2;
                if k == 0 {
                    break;
                }
            }
            r
        },
    );
}

#[test]
fn a_loop_that_never_repeats() {
    check(
        "loop { if x > 3u { r = 1u; break; } r = 2u; break; }",
        |x| if x > 3 { 1 } else { 2 },
    );
}

#[test]
fn continuing_with_branches_of_its_own() {
    check(
        "var k = 0u;
         loop {
             if k >= x { break; }
             if k % 4u == 0u { continue; }
             r += k;
             continuing { if k % 2u == 0u { k += 1u; } else { k += 2u; r += 100u; } }
         }",
        |x| {
            let (mut k, mut r) = (0, 0);
            while k < x {
                if k % 4 != 0 {
                    r += k;
                }
                if k % 2 == 0 {
                    k += 1;
                } else {
                    k += 2;
                    r += 100;
                }
            }
            r
        },
    );
}

#[test]
fn switches_with_breaks_and_continues() {
    check(
        "for (var k = 0u; k < 6u; k++) {
             switch (x + k) % 7u {
                 case 0u, 3u: { r += 1u; }
                 case 1u: { if k > 2u { break; } r += 10u; }
                 case 2u: { if k == 1u { continue; } r += 100u; }
                 case 4u: { continue; }
                 default: { r += 1000u; if x > 50u { break; } r += 10000u; }
             }
             r += 100000u;
         }",
        |x| {
            let mut r = 0;
            for k in 0..6 {
                match (x + k) % 7 {
                    0 | 3 => r += 1,
                    1 => {
                        if k <= 2 {
                            r += 10;
                        }
                    }
                    2 => {
                        if k == 1 {
                            continue;
                        }
                        r += 100;
                    }
                    4 => continue,
                    _ => {
                        r += 1000;
                        if x <= 50 {
                            r += 10000;
                        }
                    }
                }
                r += 100_000;
            }
            r
        },
    );
}

/// A kernel `o[i] = f(i)` for 96 lanes, with `f` given as a WGSL function.
fn check_function(function: &str, expected: impl Fn(u32) -> u32) {
    let source = format!(
        "@group(0) @binding(0) var<storage, read_write> o: array<u32>;
         {function}
         @compute @workgroup_size(96)
         fn main(@builtin(local_invocation_index) i: u32) {{ o[i] = f(i) + f(i / 2u); }}"
    );
    let buffers = evaluate(&source, [1, 1, 1], &[words(0..96)], &[]);
    let expected: Vec<u32> = (0..96)
        .map(|i| expected(i).wrapping_add(expected(i / 2)))
        .collect();
    assert_eq!(to_words(&buffers[0]), expected);
}

#[test]
fn returns_from_branches() {
    check_function(
        "fn f(x: u32) -> u32 {
             if x < 5u { return 1u; }
             if x < 50u { if x % 2u == 0u { return 2u; } let y = x * 3u; if y > 90u { return y; } }
             return x;
         }",
        |x| match x {
            0..5 => 1,
            5..50 if x % 2 == 0 => 2,
            5..50 if x * 3 > 90 => x * 3,
            _ => x,
        },
    );
}

#[test]
fn returns_from_loops_and_switches() {
    check_function(
        "fn f(x: u32) -> u32 {
             var sum = 0u;
             for (var k = 0u; k < x; k++) {
                 for (var j = 0u; j < 4u; j++) {
                     switch k * 4u + j {
                         case 33u: { return 1000u + sum; }
                         case 40u: { if x > 90u { break; } return 2000u + sum; }
                         default: { if sum > 700u { return sum; } }
                     }
                     sum += j;
                 }
                 if sum == 12345u { continue; }
             }
             return sum + 7u;
         }",
        |x| {
            let mut sum = 0;
            for k in 0..x {
                for j in 0..4 {
                    match k * 4 + j {
                        33 => return 1000 + sum,
                        40 if x <= 90 => return 2000 + sum,
                        40 => {}
                        _ if sum > 700 => return sum,
                        _ => {}
                    }
                    sum += j;
                }
            }
            sum + 7
        },
    );
}

#[test]
fn calls_within_calls_and_pointers() {
    check_function(
        "fn bump(p: ptr<function, u32>, by: u32) { if by == 3u { return; } *p += by; }
         fn two(p: ptr<function, u32>) -> u32 { bump(p, 3u); bump(p, 4u); return *p * 2u; }
         fn f(x: u32) -> u32 { var v = x; let t = two(&v); for (var k = 0u; k < x; k++) { bump(&v, k); } return v + t; }",
        |x| {
            let v = x + 4;
            let sum: u32 = (0..x).filter(|k| *k != 3).sum();
            v + sum + v * 2
        },
    );
}

#[test]
fn an_early_return_of_the_kernel() {
    let source = "@group(0) @binding(0) var<storage, read_write> o: array<u32>;
         @compute @workgroup_size(40)
         fn main(@builtin(local_invocation_index) i: u32) {
             if i % 3u == 0u { return; }
             for (var k = 0u; k < i; k++) { if k == 20u { return; } o[i] += k; }
             o[i] += 1000u;
         }";
    let buffers = evaluate(source, [1, 1, 1], &[words(vec![0; 40])], &[]);
    for (i, result) in to_words(&buffers[0]).into_iter().enumerate() {
        let sum = (0..i as u32).take(20).sum::<u32>();
        let expected = match i {
            _ if i % 3 == 0 => 0,
            0..21 => sum + 1000,
            _ => sum,
        };
        assert_eq!(result, expected, "for {i}");
    }
}
