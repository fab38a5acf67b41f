"""Genes of a simulated tumour: which cell type has them, what they follow in space, and how much of each there is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from s3rl._random import stream

if TYPE_CHECKING:
    from collections.abc import Iterator

CELL_TYPES = (
    "tumour", "fibroblast", "endothelial", "macrophage", "dendritic", "T cell", "B cell", "plasma cell", "adipocyte",
)  # fmt: skip

_MARKERS = {
    "tumour": "EPCAM KRT7 KRT8 KRT18 KRT19 CDH1 MUC1 ERBB2 CLDN3 CLDN4 CLDN7 ELF3 AGR2 TFF3 TACSTD2 GATA3 ESR1 FOXA1 "
    "AZGP1 SPDEF CEACAM6 S100P LCN2",
    "fibroblast": "COL1A1 COL1A2 COL3A1 COL5A1 COL5A2 COL6A1 COL6A2 COL6A3 COL12A1 DCN LUM FAP PDGFRB POSTN FN1 SPARC "
    "THY1 ACTA2 TAGLN MMP2 FBLN1 SFRP2 CTHRC1 FBN1 BGN",
    "endothelial": "PECAM1 VWF CDH5 CLDN5 ENG KDR FLT1 TEK TIE1 ESAM EGFL7 PLVAP RAMP2 EMCN MMRN2 ROBO4 ERG CD34 ESM1",
    "macrophage": "CD68 CD163 CSF1R MRC1 C1QA C1QB C1QC MARCO MSR1 FCGR3A CD14 LYZ TYROBP AIF1 APOC1 TREM2 GPNMB VSIG4",
    "dendritic": "LAMP3 CCL17 CCL22 FSCN1 CLEC9A XCR1 CD1C CD83 BATF3 IDO1",
    "T cell": "CD3D CD3E CD3G CD2 CD4 CD8A CD8B TRAC TRBC1 LCK ZAP70 CD5 CD28 ICOS CTLA4 TIGIT FOXP3 GZMK GZMB PRF1",
    "B cell": "MS4A1 CD19 CD79A CD79B PAX5 BANK1 CD22 FCRL1 FCER2 TCL1A BLK CR2 VPREB3 FCRLA SPIB",
    "plasma cell": "IGHG1 IGHG2 IGHG3 IGHG4 IGHA1 IGHA2 IGHM IGKC IGLC1 IGLC2 IGLC3 JCHAIN MZB1 SDC1 TNFRSF17 DERL3",
    "adipocyte": "PLIN1 PLIN4 FABP4 LEP LPL CIDEC CIDEA LIPE PNPLA2 CD36 PPARG GPD1 ACACB TRARG1",
}
# followed by every cell, most of all by those of the tumour
_PROGRAMS = {
    "hypoxia": "CA9 VEGFA SLC2A1 LDHA NDRG1 BNIP3 ADM PGK1 ANKRD37 EGLN3 P4HA1 PFKFB4 ANGPTL4 HK2 PDK1 KDM3A",
    "proliferation": "MKI67 TOP2A PCNA CCNB1 CDK1 BIRC5 TYMS RRM2 AURKA MCM2 MCM6 UBE2C",
    "interferon": "STAT1 IRF1 IFIT1 IFIT2 IFIT3 ISG15 MX1 OAS1 GBP1 GBP2 GBP4 CXCL9 CXCL10 IFI6 IFI44L RSAD2 TAP1",
}
_PAIRED = {
    "CXCL13": ("T cell",),
    "CXCR5": ("B cell",),
    "CD40LG": ("T cell",),
    "CD40": ("B cell",),
    "CCL19": ("dendritic",),
    "CCR7": ("T cell", "dendritic"),
    "CD274": ("tumour",),
    "PDCD1": ("T cell",),
    "TGFB1": ("tumour", "macrophage"),
    "TGFBR1": ("fibroblast",),
    "TGFBR2": ("fibroblast", "endothelial"),
    "SPP1": ("macrophage",),
    "CD44": ("tumour",),
    "CXCL12": ("fibroblast",),
    "CXCR4": ("T cell", "B cell"),
    "ADIPOQ": ("adipocyte",),
    "ADIPOR1": ("fibroblast",),
}
# ligand, receptor, and the domains where their cells lie side by side, or together
PLANTED = (
    ("CXCL13", "CXCR5", "T zone", "B follicle"),
    ("CD40LG", "CD40", "T zone", "B follicle"),
    ("CCL19", "CCR7", "T zone", "T zone"),
    ("CD274", "PDCD1", "tumour", "T zone"),
    ("TGFB1", "TGFBR1_TGFBR2", "tumour", "stroma"),
    ("SPP1", "CD44", "stroma", "tumour"),
    ("CXCL12", "CXCR4", "stroma", "T zone"),
    ("ADIPOQ", "ADIPOR1", "adipose", "stroma"),
)
# pairs of public lists whose genes are the same in all cells here
CONTROLS = (
    ("FGF2", "FGFR1"), ("HGF", "MET"), ("GAS6", "AXL"), ("JAG1", "NOTCH2"),
    ("EFNA1", "EPHA2"), ("WNT5A", "FZD5"), ("KITLG", "KIT"), ("CCL28", "CCR10"),
)  # fmt: skip

_DISTANCE = {"hypoxia": 2.0, "proliferation": -2.0}
_IMMUNE = {"interferon": 1.8}
# first word of the name of the random stream of the profiles, which are the same whatever the seed of the tissue
_PROFILES, _NULL = 110, 111
_OFF, _PROGRAM_TUMOUR, _MEAN = 0.06, 1.5, 0.5
# so that programs are seen in the middle of their range
_PROGRAM_LEVEL = {"hypoxia": 0.4, "proliferation": 1.0}


@dataclass(frozen=True)
class TumourGenes:
    """What every gene does.

    Parameters
    ----------
    names, kind
        Object (g,): name; ``marker``, ``ligand``, ``receptor``, ``hypoxia``, ``proliferation``, ``interferon``,
        ``control`` or ``null``.
    raised
        Bool (g, k): cell types that have more of it.
    profiles
        Float (g, k): mean count in a cell of that type; columns have equal sums.
    distance_effect, immune_effect
        Float (g,): change of the log mean from a vessel to far from all, and from far away to the T zone.
    """

    names: np.ndarray
    kind: np.ndarray
    raised: np.ndarray
    profiles: np.ndarray
    distance_effect: np.ndarray
    immune_effect: np.ndarray

    def factors(self, hypoxia: np.ndarray, interferon: np.ndarray) -> np.ndarray:
        """Float (n, g): factor on the mean, of both fields (n,), from 0 to 1."""
        return np.exp(np.outer(hypoxia, self.distance_effect) + np.outer(interferon, self.immune_effect))


def _roles() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Name, kind and cell types of the genes that have a name of their own."""
    for cell_type, genes in _MARKERS.items():
        yield from ((gene, "marker", (cell_type,)) for gene in genes.split())
    ligands = {pair[0] for pair in PLANTED}
    yield from ((gene, "ligand" if gene in ligands else "receptor", types) for gene, types in _PAIRED.items())
    for program, genes in _PROGRAMS.items():
        yield from ((gene, program, ()) for gene in genes.split())
    yield from ((gene, "control", ()) for pair in CONTROLS for gene in pair)


def make_genes(n_null: int) -> TumourGenes:
    """Profiles of the cell types, the same for every tissue and reference, followed by ``n_null`` genes of noise."""
    roles = [*_roles(), *((f"NULL{i + 1}", "null", ()) for i in range(n_null))]
    names, kinds = (np.array([role[i] for role in roles], object) for i in (0, 1))
    raised = np.array([[cell_type in role[2] for cell_type in CELL_TYPES] for role in roles])
    rng = stream(0, _PROFILES)
    named = len(roles) - n_null
    # genes of pairs have no level of their own, so that no pair stands out by it
    level = np.concatenate([rng.lognormal(0.0, 0.6, named), stream(0, _NULL).lognormal(0.0, 0.6, n_null)])
    level[np.isin(kinds, ["ligand", "receptor", "control"])] = 1.0
    return TumourGenes(
        names,
        kinds,
        raised,
        _profiles(level, kinds, raised, named),
        np.array([_DISTANCE.get(kind, 0.0) for kind in kinds]),
        np.array([_IMMUNE["interferon"] if name == "CD274" else _IMMUNE.get(kind, 0.0) for name, kind, _ in roles]),
    )


def _profiles(level: np.ndarray, kinds: np.ndarray, raised: np.ndarray, named: int) -> np.ndarray:
    specific = raised.any(axis=1)
    common = np.array([_PROGRAM_LEVEL.get(kind, 0.5) for kind in kinds])
    base = np.where(specific, _OFF, common) * level
    profiles = np.repeat(base[:, None], len(CELL_TYPES), axis=1)
    profiles[np.isin(kinds, list(_PROGRAMS)), CELL_TYPES.index("tumour")] *= _PROGRAM_TUMOUR
    # equal totals: with them shares of RNA are shares of cells; genes of noise must not change the others
    for column, own in enumerate(raised.T):
        rest = profiles[:named][~own[:named], column].sum()
        profiles[own, column] = level[own] / level[own].sum() * (named * _MEAN - rest)
    return profiles
