"""Options of a command, made from the fields of its settings dataclasses."""

import functools
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import Field, fields
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

import click
from click.shell_completion import CompletionItem

from icl_mlflow.settings import PARAMETERS, is_required, setting, value_type
from icl_mlflow.tasks.parameters import declared_by_any
from icl_mlflow.tasks.wrappers.wrapping import WRAPPER_PARAMETERS

Command = Callable[..., None]

_logger = logging.getLogger(__name__)

#: Characters of choices that ``--help`` shows; of more, it names none.
_LONGEST_LIST = 60

#: One spelling everywhere: the field name. A shell habit (--n-context) is forgiven.
CONTEXT: dict[str, Any] = {
    "token_normalize_func": lambda name: name.replace("-", "_"),
    "show_default": True,
    "max_content_width": 100,
}


if TYPE_CHECKING:
    _Text = click.ParamType[str]
else:  # older versions of click know no parameter types of what they give
    _Text = click.ParamType


class _Name(_Text):
    """A name from a registry: completed by the shell, checked by the settings."""

    name = "name"

    def __init__(self, choices: Callable[[], Any]) -> None:
        self._choices = choices

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        del param, ctx
        listed = f"[{'|'.join(self._choices())}]"
        return listed if len(listed) <= _LONGEST_LIST else "NAME"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        del ctx, param
        return [CompletionItem(c) for c in self._choices() if c.startswith(incomplete)]


class GroupedCommand(click.Command):
    """A command whose ``--help`` lists its options under the titles of their groups."""

    def format_options(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """Options by group; those without one come last."""
        by_group: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                by_group.setdefault(group_of(parameter), []).append(record)
        ungrouped = by_group.pop("", [])
        for title, records in (*by_group.items(), ("Options", ungrouped)):
            with formatter.section(title):
                formatter.write_dl(records)


def group_of(parameter: click.Parameter) -> str:
    """The title that an option stands under in ``--help``; empty without one."""
    return parameter.group if isinstance(parameter, _Option) else ""


class _Option(click.Option):
    """An option that belongs to a group."""

    def __init__(self, *args: Any, group: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.group = group


def options(
    *kinds: type,
    presets: Mapping[str, Mapping[str, Any]] | None = None,
    without: Collection[str] = (),
) -> Callable[[Command], Command]:
    """Give a command one option per field, and call it with the built settings.

    A field that every caller must give is an argument, known by its place.

    Args:
        kinds: frozen settings dataclasses with disjoint fields, in the order in which
            the command takes them.
        presets: what each value of the field ``preset`` sets where no option is given.
        without: fields that the command fills in itself, and which keep their default.
    """
    declared = declarations(kinds, without)
    groups = _groups(kinds)

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def run(**values: Any) -> None:
            try:
                built = [
                    kind(**{field.name: values[field.name] for field in of_kind})
                    for kind, of_kind in zip(kinds, declared, strict=True)
                ]
            except ValueError as error:
                raise click.UsageError(str(error)) from error
            command(*built)

        decorated: Command = run
        for field in reversed(list(chain.from_iterable(declared))):
            group = groups.get(field.name, groups.get(PARAMETERS, ""))
            decorated = _option(field, presets or {}, group)(decorated)
        return decorated

    return decorate


def declarations(
    kinds: Sequence[type], without: Collection[str] = ()
) -> list[list[Field[Any]]]:
    """The fields that options are made of, for each settings class in turn.

    The parameters of all tasks stand where a class takes those of one.

    Args:
        kinds: frozen settings dataclasses with disjoint fields.
        without: fields that have no option.
    """
    taken = {field.name for kind in kinds for field in fields(kind)}
    found = []
    for kind in kinds:
        of_kind: list[Field[Any]] = []
        for field in fields(kind):
            if field.name in without:
                continue
            if field.name == PARAMETERS:
                of_kind += _of_tasks(field.metadata["help"], taken)
            else:
                of_kind.append(field)
        found.append(of_kind)
    return found


def _groups(kinds: Sequence[type]) -> dict[str, str]:
    """Field to the title that it stands under, empty before the first title."""
    found: dict[str, str] = {}
    title = ""
    for field in chain.from_iterable(map(fields, kinds)):
        title = field.metadata.get("group") or title
        found[field.name] = title
    return found


def _of_tasks(otherwise: str, taken: Collection[str]) -> list[Field[Any]]:
    """An option for every parameter that any task has; tasks may share one.

    Args:
        otherwise: what holds without it, of its ``{default}``.
        taken: names of other options.
    """
    found = []
    for name, by_task in declared_by_any().items():
        if name in taken:
            _logger.warning(
                "parameter %s of %s cannot be given: another option has that name",
                name,
                " and ".join(f"task {task}" for task in by_task),
            )
            continue
        kinds = {value_type(field) for field in by_task.values()}
        option: Any = setting(None, _help_of(by_task, otherwise))
        option.name, option.type = name, int if kinds == {int} else float
        found.append(option)
    wrappers = WRAPPER_PARAMETERS.values()
    return found + [_of_wrapper(field, otherwise) for field in wrappers]


def _of_wrapper(field: Field[Any], otherwise: str) -> Field[Any]:
    """An option that every task has."""
    text = str(field.metadata["help"]).rstrip(".")
    without = otherwise.format(default=f"{field.default:g}")
    option: Any = setting(None, f"{text} ({without}).")
    option.name, option.type = field.name, field.type
    return cast("Field[Any]", option)


def _help_of(by_task: Mapping[str, Field[Any]], otherwise: str) -> str:
    """Each task in its own words, and what holds without the option."""
    told = []
    for task, field in by_task.items():
        text = str(field.metadata["help"]).rstrip(".")
        without = otherwise.format(default=f"{field.default:g}")
        told.append(f"Task {task}: {text[0].lower()}{text[1:]} ({without}).")
    return " ".join(told)


def _option(
    declared: Field[Any], presets: Mapping[str, Mapping[str, Any]], group: str
) -> Callable[[Command], Command]:
    kind = value_type(declared)
    choices = declared.metadata.get("choices")
    if is_required(declared):
        return click.argument(declared.name, type=_Name(choices) if choices else kind)
    more: dict[str, Any] = {}
    if kind is bool:  # a switch for people, a value for `mlflow run -P`
        more |= {"is_flag": False, "flag_value": "true"}
    default, joined_by = declared.default, declared.metadata.get("joined_by")
    if joined_by is not None:
        join = functools.partial(_join, joined_by, declared.default)
        more |= {"multiple": True, "callback": join}
        default = None
    if declared.name == "preset":
        more |= {"is_eager": True, "callback": functools.partial(_preset, presets)}
    return click.option(
        f"--{declared.name}",
        cls=_Option,
        group=group,
        type=_Name(choices) if choices else kind,
        default=default,
        help=declared.metadata["help"],
        show_default=default is not None,
        **more,
    )


def _join(
    between: str,
    otherwise: Any,
    _context: click.Context,
    _parameter: click.Parameter,
    given: tuple[str, ...],
) -> Any:
    """One text of an option that may be given several times, or not at all."""
    return between.join(given) if given else otherwise


def _preset(
    presets: Mapping[str, Mapping[str, Any]],
    context: click.Context,
    _parameter: click.Parameter,
    name: str,
) -> str:
    """Put the preset's values where click looks when no option is given."""
    context.default_map = dict(presets.get(name, {}))
    return name
