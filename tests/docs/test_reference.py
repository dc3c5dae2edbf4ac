"""Every public name has its place in the reference of the site."""

import ast
import importlib
import inspect
import json
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import icl_mlflow as icl
from icl_mlflow import api

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
#: What the pages document, by the names that they give.
LISTED = [
    name
    for page in sorted(REFERENCE.glob("*.md"))
    for name in re.findall(r"^::: (\S+)$", page.read_text(), re.MULTILINE)
]
PYTHON = re.compile(r"```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def found(name: str) -> Any:
    """What a dotted name stands for: a module, or something in one."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        return getattr(importlib.import_module(module), attribute)


def documented() -> list[Any]:
    """All that is listed, and what belongs to a module that is listed whole."""
    things = []
    for name in LISTED:
        thing = found(name)
        if inspect.ismodule(thing):
            own = vars(thing).items()
            things += [v for k, v in own if not k.startswith("_")]
        else:
            things.append(thing)
    return things


def imported(code: str) -> Iterator[tuple[str, Any]]:
    """What a piece of code imports from inside the package, with its name."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("icl_ml"):
            for alias in node.names:
                where = f"{node.module}.{alias.name}"
                yield where, found(where)


def codes() -> Iterator[str]:
    """The Python of pages and notebooks, and of the package to copy from."""
    for page in (ROOT / "docs").rglob("*.md"):
        blocks = PYTHON.findall(page.read_text())
        yield from (code for code in blocks if re.match(r"\s*(import|from) ", code))
    for notebook in (ROOT / "docs").rglob("*.ipynb"):
        cells = json.loads(notebook.read_text())["cells"]
        yield from ("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    for module in (ROOT / "tests" / "plugins" / "toy_icl").glob("*.py"):
        yield module.read_text()


def test_every_name_of_the_index_is_in_the_reference() -> None:
    kinds = {type(icl.TASKS), type(icl.VARIANTS)}
    things = documented()
    pages = "".join(page.read_text() for page in REFERENCE.glob("*.md"))
    missing = []
    for name in icl.__all__:
        public = getattr(icl, name)
        if type(public) in kinds:
            assert f"`icl.{name}`" in pages
            assert type(public) in things
        elif not any(public is thing for thing in things):
            missing.append(f"{public.__module__}.{public.__name__}")
    assert missing == []


def test_what_the_verbs_return_and_raise_is_in_the_reference() -> None:
    things = documented()
    errors = {thing.__name__ for thing in things if inspect.isclass(thing)}
    missing = set()
    for name in icl.__all__:
        verb = getattr(icl, name)
        if not inspect.isfunction(verb):
            continue
        if verb.__module__ == api.__name__:
            returned = typing.get_type_hints(verb)["return"]
            kinds = typing.get_args(returned) or [returned]
            missing |= {kind for kind in kinds if kind not in things}
        text = inspect.getdoc(verb) or ""
        raised = text.partition("Raises:\n")[2].partition("\n\n")[0]
        named = set(re.findall(r"^    (\w+Error):", raised, re.MULTILINE))
        missing |= named - {*errors, "ValueError", "TypeError"}
    assert missing == set()


def test_what_pages_notebooks_and_the_example_import_is_in_the_reference() -> None:
    things = [*documented(), *map(found, LISTED)]
    names = dict(each for code in codes() for each in imported(code))
    assert "icl_mlflow.tasks.base.Task" in names
    missing = [
        name
        for name, thing in names.items()
        if not any(thing is each or type(thing) is each for each in things)
        and name.removeprefix("icl_mlflow.") not in icl.__all__
    ]
    assert missing == []
