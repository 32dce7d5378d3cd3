//! A kernel that Infernel ships, by a queue of the card at level strict, and how fast the model is.
//!
//! `cargo test --release -p gpu-model shipped -- --nocapture` prints the figure.

use shaders::{Product, ProductShape};

use super::*;

/// Where the buffers are, in pages of 2 MiB.
const BUFFERS_VA: u64 = VA + 0x4000_0000;
const BUFFERS: u64 = 0x1000_0000;
const PAGES: u64 = 16;

/// 1 in f16.
const ONE: [u8; 2] = 0x3c00u16.to_le_bytes();

/// The weights of a row: all equal, so that nothing depends on the order of a row.
fn weight(row: usize) -> i8 {
    (row % 7) as i8 - 3
}

/// What a buffer holds, by its binding in `matvec_q8_0.wgsl`: quants, scales, activations, their scales, results.
fn content(binding: u32, bytes: usize, shape: &ProductShape) -> Vec<u8> {
    let rows = 0..shape.rows;
    match binding {
        0 => rows
            .flat_map(|row| vec![weight(row) as u8; shape.columns])
            .collect(),
        1 | 3 => ONE.repeat(bytes / 2),
        2 => vec![1; bytes],
        _ => vec![0xff; bytes],
    }
}

#[test]
fn a_shipped_product_is_right() {
    let kernel = shaders::kernel("matvec_q8_0_1").expect("it is shipped");
    let product = Product::of(kernel.variant).expect("it is a product");
    let shape = ProductShape {
        rows: 4096,
        columns: 4096,
        tokens: 1,
        stride: 4096,
        add: false,
    };
    let mut rig = Rig::new();
    ready(&mut rig);
    for page in 0..PAGES {
        let offset = page << 21;
        enter(&mut rig, BUFFERS_VA + offset, 21, PAGE | (BUFFERS + offset));
    }
    let mut at = 0;
    let mut places = Vec::new();
    let mut result = 0;
    for buffer in product.buffers(&shape).into_iter().flatten() {
        let bytes = content(buffer.binding, buffer.bytes, &shape);
        rig.engine(|fabric| fabric.outside_write(BUFFERS + at, &bytes, "a test"));
        places.push((buffer.binding, (BUFFERS_VA + at, buffer.bytes as u64)));
        result = at;
        at += (buffer.bytes as u64).next_multiple_of(256);
    }
    assert!(at <= PAGES << 21);
    let place = |number| {
        let mut found = places.iter().filter(|(binding, _)| *binding == number);
        found.next().map(|(_, place)| *place)
    };
    let immediates = product.immediates(&shape).map(u32::to_le_bytes).concat();
    let groups = product.groups(&shape);
    let mut arguments = vec![0; kernel.arguments.bytes as usize];
    kernel
        .write_arguments(&mut arguments, place, &immediates, groups)
        .expect("every buffer is there");
    rig.engine(|fabric| fabric.outside_write(BASE + DATA, &arguments, "a test"));
    rig.engine(|fabric| fabric.outside_write(BASE + CODE, kernel.code, "a test"));

    let wanted = kernel.workgroup_ids;
    let ids = u32::from(wanted[0]) << 7 | u32::from(wanted[1]) << 8 | u32::from(wanted[2]) << 9;
    let lds = kernel.lds_bytes.div_ceil(512) << 15;
    let rsrc1 = 0x602c_0000 | (kernel.vgprs.div_ceil(8) - 1);
    let rsrc2 = lds | kernel.local_id_components << 11 | ids | kernel.user_sgprs << 1;
    let mut user = vec![0; kernel.user_sgprs as usize];
    user[0] = lo(VA + DATA);
    user[1] = hi(VA + DATA);
    let program = (VA + CODE) >> 8;
    let size = kernel.workgroup_size;
    let packets = [
        acquire(),
        set(gc::COMPUTE_PGM_LO, &[lo(program), hi(program)]),
        set(gc::COMPUTE_PGM_RSRC1, &[rsrc1, rsrc2]),
        set(gc::COMPUTE_RESTART_X, &[0; 3]),
        set(gc::COMPUTE_USER_DATA, &user),
        set(
            gc::COMPUTE_START_X,
            &[0, 0, 0, size[0], size[1], size[2], 0, 0],
        ),
        packet(0x15, &[groups[0], groups[1], groups[2], 0x8005]),
        release(7),
    ];
    let start = std::time::Instant::now();
    submit(&mut rig, &packets.concat());
    println!(
        "4096 x 4096, Q8_0, one token: {:.3} s",
        start.elapsed().as_secs_f64()
    );
    assert_eq!(rig.card.stopped(), None);
    assert_eq!(memory(&rig, POINTERS + 0x100), 7);
    let mut out = vec![0; 4 * shape.rows];
    rig.engine(|fabric| fabric.outside_read(BUFFERS + result, &mut out, "a test"));
    for (row, y) in out.as_chunks::<4>().0.iter().enumerate() {
        let expected = f32::from(weight(row)) * shape.columns as f32;
        assert_eq!(f32::from_le_bytes(*y), expected, "row {row}");
    }
}
