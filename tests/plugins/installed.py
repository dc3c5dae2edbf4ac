"""Packages of other people, put where Python finds them, as an installer would."""

import shutil
from collections.abc import Mapping
from pathlib import Path

#: Group of entry points to name and place.
Entries = Mapping[str, Mapping[str, str]]

TOY: Entries = {
    "icl_mlflow.tasks": {"Toy": "toy_icl.sign:TOY"},
    "icl_mlflow.variants": {
        "toy_variant": "toy_icl.frozen:TOY_VARIANT",
        "toy_order": "toy_icl.ordered:TOY_ORDER",
    },
    "icl_mlflow.estimators": {"toy_estimator": "toy_icl.first_axis:TOY_ESTIMATOR"},
    "icl_mlflow.analyses": {"toy_analysis": "toy_icl.sureness:TOY_ANALYSIS"},
}
BROKEN: Entries = {
    "icl_mlflow.tasks": {"Torn": "torn_icl.missing:TASK", "A": "toy_icl.sign:TOY"},
    "icl_mlflow.variants": {"torn_variant": "torn_icl.missing:VARIANT"},
    "icl_mlflow.estimators": {"torn_estimator": "torn_icl.missing:ESTIMATOR"},
    "icl_mlflow.analyses": {"torn_analysis": "torn_icl.missing:ANALYSIS"},
}


def install(package: str, entries: Entries, folder: Path) -> None:
    """Put a package and its metadata into a folder that PYTHONPATH is to name."""
    source = Path(__file__).parent / package
    if source.is_dir():
        shutil.copytree(source, folder / package)
    about = folder / f"{package}-1.0.dist-info"
    about.mkdir(parents=True)
    name = f"Metadata-Version: 2.1\nName: {package.replace('_', '-')}\nVersion: 1.0\n"
    (about / "METADATA").write_text(name)
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {place}\n" for name, place in each.items())
        for group, each in entries.items()
    ]
    (about / "entry_points.txt").write_text("\n".join(lines))
