"""The test of ligands and receptors: against squidpy, on planted truth, on complexes, organisms and slices."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.stats import false_discovery_control, ttest_rel

import s3rl as s3
from s3rl.communication.permutation import Part, Trials, count_hits, group_weights

PLACE = ["source", "target", "ligand", "receptor"]


@pytest.fixture(scope="module")
def cortex():
    """Normalised tissue with a graph: eight planted pairs between neighbouring layers and eight without a pattern."""
    import squidpy as sq

    sdata = s3.datasets.simulated_cortex(300, 160, n_layers=4, image=False, params={"n_pairs": 8}, rng=2)
    table = sdata.tables["table"]
    s3.pp.normalize(table)
    sq.gr.spatial_neighbors_knn(table, n_neighs=6)
    s3.pp.signed_neighbors(table)
    return table


@pytest.fixture(scope="module")
def trained(cortex):
    table = cortex.copy()
    s3.tl.s3rl(table, 4, params={"max_epochs": 25}, progress=False, device="cpu", rng=1)
    return table


def pairs_of(table):
    return table.uns["simulation"]["pairs"]


def results(table, key="domain", **arguments):
    resource = arguments.pop("resource", None)
    resource = pairs_of(table) if resource is None else resource
    return s3.tl.ligrec(table, key, resource=resource, copy=True, **{"n_perms": 200} | arguments).results


def small_table(names, values, labels):
    """A table of spots x genes with clusters."""
    import anndata as ad

    obs = pd.DataFrame({"cluster": pd.Categorical(labels)}, index=[f"spot{i}" for i in range(len(values))])
    x = sp.csr_matrix(np.asarray(values, dtype=np.float32))
    return ad.AnnData(x, obs=obs, var=pd.DataFrame(index=list(names)))


@pytest.fixture
def few():
    """Five genes over two clusters of twenty spots."""
    rng = np.random.default_rng(0)
    values = rng.gamma(1.0, size=(40, 5)) + 0.1
    return small_table(["A", "B", "C", "MY_GENE", "D"], values, ["a"] * 20 + ["b"] * 20)


def listed(*pairs):
    return pd.DataFrame(pairs, columns=["ligand", "receptor"])


# --------------------------------------------------------------------------------------------------------- squidpy


@pytest.fixture(scope="module")
def by_squidpy(cortex):
    import squidpy as sq

    interactions = pairs_of(cortex)[["source", "target"]]
    return sq.gr.ligrec(
        cortex, "domain", interactions=interactions, use_raw=False, copy=True, n_perms=200, seed=3, n_jobs=1,
        show_progress_bar=False,
    )  # fmt: skip


def melted(frame, name):
    long = frame.astype(float).rename_axis(columns=["a", "b"]).stack(["a", "b"], future_stack=True)
    return long.rename_axis(["ligand", "receptor", "source", "target"]).rename(name).reset_index().dropna()


def test_hits_are_squidpys_for_its_own_permutations(cortex, by_squidpy):
    pairs = pairs_of(cortex)
    ligand, receptor = (cortex.var_names.get_indexer(pairs[side]) for side in ("source", "target"))
    codes, names = cortex.obs["domain"].cat.codes.to_numpy(int), list(cortex.obs["domain"].cat.categories)
    source, target = (side.ravel() for side in np.indices((4, 4)))
    trials = Trials(ligand, receptor, source, target, np.ones((16, len(pairs)), dtype=bool))
    state, order, orders = np.random.RandomState(3), np.arange(cortex.n_obs), []
    for _ in range(200):
        state.shuffle(order)
        orders.append(order.copy())
    hits = count_hits([Part(cortex.X, group_weights(codes, 4))], trials, orders.__getitem__, 200)
    theirs = melted(by_squidpy["pvalues"], "p").set_index(PLACE)["p"] * 200
    assert len(theirs) == 16 * len(pairs)
    place = {pair: number for number, pair in enumerate(zip(pairs["source"], pairs["target"], strict=True))}
    for (a, b, one, other), count in theirs.items():
        assert hits[names.index(a) * 4 + names.index(b), place[one, other]] == round(count)


def test_pvalues_agree_with_squidpys_within_chance(cortex, by_squidpy):
    ours = results(cortex, n_perms=2000).set_index(PLACE)
    theirs = melted(by_squidpy["pvalues"], "p").set_index(PLACE)["p"]
    means = melted(by_squidpy["means"], "mean").set_index(PLACE)["mean"]
    ours.index = pd.MultiIndex.from_tuples(list(ours.index), names=PLACE)
    assert set(ours.index) == set(theirs.index)
    assert np.allclose(ours["mean"], means.reindex(ours.index), rtol=1e-5)
    p = ours["pvalue"].to_numpy()
    apart = np.abs(p - theirs.reindex(ours.index)) / np.sqrt(p * (1 - p) * (1 / 200 + 1 / 2000) + 1e-4)
    assert apart.max() < 4.5


def test_what_is_tested_is_what_squidpy_tests():
    """Of genes that few spots of a cluster express; the threshold is a share of the spots."""
    import squidpy as sq

    rng = np.random.default_rng(1)
    values = rng.gamma(1.0, size=(90, 12)) * (rng.random((90, 12)) < rng.uniform(0.0, 0.4, 12))
    table = small_table([f"G{i}" for i in range(12)], values, np.repeat(["a", "b", "c"], 30))
    interactions = pd.DataFrame({"source": [f"G{i}" for i in range(6)], "target": [f"G{i}" for i in range(6, 12)]})
    theirs = sq.gr.ligrec(
        table, "cluster", interactions=interactions, use_raw=False, copy=True, n_perms=2, seed=0, n_jobs=1,
        threshold=0.2, show_progress_bar=False,
    )  # fmt: skip
    ours = results(table, "cluster", resource=interactions, n_perms=2, params={"threshold": 0.2})
    defined = {tuple(row) for row in melted(theirs["pvalues"], "p")[PLACE].to_numpy()}
    assert {tuple(row) for row in ours[PLACE].astype(str).to_numpy()} == defined
    assert 0 < len(defined) < 9 * 6


# --------------------------------------------------------------------------------------------------- planted truth


def found_and_false(frame, pairs, column):
    """Share of the planted pairs that are significant in their layers, and of all tests of pairs without a pattern."""
    truth = pairs.set_index(["source", "target"])
    planted = truth.loc[list(zip(frame["ligand"], frame["receptor"], strict=True))]
    own = (planted["source_domain"].to_numpy() == frame["source"].astype(str).to_numpy()) & (
        planted["target_domain"].to_numpy() == frame["target"].astype(str).to_numpy()
    )
    small = (frame[column] <= 0.05).to_numpy()
    is_planted = planted["planted"].to_numpy(dtype=bool)
    return small[own & is_planted].mean(), small[~is_planted].mean()


def test_planted_pairs_are_found_and_others_at_the_nominal_rate(cortex):
    found, false = found_and_false(results(cortex, n_perms=500), pairs_of(cortex), "fdr")
    assert found == 1.0
    assert false <= 0.05


def test_denoised_tests_are_flagged_and_calibrated_ones_are_honest(trained, caplog):
    with caplog.at_level(logging.INFO, logger="s3rl"):
        frame = results(trained, layer="s3rl", calibrate=True, n_perms=500)
    assert sum("post-denoising" in record.message for record in caplog.records) == 1
    assert frame["post_denoising"].all()
    found, false = found_and_false(frame, pairs_of(trained), "fdr_calibrated")
    assert found == 1.0
    assert false <= 0.05
    # what smoothing does to tests that take spots for independent
    assert found_and_false(frame, pairs_of(trained), "fdr")[1] > 0.15


def test_calibrated_pvalues_permute_what_the_model_read(trained):
    """Another denoised layer gives the same calibrated tests: they depend on the embedding and the input alone."""
    frame = results(trained, layer="s3rl", calibrate=True)
    other = trained.copy()
    other.layers["s3rl"] = np.roll(other.layers["s3rl"], 7, axis=0) + np.float32(0.01)
    again = results(other, layer="s3rl", calibrate=True)
    both = frame.merge(again, on=PLACE)
    assert len(both) > 100
    assert (both["pvalue_calibrated_x"] == both["pvalue_calibrated_y"]).all()
    assert (both["pvalue_x"] != both["pvalue_y"]).any()
    assert not results(trained)["post_denoising"].any()


@pytest.mark.parametrize("slices", [False, True])
def test_calibrated_hits_are_those_of_dense_denoisers(trained, slices):
    """Each half of the genes by its own matrix: the gene is exchanged before it, or all moves; the larger p-value."""
    from s3rl._slots.crossfit import blind_readouts_of
    from s3rl.statistics.permutations import alike, permutation

    table, n, n_perms, names = trained.copy(), trained.n_obs, 40, ("L1", "L2", "L3", "WM")
    codes = np.arange(n) % 3 if slices else np.zeros(n, int)
    table.obs["slice"] = pd.Categorical(codes.astype(str))
    if slices:
        table.obs.iloc[::7, table.obs.columns.get_loc("domain")] = np.nan
    given = {"library_key": "slice"} if slices else {}
    frame = results(table, layer="s3rl", calibrate=True, n_perms=n_perms, rng=6, **given)
    blind = blind_readouts_of(table, "s3rl", "spatial", seed=6)
    x, labels = table.X.toarray().astype(float), table.obs["domain"].to_numpy()
    strata = alike(table.layers["counts"].sum(axis=1).A1, codes)
    orders = [np.arange(n), *(permutation(6, number, n, strata) for number in range(n_perms))]
    means = np.empty((2, n_perms + 1, 4, table.n_vars))
    for half, emulator in enumerate(blind.emulators):
        own = blind.half == half
        for number, order in enumerate(orders):
            for kind, smooth in enumerate((blind.readouts[half], emulator.readout(order))):
                matrix = (smooth.basis * smooth.gain) @ smooth.basis.T
                at = np.argsort(order) if kind == 0 else order
                denoised = matrix @ x[at][:, own]
                for place, name in enumerate(names):
                    means[kind, number, place, own] = denoised[labels == name].mean(axis=0)
    code = {name: place for place, name in enumerate(names)}
    larger = 0
    for _, row in frame.iterrows():
        ligand, receptor = table.var_names.get_indexer([row["ligand"], row["receptor"]])
        score = means[:, :, code[row["source"]], ligand] + means[:, :, code[row["target"]], receptor]
        share = (score >= score[:, :1] - 1e-9).mean(axis=1)
        assert np.isclose(row["pvalue_calibrated"], share.max())
        larger += np.argmax(share)
    assert 0 < larger < len(frame)


def test_depth_alone_is_no_finding_where_counts_tell_of_it(trained, caplog):
    """Genes have the same share everywhere and clusters go with the depth, on which logarithms of shares depend."""
    import scanpy as sc

    table, rng = trained.copy(), np.random.default_rng(2)
    depth = np.maximum(rng.lognormal(4, 1.2, table.n_obs), 10)
    drawn = rng.poisson(np.outer(depth, rng.dirichlet(np.full(table.n_vars, 2.0))))
    table.layers["counts"] = sp.csr_matrix(drawn, dtype=np.float32)
    table.X = table.layers["counts"].copy()
    del table.uns["log1p"]
    sc.pp.normalize_total(table)
    sc.pp.log1p(table)
    table.obs["depth"] = pd.qcut(depth * rng.lognormal(0, 0.4, table.n_obs), 4, labels=["a", "b", "c", "d"])
    genes = rng.permutation(table.var_names)
    listed = pd.DataFrame({"ligand": genes[:80], "receptor": genes[80:160]})
    given = {"resource": listed, "layer": "s3rl", "calibrate": True, "n_perms": 300}
    with_counts = results(table, "depth", **given)["pvalue_calibrated"]
    without = results(table, "depth", params={"counts_layer": None}, **given)["pvalue_calibrated"]
    assert (with_counts <= 0.05).mean() <= 0.06 < 0.08 < (without <= 0.05).mean()
    other = table.copy()
    with pytest.raises(s3.errors.MissingKeyError, match=r"layers\['umis'\]"):
        results(other, "depth", params={"counts_layer": "umis"}, **given)
    other.layers["umis"] = other.layers.pop("counts")
    renamed = results(other, "depth", params={"counts_layer": "umis"}, **given)["pvalue_calibrated"]
    np.testing.assert_array_equal(renamed, with_counts)
    with caplog.at_level(logging.INFO, logger="s3rl"):
        bare = s3.tl.ligrec(other, "depth", copy=True, **given)
    np.testing.assert_array_equal(bare.results["pvalue_calibrated"], without)
    assert not bare.params["depth_matched"]
    assert sum("no counts in layers['counts']" in record.message for record in caplog.records) == 1


@pytest.mark.parametrize("unnamed", [False, True])
def test_measured_expression_is_calibrated_by_labels_within_tenths_of_the_depth(cortex, unnamed):
    from s3rl.statistics.permutations import alike

    table = cortex.copy()
    if unnamed:
        table.obs.iloc[::3, table.obs.columns.get_loc("domain")] = np.nan
    table.obs["slice"] = pd.Categorical(np.where(np.arange(table.n_obs) % 2, "a", "b"))
    named = table.obs["domain"].notna().to_numpy()
    frame = s3.tl.ligrec(
        table,
        resource=pairs_of(table),
        cluster_key="domain",
        calibrate=True,
        library_key="slice",
        copy=True,
        n_perms=200,
    )
    assert frame.params["depth_matched"]
    totals, slices = table.layers["counts"].sum(axis=1).A1[named], np.arange(table.n_obs)[named] % 2
    tenths = np.full(table.n_obs, -1)
    tenths[named] = alike(totals, 1 - slices)
    table.obs["tenth"] = pd.Categorical(tenths.astype(str))
    assert table.obs["tenth"].nunique() > 5
    within = results(table[named].copy(), library_key="tenth")
    # the order of the strata decides which draw is whose, so that shares agree and not hits
    assert np.corrcoef(frame.results["pvalue_calibrated"], within["pvalue"])[0, 1] > 0.99
    assert not np.array_equal(frame.results["pvalue_calibrated"], frame.results["pvalue"])


# ------------------------------------------------------------------------------------------------ the written table


def test_rates_of_false_discovery_are_over_all_tests_per_pair_and_per_clusters(cortex):
    frame = results(cortex)
    assert np.allclose(frame["fdr"], false_discovery_control(frame["pvalue"]))
    for column, by in (("fdr_pair", ["ligand", "receptor"]), ("fdr_cluster_pair", ["source", "target"])):
        for _, own in frame.groupby(by, observed=True):
            assert np.allclose(own[column], false_discovery_control(own["pvalue"]))
    assert frame["pvalue"].min() == 1 / 201


def test_names_of_the_results_and_what_they_are_made_of(trained):
    table = trained.copy()
    s3.tl.ligrec(table, "domain", resource=pairs_of(table), n_perms=20, rng=np.random.default_rng(4))
    s3.tl.ligrec(table, "domain", resource=pairs_of(table), n_perms=20, layer="s3rl")
    s3.tl.ligrec(table, "domain", resource=pairs_of(table), n_perms=20, key_added="own")
    assert {"ligrec", "ligrec_s3rl", "own"} <= set(table.uns)
    params = table.uns["ligrec"]["params"]
    assert params["resource"] == "custom"
    assert (params["n_listed"], params["n_pairs"], params["n_tests"]) == (16, 16, 256)
    assert s3.tl.ligrec(
        table, "domain", resource=pairs_of(table), n_perms=20, rng=params["seed"], copy=True
    ).results.equals(table.uns["ligrec"]["results"])


def test_results_survive_zarr(cortex, tmp_path):
    import anndata as ad

    table = cortex.copy()
    s3.tl.ligrec(table, "domain", resource=pairs_of(table), n_perms=20)
    table.write_zarr(tmp_path / "table.zarr")
    back = ad.read_zarr(tmp_path / "table.zarr").uns["ligrec"]
    pd.testing.assert_frame_equal(back["results"], table.uns["ligrec"]["results"])
    assert back["params"] == table.uns["ligrec"]["params"]


# ------------------------------------------------------------------------------------------------- pairs and genes


def test_a_complex_counts_by_its_weakest_gene_and_keeps_its_name(few):
    frame = results(few, "cluster", resource=listed(("A_MY_GENE", "B"), ("A", "C_X"), ("D", "MY_GENE")))
    weaker = few.var_names[[0, 3]][np.asarray(few.X[:, [0, 3]].mean(axis=0)).ravel().argmin()]
    assert set(frame["ligand"]) == {"A_MY_GENE", "D"}
    own = frame[frame["ligand"] == "A_MY_GENE"]
    assert set(own["ligand_gene"]) == {weaker}
    alone = results(few, "cluster", resource=listed((weaker, "B")))
    assert np.array_equal(own["mean"], alone["mean"])
    params = s3.tl.ligrec(few, "cluster", resource=listed(("A", "C_X"), ("A", "B"), ("X", "B")), copy=True).params
    assert (params["n_listed"], params["n_pairs"], params["n_incomplete"]) == (3, 1, 1)


def test_tables_of_pairs_by_either_names_of_their_columns(few):
    one = results(few, "cluster", resource=listed(("A", "B")))
    other = results(few, "cluster", resource=pd.DataFrame({"source": ["COMPLEX:A", None], "target": ["B", "C"]}))
    assert one.equals(other)


@pytest.mark.parametrize(
    ("resource", "organism", "n_listed"),
    [
        ("consensus", "human", 4620),
        ("cellchat", "human", 1912),
        ("CellPhoneDB", "human", 1223),
        ("guide2pharma+ramilowski", "human", 2025),
        ("consensus", "mouse", 3989),
        ("celltalkdb", "mouse", 3392),
    ],
)
def test_lists_that_are_brought_along(resource, organism, n_listed):
    genes = ["TGFB1", "TGFBR2", "IGF1", "IGF1R", "CXCL12", "CXCR4", "JAG1", "NOTCH2", "IL6", "IL6R"]
    if organism == "mouse":
        genes = [gene.capitalize() for gene in genes]
    values = np.random.default_rng(0).gamma(1.0, size=(40, 10)) + 0.1
    table = small_table(genes, values, ["a"] * 20 + ["b"] * 20)
    found = s3.tl.ligrec(table, "cluster", resource=resource, organism=organism, n_perms=5, copy=True)
    assert found.params["n_listed"] == n_listed
    assert found.params["n_pairs"] >= 1
    assert set(found.results["ligand_gene"]) <= set(genes)


# ------------------------------------------------------------------------------------- clusters, slices and contact


def test_spots_without_a_name_are_left_out(cortex):
    table = cortex.copy()
    gone = np.arange(table.n_obs) % 7 == 0
    table.obs["part"] = table.obs["domain"].where(~gone)
    whole = results(table, "part")
    kept = table[~gone].copy()
    assert whole.drop(columns="adjacent").equals(results(kept, "domain").drop(columns="adjacent"))


def test_labels_are_exchanged_within_slices():
    """A gene that differs between slices but not between the clusters of a slice is no finding."""
    rng = np.random.default_rng(3)
    n = 240
    slices = np.repeat(["one", "two"], n // 2)
    in_a = rng.random(n) < np.where(slices == "one", 0.2, 0.8)
    values = rng.gamma(4.0, size=(n, 40)) + 6 * (slices == "two")[:, None]
    table = small_table([f"G{i}" for i in range(40)], values, np.where(in_a, "a", "b"))
    table.obs["slice"] = slices
    pairs = listed(*[(f"G{i}", f"G{i + 20}") for i in range(20)])
    across = results(table, "cluster", resource=pairs)
    within = results(table, "cluster", resource=pairs, library_key="slice")
    own = (across["source"] == "a") & (across["target"] == "a")
    assert (across.loc[own, "pvalue"] < 0.01).all()
    assert (within.loc[own, "pvalue"] <= 0.05).mean() <= 0.2


def test_clusters_that_touch(cortex):
    frame = results(cortex)
    near = results(cortex, adjacent=True)
    touching = {
        pair for pair, flag in zip(zip(frame["source"], frame["target"], strict=True), frame["adjacent"], strict=True)
        if flag
    }  # fmt: skip
    layers = ["L1", "L2", "L3", "WM"]
    expected = {(a, b) for i, a in enumerate(layers) for j, b in enumerate(layers) if abs(i - j) <= 1}
    assert touching == expected == set(zip(near["source"], near["target"], strict=True))
    assert near["adjacent"].all()
    both = frame.merge(near, on=PLACE)
    assert (both["pvalue_x"] == both["pvalue_y"]).all()
    alone = cortex.copy()
    del alone.obsp["spatial_connectivities"]
    assert "adjacent" not in results(alone)


def test_the_authors_t_test_compares_ligand_and_receptor_within_a_cluster(cortex):
    found = s3.tl.ligrec(cortex, "domain", resource=pairs_of(cortex), params={"test": "paired_t"}, copy=True)
    frame = found.results
    assert found.params["test"] == "paired_t"
    assert (frame["source"] == frame["target"]).all()
    for _, row in frame.sample(12, random_state=0).iterrows():
        spots = cortex[cortex.obs["domain"] == row["source"], [row["ligand"], row["receptor"]]].X.toarray()
        assert np.isclose(row["pvalue"], ttest_rel(*spots.T.astype(float)).pvalue, rtol=1e-5)
