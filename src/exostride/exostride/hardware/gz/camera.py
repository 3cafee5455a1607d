"""A camera beside the treadmill, and the film made of its pictures."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

from exostride.errors import ConfigError
from exostride.hardware.gz.server import private_directory

WIDTH, HEIGHT, RATE_HZ = 640, 480, 20
_PLACE = "2.5 -4.1 1.4 0 0.12 2.116"
_PATIENCE_S = 3.5
"""More than the film's maker takes for what is left."""


class Film:
    """Pictures that Gazebo's camera writes one by one, and the process that makes a film of them meanwhile.

    The maker (:mod:`exostride.hardware.gz.film`) ends, and removes the pictures, when :meth:`close` is called
    or when this process ends in whatever way.

    Raises
    ------
    ConfigError
        The file cannot be written, or its ending is not ``.webp``.
    """

    def __init__(self, file: Path) -> None:
        self.file = file.absolute()
        if self.file.suffix != ".webp":
            raise ConfigError(f"video {file}: choose a name that ends in .webp")
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with self.file.open("ab"):
                pass
            if not self.file.stat().st_size:
                self.file.unlink()
        except OSError as error:
            raise ConfigError(f"video {file}: {error.strerror}") from None
        self.directory = private_directory()
        self.maker = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "exostride.hardware.gz.film",
                *map(str, (self.directory, self.file, RATE_HZ)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # it outlives signals to our group by what it takes to finish
        )

    def element(self) -> ET.Element:
        """Return a static SDF model with the camera, which writes its pictures by itself."""
        model = ET.Element("model", name="camera")
        ET.SubElement(model, "static").text = "1"
        ET.SubElement(model, "pose").text = _PLACE
        link = ET.SubElement(model, "link", name="camera")
        sensor = ET.SubElement(link, "sensor", name="camera", type="camera")
        ET.SubElement(sensor, "update_rate").text = str(RATE_HZ)
        ET.SubElement(sensor, "always_on").text = "1"
        camera = ET.SubElement(sensor, "camera")
        ET.SubElement(camera, "horizontal_fov").text = "0.75"
        image = ET.SubElement(camera, "image")
        ET.SubElement(image, "width").text = str(WIDTH)
        ET.SubElement(image, "height").text = str(HEIGHT)
        ET.SubElement(image, "format").text = "R8G8B8"
        clip = ET.SubElement(camera, "clip")
        ET.SubElement(clip, "near").text = "0.1"
        ET.SubElement(clip, "far").text = "30"
        save = ET.SubElement(camera, "save", enabled="true")
        ET.SubElement(save, "path").text = str(self.directory)
        return model

    def close(self) -> None:
        """Finish the film and remove the pictures; may be called more than once."""
        assert self.maker.stdin is not None
        self.maker.stdin.close()
        try:
            self.maker.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.maker.kill()
            self.maker.wait()
        with contextlib.suppress(OSError):
            shutil.rmtree(self.directory)
