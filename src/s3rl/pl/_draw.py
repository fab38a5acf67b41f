"""What the plots share: figures, circles of a true size, legends, showing and saving."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from s3rl.errors import ParameterError, StoreError
from s3rl.pl._palette import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    from matplotlib.axes import Axes
    from matplotlib.collections import EllipseCollection
    from matplotlib.figure import Figure, SubFigure

_MANY = 20_000


def axes_or_new(ax: Axes | None, size: tuple[float, float]) -> tuple[Axes, bool]:
    """The user's axes, or new ones of ``size`` inches; and whether they are new."""
    if ax is not None:
        return checked_axes(ax), False
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=size, layout="compressed")[1], True


def checked_axes(ax: Any) -> Axes:
    """Return ``ax`` itself if it is one matplotlib Axes."""
    from matplotlib.axes import Axes

    if not isinstance(ax, Axes):
        raise ParameterError(
            "is not a matplotlib Axes",
            key="ax",
            found=type(ax).__name__,
            fix="pass one Axes from matplotlib.pyplot.subplots(), or leave ax out",
        )
    return ax


def check_colour_map(cmap: object, usual: str = "viridis") -> None:
    """Refuse a name that is none of matplotlib's colour maps."""
    import matplotlib.pyplot as plt

    if cmap not in plt.colormaps():
        raise ParameterError("names no colour map", key="cmap", found=repr(cmap), fix=f"pass cmap={usual!r}")


def finish(
    figure: Figure | SubFigure | None, *, new: bool, show: bool | None, save: str | PathLike[str] | None
) -> None:
    """Save and show; without a word a new figure is shown where a window can open, unless it was saved."""
    import matplotlib.pyplot as plt

    if save is not None and figure is not None:
        try:
            figure.get_figure(root=True).savefig(save, bbox_inches="tight", dpi=200)
        except (OSError, ValueError) as error:
            raise StoreError(
                f"cannot be written: {error}", key="save", found=repr(str(save)), fix="pass a path such as 'figure.png'"
            ) from error
    if show is None:
        show = new and save is None and _opens_windows()
    if show:
        plt.show()


def _opens_windows() -> bool:
    import matplotlib as mpl
    from matplotlib.backends.registry import BackendFilter, backend_registry

    windows = backend_registry.list_builtin(BackendFilter.INTERACTIVE)
    return mpl.get_backend().lower() in {name.lower() for name in windows}


def spot_radius(xy: np.ndarray) -> float:
    """Half the usual distance (n, 2) of a spot to its third neighbour: circles that touch on any regular array."""
    from scipy.spatial import cKDTree

    if len(xy) < 2:
        return 1.0
    distances = cKDTree(xy).query(xy, k=min(4, len(xy)))[0][:, -1]
    radius = 0.5 * float(np.median(distances))
    return radius if radius > 0 else max(float(np.ptp(xy, axis=0).max()) / 100, 1e-6)


def circles(ax: Axes, xy: np.ndarray, radius: float, **style: Any) -> EllipseCollection:
    """Draw circles (n, 2) with a radius in the units of the coordinates, so that they grow with the axes."""
    from matplotlib.collections import EllipseCollection

    diameter = 2 * radius
    drawn = EllipseCollection(
        [diameter],
        [diameter],
        [0.0],
        units="xy",
        offsets=xy,
        offset_transform=ax.transData,
        linewidths=style.pop("linewidths", 0),
        rasterized=len(xy) > _MANY,
        **style,
    )
    ax.add_collection(drawn)
    return drawn


def as_image(ax: Axes, xy: np.ndarray, margin: float = 0.02) -> None:
    """Equal units, y downwards as in an image, no ticks, around the points (n, 2) with a share of their extent more."""
    low, high = xy.min(axis=0), xy.max(axis=0)
    margin *= float((high - low).max())
    ax.set_xlim(low[0] - margin, high[0] + margin)
    ax.set_ylim(high[1] + margin, low[1] - margin)
    ax.set_aspect("equal")
    ax.set(xticks=[], yticks=[], xlabel="", ylabel="")
    ax.set_frame_on(False)


def make_room(ax: Axes, columns: int = 1) -> None:
    """Narrow axes of the user in a figure whose layout does not make room for a legend by itself."""
    figure = ax.get_figure(root=True)
    if figure is not None and figure.get_layout_engine() is None:
        box = ax.get_position()
        ax.set_position((box.x0, box.y0, max(0.4, 1 - 0.2 * columns) * box.width, box.height))


def legend_beside(ax: Axes, colors: Mapping[str, str], *, unlabelled: bool, title: str | None = None) -> None:
    """Colours and names at the right of the axes, in as many columns as fit beside it."""
    from matplotlib.lines import Line2D

    entries = {**colors, "unlabelled": UNLABELLED} if unlabelled else dict(colors)
    marks = [Line2D([], [], marker="o", linestyle="", markersize=7, color=color) for color in entries.values()]
    columns = 1 + (len(entries) - 1) // 14
    make_room(ax, columns)
    ax.legend(
        marks,
        list(entries),
        loc="center left",
        bbox_to_anchor=(1.02, 0.5),
        ncols=columns,
        frameon=False,
        title=title,
        handletextpad=0.1,
        borderaxespad=0.2,
        columnspacing=0.8,
    )
