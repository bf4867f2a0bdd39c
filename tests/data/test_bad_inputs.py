"""Every broken file ends in one message that names the place and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightune.core.errors import UserError
from lightune.data.check import check
from lightune.data.columns import find_columns
from lightune.data.read import read
from lightune.data.settings import DataSettings
from tests.data.bad_inputs import BAD_INPUTS, BadInput


@pytest.mark.parametrize("bad", BAD_INPUTS, ids=lambda bad: bad.name)
def test_message_names_place_and_remedy(bad: BadInput, tmp_path: Path) -> None:
    source = str(bad.make(tmp_path))
    text = (bad.options["text"],) if "text" in bad.options else None
    if bad.kind:
        splits = read(source, DataSettings())
        columns = find_columns(splits.train, text, bad.options.get("label"))
        first = check(splits, columns, task=bad.options.get("task"))[0]
        assert (first.kind, first.is_fatal) == (bad.kind, True)
        message, line, place = first.message, first.line, first.file
    else:
        with pytest.raises(UserError) as caught:
            splits = read(source, DataSettings())
            find_columns(splits.train, text, bad.options.get("label"))
        message, line, place = str(caught.value), caught.value.line, str(caught.value.file)
    for word in bad.words:
        assert word in message
    assert line == bad.line
    assert place.startswith(str(tmp_path))
