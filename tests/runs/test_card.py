"""The model card: front matter that hubs can read, results beside baselines, loading lines as given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from lightune.runs.card import Card, render, write_card

LOADING = 'model = AutoPeftModelForSequenceClassification.from_pretrained("RUN", num_labels=2)'


def card(**changes: Any) -> Card:
    values: dict[str, Any] = {
        "title": "reviews | 评论",
        "task": "classify",
        "method": "lora",
        "model": "./models/my: model",
        "labels": ["no", "yes", "a|b"],
        "metrics": {"accuracy": 0.84, "f1": 0.83},
        "intervals": {"accuracy": (0.82, 0.86)},
        "rungs": [
            {
                "name": "tfidf_lr",
                "metrics": {"accuracy": 0.78},
                "intervals": {"accuracy": (0.76, 0.8)},
                "seconds": 1.0,
            }
        ],
        "rows": {"train": 4000, "test": 2000},
        "loading": LOADING,
        "decisions": [("method", "lora", "it fits | the budget")],
        "language": "no",
        "advice": ["Label more rows."],
    }
    return Card(**(values | changes))


def front_matter(text: str) -> dict[str, Any]:
    start, matter, _ = text.split("---\n", 2)
    assert start == ""
    found = yaml.safe_load(matter)
    assert isinstance(found, dict)
    return found


def test_front_matter_is_yaml_that_hubs_know(tmp_path: Path) -> None:
    write_card(tmp_path / "README.md", card())
    assert front_matter((tmp_path / "README.md").read_text(encoding="utf-8")) == {
        "base_model": "./models/my: model",
        "library_name": "peft",
        "language": "no",
        "pipeline_tag": "text-classification",
        "tags": ["lightune", "classify", "lora"],
    }


def test_what_is_unknown_is_left_out() -> None:
    text = render(card(is_peft=False, language="", task="other", loading="", metrics={}, rows={}, labels=[]))
    assert front_matter(text).keys() == {"base_model", "tags"}
    assert "## Results" not in text and "open it with lightune" in text


def test_results_stand_beside_the_baseline_with_intervals() -> None:
    text = render(card())
    assert "| accuracy | 0.840 (0.820 to 0.860) | 0.780 (0.760 to 0.800) |" in text
    assert "| F1 | 0.830 | – |" in text
    assert "Yes: accuracy 0.840 against 0.780" in text


def test_loading_lines_rows_and_labels_are_printed() -> None:
    text = render(card())
    assert f"```python\n{LOADING}\n```" in text
    assert "train 4,000, test 2,000" in text and "Labels: no, yes, a\\|b." in text
    assert "lightune predict" in text and "- Label more rows." in text


def test_markup_in_values_cannot_break_a_table() -> None:
    rows = [line for line in render(card()).splitlines() if line.startswith("| method")]
    assert rows == ["| method | lora | it fits \\| the budget |"]
