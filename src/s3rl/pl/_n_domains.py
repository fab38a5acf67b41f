"""The evidence from which the number of domains was chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from s3rl import _keys
from s3rl._slots.table import table_of
from s3rl.errors import InputError, MissingKeyError
from s3rl.pl import _draw, _model

if TYPE_CHECKING:
    from os import PathLike

    from matplotlib.axes import Axes

    from s3rl._typing import Data

_PART = "n_domains_evidence"
_BLUE, _GREY = "#0072B2", "0.55"


def n_domains(
    data: Data,
    *,
    key: str = "s3rl",
    table_key: str | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
) -> Axes:
    """Draw the evidence for each number of domains, from a training that chose it by itself.

    The score is the log evidence (nats) for so many domains against a tissue without any: half the difference of two
    Bayesian information criteria of Gaussian mixtures, with neighbouring spots counted for what they are worth. Each
    thin line is a repeat without a tenth of the genes, with a mark at its own top; the thick one is their mean, the
    band one standard deviation to both sides. The dashed line is the score of the same components with the spots
    shuffled, as far as it lies in the picture. Where the curve is flat around its top, the data do not decide between
    those numbers; where it lies at the dashed line or below 0, there is no evidence for domains.

    Parameters
    ----------
    data
        AnnData or SpatialData.
    key
        The ``key_added`` of :func:`s3rl.tl.s3rl`; ``uns[key]["n_domains_evidence"]`` is read.
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
        Axes with a line for each repeat, the mean, the shuffled spots and a mark at the chosen number.

    Raises
    ------
    MissingKeyError
        If there is no model of this name, or its number of domains was given.
    InputError
        If the evidence is not what :func:`s3rl.tl.s3rl` writes.
    ParameterError
        If ``ax`` is no Axes.
    StoreError
        If the picture cannot be saved.

    Examples
    --------
    >>> import s3rl as s3
    >>> adata = s3.datasets.simulated_cortex(n_spots=100, n_genes=50, n_layers=3).tables["table"]
    >>> adata.uns["s3rl"] = {
    ...     "n_domains_evidence": {
    ...         "candidates": [2, 3, 4],
    ...         "runs": [[30.0, 42.0, 37.0], [28.0, 44.0, 35.0]],
    ...         "null": [-9.0, -18.0, -26.0],
    ...         "chosen": 3,
    ...     }
    ... }
    >>> s3.pl.n_domains(adata, show=False).get_title()
    's3rl: 3 domains chosen'
    """
    from matplotlib.ticker import MaxNLocator

    table = table_of(data, table_key)
    record = _model.record_of(table, key)
    candidates, runs, null, chosen = _evidence_of(record, key)
    ax, new = _draw.axes_or_new(ax, (5.6, 3.8))
    mean = runs.mean(axis=0)
    spread = runs.std(axis=0, ddof=min(1, len(runs) - 1))
    tops = runs.argmax(axis=1)
    for number, (run, top) in enumerate(zip(runs, tops, strict=True)):
        ax.plot(
            candidates, run, color=_BLUE, linewidth=0.7, alpha=0.6, marker="^", markersize=5, markevery=[int(top)],
            label="a repeat and its top" if number == 0 else None,
        )  # fmt: skip
    ax.fill_between(candidates, mean - spread, mean + spread, color=_BLUE, alpha=0.15, linewidth=0)
    ax.plot(candidates, mean, color=_BLUE, linewidth=2.2, marker="o", markersize=4, label="mean of the repeats")
    ax.plot(candidates, null, color=_GREY, linewidth=1.4, linestyle="--", label="spots shuffled")
    ax.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    top = float(mean[np.flatnonzero(candidates == chosen)[0]])
    ax.plot(
        [chosen], [top], color="#D55E00", linestyle="", marker="o", markersize=10, markerfacecolor="none",
        markeredgewidth=2, label=f"chosen: {chosen}",
    )  # fmt: skip
    # the shuffled spots fall without end, and would press the curve flat
    low = min(0.0, float(runs.min()))
    ax.set_ylim(bottom=low - 0.12 * max(float(runs.max()) - low, 1e-9))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], nbins=14))
    ax.set(xlabel="number of domains", ylabel="log evidence against one domain")
    ax.set_title(f"{key}: {chosen} domains chosen")
    ax.spines[["top", "right"]].set_visible(False)
    _draw.make_room(ax)
    ax.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False)
    _draw.finish(ax.figure, new=new, show=show, save=save)
    return ax


def _evidence_of(record: dict, key: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Candidates (m,), runs (r, m), the score of shuffled spots (m,) and the chosen number."""
    slot = f"uns[{_keys.ModelKeys(key).uns!r}][{_PART!r}]"
    call = _model.training_call(key).replace(", n_domains", "", 1)
    if _PART not in record:
        raise MissingKeyError(
            "is not there: the number of domains was given, so nothing was compared",
            key=slot, available=record, fix=call,
        )  # fmt: skip
    stored = record[_PART]
    try:
        candidates = np.asarray(stored["candidates"], dtype=np.int64).ravel()
        runs = np.asarray(stored["runs"], dtype=np.float64)
        null = np.asarray(stored["null"], dtype=np.float64).ravel()
        chosen = int(stored["chosen"])
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise InputError("is no evidence", key=slot, found=f"{type(stored).__name__}: {error}", fix=call) from error
    m = len(candidates)
    if runs.ndim != 2 or not len(runs) or runs.shape[1] != m or len(null) != m or chosen not in candidates:
        raise InputError(
            "does not hold one score for each candidate", key=slot,
            found=f"{m} candidates, runs {runs.shape}, null {null.shape}, chosen {chosen}", fix=call,
        )  # fmt: skip
    return candidates, runs, null, chosen
