"""``s3rl run``: read, analyse, write, draw, report."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s3rl._keys import SPATIAL, X_SIMCLR, ModelKeys
from s3rl.cli import _image, _pipeline
from s3rl.cli._folder import OutputFolder, drop_other_results, opened
from s3rl.cli._session import Steps, quiet_process

if TYPE_CHECKING:
    from anndata import AnnData

    from s3rl._typing import Data

_KEYS = ModelKeys()
# they change neither the graph nor the model
_FREE = ("reference_key", "device")


def run_input(source: Path, output: Path, *, overwrite: bool, **options: Any) -> None:
    """Run the pipeline on a file or store.

    Parameters
    ----------
    source
        ``.h5ad`` file or ``.zarr`` store.
    output
        Folder of the results.
    overwrite
        Replace what is in it.
    options
        Fields of ``Settings``.
    """
    from s3rl._slots.read import read_input

    settings = _pipeline.Settings(**options)
    _image.check_options(settings)
    decisive = {"command": "run", "input": os.path.realpath(source)}
    decisive |= {name: value for name, value in asdict(settings).items() if name not in _FREE}
    steps = Steps()
    with quiet_process(), opened(output, decisive, overwrite=overwrite, source=source) as folder:
        if not source.exists():
            # says what is beside it, before the libraries take their seconds
            read_input(source)
        load_libraries(steps)
        analyse(source, settings, folder, steps, {"command": "run", "input": str(source)})


def load_libraries(steps: Steps) -> None:
    """Import what the pipeline needs, so that no step looks slower than it is."""
    with steps("load libraries"):
        import matplotlib as mpl
        import scanpy  # noqa: F401
        import spatialdata  # noqa: F401
        import squidpy  # noqa: F401
        import torch  # noqa: F401

        mpl.use("Agg")


def analyse(
    source: Path, settings: _pipeline.Settings, folder: OutputFolder, steps: Steps, facts: dict[str, Any]
) -> None:
    """Read ``source``, run every step on it, and leave results, figures, model and summary in the folder."""
    from s3rl._slots.centroids import ensure_coordinates
    from s3rl._slots.read import read_input
    from s3rl._slots.table import table_of
    from s3rl.cli._report import report

    with steps("read") as said:
        data = read_input(source, settings.table_key)
        table = table_of(data, settings.table_key)
        ensure_coordinates(data, table, SPATIAL)
        _pipeline.check_reference(table, settings.reference_key)
        _pipeline.check_domains(table, settings.n_domains)
        said.append(f"{table.n_obs:,} spots, {table.n_vars:,} genes")
    use = _prepare(data, table, settings, steps)
    agreement = _compute(table, use.tiled, settings, folder, steps)
    shown = _KEYS.domain if agreement is None else _pipeline.MATCHED
    if use.tiled is None:
        # of an earlier run, which would be taken for one of this
        folder.encoder.unlink(missing_ok=True)
    results = _write(data, folder.results(source.suffix), folder, steps)
    figures = _draw(data, table, use.tiled, folder, settings, shown, steps)
    reader = "spatialdata.read_zarr" if data is not table else f"anndata.read_{results.suffix[1:]}"
    everything = facts | asdict(settings) | _facts_of(table) | _facts_of_image(use) | {"reader": reader}
    files = {"input": folder.tissue} if facts["command"] == "demo" else {}
    files |= {"results": results, "model": folder.model}
    files |= {"encoder": folder.encoder} if use.tiled is not None else {}
    report(folder, everything, agreement, steps.seconds, files, figures)


def _prepare(data: Data, table: AnnData, settings: _pipeline.Settings, steps: Steps) -> _image.ImageUse:
    """What costs little, so that an input that cannot be used is refused before the training on the image."""
    with steps("normalise") as said:
        _pipeline.normalise(table, settings, said)
    with steps("spatial graph") as said:
        _pipeline.spatial_graph(table, settings.library_key, said)
    if not settings.use_image:
        return _image.ImageUse(left_out="--no-image")
    if not _image.has_image(data, table):
        return _image.make_tiles_on(data, table, settings, [])
    with steps("tiles") as said:
        return _image.make_tiles_on(data, table, settings, said)


def _compute(
    table: AnnData, tiled: _image.Tiled | None, settings: _pipeline.Settings, folder: OutputFolder, steps: Steps
) -> _pipeline.Agreement | None:
    from s3rl.pp._signed_neighbors import signed_neighbors

    image_rep = None
    if tiled is not None:
        image_rep = X_SIMCLR
        with steps("image features") as said:
            how = _image.learn_features(
                tiled,
                table,
                settings,
                encoder=folder.encoder,
                checkpoint=folder.image_checkpoint,
                progress=sys.stderr.isatty(),
            )
            said.append(how)
    with steps("signed graph"):
        signed_neighbors(table, image_rep=image_rep, library_key=settings.library_key)
    with steps("train") as said:
        how = _pipeline.train(
            table, settings, checkpoint=folder.checkpoint, model=folder.model, progress=sys.stderr.isatty()
        )
        said.append(how)
    if settings.reference_key is None:
        return None
    with steps("compare") as said:
        agreement = _pipeline.compare(table, settings, settings.reference_key)
        said.append(f"ARI {agreement.ari:.3f}, untrained {agreement.floor:.3f}")
    return agreement


def _write(data: Data, place: Path, folder: OutputFolder, steps: Steps) -> Path:
    from s3rl._slots.store import write_results

    with steps("write"):
        write_results(data, place, overwrite=True)
        drop_other_results(folder, place)
    return place


def _draw(
    data: Data,
    table: AnnData,
    tiled: _image.Tiled | None,
    folder: OutputFolder,
    settings: _pipeline.Settings,
    shown: str,
    steps: Steps,
) -> list[Path]:
    from s3rl.cli._figures import draw_all, draw_image

    with steps("draw"):
        figures = draw_all(
            data,
            table,
            folder.figures,
            shown=shown,
            reference_key=settings.reference_key,
            library_key=settings.library_key,
        )
        return figures + draw_image(
            data,
            table,
            tiled,
            folder.figures,
            shown=shown,
            reference_key=settings.reference_key,
            library_key=settings.library_key,
        )


def _facts_of_image(use: _image.ImageUse) -> dict[str, Any]:
    return {"image": None if use.tiled is None else use.tiled.facts, "image_left_out": use.left_out}


def _facts_of(table: AnnData) -> dict[str, Any]:
    from s3rl import __version__

    return {
        "version": __version__,
        "spots": table.n_obs,
        "genes": table.n_vars,
        "genes_modelled": int(table.var["highly_variable"].sum()),
        "n_domains": int(table.uns[_KEYS.uns]["n_domains"]),
        "domains_used": int(table.obs[_KEYS.domain].nunique()),
        "epochs": len(table.uns[_KEYS.uns]["history"]["loss"]),
    }
