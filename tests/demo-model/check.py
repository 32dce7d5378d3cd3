"""Reads the exported GGUF back with nothing but what is in it, compares it with the checkpoint, and chats.

`python check.py --gguf demo.gguf --model model.pt "Hello!" "What is the capital of France?"`: each further argument is one
turn of the same conversation, answered greedily.
"""
import argparse

import gguf
import jinja2
import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

import corpus
from model import Model, Shape
from vocabulary import SPLIT


class Exported:
    """A model, tokenizer and chat template rebuilt from a GGUF file."""

    def __init__(self, path):
        reader = gguf.GGUFReader(path)
        self.field = lambda key: reader.fields[key].contents()
        arch = lambda key: self.field("llama." + key)
        assert self.field("general.architecture") == "llama"
        self.shape = Shape(arch("vocab_size"), arch("embedding_length"), arch("block_count"), arch("attention.head_count"),
                           arch("attention.head_count_kv"), arch("rope.dimension_count"), arch("feed_forward_length"),
                           arch("context_length"), arch("rope.freq_base"), arch("attention.layer_norm_rms_epsilon"))
        self.model = Model(self.shape)
        weights = {t.name: torch.from_numpy(gguf.quants.dequantize(t.data, t.tensor_type).copy()) for t in reader.tensors}
        self.model.load_state_dict(weights)
        self.tokenizer = self.read_tokenizer()
        self.template = jinja2.Environment().from_string(self.field("tokenizer.chat_template"))
        self.bos, self.eos = self.field("tokenizer.ggml.bos_token_id"), self.field("tokenizer.ggml.eos_token_id")

    def read_tokenizer(self):
        tokens, kinds = self.field("tokenizer.ggml.tokens"), self.field("tokenizer.ggml.token_type")
        merges = [tuple(m.split(" ")) for m in self.field("tokenizer.ggml.merges")]
        tokenizer = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, merges, ignore_merges=True))
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(SPLIT), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
        tokenizer.decoder = decoders.ByteLevel()
        control = [t for t, kind in zip(tokens, kinds) if kind == gguf.TokenType.CONTROL]
        tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in control])
        return tokenizer

    def prompt(self, messages, add_generation_prompt=True):
        """The tokens of a conversation as the chat template renders it."""
        text = self.template.render(messages=messages, add_generation_prompt=add_generation_prompt,
                                    bos_token=self.tokenizer.id_to_token(self.bos))
        return self.tokenizer.encode(text).ids

    @torch.no_grad()
    def answer(self, messages, limit=160):
        """The greedy answer to the last message."""
        tokens = self.prompt(messages)
        start = len(tokens)
        while len(tokens) < min(start + limit, self.shape.context):
            best = int(self.model(torch.tensor([tokens]))[0, -1].argmax())
            if best == self.eos:
                break
            tokens.append(best)
        return self.tokenizer.decode(tokens[start:])


@torch.no_grad()
def compare(exported, checkpoint, rows=8):
    """Prints how far the quantised logits are from the trained ones, on packed training-like text."""
    import random
    trained = Model(Shape(**checkpoint["shape"]))
    trained.load_state_dict(checkpoint["weights"])
    rng, same, total, divergence = random.Random(99), 0, 0, 0.0
    for _ in range(rows):
        doc = corpus.conversation(rng)
        tokens = exported.prompt([{"role": r, "content": t} for r, t in doc], False)[: exported.shape.context]
        p, q = (m(torch.tensor([tokens]))[0].log_softmax(-1) for m in (trained, exported.model))
        same, total = same + (p.argmax(-1) == q.argmax(-1)).sum().item(), total + len(tokens)
        divergence += (p.exp() * (p - q)).sum().item()
    print(f"{total} positions: the same best token at {same}, mean KL divergence {divergence / total:.2e}")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--gguf", required=True)
    p.add_argument("--model")
    p.add_argument("--system")
    p.add_argument("questions", nargs="*")
    args = p.parse_args()
    exported = Exported(args.gguf)
    if args.model:
        compare(exported, torch.load(args.model))
    messages = [{"role": "system", "content": args.system}] if args.system else []
    for question in args.questions:
        messages.append({"role": "user", "content": question})
        messages.append({"role": "assistant", "content": exported.answer(messages)})
        print(f"user: {question}\nassistant: {messages[-1]['content']}")


if __name__ == "__main__":
    main()
