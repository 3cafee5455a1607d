"""A camera beside the treadmill, and the pictures that it leaves."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from exostride.errors import ConfigError

WIDTH, HEIGHT, RATE_HZ = 640, 480, 20
_PLACE = "1.6 -2.6 1.35 0 0.13 2.09"


class Film:
    """Pictures of a session, one file each, in a directory.

    Raises
    ------
    ConfigError
        The directory cannot be made or written to.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            probe = self.directory / ".exostride"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise ConfigError(f"record_video {directory}: {error.strerror}") from None

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
        """Nothing to end: pictures are whole when they are written."""
