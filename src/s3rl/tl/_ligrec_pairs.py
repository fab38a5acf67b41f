"""Lists of ligands and receptors, and which of their pairs the genes of a table make up."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from s3rl._log import note
from s3rl._slots.extras import import_extra
from s3rl.communication.pairs import Pairs, find_pairs
from s3rl.errors import InputError, ParameterError

if TYPE_CHECKING:
    import pandas as pd

_OWN_NAMES = {"cellchat": "cellchatdb", "guide2pharma+ramilowski": "guide2pharma+ramilowski2015"}
_MOUSE = {"consensus": "mouseconsensus"}
_COLUMNS = (("ligand", "receptor"), ("source", "target"))
_SHOWN = 3


class Listed(NamedTuple):
    """A list of pairs.

    Attributes
    ----------
    name
        Name of the list, ``"custom"`` for a table of the user.
    pairs
        Ligand and receptor of each pair; genes of a complex are joined by underscores.
    any_case
        Whether genes match whatever the case of their letters.
    """

    name: str
    pairs: list[tuple[str, str]]
    any_case: bool


def read_resource(resource: Any, organism: Any) -> Listed:
    """Take the user's table, or a list that liana brings.

    Raises
    ------
    ParameterError
        If the list is unknown, or the table has no pairs or not the columns.
    MissingExtraError
        If liana is not installed.
    """
    import pandas as pd

    if organism not in ("human", "mouse"):
        raise ParameterError(
            "must be 'human' or 'mouse'", key="organism", found=repr(organism), fix="pass organism='human'"
        )
    if isinstance(resource, pd.DataFrame):
        return Listed("custom", _pairs_in(resource), any_case=False)
    if not isinstance(resource, str):
        raise ParameterError(
            "is neither the name of a list nor a table", key="resource", found=type(resource).__name__,
            fix="pass resource='consensus', or a data frame with columns ligand and receptor",
        )  # fmt: skip
    name = _OWN_NAMES.get(resource.lower(), resource.lower())
    if organism == "mouse":
        name = _MOUSE.get(name, name)
    frames = [_from_liana(part, resource) for part in name.split("+")]
    any_case = organism == "mouse" and not name.startswith("mouse")
    if any_case:
        note("resource %r lists human genes; genes of the mouse are matched whatever the case of their letters", name)
    return Listed(name, list(dict.fromkeys(pair for frame in frames for pair in _pairs_in(frame))), any_case)


def _from_liana(name: str, asked: str) -> pd.DataFrame:
    with warnings.catch_warnings():
        # what liana's own dependencies warn about on import
        warnings.simplefilter("ignore")
        liana = import_extra("liana", "communication")
    known = list(liana.rs.show_resources())
    if name not in known:
        raise ParameterError(
            "names no list", key="resource", found=repr(asked),
            available=["cellchat", "guide2pharma+ramilowski", *known],
            fix="pass resource='consensus', or a data frame with columns ligand and receptor",
        )  # fmt: skip
    return liana.rs.select_resource(name)


def _pairs_in(frame: pd.DataFrame) -> list[tuple[str, str]]:
    fix = "pass a data frame with columns ligand and receptor, or source and target"
    columns = next((names for names in _COLUMNS if set(names) <= set(frame.columns)), None)
    if columns is None:
        raise ParameterError("lacks columns", key="resource", found=", ".join(map(str, frame.columns)), fix=fix)
    complete = frame[list(columns)].dropna()
    if complete.empty:
        raise ParameterError("has no pairs", key="resource", found=f"{len(frame)} rows", fix=fix)
    texts = [complete[name].astype(str).str.strip().str.removeprefix("COMPLEX:") for name in columns]
    return list(zip(*texts, strict=True))


def pairs_of(listed: Listed, places: Mapping[str, int]) -> Pairs:
    """Pairs all of whose genes are among ``places``.

    Raises
    ------
    InputError
        If there is none.
    """
    if listed.any_case:
        folded: dict[str, int] = {}
        for gene, place in places.items():
            folded.setdefault(gene.casefold(), place)
        found = find_pairs([(a.casefold(), b.casefold()) for a, b in listed.pairs], folded)
        names = {name.casefold(): name for pair in listed.pairs for name in pair}
        found = found._replace(
            ligand=[names[name] for name in found.ligand], receptor=[names[name] for name in found.receptor]
        )
    else:
        found = find_pairs(listed.pairs, places)
    if not found.ligand:
        raise _no_overlap(listed, places)
    note(
        "%d of %d pairs of resource %r have all their genes here; %d lack part of a complex",
        len(found.ligand), found.n_listed, listed.name, found.n_incomplete,
    )  # fmt: skip
    return found


def _no_overlap(listed: Listed, places: Mapping[str, int]) -> InputError:
    fix = "use gene symbols as adata.var_names, and a list of the same organism"
    folded = {gene.casefold() for gene in places}
    if any(a.casefold() in folded and b.casefold() in folded for a, b in listed.pairs):
        fix = (
            "write the genes of the table as adata.var_names has them"
            if listed.name == "custom"
            else "the letters differ only in case: pass organism='mouse', or organism='human' for upper-case symbols"
        )
    elif sum(gene.upper().startswith("ENS") for gene in places) > len(places) / 2:
        fix = "adata.var_names are Ensembl identifiers: set them to gene symbols"
    theirs = ", ".join("-".join(pair) for pair in listed.pairs[:_SHOWN])
    return InputError(
        "shares no pair with the genes of the table",
        key="resource",
        found=f"pairs such as {theirs} and genes such as {', '.join(list(places)[:_SHOWN])}",
        fix=fix,
    )
