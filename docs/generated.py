"""What the site takes from the code when it is built: options, choices, measured pages.

mkdocs calls the functions that begin with ``on_``. A line such as
``<!-- generated: commands -->`` in a page is replaced by what `GENERATED` makes.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from icl_mlflow.analysis import ANALYSES
from icl_mlflow.analysis.base import Topic
from icl_mlflow.cli.main import COMMANDS, cli
from icl_mlflow.cli.options import group_of
from icl_mlflow.estimators import ESTIMATORS
from icl_mlflow.tasks import TASKS
from icl_mlflow.training.settings import PRESETS
from icl_mlflow.variants import VARIANTS

_ROOT = Path(__file__).parents[1]
#: Pages that programs write elsewhere in the repository, with their figures.
_MEASURED = "benchmarks/results"
_MARK = re.compile(r"<!-- generated: (\w+) -->")
#: What is told of every option, beside its name.
_COLUMNS = ("takes", "default", "what it is")
#: A link of a page in docs/ to one that is written elsewhere.
_OUT_OF_DOCS = re.compile(rf"\]\(\.\./({_MEASURED}/)")


def commands() -> str:
    """Every command with its arguments and options."""
    context = click.Context(cli)
    return "\n\n".join(_command(context, name) for name in COMMANDS)


def presets() -> str:
    """What each preset sets."""
    names = list(dict.fromkeys(key for preset in PRESETS.values() for key in preset))
    defaults = {p.name: p.default for p in _parameters(click.Context(cli), "train")}
    rows = [
        [f"`{name}`", *(_value(p.get(name, defaults[name])) for p in PRESETS.values())]
        for name in names
    ]
    return _table(["option", *(f"`{preset}`" for preset in PRESETS)], rows)


def tasks() -> str:
    """Every task with what its module says first."""
    rows = [[f"`{name}`", _first_line(type(TASKS[name]))] for name in TASKS]
    return _table(["task", "question"], rows)


def variants() -> str:
    """Every listed variant with its question."""
    return _questions("variant", VARIANTS)


def estimators() -> str:
    """Every estimator with its question."""
    return _questions("estimator", ESTIMATORS)


def analyses() -> str:
    """Every analysis with its question, by topic, and when it is asked."""
    rows = [
        [
            f"`{name}`",
            _prose(one.question),
            one.topic.value,
            "by default" if one.by_default else "by name, or `all`",
        ]
        for topic in Topic
        for name, one in ANALYSES.working().items()
        if one.topic is topic
    ]
    return _table(["analysis", "question", "topic", "asked"], rows)


GENERATED: Mapping[str, Callable[[], str]] = {
    "commands": commands,
    "presets": presets,
    "tasks": tasks,
    "variants": variants,
    "estimators": estimators,
    "analyses": analyses,
}


def on_files(files: Any, config: Any) -> Any:
    """Add the measured pages and their figures, where the links expect them."""
    from mkdocs.structure.files import File  # noqa: PLC0415 only where a site is built

    wanted = [*(_ROOT / _MEASURED).glob("*.md"), *(_ROOT / _MEASURED).glob("*.png")]
    for path in sorted(wanted):
        place = path.relative_to(_ROOT).as_posix()
        files.append(File.generated(config, place, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, **_about: Any) -> str:
    """Fill in what is generated, and lead links to measured pages into the site."""
    filled = _MARK.sub(lambda mark: GENERATED[mark[1]](), markdown)
    return _OUT_OF_DOCS.sub(r"](\1", filled)


def _command(context: click.Context, name: str) -> str:
    command = cli.get_command(context, name)
    assert command is not None
    parts = [f"## {name}", _prose(command.help or "")]
    arguments = [
        p for p in command.get_params(context) if isinstance(p, click.Argument)
    ]
    usage = " ".join(p.make_metavar(context) for p in arguments)
    parts.append(f"```sh\nicl-mlflow {' '.join([name, usage]).strip()} [OPTIONS]\n```")
    titled: dict[str, list[list[str]]] = {}
    for option in command.get_params(context):
        if isinstance(option, click.Option) and option.name != "help":
            titled.setdefault(group_of(option), []).append(_row(option, context))
    for title, rows in titled.items():
        parts.append(_table([f"{title} option".strip().lower(), *_COLUMNS], rows))
    example = (command.epilog or "").replace("\b", "").replace("Example:", "")
    lines = [line.strip() for line in example.splitlines() if line.strip()]
    if lines:
        parts.append("```sh\n" + "\n".join(lines) + "\n```")
    return "\n\n".join(parts)


def _row(option: click.Option, context: click.Context) -> list[str]:
    about = _prose(option.help or "")
    spelling, kind = f"`{_spelling(option)}`", _kind(option, context)
    return [spelling, kind, _value(option.default), about]


def _parameters(context: click.Context, name: str) -> Iterator[click.Parameter]:
    command = cli.get_command(context, name)
    assert command is not None
    yield from command.params


def _spelling(option: click.Option) -> str:
    return ", ".join([*option.opts, *option.secondary_opts])


def _kind(option: click.Option, context: click.Context) -> str:
    if option.is_flag or option.type is click.BOOL:
        return "a switch"
    metavar = option.make_metavar(context)
    if metavar.startswith("["):
        return " ".join(f"`{one}`" for one in metavar.strip("[]").split("|"))
    return metavar.lower()


def _value(default: Any) -> str:
    """A default as it would be typed; nothing where the program decides."""
    if default is None or default is False or repr(default).startswith("Sentinel"):
        return ""
    return f"`{default}`"


def _questions(kind: str, known: Mapping[str, Any]) -> str:
    rows = [[f"`{name}`", _prose(known[name].question)] for name in known]
    return _table([kind, "question"], rows)


def _first_line(kind: type) -> str:
    return (kind.__doc__ or "").partition("\n")[0]


def _prose(text: str) -> str:
    """One line that Markdown shows as it is."""
    return re.sub(r"([|<*_])", r"\\\1", " ".join(text.split()))


def _table(titles: list[str], rows: list[list[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
