"""`mlflow run . -e compare -P run_1=... -P run_2=...`: two runs, the same episodes."""

from icl_mlflow.cli.main import run
from icl_mlflow.cli.questions.compare import compare

if __name__ == "__main__":
    run(compare)
