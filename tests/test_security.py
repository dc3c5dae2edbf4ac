"""Nothing in the package can run what a file holds: judged from its source."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [
    file
    for folder in ("icl_mlflow", "entrypoints", "benchmarks")
    for file in sorted((ROOT / folder).rglob("*.py"))
]

#: Modules whose formats hold code.
MODULES = {
    "cloudpickle", "code", "dill", "jsonpickle", "joblib", "marshal", "pickle",
    "pickletools", "shelve", "tarfile", "xmlrpc",
}  # fmt: skip

#: Calls that run text, or unpack an archive wherever it says.
CALLS = {
    "__import__", "eval", "exec", "compile", "execfile", "system", "popen",
    "extractall", "unpack_archive", "read_pickle", "to_pickle", "unsafe_load",
    "full_load", "load_all", "unsafe_load_all", "full_load_all",
}  # fmt: skip

#: What loads a tensor file, and the argument without which it unpickles.
LOADERS = {"torch.load": ("weights_only", True)}

#: An argument, and the one value that it may have wherever it is given.
ARGUMENTS = {
    "weights_only": True,
    "allow_pickle": False,
    "shell": False,
    "trust_remote_code": False,
}


def complaints(source: str) -> list[str]:
    """What in a source could run what a file holds: ``LINE: WHAT``."""
    return [
        f"{node.lineno}: {what}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Call)
        for what in (of_call(node) if isinstance(node, ast.Call) else of_import(node))
    ]


def of_import(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    base = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
    names = [".".join([*base, alias.name]) for alias in node.names]
    for name in names:
        if MODULES & {name.split(".")[0]}:
            yield f"imports {name}"
        if name.rpartition(".")[2] in CALLS or name in LOADERS:
            yield f"imports {name} under a name of its own"
        if is_flavour(name):
            yield f"imports {name}, which loads models of any origin"


def of_call(node: ast.Call) -> Iterator[str]:
    name = dotted(node.func)
    last = name.rpartition(".")[2]
    given = {word.arg: word.value for word in node.keywords}
    evaluates_a_model = last == "eval" and not node.args
    if last in CALLS and name != "re.compile" and not evaluates_a_model:
        yield f"calls {name}"
    if is_flavour(name):
        yield f"calls {name}, which loads models of any origin"
    if name.endswith("yaml.load"):
        yield f"calls {name}"
    if name in LOADERS and LOADERS[name][0] not in given:
        yield f"calls {name} without {LOADERS[name][0]}"
    if None in given and name in {*LOADERS, "np.load", "numpy.load"}:
        yield f"calls {name} with arguments that cannot be seen"
    for argument, allowed in ARGUMENTS.items():
        value = given.get(argument)
        if value is not None and not is_constant(value, allowed):
            yield f"gives {argument} another value than {allowed}"


def is_flavour(name: str) -> bool:
    """Whether it is a loader of MLflow's, which runs the code in a model."""
    parts = name.split(".")
    return parts[-1] in {"load_model", "_load_model", "load_context"} and any(
        part in {"mlflow", "pyfunc", "pytorch", "sklearn", "transformers"}
        for part in parts[:-1]
    )


def is_constant(node: ast.expr, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def dotted(node: ast.expr) -> str:
    """``a.b.c`` as it is written; what is not a name becomes empty."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


#: The one place that may, of a model that somebody names on a command line, whose help
#: says so: any flavour of MLflow is to be judged.
NAMED_BY_ITS_USER = {
    "icl_mlflow/tracking/models/foreign.py": "pyfunc.load_model",
}


def test_no_source_can_run_what_a_file_holds() -> None:
    assert len(SOURCES) > 100
    found = {
        str(file.relative_to(ROOT)): complaints(file.read_text(encoding="utf-8"))
        for file in SOURCES
    }
    for file, name in NAMED_BY_ITS_USER.items():
        (said,) = found.pop(file)
        assert f"calls {name}, which loads models of any origin" in said
    assert {file: said for file, said in found.items() if said} == {}


@pytest.mark.parametrize(
    "mutation",
    [
        "import pickle",
        "import pickle as p",
        "from pickle import loads",
        "from cloudpickle import load",
        "import joblib",
        "import shelve",
        "import marshal",
        "import tarfile",
        "eval('1')",
        "exec('1')",
        "builtins.exec('1')",
        "from os import system",
        "os.system('ls')",
        "__import__('os')",
        "torch.load(file)",
        "torch.load(file, weights_only=False)",
        "torch.load(file, weights_only=is_safe)",
        "torch.load(file, **options)",
        "from torch import load",
        "np.load(file, allow_pickle=True)",
        "np.load(file, **options)",
        "pandas.read_pickle(file)",
        "mlflow.pytorch.load_model('models:/m/1')",
        "mlflow.pyfunc.load_model('models:/m/1')",
        "pyfunc.load_model('models:/m/1')",
        "from mlflow.sklearn import load_model",
        "yaml.load(text)",
        "yaml.load(text, Loader=yaml.Loader)",
        "yaml.unsafe_load(text)",
        "subprocess.run('ls', shell=True)",
        "subprocess.run('ls', shell=is_shell)",
        "zipfile.ZipFile(file).extractall(path=folder)",
        "zipfile.ZipFile(file).extractall()",
        "zipfile.ZipFile(file).extractall(folder)",
        "shutil.unpack_archive(file)",
    ],
)
def test_each_rule_catches_what_it_is_for(mutation: str) -> None:
    package = ROOT / "icl_mlflow/tracking/models/format.py"
    package = package.read_text(encoding="utf-8")
    assert complaints(package) == []
    assert complaints(f"{package}\n\n\ndef added():\n    {mutation}\n")
