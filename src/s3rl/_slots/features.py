"""Feature spaces of the signed graph: expression by default, anything in ``obsm`` beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from s3rl import _keys
from s3rl._slots.embedding import embedding_of
from s3rl._slots.table import normalised_expression_of
from s3rl.errors import CountsError, ParameterError
from s3rl.graph.similar import Features

if TYPE_CHECKING:
    from anndata import AnnData

EXPRESSION = "X"
GENES = "genes"
IMAGE = "image"
# One number for "enough components" everywhere in single-cell work; scanpy's default too.
_COMPONENTS = 50
_MOST_SPACES = 31


class FeatureSpace(NamedTuple):
    """Features of all spots.

    Attributes
    ----------
    features
        float32 (n, d), scipy CSR or dense.
    centered
        Whether similarity is that of deviations from the average spot of the slice.
    source
        What the features are, for the log and ``uns``.
    slot
        ``"X"`` or the name in ``obsm``.
    """

    features: Features
    centered: bool
    source: str
    slot: str


def feature_spaces_of(
    table: AnnData, use_rep: Any, image_rep: str | None, *, exact_up_to: int
) -> dict[str, FeatureSpace]:
    """Return the feature spaces that ``use_rep`` and ``image_rep`` name, by name, the first one first.

    Parameters
    ----------
    table
        Table.
    use_rep
        None for expression, a name in ``obsm``, ``"X"``, a sequence of these, or a mapping from names to these.
    image_rep
        Name in ``obsm`` of the features of the image, or None.
    exact_up_to
        Largest n for which None means the expression itself and not its principal components.
    """
    wanted = _wanted(use_rep)
    if image_rep is not None:
        wanted.append((IMAGE, image_rep))
    names = [name for name, _ in wanted]
    if not wanted or len(set(names)) < len(names) or len(names) > _MOST_SPACES:
        raise ParameterError(
            f"must name 1 to {_MOST_SPACES} feature spaces, each once",
            key="use_rep",
            found=f"{names}",
            available=[EXPRESSION, *table.obsm],
            fix="pass use_rep=None for expression, or for example use_rep=['X_pca', 'X_simclr']",
        )
    return {name: _space(table, slot, exact_up_to, is_image=name == IMAGE) for name, slot in wanted}


def _wanted(use_rep: Any) -> list[tuple[str, Any]]:
    if isinstance(use_rep, Mapping):
        pairs = list(use_rep.items())
    elif use_rep is None or isinstance(use_rep, str):
        pairs = [(None, use_rep)]
    elif isinstance(use_rep, (list, tuple, np.ndarray)):
        pairs = [(None, slot) for slot in use_rep]
    else:
        pairs = [(None, use_rep)]
    for _, slot in pairs:
        if slot is not None and not isinstance(slot, str):
            raise ParameterError(
                "must be None, a name in obsm, several of these, or a mapping from names to these",
                key="use_rep",
                found=repr(slot),
                fix="use_rep='X_pca'",
            )
    return [
        (str(name) if name is not None else GENES if slot in (None, EXPRESSION) else slot, slot) for name, slot in pairs
    ]


def _space(table: AnnData, slot: str | None, exact_up_to: int, *, is_image: bool = False) -> FeatureSpace:
    if slot == EXPRESSION or (slot is None and table.n_obs <= exact_up_to):
        genes, source = _variable_expression(table)
        return FeatureSpace(genes, True, source, EXPRESSION)
    if slot is None and _keys.X_PCA not in table.obsm:
        genes, source = _variable_expression(table)
        components = _principal_components(genes)
        return FeatureSpace(components, True, f"{components.shape[1]} principal components of {source}", EXPRESSION)
    key = _keys.X_PCA if slot is None else slot
    values = embedding_of(table, key, fix="scanpy.pp.pca(adata), or pass a name that exists")
    largest = np.abs(values).max()
    # a cosine has no scale, and float32 has a largest number
    # tiles of one slide share a stain: without its average they are all alike but for a few odd ones
    return FeatureSpace((values / (largest or 1.0)).astype(np.float32), slot is None or is_image, f"obsm[{key!r}]", key)


def _variable_expression(table: AnnData) -> tuple[sp.csr_matrix, str]:
    """Expression of the highly variable genes, float32 CSR, and its description."""
    values = normalised_expression_of(table)
    if "highly_variable" not in table.var:
        return values, f"X, all {table.n_vars} genes"
    marked = np.asarray(table.var["highly_variable"])
    if marked.dtype != bool or not marked.any():
        raise CountsError(
            "marks no genes" if marked.dtype == bool else "is not boolean",
            key="var['highly_variable']",
            found=f"{marked.dtype}, {np.count_nonzero(marked == True)} of {table.n_vars} marked",  # noqa: E712
            fix="s3.pp.normalize(adata) on counts, or del adata.var['highly_variable'] to use all genes",
        )
    return values[:, np.flatnonzero(marked)], f"X, {marked.sum()} highly variable genes"


def _principal_components(values: sp.csr_matrix) -> np.ndarray:
    """Principal components, float32 (n, at most 50), as ``scanpy.pp.pca`` writes them."""
    import scanpy as sc

    most = min(values.shape) - 1
    if most < 1:
        return values.toarray()
    return np.asarray(sc.pp.pca(values, n_comps=min(_COMPONENTS, most), random_state=0), dtype=np.float32)
