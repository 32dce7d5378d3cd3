//! Host tools around the kernel image: disk images, and QEMU.
