"""Any wrong input to any option of any command: one line, exit code 2, and no run.

What is wrong is drawn from the commands themselves, so a new option is covered when it
is declared. `make test-faults` draws 2 000 inputs a command: ICL_FAULTS_INPUTS.
"""

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import Field
from itertools import chain
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from icl_mlflow.analysis.settings import AnalyzeSettings, CompareSettings
from icl_mlflow.cli.main import COMMANDS, cli
from icl_mlflow.cli.options import declarations
from icl_mlflow.cli.store.reap import duration
from icl_mlflow.compiled.settings import CompileSettings
from icl_mlflow.published.experiment import experiment
from icl_mlflow.published.settings import ImportSettings
from icl_mlflow.scoring.settings import (
    EpisodesSettings,
    ScoredSettings,
    ScoreSettings,
)
from icl_mlflow.settings import value_type
from icl_mlflow.suite.axes import axes_of
from icl_mlflow.suite.execution import Execution
from icl_mlflow.suite.grid import parse_seeds, parse_variants
from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.curricula import canonical
from icl_mlflow.tasks.shifts import shifted
from icl_mlflow.tracking.local.claims import is_run_id
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.variants import VARIANTS
from icl_mlflow.workflows.diagram.settings import DiagramSettings, parse_pools
from icl_mlflow.workflows.import_published import published_files
from icl_mlflow.workflows.search.space import space_of
from icl_mlflow.workflows.settings import (
    AblateSettings,
    DryRunSettings,
    LaunchSettings,
    PipelineSettings,
    ReproduceSettings,
    SearchSettings,
    SeedSettings,
)
from tests.faults.ledger import Tally

#: How many inputs a command gets; more with `make test-faults`.
INPUTS = int(os.environ.get("ICL_FAULTS_INPUTS", "60"))

KINDS: dict[str, tuple[type, ...]] = {
    "train": (TrainSettings, SeedSettings, Execution, LaunchSettings),
    "ablate": (TrainSettings, AblateSettings, Execution, LaunchSettings),
    "diagram": (TrainSettings, DiagramSettings, Execution),
    "search": (TrainSettings, SearchSettings, LaunchSettings),
    "analyze": (AnalyzeSettings, DryRunSettings),
    "compare": (CompareSettings,),
    "episodes": (EpisodesSettings,),
    "score": (ScoredSettings, ScoreSettings),
    "models": (),
    "export": (),
    "reproduce": (TrainSettings, ReproduceSettings, Execution, LaunchSettings),
    "pipeline": (TrainSettings, PipelineSettings, Execution),
    "import_published": (ImportSettings,),
    "compile": (CompileSettings,),
    "sync": (),
    "reap": (),
}
DECLARED: dict[str, list[Field[Any]]] = {
    name: list(chain.from_iterable(declarations(kinds)))
    for name, kinds in KINDS.items()
}

#: These are whole without a value.
SWITCHES = {"dry_run", "page_only", "yes"}

#: These end a command before anything is wrong.
HARMLESS = {"help", "list"}

NASTY = [
    "", " ", "-", "--", "-1", "0", "1e999", "nan", "-inf", "0x10", "1.5", "None",
    "null", "true", "\n", "a\nb", "\x1b[2J", "\u2028", "\udcff", "٣", "²",
    "🦉" * 500, "9" * 5000, "a" * 100_000, "../../../etc/passwd", "/", "%s%n", "{0}",
    "'; drop table runs; --", "$(touch canary)", "models:/", "models:/a", "models:/@",
    "models:/a/0", "models:/../x@best", "runs:/", "runs:/x/model", "all,all", "0-",
    "9-0", "0-99999999999999", "noisy_labels_2", "no_labels+no_labels", "a,,b",
]  # fmt: skip

#: The system passes on everything but a zero, also bytes that are not UTF-8, which
#: Python shows as lone surrogates of one range.
CHARACTERS = st.characters(
    exclude_characters="\0",
    exclude_categories=("Cs",),
    include_characters=map(chr, range(0xDC80, 0xDD00)),
)

TEXT = st.sampled_from(NASTY) | st.text(CHARACTERS, max_size=30)


def fails(accept: Callable[[str], object]) -> st.SearchStrategy[str]:
    """Text that something will not take."""

    def refused(text: str) -> bool:
        try:
            return accept(text) is False
        except (ValueError, OSError, click.BadParameter):
            return True

    return TEXT.filter(refused)


def outside(declared: Field[Any]) -> Iterator[st.SearchStrategy[str]]:
    """Numbers beyond the bounds of a field, as text."""
    numbers = st.integers if value_type(declared) is int else st.floats
    low, high = (declared.metadata.get(name) for name in ("minimum", "maximum"))
    above = declared.metadata.get("above")
    if low is not None:
        yield numbers(max_value=low - 1).map(str)
    if above is not None:
        yield numbers(max_value=above).map(str)
    if high is not None:
        yield numbers(min_value=high + 1).map(str)


#: Text that is never right, for options that are text; None where any text may be.
WRONG_TEXT: dict[str, st.SearchStrategy[str] | None] = {
    "task": TEXT.filter(lambda text: text not in TASKS),
    "variant": fails(VARIANTS.canonical),
    "variants": fails(lambda text: text in {"all", "default"} or parse_variants(text)),
    "space": fails(lambda text: space_of(text, TrainSettings())),
    "grid": fails(lambda text: axes_of(text, TrainSettings())),
    "seeds": fails(parse_seeds),
    "curriculum": fails(lambda text: canonical(TASKS["A"], text)),
    "also_evaluate": fails(lambda text: shifted(TASKS["A"], text)),
    "resume": fails(is_run_id),
    "model_prefix": fails(lambda text: ImportSettings(path="a", model_prefix=text)),
    "bar": fails(lambda text: math.isfinite(float(text))),
    "analyses": fails(lambda text: AnalyzeSettings(run_id="a", analyses=text)),
    "older_than": fails(duration),
    "untaken": fails(duration),
    "model": TEXT,
    "run_id": TEXT,
    "run_ids": TEXT,
    "run_1": TEXT,
    "run_2": TEXT,
    "folder": fails(lambda text: Path(text).is_dir()),
    "path": fails(published_files),
    "published_experiment": fails(experiment),
    "experiment": None,
    "out": fails(lambda text: EpisodesSettings(out=text)),
    "output": None,
    "page": None,
    "pools": fails(parse_pools),
    "predictions": TEXT,
    "truth": TEXT,
    "ray_address": TEXT,  # without engine=ray
    "yes": st.just("yes"),  # a switch takes no value
}


def wrong_values(parameter: click.Parameter, declared: Field[Any] | None) -> Any:
    """A strategy for values that are wrong, or None where any value may be right."""
    name = str(parameter.name)
    if name in WRONG_TEXT:
        return WRONG_TEXT[name]
    if declared is None:
        assert isinstance(parameter.type, click.Choice), name
        return TEXT.filter(lambda text: text not in parameter.type.choices)
    choices = declared.metadata.get("choices")
    if choices is not None:
        return TEXT.filter(lambda text: text not in choices())
    kind = value_type(declared)
    if kind is bool:
        return fails(lambda text: click.BOOL.convert(text, None, None) is not None)
    assert kind in {int, float}, f"say in WRONG_TEXT what {name} may not be"
    return st.one_of(fails(kind), *outside(declared))


def command_named(name: str) -> click.Command:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    return command


@st.composite
def wrong_inputs(draw: st.DrawFn, name: str) -> list[str]:
    """Arguments of which at least one is wrong."""
    command = command_named(name)
    declared = {field.name: field for field in DECLARED[name]}
    found = {str(p.name): p for p in command.params if p.name not in HARMLESS}
    wrong = {
        key: values
        for key, parameter in found.items()
        if (values := wrong_values(parameter, declared.get(key))) is not None
    }
    arguments = [key for key, p in found.items() if isinstance(p, click.Argument)]
    options = sorted(set(found) - set(arguments))
    given_arguments = ["--", *(draw(wrong[key]) for key in arguments)]
    spelled = draw(st.sampled_from(["_", "-"]))

    def option(key: str, value: str) -> str:
        return f"--{key.replace('_', spelled)}={value}"

    others = (
        [
            option(key, draw(TEXT))
            for key in draw(st.lists(st.sampled_from(options), max_size=2))
        ]
        if options
        else []
    )
    kinds = ["unknown option", "surplus"]
    kinds += ["value"] * 6 if set(wrong) & set(options) else []
    with_values = sorted({*options} - SWITCHES)
    kinds += ["no value"] if with_values else []
    kinds += ["argument"] * 3 if arguments else []
    match draw(st.sampled_from(kinds)):
        case "value":
            key = draw(st.sampled_from(sorted(set(wrong) & set(options))))
            return [*others, option(key, draw(wrong[key])), *given_arguments]
        case "unknown option":
            text = draw(
                st.text("abcxyz_-", min_size=1).filter(lambda t: t not in found)
            )
            return [*others, f"--{text}x{draw(TEXT)}", *given_arguments]
        case "surplus":
            return [*others, *given_arguments, "surplus", draw(TEXT)]
        case "no value":
            return [*others, f"--{draw(st.sampled_from(with_values))}"]
        case _:
            return [*others, *given_arguments]


@pytest.mark.parametrize("name", COMMANDS)
def test_one_line_exit_code_2_and_no_run(
    store: Store,
    icl: Callable[..., Any],
    name: str,
    new_folder: Path,
    tally: Callable[..., Tally],
) -> None:
    counts = tally(f"wrong input to {name}", asked=INPUTS)
    before = sorted(new_folder.iterdir())

    @settings(
        max_examples=INPUTS,
        deadline=None,
        phases=set(Phase) - {Phase.explain},
        suppress_health_check=list(HealthCheck),
    )
    @given(arguments=wrong_inputs(name))
    def check(arguments: list[str]) -> None:
        counts.done += 1
        ended = icl(name, *arguments)
        assert ended.code == 2, ended
        assert ended.out == ""
        (line,) = ended.err.splitlines()
        assert line.startswith("Error: ")
        assert line.isprintable()
        assert len(line) < 3_000

    try:
        check()
    except BaseException:
        counts.wrong += 1  # the smallest that was found
        raise
    assert sorted(new_folder.iterdir()) == before
    assert [e.name for e in store.client.search_experiments()] == ["tests", "Default"]
    assert store.client.search_runs(["0", store.experiment_id]) == []
    counts.assert_clean()


def test_every_command_and_every_option_is_drawn() -> None:
    assert DECLARED.keys() == COMMANDS.keys()
    for name in COMMANDS:
        declared = {field.name: field for field in DECLARED[name]}
        for parameter in command_named(name).params:
            if parameter.name not in HARMLESS:
                wrong_values(parameter, declared.get(str(parameter.name)))
