"""Losses over the epochs of a training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from s3rl import _keys
from s3rl._slots.table import table_of
from s3rl.errors import InputError
from s3rl.pl import _draw, _model
from s3rl.pl._palette import domain_colors

if TYPE_CHECKING:
    from os import PathLike

    from matplotlib.axes import Axes

    from s3rl._typing import Data


def history(
    data: Data,
    *,
    key: str = "s3rl",
    table_key: str | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    save: str | PathLike[str] | None = None,
) -> Axes:
    """Draw the losses of a training over its epochs: the total in black, each part in its colour.

    The scale is logarithmic where all values are positive and span more than a factor of ten. A dashed line marks
    the epoch at which the training stopped.

    Parameters
    ----------
    data
        AnnData or SpatialData.
    key
        The ``key_added`` of :func:`s3rl.tl.s3rl`; ``uns[key]["history"]`` is read.
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
        Axes with one line for the total and for each part.

    Raises
    ------
    MissingKeyError
        If there is no model of this name, or it has no history.
    InputError
        If the history has no epochs, or its parts are not of equal length.
    ParameterError
        If ``ax`` is no Axes.
    StoreError
        If the picture cannot be saved.

    Examples
    --------
    >>> import s3rl as s3
    >>> adata = s3.datasets.simulated_cortex(n_spots=100, n_genes=50, n_layers=3).tables["table"]
    >>> adata.uns["s3rl"] = {"history": {"epoch": [1, 2, 3], "loss": [3.0, 2.0, 1.5], "topology": [1.0, 0.5, 0.4]}}
    >>> ax = s3.pl.history(adata, show=False)
    >>> [line.get_label() for line in ax.get_lines()]
    ['loss', 'topology', 'stopped at epoch 3']
    """
    table = table_of(data, table_key)
    slot = f"uns[{_keys.ModelKeys(key).uns!r}]['history']"
    stored = _model.part_of(_model.record_of(table, key), key, "history")
    parts = _checked(stored, slot)
    epochs = parts.pop("epoch")
    names = sorted(parts, key=lambda name: name != "loss")
    ax, new = _draw.axes_or_new(ax, (6.4, 4.0))
    for name, color in zip(names, ["black", *domain_colors(len(names))], strict=False):
        ax.plot(epochs, parts[name], color=color, linewidth=2.0 if name == "loss" else 1.4, label=name)
    last = int(epochs[-1])
    ax.axvline(last, color="0.4", linestyle="--", linewidth=1, label=f"stopped at epoch {last}")
    values = np.concatenate([part[np.isfinite(part)] for part in parts.values()])
    if values.size and values.min() > 0 and values.max() > 10 * values.min():
        ax.set_yscale("log")
    ax.set(xlabel="epoch", ylabel="loss", title=f"{key}: losses")
    ax.spines[["top", "right"]].set_visible(False)
    _draw.make_room(ax)
    ax.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False)
    _draw.finish(ax.figure, new=new, show=show, save=save)
    return ax


def _checked(stored: object, slot: str) -> dict[str, np.ndarray]:
    """The arrays (epochs,) of a history."""
    fix = "s3.tl.s3rl(adata, n_domains)"
    if not hasattr(stored, "items"):
        raise InputError("is no dictionary of losses", key=slot, found=type(stored).__name__, fix=fix)
    parts = {str(name): np.asarray(values, dtype=np.float64).ravel() for name, values in stored.items()}
    lengths = {name: len(values) for name, values in parts.items()}
    if not {"epoch", "loss"} <= parts.keys() or not lengths["epoch"] or len(set(lengths.values())) > 1:
        raise InputError("does not hold one loss for each epoch", key=slot, found=f"lengths {lengths}", fix=fix)
    return parts
