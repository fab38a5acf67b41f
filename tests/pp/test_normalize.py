"""Normalisation: what it writes, what it leaves, and what it refuses."""

from __future__ import annotations

import warnings

import anndata as ad
import dask.array as da
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp
import spatialdata as sd
from laws.contents import plain

import s3rl as s3
from s3rl import errors

N_GENES = 1050


def counts(n=120, g=N_GENES, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.poisson(rng.gamma(0.5, 1, (n, g)) * rng.gamma(0.5, 2, g)).astype(np.float32)
    values[:, 4] = 0
    values[:, 5] = 2
    return values


def table(matrix=None):
    return ad.AnnData(sp.csr_matrix(counts()) if matrix is None else matrix)


def dense(matrix):
    matrix = matrix.compute() if hasattr(matrix, "compute") else matrix
    return np.asarray(matrix.todense() if sp.issparse(matrix) else matrix)


def by_scanpy(n_top_genes=300, batch=None):
    adata = table()
    if batch is not None:
        adata.obs["batch"] = batch
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sc.pp.highly_variable_genes(
            adata, flavor="seurat_v3", n_top_genes=n_top_genes, batch_key=None if batch is None else "batch"
        )
    sc.pp.normalize_total(adata)
    sc.pp.log1p(adata)
    return adata


KINDS = {
    "csr": sp.csr_matrix,
    "csc": sp.csc_matrix,
    "csr array": sp.csr_array,
    "dense": np.array,
    "integers": lambda values: values.astype(np.int64),
    "dask": lambda values: da.from_array(values, chunks=(50, 300)),
    "dask of csr": lambda values: da.from_array(values, chunks=(50, -1)).map_blocks(sp.csr_matrix),
}


@pytest.mark.parametrize("kind", KINDS)
def test_equals_scanpy_whatever_the_matrix(kind):
    adata, expected = table(KINDS[kind](counts())), by_scanpy()
    before = adata.X
    s3.pp.normalize(adata, n_top_genes=300)
    np.testing.assert_allclose(dense(adata.X), dense(expected.X), rtol=1e-6)
    assert adata.X.dtype == np.float32
    assert adata.layers["counts"] is before
    np.testing.assert_array_equal(dense(adata.layers["counts"]), counts())
    for column in ("highly_variable", "highly_variable_rank", "means", "variances", "variances_norm"):
        np.testing.assert_allclose(adata.var[column].astype(float), expected.var[column].astype(float), rtol=1e-5)
    assert adata.uns["log1p"] == {"base": None, "target_sum": np.median(counts().sum(axis=1))}
    assert adata.uns["hvg"] == {"flavor": "seurat_v3"}
    assert hasattr(adata.X, "dask") == kind.startswith("dask")


def test_each_spot_by_the_formula():
    adata = table()
    s3.pp.normalize(adata, target_sum=500)
    row = counts()[7].astype(float)
    np.testing.assert_allclose(dense(adata.X)[7], np.log1p(row / row.sum() * 500), rtol=1e-5)
    assert adata.uns["log1p"]["target_sum"] == 500


def test_ranks_within_slices():
    batch = pd.Categorical(np.where(np.arange(120) < 50, "a", "b"))
    adata = table()
    adata.obs["slice"] = batch
    s3.pp.normalize(adata, n_top_genes=300, library_key="slice")
    expected = by_scanpy(batch=batch)
    np.testing.assert_array_equal(adata.var["highly_variable"], expected.var["highly_variable"])
    np.testing.assert_array_equal(adata.var["highly_variable_nbatches"], expected.var["highly_variable_nbatches"])
    assert "slice" in adata.obs
    assert list(adata.obs) == ["slice"]


def test_a_lazy_store_stays_lazy(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table().write_zarr(tmp_path / "a.zarr")
        lazy = ad.experimental.read_lazy(tmp_path / "a.zarr")
        s3.pp.normalize(lazy, n_top_genes=300)
    assert hasattr(lazy.X, "dask")
    assert hasattr(lazy.layers["counts"], "dask")
    np.testing.assert_allclose(dense(lazy.X), dense(by_scanpy().X), rtol=1e-6)
    np.testing.assert_array_equal(np.asarray(lazy.var["highly_variable"]), by_scanpy().var["highly_variable"])


@pytest.mark.parametrize("n_top_genes", [40, 3000])
def test_panels_keep_all_genes(n_top_genes):
    adata = table(sp.csr_matrix(counts(g=60)))
    s3.pp.normalize(adata, n_top_genes=n_top_genes)
    assert adata.var["highly_variable"].all()
    assert adata.var["highly_variable"].dtype == bool
    assert "hvg" not in adata.uns


def test_all_genes_when_as_many_are_asked_for():
    adata = table()
    s3.pp.normalize(adata, n_top_genes=N_GENES)
    assert adata.var["highly_variable"].all()


def test_constant_genes_are_never_marked():
    values = counts()
    values[:, 200:] = 3
    adata = table(values)
    s3.pp.normalize(adata, n_top_genes=400)
    marked = adata.var["highly_variable"].to_numpy()
    assert 0 < marked.sum() <= 198
    assert not marked[[4, 5]].any()
    assert not marked[200:].any()


@pytest.mark.parametrize(("n", "span"), [(3, 1.0), (12, 0.6)])
def test_few_spots_are_ranked_at_a_wider_span(n, span, caplog):
    adata = table(counts(n=n))
    with caplog.at_level("INFO", logger="s3rl"):
        s3.pp.normalize(adata, n_top_genes=300)
    assert 0 < adata.var["highly_variable"].sum() <= 300
    assert f"span of {span}, since 0.3 failed" in caplog.text


@pytest.mark.parametrize(
    "values",
    [
        np.ones((5, N_GENES)),
        np.ones((5, N_GENES)) + (np.arange(N_GENES) < 3) * np.arange(5)[:, None],
        np.eye(30, N_GENES) + 1,
    ],
    ids=["constant", "three genes vary", "one spot each"],
)
def test_too_little_variation_is_said_and_not_crashed_on(values):
    adata = table(values.astype(np.float32))
    with pytest.raises(errors.CountsError, match="varies too little"):
        s3.pp.normalize(adata, n_top_genes=100)
    s3.pp.normalize(adata, n_top_genes=N_GENES)


def test_copy_writes_nothing():
    adata, written = table(), table()
    before = plain_table(adata)
    result = s3.pp.normalize(adata, n_top_genes=300, copy=True)
    s3.pp.normalize(written, n_top_genes=300)
    assert plain_table(adata) == before
    assert plain(result.X) == plain(written.X)
    assert plain(result.counts) == plain(written.layers["counts"])
    pd.testing.assert_frame_equal(result.var, written.var[list(result.var)])


def test_result_shares_no_memory_with_the_counts():
    adata = table()
    s3.pp.normalize(adata, n_top_genes=300)
    assert not np.shares_memory(adata.X.data, adata.layers["counts"].data)


def test_spatialdata_gives_the_same():
    adata, other = table(), table()
    sdata = sd.SpatialData(tables={"table": other})
    s3.pp.normalize(adata)
    s3.pp.normalize(sdata)
    assert plain_table(sdata.tables["table"]) == plain_table(adata)


def test_counts_that_are_kept_already_stay():
    adata = table()
    adata.layers["counts"] = adata.X.copy()
    s3.pp.normalize(adata)
    np.testing.assert_array_equal(dense(adata.layers["counts"]), counts())


def test_normalised_twice_says_how_to_do_it_again():
    adata = table()
    s3.pp.normalize(adata, n_top_genes=300)
    before = plain_table(adata)
    with pytest.raises(errors.CountsError, match="normalised already") as caught:
        s3.pp.normalize(adata)
    assert plain_table(adata) == before
    for command in caught.value.fix.split("again, ")[1].split("; "):
        exec(command, {"adata": adata, "s3": s3})
    np.testing.assert_allclose(dense(adata.X), dense(by_scanpy().X), rtol=1e-6)


def plain_table(adata):
    parts = {name: dict(getattr(adata, name)) for name in ("layers", "obsm", "varm", "obsp", "varp", "uns")}
    return plain({"X": adata.X, "obs": adata.obs, "var": adata.var, **parts})


def put(adata, value, row=3, column=7):
    adata.X = adata.X.toarray()
    adata.X[row, column] = value


def with_logarithm(adata):
    sc.pp.log1p(adata)


def scaled(adata):
    sc.pp.normalize_total(adata, target_sum=1e4)


def zeros(adata):
    adata.X = sp.csr_matrix(adata.shape, dtype=np.float32)


def empty_spot(adata):
    adata.X = adata.X.toarray()
    adata.X[[2, 9]] = 0


def duplicated(axis):
    def change(adata):
        names = [f"n{i}" for i in range(len(getattr(adata, f"{axis}_names")))]
        names[1] = names[0]
        setattr(adata, f"{axis}_names", names)

    return change


def other_layer(adata):
    adata.layers["counts"] = adata.X * 2


def slices(names):
    def change(adata):
        adata.obs["slice"] = np.resize(names, adata.n_obs)

    return change


def lone_slice(adata):
    adata.obs["slice"] = ["a"] * (adata.n_obs - 1) + ["b"]


def text(adata):
    adata.X = np.full(adata.shape, "1", dtype=object)


MALFORMED = {
    "negative": (lambda a: put(a, -1), {}, errors.CountsError, "negative"),
    "NaN": (lambda a: put(a, np.nan), {}, errors.InputError, "not finite"),
    "infinite": (lambda a: put(a, np.inf), {}, errors.InputError, "not finite"),
    "fractions": (lambda a: put(a, 0.5), {}, errors.CountsError, "not whole"),
    "logged": (with_logarithm, {}, errors.CountsError, "normalised already"),
    "scaled": (scaled, {}, errors.CountsError, "not whole"),
    "only zeros": (zeros, {}, errors.CountsError, "only zeros"),
    "empty spots": (empty_spot, {}, errors.CountsError, "filter_cells"),
    "no X": (lambda a: setattr(a, "X", None), {}, errors.MissingKeyError, "X"),
    "duplicated spots": (duplicated("obs"), {}, errors.InputError, "obs_names_make_unique"),
    "duplicated genes": (duplicated("var"), {}, errors.InputError, "var_names_make_unique"),
    "layer of other counts": (other_layer, {}, errors.CountsError, "differs from X"),
    "no such column": (None, {"library_key": "slice"}, errors.MissingKeyError, "slice"),
    "fractional slices": (slices([0.5, 1.5]), {"library_key": "slice"}, errors.LabelsError, "floating"),
    "slice of one spot": (lone_slice, {"library_key": "slice"}, errors.LabelsError, r"b \(1 spots"),
    "n_top_genes 0": (None, {"n_top_genes": 0}, errors.ParameterError, "n_top_genes"),
    "n_top_genes 1.5": (None, {"n_top_genes": 1.5}, errors.ParameterError, "n_top_genes"),
    "n_top_genes True": (None, {"n_top_genes": True}, errors.ParameterError, "n_top_genes"),
    "target_sum negative": (None, {"target_sum": -1}, errors.ParameterError, "target_sum"),
    "target_sum NaN": (None, {"target_sum": np.nan}, errors.ParameterError, "target_sum"),
    "counts_layer empty": (None, {"counts_layer": ""}, errors.ParameterError, "counts_layer"),
    "text": (text, {}, errors.InputError, "not numeric"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_refuses_and_changes_nothing(name):
    change, arguments, kind, message = MALFORMED[name]
    adata = table()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if change is not None:
            change(adata)
    before = plain_table(adata)
    with pytest.raises(kind, match=message) as caught:
        s3.pp.normalize(adata, **{"n_top_genes": 300, **arguments})
    assert caught.value.fix
    assert plain_table(adata) == before


def test_refuses_views_backed_files_and_other_objects(tmp_path):
    adata = table()
    adata.write_h5ad(tmp_path / "a.h5ad")
    for data in (adata[:50], ad.read_h5ad(tmp_path / "a.h5ad", backed="r"), counts(), None):
        with pytest.raises(errors.DataTypeError):
            s3.pp.normalize(data)


def test_lazy_counts_are_checked_too():
    values = counts()
    values[100, 3] = -1
    adata = table(da.from_array(values, chunks=(50, -1)).map_blocks(sp.csr_matrix))
    with pytest.raises(errors.CountsError, match="first 100"):
        s3.pp.normalize(adata)
