"""How data is read, cleaned and split: the `--data.*` flags."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lightune.core.settings import Settings


class DataSettings(Settings):
    """The group `data`."""

    max_length: int | None = Field(
        default=None,
        ge=8,
        le=1_000_000,
        description="longest text in tokens; derived from the texts and the model",
    )
    long: Literal["auto", "windows", "truncate"] = Field(
        default="auto",
        description="longer texts: read in overlapping windows, or cut; auto = windows if over 5% lose words",
    )
    max_windows: int = Field(
        default=8, ge=1, le=1000, description="most windows that one long text is read in"
    )
    validation_fraction: float = Field(
        default=0.1,
        ge=0,
        le=0.8,
        description="share of the rows held out to choose the best epoch, if no file is given",
    )
    test_fraction: float = Field(
        default=0.1,
        ge=0,
        le=0.8,
        description="share of the rows held out to measure the result, if no file is given",
    )
    group: str = Field(
        default="", description="a column whose values (author, patient) never fall in two splits"
    )
    duplicates: Literal["keep", "drop"] = Field(
        default="drop",
        description="rows with the same text and label in the training data: keep all, or only the first",
    )
    limit: int | None = Field(
        default=None, ge=1, description="use only this many rows, drawn evenly from the file"
    )
    encoding: str = Field(
        default="utf-8", description="how the file's text is stored: utf-8, latin-1, gb18030, ..."
    )
    prefixes: str = Field(
        default="auto",
        description="put before texts that become vectors: none, or QUERY|PASSAGE; auto: what E5 models want",
    )
    delimiter: str = Field(
        default="", description="what separates several labels in one cell; found when not given"
    )
    exclude: str = Field(
        default="", description="a list of rows not to train on, such as `lightune check --deep` writes"
    )
