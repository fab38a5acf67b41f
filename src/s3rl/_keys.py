"""Every slot name that s3rl reads or writes, resolved once from ``key_added``."""

from __future__ import annotations

from dataclasses import dataclass

SPATIAL = "spatial"
SPATIAL_NEIGHBORS = "spatial"
SPATIAL_ALIGNED = "spatial_aligned"
COUNTS = "counts"
X_PCA = "X_pca"
SLICES = "slices"
ORIGINAL_NAME = "original_name"


X_SIMCLR = "X_simclr"
CONTIGUITY = "contiguity"


def connectivities_of(key: str) -> str:
    """Name in ``obsp`` of the graph that squidpy and scanpy write for ``key_added=key``."""
    return f"{key}_connectivities"


def tiles_of_image(image_key: str) -> str:
    """Name in ``shapes`` of the boxes on an image (``pp.make_tiles``)."""
    return f"{image_key}_tiles"


def ligrec_of(layer: str | None) -> str:
    """Name in ``uns`` of the interactions tested on a layer (``tl.ligrec``); None is ``X``."""
    return "ligrec" if layer is None else f"ligrec_{layer}"


@dataclass(frozen=True)
class TileFeatureKeys:
    """Slots of tile features (``tl.simclr``, ``tl.embed_tiles``)."""

    key_added: str = X_SIMCLR

    @property
    def features(self) -> str:
        """``obsm``: float32 (n, d), unit length."""
        return self.key_added

    @property
    def uns(self) -> str:
        """``uns``: encoder, tiles and image keys, parameters, loss history, version and seed."""
        return self.key_added.removeprefix("X_")


@dataclass(frozen=True)
class NeighborsKeys:
    """Slots of the signed graph (``pp.signed_neighbors``)."""

    key_added: str = "s3rl"

    @property
    def connectivities(self) -> str:
        """``obsp``: attraction, symmetric, zero diagonal."""
        return f"{self.key_added}_connectivities"

    @property
    def distances(self) -> str:
        """``obsp``: 1 - similarity of the attracting pairs; scanpy needs it beside the connectivities."""
        return f"{self.key_added}_distances"

    @property
    def repulsions(self) -> str:
        """``obsp``: repulsion; not named connectivities, since squidpy reads only indices."""
        return f"{self.key_added}_repulsions"

    @property
    def kinds(self) -> str:
        """``obsp``: bit mask of the reasons for each edge; bit k stands for ``uns[...]["kinds"][k]``."""
        return f"{self.key_added}_kinds"

    @property
    def uns(self) -> str:
        """``uns``: the dictionary that names the three matrices and keeps the parameters."""
        return f"{self.key_added}_neighbors"


@dataclass(frozen=True)
class ModelKeys:
    """Slots of a fitted model (``tl.s3rl``, ``tl.transfer``)."""

    key_added: str = "s3rl"

    @property
    def embedding(self) -> str:
        """``obsm``: float32 (n, d)."""
        return f"X_{self.key_added}"

    @property
    def probabilities(self) -> str:
        """``obsm``: float32 (n, c)."""
        return f"{self.key_added}_probabilities"

    @property
    def domain(self) -> str:
        """``obs``: categorical of str."""
        return f"{self.key_added}_domain"

    @property
    def colors(self) -> str:
        """``uns``: one colour for each category of the domain."""
        return f"{self.domain}_colors"

    @property
    def margin(self) -> str:
        """``obs``: float32, highest affinity less the second highest."""
        return f"{self.key_added}_margin"

    @property
    def agreement(self) -> str:
        """``obs``: float32, share of the consensus' mixtures that put the spot into its domain."""
        return f"{self.key_added}_agreement"

    @property
    def uncertainty(self) -> str:
        """``obs``: float32, probability that two readings of the spot differ."""
        return f"{self.key_added}_uncertainty"

    @property
    def layer(self) -> str:
        """``layers``: denoised expression, float32 (n, g)."""
        return self.key_added

    @property
    def uns(self) -> str:
        """``uns``: parameters, input keys, history, prototypes, version, seed."""
        return self.key_added


@dataclass(frozen=True)
class AlignmentKeys:
    """Slots of aligned slices (``pp.align_slices``)."""

    key_added: str = "spatial_aligned"

    @property
    def coordinates(self) -> str:
        """``obsm``: float64 (n, 2) in the frame of the reference slice."""
        return self.key_added

    @property
    def uns(self) -> str:
        """``uns``: placements of the slices, how well each pair fits, and the arguments."""
        return self.key_added

    @property
    def plan(self) -> str:
        """``obsp``: mass that each pair of spots of consecutive slices carries."""
        return f"{self.key_added}_plan"

    @property
    def system(self) -> str:
        """Coordinate system of a SpatialData."""
        return self.key_added.removeprefix("spatial_")


@dataclass(frozen=True)
class TrajectoryKeys:
    """Slots of a trajectory (``tl.trajectory``)."""

    key_added: str = "s3rl"

    @property
    def pseudotime(self) -> str:
        """``obs``: float64, 0 at the root."""
        return f"{self.key_added}_pseudotime"

    @property
    def fates(self) -> str:
        """``obsm``: float64 (n, k), one column for each terminal state."""
        return f"{self.key_added}_fates"

    @property
    def uns(self) -> str:
        """``uns``: driver genes, groups and how they hang together, terminal states, parameters."""
        return f"{self.key_added}_trajectory"


@dataclass(frozen=True)
class ProportionKeys:
    """Slots of cell-type proportions (``tl.deconvolve``)."""

    key_added: str = "proportions"

    @property
    def proportions(self) -> str:
        """``obsm``: float32 (n, k), rows sum to one."""
        return self.key_added

    @property
    def uns(self) -> str:
        """``uns``: names and colours of the types, genes, parameters, what was found on the way."""
        return self.key_added

    @property
    def mapping(self) -> str:
        """``obsm``: csr float32 (n, cells), weights of the reference cells in each spot."""
        return f"{self.key_added}_mapping"
