"""Data sets of the benchmark: annotated slices, simulated tissue, and files that the user names."""

from __future__ import annotations

import os
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd

from _domains.tissues import TISSUES, tissue

FILES = {
    "151673": "dlpfc/151673.h5ad",
    "151674": "dlpfc/151674.h5ad",
    "H1": "her2st/H1.h5ad",
    "A1": "her2st/A1.h5ad",
    "BY3": "starmap/BY3_1k.h5ad",
    "BZ5": "starmap_mpfc/BZ5.h5ad",
    "osmFISH": "osmfish/osmFISH_SScortex.h5ad",
    "CosMx": "cosmx/nsclc_fov.h5ad",
}
CELL_TYPES = ("CosMx",)  # labels are types of single cells, which are no domains
GROUPS = {
    "real": list(FILES),
    "dlpfc": ["151673", "151674"],
    "simulated": TISSUES,
    "all": [*FILES, *TISSUES],
}
PROTOCOLS = ("kept", "dropped")
TRUTH = "ground_truth"
UNASSIGNED = "unassigned"


class DataError(Exception):
    """A data set that is not there, or lacks what the benchmark reads."""


def data_folder() -> Path:
    """Folder of the annotated slices: ``S3RL_DATA``, or ``../shared/data`` beside the checkout."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    return Path(os.environ.get("S3RL_DATA", beside))


def names_of(asked: list[str]) -> list[str]:
    """Data sets and files that the names, groups and paths of a command line stand for, each once."""
    return list(dict.fromkeys(name for one in asked for name in GROUPS.get(one, [one])))


def title_of(name: str) -> str:
    """What the column ``dataset`` says: the name itself, or the file's without its folder and ending."""
    return name if name in FILES or name in TISSUES else Path(name).stem


def load(name: str, *, protocol: str = "kept", groupby: str = TRUTH) -> tuple[ad.AnnData, pd.Series]:
    """Read one data set.

    Parameters
    ----------
    name
        A name of ``FILES`` or ``TISSUES``, or the path of an ``.h5ad`` with raw counts in ``X``.
    protocol
        ``kept`` leaves spots without a label in, ``dropped`` takes them out before anything is computed.
    groupby
        Column of ``obs`` with the labels, in a file that the user names.

    Returns
    -------
    The table, which has no labels, and the labels apart from it, missing where a spot has none.
    """
    if name in TISSUES:
        adata, groupby = tissue(name), TRUTH
    else:
        path, groupby = (data_folder() / FILES[name], TRUTH) if name in FILES else (Path(name), groupby)
        if not path.is_file():
            known = ", ".join(TISSUES)
            raise DataError(
                f"{name}: no file {path}; set S3RL_DATA to the folder of the slices, or name one of {known}"
            )
        adata = ad.read_h5ad(path)
    for slot, key in (("obs", groupby), ("obsm", "spatial")):
        if key not in getattr(adata, slot):
            raise DataError(f"{name}: no {slot}[{key!r}]; there are {list(getattr(adata, slot).keys())}")
    truth = adata.obs[groupby].astype("category")
    adata.obs = adata.obs[[]]
    if protocol == "dropped":
        labelled = truth.notna().to_numpy()
        adata, truth = adata[labelled].copy(), truth[labelled]
    return adata, truth.cat.remove_unused_categories()


def everything_labelled(name: str, groupby: str = TRUTH) -> bool:
    """Whether both protocols would be the same run."""
    return name in TISSUES or not load(name, groupby=groupby)[1].isna().any()


def without_empty(adata: ad.AnnData) -> ad.AnnData:
    """The spots that have a count at all; the others are ``unassigned`` by every method."""
    counted = np.asarray(adata.X.sum(axis=1)).ravel() > 0
    return adata if counted.all() else adata[counted].copy()
