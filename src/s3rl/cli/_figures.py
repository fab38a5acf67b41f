"""Pictures of a result, as PNG files."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

from s3rl._keys import ModelKeys
from s3rl.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from s3rl._typing import Data

N_GENES = 4
_KEYS = ModelKeys()
_OVERVIEW_DPI = 130
_PANEL = 3.4


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
    from s3rl.pl._prototypes import prototypes
    from s3rl.pl._signed_graph import signed_graph

    mpl.use("Agg")
    _make(folder)
    key = next((name for name, found in getattr(data, "tables", {}).items() if found is table), None)
    genes = marker_genes(table)
    place = {name: folder / f"{name}.png" for name in ("domains", "history", "prototypes", "signed_graph", "denoising")}
    overview = folder / "overview.png"
    _close(_overview(table, overview, genes[0], shown, reference_key))
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
    _close(signed_graph(table, save=place["signed_graph"]))
    _close(denoising(table, genes, groupby=shown, save=place["denoising"]))
    return [overview, *place.values()]


def marker_genes(table: AnnData) -> list[str]:
    """A gene for each of the largest domains that tells it best from the rest in what was measured, best first."""
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
    sc.tl.rank_genes_groups(bare, "domain", groups=groups, method="t-test")
    ranked = bare.uns["rank_genes_groups"]
    first = [(float(ranked["scores"][group][0]), str(ranked["names"][group][0])) for group in groups]
    return list(dict.fromkeys(name for _, name in sorted(first, reverse=True)))


def _overview(table: AnnData, file: Path, gene: str, shown: str, reference_key: str | None) -> Figure:
    """One row: the domains, the known domains where there are any, one gene as measured and denoised."""
    import matplotlib.pyplot as plt
    import numpy as np

    from s3rl._slots.table import coordinates_of
    from s3rl.pl._domains import domains

    labelled = {shown: "s3rl domains"} | ({reference_key: "truth"} if reference_key else {})
    measured = {f"{gene}, measured": table.X, f"{gene}, denoised": table.layers[_KEYS.layer]}
    xy = coordinates_of(table)
    aspect = float(np.clip(np.divide(*np.maximum(np.ptp(xy, axis=0), 1e-9)[::-1]), 0.4, 2.0))
    columns = len(labelled) + len(measured)
    figure, axes = plt.subplots(
        1, columns, figsize=(_PANEL * columns + 1.6, _PANEL * aspect + 0.5), layout="constrained"
    )
    for ax, (key, title) in zip(axes, labelled.items(), strict=False):
        domains(table, key=key, image=False, ax=ax, show=False)
        ax.set_title(title)
    _keep_one_legend(axes[: len(labelled)])
    _draw_gene(figure, axes[len(labelled) :], {name: _column(table, x, gene) for name, x in measured.items()}, xy)
    _save(figure, file)
    return figure


def _keep_one_legend(axes: np.ndarray) -> None:
    """Leave the legend away where the one at its right says the same."""
    legends = [ax.get_legend() for ax in axes]
    names = [[text.get_text() for text in legend.get_texts()] for legend in legends]
    if len(legends) > 1 and set(names[0]) <= set(names[1]):
        legends[0].remove()


def _column(table: AnnData, values: Any, gene: str) -> np.ndarray:
    import numpy as np

    found = values[:, [table.var_names.get_loc(gene)]]
    found = found.compute() if hasattr(found, "compute") else found
    return np.asarray(found.toarray() if hasattr(found, "toarray") else found, dtype=np.float64).ravel()


def _draw_gene(figure: Figure, axes: np.ndarray, panels: dict[str, np.ndarray], xy: np.ndarray) -> None:
    import numpy as np
    from matplotlib.colors import Normalize

    from s3rl.pl import _draw

    top = float(np.percentile(np.concatenate(list(panels.values())), 99))
    radius = _draw.spot_radius(xy)
    for ax, (title, values) in zip(axes, panels.items(), strict=True):
        drawn = _draw.circles(ax, xy, radius, array=values, cmap="viridis", norm=Normalize(0, max(top, 1e-9)))
        ax.set_title(title)
        _draw.as_image(ax, xy)
    figure.colorbar(drawn, ax=list(axes), shrink=0.7, pad=0.02, extend="max")


def _save(figure: Figure, file: Path) -> None:
    """Write a PNG of 256 colours, small enough for a README."""
    from PIL import Image

    drawn = BytesIO()
    figure.savefig(drawn, dpi=_OVERVIEW_DPI, bbox_inches="tight")
    try:
        with Image.open(drawn) as image:
            image.convert("RGB").quantize(256).save(file, optimize=True)
    except OSError as error:
        raise StoreError(
            f"cannot be written: {error}", key=str(file), fix="free space there, or pass --output with another folder"
        ) from error


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
