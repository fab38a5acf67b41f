"""Boxes over their image: where they lie, what is read for them, and what is left out."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import EllipseCollection, PolyCollection
from matplotlib.colors import to_hex
from pl.slides import COLUMNS, SIDE, N, blocks, counted, pixels_of, slide, two_slides
from spatialdata.transformations import Affine, Scale, set_transformation

import s3rl as s3
from s3rl.errors import DataTypeError, InputError, MissingKeyError, ParameterError, StoreError
from s3rl.pl import _tile_boxes
from s3rl.pl._montage import PADDED

TURNED = Affine([[0, 2, 7], [2, 0, -3], [0, 0, 1]], input_axes=("x", "y"), output_axes=("x", "y"))


def boxes(ax, color: str | None = None) -> np.ndarray:
    """Bounds (n, 4) of the boxes of one colour."""
    found = [c for c in ax.collections if isinstance(c, PolyCollection)]
    found = [c for c in found if color is None or to_hex(c.get_edgecolor()[0]) == color.lower()]
    paths = [path.vertices for c in found for path in c.get_paths()]
    return np.array([[*path.min(axis=0), *path.max(axis=0)] for path in paths])


def made(sdata, **arguments):
    s3.pp.make_tiles(sdata, "he", **{"size": SIDE} | arguments)
    return sdata


def lines(bounds: np.ndarray) -> np.ndarray:
    return bounds[np.lexsort(bounds.T)]


def test_boxes_lie_where_they_are_read():
    sdata = made(slide())
    whole, near = s3.pl.tile_boxes(sdata)
    assert np.array_equal(lines(boxes(whole)), lines(sdata.shapes["he_tiles"].geometry.bounds.to_numpy()))
    (image,) = whole.images
    assert image.get_extent() == [0, COLUMNS * SIDE, N // COLUMNS * SIDE, 0]
    assert whole.get_title() == "he_tiles: 24 tiles (20 px)"
    assert whole.get_ylim()[0] > whole.get_ylim()[1]
    assert whole.get_aspect() == near.get_aspect() == 1.0


def test_the_detail_shows_the_middle_with_its_spots():
    sdata = made(slide())
    near = s3.pl.tile_boxes(sdata, center=109)[1]
    (circles,) = [c for c in near.collections if isinstance(c, EllipseCollection)]
    assert circles.get_widths() == pytest.approx(SIDE / 2)
    spots = sdata.tables["table"].obsm["spatial"]
    at = spots[9]
    offsets = np.asarray(circles.get_offsets())
    shown = spots[(np.abs(spots - at) < 3 * SIDE).all(axis=1)]
    assert np.array_equal(lines(offsets), lines(shown))
    assert near.get_xlim() == pytest.approx((at[0] - 3 * SIDE, at[0] + 3 * SIDE))
    assert near.get_title() == "around 109 of 'spots'"
    # its box, thick and on top
    (box,) = near.patches
    assert (*box.get_xy(), box.get_width(), box.get_height()) == (*(at - SIDE / 2), SIDE, SIDE)


def test_the_first_panel_frames_the_second():
    whole, near = s3.pl.tile_boxes(made(slide()), center=100)
    (frame,) = whole.patches
    left, bottom, right, top = *frame.get_xy(), frame.get_x() + frame.get_width(), frame.get_y() + frame.get_height()
    assert (left, right) == pytest.approx(near.get_xlim())
    assert (top, bottom) == pytest.approx(near.get_ylim())


def test_spots_stay_on_their_boxes_through_any_transformation():
    straight, turned = made(slide()), made(slide(transformations={"aligned": TURNED}))
    for sdata in (straight, turned):
        near = s3.pl.tile_boxes(sdata, center=109)[1]
        (circles,) = [c for c in near.collections if isinstance(c, EllipseCollection)]
        assert circles.get_widths() == pytest.approx(SIDE / 2)
        assert (np.abs(np.asarray(circles.get_offsets()) - (150, 30)).max(axis=1) < 1e-6).sum() == 0
        assert (np.abs(np.asarray(circles.get_offsets()) - (70, 30)).max(axis=1) < 1e-6).sum() == 1


def test_circles_have_their_size_in_pixels_of_the_image():
    """Pixels of two units: circles and the distance between them are half of what they are in units."""
    sdata = slide(image=pixels_of(blocks())[:, ::2, ::2])
    set_transformation(sdata.images["he"], Scale([2, 2], axes=("x", "y")), "global")
    near = s3.pl.tile_boxes(made(sdata, size=SIDE // 2), center=109)[1]
    (circles,) = [c for c in near.collections if isinstance(c, EllipseCollection)]
    assert circles.get_widths() == pytest.approx(SIDE / 4)
    offsets = np.asarray(circles.get_offsets())
    assert (np.abs(offsets - (35, 15)).max(axis=1) < 1e-6).sum() == 1
    assert np.abs(np.diff(np.unique(offsets[:, 0].round(6)))).min() == pytest.approx(SIDE / 2)


def test_what_is_not_a_circle_has_a_centroid():
    from spatialdata.models import ShapesModel
    from spatialdata.transformations import Identity

    sdata = slide()
    squares = sdata.shapes["spots"].buffer(4).to_frame("geometry")
    sdata.shapes["spots"] = ShapesModel.parse(squares, transformations={"global": Identity()})
    near = s3.pl.tile_boxes(made(sdata))[1]
    (marks,) = near.get_lines()
    assert marks.get_marker() == "+"
    shown = {tuple(xy) for xy in marks.get_xydata().round(6)}
    assert shown <= {tuple(xy) for xy in sdata.tables["table"].obsm["spatial"]}
    assert "centroid" in [text.get_text() for text in near.get_legend().get_texts()]


def test_boxes_beyond_the_image_have_their_own_colour():
    sdata = made(slide(), size=2 * SIDE)
    axes = s3.pl.tile_boxes(sdata)
    padded = sdata.shapes["he_tiles"]["padded"] > 0
    bounds = sdata.shapes["he_tiles"].geometry.bounds
    assert np.array_equal(lines(boxes(axes[0], PADDED)), lines(bounds[padded].to_numpy()))
    assert len(boxes(axes[0])) == N
    assert "tile beyond\nthe image (16)" in [text.get_text() for text in axes[1].get_legend().get_texts()]


def test_the_image_is_read_as_finely_as_it_is_drawn(monkeypatch):
    """With a pyramid the first panel reads the level that fits, and the second one no chunk outside of its window."""
    monkeypatch.setattr(_tile_boxes, "_PIXELS", 60)
    sdata = made(slide(scale_factors=[2]))
    tree = sdata.images["he"]
    full, decoded = counted(pixels_of(blocks()))
    half, half_decoded = counted(pixels_of(blocks())[:, ::2, ::2])
    for name, pixels in (("scale0", full), ("scale1", half)):
        tree[name]["image"] = tree[name]["image"].copy(data=pixels)
    decoded.clear()
    half_decoded.clear()
    whole, near = s3.pl.tile_boxes(sdata, center=100)
    assert whole.images[0].get_array().shape[:2] == (40, 60)
    assert whole.images[0].get_extent() == [0, COLUMNS * SIDE, N // COLUMNS * SIDE, 0]
    assert len(set(half_decoded)) == 6
    rows, columns = np.array([location[1:] for location in decoded]).T
    assert rows.max() == columns.max() == 3
    assert near.images[0].get_array().shape[:2] == (70, 70)


def test_without_a_pyramid_every_kth_pixel_is_drawn(monkeypatch):
    monkeypatch.setattr(_tile_boxes, "_PIXELS", 40)
    whole = s3.pl.tile_boxes(made(slide()))[0]
    (image,) = whole.images
    assert image.get_array().shape == (27, 40, 3)
    left, right, bottom, top = image.get_extent()
    # three pixels each, so that the last one reaches beyond the image by one
    assert (left, right, bottom, top) == (0, 120, 81, 0)
    first = np.asarray(image.get_array())[0]
    assert np.array_equal(first[6], first[0])
    assert not np.array_equal(first[7], first[0])


def test_a_large_image_without_a_pyramid_is_not_decoded_as_a_whole(monkeypatch):
    monkeypatch.setattr(_tile_boxes, "_MOST_BYTES", 1000)
    image, decoded = counted(pixels_of(blocks()))
    sdata = made(slide(image=image))
    decoded.clear()
    whole, near = s3.pl.tile_boxes(sdata, center=100)
    assert not whole.images
    assert len(boxes(whole)) == N
    assert near.images
    assert len(set(decoded)) == 16


def test_without_the_image_nothing_is_read():
    image, decoded = counted(pixels_of(blocks()))
    sdata = made(slide(image=image))
    decoded.clear()
    axes = s3.pl.tile_boxes(sdata, image=False)
    assert not any(ax.images for ax in axes)
    assert not decoded


@pytest.mark.parametrize(("bright", "ink"), [(True, "#000000"), (False, "#ffffff")])
def test_spots_stand_out_from_bright_and_from_dark_images(bright, ink):
    picture = np.full((3, 80, 120), 230, np.uint8)
    if not bright:
        picture[:] = 2
        picture[:, ::10, ::10] = 250
    near = s3.pl.tile_boxes(made(slide(image=picture)))[1]
    (circles,) = [c for c in near.collections if isinstance(c, EllipseCollection)]
    assert to_hex(circles.get_edgecolor()[0]) == ink
    assert boxes(near, "#0072B2" if bright else "#56B4E9").size


def test_which_tiles():
    sdata = two_slides()
    with pytest.raises(MissingKeyError, match="make_tiles"):
        s3.pl.tile_boxes(sdata)
    for number in (1, 2):
        s3.pp.make_tiles(sdata, f"he{number}", size=SIDE, region_key=["one", "two"][number - 1])
    with pytest.raises(ParameterError, match="he1_tiles"):
        s3.pl.tile_boxes(sdata)
    assert s3.pl.tile_boxes(sdata, "he2_tiles")[0].get_title().startswith("he2_tiles: 24")


def test_what_cannot_be_drawn(tmp_path):
    sdata = made(slide())
    with pytest.raises(DataTypeError, match="to_spatialdata"):
        s3.pl.tile_boxes(sdata.tables["table"])
    with pytest.raises(InputError, match="make_tiles"):
        s3.pl.tile_boxes(sdata, "spots")
    with pytest.raises(MissingKeyError, match="Found: 7"):
        s3.pl.tile_boxes(sdata, center=7)
    assert not plt.get_fignums()
    s3.pl.tile_boxes(sdata, save=tmp_path / "a.png")
    with pytest.raises(StoreError, match="save"):
        s3.pl.tile_boxes(sdata, save=tmp_path / "nowhere" / "a.png")
