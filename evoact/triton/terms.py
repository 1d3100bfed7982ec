"""The terms of mixtures as the kernels read them."""

import numpy as np

SCALES = ("input_scale", "output_scale", "shift")
# As in `evoact.native.mixture`, with scales for double precision, too.
TERM = np.dtype([("function", np.int32), ("coefficient", np.int32), *((name, np.float64) for name in SCALES)])
