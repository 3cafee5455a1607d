"""Vectors, quaternions (w, x, y, z) and poses, as the bindings of gz-math name them."""


class _Numbers:
    names = ""

    def __init__(self, *values):
        assert len(values) == len(self.names)
        self.values = [float(v) for v in values]

    def __getattr__(self, name):
        if len(name) == 1 and name in type(self).names:
            return lambda: self.values[type(self).names.index(name)]
        raise AttributeError(name)


class Vector3d(_Numbers):
    names = "xyz"


class Quaterniond(_Numbers):
    names = "wxyz"


class Pose3d:
    def __init__(self, position, rotation):
        self._position, self._rotation = position, rotation

    def pos(self):
        return self._position

    def rot(self):
        return self._rotation
