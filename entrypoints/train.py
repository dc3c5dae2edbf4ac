"""`mlflow run . -e train -P task=A`: train models and log them."""

from icl_mlflow.cli.main import run
from icl_mlflow.cli.train import train

if __name__ == "__main__":
    run(train)
