// Every logit that llama.cpp computes for some sequences of tokens.
//
// usage: llama_logits MODEL OUT < SEQUENCES
// A line of SEQUENCES is one sequence: ids separated by spaces, evaluated from an empty cache. OUT gets the logits of all
// positions of all sequences, one row after the other, as f32.

#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "llama.h"

static int fail(const std::string & what) {
    std::cerr << what << std::endl;
    return 1;
}

int main(int argc, char ** argv) {
    if (argc != 3) {
        return fail("usage: llama_logits MODEL OUT < SEQUENCES");
    }
    llama_log_set([](ggml_log_level level, const char * text, void *) {
        if (level >= GGML_LOG_LEVEL_ERROR) {
            std::cerr << text;
        }
    }, nullptr);
    llama_backend_init();
    llama_model_params model_params = llama_model_default_params();
    // The plain layout of the file's types, not one repacked for this processor.
    model_params.use_extra_bufts = false;
    llama_model * model = llama_model_load_from_file(argv[1], model_params);
    FILE * out = std::fopen(argv[2], "wb");
    if (!model || !out) {
        return fail("cannot load the model or open the output");
    }
    const size_t vocabulary = llama_vocab_n_tokens(llama_model_get_vocab(model));

    std::string line;
    while (std::getline(std::cin, line)) {
        std::istringstream ids(line);
        std::vector<llama_token> tokens;
        for (llama_token id; ids >> id;) {
            tokens.push_back(id);
        }
        llama_context_params params = llama_context_default_params();
        params.n_ctx = params.n_batch = params.n_ubatch = tokens.size();
        params.n_threads = params.n_threads_batch = 1;
        params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
        llama_context * context = llama_init_from_model(model, params);
        if (!context) {
            return fail("cannot make a context");
        }
        llama_batch batch = llama_batch_init(tokens.size(), 0, 1);
        for (size_t i = 0; i < tokens.size(); i++) {
            batch.token[i] = tokens[i];
            batch.pos[i] = i;
            batch.n_seq_id[i] = 1;
            batch.seq_id[i][0] = 0;
            batch.logits[i] = true;
        }
        batch.n_tokens = tokens.size();
        if (llama_decode(context, batch) != 0) {
            return fail("llama_decode failed");
        }
        for (size_t i = 0; i < tokens.size(); i++) {
            if (std::fwrite(llama_get_logits_ith(context, i), sizeof(float), vocabulary, out) != vocabulary) {
                return fail("cannot write the output");
            }
        }
        llama_batch_free(batch);
        llama_free(context);
    }
    llama_model_free(model);
    return std::fclose(out) == 0 ? 0 : fail("cannot write the output");
}
