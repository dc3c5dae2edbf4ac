"""`mlflow run . -e ablate -P task=A`: train every variant and compare them."""

from icl_mlflow.cli.ablate import ablate
from icl_mlflow.cli.main import run

if __name__ == "__main__":
    run(ablate)
