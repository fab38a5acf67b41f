"""Inputs that no result can be computed from: a typed error names the key and a fix, and nothing has changed."""

from __future__ import annotations

import errno
import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from laws.chain import AREAS
from laws.contents import changed, contents, random_states

import s3rl as s3
from s3rl import errors

N, G = 80, 60
FEW_EPOCHS = {"max_epochs": 2, "n_mixtures": 1, "checkpoint_interval": 1}


# ---------------------------------------------------------------------------------------------- tables to spoil


@dataclass
class Tables:
    """One small tissue at every stage of the pipeline, and the folder of the model that was trained on it."""

    stages: dict[str, ad.AnnData]
    elements: dict[str, Any]
    model: Path
    checkpoint: Path

    def at(self, stage: str) -> ad.AnnData:
        return self.stages[stage].copy()

    def store(self, stage: str, *names: str) -> Any:
        import spatialdata as sd

        return sd.SpatialData.init_from_elements({**self.elements, **{name: self.at(stage) for name in names}})


@pytest.fixture(scope="session")
def tables(tmp_path_factory) -> Tables:
    import squidpy as sq

    folder = tmp_path_factory.mktemp("malformed")
    sdata = s3.datasets.simulated_cortex(N, G, n_layers=3, image=False, rng=4)
    stages = {"raw": sdata.tables["table"]}
    table = stages["raw"].copy()
    table.obs["half"] = pd.Categorical(["a"] * (N // 2) + ["b"] * (N - N // 2))
    table.obs["lone"] = pd.Categorical(["a"] * (N - 1) + ["b"])
    table.obs["barcode"] = [f"AAC{i}-1" for i in range(N)]
    table.obs["gap"] = pd.Categorical(["a"] * (N - 1) + [None])
    stages["raw"] = table.copy()
    s3.pp.normalize(table)
    stages["normalised"] = table.copy()
    sq.gr.spatial_neighbors_knn(table, n_neighs=6)
    stages["graph"] = table.copy()
    s3.pp.signed_neighbors(table)
    stages["signed"] = table.copy()
    s3.tl.s3rl(
        table,
        3,
        params=FEW_EPOCHS,
        model_dir=folder / "model",
        checkpoint=folder / "run.safetensors",
        progress=False,
        device="cpu",
    )
    stages["trained"] = table
    elements = {name: element for kind, name, element in sdata.gen_elements() if kind != "tables"}
    return Tables(stages, elements, folder / "model", folder / "run.safetensors")


# ------------------------------------------------------------------------------------------------- what to spoil


def set_x(*at: int, value: float) -> Callable[[ad.AnnData], None]:
    def spoil(table: ad.AnnData) -> None:
        x = table.X.tolil()
        x[at] = value
        table.X = x.tocsr()

    return spoil


def empty_spots(table: ad.AnnData) -> None:
    x = table.X.tolil()
    x[3:5] = 0
    table.X = x.tocsr()


def logged(table: ad.AnnData) -> None:
    table.X = table.X.log1p()


def named_logged(table: ad.AnnData) -> None:
    table.uns["log1p"] = {"base": None}


def text_x(table: ad.AnnData) -> None:
    table.X = table.X.toarray().astype("U4")


def no_x(table: ad.AnnData) -> None:
    table.X = None


def same_spot_names(table: ad.AnnData) -> None:
    table.obs_names = ["spot"] * N


def same_gene_names(table: ad.AnnData) -> None:
    table.var_names = [*table.var_names[1:], table.var_names[1]]


def other_gene_names(table: ad.AnnData) -> None:
    table.var_names = [f"ENSG{i:011d}" for i in range(G)]


def other_counts(table: ad.AnnData) -> None:
    table.layers["counts"] = table.X * 2


def obs_of(name: str, values: Any) -> Callable[[ad.AnnData], None]:
    def spoil(table: ad.AnnData) -> None:
        table.obs[name] = values

    return spoil


def obsm_of(name: str, values: Any) -> Callable[[ad.AnnData], None]:
    def spoil(table: ad.AnnData) -> None:
        table.obsm[name] = values

    return spoil


def nan_at(name: str) -> Callable[[ad.AnnData], None]:
    def spoil(table: ad.AnnData) -> None:
        values = np.array(table.obsm[name])
        values[7] = np.nan
        table.obsm[name] = values

    return spoil


def without(attribute: str, key: str) -> Callable[[ad.AnnData], None]:
    def spoil(table: ad.AnnData) -> None:
        del getattr(table, attribute)[key]

    return spoil


def weight(key: str, value: float, *, both: bool = True) -> Callable[[ad.AnnData], None]:
    def spoil(table: ad.AnnData) -> None:
        graph = sp.csr_matrix(table.obsp[key])
        row, column = (int(place[0]) for place in graph.nonzero())
        graph[row, column] = value
        if both:
            graph[column, row] = value
        table.obsp[key] = graph

    return spoil


def no_edges(table: ad.AnnData) -> None:
    table.obsp["spatial_connectivities"] = sp.csr_matrix((N, N))


def loop(table: ad.AnnData) -> None:
    graph = table.obsp["s3rl_connectivities"].tolil()
    graph[2, 2] = 1
    table.obsp["s3rl_connectivities"] = graph.tocsr()


def torn(table: ad.AnnData) -> None:
    table.obsp["s3rl_repulsions"] = table.obsp["s3rl_connectivities"].copy()


def squidpy_dictionary(table: ad.AnnData) -> None:
    table.uns["s3rl_neighbors"] = table.uns["spatial_neighbors"]


def no_history(table: ad.AnnData) -> None:
    del table.uns["s3rl"]["history"]


def damaged_model(place: Path) -> None:
    file = place / "model.safetensors" if (place / "model.safetensors").exists() else max(place.iterdir())
    file.write_bytes(file.read_bytes()[:-40])


# ------------------------------------------------------------------------------------------------------ the table


@dataclass(frozen=True)
class Case:
    """A call that must be refused: its error says each of ``says``, the key first."""

    name: str
    stage: str
    function: str
    kind: type[errors.S3RLError]
    says: tuple[str, ...]
    arguments: dict[str, Any] = field(default_factory=dict)
    spoil: Callable[[ad.AnnData], None] | None = None


NORMALIZE, SIGNED, TRAIN = "pp.normalize", "pp.signed_neighbors", "tl.s3rl"
TRANSFER, CLUSTER, MATCH = "tl.transfer", "tl.cluster", "tl.match_labels"

CASES = [
    # counts
    Case("nan counts", "raw", NORMALIZE, errors.InputError, ("X",), spoil=set_x(3, 4, value=np.nan)),
    Case("infinite counts", "raw", NORMALIZE, errors.InputError, ("X",), spoil=set_x(3, 4, value=np.inf)),
    Case("negative counts", "raw", NORMALIZE, errors.CountsError, ("X",), spoil=set_x(3, 4, value=-1)),
    Case("counts with fractions", "raw", NORMALIZE, errors.CountsError, ("X",), spoil=set_x(3, 4, value=1.5)),
    Case("logged without a word", "raw", NORMALIZE, errors.CountsError, ("X",), spoil=logged),
    Case("logged and so named", "raw", NORMALIZE, errors.CountsError, ("X", "raw counts"), spoil=named_logged),
    Case("normalised twice", "normalised", NORMALIZE, errors.CountsError, ("X", "layers['counts']")),
    Case("empty spots", "raw", NORMALIZE, errors.CountsError, ("X", "2", "filter_cells"), spoil=empty_spots),
    Case("counts as text", "raw", NORMALIZE, errors.InputError, ("X",), spoil=text_x),
    Case("no counts", "raw", NORMALIZE, errors.MissingKeyError, ("X",), spoil=no_x),
    Case("other counts kept", "raw", NORMALIZE, errors.CountsError, ("layers['counts']",), spoil=other_counts),
    Case("same spots", "raw", NORMALIZE, errors.InputError, ("obs_names", "make_unique"), spoil=same_spot_names),
    Case("same genes", "raw", NORMALIZE, errors.InputError, ("var_names", "make_unique"), spoil=same_gene_names),
    Case("no genes wanted", "raw", NORMALIZE, errors.ParameterError, ("n_top_genes",), {"n_top_genes": 0}),
    Case("half a gene", "raw", NORMALIZE, errors.ParameterError, ("n_top_genes",), {"n_top_genes": 10.5}),
    Case("total of nothing", "raw", NORMALIZE, errors.ParameterError, ("target_sum",), {"target_sum": 0}),
    Case("no name for counts", "raw", NORMALIZE, errors.ParameterError, ("counts_layer",), {"counts_layer": ""}),
    Case("no such slices", "raw", NORMALIZE, errors.MissingKeyError, ("obs['slices']",), {"library_key": "slices"}),
    Case("barcodes as slices", "raw", NORMALIZE, errors.LabelsError, ("obs['barcode']",), {"library_key": "barcode"}),
    Case("depth as slices", "raw", NORMALIZE, errors.LabelsError, ("obs['depth']",), {"library_key": "depth"}),
    Case("spots of no slice", "raw", NORMALIZE, errors.LabelsError, ("obs['gap']",), {"library_key": "gap"}),
    # signed graph
    Case(
        "no spatial graph",
        "normalised",
        SIGNED,
        errors.MissingKeyError,
        ("obsp['spatial_connectivities']", "squidpy.gr.spatial_neighbors_knn"),
    ),
    Case(
        "other name of the graph",
        "graph",
        SIGNED,
        errors.MissingKeyError,
        ("obsp['near_connectivities']", "key_added='near'"),
        {"connectivity_key": "near"},
    ),
    Case("a graph of nothing", "graph", SIGNED, errors.GraphError, ("spatial_connectivities",), spoil=no_edges),
    Case(
        "negative weights",
        "graph",
        SIGNED,
        errors.GraphError,
        ("spatial_connectivities",),
        spoil=weight("spatial_connectivities", -1),
    ),
    Case(
        "weights of nan",
        "graph",
        SIGNED,
        errors.GraphError,
        ("spatial_connectivities",),
        spoil=weight("spatial_connectivities", np.nan),
    ),
    Case(
        "edges between slices",
        "graph",
        SIGNED,
        errors.GraphError,
        ("spatial_connectivities", "library_key='half'"),
        {"library_key": "half"},
    ),
    Case("a slice of one spot", "graph", SIGNED, errors.LabelsError, ("obs['lone']",), {"library_key": "lone"}),
    Case("no such features", "graph", SIGNED, errors.MissingKeyError, ("obsm['X_none']",), {"use_rep": "X_none"}),
    Case("no such image", "graph", SIGNED, errors.MissingKeyError, ("obsm['X_none']",), {"image_rep": "X_none"}),
    Case(
        "features of nan",
        "graph",
        SIGNED,
        errors.InputError,
        ("obsm['X_rep']",),
        {"use_rep": "X_rep"},
        obsm_of("X_rep", np.full((N, 3), np.nan)),
    ),
    Case(
        "features as text",
        "graph",
        SIGNED,
        errors.InputError,
        ("obsm['X_rep']",),
        {"use_rep": "X_rep"},
        obsm_of("X_rep", np.full((N, 3), "a")),
    ),
    Case("no neighbours", "graph", SIGNED, errors.ParameterError, ("n_neighs",), {"n_neighs": 0}),
    Case("all are neighbours", "graph", SIGNED, errors.ParameterError, ("n_neighs",), {"n_neighs": N}),
    Case("fewer than no farthest", "graph", SIGNED, errors.ParameterError, ("n_far",), {"n_far": -1}),
    Case("graph of raw counts", "graph", SIGNED, errors.CountsError, ("X", "normalize"), spoil=set_x(0, 0, value=900)),
    # training
    *(
        Case(f"n_domains={n!r}", "signed", TRAIN, errors.ParameterError, ("n_domains",), {"n_domains": n})
        for n in (0, 1, -3, N, N + 1, 3.0, True, "3", float("nan"))
    ),
    Case(
        "unknown parameter",
        "signed",
        TRAIN,
        errors.ParameterError,
        ("params", "n_latents", "n_latent"),
        {"params": {"n_latents": 8}},
    ),
    Case(
        "parameter out of range",
        "signed",
        TRAIN,
        errors.ParameterError,
        ("params.mask_rate", "1.5"),
        {"params": {"mask_rate": 1.5}},
    ),
    Case("parameters as text", "signed", TRAIN, errors.ParameterError, ("params",), {"params": "paper"}),
    Case("unknown device", "signed", TRAIN, errors.ParameterError, ("device",), {"device": "tpu"}),
    Case("negative seed", "signed", TRAIN, errors.ParameterError, ("rng",), {"rng": -1}),
    Case("seed as text", "signed", TRAIN, errors.ParameterError, ("rng",), {"rng": "zero"}),
    Case("no such layer", "signed", TRAIN, errors.MissingKeyError, ("layers['log']", "counts"), {"layer": "log"}),
    Case("layer of counts", "signed", TRAIN, errors.CountsError, ("layers['counts']",), {"layer": "counts"}),
    Case("no signed graph", "graph", TRAIN, errors.MissingKeyError, ("uns['s3rl_neighbors']", "signed_neighbors")),
    Case(
        "dictionary of squidpy",
        "signed",
        TRAIN,
        errors.GraphError,
        ("uns['s3rl_neighbors']", "signed_neighbors"),
        spoil=squidpy_dictionary,
    ),
    Case(
        "dictionary from another object",
        "signed",
        TRAIN,
        errors.MissingKeyError,
        ("obsp['s3rl_repulsions']", "signed_neighbors"),
        spoil=without("obsp", "s3rl_repulsions"),
    ),
    Case(
        "a graph that points one way",
        "signed",
        TRAIN,
        errors.GraphError,
        ("obsp['s3rl_connectivities']",),
        spoil=weight("s3rl_connectivities", 7, both=False),
    ),
    Case("spots joined to themselves", "signed", TRAIN, errors.GraphError, ("s3rl_connectivities",), spoil=loop),
    Case("pairs of both signs", "signed", TRAIN, errors.GraphError, ("s3rl_repulsions",), spoil=torn),
    Case(
        "the spatial graph is gone",
        "signed",
        TRAIN,
        errors.MissingKeyError,
        ("obsp['spatial_connectivities']", "squidpy"),
        spoil=without("obsp", "spatial_connectivities"),
    ),
    Case(
        "training across slices", "signed", TRAIN, errors.GraphError, ("library_key='half'",), {"library_key": "half"}
    ),
    Case("training on nan", "signed", TRAIN, errors.InputError, ("X",), spoil=set_x(3, 4, value=np.nan)),
    Case("training on negative values", "signed", TRAIN, errors.CountsError, ("X",), spoil=set_x(3, 4, value=-2)),
    Case("training on empty spots", "signed", TRAIN, errors.CountsError, ("X", "filter_cells"), spoil=empty_spots),
    Case("nothing to train on", "signed", TRAIN, errors.MissingKeyError, ("X",), spoil=no_x),
    Case(
        "checkpoint of another run",
        "signed",
        TRAIN,
        errors.ModelError,
        ("checkpoint", "another run", "delete"),
        {"checkpoint": "CHECKPOINT", "rng": 1},
    ),
    Case(
        "checkpoint that is none",
        "signed",
        TRAIN,
        errors.ModelError,
        ("checkpoint", "delete"),
        {"checkpoint": "TEXT_FILE"},
    ),
    Case("model beside other files", "signed", TRAIN, errors.StoreError, ("other",), {"model_dir": "FULL_FOLDER"}),
    Case("model in no folder", "signed", TRAIN, errors.StoreError, ("nowhere",), {"model_dir": "NO_FOLDER"}),
    # transfer
    Case("no model", "signed", TRANSFER, errors.ModelError, ("nowhere",), {"model": "NO_FOLDER"}),
    Case("a file as model", "signed", TRANSFER, errors.ModelError, ("notes.txt",), {"model": "TEXT_FILE"}),
    Case("a damaged model", "signed", TRANSFER, errors.ModelError, ("damaged",), {"model": "DAMAGED"}),
    Case("other genes", "signed", TRANSFER, errors.InputError, ("var_names", "symbol"), spoil=other_gene_names),
    Case("transfer of counts", "signed", TRANSFER, errors.CountsError, ("layers['counts']",), {"layer": "counts"}),
    Case("transfer without a graph", "graph", TRANSFER, errors.MissingKeyError, ("uns['s3rl_neighbors']",)),
    Case("transfer to no device", "signed", TRANSFER, errors.ParameterError, ("device",), {"device": "abacus"}),
    # clusters and names
    Case("unknown method", "trained", CLUSTER, errors.ParameterError, ("method", "leiden"), {"method": "mclust"}),
    Case("clusters of nothing", "signed", CLUSTER, errors.MissingKeyError, ("obsm['X_s3rl']", "s3.tl.s3rl")),
    Case("more clusters than spots", "trained", CLUSTER, errors.ParameterError, ("n_domains",), {"n_domains": N + 1}),
    Case("clusters without a number", "trained", CLUSTER, errors.ParameterError, ("n_domains",), {"n_domains": None}),
    Case("clusters of nan", "trained", CLUSTER, errors.InputError, ("obsm['X_s3rl']",), spoil=nan_at("X_s3rl")),
    Case("no such cluster column", "trained", MATCH, errors.MissingKeyError, ("obs['leiden']",), {"key": "leiden"}),
    Case("depth as reference", "trained", MATCH, errors.LabelsError, ("obs['depth']",), {"reference_key": "depth"}),
    Case(
        "reference of nothing",
        "trained",
        MATCH,
        errors.LabelsError,
        ("obs['truth']",),
        {"reference_key": "truth"},
        obs_of("truth", pd.Categorical([None] * N)),
    ),
    Case("names over themselves", "trained", MATCH, errors.ParameterError, ("key_added",), {"key_added": "domain"}),
    # plots
    Case(
        "no coordinates",
        "trained",
        "pl.domains",
        errors.MissingKeyError,
        ("obsm['spatial']",),
        spoil=without("obsm", "spatial"),
    ),
    Case(
        "coordinates of nan",
        "trained",
        "pl.domains",
        errors.CoordinatesError,
        ("obsm['spatial']",),
        spoil=nan_at("spatial"),
    ),
    Case(
        "coordinates on a line",
        "trained",
        "pl.domains",
        errors.CoordinatesError,
        ("obsm['spatial']",),
        spoil=obsm_of("spatial", np.zeros((N, 1))),
    ),
    Case(
        "coordinates as text",
        "trained",
        "pl.signed_graph",
        errors.CoordinatesError,
        ("obsm['spatial']",),
        spoil=obsm_of("spatial", np.full((N, 2), "1")),
    ),
    Case("no domains to draw", "signed", "pl.domains", errors.MissingKeyError, ("obs['s3rl_domain']", "s3.tl.s3rl")),
    Case("axes that are none", "trained", "pl.domains", errors.ParameterError, ("ax",), {"ax": "left"}),
    Case("a picture nowhere", "trained", "pl.domains", errors.StoreError, ("save",), {"save": "NO_PICTURE"}),
    Case("given number", "trained", "pl.n_domains", errors.MissingKeyError, ("n_domains_evidence",)),
    Case("no history", "signed", "pl.history", errors.MissingKeyError, ("uns['s3rl']",)),
    Case("history without losses", "trained", "pl.history", errors.S3RLError, ("history",), spoil=no_history),
    Case("no prototypes", "signed", "pl.prototypes", errors.MissingKeyError, ("uns['s3rl']",)),
    Case(
        "no embedding",
        "trained",
        "pl.prototypes",
        errors.MissingKeyError,
        ("obsm['X_s3rl']",),
        spoil=without("obsm", "X_s3rl"),
    ),
    Case("no edges to draw", "trained", "pl.signed_graph", errors.ParameterError, ("max_edges",), {"max_edges": 0}),
    Case("no such gene", "trained", "pl.denoising", errors.MissingKeyError, ("genes", "PCP4"), {"genes": "PCP4"}),
    Case("no gene", "trained", "pl.denoising", errors.ParameterError, ("genes",), {"genes": []}),
    Case(
        "no denoised layer", "signed", "pl.denoising", errors.S3RLError, ("s3rl", "s3.tl.s3rl"), {"groupby": "domain"}
    ),
    Case("no such colours", "trained", "pl.denoising", errors.ParameterError, ("cmap",), {"cmap": "mauve"}),
]

DEFAULTS: dict[str, dict[str, Any]] = {
    TRAIN: {"n_domains": 3, "params": FEW_EPOCHS, "progress": False, "device": "cpu"},
    TRANSFER: {"model": "MODEL"},
    CLUSTER: {"method": "kmeans", "n_domains": 3},
    MATCH: {"key": "s3rl_domain", "reference_key": "domain"},
    "pl.denoising": {"genes": ["GENE1"]},
    "pl.stack": {"library_key": "half", "save": None},
}
OF_SLICES = ("pp.align_slices", "pp.crop_slices", "pp.slice_neighbors", "tl.slice_mixing", "pl.alignment", "pl.slices")
DEFAULTS |= {function: {"library_key": "half"} for function in OF_SLICES}
DEFAULTS |= {function: given for area in AREAS for function, given in area.DEFAULTS.items()}
PUBLIC = frozenset(
    f"{space}.{name}"
    for space in ("pp", "tl", "pl")
    for name in getattr(s3, space).__all__
    if inspect.isfunction(getattr(getattr(s3, space), name))
)
# what they refuse is in files of their own; those of images and those that take other things than one object are not
# asked what every function of a table must refuse
IMAGES = {
    "pp.make_tiles": "pp/test_make_tiles_errors.py",
    "pp.iter_tiles": "pp/test_iter_tiles.py",
    "pp.to_spatialdata": "pp/test_to_spatialdata.py",
    "tl.simclr": "tl/test_simclr.py",
    "tl.embed_tiles": "tl/test_embed_tiles.py",
    "pl.tiles": "pl/test_tiles.py",
    "pl.tile_boxes": "pl/test_tile_boxes.py",
    "pl.views": "pl/test_views.py",
    "pl.image_domains": "pl/test_image_domains.py",
}
OTHERS = {"pp.join_slices": "pp/test_join_slices.py", "pp.split_slices": "pp/test_split_slices.py"}
OTHERS |= {function: place for area in AREAS for function, place in area.OTHERS.items()}
SLICES = {
    "pp.align_slices": "pp/test_align_slices.py",
    "pp.crop_slices": "pp/test_crop_slices.py",
    "pp.slice_neighbors": "pp/test_slice_neighbors.py",
    "tl.contiguity": "tl/test_contiguity.py",
    "pl.uncertainty": "pl/test_uncertainty.py",
    "tl.slice_mixing": "tl/test_slice_mixing.py",
    "pl.alignment": "pl/test_alignment.py",
    "pl.slices": "pl/test_slices.py",
    "pl.stack": "pl/test_stack.py",
}
ELSEWHERE = IMAGES | OTHERS | SLICES
ELSEWHERE |= {function: place for area in AREAS for function, place in area.ELSEWHERE.items()}
FUNCTIONS = tuple(sorted(PUBLIC - set(IMAGES) - set(OTHERS)))


def call(function: str, data: Any, **arguments: Any) -> Any:
    space, name = function.split(".")
    given = {**DEFAULTS.get(function, {}), **({"show": False} if space == "pl" else {}), **arguments}
    return getattr(getattr(s3, space), name)(data, **given)


@pytest.fixture
def places(tables, tmp_path) -> dict[str, Path]:
    """Files and folders that arguments of the cases stand for."""
    import shutil

    found = {
        "MODEL": tables.model,
        "CHECKPOINT": tmp_path / "run.safetensors",
        "TEXT_FILE": tmp_path / "notes.txt",
        "FULL_FOLDER": tmp_path / "other",
        "NO_FOLDER": tmp_path / "nowhere" / "model",
        "NO_PICTURE": tmp_path / "nowhere" / "picture.png",
        "DAMAGED": tmp_path / "damaged",
    }
    shutil.copy(tables.checkpoint, found["CHECKPOINT"])
    found["TEXT_FILE"].write_text("spots to look at again")
    found["FULL_FOLDER"].mkdir()
    (found["FULL_FOLDER"] / "thesis.doc").write_text("years of work")
    shutil.copytree(tables.model, found["DAMAGED"])
    damaged_model(found["DAMAGED"])
    return found


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_refused_with_the_key_and_a_fix_and_nothing_changed(case, tables, places, tmp_path):
    table = tables.at(case.stage)
    if case.spoil is not None:
        case.spoil(table)
    given = DEFAULTS.get(case.function, {}) | case.arguments
    given = {key: places.get(value, value) if isinstance(value, str) else value for key, value in given.items()}
    before, files, states = contents(table), files_of(tmp_path), random_states()
    with pytest.raises(case.kind) as caught:
        call(case.function, table, **given)
    assert type(caught.value) is not errors.S3RLError
    assert caught.value.fix
    for words in case.says:
        assert words in str(caught.value)
    assert case.says[0] in caught.value.key
    assert changed(before, contents(table)) == set()
    assert files_of(tmp_path) == files
    assert random_states() == states


def test_every_public_function_is_in_the_table():
    here = {case.function for case in CASES}
    assert here | set(ELSEWHERE) == PUBLIC
    assert not here & set(ELSEWHERE)
    assert len(CASES) >= 25
    for place in ELSEWHERE.values():
        assert "pytest.raises" in (Path(__file__).parents[1] / place).read_text(encoding="utf-8"), place


# ------------------------------------------------------------------------------ what every function must refuse


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("data", [{"X": 1}, None, np.eye(3), "slice.h5ad", pd.DataFrame({"a": [1]})], ids=type)
def test_objects_that_are_no_table(function, data, places):
    with pytest.raises(errors.DataTypeError, match="data: is neither an AnnData nor a SpatialData"):
        call(function, data, **({"model": places["MODEL"]} if function == TRANSFER else {}))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_views(function, tables, places):
    table = tables.at("trained")
    view = table[:40]
    before = contents(table)
    with pytest.raises(errors.DataTypeError, match=r"data: is a view.*copy\(\)"):
        call(function, view, **({"model": places["MODEL"]} if function == TRANSFER else {}))
    assert view.is_view
    assert changed(before, contents(table)) == set()


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("rows", [slice(0, 0), slice(None)], ids=["no spots", "no genes"])
def test_tables_of_nothing(function, rows, tables, places):
    table = tables.at("trained")[rows].copy() if rows.stop == 0 else tables.at("trained")[:, :0].copy()
    with pytest.raises(errors.InputError, match="is empty"):
        call(function, table, **({"model": places["MODEL"]} if function == TRANSFER else {}))


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    ("table_key", "found"), [(None, "must say which table"), ("spots", "names no table")], ids=["none said", "wrong"]
)
def test_which_of_several_tables(function, table_key, found, tables, places):
    sdata = tables.store("trained", "first", "second")
    before = {name: contents(table) for name, table in sdata.tables.items()}
    with pytest.raises(
        errors.MissingKeyError, match=f"table_key: {found}.*Available: first, second.*table_key='first'"
    ):
        call(function, sdata, table_key=table_key, **({"model": places["MODEL"]} if function == TRANSFER else {}))
    assert {name: contents(table) for name, table in sdata.tables.items()} == before


def test_a_table_backed_by_its_file(tables, tmp_path):
    tables.at("raw").write_h5ad(tmp_path / "raw.h5ad")
    table = ad.read_h5ad(tmp_path / "raw.h5ad", backed="r")
    before = (tmp_path / "raw.h5ad").read_bytes()
    with pytest.raises(errors.DataTypeError, match=r"data: .*backed.*to_memory"):
        s3.pp.normalize(table)
    table.file.close()
    assert (tmp_path / "raw.h5ad").read_bytes() == before


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS], ids=["full", "read-only"])
def test_a_disk_that_takes_nothing(code, tables, tmp_path, monkeypatch):
    table = tables.at("signed")
    before = contents(table)

    def refuse(*_, **__):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(errors.StoreError, match=r"run\.safetensors: .*Fix: ."):
        call(TRAIN, table, checkpoint=tmp_path / "run.safetensors")
    assert changed(before, contents(table)) == set()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ({"n_spots": 0}, "n_spots"),
        ({"n_spots": 100.0}, "n_spots"),
        ({"n_genes": -1}, "n_genes"),
        ({"n_layers": 1}, "n_layers"),
        ({"technology": "telescope"}, "technology"),
        ({"crop": 1.0}, "crop"),
        ({"shift": 10.0}, "shift"),
        ({"params": {"dropouts": 0.1}}, "params"),
        ({"params": {"dropout": 2.0}}, "dropout"),
        ({"rng": -1}, "rng"),
    ],
    ids=lambda value: str(value),
)
def test_tissue_that_cannot_be(arguments, key):
    with pytest.raises(errors.ParameterError) as caught:
        s3.datasets.simulated_cortex(**arguments)
    assert key in caught.value.key
    assert caught.value.fix


# ---------------------------------------------------------------------------------------------------- what must work


def test_genes_that_do_not_vary_are_no_mistake(tables):
    import squidpy as sq

    table = tables.at("raw")
    x = table.X.tolil()
    x[:, 3] = 0
    x[:, 7] = 2
    table.X = x.tocsr()
    s3.pp.normalize(table)
    sq.gr.spatial_neighbors_knn(table, n_neighs=6)
    s3.pp.signed_neighbors(table)
    call(TRAIN, table)
    assert np.isfinite(table.obsm["X_s3rl"]).all()
    assert np.isfinite(table.layers["s3rl"]).all()


def test_integers_of_numpy_are_numbers_of_domains(tables):
    assert call(TRAIN, tables.at("signed"), n_domains=np.int64(3), copy=True).probabilities.shape == (N, 3)
