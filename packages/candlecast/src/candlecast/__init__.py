"""The shared library of candlecast; docs/adr says why it is cut the way it is.

`market` and `features` are pure; `kraken`, `messaging` and `store` are adapters on top of them;
`runtime` is how a service starts, reports and stops. Services import these, never each other.
"""
