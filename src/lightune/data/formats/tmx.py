"""Translation memories: TMX 1.4 (LISA 2005), a row a translation unit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

from lightune.core.errors import UserError
from lightune.core.rows import Row, Splits
from lightune.data.formats.base import Format
from lightune.data.settings import DataSettings

LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
INLINE = {"bpt", "ept", "ph", "it", "ut"}  # marks of the layout inside a segment: no text


class Tmx(Format):
    """A column a language, in the order of the first unit; the first language is the source."""

    suffixes = (".tmx",)

    def read(self, path: Path, settings: DataSettings) -> Iterator[Row]:
        """The units in file order; those that lack a language of the first unit are left out and counted.

        Raises:
            UserError: no valid XML, with its line.
        """
        index = 0
        try:
            for _, unit in ElementTree.iterparse(path, events=("end",)):
                if unit.tag != "tu":
                    continue
                values = {
                    (one.get(LANGUAGE) or one.get("lang") or "?").lower(): _text(one.find("seg"))
                    for one in unit.iter("tuv")
                }
                unit.clear()
                self.columns = self.columns or list(values)
                if any(not values.get(name, "").strip() for name in self.columns):
                    self.skip("a language of this unit is missing or empty", str(path), None)
                    continue
                yield Row(index, {name: values[name] for name in self.columns}, str(path))
                index += 1
        except ElementTree.ParseError as error:
            line = error.position[0] if error.position else None
            raise UserError(f"not valid XML: {error}", file=path, line=line) from None

    def splits(self, path: Path, settings: DataSettings) -> Splits:
        """All units, for translating from the first language into the second."""
        found = super().splits(path, settings)
        if len(self.columns) < 2 and len(found.train.columns) < 2:
            hint = "Each <tu> needs a <tuv> for each of two languages."
            raise UserError("there are no units in two languages", file=path, hint=hint)
        first, second = found.train.columns[:2]
        return replace(found, text=(first,), label=second, task="translate")


def _text(segment: ElementTree.Element | None) -> str:
    """The segment's text without the marks of its layout."""
    if segment is None:
        return ""
    parts = [segment.text or ""]
    for child in segment:
        parts += ["" if child.tag in INLINE else _text(child), child.tail or ""]
    return "".join(parts)
