"""What the simulator can be told, from the environment."""

import json
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainValidator
from pydantic_settings import NoDecode

from candlecast.errors import ConfigurationError
from candlecast.runtime.settings import NameList, ServiceSettings
from kraken_simulator.faults import Faults, parse_faults


def _parse_faults(value: object) -> Faults:
    if isinstance(value, Faults):
        return value
    try:
        return parse_faults(value if isinstance(value, str) else json.dumps(value))
    except ConfigurationError as error:
        raise ValueError(str(error)) from error


def _parse_object(value: object) -> object:
    return json.loads(value) if isinstance(value, str) else value


class Settings(ServiceSettings):
    """The simulator's settings; the README lists them with examples."""

    simulator_host: str = Field(default="127.0.0.1", description="address to listen on")
    simulator_port: int = Field(
        default=8766, ge=0, le=65535, description="0 to 65535 (0: any free port)"
    )
    products: NameList = Field(
        default=(), description="a JSON list, or comma separated; empty: all there are"
    )
    recorded_trades: Annotated[dict[str, Path], NoDecode, BeforeValidator(_parse_object)] = Field(
        default={}, description='a JSON object, {"BTC/USDT": "path/of/recording.json"}'
    )
    seed: int = Field(default=1, description="a whole number")
    speed: float = Field(default=1.0, gt=0.0, le=10_000.0, description="above 0, at most 10000")
    clock_anchor_wall_ms: int | None = Field(
        default=None, ge=0, description="UTC milliseconds of the wall clock"
    )
    clock_anchor_server_ms: int | None = Field(
        default=None, ge=0, description="UTC milliseconds of server time at that wall time"
    )
    rest_calls_per_second: float = Field(
        default=1.0, ge=0.0, description="0 or more (0: unlimited)"
    )
    rest_calls_burst: int = Field(default=3, ge=1, description="1 or more")
    faults: Annotated[Faults, NoDecode, PlainValidator(_parse_faults)] = Field(
        default=Faults(), description="a JSON object of the fields listed in the README"
    )
