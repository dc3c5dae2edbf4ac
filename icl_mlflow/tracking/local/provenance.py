"""Who runs which code: the user, the git commit, and whether it was changed since."""

import functools
import getpass
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

_PACKAGE = Path(__file__).parents[2]

#: MLflow's own tag, by name: who asks for the user alone must not wait for MLflow.
_COMMIT = "mlflow.source.git.commit"


def user_name() -> str:
    """Who runs this; in a container that knows no names, the number of the user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid{os.getuid()}"


@functools.cache
def git_state(package: Path = _PACKAGE) -> dict[str, str]:
    """Run tags: the commit of a package, and whether its files differ (``git_dirty``).

    Empty where the package does not lie in a git repository, or is only a guest in one,
    as when it is installed in a virtual environment inside another project.
    """
    if _git(package, "ls-files", "--error-unmatch", "__init__.py") is None:
        return {}
    commit = _git(package, "rev-parse", "HEAD")
    changes = _git(package, "status", "--porcelain", "--", ".")
    if commit is None or changes is None:
        return {}
    dirty = "true" if changes else "false"
    return {_COMMIT: commit, "git_dirty": dirty}


@functools.cache
def code_digest(package: Path = _PACKAGE) -> str:
    """Sixteen digits that are equal for equal sources of a package."""
    found = hashlib.sha256()
    for file in sorted(package.rglob("*.py")):
        found.update(file.relative_to(package).as_posix().encode())
        found.update(hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()[:16]


def _git(folder: Path, *arguments: str) -> str | None:
    """What git prints, or None where it fails or is not installed."""
    program = shutil.which("git")
    if program is None:
        return None
    done = subprocess.run(  # noqa: S603 - git, with arguments from this file alone
        [program, "-C", str(folder), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() if done.returncode == 0 else None
