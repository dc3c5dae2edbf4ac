"""`mlflow run .`: train, ablate and analyze at the smallest size."""

from icl_mlflow.cli.main import run
from icl_mlflow.cli.pipeline import pipeline

if __name__ == "__main__":
    run(pipeline)
