"""The scan of ``tl.motif_scan``: pymemesuite's FIMO, with what it leaves out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from s3rl._slots.extras import import_extra

if TYPE_CHECKING:
    import pandas as pd

    from s3rl._slots.sequences import Motifs

_BASES = "ACGT"
# of each base, so that none has a share of 0
_PSEUDOCOUNT = 1.0


def scan(
    genes: np.ndarray, sequences: list[str], motifs: Motifs, max_pvalue: float, both_strands: bool
) -> pd.DataFrame:
    """One row for each occurrence, by motif, gene, start and strand."""
    import pandas as pd

    common = import_extra("pymemesuite.common", "motifs")
    shares = base_shares(sequences, both_strands)
    background = common.Background(common.Alphabet.dna(), common.Array(shares.tolist()))
    # FIMO leaves out the last window; an N behind the end makes it the last but one
    scanned = [common.Sequence(f"{text}N", name=str(number).encode()) for number, text in enumerate(sequences)]
    broken = [np.array([letter not in _BASES for letter in text]) for text in sequences]
    parts = []
    for number, motif in enumerate(motifs.motifs):
        windows = _windows(broken, motif.width) * (2 if both_strands else 1)
        rows = _occurrences(motif, scanned, background, max_pvalue, both_strands, windows)
        rows["motif"] = np.full(len(rows), motifs.ids[number], dtype=object)
        rows["name"] = np.full(len(rows), motifs.names[number], dtype=object)
        parts.append(rows)
    found = pd.concat(parts, ignore_index=True)
    found["gene"] = np.asarray(genes, dtype=object)[found["gene"].to_numpy(dtype=np.int64)]
    return found[["gene", "motif", "name", "start", "stop", "strand", "score", "pvalue", "qvalue"]]


def base_shares(sequences: list[str], both_strands: bool) -> np.ndarray:
    """Shares of A, C, G and T, float64 (4,); of both strands they are those of their complements too."""
    counts = np.array([sum(text.count(base) for text in sequences) for base in _BASES]) + _PSEUDOCOUNT
    if both_strands:
        counts = counts + counts[::-1]
    return counts / counts.sum()


def _windows(broken: list[np.ndarray], width: int) -> int:
    """Windows of bases alone."""
    total = 0
    for bad in broken:
        if len(bad) >= width:
            sums = np.concatenate([[0], np.cumsum(bad)])
            total += int((sums[width:] == sums[:-width]).sum())
    return total


def _occurrences(
    motif: Any, scanned: list[Any], background: Any, max_pvalue: float, both_strands: bool, windows: int
) -> pd.DataFrame:
    import pandas as pd

    fimo = import_extra("pymemesuite.fimo", "motifs")
    # without room for all windows FIMO drops occurrences
    room = max(1, min(windows, 2**31 - 1))
    # FIMO takes p-values below the threshold only
    limit = float(np.nextafter(max_pvalue, 1.0))
    scanner = fimo.FIMO(both_strands=both_strands, threshold=limit, max_stored_scores=room)
    found = scanner.score_motif(motif, scanned, background).matched_elements
    hits = [found[number] for number in range(len(found))]
    rows = pd.DataFrame(
        {
            "gene": np.array([int(hit.source.name) for hit in hits], dtype=np.int64),
            "start": np.array([min(hit.start, hit.stop) for hit in hits], dtype=np.int64),
            "stop": np.array([max(hit.start, hit.stop) for hit in hits], dtype=np.int64),
            "strand": np.array([hit.strand for hit in hits], dtype=object),
            "score": np.array([hit.score for hit in hits], dtype=np.float64),
            "pvalue": np.array([hit.pvalue for hit in hits], dtype=np.float64),
        }
    )
    rows["qvalue"] = _adjusted(rows["pvalue"].to_numpy(), windows)
    return rows.sort_values(["gene", "start", "strand"], ignore_index=True)


def _adjusted(pvalues: np.ndarray, tests: int) -> np.ndarray:
    """Benjamini and Hochberg over all windows, of which the others have larger p-values."""
    order = np.argsort(pvalues, kind="stable")
    steps = pvalues[order] * tests / np.arange(1, len(order) + 1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(np.minimum.accumulate(steps[::-1])[::-1], 1.0)
    return adjusted
