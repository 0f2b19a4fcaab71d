"""Results travel: one clone trains and pushes, another pulls and has nothing to do: through a folder and an S3 server on loopback."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from conftest import run_in, wait_for

from workflow.lock import BEFORE_STAGES, Lock

ACCESS = {"AWS_ACCESS_KEY_ID": "user", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1", "NO_PROXY": "127.0.0.1"}


def run(folder: Path, *command: str) -> str:
    done = run_in(folder, *command, **ACCESS)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def answers(address: str) -> bool:
    try:
        urlopen(address, timeout=5).close()
    except (URLError, OSError):
        return False
    return True


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of an S3 server in a process of its own, with the bucket `results`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: answers(address), process)
        import boto3

        keys = {"aws_access_key_id": "user", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
        boto3.client("s3", endpoint_url=address, **keys).create_bucket(Bucket="results")
        yield address
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_what_one_clone_trained_another_pulls_and_has_nothing_to_do(finished: Path, server: str, tmp_path: Path, kind: str) -> None:
    def remote(clone: Path) -> None:
        run(
            clone,
            "dvc",
            "remote",
            "add",
            "-q",
            "--local",
            "-f",
            "-d",
            kind,
            {"folder": str(tmp_path / "remote"), "s3": "s3://results/dvc"}[kind],
        )
        if kind == "s3":
            run(clone, "dvc", "remote", "modify", "--local", kind, "endpointurl", server)

    remote(finished)
    stages = len(Lock(finished).stages.keys() - BEFORE_STAGES)
    assert run(finished, "python", "-m", "workflow.share", "push").startswith(f"{stages} run records pushed\n")
    assert run(finished, "python", "-m", "workflow.share", "push").startswith("0 run records pushed\n")
    other = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(finished), str(other)], check=True)
    remote(other)
    run(other, "dvc", "pull")
    assert f"{stages} stages have no run record here" in run_in(other, "python", "-m", "workflow.audit", "verify").stdout
    assert run(other, "python", "-m", "workflow.share", "pull").startswith(f"{stages} run records pulled\n")
    assert "no run record" not in run_in(other, "python", "-m", "workflow.audit", "verify").stdout
    model = "data/mini/models/ch2_fusion/cifar10/cfn-a-seed0/model.pt"
    assert (other / model).read_bytes() == (finished / model).read_bytes()
    assert "Running stage" not in run(other, "dvc", "repro")
    assert run(other, "git", "status", "--short") == ""
