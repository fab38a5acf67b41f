"""``s3rl`` on the command line: the whole pipeline on simulated tissue, or on a file or store of the user."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from s3rl import __version__
from s3rl.errors import S3RLError

__all__ = ["main"]

_USER_ERROR = 2
_OPTION_OF = {"rng": "--seed"} | {
    name: f"--{name.replace('_', '-')}"
    for name in ("n_domains", "table_key", "library_key", "reference_key", "n_top_genes", "device", "tile_size")
}
_OPTION_OF |= {"image_key": "--image", "size": "--tile-size", "microns_per_unit": "--tile-unit px"}


def _told(error: S3RLError) -> str:
    """Message of the error, with the option where it speaks of an argument of Python."""
    option = _OPTION_OF.get(error.key.partition("=")[0])
    return f"Error: {error}{f' (on the command line: {option})' if option else ''}"


def _command(function: Callable[..., None]) -> Callable[..., None]:
    """Turn errors of the user into a message and exit code 2."""

    @click.option("--traceback", is_flag=True, help="Show where an error was raised.")
    @wraps(function)
    def wrapped(*, traceback: bool, **options: Any) -> None:
        try:
            function(**options)
        except S3RLError as error:
            if traceback:
                raise
            click.echo(_told(error), err=True)
            raise SystemExit(_USER_ERROR) from None

    return wrapped


_seed = click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="The same seed gives the same result."
)
_device = click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="NAME",
    help="Where to train: auto, cpu, cuda or mps; auto takes a graphics card where there is one.",
)
_no_image = click.option(
    "--no-image", "use_image", flag_value=False, default=True, help="Do not use the image of the tissue."
)
_overwrite = click.option("--overwrite", is_flag=True, help="Replace the results that are in the folder.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="s3rl")
def main() -> None:
    """Spatial domains, an embedding and denoised expression from spatial transcriptomics."""


@main.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("s3rl_demo"),
    show_default=True,
    metavar="DIR",
    help="Folder to make.",
)
@_no_image
@_seed
@_device
@_overwrite
@_command
def demo(output: Path, use_image: bool, seed: int, device: str, overwrite: bool) -> None:
    """Simulate a slice of cortex with its image and run the whole pipeline on it, in a minute or two.

    Writes the tissue as a SpatialData store, the results as another, the fitted model, figures and a summary to DIR.
    A folder that an earlier demo made is replaced. Needs no network.
    """
    from s3rl.cli._demo import run_demo

    run_demo(output, use_image=use_image, seed=seed, device=device, overwrite=overwrite)


@main.command()
@click.argument("source", metavar="INPUT", type=click.Path(path_type=Path))
@click.option("--n-domains", type=int, metavar="K", help="Number of domains to find; chosen by the data by default.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder to make; INPUT's name followed by _s3rl, in the current folder, by default.",
)
@click.option("--table-key", metavar="NAME", help="Table of a SpatialData that holds several.")
@click.option("--library-key", metavar="COLUMN", help="Column of obs that names the slice, where there are several.")
@click.option(
    "--reference-key", metavar="COLUMN", help="Column of obs with known domains, to compare with; never used to train."
)
@click.option(
    "--n-top-genes",
    type=int,
    default=3000,
    show_default=True,
    metavar="N",
    help="Highly variable genes to model; tables of fewer than 1,000 genes keep all.",
)
@click.option(
    "--image",
    "image_key",
    metavar="NAME",
    help="Image to use: its name, or a word of it such as hires; by default the one with spots nearest to 32 pixels "
    "apart.",
)
@click.option(
    "--tile-size",
    type=float,
    metavar="SIDE",
    help="Side of the piece of image around each spot; by default the distance from spot to spot.",
)
@click.option(
    "--tile-unit",
    type=click.Choice(["px", "um"]),
    default="px",
    show_default=True,
    help="Unit of --tile-size: pixels of the full resolution, or micrometres.",
)
@_no_image
@_seed
@_device
@_overwrite
@_command
def run(source: Path, output: Path | None, overwrite: bool, **options: Any) -> None:
    """Find domains and denoise expression in INPUT, an .h5ad file or a SpatialData .zarr store.

    INPUT holds raw counts in X or in layers["counts"], and coordinates in obsm["spatial"]. It is never changed: DIR
    receives the results in INPUT's own format with everything INPUT holds, figures, the fitted model and a summary.

    Where INPUT has an image of the tissue, in uns["spatial"] or as an element of the store, an encoder learns features
    of the piece around each spot, and spots that look alike are joined as those with similar expression are. An image
    whose spots are less than 8 pixels apart is left out.

    A run that was interrupted goes on where it was when the same command is given again.
    """
    from s3rl.cli._run import run_input

    run_input(source, output or Path(f"{source.stem}_s3rl"), overwrite=overwrite, **options)
