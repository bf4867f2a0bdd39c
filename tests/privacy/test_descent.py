"""Private training: gradients of single rows, the accountant, what is refused, and that it happened."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

import lightune
from lightune.core.errors import UserError
from lightune.core.progress import Show
from lightune.privacy.budget import plan_budget, spent_epsilon
from lightune.privacy.gradients import Functional, Hooked, OneByOne, Way, agree, choose_way, trained
from lightune.request import Request
from lightune.steps.gather import Gathered, gather
from lightune.steps.prepare import Prepared, choose_method, choose_model, prepare
from lightune.steps.private import _apart, exact_work

WORDS = "sun moon tree river stone cloud wind rain fire snow leaf sand".split()


def synthetic_rows(folder: Path, number: int, *, words: int = 8, seed: int = 0) -> Path:
    """Synthetic texts of `number` rows, labelled by which of two words they hold."""
    random = np.random.default_rng(seed)
    file = folder / f"synthetic-{number}-{words}.csv"
    lines = ["text,label"]
    for row in range(number):
        found = random.choice(WORDS, int(random.integers(3, words + 1))).tolist()
        lines.append(f"{'good' if row % 2 else 'bad'} {' '.join(found)},{row % 2}")
    file.write_text("\n".join(lines) + "\n")
    return file


def made(tiny, data: Path, method: str, **asked) -> tuple[Gathered, Prepared]:
    groups = {"cache": {"dtype": "float32"}, **asked.pop("groups", {})}
    request = Request(
        data=str(data), model=str(tiny("bert")), method=method, precision="exact", groups=groups, **asked
    )
    show = Show(is_quiet=True)
    gathered = gather(request, show)
    source = choose_model(request, gathered, show)
    return gathered, prepare(request, gathered, source, choose_method(request, gathered), show)


def ways_of(gathered: Gathered, prepared: Prepared) -> dict[str, Way]:
    exact = exact_work(prepared, gathered)
    exact.model.eval()
    return {"vmap": Functional(exact, _apart(prepared)), "hooks": Hooked(exact), "one": OneByOne(exact)}


@pytest.mark.parametrize(
    ("method", "way", "settings", "long"),
    [
        ("head", "vmap", {}, {}),
        ("head", "hooks", {}, {}),
        ("side", "vmap", {"width": "16"}, {"max_length": "12", "long": "windows"}),
        ("lora", "hooks", {"layers": "2", "rank": "2"}, {}),
        ("lora", "hooks", {"layers": "1", "rank": "2"}, {"max_length": "12", "long": "windows"}),
        ("full", "hooks", {"layers": "1"}, {}),
    ],
)
def test_gradients_equal_batches_of_one(tiny, tmp_path, method, way, settings, long) -> None:
    gathered, prepared = made(
        tiny,
        synthetic_rows(tmp_path, 24, words=30),
        method,
        groups={"method": settings, "data": long},
    )
    exact = exact_work(prepared, gathered)
    exact.model.eval()
    with torch.no_grad():  # at its start much of a LoRA gradient is zero
        for one in trained(exact.model):
            one.add_(0.05 * torch.randn(one.shape, generator=torch.Generator().manual_seed(0)))
    chosen = Functional(exact, _apart(prepared)) if way == "vmap" else Hooked(exact)
    rows = gathered.train[:7]
    losses, found = chosen(rows)
    wanted_losses, wanted = OneByOne(exact)(rows)
    chosen.close()
    if long:
        windows = np.diff(prepared.tokens.windows)[rows]
        assert windows.max() > 1, "the test needs texts of several windows"
    assert torch.allclose(losses, wanted_losses, atol=1e-5)
    assert max(float(one.abs().max()) for one in wanted) > 1e-2
    for gradient, other in zip(found, wanted, strict=True):
        assert torch.allclose(gradient, other, atol=1e-5, rtol=1e-5)
    assert choose_way(exact, _apart(prepared) if way == "vmap" else None, rows)(exact).name == chosen.name


def test_rows_of_many_answers_count_once(tiny, tmp_path) -> None:
    """A tagged text is one row: its gradient is that of the mean over its words."""
    lines = [f"{word} {'B-X' if word == 'sun' else 'O'}" for word in WORDS]
    blocks = ["\n".join(np.random.default_rng(seed).permutation(lines)[: 4 + seed % 6]) for seed in range(24)]
    file = tmp_path / "synthetic.conll"
    file.write_text("\n\n".join(blocks) + "\n")
    gathered, prepared = made(tiny, file, "head", task="tag")
    exact = exact_work(prepared, gathered)
    exact.model.eval()
    rows = gathered.train[:5]
    way = choose_way(exact, _apart(prepared), rows)(exact)
    assert agree(way(rows)[1], OneByOne(exact)(rows)[1], 1e-5)


@pytest.mark.parametrize("accountant", ["prv", "rdp"])
def test_accountant_is_opacus(accountant) -> None:
    from opacus.accountants import PRVAccountant, RDPAccountant

    budget = plan_budget(8.0, 1e-3, 1.0, accountant, num_rows=1000, batch_rows=100, steps=30)
    theirs = PRVAccountant() if accountant == "prv" else RDPAccountant()
    for _ in range(30):
        theirs.step(noise_multiplier=budget.noise, sample_rate=0.1)
    assert budget.steps == 30
    assert budget.epsilon == pytest.approx(theirs.get_epsilon(delta=1e-3), rel=1e-6)
    assert 7.9 < budget.epsilon <= 8.0
    more = spent_epsilon(budget.noise / 2, 1e-3, rate=0.1, steps=30, accountant=accountant)
    assert more > 1.5 * budget.epsilon


def test_delta_above_one_row_is_refused() -> None:
    with pytest.raises(UserError, match="one row may be given away"):
        plan_budget(8.0, 0.01, 1.0, "rdp", num_rows=1000, batch_rows=100, steps=30)


@pytest.fixture(scope="module")
def private_run(tiny, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("private")
    groups = {"privacy": {"epsilon": "8"}, "train": {"epochs": "2", "batch_rows": "16"}}
    lightune.train(
        synthetic_rows(folder, 160),
        model=str(tiny("bert")),
        method="head",
        output=str(folder / "run"),
        groups=groups,
    )
    return folder / "run"


def test_private_run_says_what_it_promises(private_run) -> None:
    record = json.loads((private_run / "metrics.json").read_text())["privacy"]
    settings = tomllib.loads((private_run / "run.toml").read_text())["privacy"]
    assert 7.5 < record["epsilon"] <= 8.0
    assert record["delta"] == pytest.approx(1 / 128)
    assert record["steps"] == record["steps_taken"] == 16
    assert settings["noise"] == record["noise"] > 0
    for page in ("README.md", "report.html"):
        words = (private_run / page).read_text().replace("\\", "")
        assert "epsilon 8.00" in words or f"epsilon {record['epsilon']:.2f}" in words
        assert "Not promised for" in words
        assert "validation and test rows" in words


def test_private_run_tells_nothing_of_single_rows(private_run) -> None:
    known = json.loads((private_run / "metrics.json").read_text())
    assert known["final_loss"] is None
    assert all("train_loss" not in row for row in known["epochs"])
    assert not known["knows_familiar"]
    for page in ("README.md", "report.html", "metrics.json"):
        words = (private_run / page).read_text()
        assert not any(f"good {word}" in words for word in WORDS), f"{page} quotes a text"


def test_explaining_a_private_run_quotes_no_training_text(private_run) -> None:
    from tests.cli.running import lightune as command

    for more, quotes in ((), False), (("--report.examples", "on"), True):
        ended = command("explain", private_run, "good sun moon", *more, "--json")
        assert ended.code == 0, ended.err
        behind = ended.json["texts"][0]["influence"]
        assert len(behind) == 3 and all(bool(one["texts"]) == quotes for one in behind)


def test_a_private_run_is_audited(private_run) -> None:
    from tests.cli.running import lightune as command

    data = private_run.parent / "synthetic-160-8.csv"
    ended = command("audit", private_run, data, "--references", "0", "--json")
    assert ended.code == 0, ended.err
    [one] = ended.json["runs"]
    assert one["epsilon"] <= 8.0
    assert [attack["name"] for attack in one["attacks"]] == ["loss"]
    assert one["attacks"][0]["members"] == 128 and one["attacks"][0]["others"] == 32


def test_a_stopped_run_goes_on_within_its_budget(tiny, tmp_path, monkeypatch) -> None:
    """Stopped in the second of three epochs: what was spent before counts, what was lost is done again."""
    from lightune.privacy.descent import PrivateDescent

    known = {"model": str(tiny("bert")), "method": "head", "output": str(tmp_path / "run")}
    groups = {"privacy": {"epsilon": "8"}, "train": {"epochs": "3", "batch_rows": "16"}}
    data, step = synthetic_rows(tmp_path, 160), PrivateDescent.step

    def stopping(self: PrivateDescent, *given) -> float:
        if self.record.steps == 11:
            raise KeyboardInterrupt
        return step(self, *given)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(PrivateDescent, "step", stopping)
        lightune.train(data, groups=groups, **known)
    lightune.train(data, groups=groups, resume=True, **known)
    record = json.loads((tmp_path / "run" / "metrics.json").read_text())["privacy"]
    assert record["steps"] == record["steps_taken"] == 24
    assert record["steps_taken_now"] == 16
    assert record["epsilon"] <= 8.0
    assert (
        "8 of the steps were taken before the run was stopped" in (tmp_path / "run" / "README.md").read_text()
    )


def test_more_steps_than_were_planned_fail(tiny, tmp_path) -> None:
    from lightune.privacy.descent import PrivateDescent

    gathered, prepared = made(tiny, synthetic_rows(tmp_path, 24), "head")
    budget = plan_budget(8.0, 0.01, 1.0, "rdp", num_rows=24, batch_rows=8, steps=3)
    private = PrivateDescent(budget, exact_work(prepared, gathered), _apart(prepared), 1024)
    with pytest.raises(UserError, match="noise was planned for 3"):
        private.finish(4)


def test_config_of_a_private_run_can_be_given_again(private_run, tmp_path) -> None:
    from lightune.cli.learn import _asked

    asked = _asked({"data": "x.csv", "text": None, "method": "auto"}, private_run / "run.toml")
    assert Request(**asked).privacy.is_private


def test_config_of_a_usual_run_can_be_given_again(tiny, tmp_path) -> None:
    from lightune.cli.learn import _asked

    data = synthetic_rows(tmp_path, 60)
    groups = {"train": {"epochs": "1"}}
    lightune.train(data, model=str(tiny("bert")), method="head", output=str(tmp_path / "run"), groups=groups)
    asked = _asked({"data": "x.csv", "text": None, "method": "auto"}, tmp_path / "run" / "run.toml")
    assert not Request(**asked).privacy.is_private


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"folds": 3}, "epsilon again"),
        ({"seeds": 3}, "epsilon again"),
        ({"groups": {"train": {"class_weights": "on"}}}, "counts the labels"),
        ({"groups": {"train": {"clip": "1"}}}, "no effect"),
    ],
)
def test_what_would_leak_is_refused_at_once(asked, reason) -> None:
    groups = {**asked.pop("groups", {}), "privacy": {"epsilon": "8"}}
    with pytest.raises(UserError, match=reason):
        Request(data="movies", groups=groups, **asked)


def test_lone_delta_is_refused() -> None:
    with pytest.raises(UserError, match="no effect without"):
        Request(data="movies", groups={"privacy": {"delta": "1e-5"}})


def test_batch_normalisation_and_numbers_are_refused() -> None:
    from lightune.methods.head import Head, HeadSettings
    from lightune.steps.private import require_safe
    from lightune.tasks.classify import Classify
    from lightune.tasks.regress import Regress
    from lightune.tasks.retrieve import Retrieve

    head = Head(HeadSettings(), "mean")
    model = torch.nn.Sequential(torch.nn.Linear(2, 2))
    require_safe(Classify(), head, model)
    for task, reason in ((Regress(), "spread"), (Retrieve(), "against each other")):
        with pytest.raises(UserError, match=reason):
            require_safe(task, head, model)
    with pytest.raises(UserError, match="batch normalisation"):
        require_safe(Classify(), head, torch.nn.Sequential(torch.nn.BatchNorm1d(2)))


def test_training_that_moves_nothing_fails(tiny, tmp_path) -> None:
    from lightune.privacy.descent import PrivateDescent

    gathered, prepared = made(tiny, synthetic_rows(tmp_path, 24), "head")
    budget = plan_budget(8.0, 0.01, 1.0, "rdp", num_rows=24, batch_rows=8, steps=3)
    private = PrivateDescent(budget, exact_work(prepared, gathered), _apart(prepared), 1024)
    private.record.steps = 3
    with pytest.raises(UserError, match="did not change a single weight"):
        private.finish()
    with torch.no_grad():
        trained(prepared.backbone.model)[0].add_(1.0)
    with pytest.raises(UserError, match="no row ever had a gradient"):
        private.finish()


def test_unclipped_sums_are_noticed(tiny, tmp_path) -> None:
    from lightune.privacy.descent import PrivateDescent

    gathered, prepared = made(tiny, synthetic_rows(tmp_path, 24), "head")
    budget = plan_budget(8.0, 0.01, 1.0, "rdp", num_rows=24, batch_rows=8, steps=3)
    private = PrivateDescent(budget, exact_work(prepared, gathered), _apart(prepared), 1024)
    parameters = trained(prepared.backbone.model)
    for one in parameters:
        setattr(one, "summed_grad", torch.ones_like(one))  # noqa: B010
    with pytest.raises(UserError, match="not clipped"):
        private._require_clipped(parameters, bound=0.5)
    private._require_clipped(parameters, bound=1e3)


def test_noise_and_clip_are_as_told(tiny, tmp_path) -> None:
    """The noisy sum of no rows has the deviation noise * clip / batch; one row adds at most clip / batch."""
    from lightune.engine.batches import Step
    from lightune.engine.loop import Descent
    from lightune.privacy.descent import PrivateDescent

    gathered, prepared = made(tiny, synthetic_rows(tmp_path, 24), "side", groups={"method": {"width": "32"}})
    prepared.backbone.model.eval()
    budget = plan_budget(8.0, 0.01, 0.5, "rdp", num_rows=24, batch_rows=8, steps=3)
    exact = exact_work(prepared, gathered)
    private = PrivateDescent(budget, exact, _apart(prepared), 1024)
    parameters = trained(exact.model)
    optimizer = torch.optim.SGD(parameters, lr=1.0)
    start = torch.cat([one.detach().flatten().clone() for one in parameters])
    descent = Descent(1, 1.0, 1.0, 8, 1024, "sgd", "constant", 0.0, 0.0, 0.0, 0, 0)
    private.step(exact, descent, Step(()), optimizer)
    moved = torch.cat([one.detach().flatten() for one in parameters]) - start
    assert float(moved.std()) == pytest.approx(budget.noise * 0.5 / 8, rel=0.05)
