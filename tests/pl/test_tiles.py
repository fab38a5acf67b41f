"""Contact sheets: which tiles are drawn where, in which values, and from which chunks."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle
from pl.slides import COLUMNS, SIDE, N, blocks, counted, pixels_of, slide, two_slides

import s3rl as s3
from s3rl._slots.palette import UNLABELLED
from s3rl.errors import DataTypeError, InputError, MissingKeyError, ParameterError, StoreError
from s3rl.pl._montage import GAP, PADDED, nice_length


def cells(ax) -> dict[tuple[int, int], np.ndarray]:
    """Pictures by row and column."""
    found = {}
    for image in ax.images:
        left, right, bottom, top = image.get_extent()
        assert (right - left, bottom - top) == pytest.approx((1, 1))
        found[round(top / (1 + GAP)), round(left / (1 + GAP))] = np.asarray(image.get_array())
    assert len(found) == len(ax.images)
    return found


def patches(ax, *, filled: bool) -> list[Rectangle]:
    return [patch for patch in ax.patches if (patch.get_facecolor()[3] > 0) == filled]


def names(ax) -> list[str]:
    return [label.get_text() for label in ax.get_yticklabels()]


@pytest.fixture
def sdata():
    sdata = slide()
    s3.pp.make_tiles(sdata, "he", size=SIDE)
    return sdata


def test_rows_are_domains_with_their_names_numbers_and_colours(sdata):
    ax = s3.pl.tiles(sdata)
    assert names(ax) == ["a (6)", "b (6)", "c (6)", "d (5)", "unlabelled (1)"]
    stripes = sorted(patches(ax, filled=True), key=lambda patch: patch.get_y())
    assert [to_hex(patch.get_facecolor()) for patch in stripes] == [
        "#ff0000",
        "#00ff00",
        "#0000ff",
        "#ffff00",
        UNLABELLED.lower(),
    ]
    assert [patch.get_y() for patch in stripes] == pytest.approx(ax.get_yticks() - 0.5)
    assert ax.get_ylim()[0] > ax.get_ylim()[1]


def test_all_tiles_of_a_domain_in_the_order_of_the_table(sdata):
    """A tile of three channels keeps the proportions of its values; the brightest block is white or nearly so."""
    drawn = cells(s3.pl.tiles(sdata, n_per_group=COLUMNS))
    values = blocks().astype(float)
    assert len(drawn) == N
    top = np.percentile(values.repeat(SIDE * SIDE, axis=0), 99.8)
    for number, value in enumerate(values[:-1]):
        picture = drawn[divmod(number, COLUMNS)]
        assert picture.shape == (SIDE, SIDE, 3)
        assert picture == pytest.approx(np.broadcast_to(np.minimum(value / top, 1), picture.shape))
    assert drawn[4, 0] == pytest.approx(np.broadcast_to(np.minimum(values[-1] / top, 1), (SIDE, SIDE, 3)))


def test_the_choice_is_seeded_and_each_group_for_itself(sdata):
    def drawn(**arguments):
        found = cells(s3.pl.tiles(sdata, n_per_group=2, **arguments))
        return {place: int(picture[0, 0, 0] * 1000) for place, picture in found.items()}

    assert drawn() == drawn(rng=0)
    assert len({tuple(drawn(rng=seed).values()) for seed in range(5)}) > 1
    assert len(drawn()) == 9
    before = cells(s3.pl.tiles(sdata, n_per_group=1, rng=3))
    table = sdata.tables["table"]
    table.obs.loc[table.obs["s3rl_domain"] == "d", "s3rl_domain"] = None
    after = cells(s3.pl.tiles(sdata, n_per_group=1, rng=3))
    order = [before[row, 0][0, 0, 0] for row in (0, 1, 2)], [after[row, 0][0, 0, 0] for row in (0, 1, 2)]
    # the scale moves with the tiles that are drawn, the choice does not
    assert np.allclose(np.divide(*order), np.divide(*order)[0])


def test_without_domains_all_are_one_group(sdata):
    del sdata.tables["table"].obs["s3rl_domain"]
    ax = s3.pl.tiles(sdata, n_per_group=5)
    assert names(ax) == ["all (24)"]
    assert len(ax.images) == 5
    assert not ax.patches


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("n_channels", [1, 2, 3, 4, 5])
def test_every_kind_of_pixels_can_be_seen(n_channels, dtype):
    sdata = slide(n_channels, dtype)
    s3.pp.make_tiles(sdata, "he", size=SIDE)
    ax = s3.pl.tiles(sdata, n_per_group=COLUMNS)
    drawn = cells(ax)
    shown = np.array([drawn[divmod(number, COLUMNS)][5, 5] for number in range(N - 1)])
    assert shown.min() >= 0
    assert shown.max() <= 1
    assert shown.max() - shown.min() > 0.8
    own = {1: [0, 0, 0], 2: [0, 1, 0]}.get(n_channels, [0, 1, 2])
    for color, channel in enumerate(own):
        values = blocks(n_channels, dtype)[:-1, channel].astype(float)
        assert np.corrcoef(values, shown[:, color])[0, 1] > 0.99
    legend = {2: "magenta: 0, green: 1", 4: "red: 0, green: 1, blue: 2", 5: "red: 0, green: 1, blue: 2"}
    assert ax.get_title().split("\n")[1:] == ([legend[n_channels]] if n_channels in legend else [])


def test_two_channels_are_magenta_and_green():
    values = np.zeros((N, 2), np.uint8)
    values[:3, 0] = values[3:6, 1] = 200
    sdata = slide(image=pixels_of(values))
    s3.pp.make_tiles(sdata, "he", size=SIDE)
    drawn = cells(s3.pl.tiles(sdata, n_per_group=COLUMNS))
    assert drawn[0, 0][0, 0].tolist() == [1, 0, 1]
    assert drawn[0, 5][0, 0].tolist() == [0, 1, 0]
    assert drawn[1, 0][0, 0].tolist() == [0, 0, 0]


def test_values_that_are_not_finite_are_black():
    values = blocks(1, "float32")
    values[3] = np.nan
    sdata = slide(image=pixels_of(values))
    s3.pp.make_tiles(sdata, "he", size=SIDE)
    drawn = cells(s3.pl.tiles(sdata, n_per_group=COLUMNS))
    assert (drawn[0, 3] == 0).all()
    assert drawn[3, 4].min() > 0.9


def test_only_the_chunks_of_the_chosen_tiles_are_read():
    image, decoded = counted(pixels_of(blocks()))
    sdata = slide(image=image)
    s3.pp.make_tiles(sdata, "he", size=SIDE)
    decoded.clear()
    s3.pl.tiles(sdata, n_per_group=1)
    assert len(decoded) == len(set(decoded)) == 5
    assert sorted(row for _, row, _ in decoded) == [0, 1, 2, 3, 3]


def test_tiles_beyond_the_image_are_drawn_and_framed(sdata):
    s3.pp.make_tiles(sdata, "he", size=2 * SIDE)
    ax = s3.pl.tiles(sdata, n_per_group=COLUMNS)
    padded = (sdata.shapes["he_tiles"]["padded"] > 0).to_numpy()
    framed = {
        (round(patch.get_y() / (1 + GAP)), round(patch.get_x() / (1 + GAP))) for patch in patches(ax, filled=False)
    }
    assert padded.sum() == 16
    assert framed == {divmod(number, COLUMNS) for number in np.flatnonzero(padded[:-1])} | {(4, 0)}
    assert {to_hex(patch.get_edgecolor()) for patch in patches(ax, filled=False)} == {PADDED.lower()}
    assert len(cells(ax)) == N


def test_the_bar_is_as_long_as_it_says(sdata):
    assert not s3.pl.tiles(sdata).texts
    s3.pp.make_tiles(sdata, "he", size=SIDE, microns_per_unit=0.8)
    ax = s3.pl.tiles(sdata)
    (bar,) = ax.get_lines()
    (text,) = ax.texts
    assert text.get_text() == "10 µm"
    assert np.ptp(bar.get_xdata()) == pytest.approx(10 / (0.8 * SIDE))
    assert bar.get_ydata()[0] > 5 * (1 + GAP) - GAP
    assert ax.get_ylim()[0] > bar.get_ydata()[0]
    assert ax.get_title() == "he_tiles (20 px, 16 µm)"


@pytest.mark.parametrize(("most", "length"), [(1, 1), (1.9, 1), (2, 2), (49, 20), (50, 50), (0.07, 0.05), (999, 500)])
def test_lengths_are_round(most, length):
    assert nice_length(most) == pytest.approx(length)


def test_tiles_of_two_images_in_one_sheet():
    sdata = two_slides()
    for number in (1, 2):
        s3.pp.make_tiles(sdata, f"he{number}", size=SIDE, region_key=["one", "two"][number - 1])
    ax = s3.pl.tiles(sdata, n_per_group=2 * COLUMNS)
    assert names(ax)[0] == "a (12)"
    drawn = cells(ax)
    first, second = (np.array([drawn[0, start + i][0, 0, 1] for i in range(COLUMNS)]) for start in (0, COLUMNS))
    values = blocks()[:COLUMNS, 1].astype(float)
    assert np.allclose(first / second, values / (values // 2))
    assert ax.get_title() == "he1_tiles, he2_tiles (20 px)"


def test_on_the_axes_of_the_user_and_into_a_file(sdata, tmp_path):
    figure, axes = plt.subplots(1, 2)
    assert s3.pl.tiles(sdata, ax=axes[0], save=tmp_path / "a.png") is axes[0]
    assert plt.get_fignums() == [figure.number]
    assert plt.imread(tmp_path / "a.png").shape[2] == 4
    with pytest.raises(StoreError, match="save"):
        s3.pl.tiles(sdata, save=tmp_path / "nowhere" / "a.png")


@pytest.mark.parametrize(
    ("arguments", "kind", "key"),
    [
        ({"n_per_group": 0}, ParameterError, "n_per_group"),
        ({"n_per_group": 2.5}, ParameterError, "n_per_group"),
        ({"rng": -1}, ParameterError, "rng"),
        ({"groupby": "lost"}, MissingKeyError, "obs['lost']"),
        ({"tiles_key": "lost"}, MissingKeyError, "shapes['lost']"),
        ({"tiles_key": "spots"}, InputError, "shapes['spots']"),
        ({"table_key": "lost"}, MissingKeyError, "table_key"),
        ({"ax": "left"}, ParameterError, "ax"),
    ],
)
def test_what_cannot_be_drawn(sdata, arguments, kind, key):
    with pytest.raises(kind) as caught:
        s3.pl.tiles(sdata, **arguments)
    assert caught.value.key == key
    assert not plt.get_fignums()


def test_what_has_no_tiles(sdata):
    with pytest.raises(DataTypeError, match="to_spatialdata"):
        s3.pl.tiles(sdata.tables["table"])
    del sdata.shapes["he_tiles"]
    with pytest.raises(MissingKeyError, match="make_tiles"):
        s3.pl.tiles(sdata)


@pytest.mark.real
def test_a_real_section(real_data):
    import anndata as ad

    adata = ad.read_h5ad(real_data / "her2st" / "A1.h5ad")
    sdata = s3.pp.to_spatialdata(adata)
    s3.pp.make_tiles(sdata, next(iter(sdata.images)), size=32)
    ax = s3.pl.tiles(sdata, n_per_group=6)
    assert len(ax.images) == 6
    assert 0.4 < np.mean([image.get_array().mean() for image in ax.images]) < 0.99
