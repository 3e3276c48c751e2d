"""The QRS complexes of a recording, found on all of its sound leads together.

The detector is that of Elgendi (2013), with its published constants: energy between 8 and 20 Hz, a moving average as
long as a QRS complex (97 ms) above one as long as a beat (611 ms) and 8 % of the mean. Energies of several leads are
added weighted by their signal-to-noise ratio: a lead of noise, or one that is flat for a while, counts for almost
nothing. Instead of the mean over the whole recording, the mean over ten seconds is taken, so that a beat depends on its
surroundings alone.

Elgendi M (2013), "Fast QRS detection with an optimized knowledge-based method", PLoS ONE 8(9): e73557.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_agents.insights.quality import live_leads
from stream_agents.insights.recording import MOST_LEADS, Chunk, Recording, Samples, sums
from stream_agents.insights.statistics import median, moving_mean

_BAND_HZ = (8.0, 20.0)
_ORDER = 2
_QRS_SECONDS = 0.097
_BEAT_SECONDS = 0.611
_OFFSET = 0.08
_MEAN_SECONDS = 10.0
# Energy up to 20 Hz needs no higher rate.
_RATE = 125.0
# Two ventricular contractions are further apart (Pan and Tompkins 1985).
REFRACTORY_SECONDS = 0.2
# A complex with a much larger one next to it is a wave of that one, P or T, unless it has the distance of a beat.
_NEXT_SECONDS = 0.4
_NEXT_OF_RR = 0.5
_NEXT_ENERGY = 0.25
# So is a weak one between two that are a usual RR interval apart: interpolated beats are about as strong as others.
_SPLIT_OF_RR = 1.2
_SPLIT_ENERGY = 1 / 3
# Less energy than this share of the complexes around is noise.
_LEAST_ENERGY = 0.03
_AROUND_SECONDS = 8.0
# A tenth of the amplitude of the recording's complexes is noise in a pause, however it stands out of its surroundings.
LEAST_OF_ALL = 0.01
_LEAST_LEVEL = 1e-4
# Rounding errors leave less than this share of a lead's highest energy where there is none.
_NOTHING = 1e-14
# Noise does not change by more than this within ten seconds.
_LEAST_NOISE = 1e-3
# The ratio of a flat lead: above 0, so that the shares still add up to 1 if all leads are flat.
_LEAST_SNR = 1e-6
# Signal-to-noise ratios above this are alike; a power above 1 lets the best leads decide.
_BEST_SNR = 1e4
_SNR_POWER = 1.5
_CENTROID_SECONDS = 0.06


class Beats(NamedTuple):
    """QRS complexes, in order of time.

    Attributes:
        positions: the centre of each complex's energy, in samples of the recording, fractional, shape (beats,).
        energy: its energy relative to the lead's, without unit, shape (beats,).
    """

    positions: Samples
    energy: Samples

    @property
    def samples(self) -> NDArray[np.int64]:
        """Return the positions as sample indices, shape (beats,)."""
        return np.rint(self.positions).astype(np.int64)


class Candidates(NamedTuple):
    """Candidates for QRS complexes, in order of time.

    Attributes:
        leads: the indices of the leads on which they were searched.
        factor: the number of samples at the working rate for each sample of the detector.
        positions: samples of the detector from the recording's start, shape (candidates,).
        energy: the energy of each candidate relative to the leads' levels, without unit, shape (candidates,).
        levels: the level of each lead's energy there, in the lead's units squared, shape (leads, candidates).
        shares: the share of each lead in the energy, shape (leads, candidates).
        snr: the signal-to-noise ratio of each lead's energy there, shape (leads, candidates).
    """

    leads: list[int]
    factor: int
    positions: Samples
    energy: Samples
    levels: Samples
    shares: Samples
    snr: Samples

    def loudness(self, usual: Samples) -> Samples:
        """Return the level of each candidate relative to the usual one, averaged over the leads by their shares.

        Args:
            usual: the usual level of each lead, shape (leads,); 0 for a lead without complexes.

        Returns:
            An array of shape (candidates,), without unit.
        """
        relative = self.shares * self.levels / np.where(usual > 0, usual, 1.0)[:, None]
        return np.asarray(relative.sum(axis=0))


NO_BEATS = Beats(np.empty(0), np.empty(0))


def find_beats(recording: Recording) -> Beats:
    """Return the beats that all sound leads of a recording show together."""
    return detect_beats(recording, recording.once(live_leads))


def detect_beats(recording: Recording, leads: NDArray[np.bool_]) -> Beats:
    """Return the beats that the chosen leads show together, the first 16 of them, `leads` of shape (leads,).

    No beats if no lead is chosen, or if the recording is shorter than a second.
    """
    found = candidates(recording, leads)
    if found is None:
        return NO_BEATS
    usual = np.sort(found.levels, axis=1)[:, int(0.75 * found.positions.size)]
    return complexes(recording, found, found.loudness(usual) >= LEAST_OF_ALL)


def block_samples(recording: Recording) -> int:
    """Return the number of a recording's samples in a block, over which the levels of its leads are determined."""
    factor = _factor(recording)
    return (recording.block // factor) * factor * recording.factor


def candidates(recording: Recording, leads: NDArray[np.bool_]) -> Candidates | None:
    """Return the candidates for complexes on the first 16 of the chosen leads, or None if there are none.

    `leads` has shape (leads,). A recording shorter than a second has no candidates.
    """
    if not leads.any() or recording.seconds < 1:
        return None
    factor = _factor(recording)
    chosen = np.flatnonzero(leads)[:MOST_LEADS].tolist()
    parts = [_candidates(recording, chunk, factor) for chunk in recording.chunks(chosen)]
    found = Candidates(chosen, factor, *(np.concatenate(part, axis=-1) for part in zip(*parts, strict=True)))
    return found if found.positions.size else None


def complexes(recording: Recording, found: Candidates, loud: NDArray[np.bool_]) -> Beats:
    """Return the candidates that are QRS complexes, chosen from the `loud` ones, of shape (candidates,)."""
    position, energy = found.positions[loud], found.energy[loud]
    kept = _complexes(position / (recording.rate / found.factor), energy)
    scale = found.factor * recording.factor
    # The middle of the samples that were averaged into one.
    return Beats((position[kept] + 0.5) * scale - 0.5, energy[kept])


def _factor(recording: Recording) -> int:
    """Return the number of samples at the working rate that the detector averages into one."""
    return max(1, int(recording.rate // _RATE))


def _candidates(recording: Recording, chunk: Chunk, factor: int) -> tuple[Samples, Samples, Samples, Samples, Samples]:
    """Return positions, energy, levels, shares and signal-to-noise ratios of a chunk's candidates."""
    rate = recording.rate / factor
    values = chunk.values
    absent = recording.absent(chunk)
    length = values.shape[1] // factor
    band = _band(sums(values[:, : length * factor], factor), rate)
    np.square(band, out=band)
    if absent is not None:
        gone = absent[:, : length * factor : factor]
        band[moving_mean(gone.astype(np.float64), 1 + 2 * round(0.1 * rate), "reflect") > 0] = 0.0
    width = max(1, round(_QRS_SECONDS * rate))
    block = max(2, recording.block // factor)
    levels, shares, snr = _levels(band, block, width)
    energy = _weighted(band, levels, shares, block)
    smooth = moving_mean(energy, width)
    threshold = moving_mean(energy, max(1, round(_BEAT_SECONDS * rate)))
    threshold += _OFFSET * moving_mean(energy, max(1, round(_MEAN_SECONDS * rate)), "reflect")
    above = np.zeros(length + 2, np.bool_)
    np.greater(smooth, threshold, out=above[1:-1])
    edges = np.flatnonzero(above[1:] != above[:-1])
    wide = edges[1::2] - edges[::2] >= width
    starts, stops = edges[::2][wide].tolist(), edges[1::2][wide].tolist()
    if not starts:
        nothing = np.empty((len(values), 0))
        return np.empty(0), np.empty(0), nothing, nothing, nothing
    peaks = np.array([start + energy[start:stop].argmax() for start, stop in zip(starts, stops, strict=True)], np.intp)
    # The last stop may be the end.
    strength = np.maximum.reduceat(np.concatenate((smooth, [0.0])), edges)[::2][wide]
    inner = (peaks >= chunk.inner.start // factor) & (peaks < -(-chunk.inner.stop // factor))
    peaks, strength = peaks[inner], strength[inner]
    position = _centroids(energy, peaks, max(1, round(_CENTROID_SECONDS * rate))) + chunk.start / factor
    at = np.minimum(peaks // block, levels.shape[1] - 1)
    return position, strength, levels[:, at], shares[:, at], snr[:, at]


def _band(values: Samples, rate: float) -> Samples:
    """Return the band of QRS complexes, without a shift in time.

    The gain is that of a Butterworth filter that runs forwards and backwards. Half a second of rest on each side, at
    the level of the signal's end, keeps apart what the Fourier transform joins.
    """
    rest = int(rate / 2)
    length = values.shape[1]
    padded = np.empty((len(values), _fast_length(length + 2 * rest)))
    padded[:, :rest] = 0.0
    np.subtract(values, values[:, :1], out=padded[:, rest : rest + length])
    padded[:, rest + length :] = padded[:, rest + length - 1, None]
    spectrum = np.fft.rfft(padded, axis=1)
    spectrum *= _gain(padded.shape[1], rate)
    return np.fft.irfft(spectrum, padded.shape[1], axis=1)[:, rest : rest + length]


@lru_cache(maxsize=32)
def _gain(length: int, rate: float) -> Samples:
    """Return the squared gain of a digital Butterworth filter at the frequencies of a Fourier transform."""
    low, high = (np.tan(np.pi * hertz / rate) for hertz in _BAND_HZ)
    at = np.tan(np.pi * np.arange(length // 2 + 1) / length)
    inside = ((high - low) * at) ** (2 * _ORDER)
    return np.asarray(inside / (inside + (at**2 - low * high) ** (2 * _ORDER)))


def _fast_length(length: int) -> int:
    """Return a length at most a sixteenth longer, whose Fourier transform is fast because its factors are small."""
    step = 1 << max(0, length.bit_length() - 5)
    return -(-length // step) * step


def _levels(energy: Samples, block: int, width: int) -> tuple[Samples, Samples, Samples]:
    """Return level, share and signal-to-noise ratio of each lead in each block, all of shape (leads, blocks).

    The energies have shape (leads, n).

    The signal is a lead's highest energy in two seconds, the noise its median energy, which is that between complexes;
    of both, the median over ten seconds is taken. Shares, by signal-to-noise ratio, add up to 1 over the leads.
    """
    leads, length = energy.shape
    # Rounding errors may be negative.
    smooth = np.maximum(moving_mean(energy, width), 0)
    count = -(-length // block)
    if length < count * block:
        smooth = np.concatenate((smooth, np.repeat(smooth[:, -1:], count * block - length, axis=1)), axis=1)
    blocks = smooth.reshape(leads, count, block)
    around = _neighbours(count)
    highest = blocks.max(axis=2)[:, around]
    typical, least = median(highest), _LEAST_LEVEL * highest.max(axis=2)
    # In a pause the median is that of noise.
    signal = np.maximum(typical, least)
    # Every second sample: the average is smooth.
    medians = median(blocks[:, :, ::2])[:, around]
    noise = median(medians)
    # Where a lead is flat or missing for a while, the rest of the ten seconds tells its noise, if there is a signal.
    most = medians.max(axis=2)
    nothing = _NOTHING * smooth.max(axis=1, keepdims=True)
    off = noise <= np.maximum(_LEAST_NOISE * most, nothing)
    noise = np.where(off, most, noise)
    snr = signal / np.maximum(noise, np.maximum(signal / _BEST_SNR, np.finfo(float).tiny))
    snr[off & (typical <= np.maximum(least, nothing))] = _LEAST_SNR
    weights = snr**_SNR_POWER
    return signal, weights / np.maximum(weights.sum(axis=0), np.finfo(float).tiny), snr


@lru_cache(maxsize=32)
def _neighbours(count: int) -> NDArray[np.intp]:
    """Return for each block the indices of the five blocks around it, shape (count, 5)."""
    return np.asarray(np.clip(np.arange(count)[:, None] + np.arange(-2, 3), 0, count - 1))


def _weighted(energy: Samples, signal: Samples, share: Samples, block: int) -> Samples:
    """Return the energies of all leads relative to their levels, shape (leads, n), as one by their shares, shape (n,).

    Between the middles of two blocks, levels and shares change linearly from one to the other.
    """
    leads, length = energy.shape
    signal = np.where(signal > 0, signal, 1.0)
    half = block // 2
    pairs = np.zeros((leads, signal.shape[1] + 1, block))
    pairs.reshape(leads, -1)[:, half : half + length] = energy
    weight = _between_blocks(share, block)
    weight /= _between_blocks(signal, block)
    combined: Samples = np.einsum("lbw,lbw->bw", pairs, weight).ravel()[half : half + length]
    return combined


def _between_blocks(values: Samples, block: int) -> Samples:
    """Return values from the middle of each block to that of the next, shape (leads, blocks + 1, block)."""
    leads, count = values.shape
    pairs = np.empty((leads, count + 1, 2))
    pairs[:, 1:, 0] = pairs[:, :-1, 1] = values
    pairs[:, 0, 0], pairs[:, -1, 1] = values[:, 0], values[:, -1]
    return np.asarray(pairs.reshape(-1, 2) @ _ways(block)).reshape(leads, count + 1, block)


@lru_cache(maxsize=32)
def _ways(block: int) -> Samples:
    """Return the shares of two blocks in each sample between their middles, shape (2, block)."""
    way = (np.arange(block) + 0.5) / block
    return np.stack((1 - way, way))


def _centroids(energy: Samples, peaks: NDArray[np.intp], reach: int) -> Samples:
    """Return the centre of the energy around each peak: finer than a sample, and the same for R and S waves."""
    padded = np.zeros(energy.size + 2 * reach)
    padded[reach : reach + energy.size] = energy
    offsets = np.arange(2 * reach + 1)
    around = padded[peaks[:, None] + offsets]
    total = around.sum(axis=1)
    return np.asarray(peaks + (around @ (offsets - reach)) / np.where(total > 0, total, 1.0))


def _complexes(time: Samples, energy: Samples) -> NDArray[np.intp]:
    """Return which candidates are QRS complexes: `time` in seconds, increasing."""
    if not time.size:
        return np.empty(0, np.intp)
    first = np.searchsorted(time, time - _AROUND_SECONDS)
    last = np.searchsorted(time, time + _AROUND_SECONDS)
    kept: list[int] = []
    # As lists: arrays of a few numbers are slower.
    times, energies = time.tolist(), energy.tolist()
    for at, (begin, end) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
        around = sorted(energies[begin:end])
        if energies[at] < _LEAST_ENERGY * around[len(around) // 2]:
            continue
        if kept and times[at] - times[kept[-1]] < REFRACTORY_SECONDS:
            if energies[at] > energies[kept[-1]]:
                kept[-1] = at
        else:
            kept.append(at)
    index = np.array(kept, np.intp)
    if index.size < 4:  # noqa: PLR2004 - too few to know a usual distance
        return index
    distance = time[index[1:]] - time[index[:-1]]
    usual = _running_median(distance)
    limit = np.minimum(_NEXT_SECONDS, _NEXT_OF_RR * usual)
    close = distance < limit
    strength = energy[index]
    wave = np.zeros(index.size, np.bool_)
    wave[1:] |= close & (strength[1:] < _NEXT_ENERGY * strength[:-1])
    wave[:-1] |= close & (strength[:-1] < _NEXT_ENERGY * strength[1:])
    split = distance[1:] + distance[:-1] < _SPLIT_OF_RR * np.minimum(usual[1:], usual[:-1])
    wave[1:-1] |= split & (strength[1:-1] < _SPLIT_ENERGY * np.minimum(strength[:-2], strength[2:]))
    return index[~wave]


def _running_median(values: Samples, reach: int = 5) -> Samples:
    """Return for each value the median of those up to `reach` before and after it."""
    last = values.size - 1
    index = np.arange(values.size)[:, None] + np.arange(-reach, reach + 1)
    # Reflected at both ends, or the ends themselves if there are too few.
    index = last - np.abs(last - np.abs(index)) if last >= reach else np.clip(index, 0, last)
    return median(values[index])
