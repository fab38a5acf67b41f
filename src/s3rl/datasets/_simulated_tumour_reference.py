"""Single cells of the types that the simulated tumour is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3rl._random import seed_of
from s3rl.datasets import _tumour_genes, _tumour_table
from s3rl.datasets._params import check_number

if TYPE_CHECKING:
    from anndata import AnnData

    from s3rl._typing import RNG


def simulated_tumour_reference(
    n_cells: int = 900,
    *,
    counts_per_gene: float = 1.0,
    batch_effect: float = 0.3,
    n_null: int = 100,
    rng: RNG = 0,
) -> AnnData:
    """Simulate annotated single cells to deconvolve :func:`s3rl.datasets.simulated_tumour` with.

    The profiles of the nine types are those of the tissue, whatever its ``rng``; every gene has a factor of its own, as
    between two technologies. Types are equally frequent. Equal arguments give equal bytes; nothing is downloaded.

    Parameters
    ----------
    n_cells
        Cells.
    counts_per_gene
        Mean count of a gene in a cell, about.
    batch_effect
        Standard deviation of the log factor of every gene.
    n_null
        Genes without a name and a pattern.
    rng
        Seed or generator.

    Returns
    -------
    adata
        AnnData with ``X`` counts, CSR float32 (n, g); ``obs["cell_type"]`` (categorical); ``var`` as that of the
        tissue, and ``batch_factor``; ``uns["cell_type_colors"]``.

    Raises
    ------
    ParameterError
        If an argument is outside of its range.

    Examples
    --------
    >>> import s3rl as s3
    >>> reference = s3.datasets.simulated_tumour_reference(90, n_null=20)
    >>> reference.obs["cell_type"].value_counts(sort=False).head(2)
    cell_type
    tumour        10
    fibroblast    10
    Name: count, dtype: int64
    """
    check_number("n_cells", n_cells, len(_tumour_genes.CELL_TYPES), 2_000_000, whole=True)
    check_number("counts_per_gene", counts_per_gene, 1e-3, 1e3)
    check_number("batch_effect", batch_effect, 0.0, 3.0)
    check_number("n_null", n_null, 0, 60_000, whole=True)
    return _tumour_table.make_reference(
        int(n_cells),
        _tumour_genes.make_genes(int(n_null)),
        counts_per_gene=float(counts_per_gene),
        batch_effect=float(batch_effect),
        seed=seed_of(rng),
    )
