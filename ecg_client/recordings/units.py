"""Units of voltage and of time, as files spell them."""

# Units per millivolt. Micro is spelled with either letter; `MV` is left out, because it may mean milli or mega.
_IN_A_MILLIVOLT = {"V": 1e-3, "mV": 1.0, "uV": 1e3, "\u00b5V": 1e3, "\u03bcV": 1e3, "nV": 1e6}
_SPELLINGS = {
    **{spelling: spelling for spelling in _IN_A_MILLIVOLT},
    **{"v": "V", "mv": "mV", "uv": "uV", "UV": "uV", "\u00b5v": "uV", "\u03bcv": "uV", "nv": "nV", "NV": "nV"},
    **{"volt": "V", "millivolt": "mV", "microvolt": "uV", "nanovolt": "nV"},
    **{"volts": "V", "millivolts": "mV", "microvolts": "uV", "nanovolts": "nV"},
}
# Spellings for numbers of an ADC that is not calibrated.
_UNCALIBRATED = frozenset({"", "nu", "adu", "adc", "adcunits", "raw", "counts", "count", "digits", "digital", "lsb"})


def in_a_millivolt(unit: str) -> float | None:
    """Return the number of units per millivolt, or None if it is not a unit of voltage."""
    spelling = _SPELLINGS.get(unit) or _SPELLINGS.get(unit.lower() if unit.lower().endswith(("volt", "volts")) else "")
    return _IN_A_MILLIVOLT[spelling] if spelling else None


def adc_gain(units: float, unit: str) -> float | None:
    """Return the signed number of ADC units per millivolt, given the number per `unit`.

    None if it is not a unit of voltage, or the gain is 0 or not finite.
    """
    factor = in_a_millivolt(unit)
    if factor is None:
        return None
    gain = units * factor
    return gain if gain != 0 and abs(gain) < float("inf") else None


def is_other(unit: str) -> bool:
    """Return True for a unit of something other than voltage, such as `mmHg`."""
    return in_a_millivolt(unit) is None and unit.lower().replace(" ", "") not in _UNCALIBRATED


_SPELLINGS_OF_TIME = {
    1.0: ("s", "sec", "secs", "second", "seconds", "sek", "sekunden", "hh:mm:ss.mmm", "hh:mm:ss"),
    1e-3: ("ms", "msec", "msecs", "millisecond", "milliseconds", "millis"),
    1e-6: ("us", "\u00b5s", "\u03bcs", "usec", "microsecond", "microseconds", "micros"),
    1e-9: ("ns", "nsec", "nanosecond", "nanoseconds", "nanos"),
    60.0: ("min", "minute", "minutes"),
}
_IN_SECONDS = {spelling: seconds for seconds, spellings in _SPELLINGS_OF_TIME.items() for spelling in spellings}


def in_seconds(unit: str) -> float | None:
    """Return the length of a unit of time in seconds, or None if it is not one."""
    return _IN_SECONDS.get(unit.lower())
