"""Plain loops for the terms of the objective, in the paper's form (sections 4.2 and 4.4)."""

from __future__ import annotations

import math

import numpy as np


def cosine_error(x, reconstruction, power, counted):
    """Equation 3: mean of ``(1 - cos)^power`` over the counted spots."""
    errors = []
    for row, guess, counts in zip(x, reconstruction, counted, strict=True):
        if counts:
            errors.append((1 - row @ guess / (np.linalg.norm(row) * np.linalg.norm(guess))) ** power)
    return sum(errors) / len(errors)


def topology(z, attracting, repelling):
    """Equation 4 over all n x n pairs of two dense 0/1 matrices, divided by the number of edges."""
    total, edges = 0.0, 0
    for i in range(len(z)):
        for j in range(len(z)):
            product = float(z[i] @ z[j])
            if attracting[i, j]:
                total -= _log_sigmoid(product)
                edges += 1
            if repelling[i, j]:
                total -= _log_sigmoid(-product)  # 1 - sigmoid(t) is sigmoid(-t)
                edges += 1
    return total / edges


def nt_xent(z_1, z_2, temperature):
    """Section 4.2: the 2B views against each other, one pair at a time."""
    views = [*z_1, *z_2]
    n = len(z_1)

    def likeness(a, b):
        return math.exp(sum(x * y for x, y in zip(a, b, strict=True)) / (_length(a) * _length(b)) / temperature)

    total = 0.0
    for i, view in enumerate(views):
        below = 0.0
        for k, other in enumerate(views):
            if k != i:
                below += likeness(view, other)
        total -= math.log(likeness(view, views[(i + n) % (2 * n)]) / below)
    return total / (2 * n)


def separability(assignment):
    """Equation 9 for domains of equal size."""
    n, c = assignment.shape
    norms = sum(math.sqrt(sum(value**2 for value in assignment[:, j])) for j in range(c))
    return (math.sqrt(c) - norms / math.sqrt(n)) / (math.sqrt(c) - 1)


def prototype_deviation(assignment, sizes):
    """Equation 10: divergence of the ideal assignment of each prototype from the one it has."""
    n, c = assignment.shape
    out = []
    for j in range(c):
        m = max(1, math.floor(sizes[j] * n + 1e-6))
        members = sorted(range(n), key=lambda i: -assignment[i, j])[:m]
        ideal = [1.0 if i in members else 0.0 for i in range(n)]
        have = assignment[:, j] / assignment[:, j].sum()
        want = [value / sum(ideal) for value in ideal]
        out.append(sum(w * math.log(w / h) for w, h in zip(want, have, strict=True) if w > 0))
    return np.array(out)


def _length(vector):
    return math.sqrt(sum(value**2 for value in vector))


def _log_sigmoid(t):
    return -math.log1p(math.exp(-abs(t))) + min(t, 0.0)
