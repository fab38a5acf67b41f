"""Bring consecutive slices to one coordinate system."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import scipy.sparse as sp

from s3rl import _keys
from s3rl._log import note
from s3rl._slots.aligned import set_aligned
from s3rl._slots.centroids import ensure_coordinates
from s3rl._slots.slices import check_slices, check_units, order_of, overlaps_of, reference_of, representation_of
from s3rl._slots.table import coordinates_of, slices_of, table_of
from s3rl._slots.write import write_slots
from s3rl.errors import ParameterError

if TYPE_CHECKING:
    import torch
    from anndata import AnnData

    from s3rl._typing import Data, Device
    from s3rl.transport.pair import Alignment
    from s3rl.transport.placement import Placement
_MODES = ("translation", "rigid")
_NUMBERS = ("overlap", "objective", "cost", "distance")


class SlicesAligned(NamedTuple):
    """Result of :func:`s3rl.pp.align_slices` with ``copy=True``.

    Attributes
    ----------
    coordinates
        float64 (n, 2): coordinates in the frame of the reference slice.
    alignment
        What ``uns`` keeps: placements of the slices, and overlap, objective, cost and distance of each pair.
    plan
        csr_matrix float32 (n, n), or None without ``keep_plan``: mass that each pair of spots carries, rows in the
        earlier slice and columns in the later one.
    """

    coordinates: np.ndarray
    alignment: dict[str, Any]
    plan: sp.csr_matrix | None


def align_slices(
    data: Data,
    library_key: str,
    *,
    order: Sequence[str] | None = None,
    reference: str | None = None,
    overlap: float | Sequence[float | None] | None = 1.0,
    mode: Literal["translation", "rigid"] = "translation",
    spatial_key: str = _keys.SPATIAL,
    use_rep: str | None = None,
    layer: str | None = None,
    keep_plan: bool = False,
    device: Device = "auto",
    table_key: str | None = None,
    key_added: str = "spatial_aligned",
    copy: bool = False,
) -> SlicesAligned | None:
    """Move consecutive slices onto each other by partial fused Gromov-Wasserstein transport.

    Spots of two slices are matched so that their expression agrees and the distances within both slices agree; only
    the share ``overlap`` is matched. Each slice is then shifted, or turned and shifted, as its pairs ask for, and the
    shifts are chained to the reference slice. Nothing is scaled, warped or turned over, and nothing is random.

    Parameters
    ----------
    data
        AnnData or SpatialData with log-normalised expression and coordinates in one unit. It holds all slices; genes
        that a slice does not have are zeros there, as ``anndata.concat(..., join="outer", fill_value=0)`` makes them.
    library_key
        Column of ``obs`` that names the slice.
    order
        Names of the slices, neighbours in the tissue side by side; None is the order of the categories.
    reference
        Slice that stays where it is; None is the first one of the order.
    overlap
        Share of the smaller slice of a pair that the other one shows, too, above 0 and at most 1. None estimates it;
        a sequence has one for each pair. Too small a share does no harm, too large a one pulls slices together.
    mode
        ``"translation"``, as in the paper: shift alone. ``"rigid"``: turn and shift, by any angle.
    spatial_key
        Coordinates in ``obsm``.
    use_rep
        Features in ``obsm`` that are comparable between slices; None is 20 principal components of each pair's shared
        genes.
    layer
        Layer with log-normalised or denoised expression; None is ``X``.
    keep_plan
        Keep which spot was matched with which.
    device
        Where dissimilarities are computed: ``"auto"`` takes CUDA where there is one. The transport itself runs on
        the CPU, since POT's exact solvers do; it takes most of the time.
    table_key
        Table of a SpatialData.
    key_added
        Name of the slots.
    copy
        Return the result and write nothing.

    Returns
    -------
    None, or a ``SlicesAligned`` tuple with ``copy=True``. Written otherwise:

    ``obsm[key_added]``
        float64 (n, 2), in the frame and unit of the reference slice.
    ``uns[key_added]``
        ``pairs``: ``first``, ``second``, and arrays ``rotation`` (degrees, from x towards y), ``shift``, ``overlap``,
        ``objective``, ``cost`` (mean dissimilarity, 0 to 1) and ``distance`` (root mean square, in spots);
        ``slices``: ``name``, ``rotation``, ``shift`` into the frame of the reference; ``order``, ``reference``,
        ``mode``, ``library_key``, ``spatial_key``, ``version``.
    ``obsp["<key_added>_plan"]``
        With ``keep_plan``: csr_matrix float32 (n, n), rows in the earlier slice, columns in the later one.
    Coordinate system ``"aligned"``
        In a SpatialData with one region for each slice: of its shapes, and of the images in the same system where no
        other slice has it. With another ``key_added`` it has that name without ``spatial_``.

    Raises
    ------
    LabelsError
        If ``library_key`` names one slice, or one of fewer than ten spots.
    CoordinatesError
        If coordinates are not finite, lie on one line, or are of different units.
    InputError
        If two consecutive slices have fewer than three genes in common, or ``use_rep`` is not finite.
    CountsError
        If expression is not normalised, or a spot has none.
    ParameterError
        If ``overlap`` is outside of (0, 1], or ``order``, ``reference``, ``mode`` or ``device`` names nothing.
    MissingKeyError
        If a column, the coordinates, the layer or the representation are not there.
    DataTypeError
        If ``data`` is no table, or a view.

    Notes
    -----
    Fu et al., Adv. Sci. 2025, sections 2.11 and 4.5; the problem is PASTE2's (Liu et al., Genome Res. 2023). It is
    solved exactly by POT between 300 cells of spots from several starts (in ``"rigid"`` mode eight rotations), of
    which the lowest objective after the placement wins; then between the spots over their nearest pairs, plan and
    placement in turn, until a slice moves less than a twentieth of a spot. Memory is linear in the spots.

    Expression is smoothed over a spot's neighbours first and compared by the cosine. The best four fifths of the
    overlap decide the placement. For ``overlap=None`` placements for shares of .2 to .85 are compared by how much
    better than chance the spots agree that then lie on each other, and the overlap is the share that does.

    Examples
    --------
    >>> import s3rl as s3
    >>> sdata = s3.datasets.simulated_cortex(
    ...     n_spots=150, n_genes=100, n_layers=3, n_slices=2, shift=400.0, image=False
    ... )
    >>> s3.pp.normalize(sdata)
    >>> s3.pp.align_slices(sdata, "slice")
    >>> sdata.tables["table"].obsm["spatial_aligned"].shape
    (300, 2)
    """
    from s3rl.transport.placement import Placement

    table = table_of(data, table_key)
    _check_mode(mode)
    codes, names = slices_of(table, library_key)
    check_slices(codes, names, library_key)
    places = order_of(order, names)
    middle = reference_of(reference, names, places)
    overlaps = overlaps_of(overlap, len(places) - 1)
    values = representation_of(table, use_rep, layer)
    xy = _coordinates(data, table, spatial_key)
    rows = [_rows_of(codes == place, xy) for place in places]
    named = [names[place] for place in places]
    for k in range(len(rows) - 1):
        check_units([xy[rows[k]], xy[rows[k + 1]]], named[k : k + 2], spatial_key)
    found = _aligned(rows, xy, values, named, overlaps, mode == "rigid", _torch_device(device))
    onto = _chained([one.placement for one in found], middle, Placement(np.eye(2), np.zeros(2)))
    coordinates = xy.copy()
    for where, placed in zip(rows, onto, strict=True):
        coordinates[where] = placed(xy[where])
    described = _described(found, onto, named) | {
        "order": named,
        "reference": named[middle],
        "mode": mode,
        "library_key": library_key,
        "spatial_key": spatial_key,
        "version": version("s3rl-tools"),
    }
    keys = _keys.AlignmentKeys(key_added)
    plan = _plan(found, rows, table.n_obs) if keep_plan else None
    result = SlicesAligned(coordinates, described, plan)
    if copy:
        return result
    slots = {("obsm", keys.coordinates): result.coordinates, ("uns", keys.uns): result.alignment}
    write_slots(table, slots if plan is None else {**slots, ("obsp", keys.plan): plan})
    if data is not table:
        matrices = {place: _matrix(placed) for place, placed in zip(places, onto, strict=True)}
        set_aligned(data, table, codes, xy, matrices, keys.system)
    return None


def _check_mode(mode: object) -> None:
    if mode not in _MODES:
        raise ParameterError("is no mode", key="mode", found=repr(mode), available=_MODES, fix='mode="translation"')


def _coordinates(data: Data, table: AnnData, key: str) -> np.ndarray:
    if key == _keys.SPATIAL:
        ensure_coordinates(data, table, key)
    return coordinates_of(table, key)


def _rows_of(mask: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """Rows of a slice from left to right, whatever their order in the table."""
    rows = np.flatnonzero(mask)
    return rows[np.lexsort((xy[rows, 1], xy[rows, 0]))]


def _torch_device(device: Device) -> torch.device:
    from s3rl.fit.device import resolve_device

    return resolve_device(device, trains=lambda found: found.type == "cuda")


def _aligned(
    rows: list[np.ndarray],
    xy: np.ndarray,
    values: Any,
    names: list[str],
    overlaps: list[float | None],
    rigid: bool,
    device: torch.device,
) -> list[Alignment]:
    from s3rl.transport.features import features_of
    from s3rl.transport.pair import align_pair
    from s3rl.transport.task import Slice

    found = []
    for k, overlap in enumerate(overlaps):
        first, second = rows[k], rows[k + 1]
        features = features_of(values[first], values[second], xy[first], xy[second])
        one = align_pair(
            Slice(xy[first], features[0]), Slice(xy[second], features[1]), overlap=overlap, rigid=rigid, device=device
        )
        note(
            "%s onto %s: turned by %.1f degrees, shifted by (%.4g, %.4g), overlap %.2f%s; pairs lie %.2f spots apart",
            *(names[k + 1], names[k], one.placement.degrees, *one.placement.shift, one.overlap),
            " (estimated)" if overlap is None else "",
            one.distance,
        )
        found.append(one)
    return found


def _chained(steps: list[Placement], middle: int, still: Placement) -> list[Placement]:
    """Placement of every slice in the frame of the one at ``middle``; step k takes slice k + 1 onto slice k."""
    onto = [still] * (len(steps) + 1)
    for k in range(middle, len(steps)):
        onto[k + 1] = steps[k].then(onto[k])
    for k in range(middle - 1, -1, -1):
        onto[k] = steps[k].inverse().then(onto[k + 1])
    return onto


def _described(found: list[Alignment], onto: list[Placement], names: list[str]) -> dict[str, Any]:
    return {
        "pairs": {
            "first": names[:-1],
            "second": names[1:],
            "rotation": np.array([one.placement.degrees for one in found]),
            "shift": np.array([one.placement.shift for one in found]),
            **{key: np.array([getattr(one, key) for one in found]) for key in _NUMBERS},
        },
        "slices": {
            "name": names,
            "rotation": np.array([placed.degrees for placed in onto]),
            "shift": np.array([placed.shift for placed in onto]),
        },
    }


def _plan(found: list[Alignment], rows: list[np.ndarray], n_spots: int) -> sp.csr_matrix:
    pairs = [sp.coo_array(one.plan) for one in found]
    where = (
        np.concatenate([rows[k][pair.row] for k, pair in enumerate(pairs)]),
        np.concatenate([rows[k + 1][pair.col] for k, pair in enumerate(pairs)]),
    )
    plan = sp.csr_matrix((np.concatenate([pair.data for pair in pairs]), where), shape=(n_spots, n_spots))
    return plan.astype(np.float32)


def _matrix(placed: Placement) -> np.ndarray:
    matrix = np.eye(3)
    matrix[:2, :2], matrix[:2, 2] = placed.rotation, placed.shift
    return matrix
