"""When a WebSocket has to speak, fall silent or close. Pure; monotonic seconds are passed in."""

from kraken_simulator.faults import Faults

HEARTBEAT_SECONDS = 1.0
# Kraken closes a connection without activity after about a minute; any request keeps it alive.
IDLE_SECONDS = 60.0


class ConnectionTimetable:
    """The wall-time side of one connection."""

    def __init__(self, now_seconds: float) -> None:
        self._opened_at = now_seconds
        self._talking_since = now_seconds
        self._silent_until = now_seconds
        self._last_sent_at = now_seconds
        self._last_heard_at = now_seconds

    def sent(self, now_seconds: float) -> None:
        """Note that something was sent."""
        self._last_sent_at = now_seconds

    def heard(self, now_seconds: float) -> None:
        """Note that a request came in."""
        self._last_heard_at = now_seconds

    def fall_silent(self, now_seconds: float, seconds: float) -> None:
        """Send nothing for so long."""
        self._silent_until = now_seconds + seconds
        self._talking_since = self._silent_until

    def is_silent(self, now_seconds: float) -> bool:
        """Say whether nothing may be sent now."""
        return now_seconds < self._silent_until

    def starts_silence(self, now_seconds: float, faults: Faults) -> bool:
        """Begin the silence that is due, if one is; say so."""
        is_due = now_seconds >= self._talking_since + faults.silence_every_seconds
        if faults.silence_every_seconds == 0.0 or not is_due:
            return False
        self.fall_silent(now_seconds, faults.silence_seconds)
        return True

    def heartbeat_is_due(self, now_seconds: float) -> bool:
        """Say whether nothing was sent for about a second."""
        return now_seconds >= self._last_sent_at + HEARTBEAT_SECONDS

    def must_close(self, now_seconds: float, faults: Faults, *, is_subscribed: bool) -> str | None:
        """Return why the connection has to be closed now, if it has to."""
        if 0.0 < faults.disconnect_every_seconds <= now_seconds - self._opened_at:
            return "disconnect"
        if not is_subscribed and now_seconds >= self._last_heard_at + IDLE_SECONDS:
            return "idle"
        return None

    def seconds_until_next(
        self, now_seconds: float, faults: Faults, *, trade_in_seconds: float | None
    ) -> float:
        """Return how long nothing will have to be done."""
        if now_seconds < self._silent_until:
            moments = [self._silent_until]
        else:
            moments = [self._last_sent_at + HEARTBEAT_SECONDS]
            if trade_in_seconds is not None:
                moments.append(now_seconds + trade_in_seconds)
            if faults.silence_every_seconds > 0.0:
                moments.append(self._talking_since + faults.silence_every_seconds)
        if faults.disconnect_every_seconds > 0.0:
            moments.append(self._opened_at + faults.disconnect_every_seconds)
        return max(min(moments) - now_seconds, 0.0)
