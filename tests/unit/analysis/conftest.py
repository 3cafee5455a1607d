import os
from pathlib import Path

import pytest

from exostride.analysis.summary import analyse
from exostride.bench.made_session import MadeSession, write


@pytest.fixture(scope="session")
def plan():
    return MadeSession(duration_s=40.0, speed_m_s=0.8, weakness=0.6, warnings=(22.0,))


@pytest.fixture(scope="session")
def made(plan, tmp_path_factory):
    bag = tmp_path_factory.mktemp("made") / "bag"
    return bag, write(plan, bag)


@pytest.fixture(scope="session")
def analysis(made):
    return analyse(made[0])


@pytest.fixture(scope="session")
def data():
    """Folder with recordings of real walkers: ``EXOSTRIDE_DATA``, or beside the checkout."""
    given = os.environ.get("EXOSTRIDE_DATA")
    folder = Path(given) if given else Path(__file__).resolve().parents[3].parent / "shared" / "data"
    if not (folder / "recordings").is_dir():
        pytest.skip("NO REAL RECORDINGS: set EXOSTRIDE_DATA to the folder that holds recordings/ and grf/")
    return folder
