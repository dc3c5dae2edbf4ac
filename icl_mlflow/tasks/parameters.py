"""The parameters that tasks declare, and how settings take them.

A task declares its parameters as its fields, in its own file. Command lines list them
without importing that file, which needs torch: the declarations are literals, so they
are read off its source. What cannot be read so is imported, which is slower and as
right. The parameters of wrappers stand beside them: every task has these.
"""

import ast
import functools
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any, TypeVar, cast

from icl_mlflow.registry import BrokenPluginError, unknown_name
from icl_mlflow.settings import checked, setting
from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.wrappers.wrapping import WRAPPER_PARAMETERS, Wrapping

#: A parameter that settings have for every task.
_COMMON = "dim"
#: What a task may be derived from while its source still tells all of its fields.
_BARE_BASES = {"Task"}
_KINDS: dict[str, type] = {"float": float, "int": int}

Declared = dict[str, Field[Any]]
T = TypeVar("T")


def declared(task: str) -> Declared:
    """The task's own parameters by name, all but ``dim``.

    >>> [(name, field.default) for name, field in declared("A").items()]
    [('tau', 3.0), ('separation', 1.0)]

    Raises:
        UnknownNameError: no such task.
        BrokenPluginError: a task of another package that does not work.
    """
    return _declared(task, TASKS.place(task))


@functools.lru_cache(maxsize=128)
def _declared(task: str, place: str) -> Declared:
    module, _, attribute = place.partition(":")
    try:
        found = None if module in sys.modules else _read(module, attribute)
        if found is None:
            found = _import(task)
        _check_declared(found)
    except BrokenPluginError:
        raise
    except Exception as error:
        if TASKS.is_plugin(task):
            raise TASKS.broken(task, error) from error
        raise
    return {name: field for name, field in found.items() if name != _COMMON}


def declared_by_any() -> dict[str, dict[str, Field[Any]]]:
    """Parameter name to the tasks that have it, each with its declaration.

    Tasks of other packages that do not work are reported and left out.
    """
    found: dict[str, dict[str, Field[Any]]] = {}
    for task in TASKS:
        try:
            for name, field in declared(task).items():
                found.setdefault(name, {})[task] = field
        except BrokenPluginError as error:
            TASKS.report(error)
    return found


def defaults(task: str) -> dict[str, float]:
    """The default values of the task's parameters."""
    return {
        name: cast("float", field.default) for name, field in declared(task).items()
    }


def given_to(task: str, parameters: Mapping[str, Any]) -> dict[str, float]:
    """The parameters that are given to a task, checked; None stands for its own value.

    Those of wrappers that change nothing are left out.

    Raises:
        ValueError: a name that the task does not have, or a value out of range.
    """
    own = declared(task)
    found = {}
    for name, value in parameters.items():
        if value is None:  # settings that earlier versions wrote have all tasks' names
            continue
        if name in WRAPPER_PARAMETERS:
            around = _checked(WRAPPER_PARAMETERS[name], value)
            if around != WRAPPER_PARAMETERS[name].default:
                found[name] = around
            continue
        if name not in own:
            raise ValueError(
                f"task {task} has no {name}; its parameters are: "
                f"{', '.join(sorted({*own, _COMMON}))}"
            )
        found[name] = _checked(own[name], value)
    return found


def wrapping_of(parameters: Mapping[str, Any]) -> Wrapping:
    """The wrappers among the parameters that are given to a task."""
    around = {k: v for k, v in parameters.items() if k in WRAPPER_PARAMETERS}
    return Wrapping(**around)


def shifts_of(parameters: Mapping[str, Any]) -> dict[str, float]:
    """The checked parameters for a task yet unknown: right for one that has them.

    Raises:
        ValueError: a value that is right for no task.
    """
    found = {}
    tasks = declared_by_any() if parameters else {}
    for name, value in parameters.items():
        if value is None:
            continue
        around = WRAPPER_PARAMETERS.get(name)
        own = [around] if around else list(tasks[name].values())
        found[name] = _right_for_one(own, value)
    return found


def _right_for_one(declarations: Sequence[Field[Any]], value: Any) -> float:
    *others, last = declarations
    for field in others:
        try:
            return _checked(field, value)
        except ValueError:
            continue
    return _checked(last, value)


def _checked(field: Field[Any], value: Any) -> float:
    # Another task may have a parameter of this name that is not whole.
    if field.type is int and isinstance(value, float) and value.is_integer():
        value = int(value)
    return cast("float", checked(field, value))


def takes_task_parameters(kind: type[T]) -> type[T]:
    """Let a settings class be called with parameters of tasks beside its fields.

    They become its field ``parameters``: ``TrainSettings(task="A", tau=9)``.
    """
    plain: Any = kind.__init__
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]

    @functools.wraps(plain)
    def __init__(self: T, **values: Any) -> None:  # noqa: N807 it becomes the method
        parameters = dict(values.pop("parameters", {}))
        for name in [name for name in values if name not in names]:
            parameters[name] = values.pop(name)
        known = {**declared_by_any(), **WRAPPER_PARAMETERS} if parameters else {}
        for name in parameters:
            if name not in known:
                raise unknown_name("setting", name, [*names, *known])
        plain(self, **values, parameters=parameters)

    kind.__init__ = __init__  # type: ignore[assignment]
    return kind


def _import(task: str) -> Declared:
    """The fields of the task itself.

    Raises:
        ValueError: it has other values than their defaults.
    """
    registered = TASKS[task]
    found = {field.name: field for field in fields(registered)}
    for name, field in found.items():
        if getattr(registered, name) != field.default:
            raise ValueError(
                f"the task that is registered has another {name} than its "
                f"default {field.default}"
            )
    return found


def _check_declared(found: Declared) -> None:
    """Refuse what no command line could set.

    Raises:
        ValueError: names the parameter and what is right.
    """
    for name, field in found.items():
        if field.type not in _KINDS.values() or field.default in {MISSING, None}:
            raise ValueError(
                f"parameter {name} must be a float or an int with a default"
            )
        if "frozen" not in field.metadata:
            raise ValueError(
                f"parameter {name} must be declared by icl_mlflow.settings.setting"
            )
        if name in WRAPPER_PARAMETERS:
            raise ValueError(f"every task has a {name}; call the parameter otherwise")
    if _COMMON not in found:
        raise ValueError(f"a task has a parameter {_COMMON}")


def _read(module: str, attribute: str) -> Declared | None:
    """The fields of the task ``attribute``, off the source; None if it takes more."""
    found = importlib.util.find_spec(module)
    if found is None or found.origin is None or not found.origin.endswith(".py"):
        return None
    tree = ast.parse(Path(found.origin).read_bytes())
    declaration = _class_of(tree.body, attribute)
    if declaration is None:
        return None
    bases = {ast.unparse(base) for base in declaration.bases}
    if not bases <= _BARE_BASES:
        return None
    try:
        return dict(_field(node) for node in declaration.body if _is_field(node))
    except (ValueError, KeyError, TypeError):  # more than literals
        return None


def _class_of(body: Sequence[ast.stmt], attribute: str) -> ast.ClassDef | None:
    """The class that ``attribute = Class(...)`` makes one of, without parameters."""
    names = [
        node.value.func.id
        for node in body
        if isinstance(node, ast.Assign)
        and [ast.unparse(target) for target in node.targets] == [attribute]
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and not node.value.args
        and not node.value.keywords
    ]
    classes = [node for node in body if isinstance(node, ast.ClassDef)]
    found = [node for node in classes if [node.name] == names]
    return found[0] if len(found) == 1 else None


def _is_field(node: ast.stmt) -> bool:
    return isinstance(node, ast.AnnAssign) and "ClassVar" not in ast.unparse(
        node.annotation
    )


def _field(node: ast.stmt) -> tuple[str, Field[Any]]:
    """One line ``name: float = setting(...)``, carried out."""
    assert isinstance(node, ast.AnnAssign)
    call = node.value
    if not isinstance(call, ast.Call) or ast.unparse(call.func) != "setting":
        raise ValueError(ast.unparse(node))
    given = [ast.literal_eval(argument) for argument in call.args]
    named = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
    field: Any = setting(*given, **named)
    field.name = ast.unparse(node.target)
    field.type = _KINDS[ast.unparse(node.annotation)]
    return field.name, field
