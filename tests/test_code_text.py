import pytest

from evoact.code_text import read
from evoact.errors import UserError


def test_a_file_is_beside_the_config_or_here(tmp_path, monkeypatch):
    config, here = tmp_path / "configs", tmp_path / "here"
    for folder in (config, here):
        folder.mkdir()
    monkeypatch.chdir(here)
    (here / "model.py").write_text("here = 1\n")
    assert read("model.py", config) == "here = 1\n"
    (config / "model.py").write_text("beside = 1\n")
    assert read("model.py", config) == "beside = 1\n"
    with pytest.raises(UserError, match=r"expected a Python file, got '.*configs/other.py': No such file"):
        read("other.py", config)
    with pytest.raises(UserError, match=r"expected a Python file, got .*: File name too long"):
        read("m" * 5000, config)
