"""Tables of a simulated tumour and of the single cells that belong to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from s3rl import _keys
from s3rl._random import stream
from s3rl.datasets import _tumour_tissue as anatomy
from s3rl.datasets._expression import negative_binomial
from s3rl.datasets._tumour_genes import CELL_TYPES, CONTROLS, PLANTED, TumourGenes

if TYPE_CHECKING:
    import pandas as pd
    import scipy.sparse as sp
    from anndata import AnnData

    from s3rl.datasets._tumour_tissue import Tumour

# first words of the names of the random streams
_CELLS, _COUNTS, _REFERENCE, _BATCH, _REFERENCE_COUNTS = range(102, 107)
_ROWS = 1024
_LIBRARY_SIGMA, _DISPERSION, _DROPOUT = 0.4, 0.3, 0.1
_DOMAIN_COLORS = ["#b03a48", "#d9b38c", "#4e79a7", "#76b7b2", "#edc948"]
_TYPE_COLORS = [
    "#b03a48", "#d9b38c", "#59a14f", "#f28e2b", "#b07aa1", "#4e79a7", "#76b7b2", "#9c755f", "#edc948",
]  # fmt: skip


def make_table(
    tumour: Tumour, genes: TumourGenes, *, cells_per_spot: int, counts_per_gene: float, n_null: int, seed: int
) -> AnnData:
    """Counts of the spots, what they are made of, and the truth about genes and pairs."""
    import anndata as ad
    from spatialdata.models import TableModel

    distance = tumour.distance
    weights = anatomy.memberships(tumour, tumour.section.xy)
    expected = anatomy.expected_cells(weights, distance)
    cells = stream(seed, _CELLS).multinomial(cells_per_spot, expected / expected.sum(axis=1, keepdims=True))
    shares = cells / cells_per_spot
    hypoxia, interferon = anatomy.hypoxia(distance), anatomy.interferon(tumour)
    counts = _draw(genes, shares, hypoxia, interferon, np.full(genes.names.size, counts_per_gene), (seed, _COUNTS))
    domain = weights.argmax(axis=1)
    truth = {
        # stores keep whole numbers of 64 bits
        "seed": seed if seed < 2**63 else str(seed),
        "params": {"cells_per_spot": cells_per_spot, "counts_per_gene": counts_per_gene, "n_null": n_null},
        "cell_types": list(CELL_TYPES),
        "domains": _domains(domain),
        "pairs": _pairs(),
    }
    table = ad.AnnData(
        counts,
        obs=_obs(domain, distance, interferon),
        var=_var(genes),
        obsm={_keys.SPATIAL: tumour.section.xy, "proportions_truth": shares},
        varm={"profiles": genes.profiles},
        uns={
            "domain_colors": list(_DOMAIN_COLORS),
            "proportions_truth": {"names": list(CELL_TYPES), "colors": list(_TYPE_COLORS)},
            "simulation": truth,
        },
    )
    return TableModel.parse(table, region="spots", region_key="region", instance_key="instance_id")


def make_reference(
    n_cells: int, genes: TumourGenes, *, counts_per_gene: float, batch_effect: float, seed: int
) -> AnnData:
    """Single cells of all types in equal numbers, far from vessels and near, of a technology of its own."""
    import anndata as ad
    import pandas as pd

    rng = stream(seed, _REFERENCE)
    codes = np.sort(np.arange(n_cells) % len(CELL_TYPES))
    # stroma cells lie near vessels, those of nests anywhere
    hypoxia = rng.uniform(0.0, 0.9, n_cells) * np.where(codes == CELL_TYPES.index("tumour"), 1.0, 0.5)
    batch = np.exp(stream(seed, _BATCH).normal(0.0, 1.0, genes.names.size) * batch_effect)
    counts = _draw(
        genes, np.eye(len(CELL_TYPES))[codes], hypoxia, rng.random(n_cells) ** 3, counts_per_gene * batch,
        (seed, _REFERENCE_COUNTS),
    )  # fmt: skip
    obs = pd.DataFrame(
        {"cell_type": pd.Categorical.from_codes(codes, list(CELL_TYPES))}, index=[f"cell{i}" for i in range(n_cells)]
    )
    return ad.AnnData(
        counts, obs=obs, var=_var(genes).assign(batch_factor=batch), uns={"cell_type_colors": list(_TYPE_COLORS)}
    )


def _draw(
    genes: TumourGenes,
    shares: np.ndarray,
    hypoxia: np.ndarray,
    interferon: np.ndarray,
    level: np.ndarray,
    path: tuple[int, ...],
) -> sp.csr_matrix:
    """Float32 CSR (n, g) of whole numbers, drawn in blocks of rows so that n x g is never dense."""
    import scipy.sparse as sp

    blocks = []
    for number, start in enumerate(range(0, len(shares), _ROWS)):
        rows = slice(start, start + _ROWS)
        rng = stream(*path, number)
        mean = shares[rows] @ genes.profiles.T * genes.factors(hypoxia[rows], interferon[rows]) * level
        library = rng.lognormal(-0.5 * _LIBRARY_SIGMA**2, _LIBRARY_SIGMA, len(mean))
        counts = negative_binomial(mean * library[:, None], _DISPERSION, rng)
        counts[rng.random(counts.shape) < _DROPOUT] = 0
        # a spot without a single count is unusable downstream and is never on tissue in practice
        empty = np.flatnonzero(~counts.any(axis=1))
        counts[empty, mean[empty].argmax(axis=1)] = 1
        blocks.append(sp.csr_matrix(counts.astype(np.float32)))
    return sp.csr_matrix(sp.vstack(blocks, format="csr"))


def _obs(domain: np.ndarray, distance: np.ndarray, interferon: np.ndarray) -> pd.DataFrame:
    import pandas as pd

    n = len(domain)
    return pd.DataFrame(
        {
            "domain": pd.Categorical.from_codes(domain, list(anatomy.DOMAINS)),
            "distance": distance,
            "interferon": interferon,
            "region": pd.Categorical(["spots"] * n),
            "instance_id": np.arange(n),
        },
        index=[f"spot{i}" for i in range(n)],
    )


def _var(genes: TumourGenes) -> pd.DataFrame:
    import pandas as pd

    types = [";".join(np.array(CELL_TYPES, object)[row]) or "none" for row in genes.raised]
    return pd.DataFrame(
        {
            "kind": pd.Categorical(genes.kind),
            "cell_type": pd.Categorical(types),
            "distance_effect": genes.distance_effect,
            "immune_effect": genes.immune_effect,
        },
        index=list(genes.names),
    )


def _domains(domain: np.ndarray) -> pd.DataFrame:
    import pandas as pd

    found = pd.DataFrame(anatomy.COMPOSITION, index=list(anatomy.DOMAINS), columns=list(CELL_TYPES))
    found["n_spots"] = np.bincount(domain, minlength=len(anatomy.DOMAINS))
    return found


def _pairs() -> pd.DataFrame:
    import pandas as pd

    rows: list[tuple[Any, ...]] = [(*pair, True) for pair in PLANTED]
    rows += [(*pair, "none", "none", False) for pair in CONTROLS]
    return pd.DataFrame(
        rows,
        columns=["source", "target", "source_domain", "target_domain", "planted"],
        index=[f"pair{i + 1}" for i in range(len(rows))],
    )
