"""Columns of numbers in a file: Parquet, NumPy's .npz or CSV, by the file's ending.

A column is an array whose first axis is the row. Further axes are nested lists in
Parquet; CSV has none. A note, a dictionary, travels with the columns, but for CSV.
"""

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from icl_mlflow.files import write_file

Column = NDArray[Any]
Note = Mapping[str, Any]
T = TypeVar("T")

#: Where the note is: in Parquet's metadata, and among the arrays of an .npz.
_NOTE = "icl_mlflow"


def write_columns(file: Path, columns: Mapping[str, Column], note: Note) -> None:
    """Write columns of equal length; what was there stays until all is written.

    Raises:
        ValueError: an ending that is not written.
        OSError: the file cannot be written.
    """
    content = io.BytesIO()
    _of_ending(_WRITERS, file)(content, columns, json.dumps(note))
    write_file(file, content.getvalue())


def read_columns(file: Path) -> tuple[dict[str, Column], Note]:
    """The columns of a file, and its note; empty where there is none.

    Raises:
        ValueError: another ending, no such file, or one that cannot be read.
    """
    read = _of_ending(_READERS, file)
    try:
        columns, note = read(file)
        return columns, json.loads(note or "{}")
    except FileNotFoundError:
        raise ValueError(f"there is no file {file}") from None
    except (OSError, ValueError, pa.ArrowException, zipfile.BadZipFile) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{file} cannot be read: {why}") from error


def _of_ending(by_ending: Mapping[str, T], file: Path) -> T:
    if file.suffix not in by_ending:
        raise ValueError(f"{file} must end in {' or '.join(by_ending)}")
    return by_ending[file.suffix]


def _write_parquet(file: io.BytesIO, columns: Mapping[str, Column], note: str) -> None:
    table = pa.table({name: _nested(value) for name, value in columns.items()})
    pq.write_table(table.replace_schema_metadata({_NOTE: note}), file)


def _nested(value: Column) -> Any:
    """An array of k axes as one of lists of lists."""
    found = pa.array(value.reshape(-1))
    for size in reversed(value.shape[1:]):
        found = pa.FixedSizeListArray.from_arrays(found, size)
    return found


def _read_parquet(file: Path) -> tuple[dict[str, Column], str]:
    table = pq.read_table(file)
    note = (table.schema.metadata or {}).get(_NOTE.encode(), b"")
    columns = {
        name: _stacked(name, table[name].combine_chunks())
        for name in table.column_names
        if _is_of_numbers(table.schema.field(name).type)
    }
    return columns, note.decode()


def _is_of_numbers(kind: Any) -> bool:
    while pa.types.is_nested(kind) and kind.num_fields == 1:
        kind = kind.field(0).type
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
    )


def _stacked(name: str, nested: Any) -> Column:
    """Lists of lists as an array; other programs may have written lists of any length.

    Raises:
        ValueError: lists of unequal lengths.
    """
    shape = [len(nested)]
    while pa.types.is_nested(nested.type):
        lengths = set(nested.value_lengths().to_pylist())
        if len(lengths) != 1 or None in lengths:
            raise ValueError(f"column {name} holds lists of unequal lengths")
        shape.append(lengths.pop())
        nested = nested.flatten()
    found: Column = nested.to_numpy(zero_copy_only=False).reshape(shape)
    return found


def _write_npz(file: io.BytesIO, columns: Mapping[str, Column], note: str) -> None:
    arrays: Any = {**columns, _NOTE: np.array(note)}
    np.savez_compressed(file, **arrays)


def _read_npz(file: Path) -> tuple[dict[str, Column], str]:
    with np.load(file, allow_pickle=False) as arrays:
        columns = {name: arrays[name] for name in arrays.files}
    note = columns.pop(_NOTE, np.array(""))
    return columns, str(note)


def _read_csv(file: Path) -> tuple[dict[str, Column], str]:
    numbers = pd.read_csv(file).select_dtypes(["number", "bool"])
    return {str(name): numbers[name].to_numpy() for name in numbers}, ""


_Writer = Callable[[io.BytesIO, Mapping[str, Column], str], None]
_Reader = Callable[[Path], tuple[dict[str, Column], str]]

_WRITERS: Mapping[str, _Writer] = {".parquet": _write_parquet, ".npz": _write_npz}
_READERS: Mapping[str, _Reader] = {
    ".parquet": _read_parquet,
    ".npz": _read_npz,
    ".csv": _read_csv,
}
