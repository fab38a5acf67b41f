from __future__ import annotations

import errno
import hashlib
import itertools
import json
import os
import shutil

import pytest
import torch
from fit.disk_faults import fault_at, kill_at_every_change, leftovers, needs_fork
from hypothesis import given, settings
from hypothesis import strategies as st

from s3rl.errors import ModelError, ParameterError, StoreError
from s3rl.fit import atomic, model_folder
from s3rl.fit.model_folder import SavedModel, load_model, save_model

MODEL = SavedModel(
    {
        "encoder.weight": torch.arange(12.0).reshape(3, 4),
        "steps": torch.tensor(5),
        "big": torch.tensor([1e300], dtype=torch.float64),
    },
    {"params": {"n_domains": 7, "rate": 1e-3, "layers": [64, 32]}, "genes": ["MOBP", "PCP4", "Ünïc"], "none": None},
)
OTHER = SavedModel({"encoder.weight": torch.zeros(2)}, {"genes": ["A"]})


def same(one, other):
    return (
        one.description == other.description
        and one.tensors.keys() == other.tensors.keys()
        and all(
            torch.equal(t, other.tensors[name]) and t.dtype == other.tensors[name].dtype
            for name, t in one.tensors.items()
        )
    )


@pytest.fixture
def folder(tmp_path):
    save_model(tmp_path / "model", MODEL)
    return tmp_path / "model"


def edit(folder, change):
    """Change the JSON as an attacker could, with digests that fit again."""
    place = folder / "model.json"
    content = json.loads(place.read_text(encoding="utf-8"))
    change(content)
    text = json.dumps(content.get("description"), ensure_ascii=False)
    content["description_sha256"] = hashlib.sha256(text.encode()).hexdigest()
    place.write_text(json.dumps(content), encoding="utf-8")


def test_a_model_reads_back(folder):
    assert same(load_model(folder), MODEL)
    assert sorted(os.listdir(folder)) == ["model.json", "model.safetensors"]
    content = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    assert content["tensors"]["sha256"] == hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def test_equal_models_give_equal_bytes(folder, tmp_path):
    save_model(tmp_path / "again", MODEL)
    for name in os.listdir(folder):
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_a_model_replaces_a_model_and_an_empty_folder_only(folder, tmp_path):
    save_model(folder, OTHER)
    assert same(load_model(folder), OTHER)
    (tmp_path / "empty").mkdir()
    save_model(tmp_path / "empty", OTHER)
    (folder / "thesis.tex").write_text("years of work")
    with pytest.raises(StoreError, match=r"thesis\.tex"):
        save_model(folder, MODEL)
    assert (folder / "thesis.tex").exists()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StoreError, match="is a file"):
        save_model(tmp_path / "file", MODEL)
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    with pytest.raises(StoreError, match="symbolic link"):
        save_model(tmp_path / "link", MODEL)
    with pytest.raises(StoreError, match="its folder is not there"):
        save_model(tmp_path / "no" / "model", MODEL)
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    ("model", "error"),
    [
        (SavedModel({"w": torch.tensor([1.0, float("nan")])}, {}), ModelError),
        (SavedModel({"w": torch.tensor(complex(0, float("inf")))}, {}), ModelError),
        (SavedModel({}, {"a": float("nan")}), ParameterError),
        (SavedModel({}, {"a": (1, 2)}), ParameterError),
        (SavedModel({"w": None}, {}), ParameterError),
    ],
)
def test_what_would_not_load_is_not_saved(folder, model, error):
    with pytest.raises(error):
        save_model(folder, model)
    assert same(load_model(folder), MODEL)


def link_file(folder, name):
    shutil.move(folder / name, folder.parent / name)
    (folder / name).symlink_to(folder.parent / name)


def write_tensors(folder, tensors):
    from safetensors.torch import save

    raw = save(tensors)
    (folder / "model.safetensors").write_bytes(raw)
    edit(folder, lambda c: c["tensors"].update(sha256=hashlib.sha256(raw).hexdigest()))


BROKEN = {
    "no json": (lambda f: (f / "model.json").unlink(), "model.json is not there"),
    "no tensors": (lambda f: (f / "model.safetensors").unlink(), "model.safetensors is not there"),
    "folder as json": (lambda f: ((f / "model.json").unlink(), (f / "model.json").mkdir()), "is not there"),
    "empty json": (lambda f: (f / "model.json").write_text(""), "model.json is damaged"),
    "not utf-8": (lambda f: (f / "model.json").write_bytes(b'{"a": "\xff"}'), "model.json is damaged"),
    "a list": (lambda f: (f / "model.json").write_text("[]"), "model.json is damaged"),
    "deep": (lambda f: (f / "model.json").write_text("[" * 100_000), "model.json is damaged"),
    "long number": (lambda f: (f / "model.json").write_text("9" * 5000), "model.json is damaged"),
    "NaN": (lambda f: edit(f, lambda c: c["description"].update(a=float("nan"))), "model.json is damaged"),
    "no description": (lambda f: edit(f, lambda c: c.pop("description")), "model.json is damaged"),
    "no file name": (lambda f: edit(f, lambda c: c["tensors"].pop("file")), "model.json is damaged"),
    "changed gene": (
        lambda f: (f / "model.json").write_text((f / "model.json").read_text().replace("MOBP", "MOBQ")),
        "changed after it was written",
    ),
    "parent path": (
        lambda f: edit(f, lambda c: c["tensors"].update(file="../model.safetensors")),
        "names a file other",
    ),
    "absolute path": (lambda f: edit(f, lambda c: c["tensors"].update(file="/etc/passwd")), "names a file other"),
    "no text as path": (lambda f: edit(f, lambda c: c["tensors"].update(file=["a"])), "names a file other"),
    "newer": (lambda f: edit(f, lambda c: c.update(format_version=2, package_version="7.1")), "s3rl-tools==7.1"),
    "older": (lambda f: edit(f, lambda c: c.update(format_version=0)), "made by another version.*fit the model again"),
    "another format": (lambda f: edit(f, lambda c: c.update(format="novae")), "made by another version"),
    "linked json": (lambda f: link_file(f, "model.json"), "model.json is a symbolic link"),
    "linked tensors": (lambda f: link_file(f, "model.safetensors"), "model.safetensors is a symbolic link"),
    "other tensors": (lambda f: (f / "model.safetensors").write_bytes(b"x" * 90), "damaged or of another model"),
    "no safetensors": (
        lambda f: (
            (f / "model.safetensors").write_bytes(b"x" * 90),
            edit(f, lambda c: c["tensors"].update(sha256=hashlib.sha256(b"x" * 90).hexdigest())),
        ),
        "cannot be read",
    ),
    "not finite": (lambda f: write_tensors(f, {"w": torch.tensor([float("inf")])}), "tensor 'w'.*not finite"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_folder_is_refused(folder, case):
    breaking, message = BROKEN[case]
    breaking(folder)
    with pytest.raises(ModelError, match=message) as caught:
        load_model(folder)
    assert str(folder) in caught.value.key
    assert caught.value.fix


def test_the_edit_of_these_tests_is_itself_accepted(folder):
    edit(folder, lambda c: None)
    assert same(load_model(folder), MODEL)


def test_an_oversized_json_is_not_read(folder, monkeypatch):
    with open(folder / "model.json", "r+b") as file:
        file.truncate(64 * 2**20 + 1)
    monkeypatch.setattr(json, "loads", lambda text: pytest.fail("the file was read"))
    with pytest.raises(ModelError, match="too large"):
        load_model(folder)


def test_absent_folders_files_and_links_are_refused(folder, tmp_path):
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(ModelError, match="symbolic link"):
        load_model(tmp_path / "link")
    with pytest.raises(ModelError, match="is no folder"):
        load_model(tmp_path / "absent")
    with pytest.raises(ModelError, match="is no folder"):
        load_model(folder / "model.json")


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_no_damage_is_accepted(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp() / "damaged_model"
    if not folder.exists():
        save_model(folder, MODEL)
    place = folder / data.draw(st.sampled_from(["model.json", "model.safetensors"]))
    whole = place.read_bytes()
    raw = bytearray(whole)
    at = data.draw(st.integers(0, len(raw) - 1))
    if data.draw(st.booleans()):
        raw[at] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del raw[at:]
    place.write_bytes(bytes(raw))
    try:
        loaded = load_model(folder)
    except ModelError:
        return
    finally:
        place.write_bytes(whole)
    # Only white space and the version of the package, which is information, may change without harm.
    assert place.name == "model.json"
    assert same(loaded, MODEL)


@pytest.fixture(params=["exchange", "renames"])
def swap(request, monkeypatch):
    if request.param == "renames":
        monkeypatch.setattr(atomic, "_exchange_call", lambda: None)
    return request.param


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_failing_disk_keeps_one_whole_model(folder, swap, code):
    def fail(name):
        raise OSError(code, os.strerror(code))

    for index in itertools.count():
        save_model(folder, MODEL)
        with fault_at(index, fail) as seen:
            try:
                save_model(folder, OTHER)
                problem = None
            except StoreError as error:
                problem = error.problem
        old = problem is not None and "nothing was overwritten" in problem
        assert same(load_model(folder), MODEL if old else OTHER)
        if index >= len(seen):
            break
    assert index > 10


@needs_fork
def test_a_kill_at_every_change_keeps_one_whole_model(folder, swap):
    outcomes = set()

    def check(index):
        loaded = load_model(folder)
        outcomes.add(same(loaded, OTHER))
        assert same(loaded, OTHER) or same(loaded, MODEL)
        save_model(folder, MODEL)
        assert leftovers(folder.parent) == []

    kills = kill_at_every_change(lambda: save_model(folder, OTHER), check)
    assert kills > 10
    assert outcomes == {True, False}


def test_nothing_is_pickled(folder, monkeypatch):
    import pickle

    def refuse(*args, **kwargs):
        raise AssertionError

    for name in ("dumps", "dump", "loads", "load", "Pickler", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    monkeypatch.setattr(torch, "load", refuse)
    save_model(folder, OTHER)
    load_model(folder)
    assert "pickle" not in vars(model_folder)
