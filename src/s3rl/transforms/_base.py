"""What every transform shares: samples in, samples out, parameters drawn apart from being applied."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from typing import Any

import numpy as np

from s3rl.errors import DataTypeError, MissingKeyError, ParameterError
from s3rl.transforms._checks import NUMBERS

_MISSING = object()


class Step(ABC):
    """Anything that makes a new sample from a sample: a transform, a composition, two views."""

    @property
    @abstractmethod
    def writes(self) -> tuple[str, ...]:
        """Keys whose values are new in the result."""

    @abstractmethod
    def run(self, sample: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        """Transform a dictionary that may be written to; its values may not."""

    def __call__(self, sample: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        """Transform one sample.

        Parameters
        ----------
        sample
            Values by key, for example ``{"tile": (C, P, P), "coords": (2,)}``; never changed.
        rng
            Source of all randomness: a generator in the same state gives the same bytes.

        Returns
        -------
        dict
            New dictionary. Values under the keys of the transform are new contiguous arrays, all others the same
            objects as in ``sample``.

        Raises
        ------
        DataTypeError
            If the sample is no mapping, the rng no generator, or a value of a type the transform cannot take.
        MissingKeyError
            If the sample lacks a key of the transform.
        """
        if not isinstance(sample, Mapping):
            raise DataTypeError(
                "is no mapping of keys to values",
                key="sample",
                found=type(sample).__name__,
                fix='pass a dictionary, for example {"tile": tile}',
            )
        if not isinstance(rng, np.random.Generator):
            raise DataTypeError(
                "is no random generator",
                key="rng",
                found=type(rng).__name__,
                fix="pass numpy.random.default_rng(0)",
            )
        out = self.run(dict(sample), rng)
        for key in self.writes:
            if isinstance(out.get(key), np.ndarray):
                out[key] = _owned(out[key], sample)
        return out

    def __repr__(self) -> str:
        shown = []
        for name, parameter in inspect.signature(type(self)).parameters.items():
            value = getattr(self, name, _MISSING)
            usual = name in ("keys", "key", "p") and value == parameter.default
            if value is not _MISSING and not usual:
                shown.append(f"{name}={getattr(value, '__qualname__', None) or repr(value)}")
        return f"{type(self).__name__}({', '.join(shown)})"


class Transform(Step):
    """Base of transforms that change the values under some keys; make your own by subclassing it.

    A subclass gives ``apply`` and, where it is random, ``sample_parameters``. One call draws the parameters once, from
    the value under the first key, and applies them to every key: a mask is cropped like its tile.

    Parameters
    ----------
    keys
        Keys of the sample that are transformed, one name or several; all others pass through untouched.
    p
        Probability of being applied.

    Raises
    ------
    ParameterError
        If there are no keys, or p is no probability.

    Examples
    --------
    >>> import numpy as np
    >>> from s3rl.transforms import Transform
    >>> class Darken(Transform):
    ...     def sample_parameters(self, value, rng):
    ...         return {"factor": rng.uniform(0.5, 1.0)}
    ...
    ...     def apply(self, value, parameters):
    ...         return (value * parameters["factor"]).astype(value.dtype)
    >>> sample = {"tile": np.full((3, 4, 4), 200, np.uint8), "name": "spot 7"}
    >>> darker = Darken()(sample, np.random.default_rng(0))
    >>> int(darker["tile"].max()), darker["name"], int(sample["tile"].max())
    (163, 'spot 7', 200)
    """

    def __init__(self, keys: str | Iterable[str] = ("tile",), p: float = 1.0) -> None:
        self.keys = (keys,) if isinstance(keys, str) else tuple(keys)
        if not self.keys or not all(isinstance(key, str) for key in self.keys):
            raise ParameterError(
                "must be one or more names", key="keys", found=repr(keys), fix='pass keys=("tile",) or keys="tile"'
            )
        if isinstance(p, bool) or not isinstance(p, NUMBERS) or not 0 <= p <= 1:
            raise ParameterError("must be a probability", key="p", found=repr(p), fix="pass a number from 0 to 1")
        self.p = float(p)

    def sample_parameters(self, value: Any, rng: np.random.Generator) -> dict[str, Any]:
        """Draw what ``apply`` needs for a value like this one; a dictionary of plain values and arrays."""
        return {}

    @abstractmethod
    def apply(self, value: Any, parameters: dict[str, Any]) -> Any:
        """Transform one value by these parameters, without changing it; the result may be a view of it."""

    def check(self, value: Any, key: str, first: Any) -> None:
        """Refuse a value that ``apply`` cannot take; ``first`` is the one the parameters are drawn from."""

    @property
    def writes(self) -> tuple[str, ...]:
        """Keys whose values are new in the result."""
        return self.keys

    def run(self, sample: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        """Transform a dictionary that may be written to."""
        first = value_of(sample, self.keys[0])
        for key in self.keys:
            self.check(value_of(sample, key), key, first)
        if self.p < 1 and rng.random() >= self.p:
            return sample
        parameters = self.sample_parameters(first, rng)
        for key in self.keys:
            sample[key] = self.apply(sample[key], parameters)
        return sample


class Apply(Transform):
    """A function of one value as a transform.

    Parameters
    ----------
    function
        Takes a value, returns its replacement. It gets a copy, so it may work in place, but it must return the result.
        For worker processes it must be importable, so no lambda.
    keys
        Keys of the sample that the function is applied to, each by itself.
    p
        Probability of being applied.

    Raises
    ------
    ParameterError
        If the function cannot be called.

    Examples
    --------
    >>> import numpy as np
    >>> from s3rl.transforms import Apply
    >>> root = Apply(np.sqrt, keys="expression")
    >>> root
    Apply(function=sqrt, keys=('expression',))
    >>> root({"expression": np.array([4.0, 9.0])}, np.random.default_rng(0))
    {'expression': array([2., 3.])}
    """

    def __init__(self, function: Callable[[Any], Any], keys: str | Iterable[str] = ("tile",), p: float = 1.0) -> None:
        super().__init__(keys, p)
        if not callable(function):
            raise ParameterError(
                "cannot be called", key="function", found=repr(function), fix="pass a function of one value"
            )
        self.function = function

    def apply(self, value: Any, parameters: dict[str, Any]) -> Any:
        """Call the function with a copy of the value."""
        result = self.function(np.array(value, order="C") if isinstance(value, np.ndarray) else deepcopy(value))
        if result is None:
            raise DataTypeError(
                "returned nothing", key=repr(self), found="None", fix="let the function return the new value"
            )
        return result


class Compose(Step):
    """Transforms one after the other.

    Parameters
    ----------
    steps
        Transforms, other compositions, or plain functions of one value, which are taken as ``Apply(function)``.

    Raises
    ------
    ParameterError
        If a step is neither.

    Examples
    --------
    >>> import numpy as np
    >>> from s3rl.transforms import Blur, Compose, Flip
    >>> def halve(tile):
    ...     return tile // 2
    >>> compose = Compose([Flip(), Blur(p=0.5), halve])
    >>> compose
    Compose([
        Flip(turns=True),
        Blur(sigma=(0.1, 2.0), p=0.5),
        Apply(function=halve),
    ])
    >>> compose({"tile": np.full((3, 8, 8), 200, np.uint8)}, np.random.default_rng(0))["tile"].max()
    np.uint8(100)
    """

    def __init__(self, steps: Iterable[Step | Callable[[Any], Any]]) -> None:
        steps = [steps] if isinstance(steps, Step) else list(steps)
        self.steps = tuple(step if isinstance(step, Step) else Apply(step) for step in steps)

    @property
    def writes(self) -> tuple[str, ...]:
        """Keys whose values are new in the result."""
        return tuple(dict.fromkeys(key for step in self.steps for key in step.writes))

    def run(self, sample: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        """Transform a dictionary that may be written to."""
        for step in self.steps:
            sample = step.run(sample, rng)
        return sample

    def __repr__(self) -> str:
        lines = "".join(f"    {line}\n" for step in self.steps for line in f"{step!r},".splitlines())
        return f"Compose([\n{lines}])" if lines else "Compose([])"


def value_of(sample: Mapping[str, Any], key: str) -> Any:
    """Value under a key, or an error that lists the keys there are."""
    if key not in sample:
        raise MissingKeyError(
            "is not in the sample",
            key=f"sample[{key!r}]",
            available=sample,
            fix="name a key of the sample with keys=",
        )
    return sample[key]


def _owned(value: np.ndarray, sample: Mapping[str, Any]) -> np.ndarray:
    """The array itself where it is contiguous and shares nothing with the sample, else a copy."""
    free = value.flags.c_contiguous and value.flags.owndata
    if free and not any(value is given for given in sample.values()):
        return value
    return np.array(value, order="C")
