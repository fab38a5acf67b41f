"""Domains of the image beside the image, from both kinds of objects."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import EllipseCollection
from matplotlib.colors import to_hex
from pl.slides import COLUMNS, SIDE, N, slide, two_slides
from sklearn.metrics import adjusted_rand_score

import s3rl as s3
from s3rl.errors import DataTypeError, LabelsError, MissingKeyError, StoreError


def with_clusters(table):
    """Domains of the image: halves of the slide from left to right."""
    columns = np.arange(table.n_obs) % COLUMNS
    table.obs["simclr_leiden"] = pd.Categorical(np.where(columns < 3, "0", "1"))
    table.uns["simclr_leiden_colors"] = ["#111111", "#eeeeee"]
    table.obs["truth"] = pd.Categorical(np.where(columns < 2, "left", "right"))
    return table


@pytest.fixture
def sdata():
    sdata = slide()
    with_clusters(sdata.tables["table"])
    return sdata


@pytest.fixture
def visium(sdata):
    adata = sdata.tables["table"].copy()
    del adata.uns["spatialdata_attrs"]
    pictures = {"hires": np.full((40, 60, 3), 0.5), "lowres": np.full((8, 12, 3), 0.5)}
    scales = {"tissue_hires_scalef": 0.5, "tissue_lowres_scalef": 0.1, "spot_diameter_fullres": 10.0}
    adata.uns["spatial"] = {"slide": {"images": pictures, "scalefactors": scales}}
    return adata


def face_colors(ax) -> list[str]:
    (spots,) = [c for c in ax.collections if not isinstance(c, EllipseCollection)]
    return [to_hex(color) for color in spots.get_facecolors()]


@pytest.mark.parametrize("kind", ["sdata", "visium"])
def test_image_then_domains_then_references(kind, request):
    data = request.getfixturevalue(kind)
    table = data if kind == "visium" else data.tables["table"]
    axes = s3.pl.image_domains(data, reference_key=["s3rl_domain", "truth"])
    both = table.obs["s3rl_domain"].notna()
    index = [
        adjusted_rand_score(table.obs.loc[known, name], table.obs.loc[known, "simclr_leiden"])
        for name, known in (("s3rl_domain", both), ("truth", slice(None)))
    ]
    assert [ax.get_title() for ax in axes] == [
        "hires" if kind == "visium" else "he",
        "simclr_leiden",
        f"s3rl_domain (ARI {index[0]:.2f})",
        f"truth (ARI {index[1]:.2f})",
    ]
    assert not axes[0].collections
    assert len(axes[0].images) == 1
    assert axes[0].images[0].get_alpha() in (None, 1.0)
    assert face_colors(axes[1]) == ["#111111" if name == "0" else "#eeeeee" for name in table.obs["simclr_leiden"]]
    assert all(len(ax.images) == 1 for ax in axes)
    for ax in axes[1:]:
        assert ax.get_xlim() == pytest.approx(axes[0].get_xlim())
        assert ax.get_ylim() == pytest.approx(axes[0].get_ylim())
    assert [ax.get_legend() is not None for ax in axes] == [False, True, True, True]
    assert "unlabelled" in [text.get_text() for text in axes[2].get_legend().get_texts()]


def test_the_resolution_is_chosen(visium):
    for image_key, width in ((None, 60), ("lowres", 12)):
        axes = s3.pl.image_domains(visium, image_key=image_key)
        assert len(axes) == 2
        assert axes[0].images[0].get_array().shape[1] == width


def test_a_grey_image(visium):
    visium.uns["spatial"]["slide"]["images"]["hires"] = np.linspace(0, 1, 2400).reshape(40, 60)
    shown = np.asarray(s3.pl.image_domains(visium)[0].images[0].get_array())
    assert shown.shape == (40, 60, 3)
    assert np.array_equal(shown[..., 0], shown[..., 2])


@pytest.mark.parametrize(("n_channels", "dtype"), [(1, "uint8"), (2, "uint16"), (3, "float32"), (5, "uint16")])
def test_images_of_other_kinds(n_channels, dtype):
    sdata = slide(n_channels, dtype)
    with_clusters(sdata.tables["table"])
    axes = s3.pl.image_domains(sdata)
    axes[0].figure.canvas.draw()
    shown = np.asarray(axes[0].figure.canvas.buffer_rgba())[..., :3]
    assert np.ptp(shown.astype(int)) > 100
    assert axes[0].images


def test_one_row_for_each_slice():
    sdata = two_slides()
    table = with_clusters(sdata.tables["table"])
    axes = s3.pl.image_domains(sdata, reference_key="truth", library_key="region")
    assert [ax.get_title().split(" (")[0] for ax in axes] == [
        *("one: he1", "simclr_leiden", "truth"),
        *("two: he2", "simclr_leiden", "truth"),
    ]
    assert [ax.get_legend() is not None for ax in axes] == [False, True, True, False, False, False]
    assert len(face_colors(axes[4])) == N == table.n_obs // 2


def test_nothing_is_written(sdata):
    from laws.contents import changed, contents

    table = sdata.tables["table"]
    before = contents(table)
    s3.pl.image_domains(sdata)
    assert changed(before, contents(table)) == set()


def test_what_cannot_be_drawn(sdata, visium, tmp_path):
    with pytest.raises(DataTypeError):
        s3.pl.image_domains(visium.obs)
    with pytest.raises(MissingKeyError, match=r"images\['he2'\]|he2"):
        s3.pl.image_domains(sdata, image_key="he2")
    with pytest.raises(MissingKeyError, match="lost"):
        s3.pl.image_domains(sdata, reference_key="lost")
    sdata.tables["table"].obs["depth"] = np.linspace(0, 1, N)
    with pytest.raises(LabelsError, match="depth"):
        s3.pl.image_domains(sdata, key="depth")
    with pytest.raises(StoreError, match="save"):
        s3.pl.image_domains(sdata, save=tmp_path / "nowhere" / "a.png")
    plt.close("all")
    for data in (sdata, visium):
        table = data if data is visium else data.tables["table"]
        del table.obs["simclr_leiden"]
        with pytest.raises(MissingKeyError, match=r"s3\.tl\.cluster\(data, 'leiden', use_rep='X_simclr'\)"):
            s3.pl.image_domains(data)
        with_clusters(table)
    del visium.uns["spatial"]
    del sdata.images["he"]
    for data in (sdata, visium):
        with pytest.raises(MissingKeyError, match=r"s3\.pl\.domains"):
            s3.pl.image_domains(data)
    assert not plt.get_fignums()


def test_the_image_of_the_figure_is_where_the_spots_are(sdata):
    """Every spot lies in the block of the image that it stands for, in the coordinates of the panel."""
    ax = s3.pl.image_domains(sdata)[0]
    (image,) = ax.images
    ax.figure.canvas.draw()
    left, right, bottom, top = image.get_extent()
    corners = ax.transData.inverted().transform(image.get_transform().transform([[left, bottom], [right, top]]))
    assert np.abs(np.ptp(corners, axis=0)) == pytest.approx([COLUMNS * SIDE, 4 * SIDE], rel=0.02)
