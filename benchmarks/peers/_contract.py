"""What every runner of a peer does alike: it runs in the environment of the peer and knows nothing of the package.

``python peer_NAME.py INPUT.h5ad OUTPUT.json --n-domains K --seed S --kind visium|st|cells``. INPUT has raw counts in
``X`` and coordinates in ``obsm["spatial"]``, and no labels. OUTPUT gets the labels, the seconds of the method (reading
and importing not counted) and the peak memory of the process. Spots without a count, which most peers cannot take, are
kept from the peer, and so are spots that it drops itself: both are labelled ``unassigned``.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import anndata as ad
    import pandas as pd

KINDS = ("visium", "st", "cells")
UNASSIGNED = "unassigned"
Domains = Callable[["ad.AnnData", int, int, str], "Sequence | pd.Series"]


def serve(domains: Domains) -> None:
    """Run ``domains(adata, n_domains, seed, kind)`` on what the command line names; it returns labels in the order of
    the spots, or a series indexed by their names where it dropped some.
    """
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("input", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--n-domains", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=KINDS, default="cells")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    given.output.write_text(json.dumps(measured(domains, given)))


def measured(domains: Domains, given: argparse.Namespace) -> dict:
    import anndata as ad
    import numpy as np
    import pandas as pd

    adata = ad.read_h5ad(given.input)
    names = adata.obs_names.copy()
    adata = adata[np.asarray(adata.X.sum(axis=1)).ravel() > 0].copy()
    random.seed(given.seed)
    np.random.seed(given.seed)  # noqa: NPY002 - the peers draw from the global state
    kept = adata.obs_names.copy()
    start = time.perf_counter()
    found = domains(adata, given.n_domains, given.seed, given.kind)
    seconds = time.perf_counter() - start
    if not isinstance(found, pd.Series):
        found = pd.Series(list(found), index=kept)
    labels = found.astype(str).reindex(names).fillna(UNASSIGNED)
    return {
        "labels": labels.tolist(),
        "seconds": round(seconds, 2),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }
