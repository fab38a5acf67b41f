"""Give clusters the names of the annotated layers that they cover."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from s3rl._slots.labels import categories_of, colors_key, colors_of
from s3rl._slots.palette import domain_colors
from s3rl._slots.table import table_of
from s3rl._slots.write import write_slots
from s3rl.errors import LabelsError, ParameterError

if TYPE_CHECKING:
    import pandas as pd

    from s3rl._typing import Data

_UNMATCHED = "unmatched"


class MatchLabelsResult(NamedTuple):
    """Result of :func:`s3rl.tl.match_labels` with ``copy=True``.

    Attributes
    ----------
    labels
        Categorical Series of str (n,) with the index of ``obs``; missing where ``key`` is missing.
    colors
        One colour for each category of ``labels``.
    mapping
        Old name to new name.
    confusion
        Data frame of counts (clusters, references) over the spots that have both labels.
    accuracy
        Share of these spots whose new name is their reference.
    """

    labels: pd.Series
    colors: list[str]
    mapping: dict[str, str]
    confusion: pd.DataFrame
    accuracy: float


def match_labels(
    data: Data,
    key: str,
    reference_key: str,
    *,
    table_key: str | None = None,
    key_added: str | None = None,
    copy: bool = False,
) -> MatchLabelsResult | None:
    """Rename clusters to the annotated groups they overlap most, each group given once.

    The pairs are those with the largest number of common spots in total
    (:func:`scipy.optimize.linear_sum_assignment`). A cluster left without a group of its own, because there are more
    clusters than groups or because it shares no spot with the one left for it, is called after the group it overlaps
    most with a number, ``"<group>_2"``, ``"<group>_3"``, larger overlaps first; one that shares no spot with any is
    ``"unmatched"``, ``"unmatched_2"``. New names never repeat. ``obs[key]`` stays as it is.

    Parameters
    ----------
    data
        AnnData or SpatialData.
    key
        Column of ``obs`` with the clusters.
    reference_key
        Column of ``obs`` with the annotation; spots without it take no part in the matching.
    table_key
        Table of a SpatialData.
    key_added
        Name of the result; ``"<key>_matched"`` by default.
    copy
        Return the result and write nothing.

    Returns
    -------
    None, or :class:`s3rl.tl.MatchLabelsResult` with ``copy=True``. Written otherwise:

    ``obs[key_added]``
        Categorical of str (n,), categories in the order of the reference.
    ``uns["<key_added>_colors"]``
        Those of ``uns["<reference_key>_colors"]``, paler for ``"<group>_2"``.
    ``uns["<key_added>_matching"]``
        ``key`` and ``reference_key``; ``clusters``, their new ``names`` and ``references``, arrays of str;
        ``confusion``, int64 (clusters, references), over the spots that have both labels; ``accuracy``, the share of
        these spots whose new name is their reference.

    Raises
    ------
    MissingKeyError
        If a column is not there.
    LabelsError
        If a column holds no names, or no spot has both labels.
    ParameterError
        If the result would overwrite one of the two columns.

    Notes
    -----
    The accuracy says how well the best renaming fits and is used for colours and tables; for comparisons use the
    adjusted Rand index (Fu et al., Adv. Sci. 2025, section 2.2), which needs no matching.

    Examples
    --------
    >>> import s3rl as s3
    >>> adata = s3.datasets.simulated_cortex(n_spots=200, n_genes=100, n_layers=3).tables["table"]
    >>> adata.obs["found"] = adata.obs["domain"].cat.rename_categories({"L1": "2", "L2": "0", "WM": "1"})
    >>> s3.tl.match_labels(adata, "found", "domain")
    >>> bool((adata.obs["found_matched"].astype(str) == adata.obs["domain"].astype(str)).all())
    True
    """
    import pandas as pd

    table = table_of(data, table_key)
    added = key_added or f"{key}_matched"
    if added in (key, reference_key):
        raise ParameterError(
            "is the name of an input", key="key_added", found=repr(added), fix=f"pass key_added='{key}_matched'"
        )
    clusters = categories_of(table, key, fix="s3.tl.s3rl(adata, n_domains) or s3.tl.cluster(adata, 'kmeans', ...)")
    reference = categories_of(table, reference_key, fix="pass the column of adata.obs with the annotation")
    clusters, references = clusters.remove_unused_categories(), list(reference.categories)
    confusion = _confusion(clusters, reference, key, reference_key)
    names, groups = _new_names(confusion, references)
    order = sorted(range(len(names)), key=lambda row: (groups[row], names[row] not in references, names[row]))
    categories = [names[row] for row in order]
    labels = pd.Categorical([None if code < 0 else names[code] for code in clusters.codes], categories)
    found = list(clusters.categories)
    hits = sum(confusion[row, references.index(name)] for row, name in enumerate(names) if name in references)
    result = MatchLabelsResult(
        labels=pd.Series(labels, index=table.obs_names.copy()),
        colors=_colors(names, groups, order, references, colors_of(table, reference_key, references)),
        mapping=dict(zip(found, names, strict=True)),
        confusion=pd.DataFrame(confusion, index=pd.Index(found, name=key), columns=references),
        accuracy=float(hits / confusion.sum()),
    )
    if copy:
        return result
    write_slots(
        table,
        {
            ("obs", added): result.labels,
            ("uns", colors_key(added)): result.colors,
            ("uns", f"{added}_matching"): _record(key, reference_key, result),
        },
    )
    return None


def _confusion(clusters: pd.Categorical, reference: pd.Categorical, key: str, reference_key: str) -> np.ndarray:
    both = (clusters.codes >= 0) & (reference.codes >= 0)
    if not both.any():
        raise LabelsError(
            f"labels none of the spots that obs[{reference_key!r}] labels",
            key=f"obs[{key!r}]",
            found=f"{len(both)} spots, 0 with both",
            fix="pass columns that label the same spots",
        )
    table = np.zeros((len(clusters.categories), len(reference.categories)), dtype=np.int64)
    np.add.at(table, (clusters.codes[both], reference.codes[both]), 1)
    return table


def _new_names(confusion: np.ndarray, references: list[str]) -> tuple[list[str], list[int]]:
    """Name of each cluster, and the reference that it is named after (the number of references where none)."""
    from scipy.optimize import linear_sum_assignment

    names = [""] * len(confusion)
    groups = [len(references)] * len(confusion)
    for row, column in zip(*linear_sum_assignment(confusion, maximize=True), strict=True):
        if confusion[row, column] > 0:
            names[row], groups[row] = references[column], int(column)
    left = [row for row, name in enumerate(names) if not name]
    for row in sorted(left, key=lambda row: (-confusion[row].max(), row)):
        known = confusion[row].max() > 0
        groups[row] = int(confusion[row].argmax()) if known else len(references)
        base = references[groups[row]] if known else _UNMATCHED
        number = 2
        name = f"{base}_2" if known else base
        while name in names or name in references:
            name = f"{base}_{number}"
            number += 1
        names[row] = name
    return names, groups


def _colors(
    names: list[str], groups: list[int], order: list[int], references: list[str], known: dict[str, str]
) -> list[str]:
    from matplotlib.colors import to_hex, to_rgb

    fresh = (color for color in domain_colors(2 * len(names) + len(known)) if color not in known.values())
    colors, times = [], [0] * (len(references) + 1)
    for row in order:
        group = groups[row]
        if group == len(references):
            colors.append(next(fresh))
            continue
        times[group] += names[row] not in references
        part = 0.6 ** times[group]
        red, green, blue = (1 - part * (1 - value) for value in to_rgb(known[references[group]]))
        colors.append(to_hex((red, green, blue)))
    return colors


def _record(key: str, reference_key: str, result: MatchLabelsResult) -> dict[str, Any]:
    """What ``uns`` keeps; arrays, since names such as ``"L2/3"`` cannot be keys of a stored group."""
    return {
        "key": key,
        "reference_key": reference_key,
        "clusters": np.array(list(result.mapping), dtype=str),
        "names": np.array(list(result.mapping.values()), dtype=str),
        "references": np.array(list(result.confusion.columns), dtype=str),
        "confusion": result.confusion.to_numpy(),
        "accuracy": result.accuracy,
    }
