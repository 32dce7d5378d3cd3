// llama.cpp's tokenizer as a process. Argument: a GGUF file. Each request on the standard input: a byte that says what
// to do with a text, the length of the text as 32 bits little-endian, the text. The byte is 0 for its tokens, 1 for its
// tokens with special ones parsed: the answer is a line of ids. It is 2 for the vocabulary: the answer is a line for
// each token, whether it ends a generation (0 or 1) and in hexadecimal the bytes that it stands for.
#include "ggml.h"
#include "llama-arch.h"
#include "llama-model-loader.h"
#include "llama-vocab.h"

#include <cstdio>
#include <cstdint>
#include <string>

static void silence(ggml_log_level, const char *, void *) {}

// The loader refers to these for models in several files, which vocabularies are not.
extern "C" int32_t llama_split_path(char *, size_t, const char *, int32_t, int32_t) { return 0; }
extern "C" int32_t llama_split_prefix(char *, size_t, const char *, int32_t, int32_t) { return 0; }
extern "C" void llama_log_set(ggml_log_callback, void *);

int main(int, char ** arguments) {
    llama_log_set(silence, nullptr);
    ggml_log_set(silence, nullptr);
    std::vector<std::string> splits;
    llama_model_loader loader(nullptr, nullptr, nullptr, arguments[1], splits, nullptr, LLAMA_LOAD_MODE_NONE, false,
        false, false, nullptr, nullptr);
    llama_vocab vocabulary;
    vocabulary.load(loader, LLM_KV(loader.get_arch()));
    uint8_t request;
    uint32_t length;
    while (fread(&request, 1, 1, stdin) == 1 && fread(&length, 4, 1, stdin) == 1) {
        std::string text(length, '\0');
        if (fread(&text[0], 1, length, stdin) != length) {
            return 1;
        }
        if (request == 2) {
            for (llama_token token = 0; token < (llama_token) vocabulary.n_tokens(); ++token) {
                printf("%d ", vocabulary.is_eog(token));
                for (char byte : vocabulary.token_to_piece(token)) {
                    printf("%02x", (uint8_t) byte);
                }
                printf("\n");
            }
        } else {
            for (llama_token token : vocabulary.tokenize(text, false, request == 1)) {
                printf("%d ", token);
            }
            printf("\n");
        }
        fflush(stdout);
    }
}
