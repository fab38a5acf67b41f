"""The four methods of gene set enrichment, from arrays to tidy columns; gseapy walks the rankings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from s3rl._random import stream
from s3rl._slots.extras import import_extra
from s3rl.statistics.multiple import fdr
from s3rl.statistics.overrepresentation import overrepresentation
from s3rl.statistics.preranked import preranked, random_places

if TYPE_CHECKING:
    import pandas as pd

    from s3rl._slots.gene_sets import MeasuredSets

# spots that are dense at a time
_CHUNK = 500


def over_represented(names: list[str], lists: np.ndarray, genes: np.ndarray, sets: MeasuredSets) -> pd.DataFrame:
    """One row for each list and set: the hypergeometric test, false discovery rates within each list."""
    import pandas as pd

    test = overrepresentation(lists, sets.member)
    groups = np.repeat(np.arange(len(names)), len(sets.names))
    shared = [sp.csr_matrix(sets.member @ sp.diags(row.astype(np.float64))) for row in lists]
    return pd.DataFrame(
        {
            "group": np.asarray(names, dtype=object)[groups],
            "term": np.tile(np.asarray(sets.names, dtype=object), len(names)),
            "overlap": test.overlap.ravel(),
            "size": np.tile(test.size, len(names)),
            "n_genes": test.drawn[groups],
            "odds_ratio": test.odds_ratio.ravel(),
            "fold": test.fold.ravel(),
            "pvalue": test.pvalue.ravel(),
            "fdr": fdr(test.pvalue.ravel(), groups),
            "genes": [";".join(genes[np.sort(own.indices[a:b])]) for own in shared for a, b in _rows(own)],
        }
    )


def _rows(matrix: sp.csr_matrix) -> list[tuple[int, int]]:
    return list(zip(matrix.indptr[:-1].tolist(), matrix.indptr[1:].tolist(), strict=True))


def _coded(sets: MeasuredSets, place: np.ndarray) -> dict[str, list[str]]:
    """Sets and genes under names of one form: gseapy changes the case of some."""
    member = sets.member
    return {f"S{row}": [f"G{place[gene]}" for gene in member.indices[a:b]] for row, (a, b) in enumerate(_rows(member))}


def ranked(
    names: list[str],
    scores: np.ndarray,
    genes: np.ndarray,
    sets: MeasuredSets,
    *,
    n_random: int,
    weight: float,
    seed: int,
) -> pd.DataFrame:
    """One row for each ranking (q, g) and set: scores and leading edges of gseapy, compared with random sets."""
    import pandas as pd

    gseapy = import_extra("gseapy", "enrichment")
    parts = []
    sizes = np.diff(sets.member.indptr)
    places = random_places(len(genes), int(sizes.max()), n_random, stream(seed))
    for group, row in enumerate(scores):
        order = np.argsort(-row, kind="stable")
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(len(order))
        walked = gseapy.prerank(
            rnk=pd.Series(_strictly_falling(row[order]), index=[f"G{number}" for number in range(len(order))]),
            gene_sets=_coded(sets, place), permutation_num=0, weight=weight, min_size=1, max_size=len(order),
            ascending=None, outdir=None, no_plot=True, threads=1, seed=0,
        )  # fmt: skip
        part = _of_ranking(names[group], walked.results, genes[order], sets)
        chance = preranked(row[order], part["score"].to_numpy(), sizes, places, weight)
        part["nes"], part["pvalue"], part["fdr"] = chance.nes, chance.pvalue, fdr(chance.pvalue)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _strictly_falling(scores: np.ndarray) -> np.ndarray:
    """The same scores, equal ones apart by the least that a number can, so that their order is that of the genes."""
    apart = np.array(scores, dtype=np.float64)
    for number in range(1, len(apart)):
        if apart[number] >= apart[number - 1]:
            apart[number] = np.nextafter(apart[number - 1], -np.inf)
    return apart


def _of_ranking(group: str, found: dict[str, dict[str, Any]], genes: np.ndarray, sets: MeasuredSets) -> pd.DataFrame:
    import pandas as pd

    rows = [found[f"S{row}"] for row in range(len(sets.names))]
    edges = [sorted(int(code[1:]) for code in row["lead_genes"].split(";") if code) for row in rows]
    return pd.DataFrame(
        {
            "group": np.full(len(rows), group, dtype=object),
            "term": np.asarray(sets.names, dtype=object),
            "overlap": np.array([len(edge) for edge in edges], dtype=np.int64),
            "size": np.asarray(sets.member.sum(axis=1)).ravel().astype(np.int64),
            "score": np.array([row["es"] for row in rows], dtype=np.float64),
            "nes": np.nan,
            "pvalue": np.nan,
            "fdr": np.nan,
            "genes": [";".join(genes[edge]) for edge in edges],
        }
    )


def sample_scores(
    values: sp.csr_matrix, genes: np.ndarray, sets: MeasuredSets, *, method: str, weight: float
) -> np.ndarray:
    """Score of each sample (n, g) for each set, float32 (n, t).

    Genes with equal values in a sample are taken in the order of their means over all samples, so that the scores do
    not depend on the order of the genes.
    """
    mean = np.asarray(values.mean(axis=0)).ravel()
    order = np.lexsort((genes, -mean))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    coded, values = _coded(sets, place), values[:, order]
    if method == "gsva":
        return _scored(values, coded, "gsva", weight).astype(np.float32)
    parts = [
        _scored(values[first : first + _CHUNK], coded, "ssgsea", weight) for first in range(0, values.shape[0], _CHUNK)
    ]
    raw = np.vstack(parts)
    span = float(np.ptp(raw))
    return (raw / span if span > 0 else raw).astype(np.float32)


def _scored(values: sp.csr_matrix, coded: dict[str, list[str]], method: str, weight: float) -> np.ndarray:
    import pandas as pd

    gseapy = import_extra("gseapy", "enrichment")
    frame = pd.DataFrame(
        values.T.toarray(),
        index=[f"G{number}" for number in range(values.shape[1])],
        columns=[f"c{number:09d}" for number in range(values.shape[0])],
    )
    more: dict[str, Any] = {"gene_sets": coded, "weight": weight, "min_size": 1, "max_size": len(frame)}
    found = getattr(gseapy, method)(data=frame, outdir=None, threads=1, **more).res2d
    wide = found.pivot(index="Name", columns="Term", values="ES")
    return wide.loc[list(frame.columns), list(coded)].to_numpy(dtype=np.float64)
