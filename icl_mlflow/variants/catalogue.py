"""The catalogue of variants: listed ones, families with a number, combinations.

    frozen_position                  a listed variant
    noisy_labels_0.25                a family with its number
    frozen_query_key+no_position     a combination

Every variant has one canonical name, by which its results are found again: a number as
Python prints it, the parts of a combination in alphabetical order. Listing needs no
torch; looking up imports what the name stands for.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from icl_mlflow.registry import (
    BrokenPluginError,
    Registry,
    UnknownNameError,
    listing,
    unknown_name,
)

if TYPE_CHECKING:
    from icl_mlflow.variants.base import Variant

_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)(e-\d+)?", re.ASCII)


class Catalogue(Mapping[str, "Variant"]):
    """Names to variants; it lists some names and understands many more.

    Args:
        plain: name to ``"module:attribute"`` of a variant; installed packages add
            theirs through the entry points ``icl_mlflow.variants``.
        families: first part of a name to ``"module:attribute"`` of a function from the
            number that follows to the variant.
        examples: the members of each family that are listed.

    Raises:
        UnknownNameError: on looking up what is not a variant: an unknown name, a number
            out of range, or parts that contradict each other.
    """

    def __init__(
        self,
        plain: Mapping[str, str],
        families: Mapping[str, str],
        examples: Mapping[str, Sequence[float]],
    ) -> None:
        self._plain: Registry[Variant] = Registry(
            "variant", plain, group="icl_mlflow.variants"
        )
        self._families: Registry[Callable[[float], Variant]] = Registry(
            "family of variants", families
        )
        self._examples = [f"{name}_{x}" for name, xs in examples.items() for x in xs]

    def canonical(self, name: str) -> str:
        """The one spelling of a variant's name.

        >>> from icl_mlflow.variants import VARIANTS
        >>> VARIANTS.canonical("no_position+frozen_query_key")
        'frozen_query_key+no_position'
        >>> VARIANTS.canonical("noisy_labels_0.10")
        'noisy_labels_0.1'

        Raises:
            UnknownNameError: as for looking up.
        """
        if name in self._listed:
            return name
        self[name]
        return "+".join(self._parts(name))

    def working(self) -> dict[str, "Variant"]:
        """Every listed variant, without those plug-ins that are reported as broken."""
        return {
            **self._plain.working(),
            **{name: self[name] for name in self._examples},
        }

    @property
    def _listed(self) -> tuple[str, ...]:
        return (*self._plain, *self._examples)

    def __getitem__(self, name: str) -> "Variant":
        parts = self._parts(name)
        try:
            found = {part: self._part(part) for part in parts}
            if len(parts) == 1:
                return found[parts[0]]
            # Composing needs torch, which listing names must not import.
            from icl_mlflow.variants.compose import compose  # noqa: PLC0415

            return compose(found)
        except BrokenPluginError:
            raise
        except ValueError as error:
            raise UnknownNameError(f"no variant {name!r}: {error}") from error

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        try:
            self.canonical(name)
        except UnknownNameError:
            return False
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(self._listed)

    def __len__(self) -> int:
        return len(self._listed)

    def __repr__(self) -> str:
        return listing("variant", self)

    def _parts(self, name: str) -> list[str]:
        """The canonical names of the parts, in canonical order."""
        parts = sorted(self._canonical_part(part) for part in name.split("+"))
        for part in parts:
            if parts.count(part) > 1:
                raise UnknownNameError(f"no variant {name!r}: it names {part} twice")
        return parts

    def _canonical_part(self, name: str) -> str:
        if name in self._plain:
            return name
        family, _, number = name.rpartition("_")
        if family in self._families and _NUMBER.fullmatch(number):
            return f"{family}_{float(number)}"
        raise unknown_name("variant", name, self._listed)

    def _part(self, name: str) -> "Variant":
        if name in self._plain:
            return self._plain[name]
        family, _, number = name.rpartition("_")
        return self._families[family](float(number))
