"""Taggers and corpus plans of Regimen over Arrow batches."""

from collections.abc import Iterable
from os import PathLike
from typing import Any

import pyarrow

__version__: str

class Error(Exception):
    """What is wrong, with a line of what to do."""

    hint: str | None

class Tagger:
    """Taggers that run together over each row."""

    def __init__(
        self, taggers: list[str | dict[str, Any]], experiment: str = "regimen", project: str | PathLike[str] | None = None
    ) -> None: ...
    def attributes(self) -> list[dict[str, str]]: ...
    def tag(self, batch: Any) -> pyarrow.Table | pyarrow.RecordBatch: ...
    def lines(self, batch: Any) -> pyarrow.Table | pyarrow.RecordBatch: ...

class Plan:
    """The build of a corpus."""

    stage: str
    def __init__(
        self,
        recipe: str | PathLike[str],
        stage: str | None = None,
        project: str | PathLike[str] | None = None,
        sets: list[str] | None = None,
    ) -> None: ...
    def files(self) -> pyarrow.Table: ...
    def first(self, batch: Any, threads: int = 1) -> pyarrow.Table: ...
    def gather(self, rows: Any | Iterable[Any], project: str | PathLike[str] | None = None) -> Build: ...
    def finish(
        self, rows: Any | Iterable[Any], project: str | PathLike[str] | None = None, threads: int = 0
    ) -> dict[str, Any]: ...

class Build:
    """Parts in document order."""

    def rounds(self) -> list[str]: ...
    def round(self, name: str, buckets: int = 16) -> Round: ...
    def merge(self, round: Round, rows: Any | Iterable[Any]) -> None: ...
    def finish(self, threads: int = 0) -> dict[str, Any]: ...

class Round:
    """A round of deduplication in the workers."""

    name: str
    def map(self, batch: Any) -> pyarrow.Table: ...
    def reduce(self, batch: Any) -> pyarrow.Table: ...
