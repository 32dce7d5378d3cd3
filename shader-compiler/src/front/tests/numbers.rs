//! Arithmetic and functions of numbers.

use half::f16;

use super::*;

const INTEGERS: [u32; 14] = [
    0,
    1,
    2,
    3,
    7,
    31,
    32,
    255,
    256,
    0x1234_5678,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fffe,
    0xffff_ffff,
];

fn check_words(body: &str, expected: impl Fn(u32) -> u32) {
    let mut random = Random(1);
    let inputs: Vec<u32> = INTEGERS
        .into_iter()
        .chain((0..50).map(|_| random.next()))
        .collect();
    for (x, result) in inputs.iter().zip(map_words(body, &inputs)) {
        assert_eq!(result, expected(*x), "{body} for {x:#x}: {result:#x}");
    }
}

#[test]
fn integers() {
    check_words("r = x * 3u + 1u - x / 7u + x % 7u;", |x| {
        x.wrapping_mul(3)
            .wrapping_add(1)
            .wrapping_sub(x / 7)
            .wrapping_add(x % 7)
    });
    check_words("r = u32(i32(x) / -3 + i32(x) % 5);", |x| {
        let x = x as i32;
        (x / -3).wrapping_add(x % 5) as u32
    });
    check_words("r = 7u / (x & 1u) + 100u * (7u % (x & 1u));", |x| {
        7 / (x & 1).max(1) + 100 * (7 % (x & 1).max(1))
    });
    check_words(
        "r = (x << (x % 32u)) ^ (x >> 3u) ^ u32(i32(x) >> 5u) ^ ~x;",
        |x| x << (x % 32) ^ x >> 3 ^ (x as i32 >> 5) as u32 ^ !x,
    );
    check_words(
        "r = min(x, 100u) + max(x, 200u) + u32(min(i32(x), 3)) + u32(max(i32(x), -4));",
        |x| {
            let s = x as i32;
            (x.min(100))
                .wrapping_add(x.max(200))
                .wrapping_add(s.min(3) as u32)
                .wrapping_add(s.max(-4) as u32)
        },
    );
    check_words(
        "r = u32(clamp(i32(x), -5, 9) + abs(i32(x)) + sign(i32(x)));",
        |x| {
            let x = x as i32;
            (x.clamp(-5, 9)
                .wrapping_add(x.wrapping_abs())
                .wrapping_add(x.signum())) as u32
        },
    );
    check_words(
        "r = u32(-i32(x)); if !(x > 5u) || x == 9u && x != 4u { r += 1u; }",
        |x| x.wrapping_neg().wrapping_add(u32::from(x <= 5 || x == 9)),
    );
}

#[test]
fn bits() {
    check_words(
        "r = countOneBits(x) + 100u * countLeadingZeros(x) + 10000u * countTrailingZeros(x);",
        |x| x.count_ones() + 100 * x.leading_zeros() + 10000 * x.trailing_zeros(),
    );
    check_words(
        "r = reverseBits(x) ^ firstLeadingBit(x) ^ (firstTrailingBit(x) << 8u);",
        |x| {
            let leading = 31u32.wrapping_sub(x.leading_zeros());
            let trailing = if x == 0 { u32::MAX } else { x.trailing_zeros() };
            x.reverse_bits() ^ leading ^ trailing << 8
        },
    );
    check_words("r = u32(firstLeadingBit(i32(x)));", |x| {
        let y = if (x as i32) < 0 { !x } else { x };
        31u32.wrapping_sub(y.leading_zeros())
    });
    check_words(
        "r = extractBits(x, 5u, 9u) + u32(extractBits(i32(x), 3u, 4u)) + extractBits(x, 0u, 32u);",
        |x| {
            let signed = ((x << 25) as i32 >> 28) as u32;
            (x >> 5 & 0x1ff).wrapping_add(signed).wrapping_add(x)
        },
    );
    check_words("r = extractBits(x, x & 63u, x >> 27u);", |x| {
        let offset = (x & 63).min(32);
        let count = (x >> 27).min(32 - offset);
        if count == 0 {
            0
        } else {
            (x as u64 >> offset & ((1 << count) - 1)) as u32
        }
    });
    check_words(
        "r = insertBits(x, 0x5au, 6u, 8u) ^ insertBits(x, 99u, 0u, 32u) ^ insertBits(x, x, x & 31u, x >> 26u);",
        |x| {
            let insert = |base: u32, new: u32, offset: u32, count: u32| {
                let offset = offset.min(32);
                let count = count.min(32 - offset);
                let mask = ((1u64 << count) - 1) << offset;
                (base as u64 & !mask | (new as u64) << offset & mask) as u32
            };
            insert(x, 0x5a, 6, 8) ^ 99 ^ insert(x, x, x & 31, x >> 26)
        },
    );
}

#[test]
fn packed_bytes() {
    check_words(
        "r = dot4U8Packed(x, 0x01020384u) + u32(dot4I8Packed(x, 0x01ff0384u));",
        |x| {
            let unsigned: u32 = x
                .to_le_bytes()
                .iter()
                .zip([0x84, 3, 2, 1])
                .map(|(a, b)| u32::from(*a) * b)
                .sum();
            let signed: i32 = x
                .to_le_bytes()
                .iter()
                .zip([-124, 3, -1, 1])
                .map(|(a, b)| i32::from(*a as i8) * b)
                .sum();
            unsigned.wrapping_add(signed as u32)
        },
    );
    check_words(
        "let u = unpack4xU8(x); let s = unpack4xI8(x); r = u.x + 3u * u.w + u32(s.y * 5 + s.z);",
        |x| {
            let b = x.to_le_bytes();
            (u32::from(b[0]) + 3 * u32::from(b[3]))
                .wrapping_add((i32::from(b[1] as i8) * 5 + i32::from(b[2] as i8)) as u32)
        },
    );
    check_words(
        "r = pack4xU8(unpack4xU8(x) + vec4(1u)) ^ pack4xI8(unpack4xI8(x).wzyx);",
        |x| u32::from_le_bytes(x.to_le_bytes().map(|b| b.wrapping_add(1))) ^ x.swap_bytes(),
    );
    check_words(
        "r = pack4xU8Clamp(vec4(x, 5u, 300u, 255u)) ^ pack4xI8Clamp(vec4(i32(x), -5, 300, -300));",
        |x| {
            let unsigned = u32::from_le_bytes([x.min(255) as u8, 5, 255, 255]);
            let clamp = |n: i32| n.clamp(-128, 127) as u8;
            unsigned ^ u32::from_le_bytes([clamp(x as i32), clamp(-5), 127, 128])
        },
    );
}

#[test]
fn wide_and_narrow_integers() {
    check_words(
        "let w = u64(x) * u64(x) + u64(7); r = u32(w >> 32u) ^ u32(w) ^ u32(w / u64(1000003)) ^ u32(i64(i32(x)) >> 40u);",
        |x| {
            let w = u64::from(x) * u64::from(x) + 7;
            (w >> 32) as u32 ^ w as u32 ^ (w / 1_000_003) as u32 ^ ((x as i32 as i64) >> 40) as u32
        },
    );
}

/// Results in WGSL within `ulps` units in the last place of `expected` (computed in f64) or within `absolute`.
fn check_floats(
    body: &str,
    inputs: &[f32],
    ulps: f64,
    absolute: f64,
    expected: impl Fn(f64) -> f64,
) {
    for (x, result) in inputs.iter().zip(map_floats(body, inputs)) {
        let exact = expected(f64::from(*x));
        let unit = f64::from(f32::EPSILON) * exact.abs().max(f64::from(f32::MIN_POSITIVE));
        let error = (f64::from(result) - exact).abs();
        let same = result == exact as f32 || result.is_nan() && exact.is_nan();
        assert!(
            same || error <= ulps * unit + absolute,
            "{body} for {x}: {result}, not {exact}"
        );
    }
}

fn spread() -> Vec<f32> {
    let mut random = Random(2);
    let special = [
        0.0, 1.0, -1.0, 0.5, -0.5, 2.5, 3.5, -2.5, 100.25, 1e-3, -7.75,
    ];
    special
        .into_iter()
        .chain((0..60).map(|_| (random.next() as i32) as f32 / 2.0_f32.powi(28)))
        .collect()
}

#[test]
fn float_arithmetic() {
    let x = spread();
    check_floats("g = f * 3.0 + 1.0 - f / 7.0;", &x, 8.0, 1e-6, |f| {
        f * 3.0 + 1.0 - f / 7.0
    });
    check_floats(
        "g = floor(f) + 10.0 * ceil(f) + 100.0 * trunc(f) + 1000.0 * round(f);",
        &x,
        2.0,
        0.0,
        |f| f.floor() + 10.0 * f.ceil() + 100.0 * f.trunc() + 1000.0 * f.round_ties_even(),
    );
    check_floats("g = abs(f) + sign(f) + fract(f);", &x, 2.0, 0.0, |f| {
        f.abs() + if f == 0.0 { 0.0 } else { f.signum() } + (f - f.floor())
    });
    check_floats(
        "g = min(f, 0.25) + max(f, -0.5) * 3.0 + clamp(f, -1.0, 1.0) * 9.0;",
        &x,
        4.0,
        1e-6,
        |f| f.min(0.25) + f.max(-0.5) * 3.0 + f.clamp(-1.0, 1.0) * 9.0,
    );
    check_floats(
        "g = mix(f, 4.0, 0.25) + step(0.5, f) + smoothstep(-1.0, 2.0, f) + fma(f, f, 1.0);",
        &x,
        8.0,
        1e-5,
        |f| {
            let t = ((f + 1.0) / 3.0).clamp(0.0, 1.0);
            f * 0.75 + 1.0 + f64::from(f >= 0.5) + t * t * (3.0 - 2.0 * t) + f * f + 1.0
        },
    );
    check_floats(
        "g = f % 1.5 + select(1.0, 2.0, f < 0.0) - saturate(f);",
        &x,
        4.0,
        1e-6,
        |f| f % 1.5 + if f < 0.0 { 2.0 } else { 1.0 } - f.clamp(0.0, 1.0),
    );
    check_floats("g = f32(i32(f * 10.0)) + f32(u32(f));", &x, 1.0, 0.0, |f| {
        f64::from((f as f32 * 10.0) as i32) + (f as u32) as f64
    });
}

#[test]
fn float_functions_stay_within_the_error_that_wgsl_allows() {
    let x = spread();
    let positive: Vec<f32> = x.iter().map(|x| x.abs() + 1e-3).collect();
    let unit: Vec<f32> = x.iter().map(|x| (x / 8.0).clamp(-1.0, 1.0)).collect();
    check_floats("g = sqrt(f) + inverseSqrt(f);", &positive, 4.0, 0.0, |f| {
        f.sqrt() + 1.0 / f.sqrt()
    });
    // exp: 3 + 2 |x| units; log: 3 units, or 2^-21 near 1; pow from both.
    check_floats("g = exp(f);", &x, 3.0 + 2.0 * 110.0, 0.0, f64::exp);
    check_floats("g = exp2(f) + log2(abs(f) + 1.0);", &x, 8.0, 1e-6, |f| {
        f.exp2() + (f.abs() + 1.0).log2()
    });
    check_floats("g = log(f);", &positive, 3.0, 5e-7, f64::ln);
    check_floats("g = pow(f, 1.7);", &positive, 64.0, 0.0, |f| f.powf(1.7));
    check_floats("g = sin(f) + 2.0 * cos(f);", &x, 0.0, 2e-3, |f| {
        f.sin() + 2.0 * f.cos()
    });
    check_floats("g = tan(f * 0.1);", &unit, 16.0, 1e-6, |f| (f * 0.1).tan());
    check_floats("g = asin(f);", &unit, 4096.0, 0.0, f64::asin);
    check_floats("g = acos(f);", &unit, 4096.0, 1e-6, f64::acos);
    check_floats("g = atan(f);", &x, 8.0, 1e-7, f64::atan);
    check_floats(
        "g = atan2(f, -2.0) + atan2(-1.5, f + 0.1);",
        &x,
        8.0,
        1e-6,
        |f| f.atan2(-2.0) + (-1.5_f64).atan2(f64::from(f as f32 + 0.1)),
    );
    check_floats("g = sinh(f) - cosh(f * 0.5);", &unit, 64.0, 1e-6, |f| {
        f.sinh() - (f * 0.5).cosh()
    });
    check_floats("g = tanh(f);", &x, 0.0, 1e-5, f64::tanh);
    check_floats("g = asinh(f);", &x, 64.0, 1e-6, f64::asinh);
    check_floats("g = acosh(f + 1.0);", &positive, 64.0, 1e-4, |f| {
        f64::from(f as f32 + 1.0).acosh()
    });
    check_floats("g = atanh(f * 0.5);", &unit, 64.0, 1e-6, |f| {
        (f * 0.5).atanh()
    });
    check_floats("g = radians(f) + degrees(f);", &x, 4.0, 0.0, |f| {
        f.to_radians() + f.to_degrees()
    });
    check_floats(
        "let p = modf(f); g = p.fract * 100.0 + p.whole;",
        &x,
        4.0,
        1e-5,
        |f| f.fract() * 100.0 + f.trunc(),
    );
    check_floats(
        "let p = frexp(f); g = p.fract * 3.0 + f32(p.exp);",
        &x,
        2.0,
        1e-6,
        |f| {
            if f == 0.0 {
                return 0.0;
            }
            let e = f.abs().log2().floor() as i32 + 1;
            f / 2.0_f64.powi(e) * 3.0 + f64::from(e)
        },
    );
    check_floats(
        "g = ldexp(f, 5) + ldexp(f, -140) * 1e30;",
        &x,
        2.0,
        1e-6,
        |f| f * 32.0 + f * 2.0_f64.powi(-140) * 1e30,
    );
}

#[test]
fn vectors_and_matrices() {
    let x = spread();
    check_floats(
        "let v = vec3(f, 1.0, 2.0); g = dot(v, v.zxy) + length(v) + distance(v, vec3(1.0));",
        &x,
        16.0,
        1e-5,
        |f| {
            let length = (f * f + 5.0).sqrt();
            2.0 * f + f + 2.0 + length + ((f - 1.0) * (f - 1.0) + 1.0).sqrt()
        },
    );
    check_floats(
        "let c = cross(vec3(f, 2.0, 3.0), vec3(1.0, f, -1.0)); g = c.x + 2.0 * c.y + 3.0 * c.z;",
        &x,
        16.0,
        1e-4,
        |f| (-2.0 - 3.0 * f) + 2.0 * (3.0 + f) + 3.0 * (f * f - 2.0),
    );
    check_floats(
        "let n = normalize(vec2(f, 2.0)); g = n.x + 3.0 * n.y;",
        &x,
        16.0,
        1e-6,
        |f| (f + 6.0) / (f * f + 4.0).sqrt(),
    );
    check_floats(
        "var v = vec4(1.0, 2.0, 3.0, f); v[u32(abs(f)) % 4u] = 9.0; g = v.x + v.y * 2.0 + v.z * 3.0 + v.w * 4.0;",
        &x,
        8.0,
        1e-5,
        |f| {
            let mut v = [1.0, 2.0, 3.0, f];
            v[f.abs() as usize % 4] = 9.0;
            v[0] + v[1] * 2.0 + v[2] * 3.0 + v[3] * 4.0
        },
    );
    check_floats(
        "let m = mat2x3<f32>(1.0, 2.0, f, 4.0, f, 6.0); let w = m * vec2(2.0, 3.0); let u = vec3(1.0, f, 2.0) * m;
         g = w.x + w.y * 2.0 + w.z * 4.0 + u.x * 8.0 + u.y + determinant(mat3x3<f32>(f, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 9.0));",
        &x, 16.0, 1e-3,
        |f| {
            let w = [14.0, 4.0 + 3.0 * f, 2.0 * f + 18.0];
            let u = [1.0 + 2.0 * f + 2.0 * f, 4.0 + f * f + 12.0];
            let determinant = f * (36.0 - 35.0) - 1.0 * (27.0 - 30.0) + 2.0 * (21.0 - 24.0);
            w[0] + w[1] * 2.0 + w[2] * 4.0 + u[0] * 8.0 + u[1] + determinant
        },
    );
    check_floats(
        "let a = mat2x2<f32>(1.0, f, 2.0, 3.0); let b = transpose(a) * a * 2.0 + a - a; g = b[0][0] + b[0][1] * 3.0 + b[1].y;",
        &x,
        16.0,
        1e-4,
        |f| 2.0 * ((1.0 + f * f) + 3.0 * (2.0 + 3.0 * f) + 13.0),
    );
    check_floats(
        "let q = any(vec3(f, 1.0, 2.0) > vec3(5.0)); let p = all(vec2(f) < vec2(1.0, 2.0)); g = select(0.0, 1.0, q) + select(0.0, 2.0, p);",
        &x,
        0.0,
        0.0,
        |f| f64::from(u8::from(f > 5.0)) + 2.0 * f64::from(u8::from(f < 1.0)),
    );
    check_floats(
        "g = dot(reflect(vec2(f, 1.0), vec2(0.6, 0.8)), vec2(1.0, 3.0)) + faceForward(vec2(f, 1.0), vec2(1.0, f), vec2(2.0, 1.0)).x;",
        &x,
        16.0,
        1e-5,
        |f| {
            let d = 2.0 * (0.6 * f + 0.8);
            (f - d * 0.6) + 3.0 * (1.0 - d * 0.8) + if 2.0 + f < 0.0 { f } else { -f }
        },
    );
}

#[test]
fn half_precision() {
    let halves: Vec<u32> = spread()
        .iter()
        .map(|x| u32::from(f16::from_f32(*x).to_bits()))
        .collect();
    let half = |x: u32| f16::from_bits(x as u16);
    let start = "let h = f16(unpack2x16float(x).x);";
    let end = "r = pack2x16float(vec2(f32(y), 0.0));";
    let check = |body: &str, expected: &dyn Fn(f16) -> f16| {
        let results = map_words(&format!("{start} {body} {end}"), &halves);
        for (x, result) in halves.iter().zip(results) {
            assert_eq!(half(result), expected(half(*x)), "{body} for {}", half(*x));
        }
    };
    let two = f16::from_f32(2.0);
    check("let y = h * 2.0h + 1.0h;", &|h| {
        f16::from_f32((h * two).to_f32() + 1.0)
    });
    check(
        "let v = vec3(h, 2.0h, -h) + vec3(1.0h); let y = v.x * v.y;",
        &|h| f16::from_f32(f16::from_f32(h.to_f32() + 1.0).to_f32() * 3.0),
    );
    check(
        "var v = vec4(h, 1.0h, 2.0h, 3.0h); v.y = h; v.w += h; let w = v.wzyx; let y = w.x;",
        &|h| f16::from_f32(3.0 + h.to_f32()),
    );
    check("let y = max(vec2(h, 1.0h), vec2(0.5h)).x;", &|h| {
        f16::from_f32(h.to_f32().max(0.5))
    });
    check("let y = dot(vec2(h, 1.0h), vec2(2.0h, 3.0h));", &|h| {
        f16::from_f32(h.to_f32() * 2.0 + 3.0)
    });
    check(
        "let y = select(vec2(h, 1.0h), vec2(2.0h, h), vec2(h > 0.0h, false)).x;",
        &|h| if h.to_f32() > 0.0 { two } else { h },
    );
    check("let y = abs(-floor(h)) + f16(i32(h));", &|h| {
        f16::from_f32(h.to_f32().floor().abs() + h.to_f32().trunc())
    });
    check(
        "var a: array<vec2<f16>, 3>; a[1] = vec2(h, 2.0h); a[2].x = a[1].y; let y = a[1].x * a[2].x;",
        &|h| h * two,
    );
}

#[test]
fn packing_floats() {
    let x = spread();
    let packed: Vec<u32> = map_words(
        "let f = bitcast<f32>(x); r = pack4x8unorm(vec4(f, 0.5, 1.0, 2.0)) ^ pack4x8snorm(vec4(f, -0.5, -1.0, 0.2)) ^ pack2x16float(vec2(f, 1.0));",
        &x.iter().map(|x| x.to_bits()).collect::<Vec<_>>(),
    );
    for (x, packed) in x.iter().zip(packed) {
        let unorm = |x: f32| (0.5 + 255.0 * x.clamp(0.0, 1.0)).floor() as u8;
        let snorm = |x: f32| (0.5 + 127.0 * x.clamp(-1.0, 1.0)).floor() as i8 as u8;
        let bytes = u32::from_le_bytes([unorm(*x), unorm(0.5), 255, 255]);
        let signed = u32::from_le_bytes([snorm(*x), snorm(-0.5), snorm(-1.0), snorm(0.2)]);
        let halves =
            u32::from(f16::from_f32(*x).to_bits()) | u32::from(f16::from_f32(1.0).to_bits()) << 16;
        assert_eq!(packed, bytes ^ signed ^ halves, "{x}");
    }
    let inputs: Vec<u32> = (0..64)
        .map(|k: u32| k.wrapping_mul(0x0403_0281) ^ 0x8000_007f)
        .collect();
    let unpacked = map_words(
        "let a = unpack4x8unorm(x); let b = unpack4x8snorm(x); let c = unpack2x16unorm(x); let d = unpack2x16snorm(x);
         let e = unpack2x16float(x & 0x3fff3fffu);
         r = bitcast<u32>(a.x + 2.0 * a.w + b.y + 2.0 * b.z + c.y + d.x + e.y);",
        &inputs,
    );
    for (x, result) in inputs.iter().zip(unpacked) {
        let b = x.to_le_bytes();
        let half = |x: u32| f64::from(f16::from_bits((x & 0x3fff) as u16));
        let snorm = |n: i32, scale: f64| (f64::from(n) / scale).max(-1.0);
        let expected = f64::from(b[0]) / 255.0
            + 2.0 * f64::from(b[3]) / 255.0
            + snorm(i32::from(b[1] as i8), 127.0)
            + 2.0 * snorm(i32::from(b[2] as i8), 127.0)
            + f64::from(x >> 16) / 65535.0
            + snorm(i32::from(*x as i16), 32767.0)
            + half(x >> 16);
        assert!(
            (f64::from(f32::from_bits(result)) - expected).abs() < 2e-6,
            "{x:#x}"
        );
    }
}
