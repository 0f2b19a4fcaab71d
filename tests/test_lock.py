"""Lock files as DVC writes them."""

import pytest
from dvc.utils.serialize import dumps_yaml

from stages.core.errors import UserError
from workflow import runs
from workflow.lock import Lock, load_yaml

LOCK = """schema: '2.0'
stages:
  evaluate:
    cmd: python -m stages.evaluate
    deps:
    - path: data/models
      md5: 1.dir
    outs:
    - path: reports/metrics
      md5: 2.dir
      size: 4
"""


def test_numbers_are_read_as_dvc_writes_them():
    values = {"rate": 1e-6, "other": 2.8e-9, "large": 1e22, "md5": "1e5", "whole": 3, "none": None}
    assert load_yaml(dumps_yaml(values)) == values


@pytest.mark.parametrize("end", ["    cmd:", "    deps:", "    - path:", "    outs:", "    - path: re", "      md5:"])
def test_a_lock_that_is_cut_off_within_an_entry_is_one_sentence(end):
    assert Lock(texts={"dvc.lock": LOCK}).hashes == {"reports/metrics": "2.dir"}
    cut = LOCK[: LOCK.rindex(end) + len(end)]
    with pytest.raises(UserError, match=r"^dvc\.lock is not a lock file of DVC: `git checkout dvc\.lock && dvc repro` brings it back"):
        Lock(texts={"dvc.lock": f"{cut}\n"})


@pytest.mark.parametrize("content", ["[]", '"x"', "3", "{", '{"machine": []}', '{"packages": "x"}'])
def test_what_is_no_run_record_is_one_sentence(tmp_path, content):
    entry = Lock(texts={"dvc.lock": LOCK}).stages["evaluate"]
    file = runs.record_path("evaluate", entry, tmp_path)
    file.parent.mkdir()
    file.write_text(content)
    with pytest.raises(UserError, match=r"\.json is not a run record: delete it$"):
        runs.read("evaluate", entry, tmp_path)
