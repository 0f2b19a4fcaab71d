"""Metrics files: what schema 1 accepts and refuses, canonical bytes, and the summary for `dvc metrics diff`."""

import json
import math

import numpy as np
import pytest

from stages.core import metrics
from stages.core.errors import UserError
from stages.core.metrics import Dataset, MetricsFile, Record

OFFICIAL = Dataset("cifar10", "official")


def error(model="cfn-a", seed=0, value=14.73, **others):
    fields = {"metric": "error", "unit": "%", "better": "lower", "determinism": "bitwise", "n": 10000, **others}
    return Record(model=model, seed=seed, value=value, **fields)


def write(path, records, **others):
    fields = {"chapter": "ch2_fusion", "experiment": "cifar10", "scale": "real", "protocol": "full", **others}
    metrics.write(path, dataset=OFFICIAL, records=records, **fields)
    return path


def test_what_is_written_is_read_back(tmp_path):
    records = [error(seed=1, predictions="data/real/x.npz", parameters=249930), error(encoder="vgg")]
    found = metrics.read(write(tmp_path / "cifar10.json", records))
    assert (found.chapter, found.experiment, found.scale, found.protocol) == ("ch2_fusion", "cifar10", "real", "full")
    assert found.dataset == OFFICIAL
    assert set(found.records) == set(records)


def test_bytes_depend_on_content_only(tmp_path):
    records = [error("cnn-b", 1, 9.3), error("cnn-b", 0, 9.2), error("cfn-a", 0, 0.1 + 0.2)]
    one, two = write(tmp_path / "a", records), write(tmp_path / "b", records[::-1])
    text = one.read_text()
    assert text == two.read_text()
    assert text.endswith("}\n")
    assert '"value": 0.30000000000000004' in text
    assert list(json.loads(text)) == sorted(json.loads(text))
    assert [(r["model"], r["seed"]) for r in json.loads(text)["records"]] == [("cfn-a", 0), ("cnn-b", 0), ("cnn-b", 1)]


def test_numpy_values_and_whole_numbers(tmp_path):
    records = [error("a", value=np.float64(8.27)), error("b", value=np.int64(4)), error("c", value=np.float32(0.5))]
    found = metrics.read(write(tmp_path / "x.json", records))
    assert [record.value for record in found.records] == [8.27, 4, 0.5]
    assert '"value": 4}' in (tmp_path / "x.json").read_text()


def test_dataset_of_a_record_is_written_only_where_set(tmp_path):
    text = write(tmp_path / "x.json", [error("a"), error("b", dataset="cifar100")]).read_text()
    assert ["dataset" in record for record in json.loads(text)["records"]] == [False, True]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, True, "8.27", None])
def test_a_value_must_be_a_finite_number(tmp_path, value):
    with pytest.raises(UserError, match=r"x\.json: record 1 \(cfn-a, seed 0, error\): value is .*finite number"):
        write(tmp_path / "x.json", [error(value=value)])
    assert not (tmp_path / "x.json").exists()


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("better", "up", "better is 'up'; it must be one of lower, higher, none"),
        ("determinism", "yes", "determinism is 'yes'; it must be one of bitwise, numeric, stochastic"),
        ("seed", -1, "seed is -1"),
        ("seed", 0.0, "seed is 0.0"),
        ("n", 0, "n is 0"),
        ("model", "", "model is ''"),
        ("unit", None, "unit is None"),
        ("predictions", "/data/x.npz", "a path relative to the project"),
    ],
)
def test_a_bad_record_is_named(tmp_path, key, value, sentence):
    with pytest.raises(UserError, match=r"record 2 \(") as caught:
        write(tmp_path / "x.json", [error("other"), error(**{key: value})])
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"schema": 2}, "schema is 2; it must be 1"),
        ({"schema": True}, "schema is True"),
        ({"protocol": "quick"}, "protocol is 'quick'; it must be one of miniature, generated, shortened, assumed, full"),
        ({"dataset": "cifar10"}, "dataset is 'cifar10'"),
        ({"dataset": {"name": "x", "kind": "fake", "note": ""}}, "dataset: kind is 'fake'"),
        ({"records": []}, "records is []"),
        ({"recrods": []}, "unknown key 'recrods'"),
    ],
)
def test_a_bad_file_is_named(tmp_path, change, sentence):
    path = write(tmp_path / "x.json", [error()])
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(UserError) as caught:
        metrics.read(path)
    assert str(path) in str(caught.value)
    assert sentence in str(caught.value)


def test_missing_key_nan_literal_broken_json_and_missing_file(tmp_path):
    path = write(tmp_path / "x.json", [error()])
    good = path.read_text()
    path.write_text(good.replace('"unit": "%", ', ""))
    with pytest.raises(UserError, match=r"record 1 .*key 'unit' is missing"):
        metrics.read(path)
    path.write_text(good.replace("14.73", "NaN"))
    with pytest.raises(UserError, match="value is nan"):
        metrics.read(path)
    path.write_text(good[:-20])
    with pytest.raises(UserError, match=r"x\.json: not valid JSON"):
        metrics.read(path)
    with pytest.raises(UserError, match=r"none\.json: no such metrics file"):
        metrics.read(tmp_path / "none.json")


def test_a_number_given_twice_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"record 2 \(cfn-a, seed 0, error\) repeats record 1"):
        write(tmp_path / "x.json", [error(value=1.0), error(value=2.0)])


def test_summary_by_hand():
    cifar10 = MetricsFile(
        "ch2_fusion", "cifar10", "real", "full", OFFICIAL,
        (error(seed=0, value=8.0), error(seed=1, value=8.3), error(seed=2, value=8.6), error("cnn-a", 0, 15.57)),
    )  # fmt: skip
    counts = MetricsFile(
        "ch2_fusion", "architectures", "real", "full", None,
        tuple(
            Record("cfn-a", "parameters_total", value, "parameters", "none", "bitwise", dataset=name)
            for name, value in (("cifar10", 249930), ("cifar100", 267300))
        ),
    )  # fmt: skip
    summary = metrics.summary([cifar10, counts])
    # (0.3^2 + 0 + 0.3^2) / 2 = 0.09
    assert summary["ch2_fusion"]["cifar10"]["cfn-a"] == {"error": pytest.approx(8.3), "error_sd": pytest.approx(0.3)}
    assert summary["ch2_fusion"]["cifar10"]["cnn-a"] == {"error": 15.57}
    assert list(summary["ch2_fusion"]) == ["cifar10"]  # parameter counts are neither better nor worse
