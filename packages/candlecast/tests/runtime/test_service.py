import json
import subprocess
import sys

PROGRAM = """
from candlecast.runtime.service import monitored_service
from candlecast.runtime.settings import ServiceSettings

settings = ServiceSettings(metrics_port=0, monitoring_host="127.0.0.1", log_level="INFO")
with monitored_service("example", settings) as context:
    context.readiness.require("broker")
    print(context.readiness.is_ready)
"""


def test_a_service_says_where_it_is_watched_and_when_it_stopped() -> None:
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    lines = [json.loads(line) for line in result.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["started", "stopped"]
    assert lines[0]["metrics_port"] > 0
    assert {line["service"] for line in lines} == {"example"}
    assert result.stdout == "False\n"
