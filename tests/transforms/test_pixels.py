"""The library that moves the pixels stays out of sight: no network, no threads, no environment, no early import."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from s3rl.transforms import Blur
from s3rl.transforms._pixels import one_thread

OFFLINE = """
    import os, random, socket, sys

    def refuse(*args, **kwargs):
        raise SystemExit("the network was asked")

    socket.socket.connect = socket.socket.connect_ex = socket.create_connection = socket.getaddrinfo = refuse
    import numpy as np
    import s3rl as s3

    before = dict(os.environ), random.getstate(), np.random.get_state()[1].tolist()
    t = s3.transforms
    views = t.TwoViews(recipe=t.Compose([t.StainJitter(), t.TwoViews(16).recipe, t.Blur()]))
    assert "albumentations" not in sys.modules
    views({"tile": np.zeros((3, 16, 16), np.uint8)}, np.random.default_rng(0))
    assert "albumentations" in sys.modules
    assert os.environ.get("NO_ALBUMENTATIONS_UPDATE") == before[0].get("NO_ALBUMENTATIONS_UPDATE")
    assert before[1:] == (random.getstate(), np.random.get_state()[1].tolist())
    print("offline")
"""


@pytest.mark.parametrize("setting", [None, "0"])
def test_no_network_no_early_import_no_trace_in_environment_and_states(setting):
    environment = {name: value for name, value in os.environ.items() if name != "NO_ALBUMENTATIONS_UPDATE"}
    if setting is not None:
        environment["NO_ALBUMENTATIONS_UPDATE"] = setting
    code = textwrap.dedent(OFFLINE)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert done.stdout.strip() == "offline", done.stderr


def test_the_shared_worker_keeps_no_generator():
    rng, value = np.random.default_rng(0), np.zeros((1, 8, 8), np.uint8)
    Blur()({"tile": value}, rng)
    assert Blur().worker(value.shape) is Blur().worker((3, 9, 9))
    assert Blur().worker(value.shape).random_generator is not rng


def test_a_large_tile_is_computed_on_one_thread_and_the_setting_restored(monkeypatch):
    seen = []
    before = cv2.getNumThreads()
    cv2.setNumThreads(3)
    try:
        threads = cv2.getNumThreads()
        separable = cv2.sepFilter2D

        def look(*args, **kwargs):
            seen.append(cv2.getNumThreads())
            return separable(*args, **kwargs)

        monkeypatch.setattr(cv2, "sepFilter2D", look)
        large = np.zeros((1, 300, 300), np.uint8)
        Blur()({"tile": large}, np.random.default_rng(0))
        assert seen == [1]
        assert cv2.getNumThreads() == threads
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda i: Blur()({"tile": large}, np.random.default_rng(i)), range(20)))
        assert set(seen) == {1}
        assert cv2.getNumThreads() == threads
        with pytest.raises(RuntimeError), one_thread((300, 300)):
            raise RuntimeError
        assert cv2.getNumThreads() == threads
    finally:
        cv2.setNumThreads(before)
