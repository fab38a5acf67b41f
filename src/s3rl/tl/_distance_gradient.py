"""Expression along the distance from annotated structures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from s3rl import _keys
from s3rl._params import whole_number
from s3rl._random import seed_of
from s3rl._slots.calibration import blind_before, frame_of, groups_of, permutations_of
from s3rl._slots.labels import categories_of
from s3rl._slots.layers import PAIR, expressions_of, genes_of, say_post_denoising
from s3rl._slots.table import slices_of, table_of
from s3rl._slots.targets import Target, target_of
from s3rl._slots.write import write_slots
from s3rl.errors import ParameterError
from s3rl.tl._distance_parts import Job, bands_of, layer_frames

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from s3rl._typing import RNG, Data

_WORDS = ("gene", "group", "layer")


class DistanceGradientResult(NamedTuple):
    """Result of :func:`s3rl.tl.distance_gradient` with ``copy=True``.

    Attributes
    ----------
    results
        One row for each gene, group and layer: ``gene``, ``group`` (``"all"`` without ``groupby``), ``layer`` (``"X"``
        or its name), ``n`` spots, Spearman's ``rho`` with distance, ``pvalue`` and ``fdr`` as if spots were
        independent, ``n_effective``, ``pvalue_spatial`` and ``fdr_spatial`` that allow for spatial autocorrelation,
        ``post_denoising``, and with ``calibrate`` also ``pvalue_calibrated`` and ``fdr_calibrated``.
    bands
        One row for each gene, group, layer and band: ``band``, its edges ``low`` and ``high``, ``n``, ``mean`` and
        its standard error ``sem``.
    distance
        Series float64 (n,) with the index of ``obs``; nan where a slice has no target.
    """

    results: pd.DataFrame
    bands: pd.DataFrame
    distance: pd.Series


def distance_gradient(
    data: Data,
    target: Any,
    *,
    genes: str | Sequence[str] | None = None,
    bands: int | Sequence[float] = 5,
    groupby: str | None = None,
    layers: str | Sequence[str | None] | None = PAIR,
    signed: bool = False,
    calibrate: bool | int = False,
    min_spots: int = 20,
    library_key: str | None = None,
    rng: RNG = None,
    table_key: str | None = None,
    key_added: str = "distance_gradient",
    copy: bool = False,
) -> DistanceGradientResult | None:
    """Measure the distance of every spot to annotated structures, and which genes change with it.

    The distance is that of the spot's centre to the nearest point or border, in units of the coordinates. Spots inside
    of a shape or of the domain have distance 0: they form the band ``"inside"`` and take no part in the correlation,
    which is about what happens outside; ``signed=True`` gives them negative distances and takes them in.

    Tests on denoised expression are post-denoising: smoothing makes spots dependent, and p-values too small.
    ``calibrate`` permutes the expression before it is denoised.

    Parameters
    ----------
    data
        AnnData or SpatialData.
    target
        One of: the name of a shapes or points element of a SpatialData, which is taken into a coordinate system that
        it shares with the spots; an array (m, 2) of points, or shapely geometries, a GeoSeries or a GeoDataFrame, in
        units of ``obsm["spatial"]``; ``(column of obs, category or categories)`` for the spots of a domain. A mapping
        from names in ``library_key`` to any of the first kinds gives every slice its own.
    genes
        Names in ``var_names``; None is all.
    bands
        Number of bands that hold the same number of spots, or increasing edges of which the last may be infinite; a
        band holds its lower edge.
    groupby
        Column of ``obs``, such as the cell types: every group is tested by itself. None is one group.
    layers
        Layers to compare, None being ``X``.
    signed
        Whether distances inside are negative instead of 0.
    calibrate
        Add p-values of permutations: True is 999 of them.
    min_spots
        Groups with fewer spots outside of the target are skipped.
    library_key
        Column of ``obs`` with the slice: distances to a domain and permutations stay within slices.
    rng
        Seed or generator of the permutations.
    table_key
        Table of a SpatialData.
    key_added
        Name in ``uns`` of the result.
    copy
        Return the result and write nothing.

    Returns
    -------
    None, or :class:`s3rl.tl.DistanceGradientResult` with ``copy=True``. Written otherwise:

    ``obs["distance_to_<name>"]``
        Float64 (n,). The name is that of the element or category, else ``key_added``, or ``target`` where that is the
        default.
    ``uns[key_added]``
        ``results`` and ``bands`` as above, ``target`` (vertices for drawing) and ``params``.
    ``obsm["spatial_<key_added>"]``
        Float64 (n, 2): coordinates in the system of the element, only where they are not those of ``obsm["spatial"]``.

    Raises
    ------
    MissingKeyError
        If an element, a column, a category, a layer or a gene is not there.
    ParameterError
        If an argument is out of its range, or bands do not increase.
    InputError
        If the target is empty, shares no coordinate system with the spots or covers all of them, or bands hold none.
    CoordinatesError
        If coordinates of spots or of the target are not finite.
    LabelsError
        If a column holds no names, or no group is large enough.
    CountsError
        If a layer is not log-normalised.
    DataTypeError
        If the target names an element and ``data`` is an AnnData.

    Notes
    -----
    ``pvalue`` is that of Student's t for Spearman's rho. Neighbouring spots are alike, in the raw data too, so it is
    too small for every gene with any spatial pattern. ``pvalue_spatial`` takes ``n_effective`` spots instead of ``n``,
    by Clifford, Richardson and Hémon (Biometrics 1989) on ranks. ``pvalue_calibrated`` is that of
    ``ranks of distance @ H @ ranks of expression`` among the same with expression, and among those with distance,
    permuted over the spots of a group and slice outside of the target, the larger of the two. For a denoised layer
    H is ridge regression on what the embedding says of it that the other half of the genes says too, since a model
    keeps more of the genes that it has seen; for others H is one. It allows for what H borrows. A gene with some other
    pattern is not exchangeable over spots, which ``pvalue_spatial`` is for. FDR is Benjamini and Hochberg's over the
    genes of a group and layer.

    Bands and correlations around plaques: Fu et al., Adv. Sci. 2025, section 2.9.

    Examples
    --------
    >>> import s3rl as s3
    >>> adata = s3.datasets.simulated_cortex(n_spots=200, n_genes=80, n_layers=4).tables["table"]
    >>> s3.pp.normalize(adata)
    >>> s3.tl.distance_gradient(adata, ("domain", "WM"), genes=["GRAD1", "GENE1"], bands=3, layers=(None,))
    >>> adata.uns["distance_gradient"]["bands"]["band"].tolist()[:2]
    ['inside', '100-331']
    >>> adata.obs["distance_to_WM"].min()
    np.float64(0.0)
    """
    import pandas as pd

    table = table_of(data, table_key)
    count, min_spots = permutations_of(calibrate), whole_number(min_spots, "min_spots", 3)
    seed, signed = seed_of(rng), _checked(signed)
    codes, slices = slices_of(table, library_key)
    labels = None if groupby is None else categories_of(table, groupby, fix="pass a column of adata.obs")
    expressions = expressions_of(table, layers)
    places = genes_of(table, genes, expressions)
    found = target_of(data, table, target, codes, slices)
    distance = found.distance if signed else np.maximum(found.distance, 0.0)
    sorted_in = bands_of(distance, bands, signed=signed)
    known = np.isfinite(distance)
    inside = known & (distance <= 0) & (not signed)
    large = groups_of(labels, known & ~inside, min_spots, groupby)
    groups = [(name, np.flatnonzero(known & _members(labels, name))) for name, _ in large]
    names = table.var_names[places].astype(str).tolist()
    job = Job(places, names, distance, found.xy, codes, groups, sorted_in, seed, count)
    say_post_denoising(expressions, count)
    frames = [layer_frames(one, job, blind_before(table, one, seed) if count else None, inside) for one in expressions]
    results, by_band = (pd.concat(parts, ignore_index=True) for parts in zip(*frames, strict=True))
    column = f"distance_to_{_name(found.name, key_added)}"
    result = DistanceGradientResult(
        frame_of(dict(results), _WORDS),
        frame_of(dict(by_band), (*_WORDS, "band")),
        pd.Series(distance, index=table.obs_names.copy(), name=column),
    )
    if copy:
        return result
    given: dict[str, Any] = {"signed": signed, "calibrate": count, "min_spots": min_spots, "seed": seed}
    given |= {"bands": [float(edge) for edge in np.unique([sorted_in.low, sorted_in.high])], "distance_key": column}
    given |= {"layers": [one.name for one in expressions]}
    given |= {key: value for key, value in (("groupby", groupby), ("library_key", library_key)) if value is not None}
    write_slots(table, _slots(table, target, found, result, given, key_added))
    return None


def _checked(signed: object) -> bool:
    if isinstance(signed, (bool, np.bool_)):
        return bool(signed)
    raise ParameterError("must be True or False", key="signed", found=repr(signed), fix="signed=True")


def _members(labels: pd.Categorical | None, name: str) -> np.ndarray:
    return np.asarray(True) if labels is None else np.asarray(labels == name)


def _name(name: str, key_added: str) -> str:
    """Name of the target in ``obs``; a slash would open a group in a file."""
    return (name or (key_added if key_added != "distance_gradient" else "target")).replace("/", "-")


def _slots(
    table: AnnData, target: Any, found: Target, result: DistanceGradientResult, params: dict[str, Any], key_added: str
) -> dict[tuple[str, str], Any]:
    from s3rl import __version__

    own = table.obsm.get(_keys.SPATIAL)
    same = own is not None and np.allclose(np.asarray(own)[:, :2], found.xy, rtol=1e-6, atol=1e-9)
    coordinates = _keys.SPATIAL if same else f"{_keys.SPATIAL}_{key_added}"
    domain = [target[0], *np.atleast_1d(target[1]).tolist()] if not found.outline.part.size else []
    outline = {
        "xy": found.outline.xy, "part": found.outline.part, "kind": found.outline.kind, "slice": found.outline.slice,
        "domain": np.asarray(domain, dtype=str), "name": found.name or "target",
    }  # fmt: skip
    described = {
        "results": result.results,
        "bands": result.bands,
        "target": outline,
        "params": params | {"coordinates": coordinates, "version": __version__},
    }
    slots: dict[tuple[str, str], Any] = {
        ("obs", params["distance_key"]): result.distance,
        ("uns", key_added): described,
    }
    return slots if same else slots | {("obsm", coordinates): found.xy}
