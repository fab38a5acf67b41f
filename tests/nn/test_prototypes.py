from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from s3rl.nn import PrototypeHead, hyperspherical_prototypes


def off_diagonal(points):
    cosines = (points @ points.T).numpy()
    return cosines[~np.eye(len(cosines), dtype=bool)]


@pytest.mark.parametrize(("c", "d"), [(2, 1), (2, 16), (3, 2), (5, 4), (7, 32), (12, 16)])
def test_few_prototypes_are_a_regular_simplex(c, d):
    points = hyperspherical_prototypes(c, d)
    assert points.shape == (c, d)
    assert points.dtype == torch.float32
    np.testing.assert_allclose(points.norm(dim=1).numpy(), 1, atol=1e-6)
    np.testing.assert_allclose(off_diagonal(points), -1 / (c - 1), atol=5e-3)


@pytest.mark.parametrize(("c", "d", "best"), [(4, 2, 0.0), (6, 3, 0.0), (12, 3, 1 / np.sqrt(5)), (8, 4, 0.0)])
def test_known_best_packings(c, d, best):
    """Square, octahedron, icosahedron and the cross-polytope in four dimensions; no packing beats them."""
    worst = off_diagonal(hyperspherical_prototypes(c, d)).max()
    assert best - 1e-6 <= worst <= best + 0.01


def test_prototypes_depend_on_the_seed_alone():
    before = torch.random.get_rng_state()
    first, again, other = (hyperspherical_prototypes(5, 8, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(first, again)
    assert not torch.allclose(first, other, atol=1e-2)


def moved_head(seed=0, c=4, d=6):
    head = PrototypeHead(hyperspherical_prototypes(c, d), temperature=0.3)
    with torch.no_grad():
        head.skew.copy_(torch.randn(d, d, generator=torch.Generator().manual_seed(seed)))
    return head


def test_rotation_is_orthogonal_and_keeps_angles():
    head = moved_head()
    rotation = head.rotation.detach()
    torch.testing.assert_close(rotation @ rotation.T, torch.eye(6), atol=1e-5, rtol=0)
    assert not torch.allclose(rotation, torch.eye(6), atol=0.1)
    turned = head.prototypes @ rotation.T
    torch.testing.assert_close(turned @ turned.T, head.prototypes @ head.prototypes.T, atol=1e-5, rtol=0)


def test_rotation_is_learned():
    head = moved_head()
    head(torch.randn(5, 6, generator=torch.Generator().manual_seed(2)))[:, 0].sum().backward()
    assert head.skew.grad.abs().max() > 0


def test_logits_are_cosines_with_the_turned_prototypes():
    head = moved_head()
    z = torch.randn(7, 6, generator=torch.Generator().manual_seed(1))
    logits, turned = head(z).detach(), head.prototypes @ head.rotation.detach().T
    for i in range(7):
        for j in range(4):
            wanted = functional.cosine_similarity(z[i], turned[j], dim=0) / 0.3
            assert abs(float(logits[i, j] - wanted)) < 1e-5
    torch.testing.assert_close(head(100 * z), head(z))


def test_noise_moves_the_prototypes_on_the_sphere():
    head = moved_head()
    z = torch.randn(7, 6, generator=torch.Generator().manual_seed(1))
    noise = torch.randn(4, 6, generator=torch.Generator().manual_seed(3))
    fixed = PrototypeHead(functional.normalize(head.prototypes + noise, dim=1), temperature=0.3)
    with torch.no_grad():
        fixed.skew.copy_(head.skew)
    torch.testing.assert_close(head(z, noise), fixed(z))
    torch.testing.assert_close(head(z, torch.zeros(4, 6)), head(z))
