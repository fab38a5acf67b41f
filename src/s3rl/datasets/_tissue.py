"""Geometry of a simulated cortex: outline, depth, layers and the spots on it; arrays in, arrays out.

Two frames in microns, y pointing down: the tissue frame, in which the anatomy is fixed, and the frame of a slice,
which is the tissue frame turned and shifted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PITCH = {"visium": 100.0, "cells": 12.0}
RADIUS = {"visium": 27.5, "cells": 5.0}

# order of thickness of L1 to L6 and white matter in human cortex: L3 widest, L4 thinnest
_THICKNESS = np.array([0.3, 0.15, 1.0, 0.0, 0.75, 0.85, 0.6])
# nuclei for a square millimetre, eosin and diffuse haematoxylin as optical density, radius of a nucleus in microns
_STAIN = np.array(
    [
        [450.0, 0.20, 0.02, 4.0],
        [2600.0, 0.27, 0.07, 4.2],
        [1500.0, 0.31, 0.04, 5.2],
        [2900.0, 0.25, 0.08, 3.8],
        [1200.0, 0.35, 0.03, 6.0],
        [1900.0, 0.29, 0.06, 4.8],
        [1100.0, 0.47, 0.03, 3.4],
    ]
)
_TOP, _FLATNESS = 0.95, 3.5


@dataclass(frozen=True)
class Tissue:
    """One piece of cortex.

    Parameters
    ----------
    scale
        Microns from the centre to the middle of a side.
    curvature
        Bending of the layers.
    phases
        Float (6,): phases of the irregularities.
    borders
        Float (k - 1,): depth at which one layer ends and the next begins.
    """

    scale: float
    curvature: float
    phases: np.ndarray
    borders: np.ndarray

    @property
    def centre(self) -> np.ndarray:
        """Float (2,): centre in the tissue frame; coordinates stay positive with room for a turn."""
        return np.full(2, 1.5 * self.scale)


@dataclass(frozen=True)
class Placement:
    """How a slice lies: turned about the centre by ``rotation`` degrees, then shifted; ``kept`` is cut by ``x``."""

    rotation: float
    shift: np.ndarray
    kept: np.ndarray
    centre: np.ndarray


def layer_names(n_layers: int) -> list[str]:
    """``L1`` to ``L<n - 1>`` from the surface inwards, then ``WM``."""
    return [f"L{i + 1}" for i in range(n_layers - 1)] + ["WM"]


def of_layers(values: np.ndarray, n_layers: int) -> np.ndarray:
    """Rows of a table of L1 to L6 and white matter for a cortex of ``n_layers``."""
    return np.concatenate([values[: n_layers - 1], values[-1:]])


def layer_shares(n_layers: int, imbalance: float) -> np.ndarray:
    """Float (k,): share of the area, the largest ``imbalance`` times the smallest."""
    rank = of_layers(_THICKNESS, n_layers)
    rank = (rank - rank.min()) / np.ptp(rank)
    shares = float(imbalance) ** rank
    return shares / shares.sum()


def stain_of_layers(n_layers: int) -> np.ndarray:
    """Float (k, 4): nuclei for a square millimetre, eosin, diffuse haematoxylin, radius of a nucleus in microns."""
    return of_layers(_STAIN, n_layers)


def make_tissue(
    n_spots: int, area: float, n_layers: int, *, imbalance: float, curvature: float, rng: np.random.Generator
) -> Tissue:
    """Tissue that holds ``n_spots`` of ``area`` square microns each, with borders at the wanted shares of its area."""
    phases = rng.uniform(0.0, 2.0 * np.pi, 6)
    grid = (np.arange(240) + 0.5) / 240 * 3.0 - 1.5
    unit = Tissue(1.0, curvature, phases, np.zeros(n_layers - 1))
    xy = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2) + unit.centre
    inside = level(unit, xy) <= 1.0
    depths = depth(unit, xy[inside])
    borders = np.quantile(depths, np.cumsum(layer_shares(n_layers, imbalance))[:-1])
    unit_area = inside.mean() * 9.0
    return Tissue(float(np.sqrt(n_spots * area / unit_area)), curvature, phases, borders)


def _warped(tissue: Tissue, xy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit coordinates about the centre, bent a little so that nothing is a straight line or a circle."""
    x, y = ((xy - tissue.centre) / tissue.scale).T
    a = 0.05 * tissue.curvature
    p = tissue.phases
    return (
        x + a * np.sin(2.1 * y + p[0]) + 0.6 * a * np.sin(4.3 * y + p[1]),
        y + a * np.sin(2.6 * x + p[2]) + 0.6 * a * np.sin(5.2 * x + p[3]),
    )


def _arc(tissue: Tissue) -> float:
    """Radius of the surface of the brain, in units of the scale."""
    return 2.2 / max(tissue.curvature, 1e-3)


def level(tissue: Tissue, xy: np.ndarray) -> np.ndarray:
    """Float (n,): at most 1 inside the tissue, growing outwards along every ray from the centre."""
    x, y = _warped(tissue, xy)
    square = (np.abs(x) ** _FLATNESS + np.abs(y) ** _FLATNESS) ** (1.0 / _FLATNESS)
    arc = _arc(tissue)
    below = arc - _TOP
    distance = np.hypot(x, y)
    along = np.divide(y, distance, out=np.zeros_like(y), where=distance > 0) * below
    reach = along + np.sqrt(along**2 - below**2 + arc**2)
    return np.maximum(square, distance / reach)


def depth(tissue: Tissue, xy: np.ndarray) -> np.ndarray:
    """Float (n,) from 0 at the surface of the brain to 1 at the far end of the white matter."""
    x, y = _warped(tissue, xy)
    arc = _arc(tissue)
    below = (arc - np.hypot(x, y - (arc - _TOP))) / (2.0 * _TOP)
    swell = 0.22 * tissue.curvature * np.sin(2.4 * x + tissue.phases[4])
    return np.clip(below + swell * np.clip(below, 0, 1) * (1 - np.clip(below, 0, 1)), 0.0, 1.0)


def along(tissue: Tissue, xy: np.ndarray) -> np.ndarray:
    """Float (n,) from 0 to 1 along the layers."""
    x, _ = _warped(tissue, xy)
    return np.clip(0.5 + 0.5 * x, 0.0, 1.0)


def memberships(depths: np.ndarray, borders: np.ndarray, blur: float) -> np.ndarray:
    """Float (n, k): share of each layer at each depth; rows sum to one, borders are logistic of width ``blur``."""
    past = 1.0 / (1.0 + np.exp(-np.clip((depths[:, None] - borders[None, :]) / blur, -500, 500)))
    edges = np.concatenate([np.ones((len(depths), 1)), past, np.zeros((len(depths), 1))], axis=1)
    return edges[:, :-1] - edges[:, 1:]


def to_slice(placement: Placement, xy: np.ndarray) -> np.ndarray:
    """Tissue frame to the frame of the slice, float (n, 2) microns."""
    return (xy - placement.centre) @ turn(placement.rotation).T + placement.centre + placement.shift


def to_tissue(placement: Placement, xy: np.ndarray) -> np.ndarray:
    """Frame of the slice to the tissue frame, the inverse of :func:`to_slice`."""
    return (xy - placement.centre - placement.shift) @ turn(placement.rotation) + placement.centre


def turn(degrees: float) -> np.ndarray:
    """Float (2, 2) that turns a column vector by ``degrees`` from x towards y."""
    angle = np.deg2rad(degrees)
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def place_spots(
    tissue: Tissue,
    placement: Placement,
    n_spots: int,
    technology: str,
    density: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, float]:
    """Spots of one slice, row by row, before the crop.

    Parameters
    ----------
    density
        Float (k,): relative density of cells in each layer, at most 1; spots of an array ignore it.

    Returns
    -------
    xy
        Float (n_spots, 2) in the frame of the slice, microns.
    limit
        Level up to which the tissue reaches, so that exactly ``n_spots`` lie on it.
    """
    pitch = PITCH[technology]
    reach = 1.45 * tissue.scale
    rows = np.arange(-np.ceil(reach / (pitch * np.sqrt(0.75))), np.ceil(reach / (pitch * np.sqrt(0.75))) + 1)
    columns = np.arange(-np.ceil(reach / pitch), np.ceil(reach / pitch) + 1)
    y, x = np.meshgrid(rows * np.sqrt(0.75) * pitch, columns * pitch, indexing="ij")
    x = x + (rows[:, None] % 2) * pitch / 2
    xy = np.stack([x.ravel(), y.ravel()], axis=1) + rng.uniform(0, pitch, 2) + placement.centre + placement.shift
    if technology == "cells":
        xy = xy + rng.normal(0.0, 0.17 * pitch, xy.shape)
        depths = depth(tissue, to_tissue(placement, xy))
        xy = xy[rng.random(len(xy)) < density[np.searchsorted(tissue.borders, depths, side="right")]]
    levels = level(tissue, to_tissue(placement, xy))
    order = np.argsort(levels, kind="stable")[: n_spots + 1]
    limit = float(levels[order].max())
    return xy[np.sort(order[:n_spots])], limit
