"""Slices joined: equal to the concatenated table, wherever they come from, and nothing else is touched."""

from __future__ import annotations

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp
from laws.contents import changed, contents

import s3rl as s3
from s3rl._slots import slice_source
from s3rl.errors import CountsError, DataTypeError, InputError, MissingKeyError, ParameterError, StoreError

N_GENES = 1300


def make_slice(seed: int, n: int, genes: list[str], *, scale: float = 1.0) -> ad.AnnData:
    rng = np.random.default_rng(seed)
    mean = np.exp(np.random.default_rng(99).normal(-1, 1.2, size=N_GENES)) * scale
    number = {f"g{i}": i for i in range(N_GENES)}
    of_gene = np.array([mean[number[gene]] for gene in genes])
    counts = rng.negative_binomial(1.5, 1.5 / (1.5 + of_gene), size=(n, len(genes)))
    adata = ad.AnnData(sp.csr_matrix(counts, dtype=np.float32))
    adata.obs_names, adata.var_names = [f"s{i}" for i in range(n)], genes
    adata.var["symbol"] = [gene.upper() for gene in genes]
    adata.var["here"] = counts.sum(axis=0)
    adata.obs["area"] = pd.Categorical(rng.choice(["a", "b"], n), categories=["a", "b"])
    adata.obs[f"only{seed}"] = 1
    adata.obsm["spatial"] = rng.uniform(0, 100, size=(n, 2))
    return adata


@pytest.fixture(scope="module")
def originals() -> dict[str, ad.AnnData]:
    names = [f"g{i}" for i in range(N_GENES)]
    shuffled = list(np.random.default_rng(5).permutation(names[50:]))
    return {
        "left": make_slice(0, 60, names[:1270]),
        "right": make_slice(1, 30, shuffled, scale=2),
        "third": make_slice(2, 45, names[10:]),
    }


@pytest.fixture
def slices(originals) -> dict[str, ad.AnnData]:
    return {name: table.copy() for name, table in originals.items()}


def concatenated(slices, join: str) -> ad.AnnData:
    named = {name: table.copy() for name, table in slices.items()}
    for name, table in named.items():
        table.obs_names = f"{name}-" + table.obs_names
    return ad.concat(named, label="slice", join=join, fill_value=0)


def test_the_genes_are_those_of_scanpy(slices):
    joined = s3.pp.join_slices(slices, n_top_genes=200)
    together = concatenated(slices, "inner")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ranked = sc.pp.highly_variable_genes(
            together, flavor="seurat_v3", n_top_genes=200, batch_key="slice", inplace=False
        )
    expected = ranked[ranked["highly_variable"]]
    assert list(joined.var_names) == list(expected.index)
    assert 0 < expected["highly_variable_nbatches"].nunique() > 1
    for column in ("highly_variable_rank", "highly_variable_nbatches", "variances_norm"):
        np.testing.assert_allclose(joined.var[column], expected[column], rtol=1e-12)


def test_the_expression_is_that_of_the_concatenated_table(slices):
    joined = s3.pp.join_slices(slices, n_top_genes=200)
    together = concatenated(slices, "outer")
    s3.pp.normalize(together, n_top_genes=together.n_vars, library_key="slice")
    together = together[joined.obs_names, joined.var_names]
    assert isinstance(joined.X, sp.csr_matrix)
    assert joined.X.dtype == np.float32
    assert np.array_equal(joined.X.toarray(), together.X.toarray())
    assert np.array_equal(joined.layers["counts"].toarray(), together.layers["counts"].toarray())
    np.testing.assert_array_equal(joined.obsm["spatial"], together.obsm["spatial"])


def test_one_gene_set_gives_all_that_normalize_gives():
    """Genes, ranks and values at once, where the totals are over the same genes."""
    slices = {name: make_slice(seed, 40, [f"g{i}" for i in range(N_GENES)]) for seed, name in enumerate("ab")}
    joined = s3.pp.join_slices(slices, n_top_genes=150)
    together = concatenated(slices, "inner")
    s3.pp.normalize(together, n_top_genes=150, library_key="slice")
    together = together[:, together.var["highly_variable"]]
    assert list(joined.var_names) == list(together.var_names)
    assert np.array_equal(joined.X.toarray(), together.X.toarray())


def test_the_union_of_genes_has_zeros_where_nothing_was_measured(slices):
    joined = s3.pp.join_slices(slices, genes="all", n_top_genes=N_GENES)
    assert sorted(joined.var_names) == sorted(set().union(*(table.var_names for table in slices.values())))
    together = concatenated(slices, "outer")
    s3.pp.normalize(together, n_top_genes=together.n_vars)
    assert np.array_equal(joined.X.toarray(), together[joined.obs_names, joined.var_names].X.toarray())
    ranked = s3.pp.join_slices(slices, genes="all", n_top_genes=200)
    together = concatenated(slices, "outer")[:, joined.var_names].copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sc.pp.highly_variable_genes(together, flavor="seurat_v3", n_top_genes=200, batch_key="slice")
    assert list(ranked.var_names) == list(joined.var_names[together.var["highly_variable"]])


def test_names_and_columns(slices):
    joined = s3.pp.join_slices(slices, n_top_genes=200)
    assert list(joined.obs["slice"].cat.categories) == ["left", "right", "third"]
    assert joined.obs["slice"].value_counts().to_dict() == {"left": 60, "right": 30, "third": 45}
    assert joined.obs_names[60] == "right-s0"
    assert joined.obs["original_name"].iloc[60] == "s0"
    assert set(joined.obs) == {"slice", "original_name", "area"}
    assert joined.obs.loc["third-s7", "area"] == slices["third"].obs.loc["s7", "area"]
    assert list(joined.var["symbol"]) == [name.upper() for name in joined.var_names]
    assert "here" not in joined.var
    assert joined.uns["slices"]["genes"]["shared"] == 1220
    assert joined.uns["slices"]["genes"]["kept"] == joined.n_vars
    assert joined.uns["slices"]["genes"]["dropped"].tolist() == [50, 30, 70]
    assert joined.uns["slices"]["n_spots"].tolist() == [60, 30, 45]


def test_a_list_a_layer_and_columns_that_disagree(slices):
    """Names are given, counts may be in a layer, and what no file could hold becomes text."""
    first, second = slices["left"], slices["right"]
    expected = s3.pp.join_slices([first, second], n_top_genes=100)
    assert list(expected.obs["slice"].cat.categories) == ["slice1", "slice2"]
    s3.pp.normalize(first)
    first.obs["slice"], first.obs["lane"], second.obs["lane"] = "x", 1, "two"
    joined = s3.pp.join_slices([first, second], n_top_genes=100)
    assert np.array_equal(joined.X.toarray(), expected.X.toarray())
    assert set(joined.obs["lane"].cat.categories) == {"1", "two"}
    bare = s3.pp.join_slices([slices["third"], second], counts_layer=None, n_top_genes=100)
    assert "counts" not in bare.layers


def test_stores_and_objects_give_the_same(slices, tmp_path, monkeypatch):
    import spatialdata as sd

    expected = contents(s3.pp.join_slices(slices, n_top_genes=200))
    slices["left"].write_h5ad(tmp_path / "left.h5ad")
    slices["right"].write_zarr(tmp_path / "right.zarr")
    image = sd.models.Image2DModel.parse(np.zeros((3, 20, 20), np.uint8), dims=("c", "y", "x"))
    sdata = sd.SpatialData(images={"he": image}, tables={"table": slices["third"].copy()})
    sdata.write(tmp_path / "third.zarr")
    seen = []
    read = slice_source.read_input

    def watched(*arguments, **named):
        data = read(*arguments, **named)
        seen.append(len(getattr(data, "images", ())))
        return data

    monkeypatch.setattr(slice_source, "read_input", watched)
    paths = {"left": tmp_path / "left.h5ad", "right": str(tmp_path / "right.zarr"), "third": tmp_path / "third.zarr"}
    joined = s3.pp.join_slices(paths, n_top_genes=200)
    assert changed(expected, contents(joined)) == set()
    assert seen == [0] * 9
    mixed = s3.pp.join_slices({**paths, "third": sdata, "left": slices["left"]}, n_top_genes=200)
    assert changed(expected, contents(mixed)) == set()


def test_stores_are_never_in_memory_together(slices, tmp_path, monkeypatch):
    import gc
    import weakref

    for name, table in slices.items():
        table.write_h5ad(tmp_path / f"{name}.h5ad")
    alive: list[weakref.ref] = []
    read = slice_source.read_input

    def watched(*arguments, **named):
        gc.collect()
        assert [one for one in alive if one() is not None] == []
        data = read(*arguments, **named)
        alive.append(weakref.ref(data))
        return data

    monkeypatch.setattr(slice_source, "read_input", watched)
    s3.pp.join_slices({name: tmp_path / f"{name}.h5ad" for name in slices}, n_top_genes=100)
    assert len(alive) == 9


def test_coordinates_come_from_the_shapes(tmp_path):
    first, second = (
        s3.datasets.simulated_cortex(n_spots=60, n_genes=60, n_layers=2, image=False, rng=seed) for seed in (1, 2)
    )
    expected = first.tables["table"].obsm["spatial"].copy()
    del first.tables["table"].obsm["spatial"]
    first.write(tmp_path / "first.zarr")
    for one in (first, tmp_path / "first.zarr"):
        joined = s3.pp.join_slices([one, second])
        np.testing.assert_allclose(joined.obsm["spatial"][:60], expected)
    assert "spatial" not in first.tables["table"].obsm


def test_inputs_stay_as_they_are_and_share_no_memory(slices):
    before = {name: contents(table) for name, table in slices.items()}
    joined = s3.pp.join_slices(slices, n_top_genes=N_GENES)
    joined.X.data[:] = 0
    joined.layers["counts"].data[:] = 0
    joined.obsm["spatial"][:] = 0
    joined.obs["area"] = "c"
    assert all(changed(before[name], contents(table)) == set() for name, table in slices.items())


def test_the_result_survives_a_file_and_trains(tmp_path):
    import squidpy as sq

    slices = {
        name: s3.datasets.simulated_cortex(n_spots=n, n_genes=60, n_layers=2, image=False, rng=seed)
        for seed, (name, n) in enumerate({"a": 80, "b": 30}.items())
    }
    joined = s3.pp.join_slices(slices)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sq.gr.spatial_neighbors_knn(joined, n_neighs=5, library_key="slice")
    s3.pp.signed_neighbors(joined, library_key="slice")
    s3.tl.s3rl(joined, 2, library_key="slice", params={"max_epochs": 2}, progress=False)
    joined.write_h5ad(tmp_path / "joined.h5ad")
    assert changed(contents(joined), contents(ad.read_h5ad(tmp_path / "joined.h5ad"))) == set()


def test_slices_without_a_common_gene(slices):
    slices["right"].var_names = [f"ENSG{i}" for i in range(slices["right"].n_vars)]
    with pytest.raises(InputError, match=r"(?s)g0.*ENSG0.*Ensembl"):
        s3.pp.join_slices(slices)


def test_normalised_slices_without_counts(slices):
    s3.pp.normalize(slices["right"])
    del slices["right"].layers["counts"]
    with pytest.raises(CountsError, match=r"slices\['right'\] X: is normalised already"):
        s3.pp.join_slices(slices)
    del slices["right"].uns["log1p"]
    with pytest.raises(CountsError, match=r"slices\['right'\] X: .* not whole numbers"):
        s3.pp.join_slices(slices)


@pytest.mark.parametrize(
    ("harm", "error", "said"),
    [
        (lambda s: s["left"].obsm.pop("spatial"), MissingKeyError, r"slices\['left'\] obsm\['spatial'\]"),
        (lambda s: s["left"].obs_names.values.__setitem__(1, "s0"), InputError, "duplicated"),
        (lambda s: s["left"].obsm["spatial"].__setitem__(0, np.nan), InputError, "finite"),
        (lambda s: s.update(left=s["left"][:10]), DataTypeError, "view"),
        (lambda s: s.update(left=3), DataTypeError, r"slices\['left'\]"),
        (lambda s: s.update(left="nowhere.h5ad"), StoreError, "not there"),
        (lambda s: s.pop("left") and s.pop("right"), ParameterError, "at least two"),
        (lambda s: s.update({"": s["left"]}), ParameterError, "empty"),
        (lambda s: s.update({"left-s1": s["right"]}) or s["left"].obs_names.values.__setitem__(2, "s1-s0"),
         InputError, "hyphen"),
        (lambda s: s["left"].X.data.__setitem__(slice(None), 0), CountsError, "zeros"),
    ],
)  # fmt: skip
def test_what_is_refused(slices, harm, error, said):
    slices["left"].obs_names = pd.Index(slices["left"].obs_names.to_numpy(object).copy(), dtype=object)
    harm(slices)
    with pytest.raises(error, match=said):
        s3.pp.join_slices(slices, n_top_genes=100)


@pytest.mark.parametrize(
    "arguments",
    [{"genes": "most"}, {"n_top_genes": 0}, {"library_key": ""}, {"counts_layer": 3}, {"n_top_genes": True}],
)
def test_arguments_out_of_range(slices, arguments):
    with pytest.raises(ParameterError, match=next(iter(arguments))):
        s3.pp.join_slices(slices, **arguments)


@pytest.mark.parametrize("given", ["left.h5ad", 3, None])
def test_slices_must_be_a_mapping_or_a_list(given):
    with pytest.raises(DataTypeError, match="mapping"):
        s3.pp.join_slices(given)
    with pytest.raises(DataTypeError, match="mapping"):
        s3.pp.join_slices(s3.datasets.simulated_cortex(n_spots=30, n_genes=50, n_layers=2))


def test_slices_that_vary_too_little_to_rank(slices):
    flat = slices["right"]
    flat.X = sp.csr_matrix(np.ones(flat.shape, np.float32))
    with pytest.raises(CountsError, match=r"slices\['right'\].*0 of 1220 genes vary"):
        s3.pp.join_slices(slices, n_top_genes=100)
    assert s3.pp.join_slices(slices, n_top_genes=N_GENES).n_vars == 1220
