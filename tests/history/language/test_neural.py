"""lstm, gpt and bert on a corpus of a few kB: trained, scored, written with, opened elsewhere, fine-tuned."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightune.core import plugins
from lightune.core.errors import UserError
from lightune.core.progress import Show
from lightune.core.settings import build
from lightune.data.corpus import Corpus
from lightune.history import language
from lightune.history.language.base import How, LanguageModel, Lesson, Log
from tests.tiny import tiny_model
from tests.tiny_tokenizer import WORDS

KINDS = ("bert", "gpt", "lstm")
SHAPE = {"layers": 2, "width": 32, "vocabulary_size": 400}
SENTENCES = [
    f"The {who} {did} the {what} and the {other}."
    for who in ("cat", "dog", "woman", "actor")
    for did in ("saw", "liked", "found")
    for what in ("film", "house", "story", "mat")
    for other in ("ball", "car", "bus")
]
CHINESE = ["这部电影很好看。", "质量太差，不推荐。", "酒店房间干净，服务也好。", "送货很慢。"] * 6


def lesson(folder: Path, kind: str, texts: list[str] = SENTENCES, **more: Any) -> Lesson:
    """A lesson on a file made of `texts`."""
    for name, part in (("train", texts[: len(texts) * 4 // 5]), ("held_out", texts[len(texts) * 4 // 5 :])):
        (folder / f"{name}.txt").write_text("\n".join(part) + "\n", encoding="utf-8")
    chosen = plugins.load(language, kind, LanguageModel)  # type: ignore[type-abstract]
    settings = {**SHAPE, **more.pop("settings", {})}
    loop = {"epochs": 4, "measurements": 2, "precision": "float32", **more.pop("loop", {})}
    (folder / "work").mkdir(exist_ok=True)
    train, held_out = (Corpus(name, (folder / f"{name}.txt",)) for name in ("train", "held_out"))
    known = {"seed": 0, "show": Show(is_quiet=True), "work": folder / "work", "log": Log(), **more}
    return Lesson(
        train=train,
        validation=held_out,
        settings=build(chosen.Settings, "pretrain", settings),
        loop=build(chosen.Loop, "train", loop),
        num_bytes=train.measure().num_bytes,
        **known,
    )


def learn(given: Lesson, kind: str) -> Any:
    return plugins.load(language, kind, LanguageModel).train(given)  # type: ignore[type-abstract]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, Lesson, Path]]:
    """Each kind: (model, its lesson, its folder)."""
    found = {}
    for kind in KINDS:
        folder = tmp_path_factory.mktemp(kind)
        given = lesson(folder, kind)
        model = learn(given, kind)
        model.save(folder / "run")
        found[kind] = (model, given, folder / "run")
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_it_learns_and_tells(kind: str, trained: dict[str, Any]) -> None:
    model, given, _ = trained[kind]
    figures = [row["bits_per_byte"] for row in given.log.rows]
    assert len(figures) == 2
    assert figures[1] < figures[0] < 8
    assert all(row["tokens_per_second"] > 0 for row in given.log.rows)
    assert len(given.log.samples) == 2
    assert {"vocabulary", "tokens", "learning rate", "steps"} <= {what for what, _, _ in given.log.facts}
    assert model.describe()["width"] == 32


@pytest.mark.parametrize("kind", KINDS)
def test_saved_and_opened_it_says_the_same(kind: str, trained: dict[str, Any]) -> None:
    model, _, folder = trained[kind]
    again = type(model).load(folder)
    texts = ["The cat saw the bus.", "A zebra? No: the dog."]
    for one, other in zip(model.score_all(texts, Show(is_quiet=True)), map(again.score, texts), strict=True):
        assert one.tokens == other.tokens
        assert one.log_probabilities == pytest.approx(other.log_probabilities, abs=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_shares_sum_to_one(kind: str, trained: dict[str, Any]) -> None:
    shares = trained[kind][0].distribution("The cat")
    assert shares.shape == (len(trained[kind][0].vocabulary),)
    assert shares.min() >= 0
    assert shares.sum() == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("kind", ["gpt", "lstm"])
def test_score_follows_the_chain_rule(kind: str, trained: dict[str, Any]) -> None:
    model = trained[kind][0]
    text = "The cat saw the story. " * 12  # longer than the block of neither, with half windows of the other
    scored = model.score(text)
    assert "".join(scored.tokens) == text + "\n"
    before, logs = "", []
    ids = model.tokenizer(text, add_special_tokens=False)["input_ids"]
    for number, piece in zip(ids[:20], scored.tokens[:20], strict=True):
        logs.append(np.log(model.distribution(before)[number]))
        before += piece
    assert scored.log_probabilities[:20] == pytest.approx(logs, abs=1e-3)
    assert scored.log_probability == pytest.approx(scored.log_probabilities.sum())


def test_bert_scores_what_is_hidden(trained: dict[str, Any]) -> None:
    model = trained["bert"][0]
    assert model.is_pseudo
    scored = model.score("the cat saw the bus.")
    last = model.distribution("the cat saw the bus")[model.tokenizer.convert_tokens_to_ids(".")]
    assert scored.log_probabilities[-1] == pytest.approx(np.log(last), abs=1e-4)


@pytest.mark.parametrize("kind", ["gpt", "lstm"])
def test_text_longer_than_the_window_is_written_by_a_seed(kind: str, trained: dict[str, Any]) -> None:
    model = trained[kind][0]
    how = How(max_new_tokens=150, temperature=1.0, top_k=30, top_p=0.9, seed=3)
    written = model.generate("The cat", how)
    assert written == model.generate("The cat", how)
    assert written != model.generate("The cat", replace(how, seed=4))
    likeliest = model.generate("The cat", How(max_new_tokens=8))
    assert likeliest == model.generate("The cat", How(max_new_tokens=8, seed=5))


def test_gpt_and_bert_are_plain_folders(trained: dict[str, Any]) -> None:
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

    for kind, auto in (("gpt", AutoModelForCausalLM), ("bert", AutoModelForMaskedLM)):
        model, _, folder = trained[kind]
        network = auto.from_pretrained(folder)
        inputs = AutoTokenizer.from_pretrained(folder)("the cat", return_tensors="pt")
        assert network(**inputs).logits.shape[-1] == len(model.tokenizer)


@pytest.mark.parametrize("kind", ["bert", "gpt", "lstm"])
def test_killed_run_goes_on_to_the_same_model(kind: str, tmp_path: Path) -> None:
    wanted = learn(lesson(tmp_path, kind, loop={"epochs": 2}), kind)
    (tmp_path / "other").mkdir()
    given = lesson(tmp_path / "other", kind, loop={"epochs": 2})
    with pytest.MonkeyPatch.context() as patch:
        from lightune.pretraining import loop

        step, calls = loop._step, []

        def killed(*given: Any) -> float:
            calls.append(1)
            if len(calls) == 12:
                raise KeyboardInterrupt
            return step(*given)

        patch.setattr(loop, "_step", killed)
        with pytest.raises(KeyboardInterrupt):
            learn(given, kind)
    again = lesson(tmp_path / "other", kind, loop={"epochs": 2}, is_resumed=True)
    found = learn(again, kind)
    text = "The dog liked the mat."
    assert found.score(text).log_probabilities == pytest.approx(
        wanted.score(text).log_probabilities, abs=1e-5
    )
    assert len(again.log.rows) == 2


@pytest.mark.parametrize("scheme", ["bpe", "unigram", "characters"])
@pytest.mark.parametrize("texts", [SENTENCES, CHINESE], ids=["english", "chinese"])
def test_tokenizers_give_every_text_back(scheme: str, texts: list[str], tmp_path: Path) -> None:
    from lightune.history.language import _neural

    given = lesson(tmp_path, "gpt", texts, settings={"vocabulary": scheme})
    bench = _neural.open_bench(given, _neural.WRITING, 64)
    odd = [*texts[:3], "naïve café, 東京 — 🙂!", "  two  blanks "]
    assert bench.vocabulary.is_lossless(odd)
    assert len(bench.train) > 20
    assert not any(what == "tokenizer" for what, _, _ in given.log.facts)


def test_lossy_tokenizer_is_told(tmp_path: Path) -> None:
    given = lesson(tmp_path, "gpt", settings={"vocabulary": "wordpiece"}, loop={"epochs": 1})
    learn(given, "gpt")
    assert any(what == "tokenizer" for what, _, _ in given.log.facts)


def test_given_tokenizer_is_taken(trained: dict[str, Any], tmp_path: Path) -> None:
    folder = trained["gpt"][2]
    model = learn(lesson(tmp_path, "lstm", tokenizer=str(folder), loop={"epochs": 1}), "lstm")
    assert model.vocabulary == trained["gpt"][0].vocabulary
    assert model.tokenizer.eos_token == "<|end|>"


def test_word_vectors_are_put_in_and_what_they_bought_is_told(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    words = ["film", "house", "story", "cat", "dog", "the"]
    lines = [f"{len(words)} 8"] + [f"{word} {' '.join(map(str, random.normal(size=8)))}" for word in words]
    (tmp_path / "vectors.txt").write_text("\n".join(lines), encoding="utf-8")
    given = lesson(tmp_path, "lstm", embeddings=str(tmp_path / "vectors.txt"), loop={"epochs": 2})
    learn(given, "lstm")
    told = {what: (value, why) for what, value, why in given.log.facts}
    assert "6" in told["embeddings"][0] or "5" in told["embeddings"][0]
    without = json.loads((tmp_path / "work" / "without_vectors.json").read_text())
    bought = given.log.scores["bits_per_byte_saved_by_vectors"]
    assert bought == pytest.approx(without - given.log.rows[0]["bits_per_byte"])
    assert f"{without:.4f} without" in told["word vectors bought"][1]


def test_encoder_goes_on_with_a_tied_head_and_its_pooler(tmp_path: Path) -> None:
    from safetensors.torch import load_file
    from transformers import AutoModelForSequenceClassification

    encoder = tiny_model(tmp_path / "encoder", "bert", num_layers=2)
    texts = [" ".join(WORDS[start : start + 8]) for start in range(150)]
    given = lesson(tmp_path, "bert", texts, model=str(encoder), loop={"epochs": 2})
    model = learn(given, "bert")
    network = model.network
    tied = network.get_output_embeddings().weight
    assert tied.data_ptr() == network.get_input_embeddings().weight.data_ptr()
    model.save(tmp_path / "run")
    before = load_file(encoder / "model.safetensors")
    after = AutoModelForSequenceClassification.from_pretrained(tmp_path / "run").state_dict()
    assert np.array_equal(after["bert.pooler.dense.weight"], before["pooler.dense.weight"])
    name = "encoder.layer.0.attention.self.query.weight"
    assert not np.array_equal(after[f"bert.{name}"], before[name])
    assert any(what == "new head first" for what, _, _ in given.log.facts)


def test_decoder_goes_on(tmp_path: Path) -> None:
    decoder = tmp_path / "decoder"
    from transformers import AutoModelForCausalLM

    from tests.tiny import tiny_config
    from tests.tiny_tokenizer import tiny_tokenizer

    AutoModelForCausalLM.from_config(tiny_config("gpt2", 2)).save_pretrained(decoder)
    tiny_tokenizer("gpt2").save_pretrained(decoder)
    given = lesson(tmp_path, "gpt", model=str(decoder), loop={"epochs": 2, "learning_rate": 1e-3})
    learn(given, "gpt")
    assert given.log.rows[-1]["bits_per_byte"] < given.log.rows[0]["bits_per_byte"]


def test_budget_ends_it(tmp_path: Path) -> None:
    given = lesson(tmp_path, "lstm", seconds=2.0, loop={"epochs": None, "patience": 0})
    learn(given, "lstm")
    assert 1 <= len(given.log.rows) <= 2


@pytest.mark.parametrize(
    ("kind", "more", "problem"),
    [
        ("gpt", {"settings": {"width": 32, "heads": 3}}, "cannot be divided"),
        ("bert", {"settings": {"width": 32, "heads": 3}}, "cannot be divided"),
        ("lstm", {"embeddings": "nothing-here"}, "no word vectors"),
        ("bert", {"tokenizer": "gpt"}, "no token for what is hidden"),
    ],
)
def test_mistakes_are_told(
    kind: str, more: dict[str, Any], problem: str, trained: dict[str, Any], tmp_path: Path
) -> None:
    if more.get("tokenizer"):
        more = {"tokenizer": str(trained["gpt"][2])}
    with pytest.raises(UserError, match=problem):
        learn(lesson(tmp_path, kind, **more), kind)


@pytest.mark.parametrize(("kind", "method"), [("gpt", "lora"), ("bert", "lora"), ("lstm", "head")])
def test_it_is_a_backbone(kind: str, method: str, trained: dict[str, Any], tmp_path: Path) -> None:
    import lightune

    data = tmp_path / "data.csv"
    rows = [f'"{text}",{"animal" if "cat" in text or "dog" in text else "person"}' for text in SENTENCES]
    data.write_text("text,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    run = lightune.train(
        data, model=str(trained[kind][2]), method=method, output=str(tmp_path / "run"), precision="exact",
        groups={"train": {"epochs": 30, "learning_rate": 1e-2, "patience": 0}},
    )  # fmt: skip
    found = [
        one.label for one in run.predict(["The cat saw the film and the bus.", "The woman saw the film."])
    ]
    assert found == ["animal", "person"]
