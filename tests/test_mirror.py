"""Tests mirror the package: ``tests/X/test_y.py`` tests ``icl_mlflow/X/y.py``.

The index of a package, its ``__init__.py``, holds no logic and has no file of its own.
"""

from pathlib import Path

import icl_mlflow

PACKAGE = Path(icl_mlflow.__file__).parent
TESTS = Path(__file__).parent

#: Folders of tests that are about no single module.
ELSEWHERE = {
    "benchmarks": "the programs beside the package",
    "browser": "what MLflow's UI shows of runs and models",
    "docs": "the pages of the documentation, run",
    "entrypoints": "the commands of the MLflow project, each in a process",
    "faults": "kills, outages and malice against whole commands",
    "plugins": "a package of another author, installed beside ours",
    "team_server": "two users at a server with passwords and TLS",
}

#: Files about more than one module, and why.
ACROSS = {
    "api/test_every_verb.py": "the example of the page on Python, and wrong calls",
    "analysis/test_against_notebook.py": "analyses beside the research notebook's",
    "analysis/test_every_analysis.py": "the contract of every registered analysis",
    "analysis/test_memory.py": "the memory of analyses of long contexts",
    "cli/test_bad_input.py": "wrong input to any command",
    "cli/test_engine_start.py": "an engine that cannot start, by any command",
    "cli/test_given_run.py": "a run that is given to any command",
    "cli/test_start_up.py": "how soon commands start, and what they import",
    "estimators/test_every_estimator.py": "the contract of every registered estimator",
    "suite/test_engines.py": "the contract of every engine",
    "tasks/test_every_bayes.py": "the contract of every task's exact Bayes predictor",
    "tasks/test_every_corrupted_bayes.py": "the same without the context's labels",
    "tasks/test_every_task.py": "the contract of every registered task",
    "test_against_notebook.py": "tasks and models beside the research notebook's",
    "test_mirror.py": "the tests themselves",
    "test_packaging.py": "what a stranger installs and reads first",
    "test_security.py": "the sources of all modules",
    "tracking/test_at_once.py": "many processes with one new store",
    "tracking/test_credentials.py": "credentials, wherever they might be shown",
    "tracking/test_reading_only.py": "a store that may only be read",
    "tracking/test_secrets.py": "secrets in everything that is stored",
    "tracking/test_served.py": "a registered model behind a real server",
    "tracking/test_state_place.py": "where runs keep what they need, by any command",
    "tracking/test_strange_runs.py": "runs of other programs in one's store",
    "training/stacked/test_on_cuda.py": "trainings on a GPU beside those on the CPU",
    "training/test_efficient.py": "the preset `efficient` as a whole",
    "variants/test_every_variant.py": "the contract of every listed variant",
}


def expected_file(module: Path) -> str:
    """``test_y.py`` beside its namesake; a leading underscore is not repeated."""
    folder = module.relative_to(PACKAGE).parent
    return (folder / f"test_{module.stem.lstrip('_')}.py").as_posix()


MODULES = {
    module.relative_to(PACKAGE).as_posix(): expected_file(module)
    for module in PACKAGE.rglob("*.py")
    if module.name != "__init__.py"
}
FILES = {file.relative_to(TESTS).as_posix() for file in TESTS.rglob("test_*.py")}


def test_every_module_has_its_file() -> None:
    missing = {module for module, file in MODULES.items() if file not in FILES}
    assert missing == set(), "write their tests"


def test_every_file_has_its_module_or_a_reason() -> None:
    mirrored = {file for file in FILES if file.split("/")[0] not in ELSEWHERE}
    others = mirrored - set(MODULES.values())
    assert others - ACROSS.keys() == set(), "rename them, or say what they are about"
    assert ACROSS.keys() - others == set(), "they are gone, or mirror a module"


def test_the_folders_beside_the_mirror_are_there() -> None:
    packages = {folder.name for folder in PACKAGE.iterdir() if folder.is_dir()}
    assert not ELSEWHERE.keys() & packages
    assert {file.split("/")[0] for file in FILES if "/" in file} - packages <= set(
        ELSEWHERE
    )
