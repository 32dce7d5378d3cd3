"""Writes a trained model as GGUF: Q8_0 matrices, F32 norms, the vocabulary and the chat template.

`python export.py --vocabulary vocabulary.json --model model.pt --out demo.gguf`
"""
import argparse
import json

import gguf
import torch

from corpus import CHAT_TEMPLATE
from vocabulary import BOS, END, END_OF_TEXT, SPECIAL

DESCRIPTION = ("A very small Llama-architecture model that answers simple questions and tells short stories. "
               "Trained from nothing on text that the project's own scripts generate.")


def add_vocabulary(writer, path):
    """Tokens, merges and special tokens, as GGUF's `gpt2` tokenizer wants them."""
    model = json.load(open(path))["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    kinds = [gguf.TokenType.CONTROL if t in SPECIAL else gguf.TokenType.NORMAL for t in tokens]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in model["merges"]])
    writer.add_bos_token_id(tokens.index(BOS))
    writer.add_eos_token_id(tokens.index(END))
    writer.add_eot_token_id(tokens.index(END))
    writer.add_pad_token_id(tokens.index(END_OF_TEXT))
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def add_shape(writer, shape):
    """The keys that say how large the model is."""
    writer.add_context_length(shape["context"])
    writer.add_embedding_length(shape["width"])
    writer.add_block_count(shape["layers"])
    writer.add_feed_forward_length(shape["ffn"])
    writer.add_head_count(shape["heads"])
    writer.add_head_count_kv(shape["kv_heads"])
    writer.add_key_length(shape["head_size"])
    writer.add_value_length(shape["head_size"])
    writer.add_layer_norm_rms_eps(shape["epsilon"])
    writer.add_rope_dimension_count(shape["head_size"])
    writer.add_rope_freq_base(shape["rope_base"])
    writer.add_vocab_size(shape["vocab"])


def add_weights(writer, weights):
    """Every parameter under its GGUF name, which is the name it has in `model.py`."""
    for name, tensor in weights.items():
        data = tensor.float().numpy()
        if data.ndim == 1:
            writer.add_tensor(name, data)
        else:
            q8_0 = gguf.quants.quantize(data, gguf.GGMLQuantizationType.Q8_0)
            writer.add_tensor(name, q8_0, raw_dtype=gguf.GGMLQuantizationType.Q8_0)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--vocabulary", required=True)
    p.add_argument("--model", required=True)
    p.add_argument("--out", required=True)
    args = p.parse_args()
    saved = torch.load(args.model)
    writer = gguf.GGUFWriter(args.out, "llama")
    writer.add_type("model")
    writer.add_name("Infernel demo")
    writer.add_author("The Infernel project")
    writer.add_basename("infernel-demo")
    writer.add_size_label(f"{sum(w.numel() for w in saved['weights'].values()) / 1e6:.0f}M")
    writer.add_description(DESCRIPTION)
    writer.add_license("MIT OR Apache-2.0")
    writer.add_languages(["en"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    add_shape(writer, saved["shape"])
    add_vocabulary(writer, args.vocabulary)
    add_weights(writer, saved["weights"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
