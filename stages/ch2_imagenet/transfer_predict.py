"""What the features say of a data set (Section 2.4.3): a linear SVM's classes of its test images, or rankings of its images.

    python -m stages.ch2_imagenet.transfer_predict scene15

Under `data/<scale>/predictions/ch2_imagenet/<set>`, by the names of the features: of classification the test images' classes, int16 (T,);
of retrieval the rows that are most like each query, int32 (queries, depth), the most like first. `about.json` says of each SVM its cost C.
"""

import argparse
import json
import shutil
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import Normalizer
from sklearn.svm import LinearSVC
from tqdm import tqdm

from stages.ch2_imagenet.transfer_settings import Svm
from stages.core import provenance, stage
from stages.core.errors import UserError
from stages.core.files import write_json
from stages.core.seeds import seed_for
from stages.datasets.described import SET_FILE, load_set

Features = NDArray[np.float32]
NAME = "ch2_imagenet.transfer_predict"
QUERIES = 256  # compared at once; fixed, for a product's last digits depend on it


@dataclass(frozen=True)
class Fitted:
    """An SVM's predictions, (T,), and how it came about.

    accuracies : in cross-validation, of each cost. unfinished_costs : at which LIBLINEAR reached max_iterations in a fold.
    finished : whether it stopped before that on all training images.
    """

    predicted: NDArray[np.int16]
    cost: float
    accuracies: dict[float, float]
    unfinished_costs: list[float]
    finished: bool

    def about(self) -> dict[str, Any]:
        """All but the predictions."""
        accuracies = [{"cost": cost, "accuracy": accuracy} for cost, accuracy in self.accuracies.items()]
        facts = {"unfinished_costs": self.unfinished_costs, "finished": self.finished}
        return {"cost": self.cost, "cross_validation": accuracies, **facts}


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def classifier(svm: Svm, *, normalise: bool, seed: int) -> Pipeline:
    """A linear SVM, one class against the rest, of features that are first brought to L2 norm 1 if `normalise`."""
    machine = LinearSVC(dual=True, tol=svm.tolerance, max_iter=svm.max_iterations, random_state=seed)
    return Pipeline([("normalise", Normalizer() if normalise else "passthrough"), ("svm", machine)])


def unfinished(model: Pipeline, features: Features | None = None, labels: NDArray | None = None) -> float:
    """1 where LIBLINEAR stopped at max_iter, else 0: when scikit-learn warns; as a score, so that it is known of every fold."""
    return float(model["svm"].n_iter_ >= model["svm"].max_iter)


def fit(train: Features, labels: NDArray[np.int64], test: Features, svm: Svm, *, normalise: bool, seed: int) -> Fitted:
    """Choose C by cross-validation on the training images, train on all of them with it, and predict the test images.

    train : (N, D), labels : (N,), test : (T, D). Of costs that are equally good, the smallest.
    """
    costs = sorted(svm.costs)
    search = GridSearchCV(
        classifier(svm, normalise=normalise, seed=seed),
        {"svm__C": costs},
        scoring={"accuracy": "accuracy", "unfinished": unfinished},
        refit="accuracy",
        cv=StratifiedKFold(svm.folds, shuffle=True, random_state=seed),
        error_score="raise",
    )
    # One SVM at a time: LIBLINEAR has one random generator for the whole process, which threads would draw from in any order.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # said once by `main`, not for each fold
        search.fit(train, labels)
    results = search.cv_results_
    unfinished_shares = results["mean_test_unfinished"].tolist()
    return Fitted(
        predicted=search.predict(test).astype(np.int16),
        cost=float(search.best_params_["svm__C"]),
        accuracies=dict(zip(costs, results["mean_test_accuracy"].tolist(), strict=True)),
        unfinished_costs=[cost for cost, share in zip(costs, unfinished_shares, strict=True) if share > 0],
        finished=not unfinished(search.best_estimator_),
    )


def check_folds(labels: NDArray[np.int64], classes: list[str], folds: int, dataset: str) -> None:
    """Each fold needs an image of each class; a UserError names the class that has too few."""
    images = np.bincount(labels, minlength=len(classes))
    fewest = int(images.argmin())
    if images[fewest] < folds:
        remedy = f"set it to {images[fewest]} or fewer" if images[fewest] > 1 else "no cross-validation can be had of it"
        raise UserError(
            f"ch2_imagenet.transfer.svm.folds is {folds}, and the class {classes[fewest]} of {dataset} has {images[fewest]} "
            f"training images: {remedy}"
        )


def rank(features: Features, queries: NDArray[np.int64], depth: int) -> NDArray[np.int32]:
    """The `depth` rows of highest cosine similarity with each of these rows, of equal ones the first: (queries, depth).

    In double precision, rounded to single: so equal features tie, wherever in a block of the product they stand.
    """
    norms = np.linalg.norm(features.astype(np.float64), axis=1, keepdims=True)
    unit = np.divide(features, norms, out=np.zeros(features.shape), where=norms > 0)
    ranked = []
    for first in range(0, len(queries), QUERIES):
        cosine = (unit[queries[first : first + QUERIES]] @ unit.T).astype(np.float32)
        ranked.append(np.argsort(-cosine, axis=1, kind="stable")[:, :depth].astype(np.int32))
    return np.concatenate(ranked)


def load_features(folder: Path, name: str) -> Features:
    """A network's features, (N, D)."""
    features = np.load(folder / f"{name}.npy")
    if not np.isfinite(features).all():
        raise UserError(f"{folder / name}.npy holds features that are not finite: the training of {name} failed in its last steps")
    return features


def classify(features: Features, about: dict[str, Any], svm: Svm, *, normalise: bool, dataset: str) -> Fitted:
    """The SVM of a set, about which set.json says `about`. Its folds are the same for all networks, so that their results pair."""
    labels = np.array(about["labels"])
    check_folds(labels[about["train"]], about["classes"], svm.folds, dataset)
    train, test = features[about["train"]], features[about["test"]]
    seed = seed_for(NAME, dataset) % 2**32
    return fit(train, labels[about["train"]], test, svm, normalise=normalise, seed=seed)


def say_unfinished(fitted: Fitted, name: str, svm: Svm) -> None:
    """On standard error, where LIBLINEAR did not converge."""
    if fitted.finished and not fitted.unfinished_costs:
        return
    says = f"the SVM of {name} did not converge in {svm.max_iterations} iterations"
    which = ", ".join(f"{cost:g}" for cost in fitted.unfinished_costs) or "none"
    chosen = "has" if fitted.finished else "has not"
    print(f"{says} in folds at the costs: {which}; the chosen one, C = {fitted.cost:g}, {chosen}", file=sys.stderr)


def main(args: argparse.Namespace, job: stage.Job) -> None:
    svm = job.settings(Svm, "ch2_imagenet.transfer.svm")
    normalise, listed = (job.param(f"ch2_imagenet.transfer.{key}") for key in ("normalise", "depth"))
    source = job.dep(job.data(f"features/ch2_imagenet/{args.dataset}"))
    about, models = load_set(source), json.loads((source / "about.json").read_text())["models"]
    out = job.out(job.data(f"predictions/ch2_imagenet/{args.dataset}"))
    out.mkdir(parents=True)
    for model in tqdm(models, unit="model", desc=args.dataset, disable=None):
        features = load_features(source, model["file"])
        if "classes" in about:
            fitted = classify(features, about, svm, normalise=normalise, dataset=args.dataset)
            predicted: NDArray = fitted.predicted
            model["svm"] = fitted.about()
            say_unfinished(fitted, model["file"], svm)
        else:
            depth = listed if about["by_four"] else len(features)
            predicted = rank(features, np.array([query["image"] for query in about["queries"]]), depth)
        np.save(out / f"{model['file']}.npy", predicted)
    write_json(out / "about.json", {"models": models})
    shutil.copyfile(source / SET_FILE, out / SET_FILE)
    provenance.hand_on(source, out)


if __name__ == "__main__":
    stage.execute(parser(), main)
