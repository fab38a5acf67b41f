"""Downloads from a server on this computer: once, checked, and never half."""

from __future__ import annotations

import hashlib
import logging
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

import s3rl as s3
from s3rl.errors import ParameterError, StoreError


class Handler(SimpleHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        if self.path.endswith("short.h5ad"):
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            self.wfile.write(b"only the start")
        else:
            super().do_GET()

    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "served"
    folder.mkdir()
    served = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    served.asked = []
    served.folder = folder
    served.url = f"http://127.0.0.1:{served.server_port}"
    thread = threading.Thread(target=served.serve_forever, daemon=True)
    thread.start()
    yield served
    served.shutdown()
    served.server_close()
    thread.join()


@pytest.fixture
def published(server):
    table = s3.datasets.simulated_cortex(60, 50, image=False).tables["table"]
    table.write_h5ad(server.folder / "slice.h5ad")
    return table, hashlib.sha256((server.folder / "slice.h5ad").read_bytes()).hexdigest()


def fetch(server, name, sha256, cache):
    return s3.datasets.fetch_h5ad(f"{server.url}/{name}", sha256=sha256, cache_dir=cache, progress=False)


def test_downloads_once_and_reads_the_same(server, published, tmp_path):
    table, sha256 = published
    cache = tmp_path / "new" / "cache"
    first = fetch(server, "slice.h5ad", sha256.upper(), cache)
    again = fetch(server, "slice.h5ad", sha256, cache)
    assert server.asked == ["/slice.h5ad"]
    assert [file.name for file in cache.iterdir()] == [f"{sha256}.h5ad"]
    for read in (first, again):
        np.testing.assert_array_equal(read.X.toarray(), table.X.toarray())
        assert list(read.obs_names) == list(table.obs_names)


def test_a_file_placed_by_hand_needs_no_network(server, published, tmp_path):
    _, sha256 = published
    (server.folder / "slice.h5ad").rename(tmp_path / f"{sha256}.h5ad")
    assert fetch(server, "slice.h5ad", sha256, tmp_path).shape == (60, 50)
    assert server.asked == []


def test_a_damaged_file_in_the_cache_is_replaced(server, published, tmp_path):
    _, sha256 = published
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / f"{sha256}.h5ad").write_bytes(b"damaged")
    assert fetch(server, "slice.h5ad", sha256, cache).shape == (60, 50)


@pytest.mark.parametrize("name", ["slice.h5ad", "short.h5ad", "absent.h5ad"])
@pytest.mark.usefixtures("published")
def test_what_is_not_the_file_leaves_nothing_behind(server, tmp_path, name):
    cache = tmp_path / "cache"
    with pytest.raises(StoreError) as caught:
        fetch(server, name, "0" * 64, cache)
    assert caught.value.key == f"{server.url}/{name}"
    assert list(cache.iterdir()) == []


def test_without_a_network_the_error_says_where_to_put_the_file(server, tmp_path):
    port = server.server_port
    server.shutdown()
    server.server_close()
    with pytest.raises(StoreError, match="could not be downloaded") as caught:
        s3.datasets.fetch_h5ad(f"http://127.0.0.1:{port}/a.h5ad", sha256="a" * 64, cache_dir=tmp_path, progress=False)
    assert f"http://127.0.0.1:{port}/a.h5ad" in caught.value.fix
    assert str(tmp_path / f"{'a' * 64}.h5ad") in caught.value.fix
    assert isinstance(caught.value, OSError)


def test_a_file_of_another_kind_is_refused(server, tmp_path):
    (server.folder / "page.h5ad").write_text("<html>")
    sha256 = hashlib.sha256(b"<html>").hexdigest()
    with pytest.raises(StoreError):
        fetch(server, "page.h5ad", sha256, tmp_path / "cache")


@pytest.mark.parametrize(
    ("url", "sha256", "key"),
    [
        ("file:///tmp/a.h5ad", "a" * 64, "url"),
        ("a.h5ad", "a" * 64, "url"),
        (None, "a" * 64, "url"),
        ("https://example.org/a.h5ad", "a" * 63, "sha256"),
        ("https://example.org/a.h5ad", "g" * 64, "sha256"),
        ("https://example.org/a.h5ad", None, "sha256"),
    ],
)
def test_arguments_are_checked_before_anything_is_written(url, sha256, key, tmp_path):
    with pytest.raises(ParameterError) as caught:
        s3.datasets.fetch_h5ad(url, sha256=sha256, cache_dir=tmp_path / "cache")
    assert caught.value.key == key
    assert not (tmp_path / "cache").exists()


@pytest.fixture(autouse=True)
def _quiet():
    logger = logging.getLogger("pooch")
    before = logger.level
    logger.setLevel(logging.ERROR)
    yield
    logger.setLevel(before)
