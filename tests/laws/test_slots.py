"""What every function does to the user's object: the declared slots change, nothing else, the same way every time."""

from __future__ import annotations

import inspect

import anndata as ad
import matplotlib.pyplot as plt
import pytest
from laws import surface
from laws.chain import ROWS, Row
from laws.contents import changed, contents, random_states

rows = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
writers = pytest.mark.parametrize("row", [row for row in ROWS if row.writes], ids=lambda row: row.name)
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
    assert functions == {row.qualified for row in ROWS}


@rows
def test_exactly_the_declared_slots_change(row, chain):
    table = chain.table(row.stage)
    before = contents(table)
    row(table, chain.model, **seeded(row))
    assert changed(before, contents(table)) == row.writes


@writers
def test_writing_returns_none_and_copy_writes_nothing(row, chain):
    table, untouched = chain.table(row.stage), chain.table(row.stage)
    before = contents(untouched)
    assert row(table, chain.model, **seeded(row)) is None
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

    drawn = row(chain.table(row.stage), chain.model)
    drawn = drawn if isinstance(drawn, (list, tuple)) else [drawn]
    assert len(drawn)
    assert all(isinstance(part, (Axes, Figure)) for part in drawn)


@writers
def test_a_table_and_its_spatialdata_give_the_same(row, chain):
    table, sdata = chain.table(row.stage), chain.spatial(row.stage)
    row(table, chain.model, **seeded(row))
    row(sdata, chain.model, **seeded(row))
    assert changed(contents(table), contents(sdata.tables["table"])) == set()


@writers
def test_the_same_seed_gives_the_same_bytes(row, chain):
    once, again = chain.table(row.stage), chain.table(row.stage)
    row(once, chain.model, **seeded(row))
    row(again, chain.model, **seeded(row))
    assert changed(contents(once), contents(again)) == set()


@rows
def test_global_random_states_stay_as_they_were(row, chain):
    table = chain.table(row.stage)
    before = random_states()
    row(table, chain.model, **seeded(row))
    assert random_states() == before


def test_the_simulation_leaves_the_global_random_states_alone():
    import s3rl as s3

    before = random_states()
    sdata = s3.datasets.simulated_cortex(n_spots=120, n_genes=80, n_layers=3)
    sdata.images["he"].compute()
    assert random_states() == before


@writers
def test_results_survive_h5ad(row, chain, tmp_path):
    table = chain.table(row.stage)
    row(table, chain.model, **seeded(row))
    table.write_h5ad(tmp_path / "table.h5ad")
    back = contents(ad.read_h5ad(tmp_path / "table.h5ad"))
    written = contents(table)
    assert {name for name in row.writes if back.get(name) != written[name]} == set()


def test_all_results_together_survive_a_spatialdata_store(chain, tmp_path):
    import spatialdata as sd

    sdata = chain.spatial("trained")
    for image in list(sdata.images):
        del sdata.images[image]
    for row in ROWS:
        if row.writes and row.stage == "trained":
            row(sdata, chain.model, **seeded(row))
    sdata.write(tmp_path / "store.zarr")
    back = sd.read_zarr(tmp_path / "store.zarr").tables["table"]
    assert changed(contents(sdata.tables["table"]), contents(back)) == set()
