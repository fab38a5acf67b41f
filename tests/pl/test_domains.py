"""Domains on tissue: where the artists lie, how large they are and in which colours."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import EllipseCollection
from matplotlib.colors import to_hex
from sklearn.metrics import adjusted_rand_score

import s3rl as s3
from s3rl._slots.palette import UNLABELLED, domain_colors
from s3rl.errors import CoordinatesError, LabelsError, MissingKeyError, ParameterError, StoreError


def circles(ax) -> EllipseCollection:
    (found,) = [c for c in ax.collections if isinstance(c, EllipseCollection)]
    return found


def hexes(colors) -> list[str]:
    return [to_hex(color) for color in colors]


def legend(ax) -> dict[str, str]:
    shown = ax.get_legend()
    marks = [to_hex(handle.get_color()) for handle in shown.legend_handles]
    return dict(zip((text.get_text() for text in shown.get_texts()), marks, strict=True))


@pytest.fixture
def visium(grid):
    """The lattice over an image whose pixels are 5 units of the coordinates wide."""
    image = np.full((140, 450, 3), 0.5)
    scales = {"tissue_hires_scalef": 0.2, "spot_diameter_fullres": 30.0}
    grid.uns["spatial"] = {"slide": {"images": {"hires": image}, "scalefactors": scales}}
    return grid


@pytest.fixture(scope="module")
def sdata():
    return s3.datasets.simulated_cortex(
        60, 20, n_layers=3, n_slices=2, shift=40.0, params={"pixel_size": 20.0, "n_pairs": 0}
    )


def test_circles_lie_where_the_spots_are_in_the_colours_of_their_domain(grid):
    (ax,) = s3.pl.domains(grid)
    drawn = circles(ax)
    assert np.array_equal(drawn.get_offsets(), grid.obsm["spatial"])
    codes = grid.obs["s3rl_domain"].cat.codes
    assert hexes(drawn.get_facecolors()) == [grid.uns["s3rl_domain_colors"][code] for code in codes]
    assert legend(ax) == {"0": "#ff0000", "1": "#00ff00", "2": "#0000ff"}
    assert ax.get_title() == "s3rl_domain"


def test_tissue_is_an_image_equal_units_and_y_downwards(grid):
    (ax,) = s3.pl.domains(grid)
    assert ax.get_aspect() == 1.0
    bottom, top = ax.get_ylim()
    assert bottom > grid.obsm["spatial"][:, 1].max() > grid.obsm["spatial"][:, 1].min() > top
    left, right = ax.get_xlim()
    assert left < 1000
    assert right > 1950


def test_circles_touch_where_no_size_is_known_and_grow_with_the_axes(grid):
    (ax,) = s3.pl.domains(grid)
    drawn = circles(ax)
    assert drawn.get_widths() == pytest.approx([50.0])
    before = _coloured(ax)
    ax.set_xlim(0, 4000)
    ax.set_ylim(4000, 0)
    assert 0 < _coloured(ax) < 0.5 * before


def _coloured(ax) -> int:
    ax.figure.canvas.draw()
    pixels = np.asarray(ax.figure.canvas.buffer_rgba())
    return int((pixels[..., :3] == (255, 0, 0)).all(axis=-1).sum())


def test_circles_have_the_size_of_the_spots(visium):
    (ax,) = s3.pl.domains(visium, image=False)
    assert circles(ax).get_widths() == pytest.approx([30.0])


def test_default_colours(grid):
    del grid.uns["s3rl_domain_colors"]
    (ax,) = s3.pl.domains(grid)
    assert [color.upper() for color in legend(ax).values()] == domain_colors(3)
    assert "s3rl_domain_colors" not in grid.uns


def test_reference_beside_with_the_rand_index_over_labelled_spots(grid):
    grid.obs.loc["spot1", "s3rl_domain"] = "2"
    left, right = s3.pl.domains(grid, reference_key="truth")
    known = grid.obs["truth"].notna()
    index = adjusted_rand_score(grid.obs["truth"][known], grid.obs["s3rl_domain"][known])
    assert left.get_title() == f"s3rl_domain (ARI {index:.2f})"
    assert index < 1
    assert right.get_title() == "truth"
    grey = np.array(hexes(circles(right).get_facecolors())) == UNLABELLED.lower()
    assert np.array_equal(grey, ~known)
    assert legend(right)["unlabelled"] == UNLABELLED.lower()
    assert "unlabelled" not in legend(left)


def test_one_panel_for_each_slice(grid):
    axes = s3.pl.domains(grid, library_key="half")
    assert [ax.get_title() for ax in axes] == ["left: s3rl_domain", "right: s3rl_domain"]
    for ax, name in zip(axes, ("left", "right"), strict=True):
        assert np.array_equal(circles(ax).get_offsets(), grid.obsm["spatial"][grid.obs["half"] == name])
    assert [ax.get_legend() is not None for ax in axes] == [False, True]
    # domain 2 has no spot at the left and keeps its colour at the right
    assert hexes(circles(axes[1]).get_facecolors())[-1] == "#0000ff"
    rows = s3.pl.domains(grid, library_key="half", reference_key="truth")
    assert [ax.get_title().split(" (")[0] for ax in rows] == [
        "left: s3rl_domain",
        "left: truth",
        "right: s3rl_domain",
        "right: truth",
    ]


def test_over_the_image_of_an_anndata(visium):
    before = visium.copy()
    (ax,) = s3.pl.domains(visium)
    (image,) = ax.images
    assert image.get_array().shape[:2] == (140, 450)
    (spots,) = ax.collections
    centres = np.array([path.get_extents().get_points().mean(axis=0) for path in spots.get_paths()])
    assert np.allclose(centres, visium.obsm["spatial"] * 0.2, atol=1e-6)
    radii = [path.get_extents().width / 2 for path in spots.get_paths()]
    assert np.allclose(radii, 15 * 0.2, rtol=0.02)
    codes = visium.obs["s3rl_domain"].cat.codes
    assert hexes(spots.get_facecolors()) == [visium.uns["s3rl_domain_colors"][code] for code in codes]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]
    assert set(visium.uns) == set(before.uns)
    assert list(visium.uns["s3rl_domain_colors"]) == list(before.uns["s3rl_domain_colors"])


def test_over_the_images_of_a_spatialdata(sdata):
    axes = s3.pl.domains(sdata, key="domain", library_key="slice")
    table = sdata.tables["table"]
    for ax, name in zip(axes, ("slice1", "slice2"), strict=True):
        assert len(ax.images) == 1
        mine = table.obs["slice"] == name
        (spots,) = ax.collections
        assert len(spots.get_facecolors()) == mine.sum()
        known = dict(zip(table.obs["domain"].cat.categories, table.uns["domain_colors"], strict=True))
        assert hexes(spots.get_facecolors()) == [known[label] for label in table.obs["domain"][mine]]
        xy = table.obsm["spatial"][mine]
        (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
        assert left < xy[:, 0].min()
        assert right > xy[:, 0].max()
        assert bottom > xy[:, 1].max()
        assert top < xy[:, 1].min()
        assert max(right - xy[:, 0].max(), xy[:, 0].min() - left) < 0.2 * np.ptp(xy[:, 0])


def test_a_table_in_another_order_than_its_shapes(sdata):
    """Colours belong to instances, not to rows: the same picture whatever the order of the table."""
    import spatialdata as sd

    one = sdata.tables["table"]
    one = one[one.obs["slice"] == "slice1"].copy()
    one.obs["region"] = one.obs["region"].cat.remove_unused_categories()
    shuffled = one[np.random.default_rng(0).permutation(one.n_obs)].copy()
    pictures = []
    for table in (one, shuffled):
        table.uns["spatialdata_attrs"] = {**table.uns["spatialdata_attrs"], "region": "slice1_spots"}
        small = sd.SpatialData(shapes={"slice1_spots": sdata.shapes["slice1_spots"]}, tables={"table": table})
        (ax,) = s3.pl.domains(small, key="domain")
        ax.get_legend().remove()
        ax.figure.canvas.draw()
        pictures.append(np.asarray(ax.figure.canvas.buffer_rgba()).copy())
    assert np.array_equal(*pictures)


def test_shapes_without_a_row_in_the_table_are_not_drawn(sdata):
    import spatialdata as sd

    table = sdata.tables["table"]
    table = table[(table.obs["slice"] == "slice2") & (table.obs["domain"] != "L1")].copy()
    table.obs["region"] = table.obs["region"].cat.remove_unused_categories()
    table.uns["spatialdata_attrs"] = {**table.uns["spatialdata_attrs"], "region": "slice2_spots"}
    small = sd.SpatialData(shapes={"slice2_spots": sdata.shapes["slice2_spots"]}, tables={"table": table})
    (ax,) = s3.pl.domains(small, key="domain")
    known = dict(zip(table.obs["domain"].cat.categories, table.uns["domain_colors"], strict=False))
    assert hexes(ax.collections[0].get_facecolors()) == [known[label] for label in table.obs["domain"]]
    assert UNLABELLED.lower() not in legend(ax).values()


def test_without_an_image_of_the_spatialdata(sdata):
    axes = s3.pl.domains(sdata, key="domain", library_key="slice", image=False)
    assert not any(ax.images for ax in axes)
    assert all(ax.collections for ax in axes)


def test_draws_on_the_axes_of_the_user_and_closes_nothing(grid):
    figure, axes = plt.subplots(1, 2)
    other = plt.figure()
    (ax,) = s3.pl.domains(grid, ax=axes[1])
    assert ax is axes[1]
    assert not axes[0].collections
    assert set(plt.get_fignums()) == {figure.number, other.number}


def test_saves_and_says_where_it_cannot(grid, tmp_path):
    s3.pl.domains(grid, save=tmp_path / "a.png")
    assert plt.imread(tmp_path / "a.png").shape[2] == 4
    with pytest.raises(StoreError, match="save"):
        s3.pl.domains(grid, save=tmp_path / "nowhere" / "a.png")
    with pytest.raises(StoreError, match="save"):
        s3.pl.domains(grid, save=tmp_path / "a.nonsense")


def test_show_is_asked_for(grid, monkeypatch):
    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.append(1))
    s3.pl.domains(grid)
    s3.pl.domains(grid, show=False)
    assert not shown
    s3.pl.domains(grid, show=True)
    assert shown == [1]


@pytest.mark.parametrize(
    ("arguments", "kind", "key"),
    [
        ({"key": "lost"}, MissingKeyError, "obs['lost']"),
        ({"reference_key": "lost"}, MissingKeyError, "obs['lost']"),
        ({"library_key": "truth"}, LabelsError, "obs['truth']"),
        ({"image_key": "hires"}, MissingKeyError, "image_key"),
        ({"ax": "left"}, ParameterError, "ax"),
    ],
)
def test_what_cannot_be_drawn(grid, arguments, kind, key):
    with pytest.raises(kind) as caught:
        s3.pl.domains(grid, **arguments)
    assert caught.value.key == key
    assert not plt.get_fignums()


def test_several_panels_do_not_fit_on_one_axes(grid):
    with pytest.raises(ParameterError, match="2 panels"):
        s3.pl.domains(grid, reference_key="truth", ax=plt.subplots()[1])


def test_missing_results_name_the_call(grid):
    del grid.obs["s3rl_domain"]
    with pytest.raises(MissingKeyError, match=r"s3\.tl\.s3rl\("):
        s3.pl.domains(grid)


def test_coordinates_that_are_not_finite(grid):
    grid.obsm["spatial"][0, 0] = np.inf
    with pytest.raises(CoordinatesError, match="spatial"):
        s3.pl.domains(grid)


def test_image_that_the_spatialdata_does_not_have(sdata):
    with pytest.raises(MissingKeyError, match="slice1_he"):
        s3.pl.domains(sdata, key="domain", library_key="slice", image_key="he")


@pytest.mark.real
def test_on_a_real_slice_beside_its_annotation(real_data):
    import anndata as ad

    adata = ad.read_h5ad(real_data / "dlpfc" / "151673.h5ad")
    adata.obs["s3rl_domain"] = adata.obs["ground_truth"].cat.add_categories("none").fillna("none")
    left, right = s3.pl.domains(adata, reference_key="ground_truth")
    assert left.get_title() == "s3rl_domain (ARI 1.00)"
    for ax in (left, right):
        assert len(ax.images) == 1
        assert len(ax.collections[0].get_facecolors()) == adata.n_obs
    grey = sum(color == UNLABELLED.lower() for color in hexes(right.collections[0].get_facecolors()))
    assert grey == adata.obs["ground_truth"].isna().sum() == 28
