"""The ``gazebo`` device: the ``simulated`` device's plant with bodies, joints and contacts in Gazebo."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from exostride.conventions import JOINTS
from exostride.errors import ConfigError, DeviceError
from exostride.hardware.gz.camera import Film
from exostride.hardware.gz.engine import Abilities, GazeboEngine
from exostride.hardware.gz.installation import Installation, find, find_installation, find_modern
from exostride.hardware.gz.modern_world import modern_world
from exostride.hardware.gz.server import Server
from exostride.hardware.gz.terrain import TERRAINS, Terrain, WorldName
from exostride.hardware.gz.world import Layout, OdeOptions, robot_tree, session_world
from exostride.hardware.simulated import SimulatedDevice, SimulatedParameters
from exostride.model.anthropometry import BodyParameters
from exostride.model.sdf import Tree
from exostride.plant.config import PlantConfig
from exostride.plant.engine import EngineFactory
from exostride.plant.world import World
from exostride.types import DriveApplied, KernelOutput

_FINDERS = {"auto": find, "classic": find_installation, "gz": find_modern}


def _firmware(config: PlantConfig, world: World) -> dict[str, float]:
    """Return what drives and belt do in silence [N m s/rad, N s/m]: a patient hangs on, a belt runs down."""
    damping = config.drives.watchdog_damping_nms_rad * 2
    drives = dict(zip(JOINTS, damping, strict=True)) if world.has_robot else {}
    return {**drives, "belt": config.belt.mass_kg}


class GazeboParameters(SimulatedParameters):
    """Parameters of the device, besides those of ``simulated``.

    ``gazebo`` chooses the engine: ``classic`` is Gazebo 11, ``gz`` a modern one, ``auto`` the first of them
    that is there. ``contact`` says whose the soles' contact is: ``engine`` (Gazebo 11 only), ``plant`` (a law
    of force as over MuJoCo), or ``auto``, the engine's where it can. ``world`` chooses the surroundings,
    ``record_video`` whether to film the session, and ``video`` into which file. ``timeout_s`` is how long
    each side waits for the other before it takes it for dead, ``port`` that of Gazebo's master (0: any that
    is free). ``solver_iterations`` are those of ODE's solver.
    """

    gazebo: Literal["auto", "gz", "classic"] = "auto"
    contact: Literal["auto", "engine", "plant"] = "auto"
    world: WorldName = "treadmill"
    record_video: bool = False
    video: str = "exostride.webp"
    timeout_s: float = Field(5.0, ge=0.05, le=60.0)
    port: int = Field(0, ge=0, le=65535)
    solver_iterations: int = Field(200, ge=10, le=2000)


class GazeboDevice(SimulatedDevice):
    """Exoskeleton, patient and treadmill in Gazebo, in lock-step with the graph."""

    name: ClassVar[str] = "gazebo"
    parameters: ClassVar[type[SimulatedParameters]] = GazeboParameters

    def __init__(self) -> None:
        super().__init__()
        self._server: Server | None = None
        self._terrain = Terrain()
        self._film: Film | None = None

    def configure(self, parameters: Mapping[str, Any], period_s: float) -> None:
        """Start Gazebo with the session's world; see :class:`GazeboParameters`.

        Raises
        ------
        InputError, ConfigError
            As the ``simulated`` device.
        DeviceError
            There is no Gazebo, or it cannot be started; nothing of it is left behind.
        """
        try:
            super().configure(parameters, period_s)
        except BaseException:
            self.close()
            raise

    def engine(self, p: SimulatedParameters, config: PlantConfig, body: BodyParameters) -> EngineFactory:
        """Return what starts Gazebo on a world."""
        assert isinstance(p, GazeboParameters)
        self._terrain = TERRAINS[p.world]
        return partial(self._start, p, config, body)

    def _start(
        self, p: GazeboParameters, config: PlantConfig, body: BodyParameters, world: World, data: Any
    ) -> GazeboEngine:
        installation = _FINDERS[p.gazebo]()
        modern = installation.kind == "gz"
        if modern and (p.record_video or p.contact == "engine"):
            what = "record_video" if p.record_video else "contact: engine"
            raise ConfigError(f"device gazebo: {what} needs Gazebo 11; set gazebo:=classic")
        if p.record_video:
            self._film = Film(Path(p.video))
        make = self._modern if modern else self._classic
        text, layout, names = make(p, config, world, robot_tree(body, world), installation)
        self._server = Server(installation, p.timeout_s)
        stream = self._server.start(text, layout=layout, port=p.port, display=self._film is not None)
        world.model.opt.gravity = np.array(self._terrain.gravity())
        return GazeboEngine(world, data, stream, names, Abilities.of(self._server.hello))

    def _classic(
        self, p: GazeboParameters, config: PlantConfig, world: World, tree: Tree, installation: Installation
    ) -> tuple[str, str, Layout]:
        text, names = session_world(
            world,
            tree,
            belt=(config.belt.mass_kg, config.belt.half_length_m),
            friction=config.contact.friction,
            damping=_firmware(config, world),
            library=str(installation.plugin),
            timeout_s=p.timeout_s,
            options=OdeOptions(iterations=p.solver_iterations),
            terrain=self._terrain,
            camera=None if self._film is None else self._film.element(),
            contact=p.contact != "plant",
        )
        return text, "", names

    def _modern(
        self, p: GazeboParameters, config: PlantConfig, world: World, tree: Tree, installation: Installation
    ) -> tuple[str, str, Layout]:
        del installation
        return modern_world(
            world,
            tree,
            belt=(config.belt.mass_kg, config.belt.half_length_m),
            damping=_firmware(config, world),
            timeout_s=p.timeout_s,
            terrain=self._terrain,
        )

    @property
    def server(self) -> Server:
        """The running server; :class:`DeviceError` if there is none."""
        if self._server is None:
            raise DeviceError("device gazebo: not configured")
        return self._server

    def write(self, output: KernelOutput) -> DriveApplied:
        """Hand the kernel's output to the firmware, let the patient act, and advance by one period.

        Raises
        ------
        DeviceError
            Gazebo has died, does not answer, or the simulation diverged.
        """
        self._push()
        try:
            return super().write(output)
        except DeviceError as error:
            raise self.server.explain(error) from None

    def coast(self) -> DriveApplied:
        """Advance by one period without any command."""
        self._push()
        try:
            return super().coast()
        except DeviceError as error:
            raise self.server.explain(error) from None

    def _push(self) -> None:
        t, plant = self._terrain, self.plant
        if t.push_every_s <= 0.0:
            return
        every = round(t.push_every_s / plant.dt_s)
        if plant.steps and plant.steps % every < self._steps:
            side = 1.0 if (plant.steps // every) % 2 else -1.0
            force = np.array([0.0, side * t.push_n, 0.0])
            plant.disturbances.push("patient_pelvis", force, np.zeros(3), plant.time_s, t.push_s)

    def close(self) -> None:
        """End Gazebo and remove what it left on disk; may be called more than once."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        film, self._film = self._film, None
        if film is not None:
            film.close()
        super().close()
