"""Pictures of studies as files."""

import os
import subprocess
import sys

PROGRAM = r"""
from evoact.studies.figures import Panel, save
save([Panel("\u03b1 \u2192 \u03b2", (0, 1), (0, 1), lambda x, y: [])], "picture.svg", "T\u00f6ne", "\u22121")
"""


def test_a_picture_is_the_same_in_every_locale(tmp_path):
    bare = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    subprocess.run([sys.executable, "-c", PROGRAM], env=os.environ | bare, cwd=tmp_path, check=True)
    assert "α → β" in (tmp_path / "picture.svg").read_text("utf-8")
