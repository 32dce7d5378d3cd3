// ggml's numbers for quantised blocks: the type is the argument, blocks come on stdin, f32s go to stdout.

#include "ggml-quants.h"

#include <stdio.h>
#include <string.h>

#define TYPE(type, elements)                                                      \
    if (strcmp(name, #type) == 0) {                                               \
        block_##type block;                                                       \
        float numbers[elements];                                                  \
        while (fread(&block, sizeof block, 1, stdin) == 1) {                      \
            dequantize_row_##type(&block, numbers, elements);                     \
            if (fwrite(numbers, sizeof numbers, 1, stdout) != 1) return 1;        \
        }                                                                         \
        return ferror(stdin) || fflush(stdout);                                   \
    }

int main(int argc, char **argv) {
    const char *name = argc == 2 ? argv[1] : "";
    TYPE(q8_0, QK8_0)
    TYPE(q4_0, QK4_0)
    TYPE(q4_K, QK_K)
    TYPE(q6_K, QK_K)
    fprintf(stderr, "no type of blocks: %s\n", name);
    return 1;
}
