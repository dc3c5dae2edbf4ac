"""Choices of what a task offers: ``none``, ``all``, or names joined by a plus."""

from collections.abc import Collection

#: None of what is offered.
NONE = "none"
#: All that is offered, at once; nothing where nothing is offered.
ALL = "all"


def canonical_names(offered: Collection[str], name: str, what: str) -> str:
    """The one spelling of a choice: ``none``, or names in order, joined by a plus.

    >>> canonical_names(["nuisance", "separation"], "separation+nuisance", "curriculum")
    'nuisance+separation'

    Args:
        offered: the names that the task has.
        name: the choice.
        what: the kind of thing, for the error.

    Raises:
        ValueError: a name that the task does not offer, or one twice.
    """
    if name == NONE:
        return NONE
    names = sorted(offered) if name == ALL else sorted(name.split("+"))
    for each in names:
        if each not in offered or names.count(each) > 1:
            choices = ", ".join([NONE, ALL, *offered])
            raise ValueError(
                f"this task has no {what} {name!r}; choose one of: {choices}, "
                "or several joined by a plus"
            )
    return "+".join(names) or NONE


def listed(name: str) -> list[str]:
    """The names in a canonical choice."""
    return [] if name == NONE else name.split("+")
