"""A camera beside the treadmill, and the film made of its pictures."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET

from PIL import Image

from exostride.errors import ConfigError

WIDTH, HEIGHT, RATE_HZ = 640, 480, 20
FORMATS = (".webp", ".gif")
_LONGEST_FRAMES = 1200
_PLACE = "2.5 -4.1 1.4 0 0.12 2.116"


class Film:
    """Pictures that Gazebo's camera writes one by one, and the animation that :meth:`close` makes of them.

    Raises
    ------
    ConfigError
        The file's directory cannot be written to, or the file's ending is unknown.
    """

    def __init__(self, file: Path) -> None:
        self.file = file.absolute()
        if self.file.suffix not in FORMATS:
            raise ConfigError(f"video {file}: choose a name that ends in {' or '.join(FORMATS)}")
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self.directory = Path(tempfile.mkdtemp(prefix=".exostride-film-", dir=self.file.parent))
        except OSError as error:
            raise ConfigError(f"video {file}: {error.strerror}") from None

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

    def pictures(self) -> list[Path]:
        """Return the pictures written so far, in order."""
        found = [p for p in self.directory.iterdir() if p.suffix in (".jpg", ".png") and p.stat().st_size]
        return sorted(found, key=lambda p: int(p.stem.rsplit("-", 1)[-1]))

    def close(self) -> None:
        """Make the film, if anything is on it, and remove the pictures; may be called more than once."""
        if not self.directory.is_dir():
            return
        files = self.pictures()
        every = 1 + len(files) // _LONGEST_FRAMES
        frames = []
        for file in files[::every]:
            try:
                with Image.open(file) as image:
                    frames.append(image.convert("RGB"))
            except OSError:
                continue  # the last one may have been cut off when Gazebo ended
        if frames:
            first, *rest = frames
            period_ms = round(1000 * every / RATE_HZ)
            first.save(self.file, save_all=True, append_images=rest, duration=period_ms, loop=0, quality=60)
        shutil.rmtree(self.directory, ignore_errors=True)
