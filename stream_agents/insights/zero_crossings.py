"""Zero crossings of a signal."""

import numpy as np

from shared.ecg import Signal


def count_zero_crossings(signal: Signal) -> int:
    """Count the zero crossings of a signal, shape (n,), any signed integer dtype.

    A crossing is counted at sample i when x[i] is zero and x[i-1] is not, or when they are of opposite sign;
    leaving zero is not counted. Fewer than two samples have none. Only signs are compared, nothing is
    multiplied or subtracted, so that it is exact over the whole int64 range.
    """
    positive, negative = signal > 0, signal < 0
    sign = positive.view(np.int8) - negative.view(np.int8)
    before, after = sign[:-1], sign[1:]
    return int(np.count_nonzero((before != after) & (before != 0)))
