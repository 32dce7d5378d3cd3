# A kernel for the device model's tests that plays a table: rows of accesses of the card and of its own memory, which
# tests/src/gpu_script.rs makes and QEMU loads at SCRIPT. So a test can have any sequence of accesses done by a real processor
# over a real bus, and see what the card did to the machine's memory by DMA.
#
# A row is four dwords: operation, address, value, extra. It stops at the first row that fails and says which one it was.
.include "machine.s"

.set SCRIPT, 0x1000000
.set TRIES, 1000000                     # reads that a poll may take
.set STEP, 0x9e3779b1                   # from one dword of a pattern to the next

.section .text
main:
    mov [device], ebx
    lea eax, [ebx + 0x10]
    call config_read
    and eax, 0xfffffff0
    mov [bar0], eax
    lea eax, [ebx + 0x18]
    call config_read
    and eax, 0xfffffff0
    mov [bar2], eax
    lea eax, [ebx + 0x24]
    call config_read
    and eax, 0xfffffff0
    mov [bar5], eax
    mov esi, SCRIPT
next:
    mov eax, [esi]
    mov ebx, [esi + 4]
    mov ecx, [esi + 8]
    mov edx, [esi + 12]
    add esi, 16
    cmp eax, (operations_end - operations) / 4
    jae failed
    jmp [operations + eax * 4]

# A write of configuration space.
config:
    lea eax, [ebx + 0]
    add eax, [device]
    call config_write
    jmp next

# A write of a register.
register:
    add ebx, [bar5]
    mov [ebx], ecx
    jmp next

# Polls: a register, a dword of video memory, one of this machine's memory.
poll_register:
    add ebx, [bar5]
    jmp poll
poll_vram:
    add ebx, [bar0]
poll:
    mov edi, TRIES
1:  cmp [ebx], ecx
    je next
    dec edi
    jnz 1b
    jmp failed

# Copies `extra` bytes at `value` from the script's begin to video memory, by dwords.
vram:
    mov edi, ebx
    add edi, [bar0]
    push esi
    lea esi, [SCRIPT + ecx]
    mov ecx, edx
    shr ecx, 2
    rep movsd
    pop esi
    jmp next

# A doorbell: one store of 8 bytes, the value and the extra dword.
doorbell:
    add ebx, [bar2]
    movq mm0, [esi - 8]
    movq [ebx], mm0
    jmp next

# A store to this machine's memory.
store:
    mov [ebx], ecx
    jmp next

# Fills `extra` bytes of this machine's memory with a pattern that begins with `value`.
fill:
    shr edx, 2
1:  mov [ebx], ecx
    add ebx, 4
    add ecx, STEP
    dec edx
    jnz 1b
    jmp next

# Compares them with it.
check:
    shr edx, 2
1:  cmp [ebx], ecx
    jne failed
    add ebx, 4
    add ecx, STEP
    dec edx
    jnz 1b
    jmp next

# Says `mark` and the value.
mark:
    push esi
    mov eax, ecx
    mov esi, offset marked
    call say_number
    pop esi
    jmp next

failed:
    lea eax, [esi - SCRIPT]
    shr eax, 4
    dec eax
    mov esi, offset row
    call say_number
    mov esi, offset nothing
    jmp wrong

.section .rodata
.balign 4
operations: .long well, config, register, poll_register, poll_vram, poll, vram, doorbell, store, fill, check, mark
operations_end:
marked:     .asciz "mark "
row:        .asciz "wrong: row "
nothing:    .asciz ""

.section .bss
.balign 16
device:     .skip 4
bar0:       .skip 4
bar2:       .skip 4
bar5:       .skip 4
