"""Where a slice comes to lie: the rotation and shift that a transport plan asks for."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp


class Placement(NamedTuple):
    """``xy @ rotation.T + shift`` takes the second slice onto the first; rotation (2, 2), shift (2,)."""

    rotation: np.ndarray
    shift: np.ndarray

    def __call__(self, xy: np.ndarray) -> np.ndarray:
        """Moved coordinates (n, 2)."""
        return xy @ self.rotation.T + self.shift

    @property
    def degrees(self) -> float:
        """Angle of the rotation, counter-clockwise where y points up, in (-180, 180]."""
        return float(np.degrees(np.arctan2(self.rotation[1, 0], self.rotation[0, 0])))

    def inverse(self) -> Placement:
        """What takes the first slice onto the second."""
        return Placement(self.rotation.T, -self.rotation.T @ self.shift)

    def then(self, outer: Placement) -> Placement:
        """First this placement, then ``outer``."""
        return Placement(outer.rotation @ self.rotation, outer.rotation @ self.shift + outer.shift)


def rotation_by(degrees: float) -> np.ndarray:
    """Matrix (2, 2) of a rotation."""
    angle = np.radians(degrees)
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def placement_of(
    plan: sp.spmatrix | sp.sparray | np.ndarray,
    fixed: np.ndarray,
    moving: np.ndarray,
    *,
    rigid: bool,
    reflection: bool = False,
) -> Placement:
    """Placement of ``moving`` (m, 2) on ``fixed`` (n, 2) with the least squared distance under the plan (n, m).

    Parameters
    ----------
    plan
        Mass that each pair carries.
    rigid
        Rotate and shift; otherwise shift alone.
    reflection
        Let the slice be turned over, too.
    """
    rows, columns = np.asarray(plan.sum(axis=1)).ravel(), np.asarray(plan.sum(axis=0)).ravel()
    total = rows.sum()
    middle, moved = rows @ fixed / total, columns @ moving / total
    rotation = np.eye(2)
    if rigid:
        cross = (fixed - middle).T @ (plan @ (moving - moved))
        left, _, right = np.linalg.svd(cross)
        sign = 1.0 if reflection else np.sign(np.linalg.det(left @ right))
        rotation = left @ np.diag([1.0, sign]) @ right
    return Placement(rotation, middle - rotation @ moved)
