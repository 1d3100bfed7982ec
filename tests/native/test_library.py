"""A compiler gives kernels, and without one PyTorch does the work."""

import os
import shutil
import subprocess
import sys

import pytest

from evoact.native.library import library

WITHOUT = [{"EVOACT_NATIVE": "0"}, {"CC": "no-such-compiler"}, {"CC": "false"}, {"CC": "cc --no-such-option"}]


def test_a_compiler_gives_kernels():
    """Or a broken source would silently cost speed."""
    if shutil.which("cc") is None or os.environ.get("EVOACT_NATIVE") == "0":
        pytest.skip("no C compiler, or EVOACT_NATIVE=0")
    assert library() is not None


@pytest.mark.parametrize("environment", WITHOUT)
def test_a_missing_or_failing_compiler_is_silent(environment, tmp_path, monkeypatch, capfd):
    for name, value in ({"EVOACT_CACHE": str(tmp_path)} | environment).items():
        monkeypatch.setenv(name, value)
    assert library.__wrapped__() is None
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_training_works_without_kernels(tmp_path):
    script = (
        "import torch\n"
        "from evoact.native.library import library\n"
        "from tests.training.examples import member, network, task\n"
        "from tests.training.test_members import members_of\n"
        "from evoact.training.pack import TrainingSettings\n"
        "from evoact.training.loop import train_pack\n"
        "assert library() is None\n"
        "net = network()\n"
        "members = [member(i, net, 5) for i in range(3)] + members_of(net)\n"
        "print(train_pack(members, net, task(), TrainingSettings(32)))\n"
    )
    variables = {**os.environ, "EVOACT_CACHE": str(tmp_path), "CC": "false"}
    done = subprocess.run([sys.executable, "-c", script], env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.count("completed") == 9
