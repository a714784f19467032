import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from harness import BINARY, Server  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes minutes; ./run test-all runs it")


def pytest_sessionstart(session):
    if not BINARY.exists():
        pytest.exit(f"{BINARY} is missing: ./run build makes it", returncode=3)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One server for a module's tests, which keep to datasets of their own."""
    with Server(tmp_path_factory.mktemp("lake") / "data") as running:
        yield running


@pytest.fixture
def own_server(tmp_path):
    """A server for one test that stops, kills or fills it."""
    running = Server(tmp_path / "data").start()
    yield running
    if running.process.poll() is None:
        running.stop()
