"""Groups of a trajectory: their network along the pseudotime, and how the pseudotime spreads in each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

# letters that fit side by side below a panel
_WIDE = 45
# scanpy's plots leave out connectivities below
_THRESHOLD = 0.01


def order_of(record: Any) -> list[int]:
    """Groups by their median pseudotime, the root's first."""
    groups = record["groups"]
    first = ~groups["root"].to_numpy(bool)
    return [int(place) for place in np.lexsort((groups["pseudotime"].to_numpy(float), first))]


def places_of(record: Any) -> np.ndarray:
    """Where each group is drawn, float64 (k, 2): its rank along the pseudotime, and the lane of its branch.

    A group after which the tree ends has a lane of its own; one before a fork lies midway between its branches, so
    that a trajectory without forks is a straight line.
    """
    order = order_of(record)
    tree = _dense(record["tree"]) > 0
    lanes = np.full(len(order), np.nan)
    free = iter(range(len(order)))

    def settle(place: int, before: int | None) -> None:
        after = [int(other) for other in np.flatnonzero(tree[place]) if other != before]
        after = [other for other in after if np.isnan(lanes[other])]
        lanes[place] = -1
        for other in after:
            settle(other, place)
        lanes[place] = np.mean(lanes[after]) if after else next(free)

    for place in order:  # groups that the tree does not reach start a branch of their own
        if np.isnan(lanes[place]):
            settle(place, None)
    ranks = np.empty(len(order))
    ranks[order] = np.arange(len(order))
    return np.stack([ranks, lanes], axis=1)


def draw_network(ax: Axes, record: Any, colors: dict[str, str]) -> None:
    """Groups as circles, the tree as lines as thick as the connectivity, other connections as thin arcs."""
    from matplotlib.patches import FancyArrowPatch

    places, links, tree = places_of(record), _dense(record["connectivities"]), _dense(record["tree"])
    groups, strongest = record["groups"], max(float(links.max()), 1e-9)
    for one, other in zip(*np.triu(links, 1).nonzero(), strict=True):
        weight = links[one, other]
        if tree[one, other] > 0:
            style = {"linewidth": 1 + 5 * weight / strongest, "color": "0.35", "linestyle": "-"}
        elif weight > _THRESHOLD:
            style = {"linewidth": 1.0, "color": "0.6", "linestyle": (0, (4, 2))}
        else:
            continue
        start, end = sorted((one, other), key=lambda place: places[place, 0])
        bent = 0.0 if tree[one, other] > 0 and _clear(places, start, end) else -0.35
        ax.add_patch(
            FancyArrowPatch(
                places[start], places[end], arrowstyle="-", connectionstyle=f"arc3,rad={bent}", zorder=1, **style
            )
        )
    sizes = 120 + 480 * np.sqrt(groups["n_spots"].to_numpy(float) / groups["n_spots"].max())
    for place, (name, root, end) in enumerate(zip(groups["group"], groups["root"], groups["terminal"], strict=True)):
        x, y = float(places[place, 0]), float(places[place, 1])
        for ring in range(int(root) + 2 * int(end)):
            ax.scatter(x, y, s=sizes[place] * (1.45 + 0.6 * ring), facecolors="none", edgecolors="black")
        ax.scatter(x, y, s=sizes[place], color=colors[str(name)], edgecolors="white", zorder=3)
        if not _upright(groups):
            ax.annotate(
                str(name), (x, y), xytext=(0, -22), textcoords="offset points", ha="center", va="top", fontsize=8
            )
    lanes = places[:, 1]
    ax.set(xlim=(-0.7, len(places) - 0.3), ylim=(lanes.min() - 1.0, lanes.max() + 0.8), xticks=[], yticks=[])
    ax.set(title="connected groups", xlabel="order by pseudotime")
    ax.spines[["top", "right", "left"]].set_visible(False)
    if _upright(groups):
        # long names stand below the axis, led there by thin lines
        ax.vlines(places[:, 0], ax.get_ylim()[0], lanes, color="0.85", linewidth=0.8, zorder=0)
        ax.set_xticks(places[:, 0], groups["group"].astype(str), rotation=90, fontsize=8)
        ax.set_xlabel("")


def _clear(places: np.ndarray, start: int, end: int) -> bool:
    """Whether no other group lies on the straight line between two."""
    line = places[end] - places[start]
    across = (places - places[start]) @ np.array([-line[1], line[0]]) / max(float(np.linalg.norm(line)), 1e-9)
    inside = (places[:, 0] > places[start, 0]) & (places[:, 0] < places[end, 0])
    return not (inside & (np.abs(across) < 0.15)).any()


def _upright(groups: pd.DataFrame) -> bool:
    longest = max(map(len, map(str, groups["group"])))
    return longest * len(groups) > _WIDE


def draw_groups(ax: Axes, record: Any, time: np.ndarray, labels: pd.Categorical, colors: dict[str, str]) -> None:
    """Pseudotime within each group, in the order of the medians."""
    order = order_of(record)
    names = [str(record["groups"]["group"].iloc[place]) for place in order]
    spread = [time[np.asarray(labels == name)] for name in names]
    drawn: Any = ax.violinplot(spread, range(len(names)), widths=0.85, showextrema=False)
    for body, name in zip(drawn["bodies"], names, strict=True):
        body.set(facecolor=colors[name], edgecolor="0.3", linewidth=0.6, alpha=1.0)
    ax.scatter(range(len(names)), [np.median(part) for part in spread], marker="_", color="black", s=60, zorder=3)
    crowded = max(map(len, names)) * len(names) > _WIDE
    ax.set_xticks(range(len(names)), names, rotation=90 if crowded else 0, fontsize=8)
    ax.set(ylabel="pseudotime", title="pseudotime in each group")
    ax.spines[["top", "right"]].set_visible(False)


def _dense(matrix: Any) -> np.ndarray:
    return np.asarray(matrix.toarray() if hasattr(matrix, "toarray") else matrix, dtype=np.float64)
