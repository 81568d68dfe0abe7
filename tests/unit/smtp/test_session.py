from __future__ import annotations

import itertools

import pytest

from smtp.session import HTTP_VERBS, TABLE, VERBS, Conduct, Phase, refusal

ALLOWED = {
    "EHLO": "CONNECTED GREETED MAIL RCPT CHUNKS",
    "HELO": "CONNECTED GREETED MAIL RCPT CHUNKS",
    "RSET": "CONNECTED GREETED MAIL RCPT CHUNKS",
    "NOOP": "CONNECTED GREETED MAIL RCPT CHUNKS",
    "VRFY": "CONNECTED GREETED MAIL RCPT CHUNKS",
    "EXPN": "CONNECTED GREETED MAIL RCPT CHUNKS",
    "HELP": "CONNECTED GREETED MAIL RCPT CHUNKS",
    "QUIT": "CONNECTED GREETED MAIL RCPT CHUNKS",
    "MAIL": "GREETED",
    "RCPT": "MAIL RCPT",
    "DATA": "RCPT",
    "BDAT": "RCPT CHUNKS",
    "STARTTLS": "CONNECTED GREETED",
    "AUTH": "GREETED",
}


@pytest.mark.parametrize(("verb", "phase"), list(itertools.product(TABLE, Phase)))
def test_every_verb_in_every_phase(verb, phase):
    reply = refusal(verb, phase)
    if phase.name in ALLOWED[verb.name].split():
        assert reply is None
    else:
        assert reply is not None
        assert (reply.code, reply.status) == (503, "5.5.1")


@pytest.mark.parametrize(("verb", "phase"), list(itertools.product(TABLE, Phase)))
def test_before_tls_and_before_sign_in(verb, phase):
    reply = refusal(verb, phase, tls_missing=True, auth_missing=True)
    if verb.name not in ("EHLO", "HELO", "NOOP", "RSET", "HELP", "QUIT", "STARTTLS"):
        assert reply is not None
        assert (reply.code, reply.status) == (530, "5.7.0")
    if verb.name in ("MAIL", "RCPT", "DATA", "BDAT") and phase is not Phase.CONNECTED:
        reply = refusal(verb, phase, auth_missing=True)
        assert reply is not None
        assert reply.code == 530


def test_data_after_recipients_in_vain():
    for name in (b"DATA", b"BDAT"):
        reply = refusal(VERBS[name], Phase.MAIL, tried=True)
        assert reply is not None
        assert reply.code == 554


def test_no_verb_is_a_browsers():
    assert not HTTP_VERBS & set(VERBS)


def test_conduct():
    conduct = Conduct(delay_at=2, close_at=4, junk_allowed=3)
    for _ in range(3):
        conduct.junk()
    assert conduct.errors == 0
    conduct.useful()
    for _ in range(4):
        conduct.junk()
    assert conduct.errors == 1
    assert not conduct.slow
    conduct.error()
    assert conduct.slow
    assert not conduct.enough
    conduct.error()
    conduct.error()
    assert conduct.enough
