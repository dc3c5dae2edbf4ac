"""`mlflow run . -e reproduce`: the paper's experiments, and its table beside ours."""

from icl_mlflow.cli.main import run
from icl_mlflow.cli.reproduce import reproduce

if __name__ == "__main__":
    run(reproduce)
