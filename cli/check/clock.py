"""How far clocks are apart. Tasks go by Redis's clock alone; the others matter for what is said here."""

from cli.check.finding import Finding, fine, odd, wrong

# Times in logs and answers of different processes no longer fit together.
ODD_MS = 2_000
# Signed requests are refused whose date is 15 minutes off; tokens end at another time than they say.
WRONG_MS = 300_000


def check_clock(whose: str, skew_ms: int) -> Finding:
    """Return what there is to say about a clock that is so far ahead of Redis's."""
    what = f"clock of {whose}"
    text = f"{abs(skew_ms) / 1000:.1f} s {'ahead of' if skew_ms > 0 else 'behind'} Redis's"
    remedy = f"Have NTP (chrony, systemd-timesyncd) set the clocks of {whose} and of the machine of Redis."
    if abs(skew_ms) >= WRONG_MS:
        return wrong(what, text, remedy)
    return odd(what, text, remedy) if abs(skew_ms) >= ODD_MS else fine(what, text)
