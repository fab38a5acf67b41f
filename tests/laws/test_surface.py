"""What every public name promises: its signature, its docstring, and examples that run."""

from __future__ import annotations

import ast
import doctest
import inspect
import logging
from importlib import import_module
from pathlib import Path

import pytest
from laws import surface

import s3rl

KEYWORD_ONLY = inspect.Parameter.KEYWORD_ONLY
POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)

everything = pytest.mark.parametrize("qualified", surface.names(*surface.NAMESPACES))


def is_class(qualified: str) -> bool:
    return qualified.split(".")[1][0].isupper()


functions = pytest.mark.parametrize(
    "qualified", [name for name in surface.names(*surface.NAMESPACES) if not is_class(name)]
)


@everything
def test_every_listed_name_is_there_and_belongs_to_its_namespace(qualified):
    thing = surface.resolve(qualified)
    assert callable(thing)
    assert inspect.isclass(thing) == is_class(qualified)
    assert thing.__module__.startswith("s3rl.")


@pytest.mark.parametrize("space", surface.NAMESPACES)
def test_all_is_what_star_import_brings(space):
    namespace = import_module(f"s3rl.{space}")
    star: dict[str, object] = {}
    exec(f"from s3rl.{space} import *", star)
    assert sorted(namespace.__all__) == sorted(set(star) - {"__builtins__"})
    assert set(namespace.__all__) <= set(dir(namespace))


@pytest.mark.parametrize("space", surface.SHELLS)
def test_no_public_function_is_forgotten(space):
    folder = Path(s3rl.__file__).parent / space
    written = {
        node.name
        for file in folder.glob("_[a-z]*.py")
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name == file.stem.removeprefix("_")
    }
    assert written <= set(import_module(f"s3rl.{space}").__all__)


def test_the_package_lists_its_namespaces():
    assert {*surface.NAMESPACES, "errors"} <= set(s3rl.__all__)
    assert all(inspect.ismodule(getattr(s3rl, name)) for name in s3rl.__all__)


def test_errors_lists_its_whole_tree():
    def tree(kind: type) -> set[str]:
        return {kind.__name__}.union(*(tree(child) for child in kind.__subclasses__()))

    assert sorted(tree(s3rl.errors.S3RLError)) == s3rl.errors.__all__


def test_a_name_that_does_not_exist_says_what_does():
    with pytest.raises(AttributeError, match="normalize"):
        s3rl.pp.normalise  # noqa: B018


@pytest.mark.parametrize("qualified", [name for name in surface.names(*surface.SHELLS) if not is_class(name)])
def test_call_law(qualified):
    parameters = surface.parameters_of(surface.resolve(qualified))
    kinds = [p.kind for p in parameters.values()]
    assert len(parameters) <= 14
    assert not set(kinds) & set(VARIADIC)
    assert sum(kind in POSITIONAL for kind in kinds) <= 3  # the data, and at most two names or numbers
    if not qualified.startswith("datasets."):
        # what is joined or compared is not one object
        firsts = {"pp.join_slices": {"slices"}, "tl.compare_ligrec": {"raw"}}
        assert next(iter(parameters)) in firsts.get(qualified, {"data", "sdata"})
    for name, default in (("copy", False), ("progress", True), ("device", "auto"), ("table_key", None)):
        if name in parameters:
            assert parameters[name].kind is KEYWORD_ONLY
            assert parameters[name].default == default


@pytest.mark.parametrize("qualified", surface.names(*surface.CORES))
def test_call_law_of_the_core(qualified):
    parameters = surface.parameters_of(surface.resolve(qualified))
    assert len(parameters) <= 14
    assert not {p.kind for p in parameters.values()} & set(VARIADIC)


@everything
def test_docstring_parameters_are_those_of_the_signature(qualified):
    thing = surface.resolve(qualified)
    sections = surface.sections_of(thing)
    section = "Attributes" if inspect.isclass(thing) and "Parameters" not in sections else "Parameters"
    assert surface.documented(sections.get(section, [])) == list(surface.parameters_of(thing))


@everything
def test_docstring_has_a_summary_and_examples(qualified):
    thing = surface.resolve(qualified)
    sections = surface.sections_of(thing)
    assert sections["Summary"]
    assert sections["Summary"][0].endswith(".")
    is_result = inspect.isclass(thing) and issubclass(thing, tuple)
    assert is_result or any(">>>" in line for line in sections.get("Examples", []))


@functions
def test_docstring_says_what_comes_back(qualified):
    assert any(line.strip() for line in surface.sections_of(surface.resolve(qualified)).get("Returns", []))


@pytest.mark.parametrize("qualified", [name for name in surface.names(*surface.SHELLS) if not is_class(name)])
def test_docstring_names_errors_of_the_tree(qualified):
    raised = surface.documented(surface.sections_of(surface.resolve(qualified)).get("Raises", []))
    assert raised
    assert set(raised) <= set(s3rl.errors.__all__)


@everything
def test_examples_run(qualified, tmp_path, monkeypatch):
    import matplotlib.pyplot as plt

    # squidpy logs through spatialdata to stdout, where an example's output belongs
    monkeypatch.setattr(logging.getLogger("spatialdata._logging"), "disabled", True)
    monkeypatch.chdir(tmp_path)
    plt.switch_backend("Agg")
    thing = surface.resolve(qualified)
    found = doctest.DocTestFinder(recurse=False).find(thing, qualified, globs={})
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    report: list[str] = []
    for example in found:
        runner.run(example, out=report.append)
    plt.close("all")
    assert not runner.failures, "".join(report)
