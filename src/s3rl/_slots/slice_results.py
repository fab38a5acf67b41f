"""Results of joined slices as slots of one slice, whatever the order of its rows."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np

from s3rl._keys import ORIGINAL_NAME, ModelKeys
from s3rl._slots.table import slot_of
from s3rl.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from s3rl._slots.slice_source import Source

_FIX = "s3.tl.s3rl(joined, n_domains, library_key='slice')"


def check_results(joined: AnnData, keys: ModelKeys) -> None:
    """Refuse a table without embedding, probabilities, domains and record."""
    for attribute, key in (
        ("obsm", keys.embedding),
        ("obsm", keys.probabilities),
        ("obs", keys.domain),
        ("uns", keys.uns),
    ):
        slot_of(joined, attribute, key, fix=_FIX)


def rows_of(joined: AnnData, source: Source, rows: np.ndarray, spots: pd.Index) -> np.ndarray:
    """Rows of the joined table in the order of the spots of a slice.

    Parameters
    ----------
    rows
        Rows (m,) of the joined table that are of this slice.
    spots
        Names of the spots of the slice.

    Raises
    ------
    InputError
        If one of both has spots that the other lacks.
    """
    import pandas as pd

    there = pd.Index(joined.obs[ORIGINAL_NAME].to_numpy()[rows].astype(str))
    key = f"slices[{source.name!r}]"
    for lacking, problem, fix in (
        (
            spots[~spots.isin(there)],
            "has spots that the joined table lacks",
            "drop these spots from the slice, or join the slices as they are now",
        ),
        (there[~there.isin(spots)], "lacks spots that the joined table has", "pass the slices that were joined"),
    ):
        if len(lacking):
            raise InputError(
                problem, key=key, found=f"{len(lacking)} of {len(spots)} and {len(there)}, first {lacking[0]}", fix=fix
            )
    if not there.is_unique:
        raise InputError(
            "has several rows for one spot",
            key=f"obs[{ORIGINAL_NAME!r}]",
            found=f"{there[there.duplicated()][0]} in slice {source.name!r}",
            fix="pass the table that s3.pp.join_slices returned",
        )
    return rows[there.get_indexer(spots)]


def slots_of_slice(
    joined: AnnData, rows: np.ndarray, table: AnnData, keys: ModelKeys
) -> tuple[dict[tuple[str, str], Any], bool]:
    """Copies of the results of ``rows`` for the table of a slice, and whether the denoised layer is among them.

    The layer is there where every gene of the slice was modelled; a layer has all genes of its table.
    """
    import pandas as pd

    domain = pd.Series(joined.obs[keys.domain].array[rows], index=table.obs_names)
    slots: dict[tuple[str, str], Any] = {
        ("obsm", keys.embedding): np.array(joined.obsm[keys.embedding][rows]),
        ("obsm", keys.probabilities): np.array(joined.obsm[keys.probabilities][rows]),
        ("obs", keys.domain): domain,
        ("uns", keys.uns): deepcopy(joined.uns[keys.uns]),
    }
    for name in (keys.margin, keys.agreement, keys.uncertainty):
        if name in joined.obs:
            slots["obs", name] = joined.obs[name].to_numpy(copy=True)[rows]
    if keys.colors in joined.uns:
        slots["uns", keys.colors] = [str(color) for color in joined.uns[keys.colors]]
    at = joined.var_names.astype(str).get_indexer(table.var_names.astype(str))
    has_layer = keys.layer in joined.layers and bool((at >= 0).all())
    if has_layer:
        slots["layers", keys.layer] = joined.layers[keys.layer][rows][:, at]
    return slots, has_layer
