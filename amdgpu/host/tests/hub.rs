//! The memory hubs on the model.

use amdgpu::hub::{self, Context, Hub};
use amdgpu::layout::{Layout, ROOT_TABLE};
use amdgpu::{Device, GpuVa};
use amdgpu_host::InProcess;
use gpu_model::{Level, NAVI31};

#[test]
fn the_mm_hub_is_set_up_and_forgets_on_request() {
    let bus = InProcess::new(Level::Strict).expect("address space");
    let card = bus.card();
    let mut device = Device::new(Box::new(bus), Box::new(NAVI31));
    let base = hub::video_memory_base(&mut device).expect("a hub");
    assert_eq!(base.0, 0x80_0000_0000);
    let layout = Layout::new(24_560 << 20, 256 << 20, base).expect("a card's memory");
    let context = Context {
        root: ROOT_TABLE.start,
        first: GpuVa(0x2000_0000_0000),
        last: GpuVa(0x7fff_ffff_ffff),
    };
    hub::set_up(&mut device, Hub::Mm, &layout, &context).expect("the hub answers");
    hub::flush_tlb(&mut device, Hub::Mm).expect("the hub answers again");
    assert_eq!(hub::take_fault(&mut device, Hub::Mm), Ok(None));
    assert_eq!(card.lock().expect("a card").stopped(), None);
}
