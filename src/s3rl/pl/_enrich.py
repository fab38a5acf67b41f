"""Gene sets: dots over groups, the curve of one set, scores on the tissue."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from s3rl._slots.table import coordinates_of, slices_of, slot_of, table_of
from s3rl.errors import InputError, ParameterError
from s3rl.pl import _draw
from s3rl.pl._enrich_curve import curve
from s3rl.pl._enrich_dots import Tests, checked, depth, dots, fdr_of, pick, short, strongest
from s3rl.pl._results import stored

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes

    from s3rl._typing import Data

KINDS = ("dots", "curve", "map")
_FIX = "s3.tl.enrich(adata, gene_sets)"
_MAPS = 4


def enrich(
    data: Data,
    *,
    key: str = "enrich_ora",
    kind: str | None = None,
    terms: str | Sequence[str] | None = None,
    groups: str | Sequence[str] | None = None,
    n_terms: int = 5,
    max_fdr: float = 0.05,
    library_key: str | None = None,
    table_key: str | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
) -> list[Axes]:
    """Draw what :func:`s3rl.tl.enrich` has found.

    - ``"dots"``: sets against groups. Size is the overlap, colour the false discovery rate (for ``"gsea"`` with the
      sign of the score), a dark edge marks those within ``max_fdr``. Calibrated rates are taken where there are.
    - ``"curve"``, of ``"gsea"``: the running score of sets in one group, their genes below it.
    - ``"map"``, of ``"ssgsea"`` and ``"gsva"``: the scores of the spots on the tissue.

    Parameters
    ----------
    data
        AnnData or SpatialData.
    key
        Name of the result.
    kind
        ``"dots"``, ``"curve"`` or ``"map"``; None is a map where spots have scores and dots otherwise.
    terms
        Sets to draw, from above; None takes the most significant of each group.
    groups
        Groups to draw; for a curve one group, by default that where the set is furthest from chance.
    n_terms
        Sets of each group, or maps, where ``terms`` is None.
    max_fdr
        Up to where a test counts as significant.
    library_key
        Column of ``obs`` that names the slice: a map for each.
    table_key
        Table of a SpatialData.
    ax
        Axes to draw on, where there is one panel.
    show
        Call ``matplotlib.pyplot.show``; by default where a window can open and neither ``ax`` nor ``save`` is given.
    save
        Path of the picture.

    Returns
    -------
    axes
        One Axes, or one for each map.

    Raises
    ------
    MissingKeyError
        If the result, a set, a group or the coordinates are not there.
    InputError
        If the slot holds something else.
    ParameterError
        If an argument is out of range, or the result has nothing to draw in this way.
    LabelsError, CoordinatesError
        If the slices or the coordinates cannot be used.
    StoreError
        If the picture cannot be saved.

    Examples
    --------
    >>> import s3rl as s3
    >>> adata = s3.datasets.simulated_cortex(n_spots=150, n_genes=60, n_layers=3).tables["table"]
    >>> s3.pp.normalize(adata)
    >>> sets = {"first": adata.var_names[:15], "last": adata.var_names[45:]}
    >>> s3.tl.enrich(adata, sets, groupby="domain")
    >>> (ax,) = s3.pl.enrich(adata, terms=["first", "last"], show=False)
    >>> [label.get_text() for label in ax.get_xticklabels()]
    ['L1', 'L2', 'WM']
    """
    table = table_of(data, table_key)
    found = stored(table, key, ("results", "sets"), fix=_FIX)
    checked(n_terms=n_terms, max_fdr=max_fdr)
    kind = ("map" if key in table.obsm else "dots") if kind is None else kind
    _check_kind(kind, found, table, key)
    if kind == "map":
        axes = _maps(table, key, found, terms, n_terms, library_key, ax)
    elif kind == "curve":
        axes = [curve(found, terms, groups, ax)]
    else:
        tests = tests_of(found["results"], max_fdr)
        shown = pick(tests.frame["group"], groups, "groups")
        own = pick(tests.frame["row"], terms, "terms") if terms is not None else strongest(tests.frame, shown, n_terms)
        axes = [dots(tests, shown, own, ax)[0]]
    _draw.finish(axes[0].figure, new=ax is None, show=show, save=save)
    return axes


def _check_kind(kind: str, found: Any, table: AnnData, key: str) -> None:
    if kind not in KINDS:
        raise ParameterError("does not exist", key="kind", found=repr(kind), available=KINDS, fix="kind='dots'")
    needs = {
        "curve": ("ranking" in found, "s3.tl.enrich(adata, gene_sets, method='gsea'), and its key"),
        "map": (key in table.obsm, "s3.tl.enrich(adata, gene_sets, method='ssgsea'), and its key"),
    }
    there, fix = needs.get(kind, (True, ""))
    if not there:
        raise ParameterError(f"needs what uns[{key!r}] does not have", key="kind", found=repr(kind), fix=fix)


def tests_of(results: pd.DataFrame, max_fdr: float) -> Tests:
    """The table as dots: what size and colour are depends on the method."""
    frame = results[["group", "term", "overlap"]].rename(columns={"term": "row", "overlap": "size"})
    if "fdr" not in results:
        mean = results.groupby("term")["score"].transform("mean")
        several = results["group"].nunique() > 1
        frame = frame.assign(color=results["score"] - mean if several else results["score"])
        frame["fdr"] = -frame["color"]
        return Tests(frame, "genes", "score, less the\nmean of the groups" if several else "score", True, None)
    rate, name = fdr_of(results)
    frame = frame.assign(fdr=rate, color=depth(rate))
    if "nes" not in results:
        return Tests(frame, "genes", f"$-\\log_{{10}}$ {name}", False, max_fdr)
    frame["color"] *= np.sign(results["score"])
    return Tests(frame, "leading edge", f"$-\\log_{{10}}$ {name}\nwith the sign of the score", True, max_fdr)


def _maps(
    table: AnnData, key: str, found: Any, terms: Any, n_terms: int, library_key: str | None, ax: Axes | None
) -> list[Axes]:
    names = found["sets"]["term"].astype(str).tolist()
    scores = np.asarray(slot_of(table, "obsm", key, fix=_FIX))
    if scores.ndim != 2 or scores.shape[1] != len(names):
        raise InputError(
            "has not one column for each set",
            key=f"obsm[{key!r}]",
            found=f"{scores.shape}, {len(names)} sets",
            fix=_FIX,
        )
    spread = np.argsort(-scores.std(axis=0), kind="stable")[: min(n_terms, len(names))]
    shown = [names[place] for place in spread] if terms is None else pick(names, terms, "terms")
    xy = coordinates_of(table)
    codes, slices = slices_of(table, library_key)
    axes = _panels(xy, len(shown), len(slices), ax)
    for number, panel in enumerate(axes):
        term, part = divmod(number, len(slices))
        values = scores[:, names.index(shown[term])]
        own = codes == part
        drawn = _draw.circles(panel, xy[own], _draw.spot_radius(xy[own]), array=values[own], cmap="viridis")
        drawn.set_clim(*np.quantile(values, [0.01, 0.99]))
        _draw.as_image(panel, xy[own])
        title = "\n".join(wrap(short(shown[term]), 28))
        panel.set_title(title if library_key is None else f"{slices[part]}: {title}", fontsize=9)
        figure = panel.get_figure()
        if figure is not None and part == len(slices) - 1:
            bar = figure.colorbar(drawn, ax=panel, shrink=0.6, aspect=14, pad=0.02)
            bar.set_label("score", fontsize=8)
            bar.ax.tick_params(labelsize=7)
    return axes


def _panels(xy: np.ndarray, n_terms: int, n_slices: int, ax: Axes | None) -> list[Axes]:
    import matplotlib.pyplot as plt

    count = n_terms * n_slices
    if ax is not None:
        if count > 1:
            raise ParameterError(
                "is one, but there are several panels", key="ax", found=f"{count} panels", fix="leave ax out"
            )
        return [_draw.checked_axes(ax)]
    columns = n_slices if n_slices > 1 else -(-count // -(-count // _MAPS))
    rows = -(-count // columns)
    wide, high = np.maximum(np.ptp(xy, axis=0), 1e-9)
    aspect = float(np.clip(high / wide, 0.4, 2.0))
    size = (3.3 * columns + 0.4, (2.9 * aspect + 0.35) * rows)
    grid = plt.subplots(rows, columns, figsize=size, layout="compressed", squeeze=False)[1].ravel()
    for empty in grid[count:]:
        empty.set_axis_off()
    return list(grid[:count])
