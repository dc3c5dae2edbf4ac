"""`mlflow run . -e analyze -P run_id=...`: put questions to trained models."""

from icl_mlflow.cli.main import run
from icl_mlflow.cli.questions.analyze import analyze

if __name__ == "__main__":
    run(analyze)
