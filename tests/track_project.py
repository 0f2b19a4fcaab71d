"""A project folder with two results of one experiment, a lock file and a run record, for the tests of tracking."""

import json
from pathlib import Path

import yaml

from workflow.runs import record_path

LOCK: dict = {
    "schema": "2.0",
    "stages": {
        "prepare@cifar10": {
            "cmd": "python -m stages.prepare cifar10",
            "params": {"params.yaml": {"scale": "mini", "ch2_fusion.contrast_scale": 55}, "workflow/sources.yaml": {"cifar10": "x"}},
            "outs": [{"path": "data/mini/prepared/cifar10", "md5": "1"}],
        },
        "train@cfn-a-0": {
            "cmd": "python -m stages.train cfn-a --seed 0",
            "deps": [{"path": "data/mini/prepared/cifar10", "md5": "1"}],
            "params": {"params.yaml": {"ch2_fusion.training": {"learning_rate": 0.1, "steps": [80, 110]}}},
            "outs": [{"path": "data/mini/models/ch2_fusion/cifar10/cfn-a-seed0", "md5": "2"}],
        },
        "predict@cifar10": {
            "cmd": "python -m stages.predict cifar10",
            "deps": [{"path": "data/mini/models/ch2_fusion/cifar10"}],
            "params": {"params.yaml": {"runtime": {"threads": 1}}},
            "outs": [{"path": "data/mini/predictions/ch2_fusion/cifar10", "md5": "3"}],
        },
        "download@cifar10": {
            "cmd": "python -m stages.download cifar10",
            "outs": [{"path": "data/mini/sources/cifar10", "md5": "0123456789abcdef0123456789abcdef.dir"}],
        },
        "tables": {"cmd": "python -m stages.tables", "outs": [{"path": "reports/tables/ch2_fusion", "md5": "4.dir"}]},
        "count": {"cmd": "python -m stages.count", "outs": [{"path": "reports/metrics/ch2_fusion/architectures.json", "md5": "5"}]},
    },
}
PREPARED_ENTRY = (
    '{"cmd":"python -m stages.prepare cifar10","outs":[{"md5":"1","path":"data/mini/prepared/cifar10"}],'
    '"params":{"params.yaml":{"ch2_fusion.contrast_scale":55,"scale":"mini"},"workflow/sources.yaml":{"cifar10":"x"}}}'
)
RECORD = record_path("train@cfn-a-0", LOCK["stages"]["train@cfn-a-0"])
CURVES = """model,seed,iteration,train_loss,test_error,lr,fusion_weight_1
cfn-a,0,10,2.5,,0.1,0.34
cfn-a,0,20,1.25,30.5,0.1,0.36
cnn-a,0,10,2.75,,0.1,
"""


def record(model: str, metric: str = "error", value: float = 14.5, seed: int | None = 0, **more: object) -> dict:
    return {
        "model": model, "seed": seed, "metric": metric, "value": value, "unit": "%", "better": "lower", "n": None, "encoder": None,
        "determinism": "bitwise", "parameters": None, "predictions": f"data/mini/predictions/ch2_fusion/cifar10/{model}-seed{seed}.npz",
        "trained": f"data/mini/models/ch2_fusion/cifar10/{model}-seed{seed}",
    } | more  # fmt: skip


def write_metrics(path: Path, records: list[dict], **more: object) -> None:
    dataset = {"name": "cifar10", "kind": "miniature", "note": ""}
    about = {"schema": 1, "chapter": "ch2_fusion", "experiment": path.stem, "scale": "mini", "protocol": "miniature", "dataset": dataset}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(about | {"records": records} | more))


CIFAR10 = [
    record("cfn-a", parameters=249930),
    record("cfn-a", "fusion_weight_1", 0.36, parameters=249930),
    record("cnn-a", value=15.25, determinism="numeric"),
]


def make() -> None:
    """Write the project into the current folder."""
    write_metrics(Path("reports/metrics/ch2_fusion/cifar10.json"), CIFAR10)
    Path("reports/metrics/ch2_fusion/cifar10.training.csv").write_text(CURVES)
    Path("dvc.lock").write_text(yaml.safe_dump(LOCK))
    run = {"stage": "train@cfn-a-0", "cmd": "x", "started": "2025-01-31T12:00:00+00:00", "duration_s": 12.5, "machine": {"cores": 2}}
    RECORD.parent.mkdir(parents=True)
    RECORD.write_text(json.dumps(run))
