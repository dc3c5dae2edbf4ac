"""Why a method does not find the truth about a circuit."""

from collections.abc import Mapping

#: Method and circuit to the reason; without a circuit, for all others.
REASONS: Mapping[tuple[str, str], str] = {}
