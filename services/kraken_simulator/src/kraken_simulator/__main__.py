"""Entry point: `python -m kraken_simulator`."""

from candlecast.runtime.process import run_service
from kraken_simulator.service import main

if __name__ == "__main__":
    run_service("kraken_simulator", main)
