"""Causal transformers as language models: P(w_t | w_<t) is the softmax over the vocabulary of the logits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from lightune.core.errors import UserError
from lightune.core.progress import Show
from lightune.history.language.base import END, FloatArray, How, LanguageModel, Lesson, Scored

BATCH_TOKENS = 4096
LONGEST = 2048  # tokens of one window, where the model knows no limit


class Causal(LanguageModel):
    """A network of `AutoModelForCausalLM` and its tokenizer; it has no file of its own kind.

    Attributes:
        scores_end: whether the end token was trained to end each text, so that its probability counts.
    """

    summary = "a causal transformer"
    paper = "Radford et al. 2018"
    scores_end = False

    def __init__(self, network: Any, tokenizer: Any) -> None:
        self.network = network.eval()
        self.tokenizer = tokenizer

    @classmethod
    def train(cls, lesson: Lesson) -> Self:
        """Not here: kinds that train have files of their own."""
        raise UserError("this model is not trained by `lightune pretrain`")

    def save(self, folder: Path) -> None:
        """A plain transformers folder."""
        from lightune.backbones.loading import quiet_transformers

        with quiet_transformers():
            self.network.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open a transformers folder."""
        from transformers import AutoModelForCausalLM, AutoTokenizer

        from lightune.backbones.loading import quiet_transformers

        with quiet_transformers():
            network = AutoModelForCausalLM.from_pretrained(str(folder), dtype="float32")
        return cls(network, AutoTokenizer.from_pretrained(str(folder)))

    def describe(self) -> dict[str, Any]:
        """Parameters and vocabulary."""
        return {"parameters": self.network.num_parameters(), "vocabulary": len(self.vocabulary)}

    @property
    def vocabulary(self) -> Sequence[str]:
        """The tokens by number; numbers that no token has are empty."""
        size = int(self.network.config.vocab_size)
        names = [""] * size
        for token, number in self.tokenizer.get_vocab().items():
            if number < size:
                names[number] = token
        return names

    @property
    def start(self) -> int | None:
        """The token before a text's first: the tokenizer's begin, else its end (as GPT-2 was trained)."""
        begin, end = self.tokenizer.bos_token_id, self.tokenizer.eos_token_id
        found: int | None = end if begin is None else begin
        return found

    @property
    def window(self) -> int:
        """The most tokens read at once."""
        config = self.network.config
        known = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None)
        return min(int(known or LONGEST), LONGEST)

    def score(self, text: str) -> Scored:
        """The chain rule over tokens; long texts are read in windows that overlap by half."""
        return self.score_all([text], Show(is_quiet=True))[0]

    def score_all(self, texts: Iterable[str], show: Show) -> list[Scored]:
        """As `score`, in batches of texts of like length."""
        cut = [self._cut(text) for text in texts]
        order = sorted(range(len(cut)), key=lambda place: -len(cut[place][0]))
        found: dict[int, Scored] = {}
        with show.bar("scoring", len(cut)) as bar:
            while order:
                length = min(len(cut[order[0]][0]), self.window)
                size = max(1, BATCH_TOKENS // max(length, 1))
                if len(cut[order[0]][0]) > self.window:
                    size = 1
                now, order = order[:size], order[size:]
                for place, scores in zip(
                    now, self._log_probabilities([cut[one][0] for one in now]), strict=True
                ):
                    _, pieces, num_bytes = cut[place]
                    found[place] = Scored(pieces, scores, num_bytes)
                bar.advance(len(now))
        return [found[place] for place in range(len(cut))]

    def distribution(self, prefix: str) -> FloatArray:
        """(V,) softmax of the logits after `prefix`."""
        import torch

        numbers = self._cut(prefix, has_end=False)[0][-self.window :]
        if not numbers:
            raise UserError("this model needs a text to go on from", hint="Give at least one word.")
        with torch.no_grad():
            logits = self.network(torch.tensor([numbers])).logits[0, -1].double()
        shares: FloatArray = logits.softmax(0).numpy()
        return shares

    def generate(self, prompt: str, how: How) -> str:
        """By transformers' own `generate`."""
        import torch

        torch.manual_seed(how.seed)
        numbers = self._cut(prompt, has_end=False)[0]
        chosen: dict[str, Any] = {"do_sample": how.temperature > 0, "num_beams": how.beams}
        if how.temperature > 0:
            chosen |= {"temperature": how.temperature, "top_k": how.top_k, "top_p": how.top_p}
        room = max(1, self.window - how.max_new_tokens)
        known = torch.tensor([numbers[-room:]])
        with torch.no_grad():
            written = self.network.generate(
                known,
                attention_mask=torch.ones_like(known),
                max_new_tokens=how.max_new_tokens,
                pad_token_id=self.tokenizer.pad_token_id or self.tokenizer.eos_token_id,
                **chosen,
            )
        return str(self.tokenizer.decode(written[0, known.shape[1] :], skip_special_tokens=True))

    def _cut(self, text: str, *, has_end: bool = True) -> tuple[list[int], tuple[str, ...], int]:
        """(numbers, with the start and the end where it is scored; pieces without the start; bytes)."""
        read = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        numbers, pieces, last = list(read["input_ids"]), list[str](), 0
        for _, end in read["offset_mapping"]:
            pieces.append(text[last : max(end, last)])  # bytes of one character: shown with the first of them
            last = max(end, last)
        num_bytes = len(text.encode("utf-8"))
        if self.start is not None:
            numbers.insert(0, self.start)
        if self.scores_end and has_end:
            numbers.append(int(self.tokenizer.eos_token_id))
            pieces.append(END)
            num_bytes += 1
        return numbers, tuple(pieces), num_bytes

    def _log_probabilities(self, texts: Sequence[Sequence[int]]) -> list[FloatArray]:
        """Natural logs of P(token | those before it), without the start; a batch, or one text in windows."""
        import torch

        if len(texts[0]) > self.window:
            return [self._long(texts[0])]
        length = max(1, *map(len, texts))
        padded, mask = np.zeros((2, len(texts), length), dtype=np.int64)
        for row, numbers in enumerate(texts):
            padded[row, : len(numbers)], mask[row, : len(numbers)] = numbers, 1
        known = torch.from_numpy(padded)
        with torch.no_grad():
            logits = self.network(known, attention_mask=torch.from_numpy(mask)).logits
        logs = logits[:, :-1].log_softmax(-1).gather(2, known[:, 1:, None])[..., 0].double().numpy()
        found = [logs[row, : max(0, len(numbers) - 1)] for row, numbers in enumerate(texts)]
        if self.start is None:  # nothing says how likely the first token is: any of the vocabulary
            first = -np.log(logits.shape[-1])
            found = [
                np.concatenate([[first], one]) if numbers else one
                for one, numbers in zip(found, texts, strict=True)
            ]
        return found

    def _long(self, numbers: Sequence[int]) -> FloatArray:
        """The same of one text longer than a window: each window counts for its second half."""
        step = max(1, self.window // 2)
        parts = [self._log_probabilities([numbers[: self.window]])[0]]
        done = self.window
        while done < len(numbers):
            end = min(done + step, len(numbers))
            window = numbers[max(0, end - self.window) : end]
            parts.append(self._log_probabilities([window])[0][-(end - done) :])
            done = end
        return np.concatenate(parts)
