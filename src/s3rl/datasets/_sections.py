"""Sections of one piece of tissue: how each lies, what was cut off, and where its spots are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from s3rl._random import stream
from s3rl.datasets import _tissue

if TYPE_CHECKING:
    from s3rl.datasets._params import CortexParams

# first word of the name of every random stream, so that a change in one leaves the others as they are
TISSUE, GENES, SPOTS, LIBRARY, COUNTS, IMAGE, BLOCKS = range(7)


@dataclass(frozen=True)
class Section:
    """One section.

    Parameters
    ----------
    number, of
        Position among the sections, and how many there are.
    tissue, placement, limit
        Anatomy, how the section lies, and the level up to which there is tissue.
    xy, truth
        Float (n, 2) microns in the frame of the section and in that of the tissue.
    """

    number: int
    of: int
    tissue: _tissue.Tissue
    placement: _tissue.Placement
    limit: float
    xy: np.ndarray
    truth: np.ndarray

    @property
    def name(self) -> str:
        """Value in ``obs["slice"]``."""
        return f"slice{self.number + 1}"

    @property
    def frame(self) -> str:
        """Coordinate system."""
        return "global" if self.of == 1 else self.name

    def element(self, kind: str) -> str:
        """Name of the element of this section."""
        return kind if self.of == 1 else f"{self.name}_{kind}"

    @cached_property
    def depth(self) -> np.ndarray:
        """Float (n,): depth of the spots."""
        return _tissue.depth(self.tissue, self.truth)


def make_sections(
    n_spots: int,
    n_layers: int,
    technology: str,
    n_slices: int,
    *,
    shift: float,
    rotation: float,
    crop: float,
    params: CortexParams,
    seed: int,
) -> list[Section]:
    """Cut ``n_slices`` sections; see :func:`s3rl.datasets.simulated_cortex` for the arguments."""
    nuclei = _tissue.stain_of_layers(n_layers)[:, 0]
    # an array of spots covers everything evenly, cells are where cells are
    density = nuclei / nuclei.max() if technology == "cells" else np.ones(n_layers)
    shares = _tissue.layer_shares(n_layers, params.imbalance)
    tissue = _tissue.make_tissue(
        n_spots,
        _tissue.PITCH[technology] ** 2 * np.sqrt(0.75) / float(shares @ density),
        n_layers,
        imbalance=params.imbalance,
        curvature=params.curvature,
        rng=stream(seed, TISSUE),
    )
    sections = []
    for number in range(n_slices):
        rng = stream(seed, SPOTS, number)
        angle = rng.uniform(0.0, 2.0 * np.pi)
        away = number * shift * np.array([np.cos(angle), np.sin(angle)]) + 0.0
        placement = _tissue.Placement(number * rotation, away, np.array([-np.inf, np.inf]), tissue.centre)
        xy, limit = _tissue.place_spots(tissue, placement, n_spots, technology, density, rng)
        whole = Section(number, n_slices, tissue, placement, limit, xy, _tissue.to_tissue(placement, xy))
        sections.append(_cropped(whole, crop) if crop > 0 else whole)
    return sections


def _cropped(section: Section, crop: float) -> Section:
    """Cut ``crop`` of the spots off, at the right of the 1st, 3rd, ... section and at the left of the others."""
    x = section.truth[:, 0]
    if section.number % 2 == 0:
        kept = np.array([-np.inf, np.quantile(x, 1.0 - crop)])
    else:
        kept = np.array([np.quantile(x, crop), np.inf])
    stays = (x >= kept[0]) & (x <= kept[1])
    old = section.placement
    placement = _tissue.Placement(old.rotation, old.shift, kept, old.centre)
    return Section(
        section.number,
        section.of,
        section.tissue,
        placement,
        section.limit,
        section.xy[stays],
        section.truth[stays],
    )
