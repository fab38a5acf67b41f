"""Plain loops for the layers: equation 2, attention over neighbours, diffusion, distances between prototypes."""

from __future__ import annotations

import math

import numpy as np


def graph_transformer(x, neighbours, weights, n_heads):
    """Equation 2 without the activation, one spot, head and neighbour at a time.

    ``weights`` maps query, key, value and skip to (matrix, bias) and gate to a vector, all numpy float64;
    ``neighbours[i]`` lists the spots that spot i reads.
    """
    n_out = len(weights["skip"][1])
    out = np.zeros((len(x), n_out))
    for i, own_input in enumerate(x):
        around = np.zeros(n_out)
        for head in range(n_heads):
            rows = slice(head * n_out, (head + 1) * n_out)
            query = _affine(weights["query"], rows, own_input)
            logits = [query @ _affine(weights["key"], rows, x[j]) / math.sqrt(n_out) for j in neighbours[i]]
            alphas = softmax(logits)
            for alpha, j in zip(alphas, neighbours[i], strict=True):
                around += alpha * _affine(weights["value"], rows, x[j]) / n_heads
        own = _affine(weights["skip"], slice(None), own_input)
        beta = 1 / (1 + math.exp(-(weights["gate"] @ np.concatenate([around, own, around - own]))))
        out[i] = beta * own + (1 - beta) * around
    return out


def attention(query, key, value, neighbours, scale):
    """Attention of each spot over its neighbours."""
    out = np.zeros((len(query), value.shape[1]))
    for i, around in enumerate(neighbours):
        for alpha, j in zip(softmax([scale * (query[i] @ key[j]) for j in around]), around, strict=True):
            out[i] += alpha * value[j]
    return out


def softmax(logits):
    """Softmax of a list of numbers; an empty one stays empty."""
    top = max(logits, default=0.0)
    exponentials = [math.exp(value - top) for value in logits]
    return [value / sum(exponentials) for value in exponentials]


def neighbours_of(graph):
    """Lists of neighbours of a sparse (n, n) pattern."""
    dense = graph.toarray() != 0
    return [np.flatnonzero(row).tolist() for row in dense]


def diffused(x, graph, strength):
    """``(I + strength L)^-1 x`` by a dense solve."""
    adjacency = graph.toarray().astype(np.float64)
    laplacian = np.diag(adjacency.sum(axis=1)) - adjacency
    return np.linalg.solve(np.eye(len(adjacency)) + strength * laplacian, x)


def _affine(pair, rows, x):
    matrix, bias = pair
    return matrix[rows] @ x + bias[rows]
