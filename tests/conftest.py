"""Shared fixtures: where the real data lies, and one thread per test process."""

import os
import signal
from pathlib import Path

import pytest
import torch

torch.set_num_threads(int(os.environ.get("SEQPO_TEST_THREADS", "1")))

# A test run in the background is deaf to Ctrl-C, and so would be the programs that its tests interrupt.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

SHARED_DATA = Path(os.environ.get("SEQPO_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real parallel text and metric oracles; set SEQPO_DATA to use another one."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no data folder at {SHARED_DATA}; set SEQPO_DATA to one")
    return SHARED_DATA
