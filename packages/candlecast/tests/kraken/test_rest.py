from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import httpx
import pytest

from candlecast.errors import ConfigurationError, InvalidMessageError, TransientError
from candlecast.kraken.rest import KrakenRestClient, RequestReport
from candlecast.market.product import Product

BTC_USDT = Product(
    product_id="BTC/USDT",
    rest_key="XBTUSDT",
    altname="XBTUSDT",
    websocket_v1_name="XBT/USDT",
    price_decimals=1,
    quantity_decimals=8,
)
TIME = httpx.Response(200, content=b'{"error":[],"result":{"unixtime":1762820224}}')
RATE_LIMITED = httpx.Response(200, content=b'{"error":["EAPI:Rate limit exceeded"]}')
UNKNOWN_PAIR = httpx.Response(200, content=b'{"error":["EQuery:Unknown asset pair"]}')
WEB_PAGE = httpx.Response(200, content=b"<html>one moment</html>")


@dataclass
class ScriptedServer:
    """Gives its answers one by one; the last one stays. An exception is raised."""

    answers: Sequence[httpx.Response | Exception]
    requests: list[httpx.Request] = field(default_factory=list)
    reports: list[RequestReport] = field(default_factory=list)
    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers[min(len(self.requests), len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def client(self, *, give_up_after_seconds: float = 60.0) -> KrakenRestClient:
        return KrakenRestClient(
            transport=httpx.MockTransport(self),
            give_up_after_seconds=give_up_after_seconds,
            on_request=self.reports.append,
            clock=lambda: self.now,
            sleep=self.sleep,
        )

    @property
    def outcomes(self) -> list[str]:
        return [str(report.outcome) for report in self.reports]


@pytest.fixture
def trades_answer(recording: Callable[[str], bytes]) -> httpx.Response:
    return httpx.Response(200, content=recording("rest_trades_XBTUSDT_20251110.json"))


async def test_trades_are_asked_for_by_altname_with_an_integer_cursor(
    trades_answer: httpx.Response,
) -> None:
    server = ScriptedServer([trades_answer])

    async with server.client() as client:
        page = await client.trades(BTC_USDT, since_ns=1762795433971744499)

    assert str(server.requests[0].url) == (
        "https://api.kraken.com/0/public/Trades?pair=XBTUSDT&count=1000&since=1762795433971744499"
    )
    assert (page.batch.product_id, len(page)) == ("BTC/USDT", 1000)


async def test_without_a_cursor_the_newest_trades_are_asked_for(
    trades_answer: httpx.Response,
) -> None:
    server = ScriptedServer([trades_answer])

    async with server.client() as client:
        await client.trades("XBTUSDT", count=50)

    assert dict(server.requests[0].url.params) == {"pair": "XBTUSDT", "count": "50"}


async def test_the_cursor_zero_is_sent_and_not_taken_for_none(
    trades_answer: httpx.Response,
) -> None:
    server = ScriptedServer([trades_answer])

    async with server.client() as client:
        await client.trades(BTC_USDT, since_ns=0)

    assert server.requests[0].url.params["since"] == "0"


async def test_an_answer_about_another_pair_is_refused(trades_answer: httpx.Response) -> None:
    other = Product(
        product_id="BTC/USD",
        rest_key="XXBTZUSD",
        altname="XBTUSD",
        websocket_v1_name="XBT/USD",
        price_decimals=1,
        quantity_decimals=8,
    )

    async with ScriptedServer([trades_answer]).client() as client:
        with pytest.raises(InvalidMessageError, match="asked for BTC/USD, answered 'XBTUSDT'"):
            await client.trades(other)


async def test_recorded_candles_and_pairs_come_through_the_client(
    recording: Callable[[str], bytes], asset_pairs_answer: bytes
) -> None:
    server = ScriptedServer(
        [
            httpx.Response(200, content=recording("rest_ohlc_XBTUSDT_1m_20251110.json")),
            httpx.Response(200, content=asset_pairs_answer),
        ]
    )

    async with server.client() as client:
        page = await client.ohlc(BTC_USDT, since_seconds=1762777020)
        catalogue = await client.product_catalogue()

    assert dict(server.requests[0].url.params) == {
        "pair": "XBTUSDT",
        "interval": "1",
        "since": "1762777020",
    }
    assert (len(page.candles), len(catalogue)) == (720, 293)


async def test_time_is_in_milliseconds() -> None:
    async with ScriptedServer([TIME]).client() as client:
        assert await client.time() == 1762820224000


@pytest.mark.parametrize(
    ("trouble", "outcome"),
    [
        (RATE_LIMITED, "rate_limited"),
        (httpx.Response(429), "rate_limited"),
        (httpx.Response(520, content=b"<html>"), "transient"),
        (WEB_PAGE, "transient"),
        (httpx.Response(200, content=b'{"error":["EService:Busy"]}'), "transient"),
        (httpx.ReadTimeout("slow"), "transient"),
        (httpx.ConnectError("refused"), "transient"),
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_what_may_pass_is_tried_again(
    trouble: httpx.Response | Exception, outcome: str
) -> None:
    server = ScriptedServer([trouble, trouble, TIME])

    async with server.client() as client:
        assert await client.time() == 1762820224000

    assert server.outcomes == [outcome, outcome, "ok"]


async def test_retries_back_off_and_grow() -> None:
    server = ScriptedServer([WEB_PAGE] * 5 + [TIME])

    async with server.client() as client:
        await client.time()

    pauses = [seconds for seconds in server.slept if seconds > 0]
    assert sum(pauses) >= 0.25 + 0.5 + 1.0 + 2.0 + 4.0
    assert max(pauses) <= 8.0


async def test_after_rate_limits_the_rest_is_5_then_10_seconds() -> None:
    server = ScriptedServer([RATE_LIMITED, RATE_LIMITED, TIME])

    async with server.client() as client:
        await client.time()

    assert server.now == pytest.approx(15.0)


async def test_trying_again_ends_with_a_transient_error_that_says_why() -> None:
    server = ScriptedServer([httpx.ConnectError("refused")])

    async with server.client(give_up_after_seconds=30.0) as client:
        with pytest.raises(TransientError, match=r"Time: gave up after 30 s; .*refused"):
            await client.time()

    assert 10.0 < server.now <= 30.0


@pytest.mark.parametrize(
    ("trouble", "kind", "outcome"),
    [
        (UNKNOWN_PAIR, ConfigurationError, "rejected"),
        (httpx.Response(404, content=b"{}"), ConfigurationError, "rejected"),
        (httpx.Response(200, content=b'{"error":[]}'), InvalidMessageError, "invalid"),
        (httpx.Response(200, content=b'{"error":[],"result":[]}'), InvalidMessageError, "invalid"),
        (httpx.Response(200, content=b'{"error":'), InvalidMessageError, "invalid"),
    ],
)
async def test_what_cannot_pass_is_not_tried_again(
    trouble: httpx.Response, kind: type[Exception], outcome: str
) -> None:
    server = ScriptedServer([trouble])

    async with server.client() as client:
        with pytest.raises(kind):
            await client.trades(BTC_USDT)

    assert server.outcomes == [outcome]


async def test_calls_of_one_pair_are_spaced_by_a_second(trades_answer: httpx.Response) -> None:
    server = ScriptedServer([trades_answer])

    async with server.client() as client:
        for _ in range(3):
            await client.trades(BTC_USDT)

    assert server.slept == [1.0, 1.0]


@pytest.mark.parametrize(
    ("headers", "expected"), [({}, False), ({"X-Candlecast-Simulator": "1"}, True)]
)
async def test_a_simulator_is_known_by_its_header(
    headers: dict[str, str], *, expected: bool
) -> None:
    answer = httpx.Response(200, headers=headers, content=TIME.content)

    async with ScriptedServer([answer]).client() as client:
        assert not client.is_simulator
        await client.time()
        assert client.is_simulator is expected


async def test_reports_say_which_endpoint_was_asked() -> None:
    server = ScriptedServer([TIME])

    async with server.client() as client:
        await client.time()

    assert [report.endpoint for report in server.reports] == ["Time"]


@pytest.mark.parametrize("base_url", ["http://[broken", "nonsense"])
async def test_an_unusable_address_is_a_configuration_error(base_url: str) -> None:
    with pytest.raises(ConfigurationError):
        async with KrakenRestClient(base_url) as client:
            await client.time()
