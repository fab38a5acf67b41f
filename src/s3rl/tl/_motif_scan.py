"""Occurrences of motifs in the promoters of genes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from s3rl._slots.gene_lists import named_lists, within
from s3rl._slots.gene_sets import MeasuredSets, no_overlap
from s3rl._slots.sequences import Motifs, motifs_of, sequences_of
from s3rl._slots.table import table_of
from s3rl._slots.write import write_slots
from s3rl.errors import ParameterError
from s3rl.tl._enrich_methods import over_represented
from s3rl.tl._motif_scan_parts import scan

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    import pandas as pd

    from s3rl._typing import Data


class MotifScanResult(NamedTuple):
    """What ``s3.tl.motif_scan(..., copy=True)`` returns.

    Attributes
    ----------
    results
        One row for each occurrence.
    enrichment
        One row for each list and motif; None without ``genes``.
    """

    results: pd.DataFrame
    enrichment: pd.DataFrame | None


def motif_scan(
    data: Data,
    motifs: Mapping[str, Any] | str | PathLike[str],
    *,
    sequences: Mapping[str, str] | str | PathLike[str],
    genes: Any = None,
    max_pvalue: float = 1e-4,
    both_strands: bool = True,
    table_key: str | None = None,
    key_added: str = "motif_scan",
    copy: bool = False,
) -> MotifScanResult | None:
    """Scan the promoters of the genes of a table for motifs, and test which motifs a list of genes has more often.

    FIMO through pymemesuite: each window is scored by the log odds of the motif against the bases of the scanned
    sequences (those of both strands where both are scanned), and gets the p-value of that score for a random window.
    A gene has a motif where one window is within ``max_pvalue``; longer promoters have motifs more often, so give
    sequences of one length.

    Parameters
    ----------
    data
        AnnData or SpatialData; its genes decide which sequences are scanned.
    motifs
        File in MEME or JASPAR format, or a dictionary from name to an array (w, 4) of counts or shares of A, C, G, T.
    sequences
        FASTA file whose headers begin with the name of the gene, or a dictionary from gene to sequence. Letters other
        than A, C, G and T match nothing.
    genes
        Names of genes, or a dictionary of several lists: each motif is tested for over-representation in them, against
        all genes scanned.
    max_pvalue
        Largest p-value of an occurrence.
    both_strands
        Scan the reverse complement too.
    table_key
        Table of a SpatialData.
    key_added
        Name in ``uns`` of the result.
    copy
        Return the result and write nothing.

    Returns
    -------
    None, or a ``MotifScanResult`` with ``copy=True``. Otherwise writes ``uns["motif_scan"]`` with

    - ``results``: ``gene``, ``motif``, ``name`` (second name of the motif), ``start`` and ``stop`` (from 1, both
      included, along the given strand of the sequence), ``strand``, ``score`` (bits), ``pvalue``, ``qvalue``
      (Benjamini and Hochberg over all windows of the motif)
    - ``enrichment``, with ``genes``: ``group``, ``motif``, ``name``, ``overlap``, ``size`` (genes with the motif),
      ``n_genes``, ``odds_ratio``, ``fold``, ``pvalue`` (hypergeometric), ``fdr`` (within each list), ``genes``
    - ``motifs``: ``ids``, ``names``, ``widths`` and ``frequencies`` (all places below each other, 4), and ``params``

    Raises
    ------
    ParameterError
        If an argument is out of range or empty.
    InputError
        If a file is not what it should be (says where), or no gene of the table has a sequence.
    StoreError
        If a file cannot be read.
    MissingExtraError
        If pymemesuite is not installed.

    Notes
    -----
    Grant, Bailey and Noble, Bioinformatics 2011; Fu et al., Adv. Sci. 2025, section 2.10. The occurrences are a network
    for :func:`s3rl.tl.tf_enrichment`: ``results.rename(columns={"motif": "source", "gene": "target"})``.

    Examples
    --------
    >>> import numpy as np
    >>> import s3rl as s3
    >>> adata = s3.datasets.simulated_cortex(n_spots=100, n_genes=50, n_layers=3).tables["table"]
    >>> rng = np.random.default_rng(0)
    >>> sequences = {gene: "".join(rng.choice(list("ACGT"), 200)) for gene in adata.var_names}
    >>> for gene in adata.var_names[:10]:
    ...     sequences[gene] = sequences[gene][:90] + "TGACTCATTT" + sequences[gene][100:]
    >>> motif = {"AP1": 100 * np.eye(4)[["ACGT".index(base) for base in "TGACTCATTT"]]}
    >>> genes = adata.var_names[:12]
    >>> found = s3.tl.motif_scan(adata, motif, sequences=sequences, genes=genes, max_pvalue=1e-5, copy=True)
    >>> found.enrichment[["motif", "overlap", "size", "n_genes"]]
      motif  overlap  size  n_genes
    0   AP1       10    10       12
    """
    table = table_of(data, table_key)
    if not isinstance(max_pvalue, (int, float)) or isinstance(max_pvalue, bool) or not 0 < max_pvalue <= 0.1:
        raise ParameterError(
            "must be a number above 0, at most 0.1", key="max_pvalue", found=repr(max_pvalue), fix="max_pvalue=1e-4"
        )
    texts, read = sequences_of(sequences), motifs_of(motifs)
    names = table.var_names.to_numpy(dtype=str)
    scanned = names[np.isin(names, list(texts))]
    if not len(scanned):
        raise no_overlap(texts, names, key="sequences")
    lists = None if genes is None else named_lists(genes)
    chosen = None if lists is None else within(lists, scanned)
    results = scan(scanned, [texts[gene] for gene in scanned], read, float(max_pvalue), bool(both_strands))
    enrichment = None if lists is None or chosen is None else _tested(results, list(lists), chosen, scanned, read)
    if copy:
        return MotifScanResult(results, enrichment)
    params = {"max_pvalue": float(max_pvalue), "both_strands": bool(both_strands), "n_genes": len(scanned)}
    write_slots(table, {("uns", key_added): _described(results, enrichment, read, params)})
    return None


def _tested(
    results: pd.DataFrame, lists: list[str], chosen: np.ndarray, scanned: np.ndarray, read: Motifs
) -> pd.DataFrame:
    import scipy.sparse as sp

    gene = {name: place for place, name in enumerate(scanned)}
    pairs = results[["motif", "gene"]].drop_duplicates()
    rows = [read.ids.index(name) for name in pairs["motif"]]
    columns = [gene[name] for name in pairs["gene"]]
    member = sp.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(read.ids), len(scanned)))
    sets = MeasuredSets(read.ids, member, np.diff(member.indptr).astype(np.int64))
    tested = over_represented(lists, chosen, scanned, sets).rename(columns={"term": "motif"})
    tested.insert(2, "name", np.tile(np.asarray(read.names, dtype=object), len(lists)))
    return tested


def _described(
    results: pd.DataFrame, enrichment: pd.DataFrame | None, read: Motifs, params: dict[str, Any]
) -> dict[str, Any]:
    from s3rl import __version__

    described: dict[str, Any] = {
        "results": results,
        "motifs": {
            "ids": list(read.ids),
            "names": list(read.names),
            "widths": np.array([len(shares) for shares in read.frequencies], dtype=np.int64),
            "frequencies": np.vstack(read.frequencies),
        },
        "params": {**params, "version": __version__},
    }
    if enrichment is not None:
        described["enrichment"] = enrichment
    return described
