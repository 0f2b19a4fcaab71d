"""What DVC's users type: metrics, plots and params show this project's committed results."""

import json
import subprocess
import sys

import yaml
from conftest import REPOSITORY


def dvc(*arguments: str) -> dict:
    done = subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_metrics_show_the_errors_of_the_metrics_files():
    shown = dvc("metrics", "show", "--json")[""]["data"]["reports/metrics/ch2_fusion.summary.json"]["data"]["ch2_fusion"]
    records = json.loads((REPOSITORY / "reports/metrics/ch2_fusion/cifar10.json").read_text())["records"]
    errors = {record["model"]: record["value"] for record in records if record["metric"] == "error"}
    assert {model: values["error"] for model, values in shown["cifar10"].items()} == errors


def test_plots_have_a_line_for_each_model():
    shown = dvc("plots", "show", "--json")["data"]
    assert set(shown) == {
        "training loss (Figure 2.7a)", "test error (Figure 2.7b)", "fusion weights (Figure 2.8a)", "fusion weights (Figure 2.8b)",
        "training loss (Chapter 5)", "validation recall (Chapter 5)",
    }  # fmt: skip
    (loss,) = shown["training loss (Figure 2.7a)"]
    values = json.dumps(loss)
    assert all(model in values for model in ("cnn-a", "cfn-a", "cnn-b", "cfn-b"))
    for name, column in (("training loss (Chapter 5)", "train_loss"), ("validation recall (Chapter 5)", "validation_recall")):
        (drawn,) = (one["content"] for one in shown[name])
        assert drawn["encoding"]["color"]["field"] == "model" and drawn["encoding"]["y"]["field"] == column
        lines = {(row["filename"], row["model"]) for row in drawn["data"]["values"] if row[column]}
        assert {("flickr30k.training.csv", "rrf-3-vgg19"), ("mscoco.training.csv", "baseline")} <= lines


def test_params_are_those_in_force():
    committed = yaml.safe_load(subprocess.check_output(["git", "show", "HEAD:params.yaml"], cwd=REPOSITORY, text=True))
    changed = dvc("params", "diff", "--json").get("params.yaml", {})
    assert bool(changed) == (committed != yaml.safe_load((REPOSITORY / "params.yaml").read_text()))
