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
