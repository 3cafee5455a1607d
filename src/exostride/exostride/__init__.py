"""Open ROS 2 stack for robotic gait training with a lower-limb exoskeleton.

Linear algebra runs on one thread unless the environment says otherwise: matrices here are small, so that
more threads only cost time, and the order of a sum, hence its last bit, must not depend on the cores.
"""

import os as _os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    _os.environ.setdefault(_name, "1")
