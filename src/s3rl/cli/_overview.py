"""The picture of a result in one row, small enough for a README."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

from s3rl._keys import SPATIAL, ModelKeys
from s3rl.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from anndata import AnnData
    from matplotlib.figure import Figure

_KEYS = ModelKeys()
_DPI = 130
_PANEL = 3.4


def draw_overview(table: AnnData, file: Path, gene: str, shown: str, reference_key: str | None) -> Figure:
    """Draw one row: the domains, the known domains where there are any, one gene as measured and denoised.

    Parameters
    ----------
    table
        Table with the results and the gene.
    file
        PNG to write.
    gene
        Name of the gene.
    shown, reference_key
        Columns of ``obs`` with the domains and with the known ones.
    """
    import matplotlib.pyplot as plt
    import numpy as np

    from s3rl._slots.table import coordinates_of
    from s3rl.pl._domains import domains

    labelled = {shown: "s3rl domains"} | ({reference_key: "truth"} if reference_key else {})
    measured = {f"{gene}, measured": table.X, f"{gene}, denoised": table.layers[_KEYS.layer]}
    xy = coordinates_of(table)
    aspect = float(np.clip(np.divide(*np.maximum(np.ptp(xy, axis=0), 1e-9)[::-1]), 0.4, 2.0))
    # without the scale factors of an image all panels draw circles that touch
    bare = table.copy()
    bare.uns.pop(SPATIAL, None)
    columns = len(labelled) + len(measured)
    figure, axes = plt.subplots(
        1, columns, figsize=(_PANEL * columns + 1.6, _PANEL * aspect + 0.5), layout="constrained"
    )
    for ax, (key, title) in zip(axes, labelled.items(), strict=False):
        domains(bare, key=key, image=False, ax=ax, show=False)
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
    figure.savefig(drawn, dpi=_DPI, bbox_inches="tight")
    try:
        with Image.open(drawn) as image:
            image.convert("RGB").quantize(256, Image.Quantize.MEDIANCUT, kmeans=1).save(file, optimize=True)
    except OSError as error:
        raise StoreError(
            f"cannot be written: {error}", key=str(file), fix="free space there, or pass --output with another folder"
        ) from error
