"""The signed graph of a table: slots, arguments, and what is refused."""

from __future__ import annotations

import warnings

import anndata as ad
import numpy as np
import pytest
import scanpy as sc
import scipy.sparse as sp
import spatialdata as sd
from laws.contents import plain
from oracles import signed_graph as oracle

import s3rl as s3
from s3rl import errors
from s3rl._slots.neighbors import signed_graph_of
from s3rl.pp import _signed_neighbors as module

N = 60


def spatial_graph(adata, **arguments):
    import squidpy as sq

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sq.gr.spatial_neighbors_knn(adata, n_neighs=4, **arguments)


@pytest.fixture(scope="module")
def prepared():
    rng = np.random.default_rng(0)
    adata = ad.AnnData(sp.csr_matrix(rng.poisson(rng.gamma(1.0, 2.0, (N, 30))).astype(np.float32) + np.eye(N, 30)))
    adata.obsm["spatial"] = rng.random((N, 2))
    adata.obs["slice"] = np.repeat(["a", "b"], N // 2)
    adata.obs["slice"] = adata.obs["slice"].astype("category")
    s3.pp.normalize(adata)
    adata.var["highly_variable"] = np.arange(30) < 20
    adata.obsm["X_pca"] = rng.normal(size=(N, 8))
    adata.obsm["X_image"] = rng.normal(size=(N, 5)).astype(np.float32)
    spatial_graph(adata)
    spatial_graph(adata, library_key="slice", key_added="within")
    return adata


@pytest.fixture
def table(prepared):
    return prepared.copy()


def everything(adata):
    parts = {name: dict(getattr(adata, name)) for name in ("layers", "obsm", "varm", "obsp", "varp", "uns")}
    return plain({"X": adata.X, "obs": adata.obs, "var": adata.var, **parts})


def spatial_pairs(adata, key="spatial"):
    entries = adata.obsp[f"{key}_connectivities"].tocoo()
    return set(zip(entries.row.tolist(), entries.col.tolist(), strict=True))


def check(adata, spaces, *, codes=None, key="spatial", k=5, f=1, cap=10, added="s3rl"):
    codes = np.zeros(N, int) if codes is None else codes
    attraction, repulsion = oracle.signed_pairs(spatial_pairs(adata, key), spaces, codes, k, f, cap)
    assert oracle.pairs_of(adata.obsp[f"{added}_connectivities"]) == attraction
    assert oracle.pairs_of(adata.obsp[f"{added}_repulsions"]) == repulsion


def genes(adata, codes=None, marked=20):
    codes = np.zeros(N, int) if codes is None else codes
    return oracle.centered(adata.X[:, :marked].toarray().astype(float).tolist(), codes)


def test_default_is_the_marked_genes_centred(table):
    s3.pp.signed_neighbors(table)
    check(table, [genes(table)])
    del table.var["highly_variable"]
    s3.pp.signed_neighbors(table)
    check(table, [genes(table, marked=30)])


def test_every_space_takes_part(table):
    s3.pp.signed_neighbors(table, use_rep=["X", "X_pca"], image_rep="X_image", n_neighs=4, n_far=2, max_far_degree=3)
    spaces = [genes(table), table.obsm["X_pca"].tolist(), oracle.centered(table.obsm["X_image"].tolist(), np.zeros(N))]
    check(table, spaces, k=4, f=2, cap=3)
    described = table.uns["s3rl_neighbors"]
    assert described["kinds"] == ["spatial", "genes+", "genes-", "X_pca+", "X_pca-", "image+", "image-"]
    kinds = table.obsp["s3rl_kinds"].tocoo()
    for space, (name, features) in enumerate(zip(("genes", "X_pca", "image"), spaces, strict=True)):
        for bit, expected in (
            (1 + 2 * space, oracle.positive_pairs(features, np.zeros(N), 4)),
            (2 + 2 * space, oracle.negative_pairs(features, np.zeros(N), 2, 3)),
        ):
            here = (kinds.data >> bit & 1) > 0
            found = {(i, j) for i, j in zip(kinds.row[here], kinds.col[here], strict=True) if j < i}
            assert found == expected
            assert described["edges"][described["kinds"][bit]] == len(expected)
        assert described["spaces"][name]["positives"] > 0


@pytest.mark.parametrize(
    ("use_rep", "names"),
    [
        ("X_pca", ["X_pca"]),
        (("X_pca", "X_image"), ["X_pca", "X_image"]),
        ({"expression": "X_pca", "protein": "X_image"}, ["expression", "protein"]),
        (np.array(["X", "X_image"]), ["genes", "X_image"]),
        ([None, "X_image"], ["genes", "X_image"]),
    ],
)
def test_spaces_are_named(table, use_rep, names):
    s3.pp.signed_neighbors(table, use_rep=use_rep)
    assert list(table.uns["s3rl_neighbors"]["spaces"]) == names


def test_a_representation_may_be_sparse_or_a_frame(table):
    import pandas as pd

    expected = s3.pp.signed_neighbors(table, use_rep="X_image", copy=True)
    table.obsm["sparse"] = sp.csr_matrix(table.obsm["X_image"])
    table.obsm["frame"] = pd.DataFrame(table.obsm["X_image"], index=table.obs_names)
    table.obsm["huge"] = table.obsm["X_image"].astype(np.float64) * 1e200
    for key in ("sparse", "frame", "huge"):
        found = s3.pp.signed_neighbors(table, use_rep=key, copy=True)
        assert plain([found.connectivities, found.repulsions]) == plain([expected.connectivities, expected.repulsions])


def test_beyond_the_limit_components_stand_for_genes(table, monkeypatch):
    monkeypatch.setattr(module, "_EXACT_UP_TO", N)
    assert s3.pp.signed_neighbors(table, copy=True).neighbors["params"]["use_rep"] == "X"
    monkeypatch.setattr(module, "_EXACT_UP_TO", N - 1)
    s3.pp.signed_neighbors(table)
    check(table, [oracle.centered(table.obsm["X_pca"].tolist(), np.zeros(N))])
    assert table.uns["s3rl_neighbors"]["params"]["use_rep"] == "X_pca"
    del table.obsm["X_pca"]
    s3.pp.signed_neighbors(table)
    other = table.copy()
    sc.pp.pca(other, n_comps=19, mask_var="highly_variable")
    check(table, [other.obsm["X_pca"].astype(float).tolist()])
    assert "X_pca" not in table.obsm
    assert "19 principal components" in table.uns["s3rl_neighbors"]["spaces"]["genes"]["source"]


def test_slices_are_blocks(table):
    codes = np.repeat([0, 1], N // 2)
    s3.pp.signed_neighbors(table, connectivity_key="within", library_key="slice")
    check(table, [genes(table, codes)], codes=codes, key="within")
    for half in ("a", "b"):
        alone = table[table.obs["slice"] == half].copy()
        found = s3.pp.signed_neighbors(alone, connectivity_key="within", copy=True)
        assert plain(found.connectivities) == plain(alone.obsp["s3rl_connectivities"])
        assert plain(found.repulsions) == plain(alone.obsp["s3rl_repulsions"])


def test_slots_keep_their_contract(table):
    before = everything(table)
    s3.pp.signed_neighbors(table, key_added="other")
    after = everything(table)
    added = {"other_connectivities", "other_distances", "other_repulsions", "other_kinds"}
    assert set(after["obsp"]) - set(before["obsp"]) == added
    assert set(after["uns"]) - set(before["uns"]) == {"other_neighbors"}
    for part in ("obsp", "uns"):
        after[part] = {name: value for name, value in after[part].items() if name in before[part]}
    assert after == before
    for name in added:
        graph = table.obsp[name]
        assert type(graph) is sp.csr_matrix
        assert not (graph != graph.T).nnz
        assert not graph.diagonal().any()
        assert (graph.data > 0).all()
        assert graph.dtype == (np.uint8 if name == "other_kinds" else np.float32)
    graph = signed_graph_of(table, "other_neighbors")
    assert plain(graph.attraction) == plain(table.obsp["other_connectivities"])
    assert plain(graph.repulsion) == plain(table.obsp["other_repulsions"])


def test_distances_are_those_of_the_first_space(table):
    table.obsm["X_pca"][7] = table.obsm["X_pca"][3]
    s3.pp.signed_neighbors(table, use_rep=["X_pca", "X_image"])
    distances, attraction = table.obsp["s3rl_distances"], table.obsp["s3rl_connectivities"]
    np.testing.assert_array_equal(distances.indices, attraction.indices)
    np.testing.assert_array_equal(distances.indptr, attraction.indptr)
    for i, j in oracle.pairs_of(distances):
        expected = 1 - oracle.cosine(table.obsm["X_pca"][i], table.obsm["X_pca"][j])
        assert distances[i, j] == pytest.approx(max(expected, 1e-6), abs=1e-5)
    assert attraction[3, 7] == 1
    assert distances[3, 7] > 0


def test_copy_writes_nothing(table):
    before = everything(table)
    result = s3.pp.signed_neighbors(table, copy=True)
    assert everything(table) == before
    assert s3.pp.signed_neighbors(table) is None
    for field in ("connectivities", "distances", "repulsions", "kinds"):
        assert plain(getattr(result, field)) == plain(table.obsp[f"s3rl_{field}"])
    assert plain(result.neighbors) == plain(table.uns["s3rl_neighbors"])


def test_spatialdata_gives_the_same(table):
    sdata = sd.SpatialData(tables={"table": table.copy()})
    s3.pp.signed_neighbors(sdata)
    s3.pp.signed_neighbors(table)
    assert everything(sdata.tables["table"]) == everything(table)


@pytest.mark.parametrize("use_rep", [None, ["X_pca", "X_image"], {"one": "X_pca", "two": "X"}])
@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_arguments_that_were_written_make_the_same_graph(table, tmp_path, use_rep, suffix):
    s3.pp.signed_neighbors(
        table, use_rep=use_rep, image_rep="X_image" if use_rep is None else None, max_far_degree=None
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        getattr(table, f"write_{suffix}")(tmp_path / f"a.{suffix}")
        read = getattr(ad, f"read_{suffix}")(tmp_path / f"a.{suffix}")
    assert plain(signed_graph_of(read).attraction) == plain(table.obsp["s3rl_connectivities"])
    arguments = signed_graph_of(read).params["arguments"]
    again = s3.pp.signed_neighbors(read, **arguments, copy=True)
    assert plain(again.kinds) == plain(table.obsp["s3rl_kinds"])


def test_spots_that_point_nowhere_get_no_pair(table):
    table.obsm["X_image"][[2, 30]] = 0
    table.obsp["spatial_connectivities"] = table.obsp["within_connectivities"]
    s3.pp.signed_neighbors(table, use_rep="X_image")
    kinds = table.obsp["s3rl_kinds"]
    assert set(kinds[2].data) | set(kinds[30].data) == {1}
    assert table.uns["s3rl_neighbors"]["spaces"]["X_image"]["without_features"] == 2


def test_the_log_says_what_was_found(table, caplog):
    with caplog.at_level("INFO", logger="s3rl"):
        s3.pp.signed_neighbors(table, n_far=3, max_far_degree=2)
    space = table.uns["s3rl_neighbors"]["spaces"]["genes"]
    assert space["capped"] > 0
    assert f"{space['positives']} positive pairs" in caplog.text
    assert f"{100 * space['without_mutual']:.0f} % of the spots without one" in caplog.text
    assert f"max_far_degree=2 dropped {space['capped']} pairs" in caplog.text
    assert f"up to {space['max_far_degree']} others" in caplog.text


def graph_entry(value, row=0, column=1):
    def change(adata):
        graph = adata.obsp["spatial_connectivities"].toarray()
        graph[row, column] = value
        adata.obsp["spatial_connectivities"] = sp.csr_matrix(graph)

    return change


def image(value):
    def change(adata):
        adata.obsm["X_image"] = value

    return change


def expression(row, value):
    def change(adata):
        adata.X = adata.X.toarray()
        adata.X[row] = value

    return change


def slices(values):
    def change(adata):
        adata.obs["slice"] = values

    return change


def raw_counts(adata):
    adata.X = adata.layers["counts"] * 100


def same_rows(adata):
    adata.X = np.ones(adata.shape, np.float32)


def duplicated(adata):
    adata.obs_names = ["a", *adata.obs_names[:-2], "a"]


MALFORMED = {
    "no spatial graph": (lambda a: a.obsp.clear(), {}, errors.MissingKeyError, r"squidpy\.gr\.spatial_neighbors_knn"),
    "other key": (None, {"connectivity_key": "grid"}, errors.MissingKeyError, "key_added='grid'"),
    "key of no text": (None, {"connectivity_key": 3}, errors.ParameterError, "connectivity_key"),
    "negative weight": (graph_entry(-1), {}, errors.GraphError, "negative"),
    "NaN weight": (graph_entry(np.nan), {}, errors.GraphError, "not finite"),
    "edges across slices": (None, {"library_key": "slice"}, errors.GraphError, "library_key='slice'"),
    "slice of one spot": (
        slices(["lone", *["b"] * (N - 1)]),
        {"library_key": "slice"},
        errors.LabelsError,
        "Found: lone",
    ),
    "small slice": (
        slices(["tiny"] * 4 + ["b"] * (N - 4)),
        {"library_key": "slice"},
        errors.ParameterError,
        "4 spots in slice tiny",
    ),
    "fractional slices": (slices(np.full(N, 0.5)), {"library_key": "slice"}, errors.LabelsError, "floating"),
    "missing slices": (slices([None] + ["b"] * (N - 1)), {"library_key": "slice"}, errors.LabelsError, "missing"),
    "names as slices": (slices([f"s{i}" for i in range(N)]), {"library_key": "slice"}, errors.LabelsError, "grouping"),
    "no such column": (None, {"library_key": "donor"}, errors.MissingKeyError, "donor"),
    "n_neighs 0": (None, {"n_neighs": 0}, errors.ParameterError, "n_neighs"),
    "n_neighs 2.5": (None, {"n_neighs": 2.5}, errors.ParameterError, "n_neighs"),
    "n_neighs n": (None, {"n_neighs": N}, errors.ParameterError, f"{N} for {N} spots"),
    "n_far 0": (None, {"n_far": 0}, errors.ParameterError, "n_far"),
    "n_far n": (None, {"n_far": N}, errors.ParameterError, "n_far"),
    "max_far_degree 0": (None, {"max_far_degree": 0}, errors.ParameterError, "max_far_degree"),
    "n_neighs True": (None, {"n_neighs": True}, errors.ParameterError, "n_neighs"),
    "key_added empty": (None, {"key_added": ""}, errors.ParameterError, "key_added"),
    "key_added slash": (None, {"key_added": "a/b"}, errors.ParameterError, "key_added"),
    "no representation": (None, {"use_rep": "X_vae"}, errors.MissingKeyError, "X_vae"),
    "no image": (None, {"image_rep": "X_vit"}, errors.MissingKeyError, "X_vit"),
    "image of no text": (None, {"image_rep": 5}, errors.ParameterError, "image_rep"),
    "empty use_rep": (None, {"use_rep": []}, errors.ParameterError, "use_rep"),
    "twice": (None, {"use_rep": ["X_pca", "X_pca"]}, errors.ParameterError, "each once"),
    "use_rep number": (None, {"use_rep": 3}, errors.ParameterError, "use_rep"),
    "NaN features": (image(np.full((N, 3), np.nan)), {"image_rep": "X_image"}, errors.InputError, "not finite"),
    "flat features": (image(np.zeros((N, 3))), {"image_rep": "X_image"}, errors.InputError, "too few spots"),
    "text features": (image(np.full((N, 3), "a")), {"image_rep": "X_image"}, errors.InputError, "numbers"),
    "raw counts": (raw_counts, {}, errors.CountsError, r"s3\.pp\.normalize"),
    "negative": (expression(3, -1), {}, errors.CountsError, "negative"),
    "NaN": (expression(3, np.nan), {}, errors.InputError, "not finite"),
    "empty spot": (expression(3, 0), {}, errors.CountsError, "without any expression"),
    "equal spots": (same_rows, {}, errors.InputError, "too few spots"),
    "no X": (lambda a: setattr(a, "X", None), {}, errors.MissingKeyError, "X"),
    "no genes marked": (
        lambda a: a.var.__setitem__("highly_variable", False),
        {},
        errors.CountsError,
        "marks no genes",
    ),
    "marks of text": (lambda a: a.var.__setitem__("highly_variable", "yes"), {}, errors.CountsError, "boolean"),
    "duplicated spots": (duplicated, {}, errors.InputError, "obs_names_make_unique"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_refuses_and_changes_nothing(name, table):
    change, arguments, kind, message = MALFORMED[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if change is not None:
            change(table)
    before = everything(table)
    with pytest.raises(kind, match=message) as caught:
        s3.pp.signed_neighbors(table, **arguments)
    assert caught.value.fix
    assert everything(table) == before


def test_refuses_views_and_other_objects(table):
    for data in (table[:50], table.X, None):
        with pytest.raises(errors.DataTypeError):
            s3.pp.signed_neighbors(data)


def test_one_spot_is_refused():
    adata = ad.AnnData(np.ones((1, 3), np.float32))
    with pytest.raises(errors.ParameterError, match="n_neighs"):
        s3.pp.signed_neighbors(adata)


@pytest.mark.real
def test_a_cortex_section(real_data):
    adata = ad.read_h5ad(real_data / "dlpfc" / "151673.h5ad")
    s3.pp.normalize(adata)
    spatial_graph(adata)
    layer = adata.obs["ground_truth"].cat.codes.to_numpy()
    for use_rep in (None, "X"):
        found = s3.pp.signed_neighbors(adata, use_rep=use_rep, copy=True)
        kinds = found.kinds.tocoo()
        labelled = (layer[kinds.row] >= 0) & (layer[kinds.col] >= 0)
        alike = layer[kinds.row] == layer[kinds.col]
        share = [alike[labelled & (kinds.data >> bit & 1 > 0)].mean() for bit in range(3)]
        # by chance 18 % of the pairs lie in one layer
        assert share[0] > 0.85
        assert share[1] > 0.5
        assert share[2] < 0.05
        space = found.neighbors["spaces"]["genes"]
        # distances between single genes are mostly noise at this depth, those between components are not
        assert space["without_mutual"] < (0.5 if use_rep is None else 0.75)
        assert space["max_far_degree"] < (100 if use_rep is None else 500)
        assert space["negatives"] > (0.75 if use_rep is None else 0.6) * adata.n_obs
