"""Normalises e-mail addresses, so that each spelling finds the account. Called by accounts and the command line."""

import unicodedata

from email_validator import EmailNotValidError, validate_email

from gateway.errors import InvalidPayload
from gateway.protocol.text import caseless

MAX_LENGTH = 254  # code points of the stored form, which may be 18 times as long as the typed one


def normal(address: str) -> str:
    """Return the stored form of an address, which is the same for all its spellings.

    It is NFKC with folded case, because people do not remember case, and has the domain in Unicode (IDNA 2008). An
    invalid address is folded in the same way. Raises InvalidPayload if the form is too long to be stored.
    """
    form = _form(address)
    if len(form) > MAX_LENGTH:
        raise InvalidPayload("The e-mail address is too long", details=[{"field": "email", "problem": "too long"}])
    return form


def _form(address: str) -> str:
    folded = unicodedata.normalize("NFKC", caseless(address.strip())).lower()
    try:
        return validate_email(folded, check_deliverability=False, globally_deliverable=False).normalized
    except EmailNotValidError:  # such as a domain without a dot, which is allowed: the gateway sends no mail
        return folded


def spellings(address: str) -> list[str]:
    """Return the forms under which the account of an address may be stored, the likeliest first.

    Accounts that are older than the normalisation have their address in lower case only.
    """
    forms = dict.fromkeys((normal(address), address.strip().lower()))
    return [form for form in forms if len(form) <= MAX_LENGTH]
