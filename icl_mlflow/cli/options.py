"""A settings dataclass: a command's options, its ``-P`` keys and its MLflow params."""

import functools
from collections.abc import Callable, Collection, Mapping
from dataclasses import Field, fields
from typing import Any

import click
from click.shell_completion import CompletionItem

from icl_mlflow.settings import is_required, value_type

Command = Callable[..., None]

#: Characters of choices that ``--help`` shows; of more, it names none.
_LONGEST_LIST = 60

#: One spelling everywhere: the field name. A shell habit (--n-context) is forgiven.
CONTEXT: dict[str, Any] = {
    "token_normalize_func": lambda name: name.replace("-", "_"),
    "show_default": True,
    "max_content_width": 100,
}


class _Name(click.ParamType[str]):
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

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def run(**values: Any) -> None:
            try:
                built = [
                    kind(
                        **{
                            f.name: values[f.name]
                            for f in fields(kind)
                            if f.name not in without
                        }
                    )
                    for kind in kinds
                ]
            except ValueError as error:
                raise click.UsageError(str(error)) from error
            command(*built)

        decorated: Command = run
        for kind in reversed(kinds):
            for declared in reversed(fields(kind)):
                if declared.name not in without:
                    decorated = _option(declared, presets or {})(decorated)
        return decorated

    return decorate


def _option(
    declared: Field[Any], presets: Mapping[str, Mapping[str, Any]]
) -> Callable[[Command], Command]:
    kind = value_type(declared)
    if is_required(declared):
        return click.argument(declared.name, type=kind)
    choices = declared.metadata.get("choices")
    more: dict[str, Any] = {}
    if kind is bool:  # a switch for people, a value for `mlflow run -P`
        more |= {"is_flag": False, "flag_value": "true"}
    if declared.name == "preset":
        more |= {"is_eager": True, "callback": functools.partial(_preset, presets)}
    return click.option(
        f"--{declared.name}",
        type=_Name(choices) if choices else kind,
        default=declared.default,
        help=declared.metadata["help"],
        show_default=declared.default is not None,
        **more,
    )


def _preset(
    presets: Mapping[str, Mapping[str, Any]],
    context: click.Context,
    _parameter: click.Parameter,
    name: str,
) -> str:
    """Put the preset's values where click looks when no option is given."""
    context.default_map = dict(presets.get(name, {}))
    return name
