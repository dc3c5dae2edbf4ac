"""`mlflow run . -e compare -P run_1=... -P run_2=...`: two runs, the same episodes."""

from icl_mlflow.cli.compare import compare
from icl_mlflow.cli.main import run

if __name__ == "__main__":
    run(compare)
