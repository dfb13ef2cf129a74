"""What names look like, and the forms of addresses."""

import unicodedata

import pytest
from pydantic import ValidationError

from gateway.protocol.payloads.accounts import ChangeProfile
from gateway.services.accounts.addresses import normal, spellings
from gateway.services.accounts.name_rules import squeezed
from gateway.services.commerce.order_book import masked


@pytest.mark.parametrize(
    "name",
    ["аdmin", "ADMIN", "ａｄｍｉｎ", "a.d.m.i.n", "àdmín", "adm1n", "admln", "adrnin", "аԁmіn", "𝐚𝐝𝐦𝐢𝐧", "a\u200bdmin"],
)
def test_names_that_look_the_same_are_the_same(name: str) -> None:
    assert squeezed(name) == squeezed("admin")


@pytest.mark.parametrize("name", ["admit", "관리자", "badmin", "dmin", "ad", "山田"])
def test_names_that_look_different_differ(name: str) -> None:
    assert squeezed(name) != squeezed("admin")


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (unicodedata.normalize("NFD", "쌀과자"), "쌀과자"),
        (unicodedata.normalize("NFD", "쌀" * 32), "쌀" * 32),
        ("  김  Kim ", "김 Kim"),
        ("👨‍👩‍👧‍👦", "👨‍👩‍👧‍👦"),
    ],
)
def test_valid_names_are_accepted(given: str, stored: str) -> None:
    assert ChangeProfile.model_validate({"username": given}).username == stored


@pytest.mark.parametrize(
    "name", ["", "\u3164", "\u2800", "\u0301" * 31, "a" + "\u0301" * 31, "a\u202eb", "a\nb", "x" * 33, "\ud800", None]
)  # fmt: skip
def test_invalid_names_are_refused(name: object) -> None:
    with pytest.raises(ValidationError):
        ChangeProfile.model_validate({"username": name})


@pytest.mark.parametrize(
    "forms",
    [
        ["ann@example.com", " Ann@EXAMPLE.com", "ａｎｎ@example.com", "ann@ex\u00adample.com"],
        ["é@bücher.example", "e\u0301@bu\u0308cher.example", "É@xn--bcher-kva.example"],
        ["strasse@x", "straße@x"],
        ["쌀@x.kr", unicodedata.normalize("NFD", "쌀@x.kr")],
    ],
)
def test_email_addresses_are_normalised(forms: list[str]) -> None:
    assert {normal(form) for form in forms} == {normal(forms[0])}
    assert normal(normal(forms[0])) == normal(forms[0])
    assert all(normal(form) == normal(form).lower() for form in forms)


def test_old_email_addresses_are_found_unnormalised() -> None:
    assert spellings("Straße@X.com") == ["strasse@x.com", "straße@x.com"]
    assert spellings("Ann@X.com") == ["ann@x.com"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("김철수", "김***"),
        (unicodedata.normalize("NFD", "김철수"), "김***"),
        ("🇰🇷fan", "🇰🇷***"),
        ("👨‍👩‍👧‍👦", "👨‍👩‍👧‍👦***"),
    ],
)
def test_buyers_are_masked(name: str, shown: str) -> None:
    assert masked(name) == shown
