"""Trajectories: planted ones are found, scanpy's and cellrank's numbers are met, the table is left alone."""

from __future__ import annotations

import sys
import types
import warnings

import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp
from scipy.stats import spearmanr
from tl.tracks import ALONE, cortex, fork, line

import s3rl as s3

UNS = "s3rl_trajectory"


@pytest.fixture(scope="module")
def forked():
    return fork()


@pytest.fixture(scope="module")
def layered():
    return cortex()


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(?!s3rl).*")
        yield


def follow(adata, **arguments):
    return s3.tl.trajectory(adata, copy=True, **{"root": "stem", "groupby": "group", "params": ALONE, **arguments})


# ----------------------------------------------------------------------------------------------------- planted truth


def test_layers_of_a_cortex_are_put_in_order(layered):
    s3.tl.trajectory(layered, root="WM", groupby="domain", fates=False)
    time, depth = layered.obs["s3rl_pseudotime"], layered.obs["depth"]
    assert time.dtype == np.float64
    assert time.min() == 0
    assert time.max() == 1
    assert spearmanr(time, depth)[0] < -0.9
    record = layered.uns[UNS]
    assert list(record["states"]) == ["L1"]
    groups = record["groups"].set_index("group")
    assert groups["pseudotime"].sort_values().index.tolist() == groups.index[::-1].tolist()
    assert groups["root"][groups["root"]].index.tolist() == ["WM"]
    assert groups["terminal"][groups["terminal"]].index.tolist() == ["L1"]
    tree = sp.csr_matrix(record["tree"]).toarray() > 0
    chain = np.eye(4, k=1, dtype=bool) | np.eye(4, k=-1, dtype=bool)
    np.testing.assert_array_equal(tree, chain)
    markers = record["results"].set_index("gene")["correlation"]
    assert markers[[name for name in markers.index if name.startswith("MARK-L1")]].min() > 0.1
    assert markers[[name for name in markers.index if name.startswith("MARK-WM")]].max() < -0.1


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_fork_has_two_ends(seed):
    adata = fork(seed=seed)
    found = follow(adata)
    assert sorted(found.states) == ["left", "right"]
    assert spearmanr(found.pseudotime, adata.obs["time"])[0] > 0.95
    np.testing.assert_allclose(found.fates.sum(axis=1), 1, atol=1e-6)
    means = pd.DataFrame(found.fates, columns=found.states).groupby(adata.obs["group"].to_numpy()).mean()
    assert means.loc["left", "left"] > 0.9
    assert means.loc["right", "right"] > 0.9
    assert 0.25 < means.loc["stem", "left"] < 0.75
    late = found.terminal.groupby("state")["spot"].apply(lambda spots: adata.obs.loc[spots, "time"].min())
    assert (late > 1.5).all()
    drivers = found.results.set_index(["lineage", "gene"])["correlation"]
    for lineage in ("pseudotime", "left", "right"):
        assert (np.diff(drivers[lineage]) <= 0).all()
    assert drivers["pseudotime"].idxmax() == "G0"
    assert drivers["pseudotime"].idxmin() == "G1"
    assert drivers["left"].idxmax() == "G2"
    assert drivers["right"].idxmax() == "G3"


def test_the_root_is_at_the_start_of_its_group(forked):
    found = follow(forked, fates=False)
    own = forked.obs["group"] == "stem"
    assert found.root in forked.obs_names[own]
    assert forked.obs.loc[found.root, "time"] <= forked.obs.loc[own, "time"].quantile(0.25)
    spot = forked.obs_names[7]
    again = follow(forked, root=spot, fates=False)
    assert again.root == spot
    assert again.pseudotime[spot] == 0
    group = again.groups.set_index("group")["root"]
    assert group[forked.obs["group"].iloc[7]]


def test_the_slowest_change_over_a_large_tissue_is_kept():
    """scanpy takes eigenvalues from .9994 on for a sign of disconnected parts and loses the order."""
    adata = line(1500)
    found = follow(adata, root="early", fates=False)
    assert spearmanr(found.pseudotime, adata.obs["time"])[0] > 0.995
    sc.pp.neighbors(adata, use_rep="X_s3rl", transformer="sklearn", random_state=0)
    sc.tl.diffmap(adata, n_comps=10)
    adata.uns["iroot"] = int(adata.obs_names.get_loc(found.root))
    sc.tl.dpt(adata)
    assert adata.uns["diffmap_evals"][1] > 0.9994
    assert spearmanr(adata.obs["dpt_pseudotime"], adata.obs["time"])[0] < 0.99


def test_a_fragment_neither_stops_the_run_nor_takes_the_scale(caplog):
    adata = line(1200)
    adata.obsm["X_s3rl"][600:609] += [0, 500, 0]  # nine spots beside the tissue, like nothing else
    adata.obsm["X_s3rl"][600:609] += np.random.default_rng(0).normal(0, 0.1, (9, 3))
    with caplog.at_level("INFO", logger="s3rl"):
        found = follow(adata, root="early", fates=False, params=ALONE | {"n_neighs": 6})
    assert "9 spots in small parts (1) are joined" in caplog.text
    rest = np.delete(np.arange(1200), np.arange(600, 609))
    assert spearmanr(found.pseudotime.iloc[rest], adata.obs["time"].iloc[rest])[0] > 0.995
    assert found.pseudotime.iloc[rest].max() > 0.9


# ------------------------------------------------------------------------------------------------ against the libraries


def test_pseudotime_and_connected_groups_are_scanpys(forked):
    adata = forked.copy()
    found = follow(adata, fates=False)
    adata.obsm["X_s3rl"] = adata.obsm["X_s3rl"].astype(np.float32)
    sc.pp.neighbors(adata, use_rep="X_s3rl", transformer="sklearn", random_state=0)
    sc.tl.diffmap(adata, n_comps=10, random_state=0)
    assert adata.uns["diffmap_evals"][1] < 0.9994
    adata.uns["iroot"] = int(adata.obs_names.get_loc(found.root))
    sc.tl.dpt(adata, n_dcs=10)
    np.testing.assert_allclose(found.pseudotime, adata.obs["dpt_pseudotime"], atol=2e-4)
    sc.tl.paga(adata, groups="group")
    np.testing.assert_allclose(found.connectivities.toarray(), adata.uns["paga"]["connectivities"].toarray())
    tree = adata.uns["paga"]["connectivities_tree"].toarray()
    np.testing.assert_allclose(found.tree.toarray(), np.maximum(tree, tree.T))


def test_fates_and_drivers_are_cellranks_and_those_of_a_dense_solution(forked):
    cellrank = pytest.importorskip("cellrank")
    adata = forked.copy()
    found = follow(adata, terminal=["left", "right"], params=ALONE | {"connectivity_weight": 0.3})
    adata.obsm["X_s3rl"] = adata.obsm["X_s3rl"].astype(np.float32)
    sc.pp.neighbors(adata, use_rep="X_s3rl", transformer="sklearn", random_state=0)
    adata.obs["time"] = found.pseudotime
    kernel = cellrank.kernels.PseudotimeKernel(adata, time_key="time")
    kernel.compute_transition_matrix(threshold_scheme="soft", n_jobs=1, backend="threading", show_progress_bar=False)
    near = cellrank.kernels.ConnectivityKernel(adata).compute_transition_matrix()
    model = cellrank.estimators.GPCCA(0.7 * kernel + 0.3 * near)
    ends = {name: list(found.terminal.query("state == @name")["spot"]) for name in ("left", "right")}
    walk = np.asarray(model.transition_matrix.todense())
    places = {name: adata.obs_names.get_indexer(spots) for name, spots in ends.items()}
    through = np.setdiff1d(np.arange(len(walk)), np.concatenate(list(places.values())))
    out = np.stack([walk[np.ix_(through, spots)].sum(axis=1) for spots in places.values()], axis=1)
    dense = np.linalg.solve(np.eye(len(through)) - walk[np.ix_(through, through)], out)
    np.testing.assert_allclose(found.fates[through], dense, atol=1e-4)
    for column, spots in enumerate(places.values()):
        np.testing.assert_allclose(found.fates[spots, column], 1)
    model.set_terminal_states(ends)
    model.compute_fate_probabilities(solver="gmres", use_petsc=False, n_jobs=1, show_progress_bar=False)
    drivers = model.compute_lineage_drivers()
    ours = found.results.set_index(["lineage", "gene"])
    # cellrank 2.0 divides a covariance over n by standard deviations over n - 1
    slip = 299 / 300 if cellrank.__version__.startswith("2.0.") else 1.0
    for name in ("left", "right"):
        expected = drivers.loc[ours.loc[name].index, f"{name}_corr"] * slip
        np.testing.assert_allclose(ours.loc[name, "correlation"], expected, atol=1e-4)


def test_neighbours_in_the_tissue_have_their_share(layered):
    from s3rl.tl._trajectory_graph import add_space, neighbors_apart

    apart = neighbors_apart(layered, np.asarray(layered.obsm["X_s3rl"], float), 15)
    own = apart.obsp["connectivities"].copy()
    spatial = sp.csr_matrix(layered.obsp["spatial_connectivities"], dtype=np.float64)
    add_space(apart, spatial, 0.25)
    mixed = apart.obsp["connectivities"]
    symmetric = spatial.maximum(spatial.T)
    expected = 0.75 * own / own.sum() + 0.25 * symmetric / symmetric.sum()
    np.testing.assert_allclose((mixed / mixed.sum()).toarray(), expected.toarray(), rtol=1e-4, atol=1e-9)


# ------------------------------------------------------------------------------------------------------ what is asked


@pytest.mark.parametrize(
    ("terminal", "states", "sizes"),
    [
        ("left", ["left"], [30]),
        (["right", "left"], ["right", "left"], [30, 30]),
        ({"A, B": "left", "L2/3": ["s290", "s299"]}, ["A, B", "L2/3"], [30, 2]),
        (["s290", "left"], ["s290", "left"], [1, 30]),
    ],
)
def test_given_terminal_states(forked, terminal, states, sizes):
    found = follow(forked, terminal=terminal)
    assert found.states == states
    assert found.fates.shape == (300, len(states))
    assert [int((found.terminal["state"] == state).sum()) for state in states] == sizes
    if len(states) == 1:
        assert (found.fates == 1).all()
        assert set(found.results["lineage"]) == {"pseudotime"}
    else:
        assert list(found.results["lineage"].cat.categories) == ["pseudotime", *states]


def test_names_that_files_do_not_like_survive_them(forked, tmp_path):
    import anndata as ad

    adata = forked.copy()
    s3.tl.trajectory(
        adata, root="stem", groupby="group", params=ALONE, terminal={"A, B": "left", "L2/3": "right"}, key_added="two"
    )
    adata.write_h5ad(tmp_path / "table.h5ad")
    back = ad.read_h5ad(tmp_path / "table.h5ad").uns["two_trajectory"]
    assert list(back["states"]) == ["A, B", "L2/3"]
    assert set(back["terminal"]["state"]) == {"A, B", "L2/3"}
    assert (back["tree"] != adata.uns["two_trajectory"]["tree"]).nnz == 0


def test_a_pseudotime_of_the_user(forked):
    adata = forked.copy()
    adata.obs["age"] = 30 + 10 * adata.obs["time"]
    found = follow(adata, pseudotime="age")
    expected = (adata.obs["time"] - adata.obs["time"].min()) / np.ptp(adata.obs["time"])
    np.testing.assert_allclose(found.pseudotime, expected)
    assert found.root == adata.obs["time"].idxmin()
    assert sorted(found.states) == ["left", "right"]


def test_spots_without_a_group_take_part_in_everything_else(forked):
    adata = forked.copy()
    adata.obs.loc[adata.obs_names[::7], "group"] = np.nan
    found = follow(adata)
    assert sorted(found.states) == ["left", "right"]
    assert found.fates.shape == (300, 2)
    assert found.groups["n_spots"].sum() == adata.obs["group"].notna().sum()
    assert spearmanr(found.pseudotime, adata.obs["time"])[0] > 0.95


def test_the_neighbours_of_the_user_stay(forked):
    adata = forked.copy()
    sc.pp.neighbors(adata, n_neighbors=4, use_rep="X_s3rl", transformer="sklearn")
    before = adata.obsp["connectivities"].copy(), dict(adata.uns["neighbors"]["params"])
    s3.tl.trajectory(adata, root="stem", groupby="group", params=ALONE)
    assert (adata.obsp["connectivities"] != before[0]).nnz == 0
    assert adata.uns["neighbors"]["params"] == before[1]
    assert set(adata.uns) == {"neighbors", UNS}
    assert set(adata.obsm) == {"X_s3rl", "spatial", "s3rl_fates"}
    printing = np.get_printoptions()
    follow(adata, fates=False)
    assert np.get_printoptions() == printing


def test_without_cellrank_there_is_all_but_fates(forked, monkeypatch):
    def missing(name):
        raise ImportError(f"No module named {name!r}")

    # not through sys.modules: once imported, cellrank writes scanpy's log
    monkeypatch.setattr("s3rl._slots.extras.import_module", missing)
    with pytest.raises(s3.errors.MissingExtraError, match=r"s3rl-tools\[trajectory\].*fates=False"):
        follow(forked)
    found = follow(forked, fates=False)
    assert found.fates is None
    assert sorted(found.states) == ["left", "right"]
    assert set(found.results["lineage"]) == {"pseudotime"}
    adata = forked.copy()
    s3.tl.trajectory(adata, root="stem", groupby="group", params=ALONE, fates=False)
    assert "s3rl_fates" not in adata.obsm


def test_palantir(forked, monkeypatch):
    monkeypatch.setitem(sys.modules, "palantir", None)
    with pytest.raises(s3.errors.MissingExtraError, match="pip install palantir"):
        follow(forked, pseudotime="palantir")
    asked = {}

    def run_palantir(space, early_cell, **arguments):
        asked.update(arguments, early_cell=early_cell)
        return types.SimpleNamespace(pseudotime=space["time"].sample(frac=1, random_state=0))

    utils = types.SimpleNamespace(
        run_diffusion_maps=lambda frame, **_: frame.assign(time=forked.obs["time"]),
        determine_multiscale_space=lambda maps: maps,
    )
    stand_in = types.SimpleNamespace(utils=utils, core=types.SimpleNamespace(run_palantir=run_palantir))
    monkeypatch.setitem(sys.modules, "palantir", stand_in)
    found = follow(forked, pseudotime="palantir", fates=False)
    np.testing.assert_allclose(found.pseudotime, forked.obs["time"])
    assert asked["early_cell"] == found.root
    assert asked["n_jobs"] == 1


# ------------------------------------------------------------------------------------------------- honest significance


def test_denoised_drivers_are_flagged_and_calibrated(layered, caplog):
    arguments = {"root": "WM", "groupby": "domain", "fates": False, "params": None}
    raw = follow(layered, **arguments).results
    assert not raw["post_denoising"].any()
    assert "pvalue_calibrated" not in raw
    with caplog.at_level("INFO", logger="s3rl"):
        found = follow(layered, layer="s3rl", calibrate=199, **arguments).results.set_index("gene")
    assert caplog.text.count("post-denoising") == 1
    assert found["post_denoising"].all()
    # tissue without a pattern: the values of each gene change places before they are denoised
    null = layered.copy()
    order = np.random.default_rng(0).permutation(null.n_obs)
    null.X = null.X[order]
    from s3rl.statistics.readout import readout

    null.layers["s3rl"] = np.maximum(readout(null.obsm["X_s3rl"]).smooth(null.X), 0).astype(np.float32)
    silent = follow(null, layer="s3rl", calibrate=199, **arguments).results
    assert (silent["pvalue"] < 0.05).mean() > 0.3
    assert (silent["pvalue_calibrated"] < 0.05).mean() < 0.12
    ends = [name for name in found.index if name.startswith(("MARK-L1", "MARK-WM"))]
    assert found.loc[ends, "pvalue_calibrated"].median() < 0.15
    assert found.loc[ends, "pvalue_calibrated"].min() < 0.05
    # the same question to what was measured has the power that smoothing takes away
    measured = follow(layered, calibrate=199, **arguments).results.set_index("gene")
    assert measured.loc[ends, "pvalue_calibrated"].max() < 0.05


# ------------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        ({"root": "crown"}, "MissingKeyError", ("root", "crown", "left, middle, right, stem")),
        ({"groupby": "none"}, "MissingKeyError", ("obs['none']",)),
        ({"groupby": "time"}, "LabelsError", ("obs['time']",)),
        ({"groupby": "one"}, "LabelsError", ("obs['one']", "one group")),
        ({"groupby": "few", "root": "tiny"}, "LabelsError", ("root", "fewer than 5 spots", "3 spots")),
        ({"terminal": ["tiny"], "groupby": "few", "root": "rest"}, "LabelsError", ("terminal", "3 spots")),
        ({"groupby": "few", "root": "rest"}, "LabelsError", ("terminal", "large enough")),
        ({"terminal": ["stem"]}, "ParameterError", ("terminal", "starts", "left, middle, right")),
        ({"root": "s3", "terminal": {"end": ["s3"]}}, "ParameterError", ("terminal", "starts")),
        ({"terminal": ["left", "left"]}, "ParameterError", ("terminal", "each once")),
        ({"terminal": {"a": "left", "b": ["s150"]}}, "ParameterError", ("terminal", "share spots")),
        ({"terminal": ["crown"]}, "MissingKeyError", ("terminal", "crown")),
        ({"terminal": {"a": []}}, "MissingKeyError", ("terminal", "no name")),
        ({"terminal": 3}, "ParameterError", ("terminal",)),
        ({"terminal": []}, "ParameterError", ("terminal",)),
        ({"use_rep": "X_none"}, "MissingKeyError", ("obsm['X_none']", "s3.tl.s3rl")),
        ({"pseudotime": "velocity"}, "MissingKeyError", ("obs['velocity']",)),
        ({"pseudotime": "group"}, "InputError", ("obs['group']", "numbers")),
        ({"pseudotime": "gaps"}, "InputError", ("obs['gaps']", "1 of 300")),
        ({"pseudotime": "still"}, "InputError", ("obs['still']", "same")),
        ({"pseudotime": None}, "ParameterError", ("pseudotime",)),
        ({"layer": "none"}, "MissingKeyError", ("layers['none']",)),
        ({"layer": "counts"}, "CountsError", ("layers['counts']",)),
        ({"calibrate": -1}, "ParameterError", ("calibrate",)),
        ({"rng": "a"}, "ParameterError", ("rng",)),
        ({"params": {"n_neighs": 1}}, "ParameterError", ("params.n_neighs",)),
        ({"params": ALONE | {"n_neighs": 300}}, "ParameterError", ("params.n_neighs", "300 spots")),
        ({"params": {"spatial_weight": 1.0}}, "ParameterError", ("params.spatial_weight",)),
        ({"params": {"connectivity_weight": 0}}, "ParameterError", ("params.connectivity_weight",)),
        ({"params": {"neighbors": 4}}, "ParameterError", ("params", "neighbors")),
        ({"params": None}, "MissingKeyError", ("obsp['spatial_connectivities']", "spatial_weight")),
        ({"params": {"connectivity_key": "empty"}}, "GraphError", ("obsp['empty_connectivities']", "no edges")),
    ],
    ids=lambda value: str(value)[:40],
)
def test_refusals_name_the_key_and_change_nothing(forked, arguments, kind, words):
    adata = forked.copy()
    adata.obs["one"] = "all"
    adata.obs["few"] = pd.Categorical(["tiny"] * 3 + ["rest"] * 297)
    adata.obs["gaps"] = np.append(np.nan, adata.obs["time"].to_numpy()[1:])
    adata.obs["still"] = 1.0
    adata.layers["counts"] = np.random.default_rng(0).poisson(3, adata.shape)
    adata.obsp["empty_connectivities"] = sp.csr_matrix((300, 300))
    slots = [set(getattr(adata, name)) for name in ("obs", "obsm", "uns", "obsp")]
    with pytest.raises(getattr(s3.errors, kind)) as caught:
        s3.tl.trajectory(adata, **{"root": "stem", "groupby": "group", "params": ALONE, **arguments})
    assert type(caught.value).__name__ == kind
    for word in words:
        assert word in str(caught.value)
    assert caught.value.fix
    assert [set(getattr(adata, name)) for name in ("obs", "obsm", "uns", "obsp")] == slots


def test_parts_without_a_way_between_them(forked):
    adata = forked.copy()
    adata.obsm["X_s3rl"][:100] += 1000
    with pytest.raises(s3.errors.GraphError, match=r"2 parts of 200, 100 spots.*spatial_weight"):
        follow(adata)


def test_fates_of_a_run_before_go_with_it(forked):
    adata = forked.copy()
    arguments = {"root": "stem", "groupby": "group", "params": ALONE}
    s3.tl.trajectory(adata, terminal=["left", "right"], **arguments)
    assert "s3rl_fates" in adata.obsm
    s3.tl.trajectory(adata, fates=False, **arguments)
    assert "s3rl_fates" not in adata.obsm


@pytest.mark.parametrize("key", ["a/b", "a/"])
def test_a_name_that_no_file_can_keep_is_refused(forked, key):
    adata = forked.copy()
    before = list(adata.obs), list(adata.obsm), list(adata.uns)
    with pytest.raises(s3.errors.ParameterError, match="key_added"):
        s3.tl.trajectory(adata, root="stem", groupby="group", params=ALONE, fates=False, key_added=key)
    assert (list(adata.obs), list(adata.obsm), list(adata.uns)) == before
