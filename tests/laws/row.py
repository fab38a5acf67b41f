"""One public function on the chain of the laws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import s3rl as s3


@dataclass(frozen=True)
class Row:
    """One public function on the chain."""

    qualified: str
    stage: str
    arguments: dict[str, Any] = field(default_factory=dict)
    writes: frozenset[str] = frozenset()
    gives: str | None = None  # the stage that its result is
    case: str = ""  # tells rows of one function apart
    spatial: bool = False  # takes a SpatialData only: an image is needed

    @property
    def name(self) -> str:
        return f"{self.qualified}{f'-{self.case}' if self.case else ''}"

    @property
    def function(self) -> Callable[..., Any]:
        space, name = self.qualified.split(".")
        return getattr(getattr(s3, space), name)

    def __call__(self, data: Any, model: Path, **more: Any) -> Any:
        given = {key: model if value is MODEL else value for key, value in self.arguments.items()}
        return self.function(data, **given, **more)


MODEL = object()  # stands for the folder of the model that the chain has trained
