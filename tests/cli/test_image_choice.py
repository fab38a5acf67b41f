"""Which image and which level: nearest to 32 pixels from spot to spot, by ratio."""

from __future__ import annotations

import numpy as np
import pytest
import spatialdata as sd
from spatialdata.models import Image2DModel, Image3DModel, ShapesModel
from spatialdata.transformations import Identity, Scale

from s3rl.cli._image_choice import Choice, common_side, level_for
from s3rl.cli._pipeline import Settings
from s3rl.errors import DataTypeError, InputError, MissingKeyError, ParameterError

PITCH = 64.0


def image(side: int, pixel: float, scale_factors: list[int] | None = None, system: str = "global"):
    return Image2DModel.parse(
        np.zeros((3, side, side), np.uint8),
        dims=("c", "y", "x"),
        transformations={system: Scale([pixel, pixel], axes=("x", "y"))},
        scale_factors=scale_factors,
    )


def slide(**images) -> sd.SpatialData:
    """Spots 64 units apart."""
    x, y = np.meshgrid(np.arange(4), np.arange(4))
    xy = np.column_stack([x.ravel(), y.ravel()]) * PITCH + 40
    spots = ShapesModel.parse(xy, geometry=0, radius=15.0, transformations={"global": Identity()})
    return sd.SpatialData.init_from_elements({"spots": spots, **images})


def chosen(sdata, **options) -> tuple[str, str, float]:
    found = level_for(sdata, "spots", Settings(n_domains=3, **options))
    return found.image, found.level, found.pitch


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        ({"fine": 0.25, "hires": 2.5, "lowres": 8.0}, ("hires", 25.6)),
        ({"fine": 1.0, "hires": 5.0}, ("fine", 64.0)),
        ({"hires": 3.0, "fine": 1.5}, ("fine", 64 / 1.5)),
        ({"only": 7.9}, ("only", 64 / 7.9)),
    ],
)
def test_the_image_nearest_to_what_is_wanted(pixels, expected):
    sdata = slide(**{name: image(64, pixel) for name, pixel in pixels.items()})
    name, level, pitch = chosen(sdata)
    assert (name, level) == (expected[0], "")
    assert pitch == pytest.approx(expected[1])


def test_the_level_of_a_pyramid():
    sdata = slide(he=image(256, 0.5, [2, 2, 2]))
    name, level, pitch = chosen(sdata)
    assert (name, level) == ("he", "scale2")
    assert pitch == pytest.approx(32)


def test_a_name_or_a_word_of_it():
    sdata = slide(A1_hires_image=image(64, 2.0), A1_full=image(64, 0.5))
    assert chosen(sdata)[0] == "A1_hires_image"
    assert chosen(sdata, image_key="full")[0] == "A1_full"
    assert chosen(sdata, image_key="A1_full")[0] == "A1_full"
    with pytest.raises(MissingKeyError, match="A1_hires_image"):
        chosen(sdata, image_key="hire")


def test_images_that_cannot_be_used():
    sdata = slide(he=image(64, 9.0))
    with pytest.raises(ParameterError, match=r"too coarse.*7\.1 pixels"):
        chosen(sdata)
    assert chosen(sdata, tile_size=12.0)[0] == "he"
    with pytest.raises(InputError, match="share no coordinate system"):
        chosen(slide(he=image(64, 2.0, system="elsewhere")))


def test_a_stack_of_planes_beside_a_picture_is_passed_over():
    planes = Image3DModel.parse(
        np.zeros((1, 2, 32, 32), np.uint8), dims=("c", "z", "y", "x"), transformations={"global": Identity()}
    )
    assert chosen(slide(planes=planes, he=image(64, 2.0)))[0] == "he"
    with pytest.raises(DataTypeError, match="two-dimensional"):
        chosen(slide(planes=planes))


@pytest.mark.parametrize(("pitch", "side"), [(33.3, 34), (32.0, 32), (32.0000000001, 32), (7.0, 8), (30.1, 32)])
def test_the_side_is_even_and_reaches_the_neighbours(pitch, side):
    assert Choice("he", "", 1.0, pitch).side == side


def test_slices_of_one_resolution():
    alike = [Choice("one", "", 1.0, 31.0), Choice("two", "", 1.0, 32.5)]
    assert common_side(alike) == 34
    with pytest.raises(ParameterError, match=r"one: 31\.0 pixels.*three: 40\.0 pixels"):
        common_side([*alike, Choice("three", "", 1.0, 40.0)])
