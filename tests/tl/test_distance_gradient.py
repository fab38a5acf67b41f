"""Distances and gradients: against shapely and scipy, planted ones found, coordinate systems kept, errors typed."""

from __future__ import annotations

import logging
from copy import deepcopy

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from scipy.stats import spearmanr

import s3rl as s3
from s3rl import errors

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def simulated():
    params = {"gradient": 3.0, "counts_per_gene": 2.0}
    sdata = s3.datasets.simulated_cortex(n_spots=240, n_genes=90, n_layers=4, image=False, params=params, rng=2)
    table = sdata.tables["table"]
    s3.pp.normalize(table)
    rng = np.random.default_rng(0)
    table.obsm["X_s3rl"] = np.column_stack([table.obsm["spatial"] / 500, rng.normal(size=(240, 2))]).astype(np.float32)
    table.layers["s3rl"] = (0.9 * table.X.toarray()).astype(np.float32)
    table.obs["type"] = pd.Categorical(rng.choice(["a", "b", "c"], 240, p=[0.6, 0.35, 0.05]))
    table.obs["half"] = pd.Categorical(np.where(table.obsm["spatial"][:, 0] < 1000, "left", "right"))
    return sdata


@pytest.fixture
def sdata(simulated):
    import spatialdata as sd

    # a transformation that is set must not reach the next test
    elements = {name: deepcopy(element) for kind, name, element in simulated.gen_elements() if kind != "tables"}
    return sd.SpatialData.init_from_elements({**elements, "table": simulated.tables["table"].copy()})


@pytest.fixture
def table(sdata):
    return sdata.tables["table"]


def rows_of(frame: pd.DataFrame, **wanted: object) -> pd.DataFrame:
    for name, value in wanted.items():
        frame = frame[frame[name] == value]
    return frame


# ------------------------------------------------------------------------------------------------- what is computed


def test_rho_is_that_of_scipy_outside_of_the_domain(table):
    result = s3.tl.distance_gradient(table, ("domain", "WM"), groupby="type", min_spots=5, copy=True)
    xy, inside = table.obsm["spatial"], (table.obs["domain"] == "WM").to_numpy()
    distance = np.array([np.linalg.norm(xy[inside] - place, axis=1).min() for place in xy])
    assert np.allclose(result.distance, np.where(inside, 0, distance))
    for gene, group, layer in (("GRAD1", "a", "X"), ("GENE3", "b", "s3rl"), ("MARK-WM-1", "b", "X")):
        rows = ~inside & (table.obs["type"] == group).to_numpy()
        values = np.asarray(table[:, gene].X.todense() if layer == "X" else table[:, gene].layers["s3rl"]).ravel()
        wanted = spearmanr(distance[rows], values[rows])
        (found,) = rows_of(result.results, gene=gene, group=group, layer=layer).to_dict("records")
        assert found["rho"] == pytest.approx(wanted.statistic)
        assert found["pvalue"] == pytest.approx(wanted.pvalue)
        assert found["n"] == rows.sum()
        assert found["post_denoising"] == (layer == "s3rl")
        assert found["pvalue_spatial"] >= found["pvalue"] - 1e-12


def test_fdr_is_over_the_genes_of_a_group_and_layer(table):
    from scipy.stats import false_discovery_control

    result = s3.tl.distance_gradient(table, ("domain", "WM"), groupby="type", copy=True).results
    own = rows_of(result, group="b", layer="X").dropna()
    assert len(own) > 80
    assert np.allclose(own["fdr"], false_discovery_control(own["pvalue"]))
    assert np.allclose(own["fdr_spatial"], false_discovery_control(own["pvalue_spatial"]))


def test_bands_hold_the_means_of_their_spots(table):
    edges = (0, 150, 400, np.inf)
    result = s3.tl.distance_gradient(table, ("domain", "WM"), genes=["GRAD1", "GENE1"], bands=edges, copy=True)
    distance = result.distance.to_numpy()
    values = np.asarray(table[:, "GENE1"].X.todense()).ravel()
    own = rows_of(result.bands, gene="GENE1", layer="X").set_index("band")
    assert own.index.tolist() == ["inside", "0-150", "150-400", ">=400"]
    masks = {"inside": distance == 0, "0-150": (distance > 0) & (distance < 150), ">=400": distance >= 400}
    for band, rows in masks.items():
        assert own.loc[band, "n"] == rows.sum()
        assert own.loc[band, "mean"] == pytest.approx(values[rows].mean())
        assert own.loc[band, "sem"] == pytest.approx(values[rows].std(ddof=1) / np.sqrt(rows.sum()))
    assert own["n"].sum() == table.n_obs


def test_bands_by_number_hold_equally_many_spots(table):
    own = rows_of(s3.tl.distance_gradient(table, [[0, 0]], genes="GENE1", bands=4, copy=True).bands, layer="X")
    assert own["n"].tolist() == [60, 60, 60, 60]
    assert (own["low"].to_numpy()[1:] == own["high"].to_numpy()[:-1]).all()


def test_planted_gradients_are_found_and_others_are_not(table):
    """Distance to the white matter runs against depth, so genes that rise with depth fall with it."""
    slope = table.var["depth_slope"]
    result = s3.tl.distance_gradient(table, ("domain", "WM"), layers=(None,), calibrate=199, copy=True).results
    result = result.set_index("gene")
    planted = slope.index[slope != 0]
    assert len(planted) >= 4
    assert (np.sign(result.loc[planted, "rho"]) == -np.sign(slope[planted])).all()
    null = table.var_names[table.var["kind"] == "null"]
    assert (result.loc[planted, "pvalue_calibrated"] < 0.05).all()
    assert (result.loc[null, "pvalue_calibrated"] < 0.05).mean() < 0.15


def test_shuffled_coordinates_have_no_gradient_once_calibrated(table):
    table.obsm["spatial"] = RNG.permutation(table.obsm["spatial"])
    found = s3.tl.distance_gradient(table, [[300.0, 300.0]], calibrate=199, copy=True).results
    for layer in ("X", "s3rl"):
        assert (rows_of(found, layer=layer)["pvalue_calibrated"] < 0.05).mean() < 0.13


def test_permutations_stay_within_slices_and_depend_on_the_seed_alone(table):
    arguments = {"genes": ["GRAD1", "GENE1"], "calibrate": 49, "library_key": "half", "copy": True}
    first = s3.tl.distance_gradient(table, ("domain", "WM"), rng=1, **arguments).results
    again = s3.tl.distance_gradient(table, ("domain", "WM"), rng=1, **arguments).results
    other = s3.tl.distance_gradient(table, ("domain", "WM"), rng=2, **arguments).results
    pd.testing.assert_frame_equal(first, again)
    assert not first["pvalue_calibrated"].equals(other["pvalue_calibrated"])


def test_post_denoising_is_said_once(table, caplog):
    with caplog.at_level(logging.INFO, logger="s3rl"):
        s3.tl.distance_gradient(table, ("domain", "WM"), genes="GENE1")
    assert sum("post-denoising" in record.getMessage() for record in caplog.records) == 1


def test_without_a_denoised_layer_the_pair_is_x_alone(table, caplog):
    del table.layers["s3rl"]
    with caplog.at_level(logging.INFO, logger="s3rl"):
        s3.tl.distance_gradient(table, ("domain", "WM"), genes="GENE1")
    assert set(table.uns["distance_gradient"]["results"]["layer"]) == {"X"}
    assert any("only X is used" in record.getMessage() for record in caplog.records)


def test_genes_that_a_transferred_layer_lacks_are_left_out(table):
    table.layers["s3rl"][:, 3] = np.nan
    found = s3.tl.distance_gradient(table, ("domain", "WM"), copy=True).results
    assert table.var_names[3] not in set(found["gene"])
    with pytest.raises(errors.InputError, match=r"genes: .*not finite"):
        s3.tl.distance_gradient(table, ("domain", "WM"), genes=[table.var_names[3]])


# ----------------------------------------------------------------------------------------------------------- targets


def test_inside_is_zero_or_negative(table):
    box = shapely.box(500, 300, 1100, 900)
    spots = [shapely.Point(place) for place in table.obsm["spatial"]]
    outside = np.array([spot.distance(box) for spot in spots])
    depth = np.array([spot.distance(box.boundary) if box.covers(spot) else 0.0 for spot in spots])
    plain = s3.tl.distance_gradient(table, box, genes="GENE1", copy=True)
    signed = s3.tl.distance_gradient(table, [box], genes="GENE1", signed=True, copy=True)
    assert depth.any()
    assert np.allclose(plain.distance, outside)
    assert np.allclose(signed.distance, outside - depth)
    assert plain.results["n"].iloc[0] == (outside > 0).sum()
    assert signed.results["n"].iloc[0] == table.n_obs
    assert plain.bands["band"].astype(str).iloc[0] == "inside"
    assert "inside" not in set(signed.bands["band"])


def test_a_data_frame_of_circles_has_radii(table):
    frame = gpd.GeoDataFrame({"radius": [100.0, 300.0]}, geometry=[shapely.Point(300, 300), shapely.Point(1200, 800)])
    found = s3.tl.distance_gradient(table, frame, genes="GENE1", signed=True, copy=True).distance
    xy = table.obsm["spatial"]
    wanted = [np.linalg.norm(xy - centre, axis=1) - r for centre, r in (((300, 300), 100), ((1200, 800), 300))]
    assert np.allclose(found, np.min(wanted, axis=0))


def turned(angle: float, scale: float) -> np.ndarray:
    matrix = np.eye(3)
    matrix[:2, :2] = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix[:2, 2] = 70.0, -30.0
    return matrix


@pytest.mark.parametrize("kind", ["polygons", "circles", "points"])
def test_elements_are_taken_into_the_system_of_the_spots(sdata, kind):
    """Shapes of another unit and orientation, and spots too: distances are those in the system that both share."""
    from spatialdata.models import PointsModel, ShapesModel
    from spatialdata.transformations import Affine, Scale, set_transformation

    matrix = turned(0.6, 2.5)
    affine = Affine(matrix, input_axes=("x", "y"), output_axes=("x", "y"))
    own = np.array([[100.0, 50.0], [300.0, 200.0], [200.0, 20.0]])
    there = own @ matrix[:2, :2].T + matrix[:2, 2]
    set_transformation(sdata.shapes["spots"], Scale([2.0, 2.0], axes=("x", "y")), "global")
    xy = 2.0 * sdata.tables["table"].obsm["spatial"]
    spots = [shapely.Point(place) for place in xy]
    if kind == "points":
        sdata.points["plaques"] = PointsModel.parse(own, transformations={"global": affine})
        wanted = [min(spot.distance(shapely.Point(place)) for place in there) for spot in spots]
    elif kind == "circles":
        sdata.shapes["plaques"] = ShapesModel.parse(own, geometry=0, radius=20.0, transformations={"global": affine})
        wanted = [max(min(spot.distance(shapely.Point(place)) for place in there) - 50.0, 0) for spot in spots]
    else:
        frame = gpd.GeoDataFrame(geometry=[shapely.Polygon(own)])
        sdata.shapes["plaques"] = ShapesModel.parse(frame, transformations={"global": affine})
        wanted = [spot.distance(shapely.Polygon(there)) for spot in spots]
    s3.tl.distance_gradient(sdata, "plaques", genes="GENE1")
    table = sdata.tables["table"]
    assert np.allclose(table.obs["distance_to_plaques"], wanted)
    assert table.uns["distance_gradient"]["params"]["coordinates"] == "spatial_distance_gradient"
    assert np.allclose(table.obsm["spatial_distance_gradient"], xy)


def test_circles_under_unequal_scales_are_ellipses(sdata):
    from spatialdata.models import ShapesModel
    from spatialdata.transformations import Scale

    stretch = Scale([4.0, 1.0], axes=("x", "y"))
    sdata.shapes["vessel"] = ShapesModel.parse(
        np.array([[200.0, 500.0]]), geometry=0, radius=50.0, transformations={"global": stretch}
    )
    s3.tl.distance_gradient(sdata, "vessel", genes="GENE1", signed=True)
    ellipse = shapely.affinity.scale(shapely.Point(800, 500).buffer(50, quad_segs=64), 4, 1)
    xy = sdata.tables["table"].obsm["spatial"]
    outside = np.array([shapely.Point(place).distance(ellipse) for place in xy])
    found = sdata.tables["table"].obs["distance_to_vessel"].to_numpy()
    assert np.allclose(np.maximum(found, 0), outside)
    assert "spatial_distance_gradient" not in sdata.tables["table"].obsm


def test_rows_of_table_and_shapes_may_differ_in_order(sdata):
    order = np.random.default_rng(1).permutation(sdata.tables["table"].n_obs)
    shuffled = sdata.tables["table"][order].copy()
    from spatialdata.models import PointsModel

    sdata.points["here"] = PointsModel.parse(np.array([[400.0, 400.0]]))
    sdata.tables["table"] = shuffled
    s3.tl.distance_gradient(sdata, "here", genes="GENE1")
    wanted = np.linalg.norm(shuffled.obsm["spatial"] - 400.0, axis=1)
    assert np.allclose(sdata.tables["table"].obs["distance_to_here"], wanted)


def test_every_slice_may_have_its_own_target(table):
    points = {"left": [[0.0, 0.0]], "right": [[2000.0, 0.0], [2000.0, 900.0]]}
    found = s3.tl.distance_gradient(table, points, genes="GENE1", library_key="half", copy=True).distance.to_numpy()
    xy, left = table.obsm["spatial"], (table.obs["half"] == "left").to_numpy()
    assert np.allclose(found[left], np.linalg.norm(xy[left], axis=1))
    both = [np.linalg.norm(xy[~left] - place, axis=1) for place in points["right"]]
    assert np.allclose(found[~left], np.min(both, axis=0))
    alone = s3.tl.distance_gradient(table, {"left": [[0, 0]]}, genes="GENE1", library_key="half", copy=True)
    assert alone.distance.isna().to_numpy().tolist() == (~left).tolist()
    assert alone.results["n"].iloc[0] == left.sum()


def test_distances_to_a_domain_stay_within_slices(table):
    found = s3.tl.distance_gradient(table, ("domain", "L1"), genes="GENE1", library_key="half", copy=True).distance
    xy, half = table.obsm["spatial"], table.obs["half"].to_numpy()
    members = (table.obs["domain"] == "L1").to_numpy()
    for k in range(0, table.n_obs, 17):
        near = xy[members & (half == half[k])]
        assert found.iloc[k] == pytest.approx(np.linalg.norm(near - xy[k], axis=1).min())


def test_names_of_columns(table):
    table.obs["layers"] = table.obs["domain"].cat.rename_categories({"L1": "L1/2"})
    s3.tl.distance_gradient(table, ("layers", ["L1/2", "L2"]), genes="GENE1")
    s3.tl.distance_gradient(table, [[0, 0]], genes="GENE1")
    s3.tl.distance_gradient(table, [[0, 0]], genes="GENE1", key_added="vessel")
    assert {"distance_to_L1-2_L2", "distance_to_target", "distance_to_vessel"} <= set(table.obs)


# ------------------------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("target", "kind", "says"),
    [
        ("vessels", errors.DataTypeError, "target: names an element"),
        (("domain", "L9"), errors.MissingKeyError, "target: names no spot.*L1"),
        (("layer", "L1"), errors.MissingKeyError, r"obs\['layer'\]"),
        (("domain", ["L1", "L2", "L3", "WM"]), errors.InputError, "target: covers all spots"),
        (np.empty((0, 2)), errors.InputError, "target: is empty"),
        ([], errors.InputError, "target: is empty"),
        ([[0.0, np.nan]], errors.CoordinatesError, "target: has points without finite"),
        (np.zeros((4, 3)), errors.ParameterError, r"target: is not an \(m, 2\) array"),
        (object(), errors.ParameterError, "target: is no structure"),
        (shapely.Polygon(), errors.InputError, "target: has geometries that are missing or empty"),
        (gpd.GeoSeries([]), errors.InputError, "target: is empty"),
        (shapely.Point(np.nan, 1), errors.S3RLError, "target: has geometries"),
        ({"left": [[0, 0]]}, errors.MissingKeyError, "target: names slices that are not there.*library_key"),
        (shapely.box(-1e5, -1e5, 1e5, 1e5), errors.InputError, "target: no spot is outside"),
    ],
    ids=str,
)
def test_targets_that_are_none(table, target, kind, says):
    before = table.copy()
    with pytest.raises(kind, match=says):
        s3.tl.distance_gradient(table, target, genes="GENE1")
    assert set(table.obs) == set(before.obs)
    assert set(table.uns) == set(before.uns)


def test_elements_that_are_none(sdata):
    from spatialdata.models import PointsModel
    from spatialdata.transformations import Identity

    sdata.points["far"] = PointsModel.parse(np.array([[1.0, 1.0]]), transformations={"moon": Identity()})
    sdata.points["broken"] = PointsModel.parse(np.array([[1.0, np.nan]]))
    with pytest.raises(errors.MissingKeyError, match=r"target: names no shapes.*Available: spots, far, broken"):
        s3.tl.distance_gradient(sdata, "vessels")
    with pytest.raises(errors.InputError, match="no coordinate system in common"):
        s3.tl.distance_gradient(sdata, "far")
    with pytest.raises(errors.CoordinatesError, match=r"points\['broken'\]: has points without finite"):
        s3.tl.distance_gradient(sdata, "broken")


@pytest.mark.parametrize(
    ("arguments", "kind", "says"),
    [
        ({"bands": (0, 10, 10)}, errors.ParameterError, "bands: must increase"),
        ({"bands": (0, np.inf, 10)}, errors.ParameterError, "bands: must increase"),
        ({"bands": 0}, errors.ParameterError, "bands: must be a number"),
        ({"bands": True}, errors.ParameterError, "bands: must be a number"),
        ({"bands": "near"}, errors.ParameterError, "bands: must be a number"),
        ({"bands": (1e6, 2e6)}, errors.InputError, "bands: hold no spot"),
        ({"genes": ["PLP1"]}, errors.MissingKeyError, "genes: has names that are not in var_names"),
        ({"genes": []}, errors.ParameterError, "genes: must name 1"),
        ({"genes": ["GENE1", "GENE1"]}, errors.ParameterError, "genes: .*each once"),
        ({"layers": ("smooth",)}, errors.MissingKeyError, r"layers\['smooth'\]"),
        ({"layers": ("counts",)}, errors.CountsError, r"layers\['counts'\]: looks like raw counts"),
        ({"layers": ()}, errors.ParameterError, "layers: must name layers"),
        ({"layers": (None, None)}, errors.ParameterError, "layers: must name layers"),
        ({"groupby": "cell"}, errors.MissingKeyError, r"obs\['cell'\]"),
        ({"groupby": "type", "min_spots": 1000}, errors.LabelsError, r"obs\['type'\]: has no group of 1000"),
        ({"min_spots": 1}, errors.ParameterError, "min_spots"),
        ({"signed": "yes"}, errors.ParameterError, "signed"),
        ({"calibrate": -1}, errors.ParameterError, "calibrate"),
        ({"calibrate": 0.5}, errors.ParameterError, "calibrate"),
        ({"library_key": "slide"}, errors.MissingKeyError, r"obs\['slide'\]"),
        ({"rng": -1}, errors.ParameterError, "rng"),
    ],
    ids=str,
)
def test_arguments_out_of_range(table, arguments, kind, says):
    with pytest.raises(kind, match=says):
        s3.tl.distance_gradient(table, ("domain", "WM"), **arguments)
    assert "distance_gradient" not in table.uns


def test_calibration_of_a_denoised_layer_needs_its_embedding(table):
    del table.obsm["X_s3rl"]
    with pytest.raises(errors.MissingKeyError, match=r"obsm\['X_s3rl'\]"):
        s3.tl.distance_gradient(table, ("domain", "WM"), genes="GENE1", calibrate=9)


def test_small_groups_are_skipped_and_named(table, caplog):
    with caplog.at_level(logging.INFO, logger="s3rl"):
        found = s3.tl.distance_gradient(table, ("domain", "WM"), genes="GENE1", groupby="type", copy=True).results
    assert set(found["group"]) == {"a", "b"}
    assert any("skipped: c (" in record.getMessage() for record in caplog.records)


@pytest.mark.real
def test_myelin_falls_and_neurons_rise_from_the_white_matter_of_a_real_cortex(real_data):
    import anndata as ad

    adata = ad.read_h5ad(real_data / "dlpfc" / "151673.h5ad")
    s3.pp.normalize(adata, n_top_genes=500)
    found = s3.tl.distance_gradient(
        adata, ("ground_truth", "WM"), genes=["MBP", "PLP1", "MOBP", "ENC1", "HPCAL1", "NRGN"], copy=True
    ).results.set_index("gene")
    assert (found.loc[["MBP", "PLP1", "MOBP"], "rho"] < -0.3).all()
    assert (found.loc[["ENC1", "HPCAL1", "NRGN"], "rho"] > 0.2).all()
    assert (found["pvalue_spatial"] < 0.05).all()
