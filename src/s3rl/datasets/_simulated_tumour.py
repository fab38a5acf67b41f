"""Deterministic tumour microenvironment with what downstream analyses look for, and the truth beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3rl._random import seed_of
from s3rl.datasets import _elements, _tumour_genes, _tumour_table, _tumour_tissue
from s3rl.datasets._params import check_number

if TYPE_CHECKING:
    from spatialdata import SpatialData

    from s3rl._typing import RNG


def simulated_tumour(
    n_spots: int = 900,
    *,
    cells_per_spot: int = 10,
    counts_per_gene: float = 1.0,
    n_null: int = 100,
    rng: RNG = 0,
) -> SpatialData:
    """Simulate a tumour and what surrounds it: cell types, vessels, ligands and receptors, and the truth about them.

    Three nests of tumour lie in stroma, beside fat and an immune aggregate of B cells with T cells around. Every spot
    holds whole cells of nine types, more endothelial ones near vessels. Genes have the names of human genes:

    - markers of the types, among them collagens and immunoglobulins;
    - hypoxia, which rises with the distance from the nearest vessel, and proliferation, which falls: both in all
      cells, and half as high again in those of the tumour;
    - interferon, which falls with the distance from the aggregate, in all cells;
    - eight ligand-receptor pairs of public lists, planted in domains that touch or in one, and eight pairs whose genes
      are the same everywhere;
    - ``NULL1``, ``NULL2``, ...: the same everywhere.

    Counts are negative binomial, with library sizes and dropout. Equal arguments give equal bytes; nothing is
    downloaded. The profiles of the types do not depend on ``rng``: every
    :func:`s3rl.datasets.simulated_tumour_reference` belongs to every tissue.

    Parameters
    ----------
    n_spots
        Spots, 55 microns wide and 100 microns apart. A vessel is there for every 60 of them.
    cells_per_spot
        Cells in each spot; the fewer, the more neighbouring spots differ.
    counts_per_gene
        Mean count of a gene in a spot, about.
    n_null
        Genes without a name and a pattern.
    rng
        Seed or generator.

    Returns
    -------
    sdata
        SpatialData with

        - ``tables["table"]``: ``X`` counts, CSR float32 (n, g); ``obs``: ``domain`` (categorical), ``distance``
          (microns from the spot's centre to the nearest vessel, 0 inside), ``interferon`` (1 in the aggregate to 0 far
          away), ``region``, ``instance_id``; ``obsm["spatial"]`` float64 (n, 2) microns, ``obsm["proportions_truth"]``
          float64 (n, k), with names and colours in ``uns["proportions_truth"]``; ``var``: ``kind`` (``marker``,
          ``ligand``, ``receptor``, ``hypoxia``, ``proliferation``, ``interferon``, ``control``, ``null``),
          ``cell_type`` (types that have more of it, joined by ``;``, or ``none``), ``distance_effect`` and
          ``immune_effect``; ``varm["profiles"]`` (g, k); ``uns["simulation"]``: ``cell_types``, ``domains`` and
          ``pairs`` (data frames), ``params`` and ``seed``;
        - ``shapes["spots"]``: circles in microns;
        - ``shapes["vessels"]``: polygons, drawn in pixels of half a micron as on an image.

        The coordinate system of both is ``"global"``, in microns.

    Raises
    ------
    ParameterError
        If an argument is outside of its range.

    Notes
    -----
    To the log mean of a gene are added ``distance_effect * (1 - exp(-distance / 300))`` and
    ``immune_effect * interferon``.

    Examples
    --------
    >>> import s3rl as s3
    >>> sdata = s3.datasets.simulated_tumour(300, n_null=20)
    >>> adata = sdata.tables["table"]
    >>> list(adata.obs["domain"].cat.categories)
    ['tumour', 'stroma', 'T zone', 'B follicle', 'adipose']
    >>> adata.uns["simulation"]["pairs"].loc["pair1", ["source", "target", "source_domain", "target_domain"]].tolist()
    ['CXCL13', 'CXCR5', 'T zone', 'B follicle']
    >>> len(sdata.shapes["vessels"])
    5
    """
    import spatialdata as sd

    check_number("n_spots", n_spots, 100, 2_000_000, whole=True)
    check_number("cells_per_spot", cells_per_spot, 1, 10_000, whole=True)
    check_number("counts_per_gene", counts_per_gene, 1e-3, 1e3)
    check_number("n_null", n_null, 0, 60_000, whole=True)
    seed = seed_of(rng)
    tumour = _tumour_tissue.make_tumour(int(n_spots), seed)
    table = _tumour_table.make_table(
        tumour,
        _tumour_genes.make_genes(int(n_null)),
        cells_per_spot=int(cells_per_spot),
        counts_per_gene=float(counts_per_gene),
        n_null=int(n_null),
        seed=seed,
    )
    spots = _elements.make_spots(tumour.section, "visium")
    return sd.SpatialData.init_from_elements(
        {"table": table, "spots": spots, "vessels": _tumour_tissue.vessel_shapes(tumour)}
    )
