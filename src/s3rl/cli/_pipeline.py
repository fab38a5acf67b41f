"""The pipeline on a table in memory: counts, spatial graph, signed graph, model, comparison with known domains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from s3rl._keys import COUNTS, SPATIAL, ModelKeys
from s3rl.errors import CoordinatesError, LabelsError, ParameterError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from anndata import AnnData

N_NEIGHS = 6
N_FLOORS = 5
_FLOOR_COMPONENTS = 15
_KEYS = ModelKeys()
MATCHED = f"{_KEYS.domain}_matched"


@dataclass(frozen=True)
class Settings:
    """What the user chose."""

    n_domains: int | None = None
    table_key: str | None = None
    library_key: str | None = None
    reference_key: str | None = None
    n_top_genes: int = 3000
    seed: int = 0
    device: str = "auto"
    use_image: bool = True
    image_key: str | None = None
    tile_size: float | None = None
    tile_unit: str = "px"
    image_epochs: int | None = None


class Agreement(NamedTuple):
    """Adjusted Rand index with the known domains: of the result, and of mixtures without any training, the mean."""

    ari: float
    floor: float


def check_reference(table: AnnData, key: str | None) -> None:
    """Refuse a reference that is no grouping, or that the result would replace, before anything is computed."""
    from s3rl._slots.labels import categories_of

    if key is None:
        return
    if key in (_KEYS.domain, MATCHED):
        raise ParameterError(
            "would be replaced by the result", key="reference_key", found=repr(key), fix="pass another column of obs"
        )
    categories_of(table, key, fix="pass a column of obs with the names of known domains")


def check_domains(table: AnnData, n_domains: int | None) -> None:
    """Refuse a number of domains before anything is computed."""
    from s3rl.tl._s3rl_domains import checked_or_open

    checked_or_open(n_domains, table.n_obs)


def normalise(table: AnnData, settings: Settings, said: list[str]) -> None:
    """Normalise the counts; where the table keeps them in a layer, these are the counts."""
    from s3rl.pp._normalize import normalize

    if COUNTS in table.layers:
        if "log1p" in table.uns:
            said.append(f"counts taken from layers[{COUNTS!r}], since X is normalised")
        table.X = table.layers[COUNTS]
        table.uns.pop("log1p", None)
    normalize(table, n_top_genes=settings.n_top_genes, library_key=settings.library_key)
    said.append(f"{int(table.var['highly_variable'].sum()):,} of {table.n_vars:,} genes modelled")


def spatial_graph(table: AnnData, library_key: str | None, said: list[str]) -> None:
    """Join each spot to its nearest ones in its slice, with squidpy."""
    import pandas as pd
    import squidpy as sq
    from anndata import AnnData

    from s3rl._slots.table import coordinates_of, slices_of
    from s3rl._slots.write import write_slots

    xy = coordinates_of(table)
    codes, names = slices_of(table, library_key)
    _check_sizes(codes, names, library_key)
    obs = pd.DataFrame({"slice": pd.Categorical.from_codes(codes, names)}, index=table.obs_names)
    # apart, since squidpy wants a categorical column and takes the coordinates as they are
    bare = AnnData(obs=obs, obsm={SPATIAL: xy})
    sq.gr.spatial_neighbors_knn(bare, n_neighs=N_NEIGHS, library_key=None if library_key is None else "slice")
    write_slots(
        table,
        {("obsp", key): graph for key, graph in bare.obsp.items()} | {("uns", key): bare.uns[key] for key in bare.uns},
    )
    said.append(f"{N_NEIGHS} nearest spots" + (f" in each of {len(names)} slices" if library_key else ""))


def _check_sizes(codes: np.ndarray, names: list[str], library_key: str | None) -> None:
    import numpy as np

    sizes = np.bincount(codes, minlength=len(names))
    few = [f"{names[i]} ({sizes[i]} spots)" for i in np.flatnonzero(sizes <= N_NEIGHS)]
    if few and library_key is None:
        raise CoordinatesError(
            f"has too few spots for {N_NEIGHS} neighbours each",
            key=f"obsm[{SPATIAL!r}]",
            found=f"{sizes[0]} spots",
            fix=f"pass an input with more than {N_NEIGHS} spots",
        )
    if few:
        raise LabelsError(
            f"names slices with too few spots for {N_NEIGHS} neighbours each",
            key=f"obs[{library_key!r}]",
            found=", ".join(few[:5]),
            fix="remove these slices, or pass another column with --library-key",
        )


def train(table: AnnData, settings: Settings, *, checkpoint: Path, model: Path, progress: bool) -> str:
    """Train, write the results into the table, and say how it went."""
    from s3rl.tl._s3rl import s3rl

    s3rl(
        table,
        settings.n_domains,
        library_key=settings.library_key,
        model_dir=model,
        checkpoint=checkpoint,
        rng=settings.seed,
        device=settings.device,
        progress=progress,
    )
    used = int(table.obs[_KEYS.domain].nunique())
    record = table.uns[_KEYS.uns]
    how = "" if settings.n_domains is not None else ", chosen by the evidence"
    return f"{len(record['history']['loss'])} epochs, {used} of {record['n_domains']} domains in use{how}"


def compare(table: AnnData, settings: Settings, key: str) -> Agreement:
    """Name the domains after the known ones and measure how far both agree over the spots with a known one."""
    import numpy as np
    from sklearn.metrics import adjusted_rand_score

    from s3rl._slots.labels import categories_of
    from s3rl.tl._match_labels import match_labels

    match_labels(table, _KEYS.domain, key)
    truth = categories_of(table, key, fix="pass another column").codes
    known = truth >= 0

    def ari(found: Any) -> float:
        return float(adjusted_rand_score(truth[known], np.asarray(found)[known]))

    return Agreement(
        ari(table.obs[_KEYS.domain].cat.codes), float(np.mean([ari(labels) for labels in _untrained(table, settings)]))
    )


def _untrained(table: AnnData, settings: Settings) -> list[np.ndarray]:
    """Domains without a model: tied Gaussian mixtures on diffused principal components, from several starts."""
    import torch

    from s3rl._slots.model import modelled_genes
    from s3rl._slots.neighbors import spatial_graph_of
    from s3rl._slots.table import normalised_expression_of
    from s3rl.fit.consensus import mixture_consensus
    from s3rl.fit.views import principal_components
    from s3rl.nn import Diffusion

    x = normalised_expression_of(table)[:, modelled_genes(table)]
    components = torch.from_numpy(principal_components(x, _FLOOR_COMPONENTS, seed=settings.seed))
    smooth = Diffusion.on(spatial_graph_of(table), 1.0).apply(components).double().numpy()
    return [
        mixture_consensus([smooth], table.uns[_KEYS.uns]["n_domains"], 1, seed=settings.seed + start).argmax(axis=1)
        for start in range(N_FLOORS)
    ]
