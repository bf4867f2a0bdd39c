"""SetFit without its contrastive stage: logistic regression on mean-pooled states (Tunstall et al. 2022).

By the setfit library where it is installed, else the same by transformers and scikit-learn.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from benchmarks.peers.work import Work, report

BATCH_ROWS = 32


def embed(work: Work, texts: list[str]) -> Any:
    """(B, H): the mean of the last states of each text; batches of like length, as sentence-transformers."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(work.model)
    model = AutoModel.from_pretrained(work.model).eval()
    order = sorted(range(len(texts)), key=lambda number: -len(texts[number]))
    vectors = torch.empty(len(texts), model.config.hidden_size)
    with torch.inference_mode():
        for start in range(0, len(order), BATCH_ROWS):
            chosen = order[start : start + BATCH_ROWS]
            batch = tokenizer(
                [texts[number] for number in chosen],
                padding=True,
                truncation=True,
                max_length=work.max_length,
                return_tensors="pt",
            )
            mask = batch["attention_mask"].unsqueeze(-1)
            hidden = model(**batch).last_hidden_state
            vectors[chosen] = (hidden * mask).sum(1) / mask.sum(1)
    return vectors.numpy()


def by_setfit(work: Work) -> list[int]:
    """The label numbers of the test rows, by the setfit library."""
    model = importlib.import_module("setfit").SetFitModel.from_pretrained(work.model)
    model.model_body.max_seq_length = work.max_length
    model.fit(work.train_texts, work.train_labels, num_epochs=1, batch_size=BATCH_ROWS)
    return [int(one) for one in model.predict(work.test_texts, batch_size=BATCH_ROWS)]


def by_hand(work: Work) -> list[int]:
    """The same without that library."""
    from sklearn.linear_model import LogisticRegression

    vectors = embed(work, [*work.train_texts, *work.test_texts])
    num_train = len(work.train_texts)
    model = LogisticRegression(max_iter=1000, random_state=work.seed)
    model.fit(vectors[:num_train], work.train_labels)
    return [int(one) for one in model.predict(vectors[num_train:])]


def main() -> None:
    """Train, predict the test rows and print the result."""
    work = Work()
    has_library = importlib.util.find_spec("setfit") is not None
    predicted = by_setfit(work) if has_library else by_hand(work)
    report(predicted, work.test_labels, by="setfit" if has_library else "transformers and scikit-learn")


if __name__ == "__main__":
    main()
