"""Every mistake ends with exit code 2, one message that says what and where, and nothing left behind."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.conftest import Trained
from tests.cli.running import Ended, command, lightune, lightune_process, paths_in, plain
from tests.data.bad_inputs import BAD_INPUTS, BadInput, good
from tests.making import TinyModel

TRAIN = ("train", "a.csv", "--model", "{bert}", "--train.epochs", "1")


@dataclass(frozen=True)
class Mistake:
    """One wrong command.

    Attributes:
        name: for the test's title.
        words: the command line; `{bert}` and the like are places that the test fills in.
        says: each must be in the message.
        files: written beside the good `a.csv` before.
    """

    name: str
    words: tuple[str, ...]
    says: tuple[str, ...]
    files: tuple[tuple[str, str], ...] = ()


def train(name: str, more: str, *says: str, **files: str) -> Mistake:
    """A `train` of the good `a.csv` with wrong flags."""
    named = tuple((file.replace("_", "."), content) for file, content in files.items())
    return Mistake(name, (*TRAIN, *more.split()), says, named)


MISTAKES = [
    train("unknown task", "--task clasify", "'clasify'", "Did you mean 'classify'"),
    train("unknown method", "--method lorra", "'lorra'", "Did you mean 'lora'"),
    train("unknown model", "--model minilmm", "'minilmm'", "Did you mean 'minilm'"),
    train("unknown head", "--head men", "'men'", "mean"),
    train("unknown setting", "--method.ranc 4", "--method.ranc", "Did you mean 'rank'"),
    train("unknown group", "--methd.rank 4", "'methd'", "Did you mean 'method'"),
    train("unknown flag", "--metod lora", "--metod", "--method"),
    train("flag without value", "--method.rank", "--method.rank needs a value"),
    train("setting out of range", "--method.rank 0", "--method.rank cannot be '0'", "at least 1|equal to 1"),
    train("setting is no number", "--train.epochs many", "--train.epochs cannot be 'many'", "whole number"),
    train("setting with hyphen", "--train.learning-rate -1", "--train.learning-rate cannot be '-1'"),
    train("limit is no size", "--cache.limit lots", "--cache.limit cannot be 'lots': 'lots' is not a size"),
    train("seed is no number", "--seed abc", "--seed", "integer"),
    train("seed below 0", "--seed -1", "--seed cannot be -1"),
    train("one fold", "--folds 1", "--folds cannot be 1", "2 or more"),
    train("one seed", "--seeds 1", "--seeds cannot be 1", "2 or more"),
    train("more folds than rows", "--folds 99", "cannot make 99 folds"),
    train("budget too small", "--budget 1s --train.epochs 500", "more than --budget 1s", "Give --budget"),
    train("budget with two points", "--budget 1.2.3s", "'1.2.3s' is not a length of time"),
    train("more layers than there are", "--method.layers 99", "99 of them cannot train", "or less"),
    train("head has no layers", "--method head --method.layers 2", "unknown setting --method.layers"),
    train("budget is no time", "--budget soon", "'soon' is not a length of time", "10m"),
    train("memory too small", "--memory 10MB", "more than --memory 10MB", "Give --memory"),
    train("memory is no size", "--memory much", "'much' is not a size", "4GB"),
    train("group column unknown", "--data.group autor", "a.csv", "no column 'autor' to group by", "label"),
    train("label column misspelt", "--label lable", "a.csv", "'lable'", "Did you mean 'label'"),
    train("text column missing", "--text body", "a.csv", "'body'", "text"),
    train("pair with one text", "--task pair", "a.csv", "two text columns", "--text COLUMN,COLUMN2"),
    train("number expected", "--task regress", "a.csv:2", "'neg'", "not a number"),
    train("too few rows", "--data.limit 5", "a.csv", "5 labelled rows are too few"),
    train("unknown encoding", "--data.encoding klingon", "a.csv", "'klingon'", "utf-8"),
    train("output exists", "--output a.csv", "a.csv", "is a file", "--output"),
    train("output below a file", "--output a.csv/run", "a.csv", "is a file", "--output"),
    train("test file missing", "--test tset.csv", "tset.csv", "no such file", "test.csv", test_csv=good()),
    train(
        "label unseen in training", "--test t.csv", "t.csv:32", "'pso'", "'pos'", t_csv=good() + "odd,pso\n"
    ),
    train("validation without label", "--validation v.csv", "v.csv", "'label'", v_csv="text\nfine\n" * 9),
    train("model folder missing", "--model ./bertt", "bertt", "no such model folder", "minilm"),
    train("model without weights", "--model {weightless}", "no weights", "model.safetensors"),
    train("adapter as model", "--model {run}", "adapter", "base model"),
    train("model is a data file", "--model a.csv", "a model is a folder"),
    train("hub model offline", "--model someone/some-model", "someone/some-model", "--model minilm"),
    train("settings file missing", "--config no.toml", "no.toml", "no such file"),
    train("settings file broken", "--config c.toml", "c.toml:2", "TOML", c_toml="[train]\nepochs\n"),
    train("settings file is a folder", "--config .", "cannot be read", "run.toml"),
    train("unknown key in file", "--config c.toml", "--method.rnk", "'rank'", c_toml="[method]\nrnk = 1\n"),
    train("unknown group in file", "--config c.toml", "c.toml", "'metod'", c_toml="[metod]\nrank = 1\n"),
    train("unknown name in [run]", "--config c.toml", "'modl'", "'model'", c_toml="[run]\nmodl = 'x'\n"),
    train("wrong kind in [run]", "--config c.toml", "seed", "whole number", c_toml="[run]\nseed = 'x'\n"),
    train("no table for [run]", "--config c.toml", "c.toml", "'run'", c_toml="run = 3\n"),
    Mistake("no data", ("train",), ("Missing argument", "train --help")),
    Mistake("empty name", ("train", ""), ("no data was named",)),
    Mistake("unknown command", ("trian", "a.csv"), ("'trian'", "'train'")),
    Mistake("hub data offline", ("train", "someone/some-data"), ("someone/some-data", "lightune train")),
    Mistake("plan on a missing file", ("plan", "b.csv"), ("b.csv", "no such file", "'a.csv'")),
    Mistake("run missing", ("predict", "nope", "a.csv"), ("nope", "no such run", "lightune train")),
    Mistake("run is no run", ("predict", ".", "a.csv"), ("not a run folder", "lightune.json")),
    Mistake("data of predict missing", ("predict", "{run}", "b.csv"), ("b.csv", "no such file", "'a.csv'")),
    Mistake(
        "text column missing in predict",
        ("predict", "{run}", "b.csv"),
        ("b.csv:2", "'text'", "--text"),
        (("b.csv", "title,year\nfine,1999\n"),),
    ),
    Mistake(
        "text column missing in evaluate",
        ("evaluate", "{run}", "b.csv", "--text", "body"),
        ("b.csv", "'body'"),
        (("b.csv", good()),),
    ),
    Mistake(
        "label unseen by evaluate",
        ("evaluate", "{run}", "b.csv"),
        ("b.csv:32", "'pso'", "neg, pos"),
        (("b.csv", good() + "odd,pso\n"),),
    ),
    Mistake(
        "no label to evaluate",
        ("evaluate", "{run}", "b.csv"),
        ("b.csv", "label"),
        (("b.csv", "text\nfine\n" * 9),),
    ),
    Mistake(
        "broken row in predict",
        ("predict", "{run}", "b.csv", "--output", "c.csv"),
        ("b.csv:32", "3 cells"),
        (("b.csv", good() + "one, two,pos\n"),),
    ),
    Mistake(
        "predictions to no folder",
        ("predict", "{run}", "a.csv", "--output", "x/c.csv"),
        ("x/c.csv", "mkdir -p x"),
    ),
    Mistake(
        "predictions of unknown ending",
        ("predict", "{run}", "a.csv", "--output", "c.doc"),
        ("'.doc'", ".jsonl"),
    ),
    Mistake("model not fetched", ("models", "path", "e5"), ("'e5'", "e5-multilingual")),
    Mistake("clearing without --yes", ("cache", "clear"), ("nothing was removed", "--yes")),
]


@pytest.fixture
def places(tiny: TinyModel, trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What `{…}` stands for in the table."""
    weightless = tmp_path_factory.mktemp("weightless")
    shutil.copytree(tiny("bert"), weightless, dirs_exist_ok=True)
    (weightless / "model.safetensors").unlink()
    return {"bert": tiny("bert"), "run": trained.run, "weightless": weightless}


def require_mistake(ended: Ended, says: tuple[str, ...]) -> None:
    """Exit code 2 and one message with these words (`a|b`: either), nothing on stdout, no traceback."""
    assert ended.code == 2, ended.err
    assert "Traceback" not in ended.err
    assert ended.out == ""
    for word in says:
        assert any(one in plain(ended.err) for one in word.split("|")), ended.err


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda one: one.name)
def test_mistake(mistake: Mistake, tmp_path: Path, places: dict[str, Path]) -> None:
    (tmp_path / "a.csv").write_text(good())
    for name, content in mistake.files:
        (tmp_path / name).write_text(content)
    before = paths_in(tmp_path)
    ended = lightune(*(word.format(**places) for word in mistake.words), folder=tmp_path)
    require_mistake(ended, mistake.says)
    assert paths_in(tmp_path) == before


@pytest.mark.parametrize("bad", BAD_INPUTS, ids=lambda one: one.name)
def test_bad_data(bad: BadInput, tmp_path: Path, tiny_bert: Path) -> None:
    source = bad.make(tmp_path)
    before = paths_in(tmp_path)
    flags = [word for name, value in bad.options.items() for word in (f"--{name}", value)]
    ended = lightune("train", source, "--model", tiny_bert, *flags, folder=tmp_path)
    place = () if bad.line is None else (f":{bad.line}:|:{bad.line}, column",)
    require_mistake(ended, (*bad.words, *place))
    assert paths_in(tmp_path) == before


@pytest.mark.parametrize("bad", [one for one in BAD_INPUTS if one.kind], ids=lambda one: one.name)
def test_check_lists_bad_data(bad: BadInput, tmp_path: Path) -> None:
    """What reading can stand, `check` lists: it is its answer, not a mistake."""
    flags = [word for name, value in bad.options.items() for word in (f"--{name}", value)]
    ended = lightune("check", bad.make(tmp_path), *flags, "--json", folder=tmp_path)
    assert ended.code == 0, ended.err
    first = ended.json["problems"][0]
    assert (first["kind"], first["line"]) == (bad.kind, bad.line)
    if first["line"] is not None and first["row"] is not None:
        assert first["row"] == first["line"] - 2  # one line a row, below the header


SLOW = {"torch", "transformers", "sklearn", "pandas", "pyarrow", "datasets", "scipy", "peft"}


def loaded_by(lines: list[str]) -> set[str]:
    """The modules that a process with `-X importtime` names on stderr."""
    return {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}


@pytest.mark.parametrize("name", ["train", "plan", "check", "predict", "evaluate", "generate"])
def test_help_loads_nothing_slow(name: str) -> None:
    """The settings of every method are told without the networks that they are of."""
    program = command(name, "--help", python=("-X", "importtime"))
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    assert "Example:" in done.stdout
    assert not loaded_by(done.stderr.splitlines()) & SLOW


@pytest.mark.parametrize(
    ("words", "content", "says"),
    [
        (("check", "bad.csv"), good() + "only a text\n", "bad.csv:32"),
        (("train", "bad.csv"), good() + "only a text\n", "bad.csv:32"),
        (("train", "bad.csv"), "text,label\n" + "fine film,pos\n" * 20, "every row has the label 'pos'"),
        (("train", "missing.csv"), good(), "missing.csv: no such file"),
        (("train", "bad.csv", "--method.ranc", "4"), good(), "Did you mean 'rank'"),
        (("plan", "bad.csv", "--label", "lable"), good(), "Did you mean 'label'"),
        (("evaluate", "nothing", "bad.csv"), good(), "no such run"),
    ],
)
def test_mistake_of_a_process_is_found_without_torch(
    words: tuple[str, ...], content: str, says: str, tmp_path: Path
) -> None:
    """A process of its own, whose list of imports shows that nothing slow was loaded."""
    (tmp_path / "bad.csv").write_text(content)
    program = command(*words, python=("-X", "importtime"))
    done = subprocess.run(program, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    loaded = loaded_by(lines)
    assert "lightune.cli.app" in loaded
    assert not loaded & SLOW
    message = [line for line in lines if not line.startswith("import time:")]
    assert says in "\n".join(message)
    assert "Traceback" not in done.stderr
    assert paths_in(tmp_path) == {"bad.csv"}


Change = Callable[[Path], None]


def swap_labels(run: Path) -> None:
    (run / "labels.json").write_text('{"0": "pos", "1": "neg"}')


def break_state(run: Path) -> None:
    (run / "lightune.json").write_text('{"task": "classify"')


def forget_weights(run: Path) -> None:
    (run / "adapter_model.safetensors").unlink()


def from_the_future(run: Path) -> None:
    text = (run / "lightune.json").read_text()
    (run / "lightune.json").write_text(text.replace('"format": 1', '"format": 99'))


def unfinished(run: Path) -> None:
    run.rename(run.with_name(".run.partial"))


def cut_weights(run: Path) -> None:
    file = run / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:200])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (swap_labels, ("labels.json", "['neg', 'pos']", "order of labels")),
        (break_state, ("lightune.json", "cannot be read", "Copy the folder again")),
        (forget_weights, ("adapter_model.safetensors", "is missing", "Copy the whole folder")),
        (cut_weights, ("adapter_model.safetensors", "is broken", "cut short")),
        (from_the_future, ("newer lightune", "pip install --upgrade")),
        (unfinished, ("not finished", "--resume")),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_damaged_run(change: Change, says: tuple[str, ...], trained: Trained, tmp_path: Path) -> None:
    shutil.copytree(trained.run, tmp_path / "run")
    (tmp_path / "a.csv").write_text(good())
    change(tmp_path / "run")
    before = paths_in(tmp_path)
    for verb in ("predict", "evaluate"):
        require_mistake(lightune(verb, "run", "a.csv", folder=tmp_path), says)
    assert paths_in(tmp_path) == before


def test_backbone_changed_or_gone(trained: Trained, tiny: TinyModel, tmp_path: Path) -> None:
    """The run knows its backbone by what its bytes hash to."""
    shutil.copytree(trained.run, tmp_path / "run")
    (tmp_path / "a.csv").write_text(good())
    state_file = tmp_path / "run" / "lightune.json"
    state = json.loads(state_file.read_text())
    other = state | {"identifier": str(tiny("bert", num_layers=2)), "model": "", "digest": "0" * 64}
    state_file.write_text(json.dumps(other))
    require_mistake(lightune("predict", "run", "a.csv", folder=tmp_path), ("bytes differ", "original model"))
    gone = state | {"identifier": str(tmp_path / "gone"), "model": "gone", "digest": "0" * 64}
    state_file.write_text(json.dumps(gone))
    require_mistake(lightune("predict", "run", "a.csv", folder=tmp_path), ("not on this machine", "gone"))


def test_mistake_in_a_process(trained: Trained, tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("title,year\nfine,1999\n")
    ended = lightune_process(
        "predict", trained.run, "-", "--output", "c.csv", folder=tmp_path, text="a,b\n1,2\n"
    )
    require_mistake(ended, ("stdin:2", "'text'"))
    assert paths_in(tmp_path) == {"b.csv"}
