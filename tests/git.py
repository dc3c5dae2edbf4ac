"""git, as a user with a name."""

import subprocess
from pathlib import Path


def git(folder: Path, *arguments: str) -> str:
    """What it prints, of a command in a folder."""
    identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
    done = subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()
