// The two doors. Both end in `kernel_main(door, start_info, tsc)` on the boot stack, in long mode, with interrupts off, the
// vector units on, and the image mapped where it is linked.

// PVH: the note names the 32-bit physical entry point (type 18, XEN_ELFNOTE_PHYS32_ENTRY).
// The linker script computes the physical addresses of these.
.global pvh_long_mode, pvh_gdt, pvh_gdt_pointer, boot_pml4, boot_pdpt, boot_pdpt_image, boot_pd

.section .note.Xen, "a", @note
    .long 4, 4, 18
    .asciz "Xen"
    .long pvh_start_phys

.section .text.boot, "ax"
.code32
// In: protected mode, paging off, flat segments, ebx = physical address of the start info.
// Maps the first 4 GiB at 0 (to run on) and at 0xffff800000000000 (the direct map), and the first GiB at -2 GiB (the image).
.global pvh_start
pvh_start:
    cli
    cld
    mov esi, ebx
    rdtsc
    mov edi, eax
    mov ebp, edx

    mov eax, offset boot_pdpt_phys
    or eax, 3
    mov [boot_pml4_phys], eax
    mov [boot_pml4_phys + 256 * 8], eax
    mov eax, offset boot_pdpt_image_phys
    or eax, 3
    mov [boot_pml4_phys + 511 * 8], eax
    mov eax, offset boot_pd_phys
    or eax, 3
    mov [boot_pdpt_image_phys + 510 * 8], eax
    mov [boot_pdpt_phys], eax
    add eax, 4096
    mov [boot_pdpt_phys + 8], eax
    add eax, 4096
    mov [boot_pdpt_phys + 16], eax
    add eax, 4096
    mov [boot_pdpt_phys + 24], eax
    xor ecx, ecx
2:  mov eax, ecx
    shl eax, 21
    or eax, 0x83                        // present, writable, 2 MiB
    mov [boot_pd_phys + ecx * 8], eax
    inc ecx
    cmp ecx, 2048
    jne 2b

    mov eax, cr4
    or eax, 0x20                        // PAE
    mov cr4, eax
    mov eax, offset boot_pml4_phys
    mov cr3, eax
    mov ecx, 0xc0000080                 // EFER
    rdmsr
    or eax, 0x100                       // long mode enable
    wrmsr
    mov eax, cr0
    or eax, 0x80000001                  // paging, protection
    mov cr0, eax
    lgdt [pvh_gdt_pointer_phys]
    ljmp 8, offset pvh_long_mode_phys

.code64
pvh_long_mode:
    xor eax, eax
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov fs, eax
    mov gs, eax
    movabs rsp, offset boot_stack_top
    shl rbp, 32
    or rdi, rbp
    mov r12, rdi
    call enable_vector_state
    mov rdx, r12
    mov esi, esi
    mov edi, 0
    xor ebp, ebp
    movabs rax, offset kernel_main
    call rax
    ud2

.balign 8
pvh_gdt:
    .quad 0, 0x00af9a000000ffff
pvh_gdt_pointer:
    .word 15
    .long pvh_gdt_phys
    .long 0

// Limine: long mode, the image mapped, the loader's stack and tables; answers are found through the request structures.
.global limine_start
limine_start:
    cli
    cld
    rdtsc
    shl rdx, 32
    or rax, rdx
    mov r12, rax
    lea rsp, [rip + boot_stack_top]
    call enable_vector_state
    mov rdx, r12
    xor esi, esi
    mov edi, 1
    xor ebp, ebp
    call kernel_main
    ud2

// Turns on SSE, AVX and AVX-512 as far as the processor has them. Every core calls it before it runs any Rust, because
// compiled code uses vector registers wherever it likes. Clobbers rax, rbx, rcx, rdx; needs 16 bytes of stack.
.global enable_vector_state
enable_vector_state:
    mov rax, cr0
    and rax, ~0xc                       // EM and TS off
    or rax, 0x22                        // MP, NE
    mov cr0, rax
    mov rax, cr4
    or rax, 0x600                       // OSFXSR, OSXMMEXCPT
    mov cr4, rax
    mov eax, 1
    xor ecx, ecx
    cpuid
    bt ecx, 26                          // XSAVE
    jnc 3f
    mov rax, cr4
    or rax, 0x40000                     // OSXSAVE
    mov cr4, rax
    mov eax, 0xd
    xor ecx, ecx
    cpuid                               // eax: state components that XCR0 may enable
    and eax, 0xe7                       // x87, SSE, AVX, and the three of AVX-512
    xor edx, edx
    xor ecx, ecx
    xsetbv
3:  fninit
    push 0x1f80                         // all floating-point exceptions masked, round to nearest, denormals kept:
    ldmxcsr [rsp]                       // the same on every core, whatever the firmware left
    add rsp, 8
    ret

.section .bss.boot_tables, "aw", @nobits
.balign 4096
boot_pml4: .skip 4096
boot_pdpt: .skip 4096
boot_pdpt_image: .skip 4096
boot_pd: .skip 4 * 4096
