"""Spots and prototypes on the sphere."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from matplotlib.patches import Circle

import s3rl as s3
from s3rl.errors import InputError, MissingKeyError
from s3rl.pl._prototypes import viewing_plane


def simplex(corners: int, size: int, seed: int = 0) -> np.ndarray:
    centred = np.eye(corners, max(size, corners)) - np.pad(
        np.ones((corners, corners)) / corners, ((0, 0), (0, max(0, size - corners)))
    )
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(centred.shape[1],) * 2))[0]
    return centred @ turn / np.linalg.norm(centred, axis=1, keepdims=True)


def test_each_star_lies_on_its_spots(grid):
    """The embedding was made of the turned prototypes times a length: a wrong rotation would tear them apart."""
    ax = s3.pl.prototypes(grid)
    spots, stars = ax.collections
    where = {to_hex(color): xy for color, xy in zip(stars.get_facecolors(), stars.get_offsets(), strict=True)}
    assert list(where) == ["#ff0000", "#00ff00", "#0000ff"]
    assert len(spots.get_offsets()) == grid.n_obs
    for color, xy in zip(spots.get_facecolors(), spots.get_offsets(), strict=True):
        assert np.allclose(xy, where[to_hex(color)], atol=1e-5)
    shown, counts = np.unique([to_hex(color) for color in spots.get_facecolors()], return_counts=True)
    domain = grid.obs["s3rl_domain"].value_counts()
    assert dict(zip(shown, counts, strict=True)) == {
        color: domain[str(number)] for number, color in enumerate(grid.uns["s3rl_domain_colors"])
    }


def test_stars_are_labelled_inside_of_the_outline(grid):
    ax = s3.pl.prototypes(grid)
    assert [text.get_text() for text in ax.texts] == ["0", "1", "2"]
    assert [tuple(text.xy) for text in ax.texts] == [tuple(xy) for xy in ax.collections[1].get_offsets()]
    (outline,) = [patch for patch in ax.patches if isinstance(patch, Circle)]
    assert outline.radius == 1
    assert all(np.linalg.norm(c.get_offsets(), axis=1).max() < 1 + 1e-6 for c in ax.collections)
    assert ax.get_aspect() == 1.0


@given(st.integers(2, 12), st.integers(0, 20), st.integers(0, 10))
@settings(max_examples=40, deadline=None)
def test_corners_of_a_simplex_are_those_of_a_regular_polygon(corners, more, seed):
    stars = simplex(corners, corners + more, seed)
    plane = viewing_plane(stars, np.random.default_rng(seed).normal(size=(30, stars.shape[1])))
    assert plane.T @ plane == pytest.approx(np.eye(2), abs=1e-8)
    seen = stars @ plane
    radius = 1.0 if corners == 2 else np.sqrt(2 / (corners - 1))
    assert np.linalg.norm(seen, axis=1) == pytest.approx(np.full(corners, radius), abs=1e-8)
    gaps = np.linalg.norm(seen[:, None] - seen[None], axis=-1)[np.triu_indices(corners, 1)]
    assert gaps.min() == pytest.approx(2 * radius * np.sin(np.pi / corners), abs=1e-8)


def test_plane_of_the_first_principal_directions_where_there_are_such():
    stars = np.array([[1, 0, 0, 0.0], [-1, 0, 0, 0], [0, 1, 0, 0], [0.6, 0.8, 0, 0], [0, 0, 0.1, np.sqrt(0.99)]])
    plane = viewing_plane(stars[:4], stars)
    assert plane[2:] == pytest.approx(np.zeros((2, 2)), abs=1e-12)


def test_plane_does_not_depend_on_chance():
    stars = simplex(2, 6)
    points = np.random.default_rng(0).normal(size=(50, 6))
    assert np.array_equal(viewing_plane(stars, points), viewing_plane(stars, points))


@pytest.mark.parametrize("size", [1, 2])
def test_small_spheres(size):
    stars = np.vstack([np.eye(1, size), -np.eye(1, size)])
    plane = viewing_plane(stars, stars[[0, 1, 1]])
    assert plane.shape == (size, 2)
    assert np.abs(stars @ plane)[:, 0] == pytest.approx([1, 1])


def test_a_prototype_without_spots_is_drawn(grid):
    grid.uns["s3rl"]["prototypes"] = np.eye(4, dtype=np.float32)
    ax = s3.pl.prototypes(grid)
    assert [text.get_text() for text in ax.texts] == ["0", "1", "2", "3"]


def test_on_the_axes_of_the_user(grid):
    ax = plt.subplots()[1]
    assert s3.pl.prototypes(grid, ax=ax) is ax
    assert len(plt.get_fignums()) == 1


def test_what_cannot_be_drawn(grid):
    for part in ("rotation", "prototypes"):
        kept = grid.uns["s3rl"].pop(part)
        with pytest.raises(MissingKeyError, match=part):
            s3.pl.prototypes(grid)
        grid.uns["s3rl"][part] = kept
    grid.uns["s3rl"]["rotation"] = np.eye(3)
    with pytest.raises(InputError, match=r"rotation \(3, 3\)"):
        s3.pl.prototypes(grid)
    del grid.obsm["X_s3rl"]
    with pytest.raises(MissingKeyError, match=r"X_s3rl.*s3\.tl\.s3rl"):
        s3.pl.prototypes(grid)
    assert not plt.get_fignums()
