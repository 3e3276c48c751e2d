"""Tokens: their form, and the checksum by which malformed ones are recognised."""

import re
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_api.users import tokens

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def number(digits: str) -> int:
    value = 0
    for digit in digits:
        value = value * 62 + ALPHABET.index(digit)
    return value


def test_a_token_is_a_prefix_256_random_bits_and_their_checksum() -> None:
    """The check that a secret scanner would make."""
    issued = [tokens.new() for _ in range(100)]
    assert len(set(issued)) == 100
    for token in issued:
        assert re.fullmatch(r"ecg_[0-9A-Za-z]{49}", token)
        assert number(token[4:47]) < 2**256
        assert number(token[47:]) == zlib.crc32(token[:47].encode())
        assert tokens.is_well_formed(token)
    # Every bit is set in some token.
    seen = 0
    for token in issued:
        seen |= number(token[4:47])
    assert seen == 2**256 - 1


@given(st.integers(0, 52), st.sampled_from(ALPHABET))
def test_a_slip_in_one_character_is_noticed(at: int, character: str) -> None:
    token = tokens.new()
    slip = token[:at] + character + token[at + 1 :]
    assert tokens.is_well_formed(slip) == (slip == token)


def test_only_the_whole_token_is_well_formed() -> None:
    token = tokens.new()
    for other in (token[:-1], token[1:], token + "0", token + "\n", " " + token, token.upper(), f'"{token}"'):
        assert not tokens.is_well_formed(other)


@pytest.mark.parametrize("token", ["", "ecg_", "é" * 53, "ecg_" + "0" * 49, "ecg_" + "é" * 49])
def test_other_strings_are_not_well_formed(token: str) -> None:
    assert not tokens.is_well_formed(token)
