"""`mlflow run . -e analyze -P run_id=...`: put questions to trained models."""

from icl_mlflow.cli.analyze import analyze
from icl_mlflow.cli.main import run

if __name__ == "__main__":
    run(analyze)
