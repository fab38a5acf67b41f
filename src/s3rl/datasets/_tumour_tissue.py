"""Anatomy of a simulated tumour: nests, stroma, an immune aggregate, fat and vessels; arrays in, arrays out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from s3rl._random import stream
from s3rl.datasets import _sections, _tissue
from s3rl.datasets._params import CortexParams
from s3rl.datasets._tumour_genes import CELL_TYPES

if TYPE_CHECKING:
    import geopandas as gpd

    from s3rl.datasets._sections import Section

DOMAINS = ("tumour", "stroma", "T zone", "B follicle", "adipose")
# rows are domains, columns cell types
COMPOSITION = np.array(
    [
        [0.78, 0.06, 0.03, 0.07, 0.01, 0.04, 0.00, 0.01, 0.00],
        [0.00, 0.54, 0.10, 0.17, 0.01, 0.08, 0.02, 0.08, 0.00],
        [0.00, 0.08, 0.03, 0.05, 0.15, 0.60, 0.09, 0.00, 0.00],
        [0.00, 0.05, 0.01, 0.03, 0.05, 0.12, 0.72, 0.02, 0.00],
        [0.00, 0.08, 0.05, 0.07, 0.00, 0.00, 0.00, 0.00, 0.80],
    ]
)
# first words of the names of the random streams; those of the section are below
_ANATOMY, _VESSELS = 100, 101
# centre and radii of the nests, the aggregate and its core, and the border of the fat, for a tissue from -1 to 1
_NESTS = np.array([[-0.45, -0.40, 0.46, 0.42], [0.45, -0.46, 0.42, 0.40], [-0.52, 0.48, 0.36, 0.38]])
_AGGREGATE, _OUTER, _CORE, _FAT = np.array([0.26, 0.28]), 0.45, 0.30, 0.88
_BLUR = 0.025
# where vessels run: of the stroma, most
_VESSEL_DENSITY = np.array([0.06, 1.0, 0.25, 0.05, 0.6])
_SPOTS_FOR_VESSEL, _BETWEEN_VESSELS = 60, 160.0
_HYPOXIA, _PERIVASCULAR, _INTERFERON = 300.0, 80.0, 250.0
_ENDOTHELIAL = 0.35
PIXEL = 0.5


@dataclass(frozen=True)
class Tumour:
    """Anatomy of one section.

    Parameters
    ----------
    section
        Outline and spots.
    phases, turn
        Float (4,) and (2, 2): irregularities, and how the arrangement lies.
    vessels
        Polygons in microns.
    """

    section: Section
    phases: np.ndarray
    turn: np.ndarray
    vessels: Any

    @property
    def distance(self) -> np.ndarray:
        """Float (n,): microns from the centre of each spot to the nearest vessel, 0 inside of one."""
        import shapely

        points = shapely.points(self.section.xy)
        (at, _), found = shapely.STRtree(self.vessels).query_nearest(points, return_distance=True, all_matches=False)
        return np.asarray(found)[np.argsort(at)]


def make_tumour(n_spots: int, seed: int) -> Tumour:
    """Cut a section, lay the domains out and let vessels run through them."""
    (section,) = _sections.make_sections(
        n_spots, 2, "visium", 1, shift=0.0, rotation=0.0, crop=0.0, params=CortexParams(imbalance=1.0), seed=seed
    )
    rng = stream(seed, _ANATOMY)
    turn = _tissue.turn(90.0 * rng.integers(4)) * np.array([1.0, rng.choice([-1.0, 1.0])])
    bare = Tumour(section, rng.uniform(0.0, 2.0 * np.pi, 4), turn, None)
    return Tumour(section, bare.phases, turn, _make_vessels(bare, n_spots, stream(seed, _VESSELS)))


def _unit(tumour: Tumour, xy: np.ndarray) -> np.ndarray:
    """Coordinates of the arrangement, bent so that nothing is a circle."""
    tissue = tumour.section.tissue
    u = (xy - tissue.centre) / tissue.scale @ tumour.turn
    p = tumour.phases
    bend = [0.04 * np.sin(5.0 * u[:, 1 - i] + p[i]) + 0.02 * np.sin(11.0 * u[:, 1 - i] + p[2 + i]) for i in (0, 1)]
    return u + np.stack(bend, axis=1)


def memberships(tumour: Tumour, xy: np.ndarray) -> np.ndarray:
    """Float (n, k): share of each domain at each point; rows sum to one."""
    u = _unit(tumour, xy)

    def inside(level: np.ndarray) -> np.ndarray:
        return 1.0 / (1.0 + np.exp(-np.clip(level / _BLUR, -500, 500)))

    from_aggregate = np.hypot(*(u - _AGGREGATE).T)
    # about as far from the border of the nest as the level says
    nests = [(1.0 - np.hypot(*((u - nest[:2]) / nest[2:]).T)) * nest[2:].mean() for nest in _NESTS]
    aggregate = inside(_OUTER - from_aggregate)
    core = inside(_CORE - from_aggregate)
    tumour_cells = inside(np.max(nests, axis=0)) * (1.0 - aggregate)
    fat = inside(u.sum(axis=1) / np.sqrt(2.0) - _FAT) * (1.0 - aggregate) * (1.0 - tumour_cells)
    parts = [tumour_cells, np.zeros(len(u)), aggregate * (1.0 - core), aggregate * core, fat]
    parts[1] = 1.0 - np.sum(parts, axis=0)
    return np.stack(parts, axis=1)


def hypoxia(distance: np.ndarray) -> np.ndarray:
    """Float (n,) from 0 at a vessel to 1 far from all, of microns (n,)."""
    return 1.0 - np.exp(-distance / _HYPOXIA)


def interferon(tumour: Tumour) -> np.ndarray:
    """Float (n,): 1 in the immune aggregate, falling with the distance from it."""
    from_border = np.hypot(*(_unit(tumour, tumour.section.xy) - _AGGREGATE).T) - _OUTER
    return np.exp(-np.maximum(from_border, 0.0) * tumour.section.tissue.scale / _INTERFERON)


def expected_cells(weights: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Float (n, k): expected share of each cell type; endothelial cells crowd around vessels."""
    around = _ENDOTHELIAL * np.exp(-distance / _PERIVASCULAR)[:, None]
    vessel = np.eye(len(CELL_TYPES))[CELL_TYPES.index("endothelial")]
    return weights @ COMPOSITION * (1.0 - around) + around * vessel


def _make_vessels(tumour: Tumour, n_spots: int, rng: np.random.Generator) -> np.ndarray:
    """Polygons (v,), object: cross-sections of vessels, apart from each other, where vessels are likely."""
    import shapely

    section = tumour.section
    wanted = max(4, round(n_spots / _SPOTS_FOR_VESSEL))
    low, high = section.xy.min(axis=0), section.xy.max(axis=0)
    drawn = rng.uniform(low, high, (60 * wanted, 2))
    drawn = drawn[_tissue.level(section.tissue, drawn) <= section.limit]
    likely = rng.random(len(drawn)) < memberships(tumour, drawn) @ _VESSEL_DENSITY
    # the likely ones first; in a small tissue they may be too few or too close
    order = np.concatenate([drawn[likely], drawn[~likely]])
    centres = _apart(order, wanted, _BETWEEN_VESSELS)
    angles = np.linspace(0.0, 2.0 * np.pi, 16, endpoint=False)
    outlines = []
    for centre in centres:
        radius, flat, lie = rng.uniform(20.0, 55.0), rng.uniform(0.5, 1.0), rng.uniform(0.0, 360.0)
        wobble = 1.0 + 0.12 * np.sin(2.0 * angles + rng.uniform(0, 2 * np.pi)) + rng.normal(0.0, 0.03, angles.size)
        ring = radius * wobble[:, None] * np.stack([np.cos(angles), flat * np.sin(angles)], axis=1)
        outlines.append(shapely.Polygon(ring @ _tissue.turn(lie).T + centre))
    return np.array(outlines, dtype=object)


def _apart(points: np.ndarray, wanted: int, gap: float) -> np.ndarray:
    """First of the points, each ``gap`` or more from those before it; closer ones where they do not suffice."""
    kept: list[np.ndarray] = []
    while len(kept) < wanted:
        for point in points:
            if len(kept) == wanted:
                break
            if not kept or np.hypot(*(np.array(kept) - point).T).min() >= gap:
                kept.append(point)
        gap /= 2.0
    return np.array(kept)


def vessel_shapes(tumour: Tumour) -> gpd.GeoDataFrame:
    """Polygons in pixels of half a micron, with the transformation to microns."""
    import geopandas as gpd
    import shapely
    from spatialdata.models import ShapesModel
    from spatialdata.transformations import Scale

    drawn = shapely.transform(tumour.vessels, lambda xy: xy / PIXEL)
    return ShapesModel.parse(
        gpd.GeoDataFrame(geometry=drawn),
        transformations={tumour.section.frame: Scale([PIXEL, PIXEL], axes=("x", "y"))},
    )
