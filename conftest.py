"""Without Triton its kernels cannot be imported, nor their doctests be collected."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("triton") else ["evoact/triton/*.py"]
