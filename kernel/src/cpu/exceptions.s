// One entry per exception. All are fatal, so that nothing is ever restored: the entry makes a `Frame` (exceptions.rs) on the
// gate's own stack and calls Rust. Where the processor pushes no error code, a zero takes its place.

.macro exception vector, error_code
exception_\vector:
    .if \error_code == 0
    push 0
    .endif
    push \vector
    jmp exception_common
.endm

.section .text
.irp vector, 0,1,2,3,4,5,6,7,9,15,16,18,19,20,22,23,24,25,26,27,28,31
    exception \vector, 0
.endr
.irp vector, 8,10,11,12,13,14,17,21,29,30
    exception \vector, 1
.endr

exception_common:
    push rax
    push rbx
    push rcx
    push rdx
    push rsi
    push rdi
    push rbp
    push r8
    push r9
    push r10
    push r11
    push r12
    push r13
    push r14
    push r15
    mov rdi, rsp
    cld
    xor ebp, ebp                        // the chain of frames ends here; the interrupted one is in the frame
    // 22 words lie on a stack that the processor aligned to 16: aligned for the call.
    call exception_entry
    ud2

// A core that waits in `hlt` is woken by these; there is nothing to do but to tell the local APIC. They run only inside
// `cpu::idle`'s window, and use no vector register.
.global interrupt_wake, interrupt_spurious
interrupt_wake:
    push rax
    push rcx
    push rdx
    mov rax, [rip + apic_eoi_address]
    test rax, rax
    jz 2f
    mov dword ptr [rax], 0
    jmp 3f
2:  mov ecx, 0x80b                      // x2APIC end of interrupt
    xor eax, eax
    xor edx, edx
    wrmsr
3:  pop rdx
    pop rcx
    pop rax
    iretq

// The APIC asks for no end of interrupt here.
interrupt_spurious:
    iretq

.section .rodata
.balign 8
.global exception_stubs
exception_stubs:
.irp vector, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    .quad exception_\vector
.endr
.section .text
