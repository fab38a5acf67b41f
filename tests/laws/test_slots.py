"""What every function does to the user's object: the declared slots change, nothing else, the same way every time."""

from __future__ import annotations

import inspect

import anndata as ad
import matplotlib.pyplot as plt
import pytest
from laws import surface
from laws.chain import EXCEPTIONS, ROWS, Row
from laws.contents import changed, contents, random_states

rows = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
writers = pytest.mark.parametrize("row", [row for row in ROWS if row.writes], ids=lambda row: row.name)
of_tables = pytest.mark.parametrize(
    "row", [row for row in ROWS if row.writes and not row.spatial], ids=lambda row: row.name
)
plots = pytest.mark.parametrize("row", [row for row in ROWS if not row.writes], ids=lambda row: row.name)


@pytest.fixture(autouse=True)
def _figures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plt.switch_backend("Agg")
    yield
    plt.close("all")


def has(row: Row, argument: str) -> bool:
    return argument in inspect.signature(row.function).parameters


def seeded(row: Row, seed: int = 5) -> dict[str, int]:
    return {"rng": seed} if has(row, "rng") else {}


def test_every_public_function_has_a_row():
    functions = {name for name in surface.names("pp", "tl", "pl") if name.split(".")[1][0].islower()}
    assert functions == {row.qualified for row in ROWS} | set(EXCEPTIONS)
    assert not set(EXCEPTIONS) & {row.qualified for row in ROWS}


@rows
def test_exactly_the_declared_slots_change(row, chain):
    data = chain.input(row)
    before = contents(data)
    row(data, chain.model, **seeded(row))
    assert changed(before, contents(data)) == row.writes


@writers
def test_writing_returns_none_and_copy_writes_nothing(row, chain):
    data, untouched = chain.input(row), chain.input(row)
    before = contents(untouched)
    assert row(data, chain.model, **seeded(row)) is None
    result = row(untouched, chain.model, **seeded(row), copy=True)
    assert changed(before, contents(untouched)) == set()
    assert isinstance(result, tuple)
    assert inspect.getdoc(type(result))
    assert set(result._fields) <= set(surface.documented(_described(type(result))))


def _described(kind: type) -> list[str]:
    sections = surface.sections_of(kind)
    return sections.get("Attributes", []) + sections.get("Parameters", [])


@plots
def test_plots_return_what_they_drew_on(row, chain):
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    drawn = row(chain.input(row), chain.model)
    drawn = drawn if isinstance(drawn, (list, tuple)) else [drawn]
    assert len(drawn)
    assert all(isinstance(part, (Axes, Figure)) for part in drawn)


@of_tables
def test_a_table_and_its_spatialdata_give_the_same(row, chain):
    table, sdata = chain.table(row.stage), chain.spatial(row.stage)
    row(table, chain.model, **seeded(row))
    row(sdata, chain.model, **seeded(row))
    assert changed(contents(table), contents(sdata.tables["table"])) == set()


@writers
def test_the_same_seed_gives_the_same_bytes(row, chain):
    once, again = chain.input(row), chain.input(row)
    row(once, chain.model, **seeded(row))
    row(again, chain.model, **seeded(row))
    assert changed(contents(once), contents(again)) == set()


@rows
def test_global_random_states_stay_as_they_were(row, chain):
    data = chain.input(row)
    before = random_states()
    row(data, chain.model, **seeded(row))
    assert random_states() == before


def test_the_simulation_leaves_the_global_random_states_alone():
    import s3rl as s3

    before = random_states()
    sdata = s3.datasets.simulated_cortex(n_spots=120, n_genes=80, n_layers=3)
    sdata.images["he"].compute()
    assert random_states() == before


@writers
def test_results_survive_h5ad(row, chain, tmp_path):
    data = chain.input(row)
    row(data, chain.model, **seeded(row))
    table = data.tables["table"] if row.spatial else data
    table.write_h5ad(tmp_path / "table.h5ad")
    back = contents(ad.read_h5ad(tmp_path / "table.h5ad"))
    written = contents(table)
    assert {name for name in written if name in row.writes and back.get(name) != written[name]} == set()


@pytest.mark.parametrize("stage", ["raw", "tiled", "seen", "trained"])
def test_all_results_together_survive_a_spatialdata_store(stage, chain, tmp_path):
    import spatialdata as sd

    sdata = chain.spatial(stage)
    rows = [row for row in ROWS if row.writes and row.stage == stage]
    assert rows
    for row in rows:
        row(sdata, chain.model, **seeded(row))
    for image in list(sdata.images):
        del sdata.images[image]
    sdata.write(tmp_path / "store.zarr")
    assert changed(contents(sdata), contents(sd.read_zarr(tmp_path / "store.zarr"))) == set()


def test_iterating_over_tiles_changes_nothing(chain):
    """Neither the object nor a global random state; the seed decides, and a batch has the positions that it says."""
    import numpy as np

    import s3rl as s3

    sdata = chain.spatial("tiled")
    before, states = contents(sdata), random_states()
    flip = s3.transforms.Flip()
    passes = [
        list(s3.pp.iter_tiles(sdata, "he_tiles", batch_size=size, transform=flip, rng=5, order=order))
        for size, order in ((64, None), (64, None), (30, "boxes"))
    ]
    assert changed(before, contents(sdata)) == set()
    assert random_states() == states
    tiles = []
    for batches in passes:
        positions = np.concatenate([where for where, _ in batches])
        assert sorted(positions) == list(range(200))
        tiles.append(np.concatenate([pixels for _, pixels in batches])[np.argsort(positions)])
    assert tiles[0].tobytes() == tiles[1].tobytes() == tiles[2].tobytes()


def test_the_conversion_shares_nothing_with_its_input(chain, tmp_path):
    """A new object that survives a store, made without a change of the input or of a global random state."""
    import numpy as np
    import spatialdata as sd

    import s3rl as s3

    table = chain.table("raw")
    picture = np.zeros((80, 90, 3), np.uint8)
    factors = {"tissue_hires_scalef": 0.03, "spot_diameter_fullres": 55.0}
    table.uns["spatial"] = {"A1": {"images": {"hires": picture}, "scalefactors": factors}}
    before, states = contents(table), random_states()
    sdata = s3.pp.to_spatialdata(table)
    assert changed(before, contents(table)) == set()
    assert random_states() == states
    sdata.tables["table"].X.data[:] = 0
    sdata.tables["table"].obs["domain"] = "other"
    assert changed(before, contents(table)) == set()
    sdata.write(tmp_path / "store.zarr")
    back = sd.read_zarr(tmp_path / "store.zarr")
    assert changed(contents(sdata), contents(back)) == set()
    assert np.array_equal(back.images["A1_hires"].values, picture.transpose(2, 0, 1))
