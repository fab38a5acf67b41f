"""Losses of the two deconvolutions as plain loops."""

from __future__ import annotations

import math

import numpy as np


def contrastive_loss(predicted, observed, graph, negatives, contrast, temperature):
    """Mean loss over the spots of predicted shares (n, g) of observed ones (n, g) with neighbours ``graph`` (n, n)."""
    n, g = observed.shape
    centre = [sum(math.sqrt(observed[i, a]) for i in range(n)) / n for a in range(g)]

    def feature(row):
        vector = [math.sqrt(row[a] + 1e-12) - centre[a] for a in range(g)]
        length = math.sqrt(sum(v * v for v in vector))
        return [v / length for v in vector]

    def dot(one, other):
        return sum(a * b for a, b in zip(one, other, strict=True))

    observed_features = [feature(row) for row in observed]
    total = 0.0
    for i in range(n):
        total += sum(
            observed[i, a] * math.log(observed[i, a] / predicted[i, a]) for a in range(g) if observed[i, a] > 0
        )
        own = feature(predicted[i])
        near = [j for j in range(n) if graph[i, j]]
        positive = dot(own, observed_features[i])
        if near:
            around = sum(dot(own, observed_features[j]) for j in near) / len(near)
            positive = 0.5 * positive + 0.5 * around
        apart = sum(math.exp(dot(own, observed_features[j]) / temperature) for j in negatives if j != i) / len(
            negatives
        )
        total += contrast * (math.log(apart) - positive / temperature)
    return total / n


def car_loss(weights, level, observed, signatures, graph, phi, scale, precision, noise):
    """Negative log posterior of weights (n, k) and levels (k,), up to a constant."""
    n, k = weights.shape
    g = observed.shape[1]
    total = 0.0
    for i in range(n):
        for a in range(g):
            fitted = sum(weights[i, t] * signatures[t, a] for t in range(k))
            if noise == "poisson":
                total += precision[i] * (fitted - observed[i, a] * math.log(fitted))
            else:
                total += 0.5 * precision[i] * (observed[i, a] - fitted) ** 2
    for t in range(k):
        for i in range(n):
            degree = sum(graph[i, j] for j in range(n)) or 1
            total += 0.5 * degree * (weights[i, t] - level[t]) ** 2 / scale[t]
            for j in range(n):
                total -= 0.5 * phi * graph[i, j] * (weights[i, t] - level[t]) * (weights[j, t] - level[t]) / scale[t]
    return float(np.asarray(total))
