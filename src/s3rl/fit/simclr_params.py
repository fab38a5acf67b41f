"""Parameters of the contrastive training on tiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Self

from s3rl._params import Parameters, Range, one_of, real, whole


@dataclass(frozen=True, kw_only=True)
class SimCLRParams(Parameters):
    """Parameters of ``s3.tl.simclr``.

    Parameters
    ----------
    n_features, n_projection
        Channels of the tile features and of the projection that the loss compares.
    temperature
        Of the NT-Xent loss.
    batch_size
        Tiles of a batch, two views each; over all processes together.
    epochs
        Passes over the tiles.
    min_steps
        Steps at least: slides of a few hundred tiles have few batches an epoch, and go on beyond ``epochs``.
    learning_rate, weight_decay
        Of Adam.
    schedule
        ``"constant"`` (the paper), or ``"cosine"`` down to zero.
    crop
        Smallest share of the tile's area that a view shows.
    jitter
        Strength of the colour distortion; 0 leaves the colours as they are.
    gray
        Probability of a view without colour.
    checkpoint_interval
        Epochs between checkpoints.
    n_workers
        Processes that draw views; None draws them in this one on a CPU and in up to eight others on a GPU. The result
        does not depend on it.

    Raises
    ------
    ParameterError
        If a value is outside of its range.

    Examples
    --------
    >>> from s3rl.tl import SimCLRParams
    >>> SimCLRParams(epochs=5).epochs, SimCLRParams.paper().epochs
    (5, 500)
    """

    n_features: int = 256
    n_projection: int = 128
    temperature: float = 0.5
    batch_size: int = 512
    epochs: int = 20
    min_steps: int = 100
    learning_rate: float = 1e-3
    weight_decay: float = 1e-6
    schedule: Literal["constant", "cosine"] = "cosine"
    crop: float = 0.3
    jitter: float = 0.5
    gray: float = 0.2
    checkpoint_interval: int = 5
    n_workers: int | None = None

    def __post_init__(self) -> None:
        self.check(_RANGES)

    @classmethod
    def paper(cls) -> Self:
        """Return the paper's: 500 epochs of batches of 256, Adam at 0.005 (section 4.2); its backbone is ResNet-50."""
        return cls(
            batch_size=256, epochs=500, min_steps=1, learning_rate=5e-3, schedule="constant", crop=0.2, jitter=1.0
        )

    def decisive(self) -> dict[str, Any]:
        """Names and values of what the result depends on."""
        return {
            name: value for name, value in self.as_dict().items() if name not in ("n_workers", "checkpoint_interval")
        }


_FREE = ("n_workers", "checkpoint_interval")
_RANGES: dict[str, Range] = {
    **dict.fromkeys(("n_features", "n_projection", "epochs", "min_steps", "checkpoint_interval"), whole(1)),
    "batch_size": whole(2),
    **dict.fromkeys(("temperature", "learning_rate"), real(1e-8)),
    "weight_decay": real(0),
    "jitter": real(0, 2.5),
    "crop": real(0.01, 1.0 + 1e-9),
    "gray": real(0, 1.0 + 1e-9),
    "n_workers": (lambda v: v is None or whole(0)[0](v), "a whole number, 0 or more, or None"),
    "schedule": one_of("constant", "cosine"),
}
