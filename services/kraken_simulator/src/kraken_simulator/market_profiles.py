"""How the generated products behave: how busy, how volatile, how quiet."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketProfile:
    """The character of one generated product.

    Attributes:
        product_id: for instance "BTC/USD".
        trades_per_day: on average; single days differ by up to a quarter.
        price: the level the price moves around.
        minute_volatility: standard deviation of the log price over one minute of usual business.
        median_quantity: of one trade, in the base currency.
        burstiness: standard deviation of the logarithm of a minute's intensity.
        silences_per_day: stretches of 10 to 45 minutes without any trade.
        half_spread_ticks: how far from the middle a taker pays.
    """

    product_id: str
    trades_per_day: int
    price: float
    minute_volatility: float
    median_quantity: float
    burstiness: float = 0.6
    silences_per_day: int = 0
    half_spread_ticks: int = 1


PROFILES = {
    profile.product_id: profile
    for profile in (
        MarketProfile(
            product_id="BTC/USD",
            trades_per_day=144_000,
            price=85_000.0,
            minute_volatility=4e-4,
            median_quantity=0.004,
        ),
        MarketProfile(
            product_id="ETH/USD",
            trades_per_day=57_600,
            price=3_200.0,
            minute_volatility=5e-4,
            median_quantity=0.08,
        ),
        MarketProfile(
            product_id="SOL/USD",
            trades_per_day=28_800,
            price=160.0,
            minute_volatility=7e-4,
            median_quantity=2.0,
        ),
        MarketProfile(
            product_id="DOGE/USD",
            trades_per_day=14_400,
            price=0.18,
            minute_volatility=8e-4,
            median_quantity=700.0,
            burstiness=0.9,
            half_spread_ticks=40,
        ),
        MarketProfile(
            product_id="QNT/USD",
            trades_per_day=288,
            price=95.0,
            minute_volatility=6e-4,
            median_quantity=1.5,
            burstiness=1.4,
            silences_per_day=14,
            half_spread_ticks=4,
        ),
    )
}
