"""A named table of plug-ins whose entries are imported only when used.

Listing names must stay cheap (``--help`` prints them), so an entry is the place where
it lives, ``"module:attribute"``, and the import happens at the first look-up.
"""

import difflib
import importlib
from collections.abc import Collection, Iterator, Mapping
from typing import TypeVar, cast

T = TypeVar("T")


class UnknownNameError(KeyError, ValueError):
    """A name that a registry does not hold; the message names the right ones."""

    def __str__(self) -> str:
        return str(self.args[0])


def unknown_name(kind: str, name: str, known: Collection[str]) -> UnknownNameError:
    """The error for ``name``: the nearest names first, then all of them."""
    near = difflib.get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    return UnknownNameError(
        f"unknown {kind} {name!r}; {hint}choose one of: {', '.join(known)}"
    )


class Registry(Mapping[str, T]):
    """Names to entries; a wrong name answers with the right ones.

    Args:
        kind: what an entry is called in an error, such as ``"task"``.
        places: name to ``"module:attribute"``.

    Raises:
        UnknownNameError: on looking up a name that is not registered.

    >>> tables: Registry[object] = Registry("table", {"json": "json:dumps"})
    >>> tables["json"]([1])
    '[1]'
    >>> tables["jsno"]
    Traceback (most recent call last):
    ...
    icl_mlflow.registry.UnknownNameError: unknown table 'jsno'; did you mean json? \
choose one of: json
    """

    def __init__(self, kind: str, places: Mapping[str, str]) -> None:
        self.kind = kind
        self._places = dict(places)

    def add(self, name: str, place: str) -> None:
        """Register the entry at ``place`` (``"module:attribute"``) under a new name."""
        if name in self._places:
            raise ValueError(f"{self.kind} {name!r} is already registered")
        self._places[name] = place

    def __getitem__(self, name: str) -> T:
        if name not in self._places:
            raise unknown_name(self.kind, name, self._places)
        module, _, attribute = self._places[name].partition(":")
        return cast("T", getattr(importlib.import_module(module), attribute))

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
