"""Lock files as DVC writes them."""

from dvc.utils.serialize import dumps_yaml

from workflow.lock import load_yaml


def test_numbers_are_read_as_dvc_writes_them():
    values = {"rate": 1e-6, "other": 2.8e-9, "large": 1e22, "md5": "1e5", "whole": 3, "none": None}
    assert load_yaml(dumps_yaml(values)) == values
