"""A compiler gives kernels, and without one PyTorch does the work."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from evoact.cache_directory import code_directory, is_private
from evoact.native import library as built
from evoact.native.library import call, library
from evoact.training.gpu.devices import is_out_of_memory

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


def test_what_takes_too_long_is_not_built_for_less(tmp_path, monkeypatch):
    """Kernels without vectors would be kept, and nobody would know why packs are slow."""
    monkeypatch.setenv("EVOACT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(built, "BUILD_SECONDS", 2)
    slow = tmp_path / "compiler"
    slow.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && exit 0\ncase "$*" in *-march*) exec sleep 60;; esac\n'
        'while [ "$1" != -o ]; do shift; done\ntouch "$2"\n'
    )
    slow.chmod(0o700)
    with pytest.raises(subprocess.TimeoutExpired):
        built._built([str(slow)])
    assert not [*(tmp_path / "cache").rglob("*.so")]


ENDLESS = 2**53  # no machine has room for so many rows
# Members, groups, inputs, outputs; height, width, examples, and those of outputs; size, stride, padding, shared, half.
CONVOLUTION = np.array([1, 1, ENDLESS, 1, 8, 8, 1, 6, 6, 3, 1, 0, 0, 0])
FEW_MULTIPLICATIONS = np.array([1, 1, ENDLESS // 8, 64, 10, 10, 16, 8, 8, 3, 1, 0, 0, 0])
WITHOUT_ROOM = {
    "evoact_attention": [*[None] * 5, 1.0, np.array([1, 1, 1, 1, ENDLESS, 1, 0, 2, *[0] * 16])],
    "evoact_attention_backward": [*[None] * 10, 1.0, np.array([1, 1, 1, 1, ENDLESS, 1, 0, 2, *[0] * 16])],
    "evoact_dense": [None, None, 0, 0, None, None, 1, ENDLESS, 1, 1, 1, 2],
    "evoact_dense_backward": [None, None, None, 0, 0, None, None, None, 1, 1, ENDLESS, 1, 1, 2],
    "evoact_max_pool": [*[None] * 3, np.zeros(2, np.int32), None, 1, 2, ENDLESS, 1, 1, 1, 2, 2, 2],
    "evoact_mlp": [np.array([1, 1, 0, *[0] * 11]), 1, None, 0, None, 0, None, 1, ENDLESS, 0, 2],
    "evoact_convolution": [*[None] * 4, CONVOLUTION, 2],
    "evoact_convolution_inputs": [*[None] * 3, CONVOLUTION, 2],
    "evoact_convolution_weights": [*[None] * 4, CONVOLUTION, 2],
}


@pytest.mark.skipif(library() is None, reason="no C compiler, or EVOACT_NATIVE=0")
@pytest.mark.parametrize("name", WITHOUT_ROOM)
def test_a_kernel_without_memory_raises(name):
    """It must not take the process, and with it a search, down without a word; a pack is halved."""
    with pytest.raises(
        MemoryError, match=f"expected memory for the kernel {name} to work in, got none"
    ) as raised:
        call(name, *WITHOUT_ROOM[name])
    assert is_out_of_memory(raised.value)
    if "convolution" in name:
        with pytest.raises(MemoryError):
            call(name, *WITHOUT_ROOM[name][:-2], FEW_MULTIPLICATIONS, 2)


STAND_IN = """#!/bin/sh
# Instead of a compiler: writes what it was last told, and takes note of each call.
echo call >> "$(dirname "$0")/calls"
[ "$1" = --version ] && exit 0
while [ "$1" != -o ]; do shift; done
cp "$(dirname "$0")/library" "$2"
"""


@pytest.fixture
def compiler(tmp_path, monkeypatch):
    """A stand-in for a compiler, in whose place the files are what counts; returns how often it has compiled."""
    monkeypatch.setenv("EVOACT_CACHE", str(tmp_path / "cache"))
    stand_in = tmp_path / "compiler"
    stand_in.write_text(STAND_IN)
    stand_in.chmod(0o700)
    (tmp_path / "library").write_bytes(b"kernels")

    def compile_it():
        found = built._built([str(stand_in)])
        calls = (tmp_path / "calls").read_text().count("call") - compile_it.versions
        compile_it.versions += 1
        return found, calls - 1

    compile_it.versions = 0
    return compile_it


def test_built_once_and_only_for_this_user(compiler):
    found, compiled = compiler()
    assert (found.read_bytes(), compiled) == (b"kernels", 1)
    assert compiler() == (found, 1)
    for place in (found, found.parent):
        assert place.stat().st_mode & 0o077 == 0
    assert [*found.parent.iterdir()] == [found]


@pytest.mark.parametrize("content", [b"", b"kernel", b"Kernels", b"kernels and more"])
def test_other_bytes_are_not_loaded_but_built_again(content, compiler):
    found, _ = compiler()
    found.write_bytes(content)
    assert compiler() == (found, 2)
    assert found.read_bytes() == b"kernels"


def test_a_file_that_others_can_write_to_is_built_again(compiler):
    found, _ = compiler()
    found.chmod(0o722)
    assert compiler() == (found, 2)
    assert is_private(found)


def test_a_folder_of_ones_own_is_closed_to_others(tmp_path, monkeypatch):
    monkeypatch.setenv("EVOACT_CACHE", str(tmp_path))
    (tmp_path / "native").mkdir()
    (tmp_path / "native").chmod(0o777)
    assert code_directory("native") == tmp_path / "native"
    assert is_private(tmp_path / "native")


def test_a_cache_that_others_can_write_to_is_not_used_for_code(tmp_path, monkeypatch):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)  # who owns nothing in it can still put another folder in the place of ours
    monkeypatch.setenv("EVOACT_CACHE", str(shared))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    found = code_directory("native")
    assert found == tmp_path / f"evoact-cache-{os.getuid()}" / "native"
    assert is_private(found)
    shared.chmod(0o1777)
    assert code_directory("native") == shared / "native"


@pytest.mark.skipif(os.getuid() != 0, reason="gives files away, which only root can")
def test_what_another_user_owns_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setenv("EVOACT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    (tmp_path / "cache" / "native").mkdir(parents=True)
    os.chown(tmp_path / "cache" / "native", 12345, 12345)
    assert code_directory("native").parent.parent == tmp_path
    os.chown(tmp_path / "cache" / "native", 0, 0)
    os.chown(tmp_path / "cache", 12345, 12345)
    assert code_directory("native").parent.parent == tmp_path


def test_a_link_counts_as_what_it_leads_to(tmp_path):
    open_to_all = tmp_path / "open"
    (open_to_all / "inner").mkdir(parents=True)
    open_to_all.chmod(0o777)
    Path(tmp_path / "link").symlink_to(open_to_all / "inner")
    assert not is_private(tmp_path / "link")
    assert not is_private(tmp_path / "nothing")


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
