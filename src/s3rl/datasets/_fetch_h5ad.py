"""Public data on demand: one file, checked against its hash, kept in a folder."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from s3rl.errors import ParameterError, StoreError

if TYPE_CHECKING:
    from anndata import AnnData


def fetch_h5ad(
    url: str, *, sha256: str, cache_dir: str | os.PathLike[str] | None = None, progress: bool = True
) -> AnnData:
    """Download an ``.h5ad`` file once, check it, and read it.

    The file arrives beside its place and takes its name only when its hash is right, so that a broken download leaves
    nothing behind. Later calls read ``<cache_dir>/<sha256>.h5ad`` and need no network; a file put there by hand does as
    well, and one with another content is replaced.

    Parameters
    ----------
    url
        Address, ``http`` or ``https``.
    sha256
        SHA-256 of the file, 64 hexadecimal digits, as its publisher states it.
    cache_dir
        Folder for the file; None is the folder for caches of the operating system.
    progress
        Whether to show a progress bar.

    Returns
    -------
    adata
        The file in memory.

    Raises
    ------
    ParameterError
        If ``url`` or ``sha256`` is not of the form above.
    StoreError
        If the file cannot be downloaded, has another hash, or is no AnnData that stands for itself.

    Examples
    --------
    A file that is already in its place is not downloaded.

    >>> import hashlib, pathlib
    >>> import s3rl as s3
    >>> table = s3.datasets.simulated_cortex(100, 50, image=False).tables["table"]
    >>> table.write_h5ad("slice.h5ad")
    >>> sha256 = hashlib.sha256(pathlib.Path("slice.h5ad").read_bytes()).hexdigest()
    >>> place = pathlib.Path("slice.h5ad").rename(f"{sha256}.h5ad")
    >>> s3.datasets.fetch_h5ad("https://example.org/slice.h5ad", sha256=sha256, cache_dir=".").shape
    (100, 50)
    """
    from s3rl._slots.read import read_input

    _check(url, sha256)
    return read_input(_download(url, sha256.lower(), cache_dir, progress))


def _check(url: str, sha256: str) -> None:
    if not isinstance(url, str) or not re.match(r"https?://[^/\s]+/\S+", url):
        raise ParameterError(
            "is not an address of a file by http or https",
            key="url",
            found=repr(url),
            fix="pass url='https://...'; read a file of your own with anndata.read_h5ad",
        )
    if not isinstance(sha256, str) or not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise ParameterError(
            "is not a SHA-256 of 64 hexadecimal digits",
            key="sha256",
            found=repr(sha256),
            fix="pass the value that the publisher of the file states, or that sha256sum prints for a copy you trust",
        )


def _download(url: str, sha256: str, cache_dir: str | os.PathLike[str] | None, progress: bool) -> Path:
    import pooch

    folder = Path(pooch.os_cache("s3rl") if cache_dir is None else cache_dir)
    name = f"{sha256}.h5ad"
    by_hand = f"save {url} in a browser, check its SHA-256, and place it as {folder / name}"
    downloader = pooch.HTTPDownloader(progressbar=progress)
    try:
        return Path(pooch.retrieve(url, f"sha256:{sha256}", name, folder, downloader=downloader))
    except ValueError as error:
        raise StoreError(
            "is not the file that the hash names, and was not kept", key=url, found=error, fix="check url and sha256"
        ) from error
    # requests raises OSErrors for what the network does, the file system for what the disk does
    except OSError as error:
        raise StoreError("could not be downloaded", key=url, found=f"{type(error).__name__}", fix=by_hand) from error
