"""Colours that can be told apart, also by people who see fewer of them."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from skimage.color import deltaE_ciede2000, rgb2lab

from s3rl.pl._palette import UNLABELLED, domain_colors

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB
SEEN = {
    "normal": np.eye(3),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
}


def distances(colors: list[str], seen: str) -> np.ndarray:
    rgb = np.array([to_rgb(color) for color in colors])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ SEEN[seen].T, 0, 1)
    lab = rgb2lab(np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)[None])[0]
    found = deltaE_ciede2000(lab[:, None], lab[None])
    return found[np.triu_indices(len(colors), 1)]


@pytest.mark.parametrize("seen", SEEN)
@pytest.mark.parametrize(("n", "least"), [(7, 10), (20, 8)])
def test_colours_differ(seen, n, least):
    """A CIEDE2000 distance of 2.3 is just noticeable."""
    assert distances([*domain_colors(n), UNLABELLED, "#FFFFFF"], seen).min() > least


@pytest.mark.parametrize("n", [0, 1, 20, 21, 300])
def test_as_many_as_asked_each_once_and_none_moves(n):
    colors = domain_colors(n)
    assert len(colors) == len(set(colors)) == n
    assert UNLABELLED not in colors
    assert domain_colors(n + 5)[:n] == colors
    for color in colors:
        assert len(color) == 7
        to_rgb(color)


def test_needs_no_matplotlib():
    code = "import sys, s3rl.pl._palette as p; p.domain_colors(30); sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
