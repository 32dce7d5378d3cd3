# What the kernels of the device model's tests share: entry, console, PCI, and finding the card. Multiboot and PVH loaders
# enter in 32-bit protected mode without paging. A kernel defines `main`, which gets the card's configuration address in ebx,
# speaks on COM1, and ends by `well` or, with a line in esi that begins with `wrong`, by `wrong`: QEMU's exit status is
# then 33 or 35.
.intel_syntax noprefix
.code32

.set CARD, 0x744c1002

# PVH: the 32-bit physical entry point (type 18, XEN_ELFNOTE_PHYS32_ENTRY).
.section .note.Xen, "a", @note
    .long 4, 4, 18
    .asciz "Xen"
    .long start

.section .text
.global start
start:
    cli
    cld
    mov esp, offset stack_end

    # Every device of bus 0.
    mov ebx, 0x80000000
1:  mov eax, ebx
    call config_read
    cmp eax, CARD
    je main
    add ebx, 0x800
    cmp ebx, 0x80010000
    jne 1b
    mov esi, offset no_card
wrong:
    call say
    mov al, 0x11
    out 0xf4, al
    hlt
well:
    mov al, 0x10
    out 0xf4, al
    hlt

# In: eax, address for port 0xcf8. Out: eax.
config_read:
    mov dx, 0xcf8
    out dx, eax
    mov dx, 0xcfc
    in eax, dx
    ret

# In: eax, address for port 0xcf8; ecx, value.
config_write:
    mov dx, 0xcf8
    out dx, eax
    mov dx, 0xcfc
    mov eax, ecx
    out dx, eax
    ret

# Prints the text at esi.
say:
    push eax
    push edx
    mov dx, 0x3f8
1:  lodsb
    test al, al
    jz 2f
    out dx, al
    jmp 1b
2:  pop edx
    pop eax
    ret

# Prints the text at esi, eax as eight digits, and a new line.
say_number:
    pushad
    call say
    mov ecx, 8
    mov ebx, eax
1:  rol ebx, 4
    mov eax, ebx
    and eax, 0xf
    mov al, [digits + eax]
    mov dx, 0x3f8
    out dx, al
    dec ecx
    jnz 1b
    mov al, '\n'
    out dx, al
    popad
    ret

.section .rodata
digits:     .ascii "0123456789abcdef"
no_card:    .asciz "wrong: no card\n"

.section .bss
.balign 16
stack:      .skip 4096
stack_end:
