"""A selection of analyses: the default ones, all, or some by name."""

from itertools import chain

from icl_mlflow.analysis import ANALYSES
from icl_mlflow.registry import BrokenPluginError, unknown_name
from icl_mlflow.settings import setting

_ALL, _DEFAULT = "all", "default"


def analyses_setting() -> str:
    """Declare the field ``analyses`` of settings that are `Selecting`."""
    return setting(
        _DEFAULT,
        "Questions to ask: default (those that take seconds), all, or some, separated "
        f"by commas: {', '.join(ANALYSES)}.",
    )


class Selecting:
    """Settings with a field ``analyses``."""

    analyses: str

    def check_analyses(self) -> None:
        """Refuse a name that no analysis has.

        Raises:
            ValueError: names those that there are.
        """
        for name in self.named:
            if name not in ANALYSES:
                known = (_DEFAULT, _ALL, *ANALYSES)
                raise unknown_name("analysis", name, known)

    @property
    def names(self) -> tuple[str, ...]:
        """The analyses that are asked for, in order, each once."""
        meant = {_ALL: tuple(ANALYSES), _DEFAULT: self._default}
        parts = (meant.get(part, (part,)) for part in self._parts)
        return tuple(dict.fromkeys(chain.from_iterable(parts)))

    @property
    def named(self) -> tuple[str, ...]:
        """Those of them that are asked for by name, so that they have to apply."""
        named = (part for part in self._parts if part not in {_ALL, _DEFAULT})
        return tuple(dict.fromkeys(named))

    @property
    def left_out(self) -> tuple[str, ...]:
        """Analyses that wait to be named, where the default is asked for."""
        if _DEFAULT not in self._parts:
            return ()
        asked = frozenset(self.names)
        return tuple(name for name in ANALYSES if name not in asked)

    @property
    def _parts(self) -> tuple[str, ...]:
        return tuple(part.strip() for part in self.analyses.split(","))

    @property
    def _default(self) -> tuple[str, ...]:
        return tuple(name for name in ANALYSES if _is_in_default(name))


def _is_in_default(name: str) -> bool:
    """Whether nobody needs to name an analysis; a broken one is to be reported."""
    try:
        return ANALYSES[name].by_default
    except BrokenPluginError:
        return True
