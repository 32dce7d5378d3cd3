"""tinygrad on the model: arguments are the folder of AMD's firmware and what to do; prints one line a step."""
import sys

import tinygrad.helpers as helpers

folder, task = sys.argv[1:]
# tinygrad downloads newer files by their hashes; the distribution's do as well.
helpers.fetch_fw = lambda path, name, sha256: open(f"{folder}/{name}", "rb").read()

from tinygrad import Device, Tensor  # noqa: E402  (after the replacement)


def numbers(count, step):
    return [((n * step) % 97) / 31.0 - 1.5 for n in range(count)]


ROWS, COLUMNS = 6, 10
A, B, C = numbers(60, 37), numbers(60, 53), numbers(40, 71)


def transformer(x, w):
    """One head of attention and a layer of a feed-forward network."""
    q, k, v = x @ w, x @ (w * 0.5), x @ (w + 0.1)
    y = (q @ k.transpose(0, 1)).softmax() @ v + x
    return (y @ w).relu() @ w.transpose(0, 1) + y


OPERATIONS = {
    "add": lambda a, b, c: a + b,
    "subtract": lambda a, b, c: a - b,
    "multiply": lambda a, b, c: a * b,
    "divide": lambda a, b, c: a / (b.abs() + 1),
    "negate": lambda a, b, c: -a,
    "exp": lambda a, b, c: a.exp(),
    "log": lambda a, b, c: (a.abs() + 1).log(),
    "sqrt": lambda a, b, c: a.abs().sqrt(),
    "sin": lambda a, b, c: a.sin(),
    "tanh": lambda a, b, c: a.tanh(),
    "sigmoid": lambda a, b, c: a.sigmoid(),
    "relu": lambda a, b, c: a.relu(),
    "maximum": lambda a, b, c: a.maximum(b),
    "where": lambda a, b, c: (a > b).where(a, b),
    "sum": lambda a, b, c: a.sum(),
    "sum of columns": lambda a, b, c: a.sum(0),
    "max of rows": lambda a, b, c: a.max(1),
    "mean": lambda a, b, c: a.mean(1),
    "argmax": lambda a, b, c: a.argmax(1),
    "matrix product": lambda a, b, c: a @ b.transpose(0, 1),
    "softmax": lambda a, b, c: a.softmax(),
    "transpose": lambda a, b, c: a.transpose(0, 1).contiguous(),
    "concatenate": lambda a, b, c: a.cat(b, dim=0),
    "running sum": lambda a, b, c: a.cumsum(1),
    "layer norm": lambda a, b, c: a.layernorm(),
    "transformer step": lambda a, b, c: transformer(a[:, :6], c[:36].reshape(6, 6)),
}


def flat(value):
    return [x for part in value for x in flat(part)] if isinstance(value, list) else [value]


def result(operation, device):
    tensors = [Tensor(A, device=device).reshape(ROWS, COLUMNS), Tensor(B, device=device).reshape(ROWS, COLUMNS)]
    return flat(operation(*tensors, Tensor(C, device=device)).tolist())


def add(number):
    return (Tensor([1.0, 2.0, 3.0]) + number).tolist() == [1.0 + number, 2.0 + number, 3.0 + number]


if task == "open":
    Device["AMD"]  # which brings the card up
    print("open ok")
elif task == "all":
    for name, operation in OPERATIONS.items():
        # tinygrad's own interpreter says what is right.
        got, want = result(operation, None), result(operation, "PYTHON")
        close = len(got) == len(want) and all(abs(g - w) <= 1e-4 + 1e-3 * abs(w) for g, w in zip(got, want))
        print(name, "ok" if close else f"wrong: {got} is not {want}", flush=True)
else:
    for number in range(4):
        try:
            print("add", "ok" if add(number) else "wrong", flush=True)
        except RuntimeError as error:
            print("add", f"failed: {error}", flush=True)
