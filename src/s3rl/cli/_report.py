"""The short table at the end, printed and kept as JSON."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from s3rl.cli._folder import OutputFolder, write_json
from s3rl.cli._pipeline import N_FLOORS, Agreement

_WIDTH = 24


def peak_memory() -> int | None:
    """Largest memory of this process so far in bytes; None where the system does not tell."""
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def report(
    folder: OutputFolder,
    facts: dict[str, Any],
    agreement: Agreement | None,
    seconds: dict[str, float],
    files: dict[str, Path],
    figures: list[Path],
) -> None:
    """Write ``summary.json`` and print the same.

    Parameters
    ----------
    folder
        Output folder.
    facts
        Command, input, sizes, settings and the function that reads the results.
    agreement
        Agreement with known domains, where there are any.
    seconds
        Of each step.
    files
        What was written, by what it is.
    figures
        The pictures.
    """
    peak = peak_memory()
    summary = facts | {
        "ari": None if agreement is None else round(agreement.ari, 4),
        "ari_untrained": None if agreement is None else round(agreement.floor, 4),
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
        "seconds_total": round(sum(seconds.values()), 2),
        "peak_memory_bytes": peak,
        "files": {name: path.relative_to(folder.root).as_posix() for name, path in files.items()},
        "figures": [path.relative_to(folder.root).as_posix() for path in figures],
    }
    write_json(folder.summary, summary)
    click.echo(_table(summary, peak))
    click.echo(_places(folder, files, figures, facts["reader"]))


def _table(summary: dict[str, Any], peak: int | None) -> str:
    rows = [
        ("spots", f"{summary['spots']:,}"),
        ("genes", f"{summary['genes']:,}, of which {summary['genes_modelled']:,} modelled"),
        ("domains", f"{summary['domains_used']} in use of {summary['n_domains']}"),
    ]
    if summary["image"] is not None:
        rows.append(("image", _image_said(summary["image"])))
    if summary["ari"] is not None:
        rows.append((f"ARI with {summary['reference_key']}", f"{summary['ari']:.3f}"))
        floor = f"{summary['ari_untrained']:.3f}  (mean of {N_FLOORS} mixtures on diffused PCA)"
        rows.append(("ARI without training", floor))
    rows.append(("seconds", f"{summary['seconds_total']:.1f}"))
    rows += [(f"  {name}", f"{value:.1f}") for name, value in summary["seconds"].items()]
    if peak is not None:
        rows.append(("peak memory", f"{peak / 1e9:.2f} GB"))
    return "\n" + "\n".join(f"{name:<{_WIDTH}}{value}" for name, value in rows)


def _image_said(image: dict[str, Any]) -> str:
    microns = "" if image["microns"] is None else f" ({image['microns']:.3g} µm)"
    return f"{', '.join(image['images'])}, tiles of {image['size']} px{microns}"


def _places(folder: OutputFolder, files: dict[str, Path], figures: list[Path], reader: str) -> str:
    names = ", ".join(path.name for path in figures)
    rows = [(name, str(path)) for name, path in files.items()]
    rows += [("figures", f"{folder.figures}: {names}"), ("summary", str(folder.summary))]
    shown = "\n".join(f"{name:<{_WIDTH}}{place}" for name, place in rows)
    return f"\n{shown}\n\nOpen the results with {reader}({str(files['results'])!r})"
