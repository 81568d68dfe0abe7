from __future__ import annotations

import base64
import time
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from mailauth.dkim_sign import Signer
from mailauth.evaluate import Evaluator
from mailauth.resolver import DnsResolver
from mailauth.results import AuthenticationResults, DmarcResult, Outcome, SpfResult, header
from message.headers import parse_headers

MESSAGE = b"From: anna@example.org\r\nTo: marie@ici.example\r\n\r\nSalut\r\n"


@pytest.fixture
def signed(tmp_path, settings, server):
    key = Ed25519PrivateKey.generate()
    path = tmp_path / "key.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = base64.b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
    server.zone |= {
        "mail._domainkey.example.org": [f"TXT v=DKIM1; k=ed25519; p={public}"],
        "example.org": ["TXT v=spf1 ip4:192.0.2.1 -all"],
        "_dmarc.example.org": ["TXT v=DMARC1; p=reject"],
    }
    return Signer(replace(settings, dkim_key=path)).sign(MESSAGE, "example.org") + MESSAGE


def evaluate(settings, envelope, message, resolver=None) -> AuthenticationResults:
    evaluator = Evaluator(resolver or DnsResolver(settings), settings)
    return evaluator.evaluate(envelope, message, parse_headers(message))


def test_all_three_together(settings, envelope, signed):
    results = evaluate(settings, envelope(), signed)
    assert header(results, "mx") == (
        b"Authentication-Results: mx;\r\n"
        b"\tspf=pass smtp.mailfrom=example.org;\r\n"
        b"\tdkim=pass header.d=example.org header.s=mail;\r\n"
        b"\tdmarc=pass (p=reject) header.from=example.org\r\n"
    )


def test_forwarded_mail_passes_by_its_signature(settings, envelope, signed):
    results = evaluate(settings, envelope(address="198.51.100.1"), signed)
    assert (results.spf.outcome, results.dmarc.outcome) == (Outcome.FAIL, Outcome.PASS)


def test_a_forgery_fails(settings, envelope, signed):
    results = evaluate(settings, envelope(address="198.51.100.1"), MESSAGE)
    assert results.dmarc == DmarcResult(Outcome.FAIL, "example.org", "reject")


def test_switched_off_means_no_look_ups(server, settings, envelope, signed):
    results = evaluate(replace(settings, enabled=False), envelope(), signed)
    assert (results.spf.outcome, results.dkim, results.dmarc.outcome) == (Outcome.NONE, (), Outcome.NONE)
    assert server.asked == []


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
def test_a_client_on_this_machine_is_asked_nothing(server, settings, envelope, signed, address):
    results = evaluate(settings, envelope(address=address), MESSAGE)
    assert results.spf == SpfResult(Outcome.NONE)
    assert results.dmarc.outcome is Outcome.NONE
    assert server.asked == []


def test_a_client_on_this_machine_may_bring_a_good_signature(settings, envelope, signed):
    results = evaluate(settings, envelope(address="127.0.0.1"), signed)
    assert results.dmarc == DmarcResult(Outcome.PASS, "example.org", "reject")
    changed = evaluate(settings, envelope(address="127.0.0.1"), signed.replace(b"Salut", b"salut"))
    assert changed.dmarc.outcome is Outcome.NONE


def test_with_a_silent_dns_few_messages_wait(server, impatient, envelope, signed):
    server.silent = True
    resolver = DnsResolver(impatient)
    for i in range(50):
        message = signed.replace(b"example.org", b"n%d.example" % i)
        results = evaluate(impatient, envelope(sender=f"a@n{i}.example"), message, resolver)
        assert results.spf.outcome is Outcome.TEMPERROR
        assert [one.outcome for one in results.dkim] == [Outcome.TEMPERROR]
        assert results.dmarc.outcome is Outcome.TEMPERROR
    # Each query is one wait: two of the first message and the probe, then no message waits.
    assert len(server.asked) == 3


def test_one_message_waits_for_its_total_at_most(server, settings, envelope):
    """A message whose every name is silent, at a server that lives: the deadline ends it."""
    labels = [f"n{i}" for i in range(40)]
    server.silent_for = {f"{label}.example" for label in labels} | {f"_dmarc.{label}.example" for label in labels}
    server.silent_for |= {f"s._domainkey.{label}.example" for label in labels}
    settings = replace(settings, query_timeout=0.2, total_timeout=0.9)
    signatures = b"".join(
        b"DKIM-Signature: v=1; a=rsa-sha256; d=%s.example; s=s; h=from; bh=AAAA; b=AAAA\r\n" % label.encode()
        for label in labels
    )
    authors = ", ".join(f"x@{label}.example" for label in labels[:3]).encode()
    message = signatures + b"From: " + authors + b"\r\n\r\n"
    started = time.monotonic()
    results = evaluate(settings, envelope(sender="x@n0.example"), message)
    assert time.monotonic() - started < 9
    assert results.spf.outcome is Outcome.TEMPERROR
    assert {one.outcome for one in results.dkim} == {Outcome.TEMPERROR}
    assert len(server.asked) <= 9


class Broken:
    def __getattr__(self, name: str):
        raise RuntimeError("a bug")


def test_a_bug_is_a_temporary_error(settings, envelope, signed):
    results = evaluate(settings, envelope(), signed, Broken())
    assert results.spf.outcome is Outcome.TEMPERROR
    assert [one.outcome for one in results.dkim] == [Outcome.TEMPERROR]
    assert results.dmarc.outcome is Outcome.TEMPERROR


def test_a_client_address_that_is_none(settings, envelope, signed):
    assert evaluate(settings, envelope(address="unix:/run/lmtp"), signed).spf.outcome is Outcome.NONE


def test_silent_names_do_not_save_a_forger_from_the_policy(server, settings, envelope, signed):
    """Keys at silent servers before an aligned signature: policy, SPF and that signature are looked at first."""
    settings = replace(settings, query_timeout=0.6, total_timeout=2.5)
    server.silent_for = {f"s._domainkey.n{i}.example" for i in range(9)}
    forged = b"".join(
        b"DKIM-Signature: v=1; a=rsa-sha256; d=%s; s=s; h=from; bh=AAAA; b=AAAA\r\n" % domain
        for domain in [*(b"n%d.example" % i for i in range(9)), b"sub.example.org"]
    )
    results = evaluate(settings, envelope(address="198.51.100.1"), forged + MESSAGE)
    assert [one.outcome for one in results.dkim] == [Outcome.TEMPERROR] * 9 + [Outcome.PERMERROR]
    assert [one.domain for one in results.dkim][-2:] == ["n8.example", "sub.example.org"]
    assert results.dmarc == DmarcResult(Outcome.FAIL, "example.org", "reject")
