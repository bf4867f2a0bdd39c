"""Plain words: what each metric means, and whether the run was worth it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Interval = tuple[float, float]

METRIC_NAMES = {
    "f1": "F1",
    "f1_micro": "F1, all labels together",
    "f1_positive": "F1 of the second class",
    "matthews": "Matthews correlation",
    "pearson": "Pearson correlation",
    "spearman": "Spearman correlation",
    "expected_calibration_error": "calibration error",
    "mrr": "mean reciprocal rank",
    "bleu": "BLEU",
    "chrf": "chrF",
    "rouge1": "ROUGE-1",
    "rouge2": "ROUGE-2",
    "rougeL": "ROUGE-L",
}
METRIC_MEANINGS = {
    "accuracy": "share of answers that are right: a row's, or each word's where words are answered",
    "exact_match": "share of rows whose answer equals the right one letter by letter",
    "bleu": "how many runs of up to four words are those of the right texts: 0 none, 100 all",
    "chrf": "the same by runs of letters, which forgives other endings: 0 nothing shared, 100 equal",
    "rouge1": "balance of words found and words made up, against the right texts: 0 to 1",
    "rouge2": "the same for pairs of words",
    "rougeL": "the same for the longest row of words in the right order",
    "perplexity": "how many words the model wavers between at each place; smaller is better",
    "log_likelihood": "the logarithm of the chance that it gives a token of the right text, on average",
    "f1": "balance of finding a class and not seeing it where it is not; every class counts the same",
    "f1_micro": "the same balance, where frequent labels count more",
    "f1_positive": "the same balance, for the second class alone",
    "precision": "of the rows given a class, the share that truly have it; mean over classes",
    "recall": "of the rows that truly have a class, the share found; mean over classes",
    "matthews": "agreement beyond chance: 0 is guessing, 1 is perfect",
    "pearson": "how straight predictions follow the true numbers: 0 not at all, 1 exactly",
    "spearman": "how well predictions put the rows in the true order: 0 not at all, 1 exactly",
    "recall@1": "share of texts whose right partner is the nearest of all candidates",
    "recall@5": "share of texts whose right partner is among the five nearest",
    "recall@10": "share of texts whose right partner is among the ten nearest",
    "mrr": "one over the place of the right partner, on average: 1 is always first, 0.5 always second",
    "triplet_accuracy": "share of texts that are nearer to their positive than to their negative",
    "mean_absolute_error": "how far off a prediction is on average; smaller is better",
    "root_mean_squared_error": "the same, where large errors weigh more; smaller is better",
    "expected_calibration_error": "how far the probabilities are from the truth; smaller is better",
}
MODEL_NAMES = {
    "majority": "commonest answer",
    "tfidf_lr": "word counts (TF-IDF)",
    "tfidf_cosine": "word counts (TF-IDF)",
    "word_tags": "each word's commonest tag",
    "copy": "the source copied",
    "nearest_text": "nearest text's answer",
    "sliding_window": "words by the question",
    "tfidf_option": "word counts (TF-IDF)",
    "trigger_words": "word's commonest type",
    "untouched model": "the model untouched",
}
LEADING = ("chrf", "accuracy", "f1", "pearson", "spearman", "exact_match", "recall@1", "mrr")


def metric_name(name: str) -> str:
    """The metric's name as a person writes it."""
    return METRIC_NAMES.get(name, name.replace("_", " "))


def model_name(name: str) -> str:
    """The baseline in plain words, or the name as it is."""
    return MODEL_NAMES.get(name, name)


def leading_metrics(metrics: Mapping[str, float], best_by: str = "") -> list[str]:
    """One or two metrics to look at first, all better when larger; what training watched leads."""
    order = sorted(LEADING, key=lambda name: name != best_by)
    return [name for name in order if name in metrics][:2]


def duration(seconds: float) -> str:
    """`12 s`, `3 min 20 s`, `1 h 5 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def size(num_bytes: float) -> str:
    """`12 kB`, `950 MB`, `1.9 GB`."""
    if num_bytes < 1e6:
        return f"{num_bytes / 1e3:.1f} kB" if num_bytes < 1e4 else f"{num_bytes / 1e3:.0f} kB"
    if num_bytes < 1e7:
        return f"{num_bytes / 1e6:.1f} MB"
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:,.0f} MB"


def round_number(value: float) -> str:
    """`3.4`, `250`, `48,000`: two digits that count."""
    if value < 10:
        return f"{value:.1f}"
    digits = len(str(int(value))) - 2
    return f"{round(value, -digits):,.0f}"


def rungs_with_run(
    rungs: Sequence[Mapping[str, Any]], metrics: Mapping[str, float], intervals: Mapping[str, Interval]
) -> list[dict[str, Any]]:
    """The rungs, each with `is_this_run`; the run itself is added when it is not among them."""
    marked = [{**rung, "is_this_run": _is_this_run(rung, metrics)} for rung in rungs]
    if not any(rung["is_this_run"] for rung in marked) and metrics:
        own = {"name": "this run", "metrics": metrics, "intervals": intervals, "is_this_run": True}
        marked.append(own)
    return marked


def _is_this_run(rung: Mapping[str, Any], metrics: Mapping[str, float]) -> bool:
    if "is_this_run" in rung:
        return bool(rung["is_this_run"])
    return rung["name"] not in MODEL_NAMES and dict(rung["metrics"]) == dict(metrics)


def verdict(rungs: Sequence[Mapping[str, Any]], name: str) -> str:
    """One or two sentences: is the run better than the best baseline in metric `name`, and beyond chance?"""
    own = next((rung for rung in rungs if rung["is_this_run"]), None)
    others = [rung for rung in rungs if not rung["is_this_run"] and name in rung["metrics"]]
    if own is None or not others or name not in own["metrics"]:
        return "There is no baseline to compare with."
    best = max(others, key=lambda rung: rung["metrics"][name])
    ours, theirs = own["metrics"][name], best["metrics"][name]
    figures = f"{metric_name(name)} {ours:.3f} against {theirs:.3f} for “{model_name(best['name'])}”."
    low = own.get("intervals", {}).get(name, (ours, ours))[0]
    high = best.get("intervals", {}).get(name, (theirs, theirs))[1]
    if ours <= theirs:
        return f"No: {figures} The simpler model does as well or better here, and costs almost nothing."
    if low > high:
        return f"Yes: {figures} The gain is larger than chance explains: the two intervals do not overlap."
    return f"Perhaps: {figures} The intervals overlap, so the gain may be chance; more test rows would tell."
