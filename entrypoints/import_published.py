"""`mlflow run . -e import_published -P path=...`: published models, registered."""

from icl_mlflow.cli.import_published import import_published
from icl_mlflow.cli.main import run

if __name__ == "__main__":
    run(import_published)
