"""Settings of the documentation; ``.ci/run docs`` builds it with warnings as errors."""

import os
import sys
import warnings
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS / "_ext"))

import package_pages  # noqa: E402

import s3rl  # noqa: E402

# sphinx-autodoc-typehints calls a method of Sphinx that goes away in its next version
warnings.filterwarnings("ignore", message=".*_RstSnippetParser")

project = "s3rl"
author = copyright = "s3rl developers"  # noqa: A001
version = release = s3rl.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx_autodoc_typehints",
]
exclude_patterns = ["_build", "**/.ipynb_checkpoints"]
templates_path = ["_templates"]

html_theme = "sphinx_book_theme"
html_title = "s3rl"
html_static_path = ["_static"]
html_theme_options = {
    "repository_url": "https://github.com/s3rl-tools/s3rl-tools",
    "use_repository_button": True,
    "path_to_docs": "docs",
}

autodoc_member_order = "bysource"
autosummary_generate = True
napoleon_google_docstring = False
# fields of a dataclass or a named tuple are the arguments that make it
napoleon_custom_sections = [("Attributes", "params_style")]
napoleon_use_rtype = False
typehints_defaults = "comma"
always_use_bars_union = True

myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_merge_streams = True

# an inventory that cannot be reached is a warning, and warnings are errors
intersphinx_mapping = (
    {}
    if os.environ.get("S3RL_DOCS_OFFLINE")
    else {
        "anndata": ("https://anndata.readthedocs.io/en/stable/", None),
        "matplotlib": ("https://matplotlib.org/stable/", None),
        "numpy": ("https://numpy.org/doc/stable/", None),
        "python": ("https://docs.python.org/3/", None),
        "scanpy": ("https://scanpy.readthedocs.io/en/stable/", None),
        "scipy": ("https://docs.scipy.org/doc/scipy/", None),
        "spatialdata": ("https://spatialdata.scverse.org/en/stable/", None),
        "squidpy": ("https://squidpy.readthedocs.io/en/stable/", None),
        "torch": ("https://docs.pytorch.org/docs/stable/", None),
    }
)


def without_tuple_fields(app, what, name, thing, skip, options):
    return True if type(thing).__name__ == "_tuplegetter" else None


def setup(app):
    app.connect("autodoc-skip-member", without_tuple_fields)
    package_pages.write_pages(DOCS / "generated")
