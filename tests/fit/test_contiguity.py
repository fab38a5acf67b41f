"""What surroundings share: against a loop over spots, and where the truth is known."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.spatial.distance import cdist

from s3rl.fit.contiguity import BANDS, Contiguity, contiguity, surroundings

ONE = np.zeros(400, dtype=np.int64)


def expression(group: np.ndarray, g: int = 120, seed: int = 0, counts: float = 300) -> sp.csr_matrix:
    """Log-normalised counts of spots whose groups have markers of their own."""
    rng = np.random.default_rng(seed)
    means = rng.gamma(0.5, 1.0, g) * np.exp(rng.normal(0, 1, (group.max() + 1, g)))
    means /= means.sum(axis=1, keepdims=True)
    drawn = rng.poisson(means[group] * counts) + np.eye(len(group), g)
    return sp.csr_matrix(np.log1p(1e3 * drawn / drawn.sum(axis=1, keepdims=True)).astype(np.float32))


def places(n: int = 400, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).uniform(size=(n, 2))


@pytest.mark.parametrize("band", BANDS)
def test_surroundings_are_ranks_of_the_distance_within_the_slice(band):
    xy, slices = places(120), np.arange(120) % 2
    found = surroundings(xy, slices, *band)
    assert found is not None
    values = np.arange(120.0) ** 2
    for i in range(120):
        own = np.flatnonzero((slices == slices[i]) & (np.arange(120) != i))
        near = own[np.argsort(cdist(xy[[i]], xy[own])[0])][band[0] - 1 : band[1]]
        assert (found @ values)[i] == pytest.approx(values[near].mean())


def test_no_spot_is_its_own_neighbour_even_where_many_share_a_place():
    found = surroundings(np.zeros((30, 2)) + np.arange(30)[:, None] // 10, np.zeros(30), 1, 6)
    assert found is not None
    assert not found.diagonal().any()
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_a_slice_with_too_few_spots_leaves_the_band_open():
    assert surroundings(places(30), np.zeros(30), 31, 60) is None
    found = contiguity(expression(np.arange(30) % 2), places(30), ONE[:30], seed=0)
    assert np.isnan(found.shared[-1])
    assert not found.cell_types


def test_scattered_types_share_nothing():
    found = contiguity(expression(np.random.default_rng(2).integers(6, size=400)), places(), ONE, seed=0)
    assert np.abs(found.shared).max() < 0.05
    assert found.reproducible > 0.4
    assert found.cell_types


def test_layers_share_what_their_neighbours_layers_say():
    xy = places()
    layer = np.digitize(xy[:, 0], [0.25, 0.5, 0.75])
    found = contiguity(expression(layer), xy, ONE, seed=0)
    # for groups that are all as different, it is the chance-corrected share of the pairs that are of one layer
    for band, shared in zip(BANDS, found.shared, strict=True):
        around = surroundings(xy, ONE, *band)
        sizes = np.bincount(layer) / 400
        same = np.mean((around @ np.eye(4)[layer])[np.arange(400), layer])
        assert shared == pytest.approx((same - (sizes**2).sum()) / (1 - (sizes**2).sum()), abs=0.12)
    assert not found.cell_types


def test_noise_of_single_spots_does_not_count():
    xy = places()
    layer = np.digitize(xy[:, 0], [0.5])
    deep, shallow = (contiguity(expression(layer, counts=c), xy, ONE, seed=0) for c in (1000, 60))
    assert shallow.reproducible < 0.6 * deep.reproducible
    assert shallow.shared[0] == pytest.approx(deep.shared[0], abs=0.1)


def test_slices_that_differ_are_not_taken_for_domains():
    slices = np.arange(400) // 200
    rng = np.random.default_rng(3)
    x = expression(rng.integers(5, size=400) + 5 * slices)
    xy = np.concatenate([places(200), places(200, 2)])
    assert contiguity(x, xy, slices, seed=0).cell_types


def test_equal_seeds_give_equal_bytes_and_seeds_differ_little():
    xy = places()
    x = expression(np.digitize(xy[:, 0], [0.5]))
    first, again, other = (contiguity(x, xy, ONE, seed=seed) for seed in (0, 0, 1))
    assert first.shared.tobytes() == again.shared.tobytes()
    np.testing.assert_allclose(first.shared, other.shared, atol=0.05)
    assert first.shared.tobytes() != other.shared.tobytes()


@pytest.mark.parametrize(
    ("near", "far", "reproducible", "types"),
    [
        (0.36, 0.15, 0.7, True), (0.36, 0.21, 0.7, False), (0.46, 0.1, 0.7, False), (0.02, 0.02, 0.7, True),
        (0.08, 0.06, 0.7, False), (0.02, 0.02, 0.01, False), (np.nan, np.nan, 0.5, False),
    ],
)  # fmt: skip
def test_what_looks_like_types(near, far, reproducible, types):
    assert Contiguity(np.array([near, 0.3, 0.3, far]), reproducible).cell_types is types
