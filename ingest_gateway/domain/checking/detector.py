"""A detector: one rule over all meters of a cohort at once, with what it keeps in declared arrays."""

from collections.abc import Sequence
from dataclasses import Field as DataclassField
from typing import Any, ClassVar, Protocol

from numpy.typing import NDArray

from ingest_gateway.domain.checking.findings import Finding, Kind
from ingest_gateway.domain.checking.state import Arrays, Field
from ingest_gateway.domain.checking.view import Cohort, Stage, View

Number = float | NDArray[Any]  # a parameter: one for all, or one for each meter (or zone) of the cohort


class Detector(Protocol):
    """One rule. A frozen dataclass whose fields are its parameters, made for one cohort."""

    __dataclass_fields__: ClassVar[dict[str, DataclassField[Any]]]
    name: ClassVar[str]
    version: ClassVar[int]
    kinds: ClassVar[tuple[Kind, ...]]
    services: ClassVar[tuple[int, ...]]  # WATER, ELECTRICITY: the cohorts it looks at
    stages: ClassVar[tuple[Stage, ...]]  # when it is asked

    def fields(self, cohort: Cohort, /) -> Sequence[Field]:
        """Tell what it keeps."""
        ...

    def check(self, view: View, state: Arrays, /) -> list[Finding]:
        """Look at one slot, move the state, say what begins and ends. At `view.quiet` meters nothing may begin."""
        ...


def label(detector: Detector) -> str:
    """Name a detector with its version, as a finding keeps it."""
    return f"{detector.name} {detector.version}"
