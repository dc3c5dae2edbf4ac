"""A named table of plug-ins whose entries are imported only when used.

Listing names must stay cheap (``--help`` prints them), so an entry is the place where
it lives, ``"module:attribute"``, and the import happens at the first look-up. Installed
packages add entries of their own through the entry points of a registry's group.
"""

import difflib
import importlib
import logging
import re
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")

_logger = logging.getLogger(__name__)
#: Names go into file names, run names and lists separated by commas.
_NAME = re.compile(r"[A-Za-z]\w*", re.ASCII)


class UnknownNameError(KeyError, ValueError):
    """A name that a registry does not hold; the message names the right ones."""

    def __str__(self) -> str:
        return str(self.args[0])


class BrokenPluginError(ValueError):
    """An entry of another package that cannot be used; the message names both."""


def unknown_name(kind: str, name: str, known: Collection[str]) -> UnknownNameError:
    """The error for ``name``: the nearest names first, then all of them."""
    near = difflib.get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    return UnknownNameError(
        f"unknown {kind} {name!r}; {hint}choose one of: {', '.join(known)}"
    )


def listing(kind: str, names: Collection[str]) -> str:
    """The names in one line, after what they are names of.

    >>> listing("task", ["A", "B"])
    'tasks: A, B'
    """
    several = kind.removesuffix("is") + "es" if kind.endswith("is") else f"{kind}s"
    return f"{several}: {', '.join(names)}"


class Registry(Mapping[str, T]):
    """Names to entries; a wrong name answers with the right ones.

    Args:
        kind: what an entry is called in an error, such as ``"task"``.
        places: name to ``"module:attribute"``.
        group: the entry points by which installed packages add entries; None for none.

    Raises:
        UnknownNameError: on looking up a name that is not registered.
        BrokenPluginError: on looking up an entry of another package that does not work.

    >>> tables: Registry[object] = Registry("table", {"json": "json:dumps"})
    >>> tables["json"]([1])
    '[1]'
    >>> tables["jsno"]
    Traceback (most recent call last):
    ...
    icl_mlflow.registry.UnknownNameError: unknown table 'jsno'; did you mean json? \
choose one of: json
    """

    def __init__(
        self, kind: str, places: Mapping[str, str], group: str | None = None
    ) -> None:
        self.kind = kind
        self._places = dict(places)
        self._group = group
        self._reported: set[str] = set()

    def add(self, name: str, place: str) -> None:
        """Register the entry at ``place`` (``"module:attribute"``) under a new name."""
        if name in self:
            raise ValueError(f"{self.kind} {name!r} is already registered")
        self._places[name] = place

    def place(self, name: str) -> str:
        """Where an entry lives, ``"module:attribute"``.

        Raises:
            UnknownNameError: a name that is not registered.
        """
        if name in self._places:
            return self._places[name]
        if name not in self._plugins:
            raise unknown_name(self.kind, name, self)
        return self._plugins[name].value

    def working(self) -> dict[str, T]:
        """Every entry by name, without those plug-ins that are reported as broken."""
        found = {}
        for name in self:
            try:
                found[name] = self[name]
            except BrokenPluginError as error:
                self.report(error)
        return found

    def report(self, error: BrokenPluginError) -> None:
        """Say in one line, once, that a plug-in does not work and is left out."""
        if str(error) not in self._reported:
            self._reported.add(str(error))
            _logger.warning("%s; it is left out", error)

    def broken(self, name: str, why: object) -> BrokenPluginError:
        """The error for an entry of another package that does not work."""
        entry, reason = self._plugins.get(name), " ".join(str(why).split())
        package = entry.dist.name if entry and entry.dist else "icl-mlflow"
        return BrokenPluginError(
            f"{self.kind} {name!r} of package {package} cannot be used: {reason}"
        )

    def is_plugin(self, name: str) -> bool:
        """Whether another package has added this entry."""
        return name not in self._places and name in self._plugins

    def __getitem__(self, name: str) -> T:
        module, _, attribute = self.place(name).partition(":")
        if name in self._places:
            return cast("T", getattr(importlib.import_module(module), attribute))
        try:
            return cast("T", getattr(importlib.import_module(module), attribute))
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            raise self.broken(name, why) from error

    def __contains__(self, name: object) -> bool:
        return name in self._places or name in self._plugins

    def __iter__(self) -> Iterator[str]:
        return iter((*self._places, *self._plugins))

    def __len__(self) -> int:
        return len(self._places) + len(self._plugins)

    def __repr__(self) -> str:
        return listing(self.kind, self)

    @cached_property
    def _plugins(self) -> "dict[str, EntryPoint]":
        """The entries of other packages; those whose name cannot be are reported."""
        if self._group is None:
            return {}
        # Looked for only here: what knows its name needs no look at all packages.
        from importlib.metadata import entry_points  # noqa: PLC0415

        found: dict[str, EntryPoint] = {}
        for entry in sorted(entry_points(group=self._group)):
            if entry.name in self._places or entry.name in found:
                self._leave_out(entry, "the name is taken")
            elif not _NAME.fullmatch(entry.name):
                self._leave_out(entry, "a name is a letter, then letters, digits or _")
            else:
                found[entry.name] = entry
        return found

    def _leave_out(self, entry: "EntryPoint", why: str) -> None:
        package = entry.dist.name if entry.dist else "another package"
        _logger.warning(
            "%s %r of package %s is left out: %s", self.kind, entry.name, package, why
        )
