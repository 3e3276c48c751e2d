"""Names of ECG leads, as devices and file formats write them."""

import re
from functools import lru_cache
from typing import Final

LIMB_LEADS: Final = ("I", "II", "III", "aVR", "aVL", "aVF")
STANDARD_LEADS: Final = (*LIMB_LEADS, "V1", "V2", "V3", "V4", "V5", "V6")

# Beside the twelve: modified limb and chest leads of monitors, right and posterior chest leads, Frank's orthogonal
# leads, Nehb's, the bipolar ones of Holter recorders, and names that only mean "ECG".
_OTHERS: Final = (
    *("-aVR", "MLI", "MLII", "MLIII", "MV1", "MV2", "MV5", "MCL1", "MCL5", "MCL6", "V7", "V8", "V9"),
    *("V3R", "V4R", "V5R", "V6R", "X", "Y", "Z", "VX", "VY", "VZ", "Nehb D", "Nehb A", "Nehb I"),
    *("CC5", "CM1", "CM2", "CM5", "CM6", "CS2", "CB5", "ML5", "V", "ECG", "EKG", "ES", "AS", "AI"),
)
_BY_LOWER: Final = {name.lower(): name for name in (*_OTHERS, *STANDARD_LEADS)} | {
    **{"d1": "I", "d2": "II", "d3": "III", "di": "I", "dii": "II", "diii": "III"},
    **{
        "lead1": "I",
        "lead2": "II",
        "lead3": "III",
        "l1": "I",
        "l2": "II",
        "l3": "III",
        "1": "I",
        "2": "II",
        "3": "III",
    },
}
_PREFIX: Final = re.compile(r"^(?:mdc_ecg_lead_|mdc_ecg_|lead[\s_]+|ecg[\s_:-]+|ekg[\s_:-]+|kanal\s+)", re.IGNORECASE)
_NUMBERED: Final = re.compile(r"(?:ecg|ekg|ch|channel|lead)[\s_-]*\d{1,3}", re.IGNORECASE)


@lru_cache(maxsize=1024)
def canonical(name: str) -> str | None:
    """Return the usual spelling of a lead's name, or None if it is not known as one of an ECG."""
    plain = name.strip()
    bare = _PREFIX.sub("", plain)
    for candidate in (plain, bare):
        found = _BY_LOWER.get(candidate.lower())
        if found is not None:
            return found
    return plain if _NUMBERED.fullmatch(plain) else None
