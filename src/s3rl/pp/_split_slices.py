"""Results of joined slices, handed back to the slices that they came from."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from s3rl._keys import ORIGINAL_NAME, ModelKeys
from s3rl._log import note
from s3rl._slots.model import stale_slots
from s3rl._slots.read import read_input
from s3rl._slots.slice_results import check_results, rows_of, slots_of_slice
from s3rl._slots.slice_source import Source, naming, sources_of
from s3rl._slots.store import write_results
from s3rl._slots.table import slices_of, slot_of, table_of
from s3rl._slots.write import write_slots
from s3rl.errors import InputError, ParameterError, StoreError

if TYPE_CHECKING:
    from anndata import AnnData

    from s3rl._typing import Data


def split_slices(
    data: Data,
    slices: Mapping[str, Data | str | os.PathLike[str]] | Sequence[Data | str | os.PathLike[str]],
    *,
    folder: str | os.PathLike[str] | None = None,
    key_added: str = "s3rl",
    library_key: str = "slice",
    table_key: str | None = None,
    overwrite: bool = False,
) -> None:
    """Hand the results of joined slices back to the slices that they came from.

    Objects in memory get the slots. Of a slice on disk a whole store with its results is written into ``folder``,
    images included, one after the other; what it was read from is never written to. Rows are matched by the names of
    the spots. All slices are checked first; stores are written before the first object changes.

    Parameters
    ----------
    data
        What :func:`s3rl.pp.join_slices` returned, with results of :func:`s3rl.tl.s3rl`; it is not changed.
    slices
        The slices that were joined, by the same names or in the same order.
    folder
        Where stores go, as ``<name>.h5ad`` or ``<name>.zarr``; needed where slices are on disk.
    key_added
        Prefix of the results.
    library_key
        Column of ``obs`` with the names of the slices.
    table_key
        Table of each SpatialData.
    overwrite
        Replace stores in ``folder`` that an earlier call wrote.

    Returns
    -------
    None. Writes into every slice

    - ``obsm["X_s3rl"]``, ``obsm["s3rl_probabilities"]``, ``obs["s3rl_domain"]`` with all domains as categories
    - ``obs["s3rl_margin"]``, ``obs["s3rl_agreement"]``, ``obs["s3rl_uncertainty"]``, where they are
    - ``uns["s3rl_domain_colors"]``, ``uns["s3rl"]``: the same in all slices
    - ``layers["s3rl"]``, where every gene of the slice was kept by the join; the log says where not

    Raises
    ------
    MissingKeyError
        If the results, the names of the slices or those of the spots are not there.
    InputError
        If slices are missing, or a slice and the joined table do not have the same spots.
    ParameterError
        If a slice is on disk and ``folder`` is None, one object stands for two slices, or a name is no file name.
    StoreError
        If a path cannot be read, is there already or is what a slice is read from, or ``folder`` is not there.
    DataTypeError
        If a slice is of another type, or a view.
    LabelsError
        If ``library_key`` is no grouping.

    Examples
    --------
    >>> import s3rl as s3
    >>> import squidpy as sq
    >>> slices = {
    ...     name: s3.datasets.simulated_cortex(n_spots=80, n_genes=80, n_layers=2, image=False, rng=seed)
    ...     for seed, name in enumerate(["first", "second"])
    ... }
    >>> joined = s3.pp.join_slices(slices)
    >>> sq.gr.spatial_neighbors_knn(joined, n_neighs=6, library_key="slice")
    >>> s3.pp.signed_neighbors(joined, library_key="slice")
    >>> s3.tl.s3rl(joined, 2, library_key="slice", params={"max_epochs": 5}, progress=False)
    >>> s3.pp.split_slices(joined, slices)
    >>> slices["second"].tables["table"].obsm["X_s3rl"].shape
    (80, 32)
    """
    joined = table_of(data, table_key)
    keys = ModelKeys(key_added)
    check_results(joined, keys)
    slot_of(joined, "obs", ORIGINAL_NAME, fix="pass what s3.pp.join_slices returned, with the results")
    sources = sources_of(slices, table_key)
    codes, names = slices_of(joined, library_key)
    _check_names(sources, names)
    targets = _targets(sources, folder, overwrite)
    tasks = []
    for source in sources:
        rows = rows_of(joined, source, np.flatnonzero(codes == names.index(source.name)), source.names()[0])
        tasks.append(_Task(source, rows, targets.get(source.name)))
    # an object changes in no time and may be taken back, a disk may be full
    for task in sorted(tasks, key=lambda task: task.target is None):
        _hand_over(joined, task, keys, overwrite)


@dataclass(frozen=True)
class _Task:
    """A slice, its rows of the joined table in its own order, and the store for it if it is on disk."""

    source: Source
    rows: np.ndarray
    target: Path | None


def _hand_over(joined: AnnData, task: _Task, keys: ModelKeys, overwrite: bool) -> None:
    source = task.source
    with naming(source.name):
        whole = source.given if source.path is None else read_input(source.path, source.table_key)
        table = table_of(whole, source.table_key)
        slots, has_layer = slots_of_slice(joined, task.rows, table, keys)
        if not has_layer and keys.layer in joined.layers:
            note("%s has genes that were not kept: layers[%r] stays in the joined table", source.name, keys.layer)
        write_slots(table, slots, stale=stale_slots(keys.key_added))
        if task.target is not None:
            write_results(whole, task.target, overwrite=overwrite)
            note("wrote %s", task.target)


def _check_names(sources: list[Source], names: list[str]) -> None:
    given = [source.name for source in sources]
    if sorted(given) != sorted(names):
        raise InputError(
            "are not those of the joined table",
            key="slices",
            found=", ".join(given),
            available=names,
            fix="pass the slices that s3.pp.join_slices was given",
        )
    objects = [id(source.given) for source in sources if source.path is None]
    if len(set(objects)) < len(objects):
        raise ParameterError(
            "has one object for two slices, which cannot hold the results of both",
            key="slices",
            fix="pass a copy of it for each slice: adata.copy()",
        )


def _targets(sources: list[Source], folder: str | os.PathLike[str] | None, overwrite: bool) -> dict[str, Path]:
    """Stores to be written by the name of the slice, checked as far as that goes before the first is."""
    paths = {source.name: source.path for source in sources if source.path is not None}
    if not paths:
        return {}
    if folder is None:
        raise ParameterError(
            "must be given, since slices are on disk and are never written to",
            key="folder",
            found=", ".join(paths),
            fix="folder='results'",
        )
    place = Path(folder)
    if not place.is_dir():
        raise StoreError("is no folder", key="folder", found=str(place), fix=f"pathlib.Path({str(place)!r}).mkdir()")
    inputs = [Path(os.path.realpath(path)) for path in paths.values()]
    targets = {name: place / f"{name}{path.suffix}" for name, path in paths.items()}
    for name, target in targets.items():
        _check_target(name, target, inputs, overwrite)
    return targets


def _check_target(name: str, target: Path, inputs: list[Path], overwrite: bool) -> None:
    if Path(name).name != name:
        raise ParameterError("has a name that is no file name", key="slices", found=repr(name), fix="rename the slice")
    real = Path(os.path.realpath(target))
    for one in inputs:
        if real == one or one in real.parents or real in one.parents:
            raise StoreError(
                "is the store that a slice is read from, which is never written to",
                key=str(target),
                found=str(one),
                fix="pass another folder",
            )
    if os.path.lexists(target) and not overwrite:
        raise StoreError("is already there", key=str(target), fix="pass overwrite=True, or another folder")
