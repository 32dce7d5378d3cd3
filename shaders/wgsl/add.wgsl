// The residual add on its own, where no product or norm takes it along: x[i] += delta[i].
//
// Shapes: x, delta [vectors] of four f32. Dispatch: (ceil(vectors / 256), 1, 1).
struct Shape {
    vectors: u32,
}
var<immediate> shape: Shape;

@group(0) @binding(0) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> delta: array<vec4<f32>>;

@compute @workgroup_size(256)
fn add(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group.x * 256u + local;
    if (i < shape.vectors) {
        x[i] += delta[i];
    }
}
