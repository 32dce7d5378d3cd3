# A kernel of its own for the device model's tests: finds the card on PCI, reads its discovery table through the video memory
# window of BAR5, compares BAR0 with that window, reads a register many times between the lines `begin` and `end`, and writes
# one as often between `begin writes` and `end writes`.
#
# Built by tests/src/gpu_machine.rs: cc -m32 -nostdlib -static -no-pie.
.include "machine.s"

.set MEMSIZE, 0xde3 * 4
.set MM_INDEX, 0
.set MM_DATA, 4
.set MM_INDEX_HI, 0x18
.set SCRATCH, 0xe12 * 4                 # BIF_BX0_INTERRUPT_CNTL2, which only holds what is written
.set TABLE_BYTES, 0x2800
.set PROBE, 0x100000                    # offset in video memory of what is written through BAR0
.set ACCESSES, 100000

.section .text
main:
    mov esi, offset found
    mov eax, ebx
    call say_number
    lea eax, [ebx + 8]
    call config_read
    mov esi, offset class
    call say_number
    lea eax, [ebx + 0x10]
    call config_read
    and eax, 0xfffffff0
    mov ebp, eax
    mov esi, offset bar0
    call say_number
    lea eax, [ebx + 0x24]
    call config_read
    and eax, 0xfffffff0
    mov edi, eax
    mov esi, offset bar5
    call say_number
    lea eax, [ebx + 4]                  # memory space on, whether or not firmware did it
    call config_read
    or eax, 2
    mov ecx, eax
    lea eax, [ebx + 4]
    call config_write

    mov eax, [edi + MEMSIZE]
    mov esi, offset memsize
    call say_number

    # Copies the table: the last 64 KiB below MEMSIZE MiB.
    mov ecx, [edi + MEMSIZE]
    mov edx, ecx
    shl ecx, 20
    shr edx, 12
    sub ecx, 0x10000
    sbb edx, 0
    mov esi, offset table
1:  call window
    mov eax, [edi + MM_DATA]
    mov [esi], eax
    add esi, 4
    add ecx, 4
    adc edx, 0
    cmp esi, offset table + TABLE_BYTES
    jne 1b

    mov eax, [table]
    mov esi, offset signature
    call say_number
    movzx ecx, word ptr [table + 10]    # bytes of the binary
    xor eax, eax
    mov esi, 10
1:  movzx edx, byte ptr [table + esi]
    add eax, edx
    inc esi
    cmp esi, ecx
    jb 1b
    and eax, 0xffff
    movzx edx, word ptr [table + 8]
    sub eax, edx
    mov esi, offset checksum
    call say_number

    # The die's blocks: looks for GC, hardware id 11, and says its first base.
    movzx eax, word ptr [table + 12]
    movzx eax, word ptr [table + eax + 16]
    movzx ecx, word ptr [table + eax + 2]
    lea edx, [table + eax + 4]
1:  cmp word ptr [edx], 11
    je 2f
    movzx eax, byte ptr [edx + 3]
    lea edx, [edx + eax * 4 + 8]
    dec ecx
    jnz 1b
    mov esi, offset no_gc
    jmp wrong
2:  mov eax, [edx + 8]
    mov esi, offset gc
    call say_number

    # What BAR0 wrote is what the window reads.
    mov dword ptr [ebp + PROBE], 0x600df00d
    mov ecx, PROBE
    xor edx, edx
    call window
    mov eax, [edi + MM_DATA]
    mov esi, offset through
    call say_number
    cmp eax, [ebp + PROBE]
    mov esi, offset different
    jne wrong

    mov esi, offset begin
    call say
    mov ecx, ACCESSES
1:  mov eax, [edi + MEMSIZE]
    dec ecx
    jnz 1b
    mov esi, offset end
    call say

    mov esi, offset begin_writes
    call say
    mov ecx, ACCESSES
1:  mov [edi + SCRATCH], ecx
    dec ecx
    jnz 1b
    mov esi, offset end_writes
    call say
    jmp well

# Points the window at edx:ecx.
window:
    mov eax, edx
    shl eax, 1
    bt ecx, 31
    adc eax, 0
    mov [edi + MM_INDEX_HI], eax
    mov eax, ecx
    or eax, 0x80000000
    mov [edi + MM_INDEX], eax
    ret

.section .rodata
found:      .asciz "card "
class:      .asciz "class "
bar0:       .asciz "bar0 "
bar5:       .asciz "bar5 "
memsize:    .asciz "memsize "
signature:  .asciz "signature "
checksum:   .asciz "checksum difference "
gc:         .asciz "gc "
through:    .asciz "through both "
begin:      .asciz "begin\n"
end:        .asciz "end\n"
begin_writes: .asciz "begin writes\n"
end_writes: .asciz "end writes\n"
no_gc:      .asciz "wrong: no GC in the discovery table\n"
different:  .asciz "wrong: BAR0 and the window differ\n"

.section .bss
.balign 16
table:      .skip TABLE_BYTES
