"""Deterministic laminar tissue with everything that a real experiment has, and the truth beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from s3rl._random import seed_of
from s3rl.datasets import _elements, _sections, _table, _tissue
from s3rl.datasets._params import CortexParams, check_number
from s3rl.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spatialdata import SpatialData

    from s3rl._typing import RNG


def simulated_cortex(
    n_spots: int = 1200,
    n_genes: int = 500,
    *,
    n_layers: int = 5,
    technology: Literal["visium", "cells"] = "visium",
    n_slices: int = 1,
    shift: float = 0.0,
    rotation: float = 0.0,
    crop: float = 0.0,
    batch_effect: float = 0.0,
    image: bool = True,
    params: CortexParams | Mapping[str, Any] | None = None,
    rng: RNG = 0,
) -> SpatialData:
    """Simulate laminar tissue: counts, coordinates, a stained image, and the truth about them.

    Layers ``L1`` to ``L<n - 1>`` and ``WM`` lie below a curved surface with unequal thickness. Counts are negative
    binomial with markers of every layer, genes with a gradient, ligand-receptor pairs in neighbouring layers, pairs
    and genes without any pattern, library sizes and dropout. The picture follows the same layers by the density, size
    and colour of what it shows. Equal arguments give equal bytes; nothing is downloaded.

    Parameters
    ----------
    n_spots
        Spots or cells of each slice, before ``crop``.
    n_genes
        Genes.
    n_layers
        Layers with the white matter, 2 to 7.
    technology
        ``"visium"``: spots of 55 microns on a hexagonal array of 100 microns; ``"cells"``: single cells.
    n_slices
        Sections of the same piece of tissue, each with its own spots and counts; two for a donor.
    shift
        Microns by which each slice lies away from the one before it, in a direction of its own.
    rotation
        Degrees by which each slice is turned against the one before it.
    crop
        Share of the spots that each slice lacks: the 1st, 3rd, ... at the right, the 2nd, 4th, ... at the left.
    batch_effect
        Standard deviation of the log factor of every gene in every slice but the first.
    image
        Whether to add the image.
    params
        :class:`s3rl.datasets.CortexParams`, or a mapping of its fields.
    rng
        Seed or generator.

    Returns
    -------
    sdata
        SpatialData with

        - ``tables["table"]``: ``X`` counts, CSR float32 (n, g); ``obs``: ``domain`` (categorical), ``depth`` (0 at the
          surface to 1), ``slice``, ``donor``, ``region``, ``instance_id``; ``obsm["spatial"]`` float64 (n, 2) microns
          in the coordinate system of the slice, ``obsm["spatial_truth"]`` in that of the tissue; ``var``: ``kind``,
          ``layer``, ``base``, ``fold``, ``depth_slope``, ``along_slope``; ``varm["batch_factor"]`` (g, n_slices);
          ``uns["simulation"]``: ``layers``, ``pairs`` and ``slices`` (data frames), ``params`` and ``seed``;
        - ``shapes["spots"]``: circles in microns;
        - ``images["he"]``: uint8 (3, y, x), dask, drawn when a chunk is read; its pixels are scaled and moved.

        The coordinate system is ``"global"``. With several slices they are ``"slice1"``, ``"slice2"``, ... and the
        elements ``"slice1_spots"``, ``"slice1_he"``, ...

    Raises
    ------
    ParameterError
        If an argument is outside of its range.

    Notes
    -----
    A point of the tissue lies in slice s at ``R(rotation) @ (point - centre) + centre + shift`` with the values of
    ``uns["simulation"]["slices"]``.

    Examples
    --------
    >>> import s3rl as s3
    >>> sdata = s3.datasets.simulated_cortex(n_spots=300, n_genes=100, n_layers=4, rng=1)
    >>> adata = sdata.tables["table"]
    >>> adata.shape, list(adata.obs["domain"].cat.categories)
    ((300, 100), ['L1', 'L2', 'L3', 'WM'])
    >>> sdata.images["he"].dims
    ('c', 'y', 'x')
    """
    import spatialdata as sd

    params = CortexParams.of(params)
    _check(n_spots, n_genes, n_layers, technology, n_slices, params)
    _check_slices(n_slices, {"shift": shift, "rotation": rotation, "batch_effect": batch_effect}, crop)
    seed = seed_of(rng)
    sections = _sections.make_sections(
        n_spots, n_layers, technology, n_slices, shift=shift, rotation=rotation, crop=crop, params=params, seed=seed
    )
    table = _table.make_table(sections, n_genes, n_layers, batch_effect=batch_effect, params=params, seed=seed)
    elements: dict[str, Any] = {"table": table}
    for section in sections:
        elements[section.element("spots")] = _elements.make_spots(section, technology)
        if image:
            elements[section.element("he")] = _elements.make_image(section, technology, n_layers, params, seed)
    return sd.SpatialData.init_from_elements(elements)


def _check(n_spots: int, n_genes: int, n_layers: int, technology: str, n_slices: int, params: CortexParams) -> None:
    check_number("n_spots", n_spots, 30, 2_000_000, whole=True)
    check_number("n_genes", n_genes, 20, 60_000, whole=True)
    check_number("n_layers", n_layers, 2, 7, whole=True)
    check_number("n_slices", n_slices, 1, 1000, whole=True)
    if not isinstance(technology, str) or technology not in _tissue.PITCH:
        raise ParameterError(
            "names no technology",
            key="technology",
            found=repr(technology),
            available=_tissue.PITCH,
            fix="pass technology='visium'",
        )
    planned = round(params.marker_share * n_genes) + round(params.gradient_share * n_genes) + 4 * params.n_pairs
    if planned > n_genes:
        raise ParameterError(
            "is less than the markers, gradients and pairs take together",
            key="n_genes",
            found=f"{n_genes} of {planned}",
            fix=f"pass n_genes={_enough_genes(params)}, or params with fewer pairs or markers",
        )
    thinnest = float(_tissue.layer_shares(n_layers, params.imbalance).min()) * n_spots
    if thinnest < 3:
        raise ParameterError(
            "leaves fewer than 3 spots to the thinnest layer",
            key="imbalance",
            found=f"{thinnest:.1f} spots",
            fix=f"pass n_spots={int(n_spots * 4 / thinnest) + 1} or a smaller imbalance",
        )


def _enough_genes(params: CortexParams) -> int:
    return int(4 * params.n_pairs / (1.0 - params.marker_share - params.gradient_share)) + 20


def _check_slices(n_slices: int, moves: Mapping[str, float], crop: float) -> None:
    check_number("crop", crop, 0.0, 0.6)
    for name, value in moves.items():
        check_number(name, value, *{"shift": (0.0, 1e6), "batch_effect": (0.0, 3.0)}.get(name, (-180.0, 180.0)))
        if n_slices == 1 and value != 0:
            raise ParameterError(
                "sets slices apart, but there is only one",
                key=name,
                found=repr(value),
                fix=f"pass n_slices=2 or more, or leave {name} out",
            )
