"""The table of a simulated tissue: counts, annotations and the truth about them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from s3rl import _keys
from s3rl._random import stream
from s3rl.datasets import _expression, _tissue
from s3rl.datasets._sections import COUNTS, GENES, LIBRARY

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from s3rl.datasets._params import CortexParams
    from s3rl.datasets._sections import Section

_COLORS = ("#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#edc948", "#76b7b2")


def make_table(
    sections: list[Section],
    n_genes: int,
    n_layers: int,
    *,
    batch_effect: float,
    params: CortexParams,
    seed: int,
) -> AnnData:
    """One table for all sections, rows in their order, annotating the ``spots`` of each."""
    import anndata as ad
    import scipy.sparse as sp
    from spatialdata.models import TableModel

    rng = stream(seed, GENES)
    genes = _expression.make_genes(n_genes, n_layers, params, rng)
    batch = np.exp(rng.normal(0.0, 1.0, (n_genes, len(sections))) * batch_effect)
    batch[:, 0] = 1.0
    blocks = [_counts(section, genes, batch[:, section.number], params, seed) for section in sections]
    table = ad.AnnData(
        sp.csr_matrix(sp.vstack(blocks, format="csr")),
        obs=_obs(sections, n_layers),
        var=_var(genes, n_layers),
        obsm={
            _keys.SPATIAL: np.concatenate([section.xy for section in sections]),
            "spatial_truth": np.concatenate([section.truth for section in sections]),
        },
        varm={"batch_factor": batch},
        uns={
            "domain_colors": list(_tissue.of_layers(np.array(_COLORS, object), n_layers)),
            "simulation": _truth(sections, genes, n_layers, params, seed),
        },
    )
    regions = list(table.obs["region"].cat.categories)
    return TableModel.parse(
        table, region=regions if len(regions) > 1 else regions[0], region_key="region", instance_key="instance_id"
    )


def _counts(
    section: Section,
    genes: _expression.Genes,
    batch: np.ndarray,
    params: CortexParams,
    seed: int,
) -> Any:
    depth = section.depth
    rng = stream(seed, LIBRARY, section.number)
    return _expression.draw_counts(
        genes,
        _tissue.memberships(depth, section.tissue.borders, params.blur),
        depth,
        _tissue.along(section.tissue, section.truth),
        rng.lognormal(-0.5 * params.library_sigma**2, params.library_sigma, len(depth)),
        batch=batch,
        dispersion=params.dispersion,
        dropout=params.dropout,
        seed=seed,
        path=(COUNTS, section.number),
    )


def _obs(sections: list[Section], n_layers: int) -> pd.DataFrame:
    import pandas as pd

    sizes = [len(section.xy) for section in sections]
    names = [section.name for section in sections]
    donors = [f"donor{section.number // 2 + 1}" for section in sections]
    regions = [section.element("spots") for section in sections]
    instance = np.concatenate([np.arange(size) for size in sizes])
    depth = np.concatenate([section.depth for section in sections])
    slices = np.repeat(np.arange(len(sections)), sizes)
    return pd.DataFrame(
        {
            "domain": pd.Categorical.from_codes(
                np.searchsorted(sections[0].tissue.borders, depth, side="right"), _tissue.layer_names(n_layers)
            ),
            "depth": depth,
            "slice": pd.Categorical.from_codes(slices, names),
            "donor": pd.Categorical(np.repeat(np.array(donors, object), sizes), list(dict.fromkeys(donors))),
            "region": pd.Categorical.from_codes(slices, regions),
            "instance_id": instance,
        },
        index=[f"{names[s]}-spot{i}" for s, i in zip(slices, instance, strict=True)],
    )


def _var(genes: _expression.Genes, n_layers: int) -> pd.DataFrame:
    import pandas as pd

    domains = np.array([*_tissue.layer_names(n_layers), "none"], object)
    return pd.DataFrame(
        {
            "kind": pd.Categorical(genes.kind),
            "layer": pd.Categorical(domains[genes.layer], list(domains)),
            "base": genes.base,
            "fold": genes.fold,
            "depth_slope": genes.slope[:, 0],
            "along_slope": genes.slope[:, 1],
        },
        index=list(genes.names),
    )


def _truth(
    sections: list[Section],
    genes: _expression.Genes,
    n_layers: int,
    params: CortexParams,
    seed: int,
) -> dict[str, Any]:
    import pandas as pd

    domains = _tissue.layer_names(n_layers)
    edges = np.concatenate([[0.0], sections[0].tissue.borders, [1.0]])
    stain = _tissue.stain_of_layers(n_layers)
    ligands, receptors = np.flatnonzero(genes.kind == "ligand"), np.flatnonzero(genes.kind == "receptor")
    places = np.array([*domains, "none"], object)
    return {
        # stores keep whole numbers of 64 bits
        "seed": seed if seed < 2**63 else str(seed),
        "params": {name: value for name, value in asdict(params).items() if value is not None},
        "layers": pd.DataFrame(
            {
                "from_depth": edges[:-1],
                "to_depth": edges[1:],
                "area": _tissue.layer_shares(n_layers, params.imbalance),
                "nuclei_per_mm2": stain[:, 0],
                "eosin": stain[:, 1],
            },
            index=domains,
        ),
        "pairs": pd.DataFrame(
            {
                "source": genes.names[ligands],
                "target": genes.names[receptors],
                "source_domain": places[genes.layer[ligands]],
                "target_domain": places[genes.layer[receptors]],
                "planted": genes.layer[ligands] >= 0,
            },
            index=[f"pair{i + 1}" for i in range(ligands.size)],
        ),
        "slices": pd.DataFrame(
            {
                "rotation": [float(section.placement.rotation) for section in sections],
                "shift_x": [float(section.placement.shift[0]) for section in sections],
                "shift_y": [float(section.placement.shift[1]) for section in sections],
                "centre_x": [float(section.placement.centre[0]) for section in sections],
                "centre_y": [float(section.placement.centre[1]) for section in sections],
                "kept_from_x": [float(section.placement.kept[0]) for section in sections],
                "kept_to_x": [float(section.placement.kept[1]) for section in sections],
            },
            index=[section.name for section in sections],
        ),
    }
