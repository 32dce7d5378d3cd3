"""Trains the demo model on `corpus.py`, on one CPU thread.

`python train.py --vocabulary vocabulary.json --out model.pt --decay-at 1500 --steps 2500`. The checkpoint that is written
every 50 steps holds everything: `export.py` can be run at any moment, and `--resume` goes on from it as if nothing had
happened. Until `--decay-at` the rate is constant, so how long to train can be decided on the way.
"""
import argparse
import os
import random
import time

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

import corpus
from model import Model, Shape
from vocabulary import BOS, END, END_OF_TEXT, START

# Predicting what the user will ask is impossible; the little weight it has is there to learn the words.
USER_WEIGHT = 0.1


def answer_weight(length):
    """The weight of each token of an answer: less in a story, so that its many free choices do not drown the facts."""
    return min(1.0, (16 / length) ** 0.5)


class Packer:
    """Documents as token rows of one length, each row beginning with a document, and the weight of each token in the loss."""

    def __init__(self, tokenizer, seed):
        self.encode = lambda text: tokenizer.encode(text).ids
        self.rng = random.Random(seed)
        self.bos, self.end_of_text = self.encode(BOS), self.encode(END_OF_TEXT)
        self.end, self.newline = self.encode(END), self.encode("\n")
        self.header = {role: self.encode(f"{START}{role}\n") for role in ("system", "user", "assistant")}

    def document(self):
        """One document as (tokens, weights), in the form that `corpus.CHAT_TEMPLATE` renders."""
        doc = corpus.document(self.rng)
        if isinstance(doc, str):
            ids = self.bos + self.encode(doc) + self.end_of_text
            return ids, [answer_weight(len(ids))] * len(ids)
        ids, weights = list(self.bos), [USER_WEIGHT]
        for role, text in doc:
            head, body = self.header[role], self.encode(text) + self.end
            ids += head + body + self.newline
            weight = answer_weight(len(body)) if role == "assistant" else USER_WEIGHT
            weights += [USER_WEIGHT] * len(head) + [weight] * len(body) + [USER_WEIGHT] * len(self.newline)
        return ids, weights

    def batch(self, rows, length):
        tokens, weights = [], []
        for _ in range(rows):
            row, row_weights = [], []
            while len(row) <= length:
                ids, w = self.document()
                row, row_weights = row + ids, row_weights + w
            tokens.append(row[: length + 1])
            weights.append(row_weights[: length + 1])
        return torch.tensor(tokens), torch.tensor(weights)


def orthogonal(g):
    """The nearest matrix to `g` whose singular values are all about one, by five Newton-Schulz steps."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = (g / (g.norm() + 1e-7)).bfloat16()
    wide = x.shape[0] <= x.shape[1]
    x = x if wide else x.T
    for _ in range(5):
        s = x @ x.T
        x = a * x + (b * s + c * s @ s) @ x
    return (x if wide else x.T).float()


class Muon(torch.optim.Optimizer):
    """Momentum whose step is made orthogonal: for the matrices between the layers it needs far fewer tokens than Adam."""

    def __init__(self, params, lr, momentum=0.95):
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                m = self.state[p].setdefault("momentum", torch.zeros_like(p))
                m.mul_(group["momentum"]).add_(p.grad)
                step = orthogonal(p.grad + group["momentum"] * m)
                p.mul_(1 - 0.01 * group["lr"]).add_(step, alpha=-group["lr"] * max(1, p.shape[0] / p.shape[1]) ** 0.5)


def losses(model, tokens, weights):
    """The weighted mean loss and the plain mean over the assistant's tokens."""
    logits = model(tokens[:, :-1]).float()
    each = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), reduction="none")
    w = weights[:, 1:].flatten()
    answer = (w > USER_WEIGHT).float()
    return (each * w).sum() / w.sum(), (each.detach() * answer).sum() / answer.sum()


def parse_arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--vocabulary", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--resume", action="store_true")
    p.add_argument("--decay-at", type=int, required=True)
    p.add_argument("--steps", type=int, required=True)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--batch-tokens", type=int, default=2048)
    return p.parse_args()


def make_optimizers(model):
    """Muon for the matrices, Adam for the embedding and the norms."""
    matrix = lambda name, p: p.dim() == 2 and "token_embd" not in name
    matrices = [p for n, p in model.named_parameters() if matrix(n, p)]
    others = [p for n, p in model.named_parameters() if not matrix(n, p)]
    return [Muon(matrices, 0.02), torch.optim.Adam(others, 0.004, betas=(0.9, 0.98))]


def schedule(step, args):
    """The factor on the peak rates, and the row length: long rows, which are slower, only in the last fifth of the decay."""
    left = (args.steps - step) / (args.steps - args.decay_at)
    return min(1.0, (step + 1) / 50, left), 512 if left < 0.2 else 256


def main():
    args = parse_arguments()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    shape = Shape()
    model, packer = Model(shape), Packer(Tokenizer.from_file(args.vocabulary), args.seed)
    optimizers = make_optimizers(model)
    peaks = [o.param_groups[0]["lr"] for o in optimizers]
    step, mean, seconds = 0, None, 0.0
    if args.resume:
        old = torch.load(args.out)
        model.load_state_dict(old["weights"])
        for o, state in zip(optimizers, old["optimizers"]):
            o.load_state_dict(state)
        packer.rng.setstate(old["rng"])
        step, mean, seconds = old["step"], old["mean"], old["seconds"]

    def save():
        state = {"shape": vars(shape), "weights": model.state_dict(), "optimizers": [o.state_dict() for o in optimizers],
                 "rng": packer.rng.getstate(), "step": step, "mean": mean, "seconds": seconds}
        torch.save(state, args.out + ".new")
        os.replace(args.out + ".new", args.out)

    print(f"{sum(p.numel() for p in model.parameters())} parameters", flush=True)
    while step < args.steps:
        began = time.time()
        rate, length = schedule(step, args)
        for o, peak in zip(optimizers, peaks):
            o.param_groups[0]["lr"] = peak * rate
        tokens, weights = packer.batch(args.batch_tokens // length, length)
        with torch.autocast("cpu", torch.bfloat16):
            loss, answer = losses(model, tokens, weights)
        model.zero_grad(set_to_none=True)
        loss.backward()
        for o in optimizers:
            o.step()
        step, seconds = step + 1, seconds + time.time() - began
        mean = answer.item() if mean is None else 0.95 * mean + 0.05 * answer.item()
        if step % 50 == 0 or step == args.steps:
            print(f"step {step}, {step * args.batch_tokens} tokens, {seconds:.0f} s, loss of the answers {mean:.4f}", flush=True)
            save()


if __name__ == "__main__":
    main()
