// How another core gets from real mode to Rust. The bytes from `trampoline_start` to `trampoline_end` are copied to a page of
// the first MiB, mapped there at its own address; they use no address but their own and what the parameters hold.

.section .rodata.trampoline, "a"
.global trampoline_start, trampoline_parameters, trampoline_end
.code16
.balign 8
// In: real mode at the page's start, cs = page / 16.
trampoline_start:
    jmp 2f
.balign 8
// At offset 8: `Parameters` in mod.rs.
trampoline_parameters:
    .quad 0                             // 8: cr3
    .word 0                             // 16: GDT limit
    .long 0                             // 18: GDT address
    .word 0
    .long 0                             // 24: address of trampoline_long_mode
    .word 0                             // 28: its segment
    .word 0
    .quad 0                             // 32: stack
    .quad 0                             // 40: where to go on
2:  cli
    cld
    mov ax, cs
    mov ds, ax
    lgdtd [16]
    mov eax, cr4
    or eax, 0x20                        // PAE
    mov cr4, eax
    mov eax, [8]
    mov cr3, eax
    mov ecx, 0xc0000080                 // EFER
    rdmsr
    or eax, 0x900                       // long mode enable, no-execute enable
    wrmsr
    mov eax, cr0
    and eax, 0x9fffffff                 // caches on
    or eax, 0x80010001                  // paging, write protection, protection
    mov cr0, eax
    .byte 0x66                          // a 32-bit offset, which the assembler has no name for
    ljmp [24]

.code64
.global trampoline_long_mode
trampoline_long_mode:
    xor eax, eax
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov fs, eax
    mov gs, eax
    mov rsp, [rip + trampoline_parameters + 24]
    mov rax, [rip + trampoline_parameters + 32]
    jmp rax

.balign 8
trampoline_gdt:
    .quad 0, 0x00af9b000000ffff
trampoline_end:
.global trampoline_gdt

.section .text
// In: the stack of this core, the kernel's address space.
.global core_start
core_start:
    xor ebp, ebp
    call enable_vector_state
    call core_main
    ud2
