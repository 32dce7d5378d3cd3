"""The byte-level BPE vocabulary: trained on the corpus, split the way llama-3 splits (GGUF's `llama-bpe`).

`python vocabulary.py OUT.json` trains it.
"""
import random
import sys

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

import corpus

SIZE = 2048
BOS, END_OF_TEXT, START, END = "<|begin_of_text|>", "<|end_of_text|>", "<|im_start|>", "<|im_end|>"
SPECIAL = [BOS, END_OF_TEXT, START, END]
# What every tokenizer that knows `llama-bpe` does: at most three digits together, letters with one sign in front.
SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
         r"|\s+(?!\S)|\s+")


def train(documents=30000, seed=7):
    """A tokenizer trained on the corpus as people and the model would type it."""
    rng = random.Random(seed)

    def texts():
        for _ in range(documents):
            doc = corpus.document(rng)
            yield from [doc] if isinstance(doc, str) else [f"{role}\n{text}" for role, text in doc]

    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(SPLIT), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(texts(), trainers.BpeTrainer(
        vocab_size=SIZE, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    return tokenizer


if __name__ == "__main__":
    trained = train()
    trained.save(sys.argv[1])
    print(f"{trained.get_vocab_size()} tokens")
    print(trained.encode("<|im_start|>user\nWhat's the capital of Brazil? 12 + 345 in São Paulo<|im_end|>\n").tokens)
