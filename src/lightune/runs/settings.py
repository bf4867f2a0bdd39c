"""Settings of what a run writes about itself (`--report.*`)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lightune.core.settings import Settings


class ReportSettings(Settings):
    """The report and the pages of a run."""

    examples: Literal["auto", "on", "off"] = Field(
        "auto", description="whether the report may quote rows of the data; auto: unless the run is private"
    )
    explain: int | None = Field(
        None,
        ge=0,
        le=20,
        description="tested rows whose words are coloured by what they say for the answer; "
        "unless said at most 3, as many as 5% of the time pays for",
    )
