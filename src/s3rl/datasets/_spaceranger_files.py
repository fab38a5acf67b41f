"""The files that Space Ranger writes for one slide: arrays in, files out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from s3rl.errors import CoordinatesError

if TYPE_CHECKING:
    import pandas as pd
    import scipy.sparse as sp

MATRIX = "filtered_feature_bc_matrix.h5"
FULL = "tissue_image.tif"
POSITIONS = "spatial/tissue_positions.csv"
SCALES = "spatial/scalefactors_json.json"
PICTURES = {"hires": ("spatial/tissue_hires_image.png", 2000), "lowres": ("spatial/tissue_lowres_image.png", 600)}

_BARCODE = re.compile(r"[ACGT]{16}-\d+")
_LETTERS = np.array(list("ACGT"))
# odd, so that a multiple of it modulo 2**32 tells every number below that from every other
_STRIDE, _FIRST = 2_654_435_761, 0x1B2C3D4E
_HEIGHT = np.sqrt(0.75)
_TOLERANCE = 0.25
# diameters of a fiducial and of a spot in micrometres, as Space Ranger takes them
_FIDUCIAL = 105 / 65


class Slide(NamedTuple):
    """What the files are written from.

    Attributes
    ----------
    library
        Name of the sample.
    counts
        csr_matrix (n, g) of whole numbers.
    genes
        Data frame (g,) with the columns ``id``, ``name``, ``feature_type``, ``genome``.
    spots
        Data frame of all places of the array, the first n of them those of the counts; index ``barcode``, columns
        ``in_tissue``, ``array_row``, ``array_col``, ``pxl_row_in_fullres``, ``pxl_col_in_fullres``.
    diameter
        Diameter of a spot in pixels.
    pixels
        uint8 (height, width, 3).
    """

    library: str
    counts: sp.csr_matrix
    genes: pd.DataFrame
    spots: pd.DataFrame
    diameter: float
    pixels: np.ndarray


def write_files(slide: Slide, folder: Path, software: str) -> None:
    """Write all files into a folder that is there and empty."""
    (folder / "spatial").mkdir()
    _write_matrix(slide, folder / MATRIX, software)
    slide.spots.sort_values(["array_row", "array_col"], kind="stable").to_csv(folder / POSITIONS, float_format="%.6f")
    scales = _write_pictures(slide.pixels, folder)
    scales |= {"spot_diameter_fullres": slide.diameter, "fiducial_diameter_fullres": slide.diameter * _FIDUCIAL}
    (folder / SCALES).write_text(json.dumps(scales), encoding="utf-8")


def is_ours(folder: Path, software: str) -> bool:
    """Whether ``write_files`` has made what is in a folder."""
    import h5py

    try:
        with h5py.File(folder / MATRIX, "r") as file:
            return str(file.attrs["software_version"]).startswith(software)
    except (OSError, KeyError):
        return False


def spots_of(xy: np.ndarray, names: list[str], place: np.ndarray | None) -> pd.DataFrame:
    """All places of the array inside the rectangle that the spots span; see :class:`Slide`.

    Parameters
    ----------
    xy
        float64 (n, 2) x, y of the spots in pixels of the full resolution.
    names
        Barcodes of the spots, kept where all are of that form.
    place
        int64 (n, 2) row and column on the array; None where they shall be found from ``xy``.

    Raises
    ------
    CoordinatesError
        If the spots lie on no hexagonal array.
    """
    import pandas as pd

    place = _places(xy) if place is None else place
    free = _free_places(place)
    # where the array would lie on the image, from the spots that are there
    design = np.column_stack([np.ones(len(place)), place])
    onto = np.linalg.lstsq(design, xy, rcond=None)[0]
    everywhere = np.concatenate([xy, np.column_stack([np.ones(len(free)), free]) @ onto])
    both = np.concatenate([place, free])
    return pd.DataFrame(
        {
            "in_tissue": np.repeat([1, 0], [len(place), len(free)]),
            "array_row": both[:, 0],
            "array_col": both[:, 1],
            "pxl_row_in_fullres": everywhere[:, 1],
            "pxl_col_in_fullres": everywhere[:, 0],
        },
        index=pd.Index(_barcodes(names, len(both)), name="barcode"),
    )


def _places(xy: np.ndarray) -> np.ndarray:
    """Row and column int64 (n, 2) on a hexagonal array, whose columns count half steps."""
    from scipy.spatial import cKDTree

    distance, neighbor = cKDTree(xy).query(xy, k=min(7, len(xy)))
    pitch = float(np.median(distance[:, 1])) if len(xy) > 1 else 0.0
    spot, which = np.nonzero((distance > 0) & (distance < 1.2 * pitch))
    if not len(spot):
        raise _no_array("spots without neighbours")
    arrow = xy[neighbor[spot, which]] - xy[spot]
    sixfold = np.exp(6j * np.arctan2(arrow[:, 1], arrow[:, 0])).mean()
    angle = np.angle(sixfold) / 6
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    steps = ((xy - xy[0]) @ turn / (pitch * np.array([0.5, _HEIGHT])))[:, ::-1]
    place = np.rint(steps).astype(np.int64)
    off = np.abs(steps - place).max()
    if off > _TOLERANCE or (place.sum(axis=1) % 2).any() or len(np.unique(place, axis=0)) < len(place):
        raise _no_array(f"spots up to {off:.2f} steps off its places")
    place -= place.min(axis=0)
    place[:, 1] += place[0].sum() % 2
    return place


def _no_array(found: str) -> CoordinatesError:
    return CoordinatesError(
        "lie on no hexagonal array, which Visium's files need",
        key="spots",
        found=found,
        fix="s3.datasets.simulated_cortex(technology='visium'), or set obs['array_row'] and obs['array_col']",
    )


def _free_places(place: np.ndarray) -> np.ndarray:
    """Places (m, 2) of the array between the outermost spots on which none lies."""
    low, high = place.min(axis=0), place.max(axis=0)
    taken = np.zeros(high - low + 1, dtype=bool)
    taken[tuple((place - low).T)] = True
    parity = np.add.outer(np.arange(low[0], high[0] + 1), np.arange(low[1], high[1] + 1)) % 2
    hexagonal = (place.sum(axis=1) % 2 == place[0].sum() % 2).all()
    free = ~taken & (parity == place[0].sum() % 2) if hexagonal else ~taken
    return np.argwhere(free) + low


def _barcodes(names: list[str], size: int) -> list[str]:
    """Sixteen bases and the number of the well for each place, in no order that says where it is."""
    kept = names if all(_BARCODE.fullmatch(name) for name in names) else []
    taken = set(kept)
    codes = (np.arange(size + len(taken), dtype=np.uint64) * np.uint64(_STRIDE) + np.uint64(_FIRST)) % np.uint64(2**32)
    bases = _LETTERS[(codes[:, None] >> np.arange(0, 32, 2, dtype=np.uint64)).astype(np.int64) & 3]
    made = (f"{''.join(row)}-1" for row in bases.tolist())
    return [*kept, *(name for name in made if name not in taken)][:size]


def _write_matrix(slide: Slide, path: Path, software: str) -> None:
    """Counts as HDF5 of 10x Genomics, version 3 of the layout; spots are in the order of their barcodes."""
    import h5py

    names = slide.spots.index[: slide.counts.shape[0]].to_numpy()
    order = np.argsort(names)
    counts = slide.counts[order]
    counts.sort_indices()
    with h5py.File(path, "w") as file:
        file.attrs.update(
            chemistry_description="Spatial 3' v1",
            filetype="matrix",
            library_ids=_text([slide.library]),
            original_gem_groups=np.array([1]),
            software_version=software,
            version=2,
        )
        matrix = file.create_group("matrix")
        features = matrix.create_group("features")
        matrix["barcodes"] = _text(names[order])
        matrix["shape"] = np.array(counts.shape[::-1], dtype=np.int32)
        for name, values, kind in (
            ("data", counts.data, np.int32),
            ("indices", counts.indices, np.int64),
            ("indptr", counts.indptr, np.int64),
        ):
            matrix.create_dataset(name, data=values.astype(kind), compression="gzip")
        features["_all_tag_keys"] = _text(["genome"])
        for name, column in slide.genes.items():
            features[str(name)] = _text(column)


def _text(values: Any) -> np.ndarray:
    return np.array([str(value).encode() for value in values])


def _write_pictures(pixels: np.ndarray, folder: Path) -> dict[str, float]:
    """Write the full resolution and the two smaller ones, and return their scale factors."""
    from PIL import Image

    picture = Image.fromarray(pixels)
    picture.save(folder / FULL)
    scales = {}
    for name, (path, longest) in PICTURES.items():
        scale = min(1.0, longest / max(picture.size))
        wide, high = (max(1, int(side * scale + 1e-6)) for side in picture.size)
        # only whole pixels, so that a place times the factor is its place in the smaller picture
        window = (0.0, 0.0, min(picture.width, wide / scale), min(picture.height, high / scale))
        picture.resize((wide, high), Image.Resampling.BOX, box=window).save(folder / path)
        scales[f"tissue_{name}_scalef"] = scale
    return scales
