from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import random
import signal
import subprocess
import sys
import time

import pytest
import torch
from fit.disk_faults import fault_at, kill_at_every_change, leftovers, needs_fork
from hypothesis import given, settings
from hypothesis import strategies as st

from s3rl.errors import ModelError, ParameterError, StoreError
from s3rl.fit import checkpoint
from s3rl.fit.checkpoint import load_checkpoint, save_checkpoint

TENSORS = {
    "double": torch.tensor([[0.1, -0.0], [float("nan"), float("inf")]], dtype=torch.float64),
    "scalar": torch.tensor(7, dtype=torch.int64),
    "generator": torch.Generator().manual_seed(3).get_state()[:64],
    "flags": torch.tensor([True, False]),
    "half": torch.arange(5).to(torch.bfloat16),
    "empty": torch.empty(0, 3),
    "transposed": torch.arange(6.0).reshape(2, 3).T,
}
STATE = {
    "fingerprint": "data 1f3a, params 77, seed 0",
    "epoch": 12,
    "best": math.inf,
    "loss": [0.1, 1 / 3, 2.5e-308],
    "generator": {"state": 2**127 - 1, "name": "PCG64", "spare": None, "on": True, "text": 'é "quoted" \\ \n'},
}


def bits(tensor):
    return tensor.dtype, tuple(tensor.shape), tensor.contiguous().view(-1).view(torch.uint8).tolist()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.safetensors"


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    place = tmp_path_factory.mktemp("raw") / "run.safetensors"
    save_checkpoint(place, TENSORS, STATE)
    return place.read_bytes()


def test_everything_reads_back_bit_for_bit(path):
    save_checkpoint(path, TENSORS, STATE)
    tensors, state = load_checkpoint(path, fingerprint=STATE["fingerprint"])
    assert state == STATE
    assert {name: bits(t) for name, t in tensors.items()} == {name: bits(t) for name, t in TENSORS.items()}


def test_a_loaded_tensor_can_be_trained_on(path):
    save_checkpoint(path, {"w": torch.ones(3)}, STATE)
    tensor = load_checkpoint(path)[0]["w"]
    tensor += 1
    assert tensor.tolist() == [2, 2, 2]


def test_shared_memory_and_gradients_are_stored_apart(path):
    weight = torch.ones(4, requires_grad=True)
    save_checkpoint(path, {"all": weight, "part": weight[:2]}, STATE)
    tensors, _ = load_checkpoint(path)
    assert tensors["part"].tolist() == [1, 1]
    assert not tensors["all"].requires_grad


def test_equal_content_gives_equal_bytes_and_random_states_stay(path, raw):
    before = torch.get_rng_state()
    save_checkpoint(path, dict(reversed(TENSORS.items())), STATE)
    assert path.read_bytes() == raw
    assert torch.equal(before, torch.get_rng_state())


def test_safetensors_itself_reads_the_file(path, raw):
    from safetensors import safe_open

    path.write_bytes(raw)
    with safe_open(path, "pt") as file:
        assert json.loads(file.metadata()["s3rl"])["state"]["epoch"] == 12
        assert file.get_tensor("scalar").item() == 7


@given(
    st.dictionaries(
        st.text(max_size=8),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
            max_leaves=8,
        ),
        max_size=4,
    )
)
@settings(max_examples=60, deadline=None)
def test_any_json_state_reads_back(tmp_path_factory, extra):
    place = tmp_path_factory.getbasetemp() / "any.safetensors"
    state = {**extra, "fingerprint": "f"}
    save_checkpoint(place, {}, state)
    assert load_checkpoint(place) == ({}, state)


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_no_damage_is_accepted(tmp_path_factory, raw, data):
    place = tmp_path_factory.getbasetemp() / "damaged.safetensors"
    damaged = bytearray(raw)
    kind = data.draw(st.sampled_from(["flip", "cut", "grow", "replace", "remove"]))
    at = data.draw(st.integers(0, len(raw) - 1))
    if kind == "flip":
        damaged[at] ^= 1 << data.draw(st.integers(0, 7))
    elif kind == "cut":
        del damaged[at:]
    elif kind == "grow":
        damaged[at:at] = data.draw(st.binary(min_size=1, max_size=9))
    elif kind == "replace":
        damaged[at : at + 30] = data.draw(st.binary(max_size=30))
    else:
        del damaged[at : at + data.draw(st.integers(1, 64))]
    if bytes(damaged) == raw:
        return
    place.write_bytes(bytes(damaged))
    with pytest.raises(ModelError, match="Fix: ") as caught:
        load_checkpoint(place)
    assert str(place) in str(caught.value)


def test_every_byte_and_every_length_matters(path):
    save_checkpoint(path, {"w": torch.arange(3)}, {"fingerprint": "f"})
    raw = path.read_bytes()
    for length in range(len(raw)):
        path.write_bytes(raw[:length])
        with pytest.raises(ModelError):
            load_checkpoint(path)
    for at in range(len(raw)):
        path.write_bytes(raw[:at] + bytes([raw[at] ^ (1 << at % 8)]) + raw[at + 1 :])
        with pytest.raises(ModelError):
            load_checkpoint(path)


@given(st.binary(max_size=400))
@settings(max_examples=60, deadline=None)
def test_any_other_file_is_refused(tmp_path_factory, content):
    place = tmp_path_factory.getbasetemp() / "other.safetensors"
    place.write_bytes(content)
    with pytest.raises(ModelError):
        load_checkpoint(place)


def test_another_safetensors_file_and_absent_files_are_refused(path, tmp_path):
    from safetensors.torch import save_file

    save_file({"w": torch.ones(2)}, path)
    with pytest.raises(ModelError, match="is no checkpoint"):
        load_checkpoint(path)
    with pytest.raises(ModelError, match="cannot be read"):
        load_checkpoint(tmp_path / "absent.safetensors")
    with pytest.raises(ModelError, match="cannot be read"):
        load_checkpoint(tmp_path)


def with_valid_digest(note):
    """A file as a foreign writer could make it: the digest is right, what it covers is not."""
    from s3rl.fit.tensor_file import pack

    blank = pack({}, json.dumps({"sha256": "0" * 64, **note}))
    return blank.replace(b"0" * 64, hashlib.sha256(blank).hexdigest().encode())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2, "package": "9.9"}, "made by another version.*9.9"),
        ({"format": "other"}, "made by another version"),
        ({"state": {}}, "is no checkpoint"),
        ({"state": {"fingerprint": 3}}, "is no checkpoint"),
        ({"state": None}, "is no checkpoint"),
    ],
)
def test_another_format_is_refused(path, changes, message):
    note = {"format": "s3rl-checkpoint", "version": 1, "package": "0.1.0", "state": {"fingerprint": "f"}}
    path.write_bytes(with_valid_digest(note))
    assert load_checkpoint(path) == ({}, {"fingerprint": "f"})
    path.write_bytes(with_valid_digest({**note, **changes}))
    with pytest.raises(ModelError, match=message):
        load_checkpoint(path)


def test_another_run_is_refused_with_both_names(path):
    save_checkpoint(path, TENSORS, STATE)
    with pytest.raises(ModelError, match=r"another run.*seed 0.*delete it.*seed 1"):
        load_checkpoint(path, fingerprint="data 1f3a, params 77, seed 1")


@pytest.mark.parametrize(
    ("tensors", "state", "key"),
    [
        ({}, {}, "state['fingerprint']"),
        ({}, {"fingerprint": 3}, "state['fingerprint']"),
        ({}, {"fingerprint": "f", "a": [1, (2, 3)]}, "state['a'][1]"),
        ({}, {"fingerprint": "f", "a": {1: 2}}, "state['a']"),
        ({}, {"fingerprint": "f", "a": torch.ones(1)}, "state['a']"),
        ({}, {"fingerprint": "f", "a": "\ud800"}, "state['a']"),
        ({"w": 3.0}, {"fingerprint": "f"}, "tensors['w']"),
        ({1: torch.ones(1)}, {"fingerprint": "f"}, "tensors[1]"),
        ({"w": torch.eye(2).to_sparse()}, {"fingerprint": "f"}, "tensors"),
    ],
)
def test_what_would_not_read_back_is_refused(path, tensors, state, key):
    path.write_bytes(b"before")
    with pytest.raises(ParameterError) as caught:
        save_checkpoint(path, tensors, state)
    assert caught.value.key == key
    assert path.read_bytes() == b"before"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
@pytest.mark.parametrize("index", range(3))
def test_a_failing_disk_keeps_the_previous_checkpoint(path, raw, code, index):
    path.write_bytes(raw)

    def fail(name):
        raise OSError(code, os.strerror(code))

    with fault_at(index, fail), pytest.raises(StoreError, match="nothing was overwritten"):
        save_checkpoint(path, {}, {"fingerprint": "new"})
    assert path.read_bytes() == raw
    assert leftovers(path.parent) == []


@needs_fork
def test_a_kill_at_every_change_keeps_one_of_both(path):
    save_checkpoint(path, TENSORS, {"fingerprint": "f", "epoch": 0})
    epochs = set()

    def check(index):
        epochs.add(load_checkpoint(path, fingerprint="f")[1]["epoch"])

    kills = kill_at_every_change(lambda: save_checkpoint(path, TENSORS, {"fingerprint": "f", "epoch": 1}), check)
    assert kills >= 4
    assert epochs == {0, 1}


LOOP = """
import sys, torch
from s3rl.fit.checkpoint import save_checkpoint
for epoch in range(10**9):
    tensors = {"w": torch.full((20_000,), epoch, dtype=torch.int64)}
    save_checkpoint(sys.argv[1], tensors, {"fingerprint": "f", "epoch": epoch})
    if epoch == 0:
        print("ready", flush=True)
"""


@pytest.mark.parametrize("kills", [2, pytest.param(25, marks=pytest.mark.slow)])
def test_random_kills_keep_a_whole_checkpoint(path, kills):
    delays, epochs = random.Random(0), []
    for _ in range(kills):
        with subprocess.Popen(
            [sys.executable, "-c", LOOP, str(path)], stdout=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"}
        ) as child:
            assert child.stdout.readline() == b"ready\n"
            time.sleep(delays.uniform(0, 0.1))
            child.send_signal(signal.SIGKILL)
        assert child.returncode == -signal.SIGKILL
        tensors, state = load_checkpoint(path, fingerprint="f")
        assert tensors["w"].unique().tolist() == [state["epoch"]]
        epochs.append(state["epoch"])
    assert max(epochs) > 0
    save_checkpoint(path, {}, {"fingerprint": "f"})
    assert leftovers(path.parent) == []


def test_nothing_is_pickled(path, monkeypatch):
    import pickle

    def refuse(*args, **kwargs):
        raise AssertionError

    for name in ("dumps", "dump", "loads", "load", "Pickler", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    save_checkpoint(path, TENSORS, STATE)
    load_checkpoint(path)
    assert "pickle" not in vars(checkpoint)
