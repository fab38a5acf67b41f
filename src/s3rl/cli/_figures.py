"""Pictures of a result, as PNG files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3rl._keys import ModelKeys
from s3rl.cli._overview import draw_overview
from s3rl.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from s3rl._typing import Data
    from s3rl.cli._image import Tiled

N_GENES = 4
_IMAGE_FIGURES = ("tiles", "tile_boxes", "image_domains")
_KEYS = ModelKeys()
_SPECIFIC_FOLD, _SPECIFIC_SHARE = 1.0, 0.5


def draw_all(
    data: Data, table: AnnData, folder: Path, *, shown: str, reference_key: str | None, library_key: str | None
) -> list[Path]:
    """Draw every picture of a result.

    Parameters
    ----------
    data
        What the table lies in, drawn over its image where it has one.
    table
        Table with the results.
    folder
        Where the pictures go; made if it is not there.
    shown
        Column of ``obs`` with the domains to draw.
    reference_key, library_key
        Columns of ``obs`` with known domains and with slices.

    Returns
    -------
    The files, the overview first.
    """
    import matplotlib as mpl

    from s3rl.pl._denoising import denoising
    from s3rl.pl._domains import domains
    from s3rl.pl._history import history
    from s3rl.pl._n_domains import n_domains
    from s3rl.pl._prototypes import prototypes
    from s3rl.pl._signed_graph import signed_graph

    mpl.use("Agg")
    _make(folder)
    key = next((name for name, found in getattr(data, "tables", {}).items() if found is table), None)
    genes = marker_genes(table)
    one = _one_slice(table, genes, library_key)
    place = {name: folder / f"{name}.png" for name in ("domains", "history", "prototypes", "signed_graph", "denoising")}
    overview = folder / "overview.png"
    _close(draw_overview(one, overview, genes[0], shown, reference_key))
    _close(
        domains(
            data,
            key=shown,
            reference_key=reference_key,
            library_key=library_key,
            table_key=key,
            save=place["domains"],
        )[0]
    )
    _close(history(table, save=place["history"]))
    _close(prototypes(table, save=place["prototypes"]))
    _close(signed_graph(one, save=place["signed_graph"]))
    _close(denoising(one, genes, groupby=shown, save=place["denoising"]))
    chosen = folder / "n_domains.png"
    chosen.unlink(missing_ok=True)
    if "n_domains_evidence" in table.uns[_KEYS.uns]:
        place["n_domains"] = chosen
        _close(n_domains(table, save=chosen))
    return [overview, *place.values()]


def draw_image(
    data: Data,
    table: AnnData,
    tiled: Tiled | None,
    folder: Path,
    *,
    shown: str,
    reference_key: str | None,
    library_key: str | None,
) -> list[Path]:
    """Draw the pictures of the image where it was used, and remove those of an earlier run where it was not.

    Parameters
    ----------
    data
        What the table lies in.
    table
        Table with the results.
    tiled
        The image and its tiles.
    folder
        Where the pictures go; it is there.
    shown
        Column of ``obs`` with the domains to draw.
    reference_key, library_key
        Columns of ``obs`` with known domains and with slices.

    Returns
    -------
    The files.
    """
    from s3rl.pl._image_domains import image_domains
    from s3rl.pl._tile_boxes import tile_boxes
    from s3rl.pl._tiles import tiles

    place = {name: folder / f"{name}.png" for name in _IMAGE_FIGURES}
    if tiled is None:
        for file in place.values():
            file.unlink(missing_ok=True)
        return []
    key = next((name for name, found in tiled.sdata.tables.items() if found is tiled.table), None)
    if tiled.table is not table:
        tiled.table.obs[shown] = table.obs[shown].to_numpy()
        tiled.table.uns[f"{shown}_colors"] = table.uns[f"{shown}_colors"]
    _close(tiles(tiled.sdata, tiled.keys, groupby=shown, table_key=key, save=place["tiles"]))
    _close(tile_boxes(tiled.sdata, tiled.keys[0], save=place["tile_boxes"])[0])
    images = tiled.facts["images"]
    one = images[0] if tiled.table is table else images[0].rpartition("_")[2]
    _close(
        image_domains(
            data,
            reference_key=[name for name in (shown, reference_key) if name is not None],
            library_key=library_key,
            image_key=one if len(images) == 1 else None,
            table_key=key if tiled.table is table else None,
            save=place["image_domains"],
        )[0]
    )
    return list(place.values())


def marker_genes(table: AnnData) -> list[str]:
    """A gene for each of the largest domains that tells it best from the rest in what was measured, best first.

    Genes that most other spots express too, or hardly less, are taken only where there are no others.
    """
    import numpy as np
    import pandas as pd
    import scanpy as sc
    from anndata import AnnData

    from s3rl._slots.model import modelled_genes
    from s3rl._slots.table import expression_of

    genes = modelled_genes(table)
    names = table.var_names[genes]
    labels = table.obs[_KEYS.domain].astype(str).to_numpy()
    sizes = pd.Series(labels).value_counts()
    groups = [name for name, size in sizes.items() if 3 <= size < table.n_obs][:N_GENES]
    if not groups:
        return [str(names[int(np.argmax(np.asarray(expression_of(table)[:, genes].mean(axis=0))))])]
    bare = AnnData(
        expression_of(table)[:, genes],
        obs=pd.DataFrame({"domain": pd.Categorical(labels)}, index=table.obs_names),
        var=pd.DataFrame(index=names),
    )
    sc.tl.rank_genes_groups(bare, "domain", groups=groups, method="t-test", pts=True)
    ranked = sc.get.rank_genes_groups_df(bare, group=None)
    ranked["specific"] = (ranked["logfoldchanges"] > _SPECIFIC_FOLD) & (ranked["pct_nz_reference"] < _SPECIFIC_SHARE)
    ranked = ranked.sort_values(["specific", "scores"], ascending=False, kind="stable").drop_duplicates("names")
    return ranked.drop_duplicates("group")["names"].astype(str).tolist()


def _one_slice(table: AnnData, genes: list[str], library_key: str | None) -> AnnData:
    """The genes to draw; of the first slice only where there are several, since slices may lie over each other."""
    if library_key is None:
        return table[:, genes].copy()
    labels = table.obs[library_key].astype(str)
    return table[(labels == labels.iloc[0]).to_numpy(), genes].copy()


def _make(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"cannot be made: {error}", key=str(folder), fix="free space there, or pass --output with another folder"
        ) from error


def _close(drawn: Figure | Axes) -> None:
    import matplotlib.pyplot as plt

    plt.close(drawn.get_figure(root=True))
