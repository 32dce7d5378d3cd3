// memcpy, memmove, memset, memcmp, bcmp, strlen: the compiler calls them by these names and a kernel has no libc. Plain SSE2 loops:
// no `rep movsb`, which emulation executes byte by byte. `entry` is a macro that the including file defines.

// In all: rdi destination, rsi source, rdx length; the result is the destination.
entry memcpy
    // Every branch loads all that it will overwrite before it stores, so a forward copy also serves memmove downwards.
    mov rax, rdi
    cmp rdx, 16
    jb 4f
5:  movups xmm1, [rsi + rdx - 16]
    lea rcx, [rdi + rdx - 16]
2:  movups xmm0, [rsi]
    add rsi, 16
    movups [rdi], xmm0
    add rdi, 16
    cmp rdi, rcx
    jb 2b
    movups [rcx], xmm1
    ret

4:  cmp edx, 8
    jb 2f
    mov rcx, [rsi]
    mov r8, [rsi + rdx - 8]
    mov [rdi], rcx
    mov [rdi + rdx - 8], r8
    ret
2:  cmp edx, 4
    jb 2f
    mov ecx, [rsi]
    mov r8d, [rsi + rdx - 4]
    mov [rdi], ecx
    mov [rdi + rdx - 4], r8d
    ret
2:  test edx, edx
    jz 3f
    lea r10d, [rdx - 1]                 // 1 to 3 bytes: the first, the middle and the last, which may be the same
    movzx ecx, byte ptr [rsi]
    movzx r8d, byte ptr [rsi + r10]
    shr edx, 1
    movzx r9d, byte ptr [rsi + rdx]
    mov [rdi], cl
    mov [rdi + rdx], r9b
    mov [rdi + r10], r8b
3:  ret

entry memmove
    mov rax, rdi
    cmp rdx, 16
    jb 4b
    mov rcx, rdi
    sub rcx, rsi
    cmp rcx, rdx
    jae 5b                              // the destination does not start inside the source
    movups xmm1, [rsi]
2:  movups xmm0, [rsi + rdx - 16]
    movups [rdi + rdx - 16], xmm0
    sub rdx, 16
    cmp rdx, 16
    ja 2b
    movups [rdi], xmm1
    ret

// esi: the byte.
entry memset
    mov rax, rdi
    movzx esi, sil
    movabs rcx, 0x0101010101010101
    imul rcx, rsi
    cmp rdx, 16
    jb 4f
    movq xmm0, rcx
    punpcklqdq xmm0, xmm0
    lea rsi, [rdi + rdx - 16]
2:  movups [rdi], xmm0
    add rdi, 16
    cmp rdi, rsi
    jb 2b
    movups [rsi], xmm0
    ret
4:  cmp edx, 8
    jb 2f
    mov [rdi], rcx
    mov [rdi + rdx - 8], rcx
    ret
2:  cmp edx, 4
    jb 2f
    mov [rdi], ecx
    mov [rdi + rdx - 4], ecx
    ret
2:  test edx, edx
    jz 3f
    mov [rdi], cl
    mov [rdi + rdx - 1], cl
    shr edx, 1
    mov [rdi + rdx], cl
3:  ret

entry bcmp
entry memcmp
    cmp rdx, 8
    jb 3f
2:  mov rax, [rdi]
    mov rcx, [rsi]
    cmp rax, rcx
    jne 5f
    add rdi, 8
    add rsi, 8
    sub rdx, 8
    cmp rdx, 8
    jae 2b
3:  test rdx, rdx
    jz 4f
    movzx eax, byte ptr [rdi]
    movzx ecx, byte ptr [rsi]
    inc rdi
    inc rsi
    dec rdx
    sub eax, ecx
    jz 3b
    ret
4:  xor eax, eax
    ret
5:  bswap rax
    bswap rcx
    cmp rax, rcx
    sbb eax, eax                        // -1 when below, else 0
    or eax, 1
    ret

entry strlen
    mov rax, rdi
2:  cmp byte ptr [rax], 0
    je 3f
    inc rax
    jmp 2b
3:  sub rax, rdi
    ret
