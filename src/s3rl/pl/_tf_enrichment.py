"""Regulators and families over groups, and beside metagenes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from s3rl._slots.table import table_of
from s3rl.errors import ParameterError
from s3rl.pl import _draw
from s3rl.pl._enrich_dots import Tests, bars, checked, cut, depth, dots, fdr_of, pick, strongest
from s3rl.pl._results import stored

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    import pandas as pd
    from matplotlib.axes import Axes

    from s3rl._typing import Data

KINDS = {"factors": "results", "families": "families", "correlation": "correlation"}
_FIX = "s3.tl.tf_enrichment(adata, network)"


def tf_enrichment(
    data: Data,
    *,
    key: str = "tf_enrichment",
    kind: str = "factors",
    names: str | Sequence[str] | None = None,
    groups: str | Sequence[str] | None = None,
    of: str | None = None,
    n_top: int = 8,
    max_fdr: float = 0.05,
    table_key: str | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
) -> Axes:
    """Draw what :func:`s3rl.tl.tf_enrichment` has found.

    - ``"factors"``, ``"families"``: one group is drawn as bars, fold enrichment with the false discovery rate as
      colour; several as dots, the overlap as size, and a dark edge for those within ``max_fdr``.
    - ``"correlation"``: regulators against metagenes; a point marks correlations within ``max_fdr``.

    Calibrated rates are taken where there are.

    Parameters
    ----------
    data
        AnnData or SpatialData.
    key
        Name of the result.
    kind
        ``"factors"``, ``"families"`` or ``"correlation"``.
    names
        Regulators or families to draw, from above; None takes the strongest.
    groups
        Groups, or metagenes, to draw.
    of
        For correlations, ``"expression"`` or ``"activity"`` of the regulators; None is the first that there is.
    n_top
        How many of each group where ``names`` is None.
    max_fdr
        Up to where a test counts as significant.
    table_key
        Table of a SpatialData.
    ax
        Axes to draw on.
    show
        Call ``matplotlib.pyplot.show``; by default where a window can open and neither ``ax`` nor ``save`` is given.
    save
        Path of the picture.

    Returns
    -------
    ax
        The Axes.

    Raises
    ------
    MissingKeyError
        If the result, a regulator or a group is not there.
    InputError
        If the slot holds something else.
    ParameterError
        If an argument is out of range, or the result has no such table.
    StoreError
        If the picture cannot be saved.

    Examples
    --------
    >>> import pandas as pd
    >>> import s3rl as s3
    >>> adata = s3.datasets.simulated_cortex(n_spots=150, n_genes=60, n_layers=3).tables["table"]
    >>> s3.pp.normalize(adata)
    >>> network = pd.DataFrame({"source": ["A"] * 8 + ["B"] * 8, "target": adata.var_names[:16]})
    >>> s3.tl.tf_enrichment(adata, network, genes=adata.var_names[:10])
    >>> ax = s3.pl.tf_enrichment(adata, show=False)
    >>> ax.get_yticklabels()[0].get_text()
    'A'
    """
    table = table_of(data, table_key)
    found = stored(table, key, ("results",), fix=_FIX)
    checked(n_top=n_top, max_fdr=max_fdr)
    if kind not in KINDS:
        raise ParameterError("does not exist", key="kind", found=repr(kind), available=KINDS, fix="kind='factors'")
    if KINDS[kind] not in found:
        asked = "families=" if kind == "families" else "metagenes_key="
        raise ParameterError(
            f"needs what uns[{key!r}] does not have", key="kind", found=repr(kind),
            fix=f"s3.tl.tf_enrichment(adata, network, {asked}...)",
        )  # fmt: skip
    if kind == "correlation":
        axes = _heatmap(_of(found["correlation"], of), names, groups, n_top, max_fdr, ax)
    else:
        axes = _tests(found[KINDS[kind]], "tf" if kind == "factors" else "family", names, groups, n_top, max_fdr, ax)
    _draw.finish(axes.get_figure(root=True), new=ax is None, show=show, save=save)
    return axes


def _tests(
    results: pd.DataFrame, column: str, names: Any, groups: Any, n_top: int, max_fdr: float, ax: Axes | None
) -> Axes:
    rate, text = fdr_of(results)
    frame = results[["group", column, "overlap", "fold"]].rename(columns={column: "row", "overlap": "size"})
    frame = frame.assign(fdr=rate, color=depth(rate))
    tests = Tests(frame, "genes", f"$-\\log_{{10}}$ {text}", False, max_fdr)
    shown = pick(frame["group"], groups, "groups")
    rows = pick(frame["row"], names, "names") if names is not None else strongest(frame, shown, n_top)
    if len(shown) > 1:
        return dots(tests, shown, rows, ax)[0]
    own = frame[frame["group"] == shown[0]].assign(size=frame["fold"].fillna(0.0))
    one = Tests(own, tests.size, tests.color, False, max_fdr)
    label = "fold enrichment" if shown[0] == "genes" else f"fold enrichment in {shown[0]}"
    return bars(one, rows, ax, label)[0]


def _of(results: pd.DataFrame, of: str | None) -> pd.DataFrame:
    return results[(results["of"] == pick(results["of"], of, "of")[0]).to_numpy()]


def _heatmap(results: pd.DataFrame, names: Any, groups: Any, n_top: int, max_fdr: float, ax: Axes | None) -> Axes:
    metagenes = pick(results["metagene"], groups, "groups")
    own = results[results["metagene"].isin(metagenes)].assign(
        rate=fdr_of(results)[0][results["metagene"].isin(metagenes)]
    )
    strength = own.assign(far=own["r"].abs().fillna(0.0)).sort_values("far", ascending=False, kind="stable")
    rows = (
        pick(own["tf"], names, "names")
        if names is not None
        else list(dict.fromkeys(strength.groupby("metagene", sort=False).head(n_top)["tf"]))
    )
    values = own.pivot(index="tf", columns="metagene", values="r").loc[rows, metagenes]
    if names is None:
        best = values.abs().fillna(0.0).to_numpy().argmax(axis=1)
        place = np.lexsort((-values.fillna(0.0).to_numpy()[np.arange(len(rows)), best], best))
        rows = [rows[number] for number in place]
        values = values.loc[rows]
    rates = own.pivot(index="tf", columns="metagene", values="rate").loc[rows, metagenes].to_numpy()
    longest = max(len(cut(name)) for name in rows)
    ax, _ = _draw.axes_or_new(ax, (1.9 + 0.08 * longest + 0.42 * len(metagenes), max(2.4, 0.9 + 0.24 * len(rows))))
    limit = max(float(np.nanmax(np.abs(values.to_numpy()))), 1e-9)
    drawn = ax.imshow(values, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    for row, column in zip(*np.nonzero(rates <= max_fdr), strict=True):
        dark = abs(values.iloc[row, column]) > 0.65 * limit
        ax.plot(column, row, ".", color="white" if dark else "black", markersize=4)
    ax.set_yticks(range(len(rows)), [cut(name) for name in rows], fontsize=8)
    ax.set_xticks(range(len(metagenes)), metagenes, fontsize=8)
    ax.set_xlabel("metagene", fontsize=9)
    figure = ax.get_figure()
    if figure is not None:
        bar = figure.colorbar(drawn, ax=ax, shrink=0.7, aspect=14, pad=0.03)
        bar.set_label(
            f"correlation\n(point: {'calibrated ' if 'fdr_calibrated' in own else ''}FDR ≤ {max_fdr:g})", fontsize=8
        )
        bar.ax.tick_params(labelsize=7)
    return ax
