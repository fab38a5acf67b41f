"""The picture: frames, blocks, and colours that follow the layers."""

from __future__ import annotations

import dask
import numpy as np
import pytest

import s3rl as s3
from s3rl.datasets import _elements, _histology, _sections


def scene(**more) -> tuple[_sections.Section, _histology.Scene]:
    params = s3.datasets.CortexParams(**more.pop("params", {}))
    settings = {"technology": "visium", "n_slices": 1, "n_spots": 300} | more
    section = _sections.make_sections(
        settings["n_spots"],
        5,
        settings["technology"],
        settings["n_slices"],
        shift=0.0,
        rotation=0.0,
        crop=settings.get("crop", 0.0),
        params=params,
        seed=4,
    )[0]
    return section, _elements.make_scene(section, settings["technology"], 5, params, 4)


@pytest.mark.parametrize("rotation", [0.0, 25.0])
def test_frame_holds_all_points_and_the_margin(rotation):
    xy = np.random.default_rng(0).uniform(-500, 2000, (50, 2))
    origin, (height, width) = _histology.frame_of(xy, 40.0, 2.0, rotation)
    matrix = _histology.matrix_of(origin, 2.0, rotation)
    pixels = np.linalg.solve(matrix, np.vstack([xy.T, np.ones(50)]))[:2].T
    assert pixels.min() == pytest.approx(20.0)
    assert (pixels <= np.array([width, height]) - 19.999).all()
    assert np.linalg.det(matrix[:2, :2]) == pytest.approx(4.0)


def test_a_chunk_is_the_same_part_of_every_picture_of_it():
    _, it = scene()
    whole = _histology.picture(it)
    assert whole.dtype == np.uint8
    assert whole.shape == (3, *it.shape)
    assert max(map(max, whole.chunks[1:])) <= _histology.CHUNK
    assert len(whole.chunks[1]) > 1
    picture = whole.compute()
    np.testing.assert_array_equal(whole[:, 300:420, 250:300].compute(), picture[:, 300:420, 250:300])
    with dask.config.set(scheduler="sync"):
        np.testing.assert_array_equal(whole.compute(), picture)


def test_there_is_no_seam_between_chunks():
    _, it = scene()
    picture = _histology.picture(it).compute().astype(float).mean(axis=0)
    jump = np.abs(np.diff(picture, axis=1)).mean(axis=0)
    seams = np.arange(_histology.CHUNK, picture.shape[1], _histology.CHUNK) - 1
    assert jump[seams].max() < np.quantile(jump, 0.999) + 1


def test_asking_for_a_pixel_draws_one_chunk(monkeypatch):
    drawn = []
    real = _histology.draw
    monkeypatch.setattr(_histology, "draw", lambda *args: drawn.append(args[1:3]) or real(*args))
    _, it = scene()
    whole = _histology.picture(it)
    assert drawn == []
    whole[:, 300, 300].compute(scheduler="sync")
    assert drawn == [(256, 256)]


def test_pictures_of_different_scenes_have_different_names():
    names = {
        _histology.picture(scene(params=params)[1]).name
        for params in ({}, {"blur": 0.05}, {"pixel_size": 4.0}, {"imbalance": 2.0})
    }
    assert len(names) == 4
    assert _histology.picture(scene()[1]).name in names


def test_nuclei_are_dark_where_they_were_put():
    section, it = scene(technology="cells")
    picture = _histology.picture(it).compute().astype(float)
    at = np.floor((section.xy - it.origin) / it.pixel_size).astype(int)
    blue_over_red = picture[2] - picture[0]
    here = blue_over_red[at[:, 1], at[:, 0]]
    assert (here > 30).mean() > 0.99
    assert np.median(blue_over_red[picture.sum(axis=0) < 690]) < 0


def test_nuclei_are_as_dense_as_the_stain_says():
    section, _ = scene()
    stain = np.tile([1000.0, 0.3, 0.1, 4.0], (5, 1))
    stain[2, 0] = 3000.0
    low, high = section.xy.min(axis=0), section.xy.max(axis=0)
    nuclei = _histology.scatter_nuclei(
        section.tissue, section.placement, 10.0, stain, (low, high), np.random.default_rng(0)
    )
    from s3rl.datasets import _tissue

    grid = np.random.default_rng(1).uniform(low, high, (40_000, 2))
    layer = [
        np.searchsorted(section.tissue.borders, _tissue.depth(section.tissue, p), side="right") for p in (nuclei, grid)
    ]
    area = np.bincount(layer[1], minlength=5) / len(grid) * np.prod(high - low) / 1e6
    np.testing.assert_allclose(np.bincount(layer[0], minlength=5) / area, stain[:, 0], rtol=0.15)


def test_glass_is_white_and_what_was_cut_off_is_glass():
    section, it = scene(crop=0.4)
    picture = _histology.picture(it).compute()
    assert picture[:, :10, :10].min() > 225
    cut = int((section.placement.kept[1] - it.origin[0]) / it.pixel_size)
    assert picture[:, :, cut + 5 :].min() > 225
    middle = picture[:, it.shape[0] // 2, cut - 60 : cut - 5]
    assert middle.mean() < 215
