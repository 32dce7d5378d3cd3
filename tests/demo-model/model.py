"""The demo model in PyTorch: the Llama architecture as GGUF means it (interleaved RoPE pairs, GQA, tied output)."""
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass
class Shape:
    """Sizes. Every row length is a multiple of 32, the block size of Q8_0."""
    vocab: int = 2048
    width: int = 192
    layers: int = 4
    heads: int = 6
    kv_heads: int = 2
    head_size: int = 32
    ffn: int = 512
    context: int = 512
    rope_base: float = 10000.0
    epsilon: float = 1e-5


class RmsNorm(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.weight, self.epsilon = nn.Parameter(torch.ones(shape.width)), shape.epsilon

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.epsilon) * self.weight


def rope_tables(shape):
    """cos and sin, one row a position, one column a pair of neighbouring elements."""
    frequency = shape.rope_base ** (-torch.arange(0, shape.head_size, 2).float() / shape.head_size)
    angle = torch.outer(torch.arange(shape.context).float(), frequency)
    return angle.cos(), angle.sin()


def rotate(x, cos, sin):
    """Turns the pairs (0,1), (2,3), ... of the last dimension. `x` is [batch, position, head, element]."""
    even, odd = x[..., 0::2], x[..., 1::2]
    cos, sin = cos[: x.shape[1], None], sin[: x.shape[1], None]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


class Layer(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        kv_width = shape.kv_heads * shape.head_size
        linear = lambda rows, columns: nn.Linear(columns, rows, bias=False)
        self.attn_norm, self.ffn_norm = RmsNorm(shape), RmsNorm(shape)
        self.attn_q = linear(shape.heads * shape.head_size, shape.width)
        self.attn_k, self.attn_v = linear(kv_width, shape.width), linear(kv_width, shape.width)
        self.attn_output = linear(shape.width, shape.heads * shape.head_size)
        self.ffn_gate, self.ffn_up = linear(shape.ffn, shape.width), linear(shape.ffn, shape.width)
        self.ffn_down = linear(shape.width, shape.ffn)

    def attention(self, x, cos, sin, mask):
        s, (batch, length, _) = self.shape, x.shape
        q = rotate(self.attn_q(x).view(batch, length, s.heads, s.head_size), cos, sin)
        k = rotate(self.attn_k(x).view(batch, length, s.kv_heads, s.head_size), cos, sin)
        v = self.attn_v(x).view(batch, length, s.kv_heads, s.head_size)
        # Query head h reads key head h // group: fold the group into the query rows, so that K and V are not repeated.
        group = s.heads // s.kv_heads
        q = q.view(batch, length, s.kv_heads, group, s.head_size).permute(0, 2, 3, 1, 4)
        scores = q.reshape(batch, s.kv_heads, group * length, s.head_size) @ k.permute(0, 2, 3, 1)
        scores = scores.view(batch, s.kv_heads, group, length, length) * s.head_size ** -0.5 + mask
        mixed = scores.softmax(-1).view(batch, s.kv_heads, group * length, length) @ v.permute(0, 2, 1, 3)
        mixed = mixed.view(batch, s.kv_heads, group, length, s.head_size).permute(0, 3, 1, 2, 4)
        return self.attn_output(mixed.reshape(batch, length, s.heads * s.head_size))

    def forward(self, x, cos, sin, mask):
        x = x + self.attention(self.attn_norm(x), cos, sin, mask)
        y = self.ffn_norm(x)
        return x + self.ffn_down(F.silu(self.ffn_gate(y)) * self.ffn_up(y))


class Model(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        self.token_embd = nn.Embedding(shape.vocab, shape.width)
        self.blk = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.output_norm = RmsNorm(shape)
        cos, sin = rope_tables(shape)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                scale = 0.5 if name.endswith(("attn_output.weight", "ffn_down.weight")) else 1.0
                nn.init.normal_(p, std=scale * (0.02 if "token_embd" in name else p.shape[1] ** -0.5))

    def forward(self, tokens):
        """Logits for every position of `tokens` ([batch, position])."""
        length = tokens.shape[1]
        mask = torch.full((length, length), float("-inf")).triu(1)
        x = self.token_embd(tokens)
        for layer in self.blk:
            x = layer(x, self.cos, self.sin, mask)
        return self.output_norm(x) @ self.token_embd.weight.T
