"""The stored model is an MLflow model like any other, without pickle and without code."""

import json
from pathlib import Path

import mlflow.pyfunc
import numpy as np
import pytest
import torch
from conftest_types import Keep
