//! Lanes that leave loops and branches at their own time.

use super::*;

/// All lanes leave by the `break` at once, in an iteration that has a mask of lanes waiting at the latch.
#[test]
fn a_loop_ends_when_all_lanes_leave_it_together() {
    let body = "
        var n = 0u;
        var odd = 0u;
        loop {
            if n >= 4u { break; }
            if (a & 1u) == 0u {
                if ((a ^ b) & 1u) == 0u { continue; }
                odd += a;
            }
            continuing {
                n += 1u;
                break if arrayLength(&output) == 1u;
            }
        }
        output[lane * 16u] = n;
        output[lane * 16u + 1u] = odd;";
    wave("", body, &edges()).unwrap();
}

/// The optimiser finds that nobody goes round; who continues still needs the loop's structure.
#[test]
fn a_loop_that_never_goes_round_keeps_what_continues_in_it() {
    let body = "
        var sum = 0u;
        var n = 0u;
        loop {
            if n >= 3u { break; }
            if (a & 1u) == 0u {
                sum += 5u;
                if (b & 1u) == 0u { continue; }
            } else {
                sum += b;
            }
            sum = sum * 3u;
            continuing {
                n += 1u;
                break if ((n * 0u) & 3u) == 0u;
            }
        }
        output[lane * 16u] = sum;";
    wave("", body, &edges()).unwrap();
}

#[test]
fn lanes_that_are_off_take_no_part() {
    let body = "
        var sum = b;
        if ((a & 1u) == 1u) { sum = subgroupAdd(a & 0xffu) + subgroupInclusiveAdd(lane); }
        output[lane] = sum;";
    wave("", body, &edges()).expect("partial reduction");
}

#[test]
fn lanes_leave_loops_each_at_its_time() {
    let body = "
        var x = a & 0xffu; var steps = 0u; var odd = false;
        loop {
            if (x == (b & 7u)) { odd = !odd; break; }
            steps += 1u;
            if ((x & 3u) == 3u) { x = x >> 2u; continue; }
            if (steps > 40u) { if (a > 5u) { return; } else { break; } }
            x = x + 5u;
            continuing { x = x & 0xffu; break if steps > 60u; }
        }
        output[lane * 2u] = x + steps * 256u;
        output[lane * 2u + 1u] = select(3u, 4u, odd);";
    wave("", body, &edges()).expect("divergent loop");
}
